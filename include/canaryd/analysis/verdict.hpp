// The outcome of an evaluation, and the words for it. Plain values; pure.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/stats/latency.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::analysis {

enum class Decision : std::uint8_t { kHold, kAccept, kRollback };

enum class Reason : std::uint8_t {
  kWorse,          // Rollback: a metric is beyond its tolerance.
  kBeyondLimit,    // Rollback: the canary breaks an absolute limit.
  kWithinLimit,    // Accept: every required metric is within what the next step may bear.
  kNeedsEvidence,  // Hold: the traffic so far says neither.
  kNoTraffic,  // Hold: no block with both cohorts yet, or none of late; nothing is known of either.
  kNoCanaryTraffic,  // Hold: the last block had no canary request.
  kNoStableTraffic,  // Hold: the last block had no stable request.
  kNoControl,  // Hold: everybody is on the canary; it is not compared with the past. Only time and
               // limits judge.
};

// "no_data": an operator's on_inconclusive: promote does not apply to these, they are never a pass.
[[nodiscard]] bool is_no_data(Reason reason) noexcept;

// kNoTraffic told apart by which version has had requests since: a block that lacks one version is
// given up after a minute only, and says what it lacked then. Every other reason stays.
[[nodiscard]] Reason what_is_missing(Reason reason, bool stable_came, bool canary_came) noexcept;

// Stable lower-case names for logs and the API: "rollback", "no_canary_traffic".
[[nodiscard]] std::string_view to_string(Decision decision) noexcept;
[[nodiscard]] std::string_view to_string(Reason reason) noexcept;

enum class MetricState : std::uint8_t { kOpen, kPass, kFail };
[[nodiscard]] std::string_view to_string(MetricState state) noexcept;

// Requests, failures and time of the current step, as this metric counts them; blocks with both
// cohorts only, but for limits.
struct MetricReport {
  std::string_view name;
  MetricState state = MetricState::kOpen;
  bool required = true;
  bool by_limit = false;  // Judged by an absolute limit, which is tolerated_rate; no comparison.
  std::optional<stats::LatencyQuantile> quantile;  // None: errors, or feedback.
  bool feedback = false;  // Then "requests" are votes, and a rate is the mean of how bad they are.
  double stable_n = 0;
  double canary_n = 0;
  double stable_bad = 0;
  double canary_bad = 0;
  std::uint64_t seconds = 0;
  // Rates as fractions; nothing without requests.
  std::optional<double> stable_rate;
  std::optional<double> canary_rate;
  std::optional<double> tolerated_rate;  // (1 + relative) * stable_rate + absolute.
  // The rates of the last 10 to 20 s, once the step is older: what turns bad late does not show in
  // the sums.
  struct Late {
    std::uint64_t seconds = 0;
    std::optional<double> stable_rate;
    std::optional<double> canary_rate;
    friend bool operator==(const Late&, const Late&) = default;
  };
  std::optional<Late> late;
  // The same of the whole run, where most of its requests came in earlier steps: the account for
  // rollback is of all.
  struct Run {
    double canary_n = 0;
    std::optional<double> stable_rate;
    std::optional<double> canary_rate;
    friend bool operator==(const Run&, const Run&) = default;
  };
  std::optional<Run> run;
  // Latency only: a response of stable, of the canary that took longer was "bad" in the last block.
  std::optional<Duration> stable_slow_after;
  std::optional<Duration> canary_slow_after;
  // Errors, latency: how many times further apart than chance has it the clients are; the evidence
  // for rollback counts for so much less. 1: no further.
  double design_effect = 1;
  // How far each account is on its way to the boundary: 0 to 1. Rollback 1: this metric alone is
  // enough.
  double rollback_evidence = 0;
  double accept_evidence = 0;
  // Until this metric accepts, if it goes on like this. Nothing when it does not move that way.
  std::optional<std::uint64_t> needs_requests;
  std::optional<Duration> needs_time;
  // Where that says nothing: what it takes a canary as good as stable, at the step's rate so far.
  std::optional<Duration> equal_time;
  // Not even such a canary would be accepted, however much traffic comes; not told of latency.
  bool never = false;
  // At the rates of the step so far neither account gains: however much traffic comes, there is no
  // verdict.
  bool undecided = false;
  friend bool operator==(const MetricReport&, const MetricReport&) = default;
};

// One route of several, or a segment, judged by its own traffic.
struct PartReport {
  std::string name;
  MetricReport metric;  // The worst one; account A is not kept by part.
  friend bool operator==(const PartReport&, const PartReport&) = default;
};

struct Verdict {
  Decision decision = Decision::kHold;
  Reason reason = Reason::kNoTraffic;
  // The metric that decides: the worst one, or the required one that is furthest from acceptance.
  // Index in metrics.
  std::size_t deciding = 0;
  std::vector<MetricReport> metrics;
  // Rollback: the route that is to blame, when its own traffic says more than the sum of all does,
  // or nearly all that is bad came by it.
  std::optional<PartReport> route;
  std::optional<PartReport> segment;  // The same of a segment: "X-Tenant=acme". Never both.
  // All metrics, routes and segments together: ln(total capital), and as a share of the way to ln(1
  // / false_rollback), 0 to 1.
  double ln_total = 0;
  double rollback_evidence = 0;
  // The canary's share of the step's requests; a large gap to the weight is a routing fault, to be
  // warned of.
  std::optional<double> canary_share;
  friend bool operator==(const Verdict&, const Verdict&) = default;
};

// The first required metric that has not counted anything of one version in this step: warm-up,
// nobody who votes. Without control there is nothing to count. Null: each has. As with no_data, a
// step is not ended for want of a verdict while there is one.
[[nodiscard]] const MetricReport* silent_metric(const Verdict& verdict) noexcept;

// The mean of votes from 1 to 5 that are so bad, 0 to 1.
[[nodiscard]] double mean_score(double rate) noexcept;
// Of 0 to 1, as it is shown: what is left of rounding is nothing.
[[nodiscard]] constexpr double shown_evidence(double evidence) noexcept {
  return evidence < 1e-9 ? 0 : evidence;
}

// "4.1 %": two digits that matter, no trailing zeros; "100 %".
[[nodiscard]] std::string format_rate(double rate);
// "latency p99": a metric's name for people.
[[nodiscard]] std::string title(const MetricReport& report);
// "errors canary 4.1 % vs stable 0.2 %, tolerated 0.32 %", or that there is nothing to compare yet;
// "latency p99 canary 4.1 % over 97 ms vs stable 1 % over 88 ms, tolerated 1.2 %"; "feedback canary
// 2.1 of 5 vs stable 4.3 of 5, tolerated 4.2 of 5"; "limit errors canary 8.1 %, allowed 5 %".
[[nodiscard]] std::string describe_rates(const MetricReport& report);
// Of what decides, the route or the segment named if one is to blame: "route pay: errors canary 52
// % vs ...", "segment X-Tenant=acme: errors canary 52 % vs ...".
[[nodiscard]] std::string describe_rates(const Verdict& verdict);
// "errors canary 4.1 % vs stable 0.2 %, tolerated 0.32 %, after 212 canary requests (6.1 s)".
[[nodiscard]] std::string describe(const MetricReport& report, Duration elapsed);
// The same with the seconds of the step's blocks.
[[nodiscard]] std::string describe(const MetricReport& report);
// One sentence for the whole verdict, without the name of the rollout.
[[nodiscard]] std::string describe(const Verdict& verdict);

}  // namespace canaryd::analysis
