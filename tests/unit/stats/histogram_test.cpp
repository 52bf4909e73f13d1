#include "canaryd/stats/histogram.hpp"

#include "canaryd/base/random.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace canaryd::stats {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

TEST(LatencyBucket, EdgesAndClamps) {
  EXPECT_EQ(latency_bucket(nanoseconds(-5)), 0U);
  EXPECT_EQ(latency_bucket(nanoseconds(0)), 0U);
  EXPECT_EQ(latency_bucket(microseconds(100)), 0U);
  EXPECT_EQ(latency_bucket(nanoseconds(104'999)), 0U);
  EXPECT_EQ(latency_bucket(nanoseconds(105'000)), 1U);
  EXPECT_EQ(latency_bucket(std::chrono::hours(24)), kLatencyBuckets - 1);
  EXPECT_EQ(latency_bucket(Duration::max()), kLatencyBuckets - 1);
}

TEST(LatencyBucket, EveryEdgeBeginsItsBucket) {
  for (std::size_t k = 1; k < kLatencyBuckets; ++k) {
    const Duration edge = latency_bucket_start(k);
    EXPECT_EQ(latency_bucket(edge), k);
    EXPECT_EQ(latency_bucket(edge - nanoseconds(1)), k - 1);
  }
}

TEST(LatencyBucket, AgreesWithTheLogarithm) {
  Random random(11);
  for (int i = 0; i < 100'000; ++i) {
    // Even on the logarithmic scale, from 10 us to 3 hours.
    const double ms = 0.01 * std::exp(random.uniform() * std::log(1e9));
    const double exact = std::log(ms / 0.1) / std::log(1.05);
    if (std::abs(exact - std::round(exact)) < 1e-3) continue;  // Rounding to nanoseconds decides.
    const double expected = std::clamp(std::floor(exact), 0.0, 339.0);
    const auto latency = nanoseconds(std::llround(ms * 1e6));
    ASSERT_EQ(latency_bucket(latency), static_cast<std::size_t>(expected)) << ms << " ms";
  }
}

TEST(Histogram, QuantilesAreWithinTheStatedError) {
  Histogram histogram;
  for (int i = 1; i <= 10'000; ++i) histogram.add(microseconds(1000 + 10 * i));
  for (const double q : {0.5, 0.9, 0.99, 0.999}) {
    const double exact = 1e6 + 1e4 * std::ceil(q * 10'000);
    const auto found = histogram.quantile(q);
    ASSERT_TRUE(found);
    EXPECT_NEAR(static_cast<double>(found->count()) / exact, 1, 0.026) << q;
  }
}

TEST(Histogram, QuantileOfNothingAndOfOne) {
  Histogram histogram;
  EXPECT_FALSE(histogram.quantile(0.5));
  histogram.add(milliseconds(20));
  EXPECT_EQ(histogram.quantile_bucket(0.001), latency_bucket(milliseconds(20)));
  EXPECT_EQ(histogram.quantile_bucket(1), latency_bucket(milliseconds(20)));
  const CumulativeHistogram cumulative(histogram);
  EXPECT_EQ(cumulative.total(), 1U);
  EXPECT_EQ(cumulative.above(latency_bucket(milliseconds(20))), 0U);
  EXPECT_EQ(cumulative.above(latency_bucket(milliseconds(20)) - 1), 1U);
  EXPECT_EQ(cumulative.above(kLatencyBuckets), 0U);
}

TEST(Histogram, PrometheusBoundsCountEveryLatencyOnce) {
  Histogram histogram;
  for (int i = 1; i <= 1000; ++i) histogram.add(milliseconds(i));
  std::uint64_t before = 0;
  for (const int bound : {1, 5, 10, 50, 100, 500, 1000}) {
    const auto count = histogram.at_most(milliseconds(bound));
    EXPECT_GE(count, before);
    EXPECT_NEAR(static_cast<double>(count), bound, std::max(1.0, 0.026 * bound));
    before = count;
  }
  EXPECT_EQ(histogram.at_most(std::chrono::hours(2)), 1000U);
}

TEST(Histogram, MergingOrderDoesNotMatterAndSinceUndoesIt) {
  Random random(3);
  std::vector<Histogram> parts(5);
  Histogram whole;
  for (int i = 0; i < 5000; ++i) {
    const auto latency = nanoseconds(random.below(5'000'000'000));
    parts[random.below(parts.size())].add(latency);
    whole.add(latency);
  }
  Histogram forwards;
  Histogram backwards;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    forwards += parts[i];
    backwards += parts[parts.size() - 1 - i];
  }
  EXPECT_EQ(forwards, whole);
  EXPECT_EQ(backwards, whole);

  Histogram later = whole;
  later += parts[0];
  EXPECT_EQ(later.since(whole), parts[0]);
  EXPECT_EQ(whole.since(later).total(), 0U);
}

}  // namespace
}  // namespace canaryd::stats
