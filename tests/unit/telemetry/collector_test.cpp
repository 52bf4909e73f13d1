#include "collector_rig.hpp"

#include <chrono>
#include <utility>

namespace canaryd::telemetry::test {
namespace {

TEST_F(CollectorTest, TheShadowCohortIsTrafficOfItsRouteAndNoEvidence) {
  collector.begin_table(layout(1), now);
  const auto set = collector.open_set();
  finish(set->at(kShop, Cohort::kShadow), 50);
  finish(set->at(kShop, Cohort::kStable), 3);
  static_cast<void>(tick());
  EXPECT_EQ(collector.evidence_requests("checkout", Cohort::kStable), 3U);
  EXPECT_EQ(collector.traffic("checkout")->stable.run.requests, 3U);
  EXPECT_EQ(total(collector, "shop", Cohort::kShadow).requests(), 50U);
}

TEST_F(CollectorTest, MergesWorkersIntoOneBlockASecond) {
  collector.begin_table(layout(1, 7, 2), now);
  const auto one = collector.open_set();
  const auto two = collector.open_set();
  finish(one->at(kShop, Cohort::kStable), 90);
  finish(two->at(kShop, Cohort::kStable), 5, Judgement::kBad);
  finish(two->at(kShop, Cohort::kCanary), 4);
  finish(two->at(kShop, Cohort::kCanary), 1, Judgement::kBad);
  finish(two->at(kShop, Cohort::kCanary), 3, Judgement::kExcluded);
  finish(one->at(kPlain, Cohort::kNone), 50);

  const auto blocks = tick();
  ASSERT_EQ(blocks.size(), 1U);
  EXPECT_EQ(blocks[0].rollout, "checkout");
  EXPECT_EQ(blocks[0].block,
            (stats::Block{.start_second = 1000,
                          .seconds = 1,
                          .epoch = 7,
                          .step = 2,
                          .stable = {95, 5},
                          .canary = {5, 1}}));
  EXPECT_TRUE(tick().empty());  // Nothing came: nothing to compare.
  EXPECT_EQ(total(collector, "shop", Cohort::kStable).requests(), 95U);
  EXPECT_EQ(total(collector, "shop", Cohort::kCanary).requests(), 8U);
  EXPECT_EQ(total(collector, "plain", Cohort::kNone).requests(), 50U);
  EXPECT_EQ(collector.evidence_requests("checkout", Cohort::kCanary), 5U);
}

TEST_F(CollectorTest, SumsTheRoutesOfARollout) {
  TableLayout table = layout(1);
  table.routes.push_back({"shop-too", kCheckout});
  collector.begin_table(table, now);
  const auto set = collector.open_set();
  finish(set->at(kShop, Cohort::kStable), 10);
  finish(set->at(RouteId(2), Cohort::kStable), 20);
  finish(set->at(RouteId(2), Cohort::kCanary), 3);
  const auto blocks = tick();
  ASSERT_EQ(blocks.size(), 1U);
  EXPECT_EQ(blocks[0].block.stable.n, 30U);
  EXPECT_EQ(blocks[0].block.canary.n, 3U);
}

TEST_F(CollectorTest, CutsTheLatencyOfEachBlock) {
  TableLayout table = layout(1);
  table.routes.push_back({"shop-too", kCheckout});
  stats::LatencyRules& rules = table.rollouts[0].latency;
  rules.judged.fill(true);
  rules.warm_up_seconds = 0;
  table.rollouts[0].routes = 2;
  table.routes[0].own = 0;
  table.routes[2].own = 1;
  collector.begin_table(table, now);
  const auto one = collector.open_set();
  const auto two = collector.open_set();
  const auto serve = [&](Duration latency) {
    finish(one->at(kShop, Cohort::kStable), 60, Judgement::kGood, 10ms);
    finish(two->at(RouteId(2), Cohort::kStable), 40, Judgement::kGood, 10ms);
    finish(two->at(kShop, Cohort::kStable), 7, Judgement::kBad, 900ms);
    finish(two->at(kShop, Cohort::kCanary), 5, Judgement::kGood, latency);
    finish(one->at(RouteId(2), Cohort::kCanary), 5, Judgement::kGood, 10ms);
    return tick();
  };
  EXPECT_FALSE(serve(10ms).at(0).block.latency.judged());
  const auto blocks = serve(50ms);
  ASSERT_EQ(blocks.size(), 1U);
  const stats::LatencyCounts& latency = blocks[0].block.latency;
  EXPECT_EQ(latency.stable_n, 100U) << "failures have no latency";
  EXPECT_EQ(latency.canary_n, 10U);
  EXPECT_EQ(latency.slow[0].threshold, stats::latency_bucket(10ms));
  EXPECT_EQ(latency.slow[0].stable_slow, 0U);
  EXPECT_EQ(latency.slow[0].canary_slow, 5U);
  ASSERT_EQ(blocks[0].block.routes.size(), 2U);
  EXPECT_EQ(blocks[0].block.routes[0].counts.latency.slow[0].canary_slow, 5U);
  EXPECT_EQ(blocks[0].block.routes[1].counts.canary, (stats::CohortCounts{5, 0}));
  EXPECT_EQ(blocks[0].block.routes[1].counts.stable, (stats::CohortCounts{40, 0}));
}

TEST_F(CollectorTest, SegmentsHaveBlocksOfTheirOwn) {
  TableLayout table = layout(1, 1);
  table.rollouts[0].segments = 2;
  collector.begin_table(table, now);
  const auto one = collector.open_set();
  const auto two = collector.open_set();
  const auto queue = collector.open_queue();
  const auto other_queue = collector.open_queue();
  finish(one->at(kShop, Cohort::kStable), 60);
  finish(one->at(kShop, Cohort::kCanary), 5);
  const auto serve = [](stats::CounterSet& set, std::size_t segment, Cohort cohort, bool bad) {
    set.segment(kCheckout, segment)->count(cohort, bad, 7);
  };
  serve(*one, 1, Cohort::kStable, false);
  serve(*two, 1, Cohort::kStable, true);
  serve(*one, 1, Cohort::kCanary, true);
  serve(*two, 1, Cohort::kCanary, true);
  serve(*two, 0, Cohort::kCanary, false);
  // The same client failed on both workers.
  stats::Failure failure;
  failure.rollout = kCheckout;
  failure.route = kShop;
  failure.cohort = Cohort::kCanary;
  failure.segments.add(1);
  failure.key_hash = 7;
  failure.second = now;
  failure.epoch = 1;
  EXPECT_TRUE(queue->push(failure));
  EXPECT_TRUE(other_queue->push(failure));
  auto blocks = tick();
  ASSERT_EQ(blocks.size(), 1U);
  ASSERT_EQ(blocks[0].block.segments.size(), 1U);
  EXPECT_EQ(blocks[0].block.segments[0],
            (stats::SegmentComparison{1, {.seconds = 1, .stable = {2, 1}, .canary = {1, 1}}}));

  // Under a later weight it is no evidence.
  table = layout(2, 2, 1);
  table.rollouts[0].segments = 2;
  collector.begin_table(table, now);
  const auto fresh = collector.open_set();
  serve(*one, 0, Cohort::kStable, true);
  serve(*fresh, 0, Cohort::kCanary, true);
  finish(fresh->at(kShop, Cohort::kStable), 60);
  finish(fresh->at(kShop, Cohort::kCanary), 5);
  blocks = tick();
  ASSERT_EQ(blocks.size(), 1U);
  EXPECT_TRUE(blocks[0].block.segments.empty());
}

TEST_F(CollectorTest, HowFarApartClientsAreIsSeenOverAllWorkers) {
  collector.begin_table(layout(1), now);
  const auto one = collector.open_set();
  const auto two = collector.open_set();
  stats::LatencyCuts cuts;
  cuts.set(0, static_cast<std::uint16_t>(stats::latency_bucket(10ms)));
  // Those on one worker are slow and those on the other fast, each always.
  for (std::uint64_t key = 1; key <= 40; ++key) {
    for (int i = 0; i < 20; ++i) {
      one->client_groups(kCheckout, Cohort::kStable)->count_good(key, 20ms, cuts);
      two->client_groups(kCheckout, Cohort::kStable)->count_good(key + 40, 5ms, cuts);
    }
  }
  stats::ClientSpread spread;
  for (int i = 0; i < stats::kClientSpreadSeconds + 1; ++i) {
    finish(one->at(kShop, Cohort::kStable), 60);
    finish(one->at(kShop, Cohort::kCanary), 5);
    for (const ClosedBlock& closed : tick()) spread = closed.block.clients;
  }
  EXPECT_GT(spread.effect[0], 200U);
  EXPECT_EQ(collector.latency_cuts("checkout"), stats::LatencyCuts()) << "latency is not judged";

  // Another run begins without.
  TableLayout another = layout(2, 2);
  another.rollouts[0].run = 2;
  collector.begin_table(another, now);
  const auto fresh = collector.open_set();
  finish(fresh->at(kShop, Cohort::kStable), 60);
  finish(fresh->at(kShop, Cohort::kCanary), 5);
  const auto blocks = tick();
  EXPECT_FALSE(blocks.empty());
  for (const ClosedBlock& closed : blocks) EXPECT_FALSE(closed.block.clients.any());
}

TEST_F(CollectorTest, HowFarApartClientsAreIsSeenOfEachRouteAndSegment) {
  TableLayout table = layout(1, 1);
  table.rollouts[0].routes = 1;
  table.rollouts[0].segments = 2;
  table.routes[kShop.index()].own = 0;
  collector.begin_table(table, now);
  const auto one = collector.open_set();
  const auto two = collector.open_set();
  // Those on one worker fail and those on the other do not; in one segment only they are apart.
  for (std::uint64_t key = 1; key <= 40; ++key) {
    for (int i = 0; i < 20; ++i) {
      one->route_groups(kShop, Cohort::kStable)->count_bad(key);
      two->route_groups(kShop, Cohort::kStable)->count_good(key + 40, 5ms, {});
      one->segment(kCheckout, 1)->count(Cohort::kStable, true, key);
      two->segment(kCheckout, 1)->count(Cohort::kStable, false, key + 40);
    }
    for (const std::size_t segment : {0U, 1U}) {
      one->segment(kCheckout, segment)->count(Cohort::kCanary, false, key);
    }
    one->segment(kCheckout, 0)->count(Cohort::kStable, false, key);
  }
  std::vector<ClosedBlock> all;
  for (int i = 0; i < stats::kClientSpreadSeconds + 1; ++i) {
    finish(one->at(kShop, Cohort::kStable), 60);
    finish(one->at(kShop, Cohort::kCanary), 5);
    one->segment(kCheckout, 0)->count(Cohort::kStable, false, 1);
    one->segment(kCheckout, 0)->count(Cohort::kCanary, false, 1);
    one->segment(kCheckout, 1)->count(Cohort::kStable, false, 1);
    one->segment(kCheckout, 1)->count(Cohort::kCanary, false, 1);
    for (ClosedBlock& closed : tick()) all.push_back(std::move(closed));
  }
  ASSERT_FALSE(all.empty());
  const stats::Block& last = all.back().block;
  EXPECT_FALSE(last.clients.any()) << "of all routes nobody was told apart";
  ASSERT_EQ(last.routes.size(), 1U);
  EXPECT_GT(last.routes[0].clients.effect[stats::kClientErrors], 200U);
  ASSERT_EQ(last.segments.size(), 2U);
  EXPECT_FALSE(last.segments[0].clients.any());
  EXPECT_GT(last.segments[1].clients.effect[stats::kClientErrors], 200U);
}

TEST_F(CollectorTest, ARouteCutsTheLatenciesOfItsClientsByItsOwnStable) {
  TableLayout table = layout(1, 1);
  table.rollouts[0].latency.judged.fill(true);
  table.rollouts[0].routes = 1;
  table.rollouts[0].weight = BasisPoints(1000);
  table.rollouts[0].known.all[0] = static_cast<std::uint16_t>(stats::latency_bucket(10ms));
  table.rollouts[0].known.routes = {{}};
  table.rollouts[0].known.routes[0][0] = static_cast<std::uint16_t>(stats::latency_bucket(90ms));
  table.routes[kShop.index()].own = 0;
  collector.begin_table(table, now);
  const auto set = collector.open_set();
  auto* const counters = set->route_groups(kShop, Cohort::kStable);
  ASSERT_NE(counters, nullptr);
  EXPECT_FALSE(counters->cuts().any()) << "nobody has said by what yet";
  tick();
  EXPECT_TRUE(counters->cuts().is_slow(0, stats::latency_bucket(100ms)));
  EXPECT_FALSE(counters->cuts().is_slow(0, stats::latency_bucket(80ms)));
  EXPECT_TRUE(collector.latency_cuts("checkout").is_slow(0, stats::latency_bucket(80ms)));
  EXPECT_EQ(set->route_groups(RouteId(9), Cohort::kStable), nullptr);
}

TEST_F(CollectorTest, WhatAnEarlierProcessKnewOfTheLatencyCutsTheFirstBlock) {
  TableLayout table = layout(1);
  table.rollouts[0].latency.judged.fill(true);
  table.rollouts[0].known.all[0] = static_cast<std::uint16_t>(stats::latency_bucket(10ms));
  collector.begin_table(table, now);
  const auto set = collector.open_set();
  finish(set->at(kShop, Cohort::kStable), 30, Judgement::kGood, 10ms);
  finish(set->at(kShop, Cohort::kCanary), 3, Judgement::kGood, 50ms);
  const auto blocks = tick();
  ASSERT_EQ(blocks.size(), 1U);
  EXPECT_EQ(blocks[0].block.latency.slow[0].canary_slow, 3U);
  EXPECT_EQ(blocks[0].block.latency.slow[0].stable_slow, 0U);
}

// docs/statistics.md: what ends under a later weight is traffic, not evidence.
TEST_F(CollectorTest, AChangeOfWeightClosesTheBlockAndLateRequestsAreNoEvidence) {
  collector.begin_table(layout(1, 1), now);
  auto old = collector.open_set();
  finish(old->at(kShop, Cohort::kStable), 10);
  finish(old->at(kShop, Cohort::kCanary), 1);
  collector.begin_table(layout(2, 2, 1), now);
  const auto fresh = collector.open_set();
  auto blocks = collector.take_blocks();
  ASSERT_EQ(blocks.size(), 1U);  // Closed by the change, with what came before it.
  EXPECT_EQ(blocks[0].block.epoch, 1U);
  EXPECT_EQ(blocks[0].block.stable.n, 10U);

  finish(old->at(kShop, Cohort::kCanary), 5, Judgement::kBad);
  finish(fresh->at(kShop, Cohort::kStable), 20);
  finish(fresh->at(kShop, Cohort::kCanary), 2);
  blocks = tick();
  ASSERT_EQ(blocks.size(), 1U);
  EXPECT_EQ(blocks[0].block.epoch, 2U);
  EXPECT_EQ(blocks[0].block.step, 1U);
  EXPECT_EQ(blocks[0].block.stable, (stats::CohortCounts{20, 0}));
  EXPECT_EQ(blocks[0].block.canary, (stats::CohortCounts{2, 0}));
  EXPECT_EQ(total(collector, "shop", Cohort::kCanary).requests(), 8U);
  EXPECT_EQ(collector.traffic("checkout")->canary.step_requests, 2U);
  EXPECT_EQ(collector.evidence_requests("checkout", Cohort::kCanary), 3U);
}

// Another rollout's weight, or a reload: this one's evidence goes on, old table or new.
TEST_F(CollectorTest, ATableWithTheSameWeightLeavesTheBlockOpen) {
  collector.begin_table(layout(1, 1), now);
  const auto old = collector.open_set();
  finish(old->at(kShop, Cohort::kStable), 10);
  collector.begin_table(layout(2, 1), now);
  EXPECT_TRUE(collector.take_blocks().empty());
  const auto fresh = collector.open_set();
  finish(old->at(kShop, Cohort::kCanary), 1);
  finish(fresh->at(kShop, Cohort::kCanary), 2);
  const auto blocks = tick();
  ASSERT_EQ(blocks.size(), 1U);
  EXPECT_EQ(blocks[0].block.stable.n, 10U);
  EXPECT_EQ(blocks[0].block.canary.n, 3U);
}

TEST_F(CollectorTest, TotalsNeverFallOverTablesAndReloads) {
  std::uint64_t before = 0;
  std::shared_ptr<stats::CounterSet> held;
  for (std::uint64_t epoch = 1; epoch <= 50; ++epoch) {
    collector.begin_table(layout(epoch, epoch), now);
    const auto previous = std::exchange(held, collector.open_set());
    finish(held->at(kShop, Cohort::kStable), 3);
    if (previous != nullptr) finish(previous->at(kShop, Cohort::kStable), 1);  // A late one.
    static_cast<void>(tick());
    const std::uint64_t sum = total(collector, "shop", Cohort::kStable).requests();
    ASSERT_GE(sum, before);
    before = sum;
  }
  EXPECT_EQ(before, 50U * 3 + 49);
  EXPECT_LE(collector.live_sets(), 2U);
}

TEST_F(CollectorTest, ASetIsReadOnceMoreAfterItsWorkerLetGo) {
  collector.begin_table(layout(1), now);
  auto set = collector.open_set();
  static_cast<void>(tick());
  finish(set->at(kShop, Cohort::kStable), 4);
  set->at(kShop, Cohort::kStable).begin();  // Under way when the worker lets go: never ends.
  set.reset();
  EXPECT_EQ(collector.live_sets(), 1U);
  static_cast<void>(tick());
  EXPECT_EQ(collector.live_sets(), 0U);
  EXPECT_EQ(total(collector, "shop", Cohort::kStable).requests(), 4U);
  EXPECT_EQ(total(collector, "shop", Cohort::kStable).active, 0);
  static_cast<void>(tick());
  EXPECT_EQ(total(collector, "shop", Cohort::kStable).requests(), 4U);
}

TEST_F(CollectorTest, ActiveIsTheSumOfAllWorkersAndTables) {
  collector.begin_table(layout(1), now);
  const auto old = collector.open_set();
  old->at(kShop, Cohort::kCanary).begin();
  collector.begin_table(layout(2), now);
  const auto fresh = collector.open_set();
  fresh->at(kShop, Cohort::kCanary).begin();
  fresh->at(kShop, Cohort::kCanary).begin();
  static_cast<void>(tick());
  static_cast<void>(tick());
  EXPECT_EQ(total(collector, "shop", Cohort::kCanary).active, 3);
  EXPECT_EQ(collector.traffic("checkout")->canary.run.active, 3);
  old->at(kShop, Cohort::kCanary).finish({});
  static_cast<void>(tick());
  EXPECT_EQ(total(collector, "shop", Cohort::kCanary).active, 2);
}

TEST_F(CollectorTest, RoutesOfNoTableAreForgottenWithTheirLastRequest) {
  collector.begin_table(layout(1), now);
  auto old = collector.open_set();
  finish(old->at(kPlain, Cohort::kNone), 4);
  finish(old->at(kShop, Cohort::kStable), 4);
  TableLayout without = layout(2);
  without.routes.pop_back();
  collector.begin_table(without, now);
  const auto fresh = collector.open_set();
  static_cast<void>(tick());
  EXPECT_EQ(total(collector, "plain", Cohort::kNone).requests(), 4U);
  old.reset();
  static_cast<void>(tick());
  EXPECT_EQ(total(collector, "plain", Cohort::kNone).requests(), 0U);
  EXPECT_EQ(total(collector, "shop", Cohort::kStable).requests(), 4U);
}

}  // namespace
}  // namespace canaryd::telemetry::test
