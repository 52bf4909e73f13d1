#include "canaryd/stats/histogram.hpp"

#include <cmath>

namespace canaryd::stats {

Duration latency_bucket_start(std::size_t bucket) {
  const std::size_t index = std::min(bucket, kLatencyBuckets - 1);
  return Duration(static_cast<Duration::rep>(detail::kLatencyTable.edges[index]));
}

Duration latency_bucket_middle(std::size_t bucket) {
  const auto start = static_cast<double>(latency_bucket_start(bucket).count());
  return Duration(static_cast<Duration::rep>(std::llround(start * std::sqrt(kLatencyGrowth))));
}

std::uint64_t Histogram::total() const noexcept {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : buckets_) sum += count;
  return sum;
}

std::uint64_t Histogram::above(std::size_t bucket) const noexcept {
  std::uint64_t sum = 0;
  for (std::size_t k = bucket + 1; k < kLatencyBuckets; ++k) sum += buckets_[k];
  return sum;
}

std::optional<std::size_t> Histogram::quantile_bucket(double q) const {
  const std::uint64_t all = total();
  if (all == 0) return std::nullopt;
  return quantile_bucket(q, all);
}

std::size_t Histogram::quantile_bucket(double q, std::uint64_t all) const noexcept {
  const double rank = std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(all));
  const std::uint64_t wanted = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(rank));
  std::uint64_t seen = 0;
  for (std::size_t k = 0; k < kLatencyBuckets; ++k) {
    seen += buckets_[k];
    if (seen >= wanted) return k;
  }
  // Only when rounding put the rank above the total.
  return kLatencyBuckets - 1;
}

std::optional<Duration> Histogram::quantile(double q) const {
  const auto bucket = quantile_bucket(q);
  if (!bucket) return std::nullopt;
  return latency_bucket_middle(*bucket);
}

std::uint64_t Histogram::at_most(Duration bound) const {
  std::uint64_t sum = 0;
  for (std::size_t k = 0; k < kLatencyBuckets && latency_bucket_middle(k) <= bound; ++k) {
    sum += buckets_[k];
  }
  return sum;
}

Histogram& Histogram::operator+=(const Histogram& other) noexcept {
  for (std::size_t k = 0; k < kLatencyBuckets; ++k) buckets_[k] += other.buckets_[k];
  return *this;
}

Histogram Histogram::since(const Histogram& earlier) const noexcept {
  Histogram result;
  for (std::size_t k = 0; k < kLatencyBuckets; ++k) {
    result.buckets_[k] = buckets_[k] - std::min(buckets_[k], earlier.buckets_[k]);
  }
  return result;
}

}  // namespace canaryd::stats
