#include "canaryd/analysis/metric.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>

namespace canaryd::analysis {
namespace {

using stats::LatencyQuantile;

// "p999" would be ambiguous to people.
constexpr std::array<std::string_view, stats::kLatencyQuantiles> kLatencyNames = {
    "latency_p50", "latency_p90", "latency_p99", "latency_p99.9"};

// Too few responses are beyond it for a step to wait for them.
constexpr LatencyQuantile kNotRequired = LatencyQuantile::kP999;

}  // namespace

std::vector<Metric> make_metrics(const Settings& settings) {
  const auto& feedback = settings.tolerance.feedback;
  std::vector<Metric> metrics = {Metric{.name = "errors",
                                        .weight = kErrorsWeight - (feedback ? kFeedbackWeight : 0),
                                        .tolerance = settings.tolerance.errors,
                                        .required = true,
                                        .quantile = std::nullopt}};
  for (const LatencyQuantile quantile : settings.latency_quantiles) {
    metrics.push_back(
        {.name = kLatencyNames[static_cast<std::size_t>(quantile)],
         .weight = kLatencyWeight / static_cast<double>(settings.latency_quantiles.size()),
         .tolerance = settings.tolerance.latency.share(),
         .required = quantile != kNotRequired,
         .quantile = quantile});
  }
  if (feedback) {
    metrics.push_back({.name = "feedback",
                       .weight = kFeedbackWeight,
                       .tolerance = feedback->share(),
                       .required = feedback->required,
                       .quantile = std::nullopt,
                       .feedback = true});
  }
  return metrics;
}

stats::LatencyRules latency_rules(const Settings& settings, BasisPoints next_weight) {
  stats::LatencyRules rules;
  for (const LatencyQuantile quantile : settings.latency_quantiles) {
    rules.judged[static_cast<std::size_t>(quantile)] = true;
  }
  rules.stretch = settings.tolerance.latency.stretch;
  rules.floor = settings.tolerance.latency.floor;
  rules.warm_up_seconds = std::chrono::ceil<std::chrono::seconds>(settings.warm_up).count();
  rules.next_weight = std::max(next_weight, BasisPoints(1)).ratio();
  return rules;
}

std::uint32_t seconds_of(const Metric& metric, const stats::Comparison& comparison) noexcept {
  return metric.feedback ? comparison.feedback.seconds : comparison.seconds;
}

MetricCounts take(const Metric& metric, const stats::Comparison& comparison) noexcept {
  MetricCounts counts;
  if (metric.feedback) {
    constexpr double kQuarter = 0.25;
    const stats::FeedbackCounts& votes = comparison.feedback;
    counts.stable_n = static_cast<double>(votes.stable.n);
    counts.canary_n = static_cast<double>(votes.canary.n);
    counts.stable_bad = kQuarter * static_cast<double>(votes.stable.quarters);
    counts.canary_bad = kQuarter * static_cast<double>(votes.canary.quarters);
    counts.canary_bad_next = counts.canary_bad;
    return counts;
  }
  if (!metric.quantile) {
    counts.stable_n = static_cast<double>(comparison.stable.n);
    counts.canary_n = static_cast<double>(comparison.canary.n);
    counts.stable_bad = static_cast<double>(comparison.stable.bad);
    counts.canary_bad = static_cast<double>(comparison.canary.bad);
    counts.canary_bad_next = counts.canary_bad;
    return counts;
  }
  const stats::SlowCounts& slow =
      comparison.latency.slow[static_cast<std::size_t>(*metric.quantile)];
  if (!slow.judged()) return counts;
  counts.stable_n = static_cast<double>(comparison.latency.stable_n);
  counts.canary_n = static_cast<double>(comparison.latency.canary_n);
  counts.stable_bad = static_cast<double>(slow.stable_slow);
  counts.canary_bad = static_cast<double>(slow.canary_slow);
  counts.canary_bad_next = static_cast<double>(slow.canary_slow_next);
  return counts;
}

}  // namespace canaryd::analysis
