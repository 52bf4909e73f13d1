#include "admin/rate_limiter.hpp"

#include <gtest/gtest.h>

namespace canaryd::admin {
namespace {

using std::chrono::milliseconds;

TEST(RateLimiter, HasABurstAndThenARate) {
  RateLimiter limiter({.per_second = 2, .burst = 3});
  Monotonic now{};
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limiter.take(now));
  EXPECT_FALSE(limiter.take(now));
  EXPECT_FALSE(limiter.take(now + milliseconds(499)));
  EXPECT_TRUE(limiter.take(now + milliseconds(500)));
  EXPECT_FALSE(limiter.take(now + milliseconds(500)));
}

TEST(RateLimiter, SavesNoMoreThanTheBurst) {
  RateLimiter limiter({.per_second = 100, .burst = 2});
  EXPECT_TRUE(limiter.take(Monotonic{}));
  const Monotonic later = Monotonic{} + std::chrono::hours(1);
  EXPECT_TRUE(limiter.take(later));
  EXPECT_TRUE(limiter.take(later));
  EXPECT_FALSE(limiter.take(later));
}

}  // namespace
}  // namespace canaryd::admin
