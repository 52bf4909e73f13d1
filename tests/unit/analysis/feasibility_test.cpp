#include "canaryd/analysis/feasibility.hpp"

#include <gtest/gtest.h>

namespace canaryd::analysis {
namespace {

Settings errors_alone() {
  Settings settings;
  settings.latency_quantiles = {};
  return settings;
}

TEST(Feasibility, AgreesWithTheWorkedExamples) {
  const Settings settings = errors_alone();
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

TEST(Feasibility, IsTheSameEveryTime) {
  const auto once = need_to_accept(Settings{}, {50, 0.01}, BasisPoints(1000), BasisPoints(2500));
  const auto twice = need_to_accept(Settings{}, {50, 0.01}, BasisPoints(1000), BasisPoints(2500));
  ASSERT_TRUE(once && twice);
  EXPECT_EQ(once->time, twice->time);
}

TEST(Feasibility, WaitsForLatencyToo) {
  const Traffic traffic{500, 0.0001};
  const auto errors =
      need_to_accept(errors_alone(), traffic, BasisPoints(2500), BasisPoints(10000));
  const auto all = need_to_accept(Settings{}, traffic, BasisPoints(2500), BasisPoints(10000));
  ASSERT_TRUE(errors && all);
  EXPECT_GT(all->time, errors->time);
  // The closer the latencies are together, the more 10 % means.
  Traffic narrow = traffic;
  narrow.latency = {.median_ms = 50, .p99_ms = 60};
  const auto sooner = need_to_accept(Settings{}, narrow, BasisPoints(2500), BasisPoints(10000));
  ASSERT_TRUE(sooner);
  EXPECT_LT(sooner->time, all->time);
}

// Requests in blocks that are given up are lost to both versions. `canaryd simulate` promotes all
// of these.
TEST(Feasibility, FewRequestsTakeLongButNotForEver) {
  Settings settings = errors_alone();
  settings.tolerance.errors.absolute = 0.02;
  const auto days = [&](double rate, double errors, std::uint16_t weight) {
    const auto need =
        need_to_accept(settings, {rate, errors}, BasisPoints(weight), BasisPoints(10000));
    return need ? std::chrono::duration<double>(need->time).count() / 86400 : -1;
  };
  const double slowest = days(0.01, 0.2, 5000);
  EXPECT_GT(slowest, 10);
  EXPECT_LT(slowest, 40);
  // The more requests, the sooner.
  double before = slowest;
  for (const double rate : {0.0167, 0.02, 0.03, 0.1, 1.0}) {
    const double now = days(rate, 0.2, 5000);
    EXPECT_GT(now, 0) << rate;
    EXPECT_LT(now, before) << rate;
    before = now;
  }
  EXPECT_GT(days(0.02, 0.05, 9000), 0);
  EXPECT_GT(days(0.02, 0.2, 2500), 0);
}

TEST(Feasibility, WhatCannotBeSaidIsNothing) {
  const Settings settings;
  EXPECT_FALSE(need_to_accept(settings, {0, 0.01}, BasisPoints(100), BasisPoints(500)));
  EXPECT_FALSE(need_to_accept(settings, {5, 0.01}, BasisPoints(10000), BasisPoints(10000)));
  EXPECT_FALSE(need_to_accept(settings, {5, 0.01}, BasisPoints(0), BasisPoints(100)));
  // Within tolerance there is nothing to detect.
  EXPECT_FALSE(need_to_detect(settings, {500, 0.01}, {.error_rate = 0.0119}, BasisPoints(100)));
}

TEST(Feasibility, WorseIsFoundSooner) {
  const Settings settings;
  const auto fivefold =
      need_to_detect(settings, {500, 0.01}, {.error_rate = 0.05}, BasisPoints(100));
  const auto twofold =
      need_to_detect(settings, {500, 0.01}, {.error_rate = 0.02}, BasisPoints(100));
  ASSERT_TRUE(fivefold && twofold);
  EXPECT_LT(fivefold->canary_requests, twofold->canary_requests);
  EXPECT_LT(fivefold->time, std::chrono::seconds(120));
  // The burst guard is the floor: even a canary that only fails takes some seconds.
  const auto dead = need_to_detect(settings, {50'000, 0.01}, {.error_rate = 1}, BasisPoints(5000));
  ASSERT_TRUE(dead);
  EXPECT_GE(dead->time, std::chrono::seconds(4));
}

TEST(Feasibility, ASlowerCanaryIsFoundToo) {
  const Traffic traffic{500, 0.001};
  const auto time = [&](const Settings& settings, double stretch) {
    const auto need = need_to_detect(
        settings, traffic, {.error_rate = 0.001, .stretch = stretch}, BasisPoints(500));
    return need ? need->time : Duration::max();
  };
  EXPECT_EQ(time(Settings{}, 1.05), Duration::max()) << "within tolerance";
  EXPECT_LT(time(Settings{}, 3), time(Settings{}, 1.5));
  EXPECT_LT(time(Settings{}, 1.5), std::chrono::minutes(10));
  EXPECT_EQ(time(errors_alone(), 3), Duration::max());
}

TEST(Feasibility, AWorseCanaryIsAcceptedLaterOrNever) {
  const Settings settings;
  const Traffic traffic{500, 0.01};
  const auto time = [&](const Canary& canary) {
    const auto need =
        need_to_accept(settings, traffic, canary, BasisPoints(2500), BasisPoints(10000));
    return need ? need->time : Duration::max();
  };
  const auto good = need_to_accept(settings, traffic, BasisPoints(2500), BasisPoints(10000));
  ASSERT_TRUE(good);
  EXPECT_EQ(time({.error_rate = 0.01}), good->time);
  EXPECT_GT(time({.error_rate = 0.0105}), good->time);
  EXPECT_EQ(time({.error_rate = 0.02}), Duration::max());
  EXPECT_EQ(time({.error_rate = 0.01, .stretch = 1.5}), Duration::max());
}

}  // namespace
}  // namespace canaryd::analysis
