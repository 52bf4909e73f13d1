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

std::optional<std::size_t> Histogram::quantile_bucket(double q) const {
  return CumulativeHistogram(*this).quantile_bucket(q);
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
    // Without a comparison of unsigned words, which SSE2 does not have: it is done for each rollout
    // in each second.
    const std::uint64_t came = buckets_[k] - earlier.buckets_[k];
    result.buckets_[k] = came & ~static_cast<std::uint64_t>(static_cast<std::int64_t>(came) >> 63);
  }
  return result;
}

CumulativeHistogram::CumulativeHistogram(const Histogram& of) noexcept {
  for (std::size_t k = kLatencyBuckets; k > 0; --k) {
    above_[k - 1] = total_;
    total_ += of.bucket(k - 1);
  }
}

std::optional<std::size_t> CumulativeHistogram::quantile_bucket(double q) const {
  if (total_ == 0) return std::nullopt;
  const double rank = std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(total_));
  const std::uint64_t wanted = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(rank));
  const auto found = std::partition_point(
      above_.begin(), above_.end(), [&](std::uint64_t above) { return total_ - above < wanted; });
  // The end only when rounding put the rank above the total.
  return std::min(static_cast<std::size_t>(found - above_.begin()), kLatencyBuckets - 1);
}

}  // namespace canaryd::stats
