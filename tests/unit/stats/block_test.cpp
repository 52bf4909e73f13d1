#include "canaryd/stats/block.hpp"

#include <gtest/gtest.h>

namespace canaryd::stats {
namespace {

TEST(BlockBuilder, ClosesEachSecondThatHasBothCohorts) {
  BlockBuilder builder(100, 7, 2);
  builder.add(Cohort::kStable, {99, 1});
  builder.add(Cohort::kCanary, {1, 0});
  EXPECT_FALSE(builder.tick(100));
  const auto block = builder.tick(101);
  ASSERT_TRUE(block);
  EXPECT_EQ(*block, (Block{100, 1, 7, 2, {99, 1}, {1, 0}}));
  EXPECT_EQ(builder.open(), (Block{101, 0, 7, 2, {}, {}}));
}

TEST(BlockBuilder, WaitsForTheMissingCohort) {
  BlockBuilder builder(0, 1, 0);
  for (std::int64_t second = 1; second <= 30; ++second) {
    builder.add(Cohort::kStable, {10, 1});
    EXPECT_FALSE(builder.tick(second));
  }
  builder.add(Cohort::kCanary, {1, 1});
  const auto block = builder.tick(31);
  ASSERT_TRUE(block);
  EXPECT_EQ(*block, (Block{0, 31, 1, 0, {300, 30}, {1, 1}}));
}

TEST(BlockBuilder, GivesUpAfterAMinute) {
  BlockBuilder builder(0, 1, 0);
  builder.add(Cohort::kCanary, {5, 5});
  EXPECT_FALSE(builder.tick(59));
  const auto given_up = builder.tick(60);
  ASSERT_TRUE(given_up);
  EXPECT_FALSE(given_up->comparable());
  // Nothing of it is carried over.
  builder.add(Cohort::kStable, {10, 0});
  builder.add(Cohort::kCanary, {1, 0});
  const auto block = builder.tick(61);
  ASSERT_TRUE(block);
  EXPECT_EQ(*block, (Block{60, 1, 1, 0, {10, 0}, {1, 0}}));
}

TEST(BlockBuilder, AStalledCollectorMakesOneLongBlock) {
  BlockBuilder builder(0, 1, 0);
  builder.add(Cohort::kStable, {1000, 10});
  builder.add(Cohort::kCanary, {10, 1});
  const auto block = builder.tick(300);
  ASSERT_TRUE(block);
  EXPECT_TRUE(block->comparable());
  EXPECT_EQ(block->seconds, 300U);
}

TEST(BlockBuilder, ChangeOfWeightCloses) {
  BlockBuilder builder(0, 1, 0);
  builder.add(Cohort::kStable, {10, 0});
  builder.add(Cohort::kCanary, {1, 0});
  const auto block = builder.change(0, 2, 1);
  ASSERT_TRUE(block);
  EXPECT_EQ(*block, (Block{0, 0, 1, 0, {10, 0}, {1, 0}}));
  EXPECT_EQ(builder.open(), (Block{0, 0, 2, 1, {}, {}}));

  builder.add(Cohort::kStable, {10, 0});
  EXPECT_FALSE(builder.change(5, 3, 2));
  EXPECT_EQ(builder.open(), (Block{5, 0, 3, 2, {}, {}}));
}

TEST(BlockBuilder, DuplicatesLeaveBothCounts) {
  BlockBuilder builder(0, 1, 0);
  builder.add(Cohort::kStable, {10, 0});
  builder.add(Cohort::kCanary, {5, 3});
  builder.add_duplicates(Cohort::kCanary, 2);
  EXPECT_EQ(builder.tick(1)->canary, (CohortCounts{3, 1}));
}

TEST(BlockBuilder, DuplicatesThatAreNotThereYetStayOwed) {
  BlockBuilder builder(0, 1, 0);
  builder.add(Cohort::kStable, {10, 0});
  builder.add(Cohort::kCanary, {5, 1});
  builder.add_duplicates(Cohort::kCanary, 3);
  EXPECT_EQ(builder.tick(1)->canary, (CohortCounts{4, 0}));
  builder.add(Cohort::kStable, {10, 0});
  builder.add(Cohort::kCanary, {5, 4});
  EXPECT_EQ(builder.tick(2)->canary, (CohortCounts{3, 2}));
  // A new table starts without debts.
  builder.add_duplicates(Cohort::kStable, 1);
  EXPECT_FALSE(builder.change(3, 2, 1));
  builder.add(Cohort::kStable, {10, 1});
  builder.add(Cohort::kCanary, {1, 0});
  EXPECT_EQ(builder.tick(4)->stable, (CohortCounts{10, 1}));
}

TEST(BlockBuilder, RequestsWithoutARolloutAreNotEvidence) {
  BlockBuilder builder(0, 1, 0);
  builder.add(Cohort::kNone, {10, 10});
  builder.add_duplicates(Cohort::kNone, 10);
  EXPECT_EQ(builder.open(), (Block{0, 0, 1, 0, {}, {}}));
}

// A failure may be read before its request is: with all of them failing that is one too many.
TEST(BlockBuilder, AFailureThatCameBeforeItsRequestWaitsForIt) {
  BlockBuilder builder(0, 1, 0);
  builder.add(Cohort::kStable, {10, 0, 11});
  builder.add(Cohort::kCanary, {5, 6});
  const auto torn = builder.tick(1);
  ASSERT_TRUE(torn);
  EXPECT_EQ(torn->stable, (CohortCounts{10, 0, 10}));
  EXPECT_EQ(torn->canary, (CohortCounts{5, 5}));
  // No request alone is no block.
  EXPECT_FALSE(builder.tick(2));
  builder.add(Cohort::kStable, {11, 2, 8});
  builder.add(Cohort::kCanary, {5, 4});
  const auto next = builder.tick(3);
  ASSERT_TRUE(next);
  EXPECT_EQ(next->stable, (CohortCounts{11, 2, 9}));
  EXPECT_EQ(next->canary, (CohortCounts{5, 5}));
}

TEST(BlockBuilder, FailuresAndClientErrorsTogetherAreNoMoreThanTheRequests) {
  BlockBuilder builder(0, 1, 0);
  builder.add(Cohort::kStable, {4, 3, 3});
  builder.add(Cohort::kCanary, {0, 2, 1});
  EXPECT_FALSE(builder.tick(1));
  builder.add(Cohort::kCanary, {2, 0, 0});
  const auto block = builder.tick(2);
  ASSERT_TRUE(block);
  EXPECT_EQ(block->stable, (CohortCounts{4, 3, 1}));
  EXPECT_EQ(block->canary, (CohortCounts{2, 2, 0}));
}

// What is late belongs to the old table, which is evidence no longer.
TEST(BlockBuilder, WhatIsTornIsForgottenWithTheTable) {
  BlockBuilder builder(0, 1, 0);
  builder.begin_run(1, 1);
  for (const Cohort cohort : {Cohort::kStable, Cohort::kCanary}) {
    builder.add(cohort, {5, 7});
    builder.add_route(0, cohort, {5, 7}, {});
    builder.add_segment(0, cohort, {5, 7});
  }
  const auto closed = builder.change(1, 2, 1);
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->canary, (CohortCounts{5, 5}));
  for (const Cohort cohort : {Cohort::kStable, Cohort::kCanary}) {
    builder.add(cohort, {5, 0});
    builder.add_route(0, cohort, {5, 0}, {});
    builder.add_segment(0, cohort, {5, 0});
  }
  const auto next = builder.tick(2);
  ASSERT_TRUE(next);
  EXPECT_EQ(next->canary, (CohortCounts{5, 0}));
  EXPECT_EQ(next->routes.at(0).counts.canary, (CohortCounts{5, 0}));
  EXPECT_EQ(next->segments.at(0).counts.canary, (CohortCounts{5, 0}));
}

TEST(BlockBuilder, RoutesSegmentsAndLimitsAreNotTornEither) {
  LatencyRules rules;
  rules.limited = true;
  BlockBuilder builder(0, 1, 0);
  builder.set_latency_rules(rules);
  builder.begin_run(1, 1);
  for (std::int64_t second = 1; second <= 2; ++second) {
    const CohortCounts counts{5, second == 1 ? 6U : 4U};
    for (const Cohort cohort : {Cohort::kStable, Cohort::kCanary}) {
      builder.add(cohort, counts);
      builder.add_route(0, cohort, counts, {});
      builder.add_segment(0, cohort, counts);
    }
    const auto block = builder.tick(second);
    ASSERT_TRUE(block);
    EXPECT_EQ(block->stable, (CohortCounts{5, 5}));
    EXPECT_EQ(block->limits.canary, (CohortCounts{5, 5}));
    EXPECT_EQ(block->routes.at(0).counts.stable, (CohortCounts{5, 5}));
    EXPECT_EQ(block->segments.at(0).counts.canary, (CohortCounts{5, 5}));
  }
}

LatencyRules limited() {
  LatencyRules rules;
  rules.limited = true;
  rules.warm_up_seconds = 0;
  rules.limits[0] = static_cast<std::uint16_t>(latency_bucket(std::chrono::milliseconds(100)));
  return rules;
}

TEST(BlockBuilder, LimitsWaitForNobody) {
  BlockBuilder builder(0, 1, 2);
  builder.set_latency_rules(limited());
  for (std::int64_t second = 1; second <= 59; ++second) {
    builder.add(Cohort::kCanary, {10, 1});
    const auto block = builder.tick(second);
    ASSERT_TRUE(block) << second;
    EXPECT_TRUE(block->limits_only());
    EXPECT_FALSE(block->comparable());
    EXPECT_EQ(block->start_second, second - 1);
    EXPECT_EQ(block->epoch, 1U);
    EXPECT_EQ(block->step, 2U);
    EXPECT_EQ(block->limits.seconds, 1U);
    EXPECT_EQ(block->limits.stable, CohortCounts{});
    EXPECT_EQ(block->limits.canary, (CohortCounts{10, 1}));
  }
  // The comparison has gone on meanwhile, and ends with its first request of stable.
  builder.add(Cohort::kStable, {5, 2});
  const auto both = builder.tick(60);
  ASSERT_TRUE(both);
  EXPECT_TRUE(both->comparable());
  EXPECT_EQ(both->canary, (CohortCounts{590, 59}));
  EXPECT_EQ(both->limits.canary.n, 0U) << "no request of the canary in this second";
}

TEST(BlockBuilder, ASecondOfBothIsOneBlock) {
  BlockBuilder builder(0, 1, 0);
  builder.set_latency_rules(limited());
  Histogram slow;
  slow.add(std::chrono::milliseconds(99), 3);
  slow.add(std::chrono::milliseconds(106), 2);
  builder.add(Cohort::kStable, {20, 3});
  builder.add(Cohort::kCanary, {6, 1}, slow);
  builder.add_duplicates(Cohort::kStable, 2);
  const auto block = builder.tick(1);
  ASSERT_TRUE(block);
  EXPECT_EQ(block->canary, (CohortCounts{6, 1}));
  EXPECT_EQ(block->limits.stable, (CohortCounts{18, 1}));
  EXPECT_EQ(block->limits.canary, (CohortCounts{6, 1}));
  EXPECT_EQ(block->limits.latency.canary_n, 5U);
  EXPECT_EQ(block->limits.latency.slow[0].canary_slow, 2U);
  EXPECT_FALSE(block->limits.latency.slow[1].judged());
  EXPECT_FALSE(builder.tick(2)) << "a second without a request is nothing";
}

// A limit is a share of the requests: nothing is left out because its client failed a moment ago.
TEST(BlockBuilder, LimitsCountRepetitionsToo) {
  BlockBuilder builder(100, 1, 0);
  builder.set_latency_rules(limited());
  for (const Cohort cohort : {Cohort::kStable, Cohort::kCanary}) {
    builder.add(cohort, {.n = 10, .bad = 2, .repeats = 3, .deduped = 5});
    builder.add_duplicates(cohort, 1, 1);
  }
  const auto block = builder.tick(101);
  ASSERT_TRUE(block);
  EXPECT_EQ(block->limits.canary.n, 15U);
  EXPECT_EQ(block->limits.canary.bad, 7U);
  // Or one client of stable's that never stops failing would excuse whatever the canary does.
  EXPECT_EQ(block->limits.stable.n, 9U);
  EXPECT_EQ(block->limits.stable.bad, 1U);
}

TEST(BlockBuilder, AChangeOfWeightClosesLimitsAsWell) {
  BlockBuilder builder(0, 1, 0);
  builder.set_latency_rules(limited());
  builder.add(Cohort::kCanary, {10, 1});
  const auto block = builder.change(0, 2, 1);
  ASSERT_TRUE(block);
  EXPECT_TRUE(block->limits_only());
  EXPECT_EQ(block->epoch, 1U);
  EXPECT_EQ(block->limits.canary, (CohortCounts{10, 1}));
  EXPECT_FALSE(builder.tick(1));
  // Without limits there is nothing of the kind.
  builder.set_latency_rules({});
  builder.add(Cohort::kCanary, {10, 1});
  EXPECT_FALSE(builder.tick(2));
}

TEST(BlockBuilder, TimeThatStandsOrStepsBackClosesNothing) {
  BlockBuilder builder(100, 1, 0);
  builder.add(Cohort::kStable, {10, 0});
  builder.add(Cohort::kCanary, {1, 0});
  EXPECT_FALSE(builder.tick(100));
  EXPECT_FALSE(builder.tick(50));
  EXPECT_TRUE(builder.tick(101));
}

}  // namespace
}  // namespace canaryd::stats
