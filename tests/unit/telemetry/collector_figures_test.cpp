#include "canaryd/telemetry/metrics.hpp"
#include "collector_rig.hpp"

#include <chrono>
#include <thread>
#include <utility>

namespace canaryd::telemetry::test {
namespace {

// ---- Duplicates over workers ----

stats::Failure failure(std::uint64_t key, std::int64_t second, Cohort cohort = Cohort::kCanary) {
  return {.rollout = kCheckout,
          .route = kShop,
          .cohort = cohort,
          .key_hash = key,
          .second = second,
          .epoch = 1};
}

TEST_F(CollectorTest, AClientThatFailsOnTwoWorkersCountsOnce) {
  collector.begin_table(layout(1), now);
  const auto one = collector.open_set();
  const auto two = collector.open_set();
  const auto queue_one = collector.open_queue();
  const auto queue_two = collector.open_queue();
  finish(one->at(kShop, Cohort::kStable), 100);
  finish(one->at(kShop, Cohort::kCanary), 10);
  finish(one->at(kShop, Cohort::kCanary), 2, Judgement::kBad);
  finish(two->at(kShop, Cohort::kCanary), 2, Judgement::kBad);
  ASSERT_TRUE(queue_one->push(failure(11, now)));
  ASSERT_TRUE(queue_one->push(failure(12, now)));
  ASSERT_TRUE(queue_two->push(failure(11, now)));  // The same client.
  ASSERT_TRUE(queue_two->push(failure(13, now)));
  const auto blocks = tick();
  ASSERT_EQ(blocks.size(), 1U);
  EXPECT_EQ(blocks[0].block.canary, (stats::CohortCounts{13, 3, 0, 1}));
  EXPECT_EQ(collector.evidence_requests("checkout", Cohort::kCanary), 13U);
}

TEST_F(CollectorTest, ADuplicateUnderAnOldWeightTakesNothingFromTheNewOne) {
  collector.begin_table(layout(1, 1), now);
  const auto old = collector.open_set();
  const auto queue = collector.open_queue();
  collector.begin_table(layout(2, 2), now);
  const auto fresh = collector.open_set();
  finish(fresh->at(kShop, Cohort::kStable), 10);
  finish(fresh->at(kShop, Cohort::kCanary), 2, Judgement::kBad);
  ASSERT_TRUE(queue->push(failure(11, now)));
  ASSERT_TRUE(queue->push(failure(11, now)));
  const auto blocks = tick();
  ASSERT_EQ(blocks.size(), 1U);
  EXPECT_EQ(blocks[0].block.canary, (stats::CohortCounts{2, 2}));
}

TEST_F(CollectorTest, FailuresOfUnknownTablesAreIgnored) {
  collector.begin_table(layout(1), now);
  const auto queue = collector.open_queue();
  stats::Failure strange = failure(11, now);
  strange.epoch = 99;
  ASSERT_TRUE(queue->push(strange));
  strange.epoch = 1;
  strange.rollout = RolloutId(7);
  ASSERT_TRUE(queue->push(strange));
  EXPECT_TRUE(tick().empty());
}

TEST_F(CollectorTest, DroppedFailuresStayCountedWhenTheWorkerIsGone) {
  collector.begin_table(layout(1), now);
  auto queue = collector.open_queue();
  std::uint64_t dropped = 0;
  for (std::size_t i = 0; i < queue->capacity() + 5; ++i) {
    dropped += queue->push(failure(i + 1, now)) ? 0U : 1U;
  }
  ASSERT_EQ(dropped, 5U);
  queue.reset();
  static_cast<void>(tick());
  static_cast<void>(tick());
  EXPECT_EQ(collector.failures_dropped(), 5U);
}

// ---- What people see ----

TEST_F(CollectorTest, TheRateOfAVersionIsNotThatOfTheNextOne) {
  const auto of = [](std::uint64_t epoch, const char* stable, const char* canary) {
    TableLayout table = layout(epoch);
    table.rollouts[0].stable = stable;
    table.rollouts[0].canary = canary;
    return table;
  };
  collector.begin_table(of(1, "v1", "v2"), now);
  const auto set = collector.open_set();
  const auto second = [&](stats::CounterSet& counts) {
    finish(counts.at(kShop, Cohort::kStable), 90);
    finish(counts.at(kShop, Cohort::kCanary), 10);
    static_cast<void>(tick());
  };
  for (int i = 0; i < 12; ++i) second(*set);
  collector.begin_table(of(2, "v1", "v3"), now);
  const auto next = collector.open_set();
  EXPECT_DOUBLE_EQ(collector.traffic("checkout")->canary.requests_per_second, 0);
  EXPECT_DOUBLE_EQ(collector.traffic("checkout")->stable.requests_per_second, 90);
  second(*set);  // The last requests of the table before.
  EXPECT_DOUBLE_EQ(collector.traffic("checkout")->canary.requests_per_second, 0);
  EXPECT_DOUBLE_EQ(collector.traffic("checkout")->stable.requests_per_second, 90);
  for (int i = 0; i < 12; ++i) second(*next);
  EXPECT_DOUBLE_EQ(collector.traffic("checkout")->canary.requests_per_second, 10);
  collector.begin_table(of(3, "v3", "v4"), now);
  EXPECT_DOUBLE_EQ(collector.traffic("checkout")->stable.requests_per_second, 0);
}

TEST_F(CollectorTest, RatesSharesAndQuantiles) {
  collector.begin_table(layout(1), now);
  const auto set = collector.open_set();
  for (int second = 0; second < 20; ++second) {
    finish(set->at(kShop, Cohort::kStable), 90, Judgement::kGood, 10ms);
    finish(set->at(kShop, Cohort::kCanary), 9, Judgement::kGood, 40ms);
    finish(set->at(kShop, Cohort::kCanary), 1, Judgement::kBad);
    static_cast<void>(tick());
  }
  const auto traffic = collector.traffic("checkout");
  ASSERT_TRUE(traffic);
  EXPECT_DOUBLE_EQ(traffic->stable.requests_per_second, 90);
  EXPECT_DOUBLE_EQ(traffic->canary.requests_per_second, 10);
  EXPECT_DOUBLE_EQ(*traffic->canary.failure_share, 0.1);
  EXPECT_DOUBLE_EQ(*traffic->stable.failure_share, 0.0);
  EXPECT_DOUBLE_EQ(*traffic->canary_share, 0.1);
  EXPECT_EQ(traffic->share_of, 2000U);
  EXPECT_EQ(traffic->canary.run.requests, 200U);
  EXPECT_EQ(traffic->canary.step_requests, 200U);
  EXPECT_DOUBLE_EQ(*traffic->canary.run.error_rate, 0.1);
  EXPECT_DOUBLE_EQ(traffic->canary.run.requests_per_second, 10);
  EXPECT_NEAR(std::chrono::duration<double>(*traffic->canary.run.p50).count(), 0.040, 0.001);
  EXPECT_NEAR(std::chrono::duration<double>(*traffic->stable.run.p99).count(), 0.010, 0.0003);
  EXPECT_FALSE(collector.traffic("unknown"));
}

// As when stable is back after an outage: what the step has had before is not of this attempt.
TEST_F(CollectorTest, AStepThatBeginsAnewCountsAnew) {
  collector.begin_table(layout(1), now);
  finish(collector.open_set()->at(kShop, Cohort::kCanary), 100);
  static_cast<void>(tick());
  ASSERT_EQ(collector.traffic("checkout")->canary.step_requests, 100U);
  TableLayout same = layout(2, 2);
  collector.begin_table(same, now);
  EXPECT_EQ(collector.traffic("checkout")->canary.step_requests, 100U) << "suspended, and back";
  TableLayout anew = layout(3, 3);
  anew.rollouts[0].attempt = 1;
  collector.begin_table(anew, now);
  finish(collector.open_set()->at(kShop, Cohort::kCanary), 7);
  static_cast<void>(tick());
  EXPECT_EQ(collector.traffic("checkout")->canary.step_requests, 7U);
}

TEST_F(CollectorTest, WhatHangsIsCountedUntilItGoesOnOrTheWeightChanges) {
  for (const bool judged : {false, true}) {
    SCOPED_TRACE(judged ? "with latency" : "without");
    const std::uint64_t first = judged ? 11 : 1;
    TableLayout table = layout(first, first);
    table.rollouts[0].latency.judged[0] = judged;
    collector.begin_table(table, now);
    const auto set = collector.open_set();
    auto& canary = set->at(kShop, Cohort::kCanary);
    const auto hanging = [&] {
      static_cast<void>(tick());
      return collector.rates("checkout")->canary.hanging;
    };
    finish(canary, 16);
    for (int i = 0; i < 4; ++i) canary.count_hung();
    EXPECT_EQ(hanging(), 4U);
    EXPECT_EQ(collector.rates("checkout")->canary.hanging_of, 20U);
    canary.count_hung_settled();
    finish(canary, 1);
    EXPECT_EQ(hanging(), 3U);
    EXPECT_EQ(collector.rates("checkout")->canary.hanging_of, 20U);
    // A reading that has the end of one before its beginning loses nothing.
    for (int i = 0; i < 4; ++i) canary.count_hung_settled();
    EXPECT_EQ(hanging(), 0U);
    canary.count_hung();
    EXPECT_EQ(hanging(), 0U);
    canary.count_hung();
    EXPECT_EQ(hanging(), 1U);
    collector.begin_table(layout(first + 1, first + 1), now);
    EXPECT_EQ(hanging(), 0U);
    canary.count_hung();
    EXPECT_EQ(hanging(), 0U) << "of another weight";
  }
}

TEST_F(CollectorTest, RecentForgetsWhatIsOlderThanAMinute) {
  collector.begin_table(layout(1), now);
  const auto set = collector.open_set();
  finish(set->at(kShop, Cohort::kCanary), 100, Judgement::kBad);
  for (int second = 0; second < 29; ++second) static_cast<void>(tick());
  EXPECT_EQ(collector.traffic("checkout")->canary.recent.bad, 100U);
  for (int second = 0; second < 32; ++second) static_cast<void>(tick());
  EXPECT_EQ(collector.traffic("checkout")->canary.recent.bad, 0U);
  EXPECT_EQ(collector.traffic("checkout")->canary.run.bad, 100U);
}

TEST_F(CollectorTest, ANewRunBeginsItsFiguresAnew) {
  collector.begin_table(layout(1), now);
  const auto old = collector.open_set();
  finish(old->at(kShop, Cohort::kCanary), 100, Judgement::kBad);
  finish(old->at(kShop, Cohort::kStable), 100);
  TableLayout next = layout(2, 1);
  next.rollouts[0].run = 2;  // Fresh evidence, even if the other numbers should be the same.
  collector.begin_table(next, now);
  EXPECT_TRUE(collector.take_blocks().empty());
  const auto fresh = collector.open_set();
  finish(old->at(kShop, Cohort::kCanary), 7, Judgement::kBad);
  finish(fresh->at(kShop, Cohort::kCanary), 2);
  EXPECT_TRUE(tick().empty());
  const auto traffic = collector.traffic("checkout");
  EXPECT_EQ(traffic->canary.run.requests, 2U);
  EXPECT_EQ(traffic->canary.step_requests, 2U);
  EXPECT_EQ(collector.evidence_requests("checkout", Cohort::kCanary), 2U);
  EXPECT_EQ(total(collector, "shop", Cohort::kCanary).requests(), 109U);
}

TEST_F(CollectorTest, FillsTheMetricsSnapshot) {
  collector.begin_table(layout(1), now);
  const auto set = collector.open_set();
  finish(set->at(kShop, Cohort::kStable), 3);
  finish(set->at(kShop, Cohort::kCanary), 2, Judgement::kBad);
  finish(set->at(kPlain, Cohort::kNone), 1);
  static_cast<void>(tick());
  MetricsSnapshot snapshot;
  add_traffic(collector, snapshot);
  ASSERT_EQ(snapshot.routes.size(), 3U);
  EXPECT_EQ(snapshot.routes[0].route, "plain");
  EXPECT_EQ(snapshot.routes[0].rollout, "");
  EXPECT_EQ(snapshot.routes[2].cohort, Cohort::kCanary);
  EXPECT_EQ(snapshot.routes[2].code_class[5], 2U);
  ASSERT_EQ(snapshot.traffic.size(), 3U);
  const TrafficMetrics& stable = snapshot.traffic[1];
  EXPECT_EQ(stable.rollout, "checkout");
  EXPECT_EQ(stable.duration.histogram.total(), 3U);
  EXPECT_NEAR(stable.duration.sum_seconds, 0.03, 1e-9);
  EXPECT_EQ(stable.request_body_bytes, 30U);
  EXPECT_EQ(stable.response_body_bytes, 300U);
}

// Workers write and let go while the collector reads: every request is counted once.
TEST(Collector, CountsEachRequestOnceWhileWorkersRun) {
  constexpr int kTables = 40;
  constexpr int kRequests = 500;
  Collector collector;
  std::int64_t now = 0;
  std::vector<std::jthread> workers;
  for (int table = 1; table <= kTables; ++table) {
    collector.begin_table(layout(static_cast<std::uint64_t>(table)), now);
    workers.emplace_back([set = collector.open_set()]() mutable {
      for (int i = 0; i < kRequests; ++i) finish(set->at(kShop, Cohort::kStable), 1);
      set.reset();
    });
    collector.tick(++now);
  }
  workers.clear();  // Joins.
  collector.tick(++now);
  EXPECT_EQ(collector.live_sets(), 0U);
  EXPECT_EQ(total(collector, "shop", Cohort::kStable).requests(),
            std::uint64_t{kTables} * kRequests);
}

TEST_F(CollectorTest, VotesOfAWorkerNameWhatWasInForce) {
  collector.begin_table(layout(1, 7), now);
  const auto set = collector.open_set();
  const auto queue = collector.open_vote_queue();
  stats::Vote vote;
  vote.rollout = kCheckout;
  vote.epoch = 1;
  vote.cohort = Cohort::kCanary;
  vote.score = 2;
  ASSERT_TRUE(queue->push(vote));
  vote.epoch = 99;  // Of no table.
  ASSERT_TRUE(queue->push(vote));
  const auto votes = collector.take_votes();
  ASSERT_EQ(votes.size(), 1U);
  EXPECT_EQ(votes[0].rollout, "checkout");
  EXPECT_EQ(votes[0].run, 1U);
  EXPECT_EQ(votes[0].epoch, 7U);
  EXPECT_EQ(votes[0].vote.score, 2);
  EXPECT_TRUE(collector.take_votes().empty());

  EXPECT_TRUE(collector.add_vote("checkout", 1, 7, Cohort::kCanary, 2));
  EXPECT_TRUE(collector.add_vote("checkout", 1, 7, Cohort::kStable, 5));
  EXPECT_FALSE(collector.add_vote("checkout", 1, 6, Cohort::kStable, 1));
  EXPECT_FALSE(collector.add_vote("checkout", 2, 7, Cohort::kStable, 1));
  EXPECT_FALSE(collector.add_vote("nobody", 1, 7, Cohort::kStable, 1));
  finish(set->at(kShop, Cohort::kStable), 10);
  finish(set->at(kShop, Cohort::kCanary), 1);
  const auto blocks = tick();
  ASSERT_EQ(blocks.size(), 1U);
  EXPECT_EQ(blocks[0].block.feedback, (stats::FeedbackCounts{1, {1, 0}, {1, 3}}));
}

}  // namespace
}  // namespace canaryd::telemetry::test
