// Requests that are slow while they are still under way.
#include "canaryd/stats/block.hpp"
#include "canaryd/stats/counter_block.hpp"

#include <gtest/gtest.h>

#include <optional>

namespace canaryd::stats {
namespace {

using namespace std::chrono_literals;

LatencyRules p50_judged() {
  LatencyRules rules;
  rules.judged[0] = true;
  rules.warm_up_seconds = 0;
  return rules;
}

Histogram answers(std::uint64_t count, Duration latency) {
  Histogram histogram;
  histogram.add(latency, count);
  return histogram;
}

class OverdueTest : public ::testing::Test {
 protected:
  void begin(const LatencyRules& rules) {
    builder_.set_latency_rules(rules);
    builder_.add_past(answers(100, 10ms));
    stable(100);
    canary(1);
    ASSERT_TRUE(second());
  }
  void stable(std::uint64_t fast, Overdue overdue = {}, std::uint64_t slow = 0) {
    Histogram all = answers(fast, 10ms);
    all.add(30s, slow);
    builder_.add(Cohort::kStable, {all.total(), 0}, all, overdue);
  }
  void canary(std::uint64_t fast, Overdue overdue = {}, std::uint64_t slow = 0) {
    Histogram all = answers(fast, 10ms);
    all.add(30s, slow);
    builder_.add(Cohort::kCanary, {all.total(), 0}, all, overdue);
  }
  std::optional<Block> second() { return builder_.tick(++now_); }

  BlockBuilder builder_{0, 1, 0};
  std::int64_t now_ = 0;
};

TEST_F(OverdueTest, EachIsCountedOnceWhenItIsSlowAndNotWhenItEnds) {
  begin(p50_judged());
  stable(90, {2, 0});
  canary(7, {3, 0});
  const auto hanging = second();
  ASSERT_TRUE(hanging);
  EXPECT_EQ(hanging->canary.n, 7U) << "for errors they count when they end";
  EXPECT_EQ(hanging->latency.stable_n, 92U);
  EXPECT_EQ(hanging->latency.canary_n, 10U);
  EXPECT_EQ(hanging->latency.slow[0].stable_slow, 2U);
  EXPECT_EQ(hanging->latency.slow[0].canary_slow, 3U);
  EXPECT_EQ(hanging->latency.slow[0].canary_slow_next, 3U);
  // Two of those end, and one that nobody had looked at while it ran.
  stable(90);
  canary(7, {0, 2}, 3);
  const auto ended = second();
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->canary.n, 10U);
  EXPECT_EQ(ended->latency.canary_n, 8U);
  EXPECT_EQ(ended->latency.slow[0].canary_slow, 1U);
}

// How long they would have taken nobody knows; they are slow for all that is compared.
TEST_F(OverdueTest, WhoeverGaveUpIsSlowAndNoRequestOfTheErrors) {
  begin(p50_judged());
  stable(90, {0, 0, 1});
  canary(7, {0, 0, 3});
  const auto block = second();
  ASSERT_TRUE(block);
  EXPECT_EQ(block->canary.n, 7U);
  EXPECT_EQ(block->latency.stable_n, 91U);
  EXPECT_EQ(block->latency.canary_n, 10U);
  EXPECT_EQ(block->latency.slow[0].stable_slow, 1U);
  EXPECT_EQ(block->latency.slow[0].canary_slow, 3U);
  EXPECT_EQ(block->latency.slow[0].canary_slow_next, 3U);
}

TEST_F(OverdueTest, ACanaryThatEverybodyGivesUpOnIsComparable) {
  begin(p50_judged());
  stable(90);
  builder_.add(Cohort::kCanary, {0, 0}, {}, {0, 0, 5});
  const auto block = second();
  ASSERT_TRUE(block);
  EXPECT_EQ(block->latency.canary_n, 5U);
}

TEST_F(OverdueTest, GivingUpCountsFromTheLowestLimitOn) {
  EXPECT_FALSE(builder_.abandoned_after()) << "latency is not judged";
  begin(p50_judged());
  const auto after = builder_.abandoned_after();
  ASSERT_TRUE(after);
  EXPECT_GT(*after, Duration(10ms));
  EXPECT_LT(*after, Duration(20ms)) << "and not once a second, as those that go on";
}

TEST_F(OverdueTest, WhatStableTookIsLearnedWhole) {
  begin(p50_judged());
  // Less than an outage, of which nothing would be learned.
  stable(0, {500, 0});
  canary(1);
  ASSERT_TRUE(second());
  stable(100, {0, 500}, 500);
  canary(1);
  ASSERT_TRUE(second());
  stable(1);
  canary(1);
  EXPECT_EQ(second()->latency.slow[0].threshold, latency_bucket(30s));
}

// A hang from the first request on: nothing ends, and there is evidence all the same.
TEST_F(OverdueTest, ACanaryThatOnlyHangsIsCompared) {
  builder_.set_latency_rules(p50_judged());
  stable(100);
  ASSERT_FALSE(second());
  builder_.add_past(answers(100, 10ms));
  ASSERT_FALSE(builder_.change(++now_, 2, 1));
  builder_.set_latency_rules(p50_judged());
  stable(90);
  EXPECT_FALSE(second()) << "no canary request at all";
  stable(90);
  canary(0, {4, 0});
  const auto block = second();
  ASSERT_TRUE(block);
  EXPECT_TRUE(block->comparable());
  EXPECT_EQ(block->canary.n, 0U);
  EXPECT_EQ(block->latency.canary_n, 4U);
  EXPECT_EQ(block->latency.slow[0].canary_slow, 4U);
}

TEST_F(OverdueTest, AHangIsTheCanarysFirstRequestForTheWarmUp) {
  LatencyRules rules = p50_judged();
  rules.warm_up_seconds = 5;
  builder_.set_latency_rules(rules);
  builder_.add_past(answers(100, 10ms));
  ASSERT_FALSE(builder_.change(++now_, 2, 1));
  builder_.set_latency_rules(rules);
  const std::int64_t first = now_ + 1;
  std::optional<Block> block;
  while (now_ < first + 5) {
    stable(90);
    canary(0, {1, 0});
    block = second();
    ASSERT_TRUE(block);
    EXPECT_FALSE(block->comparable()) << "it warms up";
  }
  stable(90);
  canary(0, {1, 0});
  block = second();
  ASSERT_TRUE(block);
  EXPECT_TRUE(block->comparable());
  EXPECT_EQ(block->latency.slow[0].canary_slow, 1U);
}

TEST_F(OverdueTest, LimitsSeeThemEachSecond) {
  LatencyRules rules;
  rules.limited = true;
  rules.warm_up_seconds = 0;
  rules.limits[2] = static_cast<std::uint16_t>(latency_bucket(2s));
  builder_.set_latency_rules(rules);
  canary(0, {2, 0});
  static_cast<void>(second());
  canary(0, {5, 0});
  const auto block = second();
  ASSERT_TRUE(block);
  EXPECT_TRUE(block->limits_only());
  EXPECT_EQ(block->limits.latency.canary_n, 5U);
  EXPECT_EQ(block->limits.latency.slow[2].canary_slow, 5U);
}

TEST_F(OverdueTest, NobodyIsBeforeSomethingIsKnown) {
  EXPECT_FALSE(builder_.overdue_after()) << "latency is not judged";
  builder_.set_latency_rules(p50_judged());
  EXPECT_FALSE(builder_.overdue_after()) << "nothing is known of stable";
}

// How they end is for the controller to wait for.
TEST_F(OverdueTest, WithoutLatencyWhatHangsIsInNoBlock) {
  stable(10);
  canary(0, {3, 0, 0});
  EXPECT_FALSE(second()) << "no request of the canary has ended";
  canary(2);
  const auto block = second();
  ASSERT_TRUE(block);
  EXPECT_EQ(block->canary.n, 2U);
  EXPECT_FALSE(block->latency.judged());
}

TEST_F(OverdueTest, TheAgeIsAboveEveryLimitAndAtLeastASecond) {
  begin(p50_judged());
  EXPECT_EQ(builder_.overdue_after(), Duration(1s)) << "workers look once a second";
  LatencyRules rules = p50_judged();
  rules.limits[3] = static_cast<std::uint16_t>(latency_bucket(20s));
  builder_.set_latency_rules(rules);
  EXPECT_GE(builder_.overdue_after(), Duration(20s)) << "an absolute limit";
  rules = p50_judged();
  builder_.begin_run(2);
  builder_.set_latency_rules(rules);
  builder_.add_route_past(1, answers(100, 4s));
  stable(10);
  canary(1);
  ASSERT_TRUE(second());
  builder_.add_route(1, Cohort::kStable, {1, 0}, answers(1, 4s));
  builder_.add_route(1, Cohort::kCanary, {1, 0}, answers(1, 4s));
  stable(10);
  canary(1);
  const auto block = second();
  ASSERT_TRUE(block);
  ASSERT_TRUE(builder_.overdue_after());
  // Stretched four times as far as in the last step.
  LatencyRules widest = rules;
  widest.next_weight = 0.01;
  const SlowCounts limits = latency_limits(latency_bucket(4s), widest);
  EXPECT_EQ(builder_.overdue_after(), slow_after(limits.limit_next)) << "of the slowest route";
}

TEST_F(OverdueTest, NothingIsSlowerThanTheLastBucket) {
  LatencyRules rules = p50_judged();
  rules.limits[0] = kLatencyBuckets - 1;
  builder_.set_latency_rules(rules);
  EXPECT_FALSE(builder_.overdue_after());
}

// ---- What a worker counts

TEST(OverdueCounters, AreTakenOutAgainOnlyIfTheyEndWithoutAFailure) {
  CounterBlock counters;
  counters.begin();
  counters.begin();
  counters.count_overdue();
  counters.count_overdue();
  CounterSnapshot before = counters.read();
  EXPECT_EQ(before.overdue, 2U);
  EXPECT_EQ(before.active, 2);
  Outcome outcome;
  outcome.code_class = 2;
  outcome.latency = 30s;
  outcome.overdue = true;
  counters.finish(outcome);
  outcome.code_class = 5;
  outcome.judgement = Judgement::kBad;
  counters.finish(outcome);
  const CounterSnapshot since = counters.read().since(before);
  EXPECT_EQ(since.overdue, 0U);
  EXPECT_EQ(since.overdue_ended, 1U) << "the failure is not among those that latency is about";
  EXPECT_EQ(since.latency.total(), 1U);
  EXPECT_EQ(since.requests(), 2U);
  CounterSnapshot sum = before;
  sum += since;
  EXPECT_EQ(sum.overdue, 2U);
  EXPECT_EQ(sum.overdue_ended, 1U);
}

TEST(HangCounters, AreOfNoOtherFigure) {
  CounterBlock counters;
  counters.begin();
  counters.count_hung();
  const CounterSnapshot before = counters.read();
  EXPECT_EQ(before.hung, 1U);
  EXPECT_EQ(before.overdue, 0U);
  counters.count_hung_settled();
  counters.finish({.code_class = 2});
  const CounterSnapshot since = counters.read().since(before);
  EXPECT_EQ(since.hung, 0U);
  EXPECT_EQ(since.hung_settled, 1U);
  EXPECT_EQ(since.judged, 1U);
  CounterSnapshot sum = before;
  sum += since;
  EXPECT_EQ(sum.hung, 1U);
  EXPECT_EQ(sum.hung_settled, 1U);
}

TEST(HangsAfter, FiveSecondsOrWhatTheCircuitCallsSilence) {
  EXPECT_EQ(hangs_after(Duration::zero()), Duration(5s)) << "nothing is known of stable";
  EXPECT_EQ(hangs_after(1s), Duration(1s));
  EXPECT_EQ(hangs_after(90s), Duration(5s)) << "stable's own requests wait for news";
}

}  // namespace
}  // namespace canaryd::stats
