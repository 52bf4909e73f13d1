#include "canaryd/stats/log_normal.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numbers>

namespace canaryd::stats {
namespace {

// Of the standard normal distribution.
constexpr double kNinetyNinth = 2.3263478740408408;
// All in one place is not a distribution that can be divided by.
constexpr double kLeastSpread = 1e-6;

}  // namespace

double LogNormal::above(std::size_t bucket) const noexcept {
  if (bucket + 1 >= kLatencyBuckets) return 0;
  const std::chrono::duration<double, std::milli> end = latency_bucket_start(bucket + 1);
  const double spread = std::max(std::log(p99_ms / median_ms) / kNinetyNinth, kLeastSpread);
  const double z = std::log(end.count() / median_ms) / spread;
  return std::erfc(z / std::numbers::sqrt2) / 2;
}

}  // namespace canaryd::stats
