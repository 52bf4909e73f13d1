// The judge of one rollout: takes blocks, gives verdicts (docs/statistics.md).
//
// A value: copyable, comparable, without clock or chance. The same calls in the same order give the
// same bits, so no state is saved: after a restart control makes a new Analyzer from the journalled
// settings and makes the calls again, row by row - begin_step() for a step row, weight_increased()
// where the weight was raised, absorb() for a block row. `explain --verify` does the same. A new
// canary build, or `retry`, starts a new Analyzer.
//
// Order at a raise: weight_increased(), then begin_step(), then blocks of the new weight.
//
// Blocks come from a stats::BlockBuilder that was given latency_rules() of the same settings and
// step; without them latency is silent, and a required metric that is silent is never accepted
// (judge errors alone with Settings::latency_quantiles empty).
// Thread rule: none of its own; control owns it. absorb() takes a few microseconds a metric.
#pragma once

#include "canaryd/analysis/accounts.hpp"
#include "canaryd/analysis/metric.hpp"
#include "canaryd/analysis/panel.hpp"
#include "canaryd/analysis/settings.hpp"
#include "canaryd/analysis/verdict.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/stats/block.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace canaryd::analysis {

// What accepting the step that begins would lead to.
struct StepTarget {
  // Above 0. In the last step: 100 %, the plain tolerance.
  BasisPoints next_weight{BasisPoints::kMax};
  // False at 100 % without holdback: nothing to compare with, so the step is never accepted by
  // evidence. Limits can still roll back, and traffic of both cohorts that shows up all the same
  // (requests in flight).
  bool has_control = true;
  friend bool operator==(const StepTarget&, const StepTarget&) = default;
};

class Analyzer {
 public:
  // The first step is begun with begin_step(); until then nothing is accepted.
  explicit Analyzer(const Settings& settings);

  // New accept accounts and step counts; the rollback accounts go on.
  void begin_step(StepTarget target);
  // Once for every raise of the weight after the first.
  void weight_increased();
  // A block from BlockBuilder, in order. One that is not comparable and has nothing for limits
  // moves no account, only the reason of a hold; so the journal may leave such rows out.
  void absorb(const stats::Block& block);

  // Rollback is looked at first, and stays once reached. Accept is what the accounts say now.
  [[nodiscard]] Verdict evaluate() const;
  // evaluate().decision alone, without the figures; and its reason, if that is to hold.
  [[nodiscard]] Decision decision() const noexcept;
  [[nodiscard]] Reason hold_reason() const noexcept;
  // Whether silent_metric() of it is one.
  [[nodiscard]] bool has_silent_metric() const noexcept;

  [[nodiscard]] std::span<const Metric> metrics() const noexcept { return metrics_; }
  [[nodiscard]] const Settings& settings() const noexcept { return settings_; }
  // ln of the capital: of a metric's account R, of its account A, of all metrics' R together; then
  // of the whole, in which the routes' own accounts, when there are several, and those of segments
  // share half.
  [[nodiscard]] double ln_rollback(std::size_t metric) const noexcept;
  [[nodiscard]] double ln_accept(std::size_t metric) const noexcept;
  [[nodiscard]] double ln_total() const noexcept;
  [[nodiscard]] double ln_all() const noexcept;
  [[nodiscard]] double rollback_boundary() const noexcept;
  [[nodiscard]] double accept_boundary() const noexcept;

  friend bool operator==(const Analyzer&, const Analyzer&) = default;

 private:
  // What worked against the canary when R reached its boundary.
  struct Failure {
    std::size_t metric = 0;
    std::optional<std::size_t> route;
    std::optional<std::size_t> segment;
    friend bool operator==(const Failure&, const Failure&) = default;
  };

  void compare(const stats::Block& block);
  void absorb_repeats(const MetricCounts& errors, const stats::Block& block) noexcept;
  // The account that has to be waited for.
  [[nodiscard]] const AcceptAccount& accept_of(std::size_t metric) const noexcept;
  void add_repeats(MetricReport& report, const Metric& metric) const noexcept;
  [[nodiscard]] MetricReport report(std::size_t metric) const;
  [[nodiscard]] double ln_part(std::size_t parts) const noexcept;
  [[nodiscard]] std::optional<std::size_t> to_blame(std::span<const Panel> parts,
                                                    std::span<const Metric> metrics) const noexcept;
  [[nodiscard]] Failure worst() const noexcept;
  [[nodiscard]] PartReport part(const std::string& name,
                                const Panel& panel,
                                double share,
                                std::span<const Metric> metrics,
                                std::size_t metric) const;
  void look_for_outage(const stats::Comparison& comparison);

  Settings settings_;
  StepTarget target_;  // Before what is made with it.
  std::vector<Metric> metrics_;
  Panel all_;                  // All routes together.
  std::vector<Panel> routes_;  // Index: Settings::routes; empty with fewer than two.
  std::vector<Metric> segment_metrics_;
  std::vector<Panel> segments_;        // Index: Settings::segments.
  std::vector<AcceptAccount> accept_;  // By metric.
  std::vector<EmptyClaim> empty_;      // By metric; over all steps.
  StableOutage outage_;                // The same.
  // Errors with the repetitions that the dedupe has left out. Without them a client that asks often
  // hides how much worse a version is; with them alone one broken client of stable would hide it.
  // So a step has to be accepted by both. Not set before the first repetition of the step: both are
  // alike until then.
  std::optional<AcceptAccount> accept_repeats_;
  double stable_repeats_ = 0;  // In this step.
  double canary_repeats_ = 0;
  // Why there is nothing to compare: from the last block, or before the first of a step.
  Reason data_ = Reason::kNoTraffic;
  bool begun_ = false;
  std::optional<Failure> failed_;
};

}  // namespace canaryd::analysis
