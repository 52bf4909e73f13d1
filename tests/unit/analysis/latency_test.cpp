// Latency metrics and routes in the analyzer.
#include "canaryd/analysis/analyzer.hpp"
#include "canaryd/base/random.hpp"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cmath>
#include <optional>

namespace canaryd::analysis {
namespace {

constexpr double kExact = 1e-6;
constexpr std::size_t kErrors = 0;
constexpr std::size_t kP50 = 1;
constexpr std::size_t kP999 = 4;

Analyzer begun(const Settings& settings, unsigned next_percent) {
  Analyzer analyzer(settings);
  analyzer.begin_step({.next_weight = BasisPoints(next_percent * 100), .has_control = true});
  return analyzer;
}

struct Slow {
  std::uint64_t stable = 0;
  std::uint64_t canary = 0;
  std::uint64_t canary_next = 0;
};

// A second in which nothing failed.
stats::Block block(std::uint64_t stable_n,
                   std::uint64_t canary_n,
                   const std::array<Slow, stats::kLatencyQuantiles>& slow) {
  stats::Block made;
  made.seconds = 1;
  made.stable = {stable_n, 0};
  made.canary = {canary_n, 0};
  made.latency.stable_n = stable_n;
  made.latency.canary_n = canary_n;
  for (std::size_t q = 0; q < slow.size(); ++q) {
    made.latency.slow[q] = {.threshold = 100,
                            .limit = 102,
                            .limit_next = 108,
                            .stable_slow = slow[q].stable,
                            .canary_slow = slow[q].canary,
                            .canary_slow_next = slow[q].canary_next};
  }
  return made;
}

// Computed apart from this code, from the formulas of docs/statistics.md: 90 and 10 requests a
// second, of which so many are slow.
TEST(LatencyExample, OfItsOwn) {
  const stats::Block second = block(90, 10, {{{45, 9, 6}, {9, 5, 4}, {1, 2, 1}, {0, 0, 0}}});
  Analyzer analyzer = begun({}, 5);
  const std::array<std::array<double, 5>, 3> rollback = {
      {{-0.019454, -0.181708, 0.528585, 0.781720, -0.020149},
       {-0.038238, 0.186690, 1.662720, 1.959709, -0.039564},
       {-0.056373, 0.733706, 3.015311, 3.333803, -0.058270}}};
  const std::array<std::array<double, 5>, 3> accept = {
      {{0.096813, 0.060238, -0.939084, -0.539512, 0.096813},
       {0.198870, 0.603852, -1.206727, -0.753732, 0.198870},
       {0.306170, 1.234070, -1.387154, -0.893551, 0.306170}}};
  const std::array<double, 5> total = {0.184256, 0.832218, 1.932375, 3.283671, 4.725498};
  for (std::size_t i = 0; i < total.size(); ++i) {
    EXPECT_EQ(analyzer.evaluate().decision, Decision::kHold);
    analyzer.absorb(second);
    EXPECT_NEAR(analyzer.ln_total(), total[i], kExact);
    if (i >= rollback.size()) continue;
    for (std::size_t metric = 0; metric < 5; ++metric) {
      EXPECT_NEAR(analyzer.ln_rollback(metric), rollback[i][metric], kExact) << metric;
      EXPECT_NEAR(analyzer.ln_accept(metric), accept[i][metric], kExact) << metric;
    }
  }
  const Verdict verdict = analyzer.evaluate();
  EXPECT_EQ(verdict.decision, Decision::kRollback);
  EXPECT_EQ(verdict.metrics[verdict.deciding].name, "latency_p99");
  EXPECT_EQ(describe(verdict),
            "latency p99 canary 20 % over 15.2 ms vs stable 1.1 % over 13.8 ms, tolerated 1.3 %, "
            "after 50 canary requests (5 s)");
}

TEST(Latency, EveryRequiredQuantileMustAccept) {
  const auto fast = block(495, 5, {});
  Analyzer analyzer = begun({}, 5);
  stats::Block without_p99 = fast;
  without_p99.latency.slow[2] = {};
  for (int i = 0; i < 200; ++i) analyzer.absorb(without_p99);
  const Verdict held = analyzer.evaluate();
  EXPECT_EQ(held.decision, Decision::kHold);
  EXPECT_EQ(held.metrics[held.deciding].name, "latency_p99");
  EXPECT_EQ(describe(held),
            "latency p99: not judged yet; the canary warms up, or stable's latency is not known");
  stats::Block without_p999 = fast;
  without_p999.latency.slow[3] = {};
  for (int i = 0; i < 43; ++i) {
    EXPECT_EQ(analyzer.evaluate().decision, Decision::kHold) << i;
    analyzer.absorb(without_p999);
  }
  EXPECT_EQ(analyzer.evaluate().decision, Decision::kAccept) << "p99.9 is not waited for";
}

TEST(Latency, P999CanRollBack) {
  Analyzer analyzer = begun({}, 5);
  for (int i = 0; i < 60; ++i) analyzer.absorb(block(4950, 50, {{{}, {}, {}, {5, 3, 3}}}));
  const Verdict verdict = analyzer.evaluate();
  EXPECT_EQ(verdict.decision, Decision::kRollback);
  EXPECT_EQ(verdict.deciding, kP999);
  EXPECT_FALSE(verdict.metrics[kP999].required);
}

// A canary all of whose requests fail has no latency; errors see it.
TEST(Latency, SilenceMovesNothing) {
  Analyzer analyzer = begun({}, 5);
  stats::Block failing = block(495, 5, {{{200, 5, 5}, {50, 5, 5}, {5, 5, 5}, {1, 5, 5}}});
  failing.latency.canary_n = 0;
  stats::Block warming = block(495, 5, {});
  warming.latency = {};
  for (int i = 0; i < 3600; ++i) {
    analyzer.absorb(failing);
    analyzer.absorb(warming);
  }
  for (std::size_t metric = kP50; metric <= kP999; ++metric) {
    EXPECT_DOUBLE_EQ(analyzer.ln_rollback(metric), Analyzer(Settings{}).ln_rollback(metric));
    EXPECT_NEAR(analyzer.ln_accept(metric), 0, kExact);
  }
}

TEST(Latency, FewerQuantilesShareTheSameHalf) {
  Settings settings;
  settings.latency_quantiles = {stats::LatencyQuantile::kP50, stats::LatencyQuantile::kP99};
  const auto metrics = make_metrics(settings);
  ASSERT_EQ(metrics.size(), 3U);
  EXPECT_EQ(metrics[1].name, "latency_p50");
  EXPECT_EQ(metrics[2].name, "latency_p99");
  for (const Metric& metric : metrics) {
    EXPECT_DOUBLE_EQ(metric.weight, metric.quantile ? 0.25 : 0.5);
    EXPECT_TRUE(metric.required);
  }
}

stats::Block random_block(Random& random) {
  const std::uint64_t stable = 50 + random.below(500);
  const std::uint64_t canary = 1 + random.below(60);
  std::array<Slow, stats::kLatencyQuantiles> slow;
  for (Slow& one : slow) {
    one.stable = random.below(stable / 4);
    one.canary = random.below(canary / 3 + 1);
    one.canary_next = random.below(one.canary + 1);
  }
  stats::Block made = block(stable, canary, slow);
  made.seconds = static_cast<std::uint32_t>(1 + random.below(3));
  made.stable.bad = random.below(stable / 20);
  made.canary.bad = random.below(canary / 10 + 1);
  return made;
}

TEST(Property, ABetterCanaryNeverHasMoreEvidenceForRollbackOrLessForAcceptance) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Random random(seed);
    Analyzer worse = begun({}, 10);
    Analyzer better = begun({}, 10);
    for (int i = 0; i < 100; ++i) {
      const stats::Block bad = random_block(random);
      stats::Block good = bad;
      good.canary.bad -= random.below(good.canary.bad + 1);
      for (stats::SlowCounts& slow : good.latency.slow) {
        slow.canary_slow -= random.below(slow.canary_slow + 1);
        slow.canary_slow_next = std::min(slow.canary_slow_next, slow.canary_slow);
      }
      worse.absorb(bad);
      better.absorb(good);
      for (std::size_t metric = kErrors; metric <= kP999; ++metric) {
        ASSERT_LE(better.ln_rollback(metric), worse.ln_rollback(metric) + 1e-9) << seed;
        ASSERT_GE(better.ln_accept(metric), worse.ln_accept(metric) - 1e-9) << seed;
      }
      ASSERT_LE(better.ln_all(), worse.ln_all() + 1e-9) << seed;
    }
  }
}

// Time itself is no evidence: the same blocks at other hours, and silence between them, give the
// same verdict.
TEST(Property, WhenItHappensChangesNothing) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    Analyzer once = begun({}, 10);
    Analyzer later = begun({}, 10);
    std::int64_t second = 0;
    for (int i = 0; i < 200; ++i) {
      stats::Block one = random_block(random);
      once.absorb(one);
      second += 1 + static_cast<std::int64_t>(random.below(100'000));
      one.start_second = second;
      stats::Block silent;
      silent.stable = {100, 50};
      later.absorb(silent);
      later.absorb(one);
    }
    EXPECT_EQ(once, later);
  }
}

// ---- Routes

stats::RouteComparison route(std::uint32_t index,
                             stats::CohortCounts stable,
                             stats::CohortCounts canary) {
  return {index, {.seconds = 1, .stable = stable, .canary = canary}};
}

Settings two_routes() {
  Settings settings;
  settings.latency_quantiles.clear();
  settings.routes = {"shop", "pay"};
  return settings;
}

// Computed apart, as above: pay has a tenth of the traffic, and its canary always fails.
TEST(RouteExample, OfItsOwn) {
  stats::Block second;
  second.seconds = 1;
  second.stable = {1089, 1};
  second.canary = {11, 1};
  second.routes = {route(0, {990, 1}, {10, 0}), route(1, {99, 0}, {1, 1})};
  Analyzer analyzer = begun(two_routes(), 5);
  const std::array<double, 5> total = {0.467958, 1.392555, 2.661487, 4.076238, 5.539968};
  const std::array<double, 5> all = {0.364138, 1.200658, 2.433145, 3.841559, 5.306883};
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(analyzer.evaluate().decision, Decision::kHold);
    analyzer.absorb(second);
    EXPECT_NEAR(analyzer.ln_total(), total[i], kExact);
    EXPECT_NEAR(analyzer.ln_all(), all[i], kExact);
  }
  const Verdict verdict = analyzer.evaluate();
  EXPECT_EQ(verdict.decision, Decision::kRollback);
  ASSERT_TRUE(verdict.route);
  EXPECT_EQ(verdict.route->name, "pay");
  EXPECT_EQ(
      describe(verdict),
      "route pay: errors canary 100 % vs stable 0 %, tolerated 0.1 %, after 5 canary requests "
      "(5 s)");
  EXPECT_EQ(describe_rates(verdict),
            "route pay: errors canary 100 % vs stable 0 %, tolerated 0.1 %");
}

// Both routes fail alike; with the one failure of a step that has just begun the evidence is there.
TEST(RouteExample, OneFailureOfANewStepNamesNoRoute) {
  stats::Block second;
  second.seconds = 1;
  second.stable = {1980, 20};
  second.canary = {20, 2};
  second.routes = {route(0, {990, 10}, {10, 1}), route(1, {990, 10}, {10, 1})};
  Analyzer analyzer = begun(two_routes(), 5);
  for (int i = 0; i < 5; ++i) analyzer.absorb(second);
  analyzer.weight_increased();
  analyzer.begin_step({.next_weight = BasisPoints(1000), .has_control = true});
  ASSERT_EQ(analyzer.evaluate().decision, Decision::kHold);
  second.canary = {20, 1};
  second.routes[1] = route(1, {990, 10}, {10, 0});
  analyzer.absorb(second);
  const Verdict verdict = analyzer.evaluate();
  ASSERT_EQ(verdict.decision, Decision::kRollback);
  EXPECT_FALSE(verdict.route) << describe(verdict);
}

// What was broken all along is named, whatever the beginning of the step shows besides.
TEST(RouteExample, WhatWasBrokenBeforeTheStepIsNamed) {
  stats::Block second;
  second.seconds = 1;
  second.stable = {1980, 8};
  second.canary = {20, 2};
  second.routes = {route(0, {1485, 4}, {15, 0}), route(1, {495, 4}, {5, 2})};
  Analyzer analyzer = begun(two_routes(), 5);
  for (int i = 0; i < 4; ++i) analyzer.absorb(second);
  analyzer.weight_increased();
  analyzer.begin_step({.next_weight = BasisPoints(1000), .has_control = true});
  ASSERT_EQ(analyzer.evaluate().decision, Decision::kHold);
  second.routes = {route(0, {1485, 4}, {15, 2}), route(1, {495, 4}, {5, 0})};
  analyzer.absorb(second);
  const Verdict verdict = analyzer.evaluate();
  ASSERT_EQ(verdict.decision, Decision::kRollback);
  ASSERT_TRUE(verdict.route) << describe(verdict);
  EXPECT_EQ(verdict.route->name, "pay");
}

// A second of about 500 requests over 50 routes, 5 % of them to the canary; 1 % fail, but of the
// canary's on route `broken` half.
stats::Block fifty_routes(Random& random, std::optional<std::uint32_t> broken) {
  stats::Block one;
  one.seconds = 1;
  for (std::uint32_t i = 0; i < 50; ++i) {
    const stats::CohortCounts stable{9, random.chance(0.09) ? 1U : 0U};
    stats::CohortCounts canary{random.chance(0.5) ? 1U : 0U, 0};
    if (canary.n > 0) canary.bad = random.chance(i == broken ? 0.5 : 0.01) ? 1 : 0;
    one.stable = {one.stable.n + stable.n, one.stable.bad + stable.bad};
    one.canary = {one.canary.n + canary.n, one.canary.bad + canary.bad};
    if (canary.n > 0) one.routes.push_back(route(i, stable, canary));
  }
  return one;
}

Settings settings_of_fifty_routes() {
  Settings settings = two_routes();
  settings.routes.resize(50, "other");
  settings.routes[17] = "pay";
  return settings;
}

TEST(Routes, FiftyHealthyOnesRaiseNoAlarm) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    Analyzer analyzer = begun(settings_of_fifty_routes(), 10);
    for (int i = 0; i < 300; ++i) analyzer.absorb(fifty_routes(random, std::nullopt));
    EXPECT_NE(analyzer.evaluate().decision, Decision::kRollback) << "seed " << seed;
  }
}

TEST(Routes, ABrokenEndpointWithFewRequestsIsFoundAndNamed) {
  Analyzer analyzer = begun(settings_of_fifty_routes(), 10);
  Random random(3);
  int seconds = 0;
  while (analyzer.evaluate().decision != Decision::kRollback && seconds < 3600) {
    ++seconds;
    analyzer.absorb(fifty_routes(random, 17));
  }
  ASSERT_EQ(analyzer.evaluate().decision, Decision::kRollback);
  ASSERT_TRUE(analyzer.evaluate().route);
  EXPECT_EQ(analyzer.evaluate().route->name, "pay");
  EXPECT_LT(seconds, 300);
}

// The burst guard bounds both alike, so the sum may be ahead of the route that it is made of.
TEST(Routes, TheOneThatEverythingBadCameByIsNamed) {
  const auto verdict_of = [](stats::CohortCounts shop, stats::CohortCounts pay) {
    Analyzer analyzer = begun(two_routes(), 100);
    for (int i = 0; i < 30; ++i) {
      stats::Block one;
      one.seconds = 1;
      one.stable = {60, 0};
      one.canary = {shop.n + pay.n, shop.bad + pay.bad};
      // The quiet route closes every other second.
      one.routes = {route(0, {50, 0}, shop)};
      if (i % 2 == 0) one.routes.push_back(route(1, {20, 0}, {2 * pay.n, 2 * pay.bad}));
      analyzer.absorb(one);
    }
    return analyzer.evaluate();
  };
  const Verdict one = verdict_of({50, 0}, {10, 10});
  ASSERT_EQ(one.decision, Decision::kRollback);
  ASSERT_TRUE(one.route);
  EXPECT_EQ(one.route->name, "pay");
  const Verdict both = verdict_of({50, 25}, {10, 5});
  ASSERT_EQ(both.decision, Decision::kRollback);
  EXPECT_FALSE(both.route) << "a release that fails everywhere has no broken endpoint";
}

TEST(Routes, OneIsTheSum) {
  Settings settings = two_routes();
  settings.routes = {"shop"};
  Analyzer one = begun(settings, 5);
  settings.routes.clear();
  Analyzer none = begun(settings, 5);
  Random random(4);
  for (int i = 0; i < 100; ++i) {
    stats::Block made = random_block(random);
    none.absorb(made);
    made.routes = {route(0, made.stable, made.canary)};
    one.absorb(made);
    EXPECT_DOUBLE_EQ(one.ln_all(), none.ln_all());
    EXPECT_DOUBLE_EQ(one.ln_all(), one.ln_total());
  }
}

TEST(Routes, OnesThatTheRunDoesNotKnowAreOnlyInTheSum) {
  Analyzer analyzer = begun(two_routes(), 5);
  stats::Block made = block(500, 5, {});
  Analyzer without = analyzer;
  without.absorb(made);
  made.routes = {route(2, {100, 0}, {5, 5})};
  analyzer.absorb(made);
  EXPECT_EQ(analyzer, without);
}

}  // namespace
}  // namespace canaryd::analysis
