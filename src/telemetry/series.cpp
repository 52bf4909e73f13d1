#include "telemetry/series.hpp"

#include "canaryd/stats/cohort_sample.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>

namespace canaryd::telemetry {
namespace {

float figure(const std::optional<Duration>& latency) {
  return latency ? std::chrono::duration<float>(*latency).count() : -1;
}

std::uint32_t clamped(std::uint64_t count) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(std::min(count, kMax));
}

SeriesPoint::Figures figures_of(const stats::CounterSnapshot& counts) {
  const stats::CohortSample sample = stats::make_sample(counts, Duration{});
  SeriesPoint::Figures figures;
  figures.requests = clamped(sample.requests);
  if (sample.error_rate) figures.error_rate = static_cast<float>(*sample.error_rate);
  figures.p50 = figure(sample.p50);
  figures.p90 = figure(sample.p90);
  figures.p99 = figure(sample.p99);
  return figures;
}

}  // namespace

Series::Series(std::int64_t now_second) {
  for (Tier& tier : tiers_) tier.began = now_second;
}

void Series::begin_run(std::int64_t now_second) {
  for (Tier& tier : tiers_) {
    tier.began = now_second;
    tier.stable = {};
    tier.canary = {};
  }
}

void Series::tick(std::int64_t now_second,
                  BasisPoints weight,
                  const stats::CounterSnapshot& stable,
                  const stats::CounterSnapshot& canary) {
  for (std::size_t grain = 0; grain < tiers_.size(); ++grain) {
    Tier& tier = tiers_[grain];
    const std::int64_t passed = now_second - tier.began;
    if (passed < kSeriesGrains[grain].seconds) continue;
    SeriesPoint point;
    point.second = now_second;
    point.seconds = clamped(static_cast<std::uint64_t>(passed));
    point.weight = weight;
    point.stable = figures_of(stable.since(tier.stable));
    point.canary = figures_of(canary.since(tier.canary));
    tier.points.push_back(point);
    if (tier.points.size() > kSeriesGrains[grain].kept) tier.points.pop_front();
    tier.began = now_second;
    tier.stable = stable;
    tier.canary = canary;
  }
}

std::vector<SeriesPoint> Series::points(std::size_t grain, std::int64_t since) const {
  const auto& points = tiers_.at(grain).points;
  const auto first = std::find_if(points.begin(), points.end(), [since](const SeriesPoint& point) {
    return point.second > since;
  });
  return {first, points.end()};
}

}  // namespace canaryd::telemetry
