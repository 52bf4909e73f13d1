// Everything that /metrics shows, as one plain value: filled by control and daemon, written as text
// by prometheus_text(). Names, types and labels of the output are those of docs/interfaces.md
// section 4; the order of the vectors is the order of the output.
//
// Thread rule: a plain value. Times in seconds, shares as ratios. Strings are names from the
// configuration, never user data: each distinct one is a time series.
#pragma once

#include "canaryd/base/strong.hpp"
#include "canaryd/stats/counter_block.hpp"
#include "canaryd/stats/duration_counters.hpp"
#include "canaryd/stats/feedback.hpp"
#include "canaryd/stats/histogram.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::telemetry {

struct LabelledCount {
  std::string label;  // Of `result` or `reason`.
  std::uint64_t count = 0;
};

struct DurationMetrics {
  stats::Histogram histogram;
  double sum_seconds = 0;
};
[[nodiscard]] inline DurationMetrics duration_metrics(const stats::DurationReading& reading) {
  return {reading.histogram, static_cast<double>(reading.sum_us) / 1e6};
}

struct ListenerMetrics {
  std::string name;
  std::int64_t connections_active = 0;
  std::vector<LabelledCount> connections{};  // By result: "accepted", "refused".
  std::vector<LabelledCount> errors{};       // By X-Canaryd-Error word.
};

struct RouteMetrics {
  std::string route;
  std::string rollout;  // Empty: none.
  Cohort cohort = Cohort::kNone;
  std::array<std::uint64_t, 6> code_class{};  // Index 0: no status.
  // Of the shadow cohort alone. Index: stats::Mirrored.
  std::array<std::uint64_t, stats::kMirroredCount> mirrored{};
};

// All routes of one rollout and cohort together; rollout empty and cohort none for all other
// routes.
struct TrafficMetrics {
  std::string rollout;
  Cohort cohort = Cohort::kNone;
  DurationMetrics duration{};
  std::int64_t active = 0;
  std::int64_t tunnels = 0;
  std::uint64_t request_body_bytes = 0;
  std::uint64_t response_body_bytes = 0;
  std::uint64_t user_failures = 0;
  std::uint64_t fallbacks_saved = 0;  // Of the canary.
  std::uint64_t fallbacks_failed = 0;
  std::uint64_t withheld_cookies = 0;
  // Index: stats::UpstreamError.
  std::array<std::uint64_t, stats::kUpstreamErrorCount> upstream_errors{};
};

struct EndpointMetrics {
  std::string address;
  bool healthy = true;
  bool ejected = false;
  std::uint64_t requests_active = 0;

  [[nodiscard]] bool usable() const noexcept { return healthy && !ejected; }
};

struct ConcurrencyMetrics {
  std::uint64_t max = 0;
  std::uint64_t active = 0;
  std::uint64_t queued = 0;
  std::vector<LabelledCount> rejected{};  // By reason.
};

struct UpstreamMetrics {
  std::string name;
  std::int64_t connections_busy = 0;
  std::int64_t connections_idle = 0;
  std::vector<LabelledCount> connects{};  // By result.
  std::vector<LabelledCount> retries{};   // By result.
  DurationMetrics first_byte{};
  std::vector<EndpointMetrics> endpoints{};
  std::optional<ConcurrencyMetrics> concurrency{};  // Left out without a limit.
  std::vector<LabelledCount> discovery{};           // By result; empty where endpoints are listed.
};

struct TransitionCount {
  std::string to;
  std::string reason;
  std::uint64_t count = 0;
};

struct AnalysisMetrics {
  std::string metric;                         // "errors", "latency_p99".
  int verdict = 0;                            // -1 fail, 0 open, 1 pass.
  std::optional<double> rollback_evidence{};  // 0..1, 1: boundary reached.
  std::optional<double> accept_evidence{};
  std::optional<double> stable{};  // Observed.
  std::optional<double> canary{};
  std::optional<double> tolerated{};
  std::optional<double> reading{};  // Of a query, in its own unit.
};

struct ParityMetrics {
  int state = 0;                       // -1 different, 0 gathering, 1 shown.
  double evidence = 0;                 // 0..1, 1: shown.
  std::vector<LabelledCount> reads{};  // By result.
};

struct RolloutMetrics {
  std::string name;
  std::string stable;
  std::string canary;
  std::string revision;
  std::string state;         // One of kRolloutStates.
  double since_seconds = 0;  // Unix time.
  std::uint32_t step = 0;    // Running, from 1; 0: none.
  std::uint32_t steps = 0;
  BasisPoints weight;                      // Of the canary, in force.
  std::optional<double> observed_ratio{};  // Share of the canary.
  bool circuit_open = false;
  bool returning = false;                           // By `rollback --over`.
  std::optional<bool> frozen;                       // Not set: no freeze windows.
  std::optional<double> retire_idle_seconds{};      // Not set: no retirement.
  std::optional<double> retire_idle_for_seconds{};  // As long as that has to be.
  struct HookCalls {
    std::uint64_t ok = 0;
    std::uint64_t failed = 0;
  };
  std::optional<HookCalls> hook_calls;                // Not set: no hooks.
  std::optional<ParityMetrics> parity{};              // Not set: reads are not compared.
  std::optional<std::uint64_t> exposure_remaining{};  // Not set: no limit.
  std::vector<TransitionCount> transitions{};
  std::vector<LabelledCount> rollbacks{};  // By reason.
  std::vector<AnalysisMetrics> analysis{};
  std::uint64_t samples_stable = 0;
  std::uint64_t samples_canary = 0;
  stats::VoteCounts votes_stable;  // That are evidence.
  stats::VoteCounts votes_canary;
  std::vector<LabelledCount> votes_ignored{};  // By reason.
};

struct ProcessMetrics {
  double cpu_seconds = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;
  double start_time_seconds = 0;  // Unix time.
};

struct ReloadMetrics {
  bool last_successful = true;
  double last_success_seconds = 0;  // Unix time.
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
};

struct MetricsSnapshot {
  std::string version;
  std::string commit;
  // Upper bounds of all histograms in seconds, rising (metrics.latency_buckets).
  std::vector<double> latency_bounds{};
  ReloadMetrics reload{};
  std::vector<ListenerMetrics> listeners{};
  std::vector<RouteMetrics> routes{};
  std::vector<TrafficMetrics> traffic{};
  std::vector<UpstreamMetrics> upstreams{};
  std::vector<RolloutMetrics> rollouts{};
  DurationMetrics loop_lag{};
  std::uint64_t log_dropped = 0;
  std::uint64_t store_failures = 0;
  std::uint64_t pruned_entries = 0;
  std::uint64_t pruned_evidence = 0;
  std::optional<ProcessMetrics> process{};
};

// docs/interfaces.md 2.4.
inline constexpr std::array<std::string_view, 12> kRolloutStates{"idle",
                                                                 "progressing",
                                                                 "suspended",
                                                                 "paused",
                                                                 "waiting",
                                                                 "held",
                                                                 "baking",
                                                                 "promoted",
                                                                 "retiring",
                                                                 "retired",
                                                                 "rolled_back",
                                                                 "aborted"};

class Collector;

// Fills `routes` and `traffic`.
void add_traffic(const Collector& collector, MetricsSnapshot& snapshot);
// From /proc/self; nothing where that cannot be read.
[[nodiscard]] std::optional<ProcessMetrics> read_process_metrics();

// Prometheus text 0.0.4. A family without a series is left out.
[[nodiscard]] std::string prometheus_text(const MetricsSnapshot& snapshot);

}  // namespace canaryd::telemetry
