// Segments in the analyzer: one that only its own traffic can show is found and named, and healthy
// ones raise no more alarms than promised.
#include "canaryd/analysis/analyzer.hpp"
#include "canaryd/base/random.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <optional>

namespace canaryd::analysis {
namespace {

constexpr double kExact = 1e-6;

Settings settings_of(std::size_t segments) {
  Settings settings;
  settings.latency_quantiles.clear();
  for (std::size_t i = 0; i < segments; ++i) {
    settings.segments.push_back(segment_name("X-Tenant", "t" + std::to_string(i)));
  }
  return settings;
}

Analyzer begun(const Settings& settings) {
  Analyzer analyzer(settings);
  analyzer.begin_step({.next_weight = BasisPoints(500), .has_control = true});
  return analyzer;
}

stats::SegmentComparison segment(std::uint32_t index,
                                 stats::CohortCounts stable,
                                 stats::CohortCounts canary) {
  return {index, {.seconds = 1, .stable = stable, .canary = canary}};
}

// Computed apart, as those of routes: the canary always fails for the second tenant.
TEST(SegmentExample, OfItsOwn) {
  stats::Block second;
  second.seconds = 1;
  second.stable = {1089, 1};
  second.canary = {11, 1};
  second.segments = {segment(0, {990, 1}, {10, 0}), segment(1, {99, 0}, {1, 1})};
  Analyzer analyzer = begun(settings_of(2));
  const std::array<double, 5> total = {0.467958, 1.392555, 2.661487, 4.076238, 5.539968};
  const std::array<double, 5> all = {0.457539, 1.418773, 2.716715, 4.146849, 5.618972};
  for (std::size_t i = 0; i < all.size(); ++i) {
    analyzer.absorb(second);
    EXPECT_NEAR(analyzer.ln_total(), total[i], kExact);
    EXPECT_NEAR(analyzer.ln_all(), all[i], kExact);
  }
  const Verdict verdict = analyzer.evaluate();
  EXPECT_EQ(verdict.decision, Decision::kRollback);
  EXPECT_FALSE(verdict.route);
  ASSERT_TRUE(verdict.segment);
  EXPECT_EQ(verdict.segment->name, "X-Tenant=t1");
  EXPECT_EQ(describe_rates(verdict),
            "segment X-Tenant=t1: errors canary 100 % vs stable 0 %, tolerated 0.1 %");
}

// A second of about 500 requests, a tenth of them to the canary. Each segment has 3 % of them; 1 %
// of all requests fail, but of the canary's for segment `broken` 30 %.
stats::Block a_second(Random& random, std::uint32_t segments, std::optional<std::uint32_t> broken) {
  stats::Block one;
  one.seconds = 1;
  const auto draw = [&](std::uint64_t n, double rate) {
    stats::CohortCounts counts{n, 0};
    for (std::uint64_t i = 0; i < n; ++i) counts.bad += random.chance(rate) ? 1U : 0U;
    return counts;
  };
  const auto add = [](stats::CohortCounts& to, stats::CohortCounts counts) {
    to.n += counts.n;
    to.bad += counts.bad;
  };
  one.stable = draw(450 - 13 * segments, 0.01);
  one.canary = draw(50 - segments, 0.01);
  for (std::uint32_t i = 0; i < segments; ++i) {
    const stats::CohortCounts stable = draw(13, 0.01);
    const stats::CohortCounts canary = draw(1 + random.below(2), i == broken ? 0.3 : 0.01);
    add(one.stable, stable);
    add(one.canary, canary);
    one.segments.push_back(segment(i, stable, canary));
  }
  return one;
}

// So wide that the sum of all traffic says nothing: 3 % of it fail 30 %.
TEST(Segments, APlantedOneIsFoundAndNamedWhereTheSumIsSilent) {
  Settings settings = settings_of(8);
  settings.tolerance.errors.absolute = 0.02;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Random random(seed);
    Analyzer watching = begun(settings);
    Analyzer blind = begun(settings_of(0));
    int seconds = 0;
    while (watching.evaluate().decision != Decision::kRollback && seconds < 300) {
      const stats::Block block = a_second(random, 8, 5);
      watching.absorb(block);
      blind.absorb(block);
      ++seconds;
    }
    const Verdict verdict = watching.evaluate();
    ASSERT_EQ(verdict.decision, Decision::kRollback) << "seed " << seed;
    ASSERT_TRUE(verdict.segment);
    EXPECT_EQ(verdict.segment->name, "X-Tenant=t5");
    EXPECT_LT(seconds, 120) << "seed " << seed;
    EXPECT_NE(blind.evaluate().decision, Decision::kRollback) << "seed " << seed;
  }
}

// Without tolerance an equal canary is on the edge of it, in all traffic and in each segment.
TEST(Segments, HealthyOnesRaiseNoMoreAlarmsThanPromised) {
  constexpr int kRollouts = 60;
  Settings settings = settings_of(12);
  settings.tolerance.errors = {.relative = 0, .absolute = 0};
  settings.false_rollback = 0.05;
  int alarms = 0;
  for (std::uint64_t seed = 1; seed <= kRollouts; ++seed) {
    Random random(seed);
    Analyzer analyzer = begun(settings);
    for (int i = 0; i < 100; ++i) analyzer.absorb(a_second(random, 12, std::nullopt));
    if (analyzer.decision() == Decision::kRollback) ++alarms;
  }
  EXPECT_LE(alarms, kRollouts * 5 / 100);
}

TEST(Segments, WhatFailsEverywhereIsNotBlamedOnOne) {
  Analyzer analyzer = begun(settings_of(2));
  for (int i = 0; i < 30; ++i) {
    stats::Block one;
    one.seconds = 1;
    one.stable = {400, 0};
    one.canary = {50, 25};
    one.segments = {segment(0, {40, 0}, {6, 3}), segment(1, {40, 0}, {6, 3})};
    analyzer.absorb(one);
  }
  ASSERT_EQ(analyzer.decision(), Decision::kRollback);
  EXPECT_FALSE(analyzer.evaluate().segment);
}

TEST(Segments, BesideRoutesAllShareTheSameCapital) {
  Settings settings = settings_of(3);
  settings.routes = {"shop", "pay"};
  const Analyzer fresh = begun(settings);
  EXPECT_NEAR(fresh.ln_all(), 0, 1e-12);
  stats::Block stray;
  stray.seconds = 1;
  stray.stable = {100, 0};
  stray.canary = {5, 5};
  Analyzer without = begun(settings);
  without.absorb(stray);
  // One that the run does not know.
  stray.segments = {segment(3, {100, 0}, {5, 5})};
  Analyzer with = begun(settings);
  with.absorb(stray);
  EXPECT_EQ(with, without);
}

}  // namespace
}  // namespace canaryd::analysis
