#include "canaryd/stats/latency.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace canaryd::stats {
namespace {

constexpr double kSamplesBeyond = 20;
constexpr double kWidestStretch = 4;

// Every quantile's rank needs this many responses before it means anything.
std::uint64_t samples_needed(double rank) noexcept {
  return static_cast<std::uint64_t>(std::llround(kSamplesBeyond / (1 - rank)));
}

std::uint16_t clamped(std::size_t bucket) noexcept {
  return static_cast<std::uint16_t>(std::min(bucket, kLatencyBuckets - 1));
}

// What is slow in every respect comes in; what came in before goes out.
std::uint64_t with_overdue(std::uint64_t finished, Overdue overdue) noexcept {
  return finished - std::min(finished, overdue.ended) + overdue.counted + overdue.abandoned;
}

Histogram halved(const Histogram& from) noexcept {
  Histogram result;
  for (std::size_t k = 0; k < kLatencyBuckets; ++k) result.add_bucket(k, from.bucket(k) / 2);
  return result;
}

}  // namespace

bool LatencyCounts::judged() const noexcept {
  return std::any_of(slow.begin(), slow.end(), [](const SlowCounts& one) { return one.judged(); });
}

SlowCounts latency_limits(std::size_t threshold, const LatencyRules& rules) {
  const double buckets = std::round(std::log1p(rules.stretch) / std::log(kLatencyGrowth));
  const double stretch = std::clamp(buckets, 1.0, static_cast<double>(kLatencyBuckets));
  const double wider = std::min(kWidestStretch, 1 / rules.next_weight);
  const std::size_t floor = latency_bucket(latency_bucket_start(threshold + 1) + rules.floor);
  const auto beyond = [&](double by) {
    return clamped(std::max(threshold + static_cast<std::size_t>(std::llround(by)), floor));
  };
  SlowCounts limits;
  limits.threshold = clamped(threshold);
  limits.limit = beyond(stretch);
  limits.limit_next = beyond(stretch * wider);
  return limits;
}

Duration slow_after(std::size_t limit) {
  return latency_bucket_start(limit + 1);
}

void LatencyThresholds::learn(const Histogram& stable,
                              std::int64_t now_second,
                              std::optional<std::size_t> slow_above) {
  age(now_second);
  coming_ += stable;
  if (!enough_ || !slow_above) {
    slow_since_.reset();
    apart_ = {};
  } else if (!is_usual(now_second, *slow_above)) {
    return;
  }
  seen_ += coming_;
  coming_ = {};
  find();
}

bool LatencyThresholds::is_usual(std::int64_t now_second, std::size_t slow_above) {
  const CumulativeHistogram coming(coming_);
  const double most = kSlowShare * static_cast<double>(coming.total());
  const bool slow = static_cast<double>(coming.above(slow_above)) > most;
  const bool few = coming.total() < kSlowOf;
  if (few && (slow || slow_since_)) return false;
  if (!slow) {
    slow_since_.reset();
    apart_ = {};
    return true;
  }
  if (!slow_since_) slow_since_ = now_second;
  apart_ += coming_;
  coming_ = {};
  if (now_second - *slow_since_ < kOutageSeconds) return false;
  coming_ = std::exchange(apart_, {});
  return true;
}

void LatencyThresholds::need(const std::array<bool, kLatencyQuantiles>& judged) noexcept {
  needed_ = 0;
  for (std::size_t q = 0; q < kLatencyQuantiles; ++q) {
    if (judged[q]) needed_ = samples_needed(kQuantileRanks[q]);
  }
}

void LatencyThresholds::recall(const KnownThresholds& known) noexcept {
  for (std::size_t q = 0; q < kLatencyQuantiles; ++q) {
    if (known[q] && !buckets_[q]) buckets_[q] = *known[q];
  }
}

void LatencyThresholds::age(std::int64_t now_second) {
  if (now_second - halved_second_ < kHalvingSeconds) return;
  halved_second_ = now_second;
  const Histogram half = halved(seen_);
  if (CumulativeHistogram(half).total() < needed_) return;
  seen_ = half;
  find();
}

void LatencyThresholds::find() noexcept {
  const CumulativeHistogram seen(seen_);
  enough_ = seen.total() >= samples_needed(kQuantileRanks.front());
  for (std::size_t q = 0; q < kLatencyQuantiles; ++q) {
    if (seen.total() < samples_needed(kQuantileRanks[q])) continue;
    buckets_[q] = seen.quantile_bucket(kQuantileRanks[q]);
  }
}

void LatencyCutter::recall(const KnownThresholds& known, std::int64_t now_second) noexcept {
  thresholds_.recall(known);
  const auto is_known = [](const auto& threshold) { return threshold.has_value(); };
  if (std::any_of(known.begin(), known.end(), is_known)) warm_second_ = now_second;
}

std::optional<std::size_t> LatencyCutter::widest_limit(std::size_t quantile) const {
  const auto threshold = thresholds_.bucket(static_cast<LatencyQuantile>(quantile));
  if (!rules_.judged[quantile] || !threshold) return std::nullopt;
  LatencyRules widest = rules_;
  widest.next_weight = 1 / kWidestStretch;
  return latency_limits(*threshold, widest).limit_next;
}

std::optional<std::size_t> LatencyCutter::highest_limit() const {
  std::size_t highest = 0;
  for (std::size_t q = 0; q < kLatencyQuantiles; ++q) {
    highest = std::max({highest, std::size_t{rules_.limits[q]}, widest_limit(q).value_or(0)});
  }
  if (highest == 0) return std::nullopt;
  return highest;
}

std::optional<std::size_t> LatencyCutter::lowest_limit() const {
  std::optional<std::size_t> lowest;
  for (std::size_t q = 0; q < kLatencyQuantiles && !lowest; ++q) lowest = widest_limit(q);
  return lowest;
}

LatencyCuts LatencyCutter::cuts() const noexcept {
  LatencyCuts cuts;
  for (std::size_t q = 0; q < kLatencyQuantiles; ++q) {
    const auto threshold = thresholds_.bucket(static_cast<LatencyQuantile>(q));
    if (rules_.judged[q] && threshold) cuts.set(q, clamped(*threshold));
  }
  return cuts;
}

bool LatencyCutter::is_warm(std::int64_t start_second) const noexcept {
  return rules_.warm_up_seconds == 0 || (warm_second_ && start_second >= *warm_second_);
}

LatencyCounts LatencyCutter::close(std::int64_t start_second, std::int64_t now_second) {
  LatencyCounts counts;
  if (is_warm(start_second)) {
    for (std::size_t q = 0; q < kLatencyQuantiles; ++q) {
      const auto threshold = thresholds_.bucket(static_cast<LatencyQuantile>(q));
      if (rules_.judged[q] && threshold) counts.slow[q] = limits_of(q, *threshold);
    }
    count(counts);
  }
  if (empty_) {
    thresholds_.age(now_second);
    return counts;
  }
  if (has_past_) stable_.finished += past_;
  std::optional<std::size_t> slow_above;
  if (const auto median = thresholds_.bucket(LatencyQuantile::kP50)) {
    slow_above = limits_of(0, *median).limit;
  }
  thresholds_.learn(stable_.finished, now_second, slow_above);
  clear();
  return counts;
}

// A threshold seldom moves.
const SlowCounts& LatencyCutter::limits_of(std::size_t quantile, std::size_t threshold) {
  SlowCounts& limits = limits_[quantile];
  if (!limits.judged() || limits.threshold != threshold) limits = latency_limits(threshold, rules_);
  return limits;
}

LatencyCounts LatencyCutter::close_by_limits(std::int64_t start_second) {
  LatencyCounts counts;
  stable_.overdue.abandoned = canary_.overdue.abandoned = 0;
  if (is_warm(start_second)) {
    for (std::size_t q = 0; q < kLatencyQuantiles; ++q) {
      SlowCounts& slow = counts.slow[q];
      slow.threshold = slow.limit = slow.limit_next = rules_.limits[q];
    }
    count(counts);
  }
  clear();
  return counts;
}

// By the limits that are set.
void LatencyCutter::count(LatencyCounts& counts) const noexcept {
  if (empty_) return;
  const CumulativeHistogram stable(stable_.finished);
  const CumulativeHistogram canary(canary_.finished);
  counts.stable_n = with_overdue(stable.total(), stable_.overdue);
  counts.canary_n = with_overdue(canary.total(), canary_.overdue);
  for (SlowCounts& slow : counts.slow) {
    if (!slow.judged()) continue;
    slow.stable_slow = with_overdue(stable.above(slow.threshold), stable_.overdue);
    slow.canary_slow = with_overdue(canary.above(slow.limit), canary_.overdue);
    slow.canary_slow_next = with_overdue(canary.above(slow.limit_next), canary_.overdue);
  }
}

void LatencyCutter::clear() noexcept {
  if (empty_) return;
  stable_ = canary_ = {};
  if (has_past_) past_ = {};
  has_past_ = false;
  empty_ = true;
}

}  // namespace canaryd::stats
