#include "canaryd/analysis/feasibility.hpp"

#include <gtest/gtest.h>

namespace canaryd::analysis {
namespace {

TEST(Feasibility, AgreesWithTheWorkedExamples) {
  const Settings settings;
  // Example 7: no errors at all, 1 % of 500 requests a second, accepted after 215 canary requests.
  const auto quiet = need_to_accept(settings, {500, 0}, BasisPoints(100), BasisPoints(500));
  ASSERT_TRUE(quiet);
  EXPECT_GT(quiet->canary_requests, 215 / 1.5);
  EXPECT_LT(quiet->canary_requests, 215 * 1.5);
  // Example 9: 1 % errors, half of 500 requests a second, accepted after 55,000.
  const auto last = need_to_accept(settings, {500, 0.01}, BasisPoints(5000), BasisPoints(10000));
  ASSERT_TRUE(last);
  EXPECT_GT(last->canary_requests, 55'000 / 1.5);
  EXPECT_LT(last->canary_requests, 55'000 * 1.5);
}

TEST(Feasibility, ASmallServiceNeedsHours) {
  const auto need = need_to_accept(Settings{}, {5, 0.01}, BasisPoints(5000), BasisPoints(10000));
  ASSERT_TRUE(need);
  EXPECT_GT(need->time, std::chrono::hours(3));
}

TEST(Feasibility, WhatCannotBeSaidIsNothing) {
  const Settings settings;
  EXPECT_FALSE(need_to_accept(settings, {0, 0.01}, BasisPoints(100), BasisPoints(500)));
  EXPECT_FALSE(need_to_accept(settings, {5, 0.01}, BasisPoints(10000), BasisPoints(10000)));
  EXPECT_FALSE(need_to_accept(settings, {5, 0.01}, BasisPoints(0), BasisPoints(100)));
  // Within tolerance there is nothing to detect.
  EXPECT_FALSE(need_to_detect(settings, {500, 0.01}, BasisPoints(100), 0.0119));
}

TEST(Feasibility, WorseIsFoundSooner) {
  const Settings settings;
  const auto fivefold = need_to_detect(settings, {500, 0.01}, BasisPoints(100), 0.05);
  const auto twofold = need_to_detect(settings, {500, 0.01}, BasisPoints(100), 0.02);
  ASSERT_TRUE(fivefold && twofold);
  EXPECT_LT(fivefold->canary_requests, twofold->canary_requests);
  EXPECT_LT(fivefold->time, std::chrono::seconds(120));
  // The burst guard is the floor: even a canary that only fails takes some seconds.
  const auto dead = need_to_detect(settings, {50'000, 0.01}, BasisPoints(5000), 1);
  ASSERT_TRUE(dead);
  EXPECT_GE(dead->time, std::chrono::seconds(4));
}

}  // namespace
}  // namespace canaryd::analysis
