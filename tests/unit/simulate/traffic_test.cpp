#include "canaryd/simulate/traffic.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

namespace canaryd::simulate {
namespace {

struct Sums {
  double stable = 0;
  double stable_failures = 0;
  double canary = 0;
  double canary_failures = 0;
  double repeated = 0;
};

Sums run(const Traffic& traffic, double weight, std::int64_t begin, std::int64_t seconds) {
  Random random(3);
  World world(traffic, random);
  Sums sums;
  for (std::int64_t second = 0; second < begin + seconds; ++second) {
    const Second got = world.next(second, weight);
    if (second < begin) continue;
    sums.stable += static_cast<double>(got.stable.requests);
    sums.stable_failures += static_cast<double>(got.stable.failures);
    sums.canary += static_cast<double>(got.canary.requests);
    sums.canary_failures += static_cast<double>(got.canary.failures);
    sums.repeated += static_cast<double>(got.canary.repeated);
  }
  return sums;
}

TEST(Traffic, RatesAndWeightAreThoseAskedFor) {
  Traffic traffic;
  traffic.requests_per_second = 200;
  traffic.stable_error_rate = 0.02;
  traffic.canary_error_rate = 0.1;
  const Sums sums = run(traffic, 0.25, 0, 10'000);
  EXPECT_NEAR(sums.stable / 10'000, 150, 1);
  EXPECT_NEAR(sums.canary / 10'000, 50, 0.5);
  EXPECT_NEAR(sums.stable_failures / sums.stable, 0.02, 0.001);
  EXPECT_NEAR(sums.canary_failures / sums.canary, 0.1, 0.002);
}

TEST(Traffic, AnOutageHasItsTimeAndScope) {
  Traffic traffic;
  traffic.outages = {{.begin = 100, .seconds = 100, .error_rate = 0.5, .scope = Scope::kCanary}};
  const Sums before = run(traffic, 0.5, 0, 100);
  const Sums during = run(traffic, 0.5, 100, 100);
  EXPECT_LT(before.canary_failures / before.canary, 0.03);
  EXPECT_NEAR(during.canary_failures / during.canary, 0.5, 0.03);
  EXPECT_LT(during.stable_failures / during.stable, 0.03);
  traffic.outages.front().scope = Scope::kBoth;
  const Sums both = run(traffic, 0.5, 100, 100);
  EXPECT_NEAR(both.stable_failures / both.stable, 0.5, 0.03);
}

TEST(Traffic, WhatStableGetsInTheCanarysPlaceFailsAsStableDoes) {
  Traffic traffic;
  traffic.stable_error_rate = 0.01;
  traffic.outages = {{.begin = 1, .seconds = 1, .error_rate = 0.5},
                     {.begin = 2, .seconds = 1, .error_rate = 1, .scope = Scope::kCanary}};
  Random random(3);
  World world(traffic, random);
  const auto failures = [&](std::int64_t second) {
    const CohortSecond got = world.divert(10'000, second);
    EXPECT_EQ(got.requests, 10'000U);
    return static_cast<double>(got.failures);
  };
  EXPECT_NEAR(failures(0), 100, 40);
  EXPECT_NEAR(failures(1), 5'000, 200);
  EXPECT_NEAR(failures(2), 100, 40);
  EXPECT_EQ(world.divert(0, 1).failures, 0U);
}

TEST(Traffic, TheLoadSwingsWithTheDay) {
  Traffic traffic;
  traffic.diurnal = 0.5;
  // A quarter and three quarters of a day after the start.
  EXPECT_NEAR(run(traffic, 0.5, 21'600 - 50, 100).stable / 100, 75, 4);
  EXPECT_NEAR(run(traffic, 0.5, 64'800 - 50, 100).stable / 100, 25, 3);
}

TEST(Traffic, BurstsComeAsOftenAsTheyShould) {
  Traffic traffic;
  traffic.stable_error_rate = 0;
  traffic.canary_error_rate = 0;
  traffic.bursts = {.per_hour = 6, .seconds = 10, .error_rate = 1};
  // 6 of 10 s an hour: a sixtieth of the time.
  const Sums sums = run(traffic, 0.5, 0, 200'000);
  EXPECT_NEAR(sums.canary_failures / sums.canary, 1.0 / 60, 0.003);
  EXPECT_NEAR(sums.stable_failures / sums.stable, 1.0 / 60, 0.003);
}

TEST(Traffic, BrokenUsersFailInARowAtTheSameRate) {
  Traffic traffic;
  traffic.failures_per_user = 30;
  const Sums sums = run(traffic, 0.5, 0, 100'000);
  EXPECT_NEAR(sums.canary_failures / sums.canary, 0.01, 0.0005);
  EXPECT_NEAR(sums.repeated / sums.canary_failures, 29.0 / 30, 0.005);
}

TEST(Traffic, LatenciesAreThoseOfTheModel) {
  Traffic traffic;
  traffic.canary_latency = traffic.stable_latency.stretched(2);
  traffic.cold_start = {.seconds = 30, .stretch = 3};
  Random random(5);
  World world(traffic, random);
  // One by one, and many at once.
  for (const std::uint64_t count : {10U, 100'000U}) {
    stats::Histogram stable;
    stats::Histogram canary;
    stats::Histogram cold;
    for (std::uint64_t drawn = 0; drawn < 100'000; drawn += count) {
      world.add_latencies(Cohort::kStable, 60, count, stable);
      world.add_latencies(Cohort::kCanary, 60, count, canary);
      world.add_latencies(Cohort::kCanary, 10, count, cold);
    }
    const auto ms = [](const stats::Histogram& histogram, double q) {
      return std::chrono::duration<double, std::milli>(histogram.quantile(q).value()).count();
    };
    EXPECT_EQ(stable.total(), 100'000U);
    EXPECT_NEAR(ms(stable, 0.5), 50, 3);
    EXPECT_NEAR(ms(stable, 0.99), 200, 12);
    EXPECT_NEAR(ms(canary, 0.5), 100, 6);
    EXPECT_NEAR(ms(cold, 0.5), 300, 18);
  }
}

// One by one, and bucket by bucket.
TEST(LatencyDraw, EveryBucketGetsItsShare) {
  const stats::LogNormal latency{.median_ms = 50, .p99_ms = 200};
  const LatencyDraw draw(latency);
  for (const std::uint64_t at_once : {101U, 50'500U}) {
    Random random(9);
    stats::Histogram drawn;
    constexpr std::uint64_t kAll = 505'000;
    for (std::uint64_t done = 0; done < kAll; done += at_once) draw.add(random, at_once, drawn);
    EXPECT_EQ(drawn.total(), kAll);
    double above = 1;
    for (std::size_t k = 0; k < stats::kLatencyBuckets; ++k) {
      const double expected = static_cast<double>(kAll) * (above - latency.above(k));
      above = latency.above(k);
      EXPECT_NEAR(static_cast<double>(drawn.bucket(k)), expected, 5 * std::sqrt(expected) + 3)
          << "bucket " << k << ", " << at_once << " at once";
    }
  }
}

TEST(Crowd, CountsTheUsersBelowAWeight) {
  Random random(7);
  const Crowd crowd(1000, random);
  EXPECT_EQ(crowd.users_below(0), 0);
  EXPECT_EQ(crowd.users_below(1), 1);
  EXPECT_NEAR(crowd.users_below(0.2), 0.2, 0.04);
  EXPECT_LE(crowd.users_below(0.1), crowd.users_below(0.2));
  EXPECT_NEAR(crowd.users_below(0.2) * 1000, std::round(crowd.users_below(0.2) * 1000), 1e-9);
  EXPECT_EQ(Crowd().users_below(0.37), 0.37);
}

TEST(Crowd, FewUsersMakeAnotherShareThanTheWeight) {
  double sum = 0;
  bool someone_missing = false;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    Random random(seed);
    const Crowd crowd(100, random);
    const double share = crowd.share(0.1);
    sum += share;
    someone_missing = someone_missing || share < 0.05;
    EXPECT_LE(share, crowd.share(0.2));
    EXPECT_EQ(crowd.share(0), 0);
    EXPECT_NEAR(crowd.share(1), 1, 1e-9);
  }
  EXPECT_NEAR(sum / 400, 0.1, 0.02);
  EXPECT_TRUE(someone_missing);
  EXPECT_EQ(Crowd().share(0.37), 0.37);
}

}  // namespace
}  // namespace canaryd::simulate
