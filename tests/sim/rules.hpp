// Who judges a simulated rollout: canaryd's own engine, or a model of how another tool judges, so
// that all can be set side by side in the same traffic.
//
// The models are ours, written from how the tools judge by their documentation and public source;
// names, thresholds and intervals are those of the tools' own examples. They see the error rate
// alone, are told the truth (no scrape delay, no lost sample), and step by our steps.
//
// - Flagger (docs.flagger.app, "Canary analysis"; controller of release 1.x): each `interval` of a
//   minute the canary's success rate over that minute is compared with a fixed minimum of 99 %. A
//   good check raises the weight by a step; a bad one counts, and the fifth (`threshold: 5`) rolls
//   back. Bad checks are counted over the whole rollout.
// - Argo Rollouts (argo-rollouts.readthedocs.io, "Analysis & progressive delivery", background
//   analysis): a step each 10 minutes; each 5 minutes the success rate of those 5 minutes must be
//   at least 95 %; more than 3 bad measurements (`failureLimit: 3`) abort.
// - Kayenta (spinnaker/kayenta, NetflixACAJudge): of each minute a point, canary and baseline;
// after
//   10 minutes of a step a two-sided Mann-Whitney test at 98 % confidence: the metric is "high" if
//   the lower end of the interval of the difference is above a quarter of the Hodges-Lehmann
//   estimate. One metric, so the score is 0 or 100 against the limits 75 and 95. The interval is
//   made of the ordered pairwise differences (normal approximation), not by root finding.
//
// What the models leave out: other metrics, webhooks, retries of a whole analysis, an operator.
#pragma once

#include "canaryd/analysis/analyzer.hpp"
#include "canaryd/base/strong.hpp"
#include "sim/traffic.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace canaryd::sim {

enum class Ruling : std::uint8_t { kHold, kNext, kRollback };

class Rule {
 public:
  Rule() = default;
  Rule(const Rule&) = delete;
  Rule& operator=(const Rule&) = delete;
  virtual ~Rule() = default;

  // The first step, and each later one; `next` is where accepting it leads.
  virtual void begin_step(BasisPoints next) = 0;
  // What happened in this second of the rollout.
  virtual Ruling judge(std::int64_t second, const SecondCounts& counts) = 0;
};

enum class RuleName : std::uint8_t { kCanaryd, kFlagger, kArgo, kKayenta };
[[nodiscard]] std::string_view to_string(RuleName name) noexcept;

struct RuleOptions {
  analysis::Settings settings;             // Of canaryd; the others have none of them.
  std::int64_t min_duration_seconds = 10;  // Of canaryd's steps.
};
[[nodiscard]] std::unique_ptr<Rule> make_rule(RuleName name, const RuleOptions& options);

// Kayenta's classification of one metric, given its points: is the canary's "high"?
[[nodiscard]] bool kayenta_is_high(std::span<const double> stable, std::span<const double> canary);

}  // namespace canaryd::sim
