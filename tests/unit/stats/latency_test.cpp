#include "canaryd/stats/latency.hpp"

#include "canaryd/base/random.hpp"
#include "canaryd/stats/block.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace canaryd::stats {
namespace {

using std::chrono::milliseconds;

LatencyRules all_judged(double next_weight = 1) {
  LatencyRules rules;
  rules.judged.fill(true);
  rules.next_weight = next_weight;
  rules.warm_up_seconds = 0;
  return rules;
}

Histogram responses(std::uint64_t count, Duration latency) {
  Histogram histogram;
  histogram.add(latency, count);
  return histogram;
}

TEST(LatencyLimits, TheStretchIsTwoBucketsAndWiderBelowTheLastStep) {
  const SlowCounts last = latency_limits(100, all_judged(1));
  EXPECT_EQ(last.threshold, 100);
  EXPECT_EQ(last.limit, 102);
  EXPECT_EQ(last.limit_next, 102);
  EXPECT_EQ(latency_limits(100, all_judged(0.5)).limit_next, 104);
  EXPECT_EQ(latency_limits(100, all_judged(0.25)).limit_next, 108);
  EXPECT_EQ(latency_limits(100, all_judged(0.05)).limit_next, 108) << "four times at most";
  EXPECT_EQ(latency_limits(100, all_judged(0.05)).limit, 102);
}

TEST(LatencyLimits, AtLeastOneBucketAndAtLeastTheFloor) {
  LatencyRules rules = all_judged();
  rules.stretch = 0;
  EXPECT_EQ(latency_limits(100, rules).limit, 101);
  rules.floor = milliseconds(5);
  for (const std::size_t threshold : {0U, 10U, 50U, 100U, 200U}) {
    const SlowCounts limits = latency_limits(threshold, rules);
    EXPECT_GE(slow_after(limits.limit), slow_after(threshold) + milliseconds(5)) << threshold;
    EXPECT_GE(limits.limit, threshold + 1);
  }
  EXPECT_EQ(latency_limits(200, rules).limit, 201) << "5 ms are less than a bucket there";
}

TEST(LatencyLimits, StayInsideTheHistogram) {
  LatencyRules rules = all_judged(0.01);
  rules.stretch = 1e6;
  for (const std::size_t threshold : {std::size_t{0}, kLatencyBuckets - 2, kLatencyBuckets - 1}) {
    const SlowCounts limits = latency_limits(threshold, rules);
    EXPECT_LT(limits.limit_next, kLatencyBuckets);
    EXPECT_LE(limits.threshold, limits.limit);
    EXPECT_LE(limits.limit, limits.limit_next);
  }
}

TEST(LatencyCutterTest, WhatAnotherProcessKnewIsJudgedAtOnce) {
  LatencyRules rules = all_judged();
  rules.warm_up_seconds = 30;
  KnownThresholds known{};
  known[0] = static_cast<std::uint16_t>(latency_bucket(milliseconds(10)));
  BlockBuilder builder(100, 1, 0);
  builder.begin_run(0);
  builder.set_latency_rules(rules);
  builder.recall({known, {}});
  const auto second = [&](std::int64_t now) {
    builder.add(Cohort::kStable, {100, 0}, responses(100, milliseconds(20)));
    builder.add(Cohort::kCanary, {10, 0}, responses(10, milliseconds(20)));
    return builder.tick(now).value_or(Block{}).latency;
  };
  const LatencyCounts first = second(101);
  EXPECT_EQ(first.slow[0].threshold, *known[0]);
  EXPECT_EQ(first.slow[0].stable_slow, 100U);
  EXPECT_EQ(first.slow[0].canary_slow, 10U);
  EXPECT_FALSE(first.slow[1].judged());
  // From then on by what is learned anew.
  EXPECT_EQ(second(102).slow[0].threshold, latency_bucket(milliseconds(20)));
  // Another run warms up.
  builder.begin_run(0);
  EXPECT_FALSE(second(103).judged());
}

TEST(LatencyThresholds, AreKnownFromTwentyResponsesBeyond) {
  LatencyThresholds thresholds(0);
  const auto known = [&] {
    int count = 0;
    for (std::size_t q = 0; q < kLatencyQuantiles; ++q) {
      if (thresholds.bucket(static_cast<LatencyQuantile>(q))) ++count;
    }
    return count;
  };
  int expected = 0;
  std::uint64_t total = 0;
  for (const std::uint64_t needed : {40U, 200U, 2000U, 20'000U}) {
    thresholds.learn(responses(needed - 1 - total, milliseconds(10)), 1);
    EXPECT_EQ(known(), expected);
    thresholds.learn(responses(1, milliseconds(10)), 1);
    EXPECT_EQ(known(), ++expected);
    total = needed;
  }
}

TEST(LatencyThresholds, FollowTheServiceAndStayKnown) {
  LatencyThresholds thresholds(0);
  thresholds.learn(responses(300, milliseconds(10)), 1);
  ASSERT_EQ(thresholds.bucket(LatencyQuantile::kP50), latency_bucket(milliseconds(10)));
  // 300 count as 18 after four halvings, too few to begin with, but enough to go on.
  for (int half = 1; half <= 4; ++half) {
    thresholds.learn({}, half * LatencyThresholds::kHalvingSeconds);
    EXPECT_EQ(thresholds.bucket(LatencyQuantile::kP90), latency_bucket(milliseconds(10)));
  }
  thresholds.learn(responses(40, milliseconds(50)), 2500);
  EXPECT_EQ(thresholds.bucket(LatencyQuantile::kP50), latency_bucket(milliseconds(50)));
}

Histogram usual(std::uint64_t scale, int times_as_long) {
  Histogram histogram;
  histogram.add(milliseconds(10) * times_as_long, 60 * scale);
  histogram.add(milliseconds(15) * times_as_long, 38 * scale);
  histogram.add(milliseconds(100) * times_as_long, 2 * scale);
  return histogram;
}

// Seconds of stable alone, at `scale` hundred responses each.
class Outage : public ::testing::Test {
 protected:
  Outage() { cutter_.set_rules(all_judged()); }
  void seconds(int count, const Histogram& stable) {
    for (int i = 0; i < count; ++i) {
      cutter_.add_past(stable);
      static_cast<void>(cutter_.close(now_, now_ + 1));
      ++now_;
    }
  }
  std::size_t threshold(LatencyQuantile quantile) {
    return cutter_.close(now_, now_).slow[static_cast<std::size_t>(quantile)].threshold;
  }
  LatencyCutter cutter_{0};
  std::int64_t now_ = 0;
};

TEST_F(Outage, ASlowMinuteLeavesTheTailWhereItWas) {
  seconds(300, usual(1, 1));
  EXPECT_FALSE(cutter_.stable_slow());
  ASSERT_EQ(threshold(LatencyQuantile::kP99), latency_bucket(milliseconds(100)));
  seconds(60, usual(1, 10));
  EXPECT_TRUE(cutter_.stable_slow());
  EXPECT_EQ(threshold(LatencyQuantile::kP99), latency_bucket(milliseconds(100)));
  seconds(1, usual(1, 1));
  EXPECT_FALSE(cutter_.stable_slow());
  seconds(300, usual(1, 1));
  EXPECT_EQ(threshold(LatencyQuantile::kP50), latency_bucket(milliseconds(10)));
  EXPECT_EQ(threshold(LatencyQuantile::kP99), latency_bucket(milliseconds(100)));
  EXPECT_EQ(threshold(LatencyQuantile::kP999), latency_bucket(milliseconds(100)));
}

TEST_F(Outage, ALastingChangeIsLearned) {
  seconds(1200, usual(1, 1));
  seconds(299, usual(1, 10));
  EXPECT_EQ(threshold(LatencyQuantile::kP99), latency_bucket(milliseconds(100)));
  seconds(10, usual(1, 10));
  EXPECT_EQ(threshold(LatencyQuantile::kP99), latency_bucket(milliseconds(150))) << "of both";
  seconds(600, usual(1, 10));
  EXPECT_EQ(threshold(LatencyQuantile::kP50), latency_bucket(milliseconds(100)));
  EXPECT_FALSE(cutter_.stable_slow());
}

// With one response a second each slow one might be the beginning of an outage.
TEST_F(Outage, FewResponsesAreLearnedFromAllAlike) {
  seconds(1, usual(1, 1));
  Histogram fast;
  Histogram slow;
  fast.add(milliseconds(10));
  slow.add(milliseconds(40));
  Random random(11);
  for (int i = 0; i < 2000; ++i) {
    seconds(1, random.chance(0.6) ? slow : fast);
    ASSERT_FALSE(cutter_.stable_slow()) << i;
  }
  EXPECT_EQ(threshold(LatencyQuantile::kP50), latency_bucket(milliseconds(40)));
}

TEST_F(Outage, WithinTheFloorStableIsNotSlow) {
  LatencyRules rules = all_judged();
  rules.floor = milliseconds(1);
  cutter_.set_rules(rules);
  seconds(60, responses(100, std::chrono::microseconds(300)));
  seconds(60, responses(100, std::chrono::microseconds(900)));
  EXPECT_FALSE(cutter_.stable_slow());
  seconds(60, responses(100, milliseconds(3)));
  EXPECT_TRUE(cutter_.stable_slow());
  cutter_.set_rules({});
  EXPECT_FALSE(cutter_.stable_slow()) << "nothing is judged";
}

// Half of what comes in ten minutes, and a quarter, and so on, is less than twice that: of a
// request a second never enough for the 99th percentile.
TEST(LatencyThresholds, AQuietServiceIsKnownInTheEnd) {
  LatencyThresholds thresholds(0);
  thresholds.need({true, true, true, false});
  std::int64_t now = 0;
  for (int minute = 0; minute < 34; ++minute) {
    EXPECT_FALSE(thresholds.bucket(LatencyQuantile::kP99)) << minute;
    thresholds.learn(responses(60, milliseconds(10)), now += 60);
  }
  EXPECT_TRUE(thresholds.bucket(LatencyQuantile::kP99)) << "of 2,040";
  // No longer than it takes: what the service is now counts more with the time.
  for (int minute = 0; minute < 200; ++minute) {
    thresholds.learn(responses(60, milliseconds(50)), now += 60);
  }
  EXPECT_EQ(thresholds.bucket(LatencyQuantile::kP50), latency_bucket(milliseconds(50)));
}

TEST(LatencyCutter, WhatItKnowsAgesWithoutResponsesToo) {
  LatencyCutter cutter(0);
  LatencyRules rules = all_judged();
  rules.judged = {true, false, false, false};
  cutter.set_rules(rules);
  cutter.add_past(responses(300, milliseconds(10)));
  for (int half = 0; half <= 4; ++half) {
    static_cast<void>(cutter.close(0, 1 + half * LatencyThresholds::kHalvingSeconds));
  }
  // 75 are left: half of them would be too few. What comes now is no outage if it lasts.
  cutter.add_past(responses(80, milliseconds(50)));
  EXPECT_EQ(cutter.close(2450, 2500).slow[0].threshold, latency_bucket(milliseconds(10)));
  cutter.add_past(responses(80, milliseconds(50)));
  static_cast<void>(cutter.close(2500, 2900));
  EXPECT_EQ(cutter.close(2900, 2901).slow[0].threshold, latency_bucket(milliseconds(50)));
}

TEST(LatencyCutter, NewRulesHoldFromTheNextBlockOn) {
  LatencyCutter cutter(0);
  cutter.set_rules(all_judged());
  cutter.add_past(responses(300, milliseconds(10)));
  static_cast<void>(cutter.close(0, 1));
  const SlowCounts before = cutter.close(1, 2).slow[0];
  EXPECT_EQ(before.limit_next, before.limit);
  cutter.set_rules(all_judged(0.25));
  const SlowCounts after = cutter.close(2, 3).slow[0];
  EXPECT_EQ(after.limit, before.limit);
  EXPECT_EQ(after.limit_next, before.threshold + 8);
}

class Cut : public ::testing::Test {
 protected:
  Cut() { builder_.set_latency_rules(all_judged(0.5)); }

  std::optional<Block> second(const Histogram& stable, const Histogram& canary) {
    builder_.add(Cohort::kStable, {stable.total(), 0}, stable);
    builder_.add(Cohort::kCanary, {canary.total(), 0}, canary);
    return builder_.tick(++now_);
  }

  BlockBuilder builder_{0, 1, 0};
  std::int64_t now_ = 0;
};

TEST_F(Cut, ABlockIsCutByEarlierBlocksOnly) {
  const auto first = second(responses(100, milliseconds(10)), responses(1, milliseconds(10)));
  ASSERT_TRUE(first);
  EXPECT_FALSE(first->latency.judged()) << "nothing was known when it began";
  // Its own slow responses do not move its threshold.
  Histogram stable = responses(800, milliseconds(50));
  stable += responses(200, milliseconds(10));
  Histogram canary = responses(3, milliseconds(10));
  canary.add_bucket(latency_bucket(milliseconds(10)) + 2, 5);  // Within the stretch.
  canary.add_bucket(latency_bucket(milliseconds(10)) + 4, 7);  // Within the next step's.
  canary.add_bucket(latency_bucket(milliseconds(10)) + 5, 2);
  const auto block = second(stable, canary);
  ASSERT_TRUE(block);
  const SlowCounts& p50 = block->latency.slow[0];
  EXPECT_TRUE(p50.judged());
  EXPECT_EQ(p50.threshold, latency_bucket(milliseconds(10)));
  EXPECT_EQ(block->latency.stable_n, 1000U);
  EXPECT_EQ(block->latency.canary_n, 17U);
  EXPECT_EQ(p50.stable_slow, 800U);
  EXPECT_EQ(p50.canary_slow, 9U);
  EXPECT_EQ(p50.canary_slow_next, 2U);
  EXPECT_FALSE(block->latency.slow[1].judged()) << "p90 takes 200 responses";
  const auto next = second(stable, canary);
  EXPECT_EQ(next->latency.slow[0].threshold, latency_bucket(milliseconds(50)));
}

TEST_F(Cut, TrafficBeforeTheRolloutIsLearnedFrom) {
  for (int minute = 0; minute < 3; ++minute) {
    now_ += 59;
    EXPECT_FALSE(second(responses(1000, milliseconds(10)), {})->comparable());
  }
  builder_.add_past(responses(20'000, milliseconds(10)));
  EXPECT_FALSE(builder_.change(++now_, 2, 1));
  const auto block = second(responses(10, milliseconds(10)), responses(1, milliseconds(90)));
  ASSERT_TRUE(block);
  for (const SlowCounts& slow : block->latency.slow) {
    EXPECT_TRUE(slow.judged());
    EXPECT_EQ(slow.canary_slow, 1U);
    EXPECT_EQ(slow.stable_slow, 0U);
  }
}

TEST_F(Cut, TheWarmUpBeginsWithTheCanarysFirstRequest) {
  LatencyRules rules = all_judged();
  rules.warm_up_seconds = 30;
  builder_.set_latency_rules(rules);
  builder_.add_past(responses(50'000, milliseconds(10)));
  const Histogram fast = responses(10, milliseconds(10));
  for (int i = 0; i < 40; ++i) static_cast<void>(second(fast, {}));
  const std::int64_t first = now_ + 1;
  for (int i = 0; i < 100; ++i) {
    const auto block = second(fast, fast);
    ASSERT_TRUE(block);
    EXPECT_EQ(block->latency.judged(), block->start_second >= first + 30) << now_ - first;
  }
  // Another step goes on; another run warms up anew.
  EXPECT_FALSE(builder_.change(now_, 2, 1));
  EXPECT_TRUE(second(fast, fast)->latency.judged());
  builder_.begin_run(0);
  EXPECT_FALSE(builder_.change(now_, 3, 0));
  EXPECT_FALSE(second(fast, fast)->latency.judged());
}

TEST_F(Cut, WithoutRulesLatencyIsNotJudged) {
  BlockBuilder builder(0, 1, 0);
  builder.add_past(responses(50'000, milliseconds(10)));
  for (std::int64_t now = 1; now < 100; ++now) {
    builder.add(Cohort::kStable, {10, 0}, responses(10, milliseconds(10)));
    builder.add(Cohort::kCanary, {10, 0}, responses(10, milliseconds(99)));
    EXPECT_FALSE(builder.tick(now)->latency.judged());
  }
}

// Readings of many threads, in any order and any portions, are the same block.
TEST(Merging, TheOrderOfThreadsChangesNothing) {
  struct Part {
    Cohort cohort;
    CohortCounts counts;
    Histogram latency;
  };
  Random random(5);
  std::vector<std::vector<Part>> seconds(40);
  for (auto& parts : seconds) {
    for (int thread = 0; thread < 8; ++thread) {
      Part part{thread % 4 == 0 ? Cohort::kCanary : Cohort::kStable, {}, {}};
      part.counts.n = 1 + random.below(50);
      part.counts.bad = random.below(part.counts.n);
      for (std::uint64_t i = part.counts.bad; i < part.counts.n; ++i) {
        part.latency.add_bucket(100 + random.below(40), 1);
      }
      parts.push_back(part);
    }
  }
  const auto blocks = [&](bool backwards) {
    BlockBuilder builder(0, 1, 0);
    builder.set_latency_rules(all_judged(0.1));
    std::vector<Block> made;
    for (std::size_t i = 0; i < seconds.size(); ++i) {
      auto parts = seconds[i];
      if (backwards) std::reverse(parts.begin(), parts.end());
      for (const Part& part : parts) builder.add(part.cohort, part.counts, part.latency);
      made.push_back(builder.tick(static_cast<std::int64_t>(i) + 1).value());
    }
    return made;
  };
  EXPECT_EQ(blocks(false), blocks(true));
  EXPECT_TRUE(blocks(false).back().latency.judged());
}

class Routes : public ::testing::Test {
 protected:
  Routes() {
    builder_.set_latency_rules(all_judged());
    builder_.begin_run(2);
    static_cast<void>(builder_.change(0, 1, 0));
  }
  void add(std::size_t route, Cohort cohort, CohortCounts counts, Duration latency) {
    const Histogram seen = responses(counts.n - counts.bad, latency);
    builder_.add(cohort, counts, seen);
    builder_.add_route(route, cohort, counts, seen);
  }
  BlockBuilder builder_{0, 1, 0};
};

TEST_F(Routes, AQuietRouteKeepsItsOwnBlockOpen) {
  for (std::int64_t now = 1; now <= 10; ++now) {
    add(0, Cohort::kStable, {100, 1}, milliseconds(5));
    add(0, Cohort::kCanary, {10, 0}, milliseconds(5));
    add(1, Cohort::kStable, {1, 0}, milliseconds(100));
    if (now == 10) add(1, Cohort::kCanary, {1, 1}, milliseconds(100));
    const auto block = builder_.tick(now);
    ASSERT_TRUE(block);
    ASSERT_EQ(block->routes.size(), now == 10 ? 2U : 1U);
    EXPECT_EQ(block->routes[0].route, 0U);
    EXPECT_EQ(block->routes[0].counts.canary, (CohortCounts{10, 0}));
    EXPECT_EQ(block->routes[0].counts.seconds, 1U);
    if (now < 10) continue;
    EXPECT_EQ(block->routes[1].route, 1U);
    EXPECT_EQ(block->routes[1].counts.stable, (CohortCounts{10, 0}));
    EXPECT_EQ(block->routes[1].counts.canary, (CohortCounts{1, 1}));
    EXPECT_EQ(block->routes[1].counts.seconds, 10U);
    EXPECT_EQ(block->canary, (CohortCounts{11, 1}));
  }
}

TEST_F(Routes, EachHasThresholdsOfItsOwn) {
  builder_.add_route_past(0, responses(50'000, milliseconds(5)));
  builder_.add_route_past(1, responses(50'000, milliseconds(100)));
  static_cast<void>(builder_.change(1, 2, 0));
  for (const std::size_t route : {0U, 1U}) {
    add(route, Cohort::kStable, {10, 0}, milliseconds(5));
    add(route, Cohort::kCanary, {10, 0}, milliseconds(50));
  }
  const auto block = builder_.tick(2);
  ASSERT_TRUE(block);
  EXPECT_EQ(block->routes.at(0).counts.latency.slow[0].canary_slow, 10U);
  EXPECT_EQ(block->routes.at(1).counts.latency.slow[0].canary_slow, 0U);
}

TEST_F(Routes, DuplicatesLeaveTheRouteTheyCameBy) {
  add(0, Cohort::kStable, {10, 0}, milliseconds(5));
  add(0, Cohort::kCanary, {5, 3}, milliseconds(5));
  builder_.add_route_duplicates(0, Cohort::kCanary, 2);
  builder_.add_route_duplicates(7, Cohort::kCanary, 2);
  const auto block = builder_.tick(1);
  EXPECT_EQ(block->routes.at(0).counts.canary, (CohortCounts{3, 1}));
}

}  // namespace
}  // namespace canaryd::stats
