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

constexpr std::array<std::string_view, stats::kLatencyQuantiles> kLatencyLimitNames = {
    "limit_latency_p50", "limit_latency_p90", "limit_latency_p99", "limit_latency_p99.9"};

// Too few responses are beyond it for a step to wait for them.
constexpr LatencyQuantile kNotRequired = LatencyQuantile::kP999;

Metric limit_metric(std::string_view name, double share) {
  Metric metric;
  metric.name = name;
  metric.tolerance = {.relative = 0, .absolute = 0};
  metric.required = false;
  metric.limit = share;
  return metric;
}

std::vector<Metric> limit_metrics(const Limits& limits) {
  std::vector<Metric> metrics;
  if (limits.errors) metrics.push_back(limit_metric("limit_errors", *limits.errors));
  for (std::size_t q = 0; q < limits.latency.size(); ++q) {
    if (!limits.latency[q]) continue;
    metrics.push_back(limit_metric(kLatencyLimitNames[q], 1 - stats::kQuantileRanks[q]));
    metrics.back().quantile = static_cast<LatencyQuantile>(q);
    metrics.back().slow_after = *limits.latency[q];
  }
  return metrics;
}

// Without limits every weight stays as it is.
void add_limits(std::vector<Metric>& metrics, const Limits& limits) {
  std::vector<Metric> added = limit_metrics(limits);
  if (added.empty()) return;
  for (Metric& metric : metrics) metric.weight *= 1 - kLimitsWeight;
  for (Metric& metric : added) metric.weight = kLimitsWeight / static_cast<double>(added.size());
  metrics.insert(metrics.end(), added.begin(), added.end());
}

MetricCounts counts_of(const stats::CohortCounts& stable,
                       const stats::CohortCounts& canary,
                       std::uint64_t canary_bad_next) noexcept {
  return {.stable_n = static_cast<double>(stable.n),
          .canary_n = static_cast<double>(canary.n),
          .stable_bad = static_cast<double>(stable.bad),
          .canary_bad = static_cast<double>(canary.bad),
          .canary_bad_next = static_cast<double>(canary_bad_next)};
}

// Quarters of a bad response.
MetricCounts counts_of(const stats::FeedbackCounts& votes) noexcept {
  constexpr double kQuarter = 0.25;
  const double canary_bad = kQuarter * static_cast<double>(votes.canary.quarters);
  return {.stable_n = static_cast<double>(votes.stable.n),
          .canary_n = static_cast<double>(votes.canary.n),
          .stable_bad = kQuarter * static_cast<double>(votes.stable.quarters),
          .canary_bad = canary_bad,
          .canary_bad_next = canary_bad};
}

MetricCounts counts_of(const Metric& metric, const stats::Comparison& comparison) noexcept {
  if (metric.feedback) return counts_of(comparison.feedback);
  if (metric.client_errors) {
    return counts_of({comparison.stable.n, comparison.stable.client_errors},
                     {comparison.canary.n, comparison.canary.client_errors},
                     comparison.canary.client_errors);
  }
  if (!metric.quantile) {
    return counts_of(comparison.stable, comparison.canary, comparison.canary.bad);
  }
  const stats::LatencyCounts& latency = comparison.latency;
  const stats::SlowCounts& slow = latency.slow[static_cast<std::size_t>(*metric.quantile)];
  if (!slow.judged()) return {};
  return counts_of({latency.stable_n, slow.stable_slow},
                   {latency.canary_n, slow.canary_slow},
                   slow.canary_slow_next);
}

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
  if (const auto& client_errors = settings.tolerance.client_errors) {
    Metric metric;
    metric.name = "client_errors";
    metric.tolerance = *client_errors;
    metric.client_errors = true;
    metrics.push_back(metric);
  }
  if (feedback) {
    metrics.push_back({.name = "feedback",
                       .weight = kFeedbackWeight,
                       .tolerance = feedback->share(),
                       .required = feedback->required,
                       .quantile = std::nullopt,
                       .feedback = true});
  }
  add_limits(metrics, settings.limits);
  return metrics;
}

std::vector<Metric> make_segment_metrics(const Settings& settings) {
  Metric errors;
  errors.name = "errors";
  errors.weight = 1;
  errors.tolerance = settings.tolerance.errors;
  return {errors};
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
  rules.limited = settings.limits.any();
  for (std::size_t q = 0; q < rules.limits.size(); ++q) {
    const auto& limit = settings.limits.latency[q];
    if (limit) rules.limits[q] = static_cast<std::uint16_t>(stats::latency_bucket(*limit));
  }
  return rules;
}

std::uint32_t seconds_of(const Metric& metric, const stats::Comparison& comparison) noexcept {
  return metric.feedback ? comparison.feedback.seconds : comparison.seconds;
}

MetricCounts take(const Metric& metric, const stats::Comparison& comparison) noexcept {
  return metric.limit ? MetricCounts{} : counts_of(metric, comparison);
}

MetricCounts take_by_limit(const Metric& metric, const stats::Comparison& second) noexcept {
  return metric.limit ? counts_of(metric, second) : MetricCounts{};
}

MetricCounts against_limit(const MetricCounts& counts, double limit) noexcept {
  return {.stable_n = 1 - limit,
          .canary_n = limit,
          .stable_bad = counts.canary_n - counts.canary_bad,
          .canary_bad = counts.canary_bad,
          .canary_bad_next = counts.canary_bad};
}

}  // namespace canaryd::analysis
