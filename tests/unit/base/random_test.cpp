#include "canaryd/base/random.hpp"

#include <gtest/gtest.h>

namespace canaryd {
namespace {

TEST(Random, TheSeedDecidesTheNumbers) {
  Random a(7);
  Random b(7);
  Random c(8);
  EXPECT_EQ(a.next(), b.next());
  EXPECT_NE(a.next(), c.next());
}

TEST(Random, BelowStaysBelowAndReachesEveryValue) {
  Random random(1);
  unsigned seen = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto value = random.below(10);
    ASSERT_LT(value, 10U);
    seen |= 1U << value;
  }
  EXPECT_EQ(seen, 0x3ffU);
}

TEST(Random, UniformIsInTheHalfOpenUnitInterval) {
  Random random(2);
  double sum = 0;
  for (int i = 0; i < 10000; ++i) {
    const double value = random.uniform();
    ASSERT_GE(value, 0);
    ASSERT_LT(value, 1);
    sum += value;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

}  // namespace
}  // namespace canaryd
