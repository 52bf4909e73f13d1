#include "canaryd/upstream/retry_budget.hpp"

#include <gtest/gtest.h>

namespace canaryd::upstream {
namespace {

using namespace std::chrono_literals;

const Monotonic kStart = Monotonic(1000s);

// Retries that are let through when everything fails, `requests` evenly spread over the time.
int retries_of(RetryBudget& budget, int requests, Duration time, Monotonic from = kStart) {
  int retries = 0;
  for (int i = 0; i < requests; ++i) {
    budget.deposit();
    if (budget.withdraw(from + time * i / requests)) ++retries;
  }
  return retries;
}

TEST(RetryBudget, LetsTheShareThroughWhenEverythingFails) {
  for (const int percent : {1, 20, 50, 100}) {
    RetryBudget budget(static_cast<std::uint8_t>(percent));
    const int retries = retries_of(budget, 10'000, 1s);
    EXPECT_LE(retries, 100 * percent + static_cast<int>(RetryBudget::kReserve));
    EXPECT_GE(retries, 100 * percent);
  }
}

TEST(RetryBudget, LowTrafficMayRetry) {
  RetryBudget budget(20);
  EXPECT_EQ(retries_of(budget, 100, 100s), 100);
}

TEST(RetryBudget, TheReserveRefillsByOneASecond) {
  RetryBudget budget(0);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(budget.withdraw(kStart));
  EXPECT_FALSE(budget.withdraw(kStart));
  EXPECT_FALSE(budget.available(kStart + 999ms));
  EXPECT_TRUE(budget.available(kStart + 1s));
  EXPECT_TRUE(budget.withdraw(kStart + 1s));
  EXPECT_FALSE(budget.withdraw(kStart + 1999ms));
  EXPECT_EQ(retries_of(budget, 1000, 10s, kStart + 2s), 10);
}

TEST(RetryBudget, TheReserveIsBounded) {
  RetryBudget budget(0);
  EXPECT_EQ(retries_of(budget, 1000, 1ms, kStart + 1h), 3);
}

// An hour of good traffic pays for a burst, not for a storm.
TEST(RetryBudget, WhatIsSavedIsBounded) {
  RetryBudget budget(20);
  for (int i = 0; i < 1'000'000; ++i) budget.deposit();
  const int retries = retries_of(budget, 1000, 1ms);
  EXPECT_LE(retries,
            200 + static_cast<int>(RetryBudget::kBurst) + static_cast<int>(RetryBudget::kReserve));
}

TEST(RetryBudget, AskingTakesNothing) {
  RetryBudget budget(0);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(budget.available(kStart));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(budget.withdraw(kStart));
  EXPECT_FALSE(budget.available(kStart));
}

}  // namespace
}  // namespace canaryd::upstream
