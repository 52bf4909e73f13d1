#include "canaryd/base/error.hpp"

#include <gtest/gtest.h>

namespace canaryd {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return fail(ErrorCode::kInvalidArgument, "odd");
  return value / 2;
}

Result<int> quarter(int value) {
  CANARYD_TRY_ASSIGN(const int halved, half(value));
  CANARYD_TRY_ASSIGN(const int quartered, half(halved));
  return quartered;
}

Result<void> check(int value) {
  CANARYD_TRY(half(value));
  return {};
}

TEST(Error, TryAssignBindsTheValueOrReturnsTheError) {
  EXPECT_EQ(quarter(12).value(), 3);
  ASSERT_FALSE(quarter(6).has_value());
  EXPECT_EQ(quarter(6).error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(check(2).has_value());
  EXPECT_FALSE(check(1).has_value());
}

TEST(Error, DescribeNamesContextAndCode) {
  EXPECT_EQ(describe(quarter(6).error()), "odd (invalid_argument)");
  EXPECT_EQ(describe(Error{ErrorCode::kTimeout, Origin::kUpstream, Retry::kSafe, {}}), "timeout");
}

TEST(ErrorDeathTest, AssertEndsTheProcessAndSaysWhere) {
  EXPECT_DEATH(CANARYD_ASSERT(1 == 2), "assertion failed: 1 == 2 at .*error_test.cpp");
}

}  // namespace
}  // namespace canaryd
