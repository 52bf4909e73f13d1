// The accounts R of all metrics over the same traffic: that of the whole rollout, or of one route.
// Values; pure.
#pragma once

#include "canaryd/analysis/accounts.hpp"
#include "canaryd/analysis/metric.hpp"
#include "canaryd/analysis/settings.hpp"
#include "canaryd/analysis/verdict.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace canaryd::analysis {

class Panel {
 public:
  Panel(std::span<const Metric> metrics, const Settings& settings);

  void begin_step() noexcept;  // The sums begin anew, the accounts go on.
  void weight_increased() noexcept;
  // Returns what each metric took, by index; silent ones move nothing.
  std::vector<MetricCounts> absorb(std::span<const Metric> metrics,
                                   const stats::Comparison& comparison);
  // Block::clients, of the latest block: from here on the evidence of errors and quantiles counts
  // for so much less.
  void set_clients(std::span<const Metric> metrics, const stats::ClientSpread& clients) noexcept;
  // Block::limits, for the metrics that have one. With a control, a second waits until stable has
  // had requests enough to tell whether it breaks the limit as well; when that is depends on counts
  // and time, never on failures.
  void absorb_limits(std::span<const Metric> metrics,
                     const stats::Comparison& second,
                     bool has_control);

  // ln of the capital. Where clients differ, its root: what is known of that now holds for all
  // evidence so far alike, and the root of a capital that is 1 on average, or less, is so too
  // (Jensen).
  [[nodiscard]] double ln_rollback(std::size_t metric) const noexcept;
  // Over the step.
  [[nodiscard]] const MetricCounts& sums(std::size_t metric) const noexcept {
    return entries_[metric].step;
  }
  // Over the run, as the accounts are.
  [[nodiscard]] const MetricCounts& run_sums(std::size_t metric) const noexcept {
    return entries_[metric].run;
  }
  // The average of the metrics' capitals, and of what nobody bets with, which stays 1. An average
  // of such accounts is one again, so no correction for the number of metrics is needed.
  [[nodiscard]] double ln_total(std::span<const Metric> metrics) const noexcept;
  [[nodiscard]] std::size_t worst_metric(std::span<const Metric> metrics) const noexcept;
  // Whether account R gains if all goes on as it did in the step.
  [[nodiscard]] bool gains(std::span<const Metric> metrics, std::size_t metric) const noexcept;
  // Without state and account A. `share`: so much of the whole capital is bet here, in (0, 1].
  [[nodiscard]] MetricReport report(std::span<const Metric> metrics,
                                    std::size_t metric,
                                    double rollback_boundary,
                                    double share) const;

  friend bool operator==(const Panel&, const Panel&) = default;

 private:
  struct LimitSecond {
    MetricCounts counts;
    std::uint32_t seconds = 0;
    friend bool operator==(const LimitSecond&, const LimitSecond&) = default;
  };
  struct Entry {
    RollbackAccount rollback;
    MetricCounts run;   // Sums over the run.
    MetricCounts step;  // The same over the step.
    std::uint64_t step_seconds = 0;
    // The same of late, in two parts of kLateSeconds or a little more: the newer one takes the
    // place of the older.
    MetricCounts older;
    MetricCounts newer;
    std::uint64_t older_seconds = 0;
    std::uint64_t newer_seconds = 0;
    stats::SlowCounts last;    // Latency: where the last block was cut.
    double design_effect = 1;  // Errors, latency: of the clients; at least 1.
    double ln_ways = 0;        // The most that evidence can be, if that is above 1.
    // Of a limit: the last kMostWaiting seconds of the canary.
    std::vector<LimitSecond> recent;
    friend bool operator==(const Entry&, const Entry&) = default;
  };
  static constexpr std::uint64_t kLateSeconds = 10;
  // Of stable, for a limit; and the most seconds of the canary that wait for them.
  static constexpr std::uint64_t kTellingRequests = 40;
  static constexpr std::size_t kMostWaiting = 60;
  [[nodiscard]] static bool stable_breaks(double limit,
                                          std::span<const LimitSecond> seconds) noexcept;
  [[nodiscard]] bool stable_excuses(const Metric& metric,
                                    const Entry& entry,
                                    bool has_control) const noexcept;
  void absorb_waiting(const Metric& metric, Entry& entry) const;
  static void add_to_step(Entry& entry, const MetricCounts& counts, std::uint32_t seconds) noexcept;
  [[nodiscard]] static std::optional<MetricReport::Late> late(const Entry& entry);
  [[nodiscard]] static std::optional<MetricReport::Run> run(const Entry& entry);

  std::vector<Entry> entries_;  // By metric.
  // So many of the newest of Entry::recent no limit has taken yet, and stable's requests in them.
  std::size_t waiting_ = 0;
  std::uint64_t waiting_requests_ = 0;
};

}  // namespace canaryd::analysis
