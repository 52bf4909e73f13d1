#include "canaryd/analysis/feasibility.hpp"

#include "canaryd/analysis/accounts.hpp"
#include "canaryd/analysis/metric.hpp"

#include <algorithm>
#include <cmath>

namespace canaryd::analysis {
namespace {

constexpr double kMostSeconds = 86400.0 * 10000;
// What the first bets of account R start with.
constexpr double kCapitalAtStart = 0.5;

// The expected counts of one second.
std::optional<MetricCounts> second_of(const Traffic& traffic,
                                      BasisPoints weight,
                                      double canary_rate) {
  MetricCounts counts;
  counts.canary_n = traffic.requests_per_second * weight.ratio();
  counts.stable_n = traffic.requests_per_second - counts.canary_n;
  if (counts.silent()) return std::nullopt;
  counts.stable_bad = counts.stable_n * traffic.error_rate;
  counts.canary_bad = counts.canary_n * canary_rate;
  counts.canary_bad_next = counts.canary_bad;
  return counts;
}

std::optional<Need> need(double gain_needed, double gain_a_second, double canary_a_second) {
  if (gain_a_second <= 0) return std::nullopt;
  const double seconds = gain_needed / gain_a_second;
  const auto bounded = static_cast<std::int64_t>(std::ceil(std::min(seconds, kMostSeconds)));
  return Need{.canary_requests = std::ceil(seconds * canary_a_second),
              .time = std::chrono::seconds(bounded)};
}

}  // namespace

std::optional<Need> need_to_accept(const Settings& settings,
                                   const Traffic& traffic,
                                   BasisPoints weight,
                                   BasisPoints next_weight) {
  const auto counts = second_of(traffic, weight, traffic.error_rate);
  if (!counts || next_weight.value() == 0) return std::nullopt;
  const Tolerance scaled{settings.tolerance.errors.relative / next_weight.ratio(),
                         settings.tolerance.errors.absolute / next_weight.ratio()};
  double best = 0;
  for (const double share : AcceptAccount::kShares) {
    best = std::max(best, AcceptAccount::increment(share, *counts, scaled));
  }
  const double start = std::log(static_cast<double>(AcceptAccount::kBets));
  return need(start - std::log(settings.false_accept), best, counts->canary_n);
}

std::optional<Need> need_to_detect(const Settings& settings,
                                   const Traffic& traffic,
                                   BasisPoints weight,
                                   double canary_error_rate) {
  const auto counts = second_of(traffic, weight, canary_error_rate);
  if (!counts) return std::nullopt;
  double best = 0;
  for (const double ratio : RollbackAccount::kRatios) {
    best = std::max(best, RollbackAccount::increment(ratio, *counts, settings.tolerance.errors));
  }
  best = std::min(best, settings.burst_guard);
  const double start =
      std::log(static_cast<double>(RollbackAccount::kBets) / kCapitalAtStart / kErrorsWeight);
  return need(start - std::log(settings.false_rollback), best, counts->canary_n);
}

}  // namespace canaryd::analysis
