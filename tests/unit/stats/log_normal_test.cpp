#include "canaryd/stats/log_normal.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace canaryd::stats {
namespace {

using namespace std::chrono_literals;

TEST(LogNormal, HasItsMedianAndTail) {
  const LogNormal latency{.median_ms = 50, .p99_ms = 200};
  // A bucket is 5 % wide, so the share above it is that of a latency up to 5 % longer.
  EXPECT_NEAR(latency.above(latency_bucket(50ms)), 0.5, 0.04);
  EXPECT_NEAR(latency.above(latency_bucket(200ms)), 0.01, 0.003);
  EXPECT_GT(latency.above(latency_bucket(49ms)), latency.above(latency_bucket(51ms)));
}

TEST(LogNormal, StretchingMovesIt) {
  const LogNormal latency{.median_ms = 10, .p99_ms = 15};
  EXPECT_NEAR(latency.stretched(2).above(latency_bucket(20ms)), 0.5, 0.12);
  EXPECT_EQ(latency.stretched(2).p99_ms, 30);
}

TEST(LogNormal, TheEdgesAreSure) {
  EXPECT_EQ(LogNormal().above(kLatencyBuckets - 1), 0);
  EXPECT_EQ(LogNormal().above(kLatencyBuckets + 7), 0);
  EXPECT_NEAR(LogNormal().above(0), 1, 1e-12);
  const LogNormal constant{.median_ms = 50, .p99_ms = 50};
  EXPECT_EQ(constant.above(latency_bucket(50ms)), 0);
  EXPECT_EQ(constant.above(latency_bucket(45ms)), 1);
}

}  // namespace
}  // namespace canaryd::stats
