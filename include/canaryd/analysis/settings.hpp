// What the operator may set about the analysis, with the defaults of the contract (INTERFACES 2.1).
// Plain values: the config room reads them and checks their ranges; whoever holds a Settings may
// rely on the ranges given here.
//
// Shares, rates and odds are fractions: the file says 0.1 (percentage points), this says 0.001.
#pragma once

#include "canaryd/analysis/limits.hpp"
#include "canaryd/base/clock.hpp"
#include "canaryd/stats/latency.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace canaryd::analysis {

enum class Mode : std::uint8_t {
  kEnforce,
  kObserve,  // Report, never act. The verdict is the same; who acts on it looks at the mode.
};

// The canary may be worse than stable by this much: rate <= (1 + relative) * stable's + absolute.
// Both >= 0.
struct Tolerance {
  double relative = 0.10;
  double absolute = 0.001;
  friend bool operator==(const Tolerance&, const Tolerance&) = default;
};

struct StatusRange {
  std::uint16_t first = 500;  // 100 to 599.
  std::uint16_t last = 599;   // Inclusive, not below first.
  friend bool operator==(const StatusRange&, const StatusRange&) = default;
};

// What counts as a failure. 4xx does not, unless it is listed.
struct ErrorClasses {
  std::vector<StatusRange> status = {StatusRange{}};
  // Of gRPC responses, 0 to 16: UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE and DATA_LOSS are
  // what a server that is broken says; the others are answers.
  std::vector<std::uint8_t> grpc_status = {2, 4, 13, 14, 15};
  bool reset = true;    // Connection refused, reset or closed before the response was complete.
  bool timeout = true;  // Any upstream deadline.

  [[nodiscard]] bool has_status(unsigned code) const noexcept {
    for (const StatusRange& range : status) {
      if (code >= range.first && code <= range.last) return true;
    }
    return false;
  }
  [[nodiscard]] bool has_grpc_status(unsigned code) const noexcept {
    return std::find(grpc_status.begin(), grpc_status.end(), code) != grpc_status.end();
  }
  friend bool operator==(const ErrorClasses&, const ErrorClasses&) = default;
};

// Requests whose header has one of the values are judged on their own as well, by their errors.
// Each value is a segment: a tenant, a browser (proxy/watch.hpp).
struct Watch {
  std::string header;
  std::vector<std::string> values;
  friend bool operator==(const Watch&, const Watch&) = default;
};
// "X-Tenant=acme".
[[nodiscard]] inline std::string segment_name(const std::string& header, const std::string& value) {
  return header + "=" + value;
}

// A canary response is slow if it took longer than the stable's quantile by more than `stretch` and
// by more than `floor`; and the share of slow responses may be worse by the rest.
struct LatencyTolerance {
  double stretch = 0.10;                          // A fraction, >= 0.
  Duration floor = std::chrono::milliseconds(1);  // >= 0.
  double relative = 0.05;
  double absolute = 0.001;
  [[nodiscard]] Tolerance share() const noexcept { return {relative, absolute}; }
  friend bool operator==(const LatencyTolerance&, const LatencyTolerance&) = default;
};

// By how much the users' votes of the canary may be worse: a vote of 1 to 5 is bad by (5 - score) /
// 4, and compared is the mean.
struct FeedbackTolerance {
  double relative = 0.10;
  double absolute = 0.01;
  bool required = false;  // A step waits for it; else it can only roll back.
  [[nodiscard]] Tolerance share() const noexcept { return {relative, absolute}; }
  friend bool operator==(const FeedbackTolerance&, const FeedbackTolerance&) = default;
};

struct Tolerances {
  Tolerance errors;
  LatencyTolerance latency;
  std::optional<FeedbackTolerance> feedback;  // Not set: feedback is not judged.
  // Of the share of responses with 4xx that are no failures. Steps wait for it, and it never rolls
  // back: such a response may be right. Not set: they are not judged.
  std::optional<Tolerance> client_errors;
  friend bool operator==(const Tolerances&, const Tolerances&) = default;
};

struct Settings {
  Mode mode = Mode::kEnforce;
  // Odds that a canary within tolerance is ever rolled back, over the whole rollout. In (0, 0.5].
  double false_rollback = 0.01;
  // Odds that a step is taken although the canary is beyond that step's limit. In (0, 0.5].
  double false_accept = 0.05;
  Tolerances tolerance;
  // Which quantiles of the latency are judged: rising, none twice. All but p99.9 are required for
  // acceptance. Empty: latency is not judged.
  std::vector<stats::LatencyQuantile> latency_quantiles = {stats::LatencyQuantile::kP50,
                                                           stats::LatencyQuantile::kP90,
                                                           stats::LatencyQuantile::kP99,
                                                           stats::LatencyQuantile::kP999};
  // The most that one second may add to a bet of the rollback account, in nats (1.5: a factor
  // of 4.5). Above 0.
  double burst_guard = 1.5;
  Duration dedupe_window = std::chrono::seconds(10);
  // Latency evidence is left out this long after the canary's first request; errors count from the
  // first.
  Duration warm_up = std::chrono::seconds(30);
  ErrorClasses errors;
  Limits limits;
  // Names of the routes that are judged on their own as well, so that one broken endpoint is found
  // and named; at most kMaxRoutes. With fewer than two the sum says it all, and it stays empty.
  std::vector<std::string> routes;
  static constexpr std::size_t kMaxRoutes = 64;
  std::vector<Watch> watch;
  // Names of the segments that these make, in their order, none twice; at most kMaxSegments.
  std::vector<std::string> segments;
  static constexpr std::size_t kMaxSegments = 64;
  static constexpr std::size_t kSegmentNameBytesMax = 128;
  // Whether responses' latencies are looked at.
  [[nodiscard]] bool judges_latency() const noexcept {
    return !latency_quantiles.empty() || limits.of_latency();
  }
  friend bool operator==(const Settings&, const Settings&) = default;
};

}  // namespace canaryd::analysis
