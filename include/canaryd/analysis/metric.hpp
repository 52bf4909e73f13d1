// A metric: something of which a response is good or bad, judged by comparing the cohorts: errors,
// client errors (4xx), latency quantiles (bad: slower than a threshold, see stats/latency.hpp), and
// feedback (votes, bad by quarters, see stats/feedback.hpp); or, of the canary alone, by an
// absolute limit (limits.hpp). Pure; plain values.
#pragma once

#include "canaryd/analysis/settings.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/stats/block.hpp"
#include "canaryd/stats/latency.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace canaryd::analysis {

// What a metric takes from a block. Doubles, because a vote may be half bad; whole numbers stay
// exact.
struct MetricCounts {
  double stable_n = 0;
  double canary_n = 0;
  double stable_bad = 0;
  double canary_bad = 0;
  // The same canary responses by the wider limit of the next step; equal to canary_bad unless the
  // metric has one.
  double canary_bad_next = 0;

  // A silent metric moves no account.
  [[nodiscard]] bool silent() const noexcept { return stable_n <= 0 || canary_n <= 0; }
  friend bool operator==(const MetricCounts&, const MetricCounts&) = default;
};

struct Metric {
  std::string_view name;  // Static text: "errors", "latency_p99.9", "feedback", "limit_errors".
  // Share of the capital that bets on this metric; 0: it can only hold. The weights sum to at most
  // 1; what no metric holds stays as it is.
  double weight = 0;
  Tolerance tolerance;
  // A step is accepted only when every required metric accepts; the others can only roll back.
  bool required = true;
  // Of the responses' latency; none: the metric is errors, client errors or feedback.
  std::optional<stats::LatencyQuantile> quantile;
  bool feedback = false;
  bool client_errors = false;
  // So much of the canary's responses may be bad, whatever stable does: such a metric is no
  // comparison, and can only roll back. In (0, 1).
  std::optional<double> limit{};
  Duration slow_after{};  // Limits on latency: longer is bad.
  friend bool operator==(const Metric&, const Metric&) = default;
};

// Half of the capital is for errors; the latency quantiles share the other half equally. Feedback,
// where it is judged, takes its part from errors.
// Its place among make_metrics(), and make_segment_metrics().
inline constexpr std::size_t kErrorsMetric = 0;
inline constexpr double kErrorsWeight = 0.5;
inline constexpr double kLatencyWeight = 0.5;
inline constexpr double kFeedbackWeight = 0.1;
// With limits these share so much equally, and everything else has so much less in proportion.
inline constexpr double kLimitsWeight = 0.2;

// Errors first, then the quantiles in their order, then client errors, feedback and the limits.
[[nodiscard]] std::vector<Metric> make_metrics(const Settings& settings);

// Segments are judged by their errors, which have all of their capital.
[[nodiscard]] std::vector<Metric> make_segment_metrics(const Settings& settings);

// How the block builder cuts blocks for these settings (BlockBuilder::set_latency_rules), in the
// step whose acceptance leads to `next_weight`, above 0.
[[nodiscard]] stats::LatencyRules latency_rules(const Settings& settings, BasisPoints next_weight);

// For how long the metric's counts came together.
[[nodiscard]] std::uint32_t seconds_of(const Metric& metric,
                                       const stats::Comparison& comparison) noexcept;

// A quantile that is not judged in the block (not known yet, or warming up) is silent, and so are
// limits.
[[nodiscard]] MetricCounts take(const Metric& metric, const stats::Comparison& comparison) noexcept;
// The same of a metric with a limit, from Block::limits.
[[nodiscard]] MetricCounts take_by_limit(const Metric& metric,
                                         const stats::Comparison& second) noexcept;
// As account R takes them, with no tolerance: the canary's good responses in the place of stable.
[[nodiscard]] MetricCounts against_limit(const MetricCounts& counts, double limit) noexcept;

}  // namespace canaryd::analysis
