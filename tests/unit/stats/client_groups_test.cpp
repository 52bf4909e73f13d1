// How far apart clients are, from the counts of their groups.
#include "canaryd/stats/client_groups.hpp"

#include "canaryd/stats/block.hpp"
#include "canaryd/stats/client_contrast.hpp"
#include "canaryd/stats/counter_set.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

namespace canaryd::stats {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kP50 = 0;
constexpr std::size_t kP90 = 1;

// So many responses in each of the first groups, of which so many are slow for the median.
ClientGroups groups_with(const std::vector<std::uint64_t>& slow, std::uint64_t of) {
  ClientGroups groups;
  for (std::size_t i = 0; i < slow.size(); ++i) {
    groups.groups[i].n = of;
    groups.groups[i].slow[kP50] = slow[i];
  }
  return groups;
}

TEST(ClientGroupsTest, CutsTellSlowFromFast) {
  LatencyCuts cuts;
  EXPECT_FALSE(cuts.any());
  EXPECT_FALSE(cuts.is_slow(kP50, kLatencyBuckets - 1)) << "what is not known is not judged";
  cuts.set(kP90, 120);
  EXPECT_TRUE(cuts.any());
  EXPECT_FALSE(cuts.is_slow(kP50, 121));
  EXPECT_FALSE(cuts.is_slow(kP90, 120));
  EXPECT_TRUE(cuts.is_slow(kP90, 121));
  EXPECT_EQ(LatencyCuts(cuts.word()), cuts);
}

TEST(ClientGroupsTest, EveryClientHasOneGroupAndAllAreUsed) {
  std::array<int, kClientGroups> clients{};
  for (std::uint64_t key = 1; key <= 16'000; ++key) {
    ASSERT_EQ(client_group(key), client_group(key));
    ++clients.at(client_group(key));
  }
  for (const int count : clients) EXPECT_NEAR(count, 1000, 150);
}

TEST(ClientGroupsTest, CountersAddUpAndTellWhatCame) {
  ClientGroupCounters counters;
  LatencyCuts cuts;
  cuts.set(kP50, static_cast<std::uint16_t>(latency_bucket(10ms)));
  counters.count_good(7, 5ms, cuts);
  const ClientGroups before = counters.read();
  counters.count_good(7, 20ms, cuts);
  counters.count_good(7, 20ms, LatencyCuts());
  counters.count_bad(7);
  const GroupCounts came = counters.read().since(before).groups[client_group(7)];
  EXPECT_EQ(came.judged, 3U);
  EXPECT_EQ(came.bad, 1U);
  EXPECT_EQ(came.n, 1U) << "where latency is cut";
  EXPECT_EQ(came.slow[kP50], 1U);
  EXPECT_EQ(came.slow[kP90], 0U);
  ClientGroups sum = before;
  sum += counters.read().since(before);
  EXPECT_EQ(sum, counters.read());

  Histogram responses;
  responses.add(5ms, 3);
  responses.add(20ms, 4);
  ClientGroups added;
  added.add(5, responses, cuts);
  EXPECT_EQ(added.groups[5].n, 7U);
  EXPECT_EQ(added.groups[5].slow[kP50], 4U);
  EXPECT_EQ(added.groups[5].judged, 7U);
  added.add(5, responses, LatencyCuts());
  added.add(5, 3, 2);
  EXPECT_EQ(added.groups[5].n, 7U);
  EXPECT_EQ(added.groups[5].judged, 17U);
  EXPECT_EQ(added.groups[5].bad, 2U);
}

TEST(ClientGroupsTest, ASetHasThemByRolloutAndCohort) {
  CounterSet set(1, 1, {0, 0});
  EXPECT_EQ(set.find_client_groups(RolloutId(1), Cohort::kStable), nullptr) << "none has come";
  set.client_groups(RolloutId(1), Cohort::kStable)->count_bad(7);
  ASSERT_NE(set.find_client_groups(RolloutId(1), Cohort::kStable), nullptr);
  EXPECT_EQ(
      set.find_client_groups(RolloutId(1), Cohort::kStable)->read().groups[client_group(7)].judged,
      1U);
  EXPECT_EQ(set.find_client_groups(RolloutId(1), Cohort::kCanary), nullptr);
  EXPECT_EQ(set.find_client_groups(RolloutId(0), Cohort::kStable), nullptr);
  EXPECT_EQ(set.client_groups(RolloutId(2), Cohort::kStable), nullptr)
      << "there is no such rollout";
  EXPECT_EQ(set.find_client_groups(RolloutId(2), Cohort::kStable), nullptr);
}

TEST(ClientGroupsTest, WhatChanceHasIsNoDifference) {
  EXPECT_FALSE(client_spread({}, {}).any());
  // Binomial deviations of 5 in 100.
  const ClientGroups alike = groups_with({50, 55, 45, 52, 48, 44, 56, 50, 51, 49, 57, 43}, 100);
  EXPECT_FALSE(client_spread(alike, alike).any());
  EXPECT_FALSE(client_spread(groups_with({90}, 100), groups_with({90}, 100)).any())
      << "one group alone is no measure";
  EXPECT_FALSE(client_spread(groups_with({0, 0, 0}, 100), groups_with({100, 100}, 100)).any());
}

// Six groups that are all slow and six that are all fast: as if each had answered once.
TEST(ClientGroupsTest, TheDesignEffectIsTheRatioOfVariances) {
  std::vector<std::uint64_t> slow(12, 0);
  for (std::size_t i = 0; i < 6; ++i) slow[i] = 1000;
  const ClientSpread spread = client_spread(groups_with(slow, 1000), {});
  // Chi-square 12,000 with 11 degrees of freedom, of which one in ten is below 5.58 by the tables.
  EXPECT_NEAR(spread.effect[kP50], 100 * 12'000 / 5.58, 100 * 12'000 / 5.58 * 0.01);
  EXPECT_EQ(spread.effect[kP50], client_spread({}, groups_with(slow, 1000)).effect[kP50])
      << "either version may show it";
}

// The slowest clients are the canary's, so stable has nothing to tell of the tail.
TEST(ClientGroupsTest, AQuantileThatNothingIsKnownOfIsAsTheLowerOne) {
  ClientGroups stable = groups_with({100, 0, 100, 0, 100, 0}, 100);
  const ClientSpread spread = client_spread(stable, {});
  for (std::size_t q = 0; q < kLatencyQuantiles; ++q) {
    EXPECT_EQ(spread.effect[q], spread.effect[kP50]);
  }
  EXPECT_EQ(spread.effect[kClientErrors], 0U) << "errors are another matter";
  for (GroupCounts& group : stable.groups) group.slow[kP90] = group.n / 10;
  EXPECT_EQ(client_spread(stable, {}).effect[kP90], 0U) << "60 that are slow, evenly";
}

TEST(ClientGroupsTest, TheLotHasSoManyWays) {
  const auto ways = [](std::size_t stable, std::size_t canary) {
    return client_spread(groups_with(std::vector<std::uint64_t>(stable, 1), 2),
                         groups_with(std::vector<std::uint64_t>(canary, 1), 2))
        .ln_ways;
  };
  EXPECT_EQ(ways(4, 1), 1609U) << "ln 5";
  EXPECT_EQ(ways(16, 16), 20'214U) << "ln 601,080,390";
  EXPECT_EQ(ways(16, 0), 0U);
}

TEST(ClientGroupsTest, OfTwoSpreadsTheWorseIsTaken) {
  ClientSpread one;
  one.effect = {300, 0, 200, 0};
  one.ln_ways = 5000;
  ClientSpread other;
  other.ln_ways = 1000;
  EXPECT_EQ(worse_of(one, other), one) << "it knows of no difference";
  EXPECT_EQ(worse_of(other, one), one);
  other.effect = {100, 150, 0, 0};
  const ClientSpread worse = worse_of(one, other);
  EXPECT_EQ(worse.effect, (std::array<std::uint32_t, kClientMetrics>{300, 150, 200, 0, 0}));
  EXPECT_EQ(worse.ln_ways, 1000U);
}

// So many requests in each of the first groups, of which so many failed.
ClientGroups failing(const std::vector<std::uint64_t>& bad, std::uint64_t of) {
  ClientGroups groups;
  for (std::size_t i = 0; i < bad.size(); ++i) groups.add(i, of, bad[i]);
  return groups;
}

// A handful of failures is enough to convict where stable has none.
TEST(ClientGroupsTest, FailuresOfOneClientShowWithAFew) {
  const ClientGroups well = failing(std::vector<std::uint64_t>(16, 0), 50);
  EXPECT_FALSE(client_spread(well, failing({1, 0, 0, 0, 0, 0, 0, 0}, 50)).any());
  EXPECT_GT(client_spread(well, failing({3, 0, 0}, 50)).effect[kClientErrors], 400U)
      << "of one client alone, among few";
  const ClientSpread one = client_spread(well, failing({8, 0, 0, 0, 0, 0, 0, 0}, 50));
  EXPECT_GT(one.effect[kClientErrors], 400U);
  EXPECT_EQ(one.effect[kP50], 0U);
  EXPECT_FALSE(client_spread(well, failing({1, 1, 2, 0, 1, 1, 1, 1}, 50)).any());
  EXPECT_FALSE(client_spread(well, failing({50, 50, 50, 50}, 50)).any()) << "all fail alike";
  EXPECT_FALSE(client_spread(well, failing({20}, 50)).any()) << "there is no other client";
}

// Three groups are seldom visibly unlike each other before a handful of failures convicts.
TEST(ClientGroupsTest, OfThreeGroupsOneShowsSooner) {
  const ClientGroups well = failing(std::vector<std::uint64_t>(16, 0), 50);
  EXPECT_GT(client_spread(well, failing({4, 1, 0}, 20)).effect[kClientErrors], 400U)
      << "all but one are of one group";
  EXPECT_GT(client_spread(well, failing({7, 1, 1}, 19)).effect[kClientErrors], 400U);
  EXPECT_EQ(client_spread(well, failing({4, 3, 2}, 19)).effect[kClientErrors], 0U);
  EXPECT_EQ(client_spread(well, failing({7, 1, 1, 2, 1, 3}, 19)).effect[kClientErrors], 0U)
      << "among six it could be chance";
}

// One with most of the requests draws the share to itself, and looks like everybody.
ClientGroups dominated(std::uint64_t of_big, std::uint64_t of_others) {
  ClientGroups groups;
  groups.add(0, 5000, of_big);
  for (std::size_t i = 1; i < 11; ++i) groups.add(i, 100, of_others);
  return groups;
}

TEST(ClientGroupsTest, AClientWithMostOfTheRequestsIsToldFromTheOthers) {
  const ClientGroups well = failing(std::vector<std::uint64_t>(16, 1), 1000);
  EXPECT_GT(client_spread(well, dominated(100, 1)).effect[kClientErrors], 1000U);
  EXPECT_EQ(client_spread(well, dominated(100, 2)).effect[kClientErrors], 0U) << "all fail alike";
  ClientGroups slow = dominated(100, 1);
  for (GroupCounts& group : slow.groups) {
    group.n = group.judged;
    group.slow[kP50] = std::exchange(group.bad, 0);
  }
  EXPECT_GT(client_spread({}, slow).effect[kP50], 1000U);
}

// ---- Beyond what clients make of it

TEST(ClientContrastTest, AClientWithMostOfTheRequestsIsNotAllOfThem) {
  const ClientGroups stable = failing(std::vector<std::uint64_t>(16, 1), 1000);
  EXPECT_FALSE(beyond_clients(stable, dominated(100, 0))[kClientErrors]);
  EXPECT_TRUE(beyond_clients(stable, dominated(1000, 20))[kClientErrors]);
  EXPECT_TRUE(beyond_clients(stable, dominated(2500, 10))[kClientErrors])
      << "the others fail more as well, though less than he";
}

TEST(ClientContrastTest, ErrorsToo) {
  const ClientGroups stable = failing({4, 5, 6, 5, 4, 6, 5, 5}, 1000);
  EXPECT_TRUE(beyond_clients(stable, failing({40, 60, 50, 45}, 1000))[kClientErrors]);
  EXPECT_FALSE(beyond_clients(stable, failing({200, 5, 5, 4}, 1000))[kClientErrors])
      << "one client";
}

TEST(ClientContrastTest, VersionsFurtherApartThanTheirClients) {
  const ClientGroups stable = groups_with({400, 500, 600, 450, 550, 500, 480, 520}, 1000);
  const ClientGroups slow = groups_with({900, 950, 980, 920}, 1000);
  EXPECT_TRUE(beyond_clients(stable, slow)[kP50]);
  EXPECT_FALSE(beyond_clients(stable, slow)[kP90]) << "nothing is slow for it";
  EXPECT_FALSE(beyond_clients(slow, stable)[kP50]) << "the canary is faster";
  EXPECT_FALSE(beyond_clients(stable, groups_with({600, 500, 550, 450}, 1000))[kP50]);
}

TEST(ClientContrastTest, ThreeGroupsAreTooFew) {
  const ClientGroups stable = groups_with({400, 500, 600, 450, 550, 500, 480, 520}, 1000);
  EXPECT_FALSE(beyond_clients(stable, groups_with({990, 995, 999}, 1000))[kP50]);
}

// Four slow clients of a stable whose clients differ as much.
TEST(ClientContrastTest, WhatStablesClientsMightBeIsNotBeyond) {
  const ClientGroups stable = groups_with({0, 1000, 0, 1000, 0, 1000, 0, 1000, 0, 1000}, 1000);
  EXPECT_FALSE(beyond_clients(stable, groups_with({1000, 1000, 1000, 1000}, 1000))[kP50]);
}

// A group of stable has several clients, whose shares are closer together than those of single
// ones.
TEST(ClientContrastTest, AGroupOfTheCanaryMayBeOneClient) {
  const ClientGroups stable = groups_with({1200, 2800, 1600, 2400, 1400, 2600, 2000, 2000}, 4000);
  const ClientGroups canary = groups_with({900, 820, 950, 860}, 1000);
  EXPECT_FALSE(beyond_clients(stable, canary)[kP50]);
  const ClientGroups alike = groups_with(std::vector<std::uint64_t>(8, 2000), 4000);
  EXPECT_TRUE(beyond_clients(alike, canary)[kP50]);
}

TEST(ClientContrastTest, AFewGroupsSayLittleOfHowFarApartTheyLie) {
  const ClientGroups stable = groups_with(std::vector<std::uint64_t>(16, 50), 1000);
  EXPECT_FALSE(beyond_clients(stable, groups_with({250, 400, 300, 280}, 1000))[kP50]);
  EXPECT_TRUE(
      beyond_clients(stable, groups_with({250, 400, 300, 280, 250, 400, 300, 280}, 1000))[kP50]);
}

TEST(ClientContrastTest, WhatTurnsSlowLateIsSeenOfLate) {
  ClientWatch watch(0);
  const auto minute = [&](std::int64_t from, const ClientGroups& of_canary) {
    ClientSpread spread;
    for (std::int64_t second = from; second < from + 60; ++second) {
      watch.add(Cohort::kStable, groups_with({3, 7, 4, 6, 3, 6, 5, 4}, 10));
      watch.add(Cohort::kCanary, of_canary);
      spread = watch.look(second);
    }
    return spread.effect[kP50];
  };
  const ClientGroups equal = groups_with({3, 7, 4, 6, 5, 4}, 10);
  for (std::int64_t from = 0; from < 1200; from += 60) EXPECT_GT(minute(from, equal), 200U);
  EXPECT_EQ(minute(1200, groups_with({10, 10, 10, 10, 10, 10}, 10)), kNoDivision);
}

// ---- On their way into blocks

class ClientBlocksTest : public ::testing::Test {
 protected:
  ClientBlocksTest() { spread_.effect[kP50] = 300; }
  Block second() {
    builder_.add(Cohort::kStable, {10, 0});
    builder_.add(Cohort::kCanary, {10, 0});
    return builder_.tick(++now_).value_or(Block{});
  }
  ClientSpread spread_;
  BlockBuilder builder_{0, 1, 0};
  std::int64_t now_ = 0;
};

TEST_F(ClientBlocksTest, EachBlockHasWhatIsKnown) {
  EXPECT_FALSE(second().clients.any());
  builder_.set_clients(spread_);
  EXPECT_EQ(second().clients, spread_);
  builder_.begin_run(0);
  EXPECT_FALSE(second().clients.any()) << "of an earlier run";
}

// Where each client shows that the canary fails more, no failure is left out.
TEST_F(ClientBlocksTest, AllFailuresCountWhereAllFailMore) {
  const auto with_repetitions = [this] {
    builder_.add(Cohort::kStable, {.n = 10, .bad = 1});
    builder_.add(Cohort::kCanary, {.n = 10, .bad = 1, .repeats = 2, .deduped = 3});
    builder_.add_duplicates(Cohort::kStable, 1);
    return builder_.tick(++now_).value();
  };
  const Block once = with_repetitions();
  EXPECT_EQ(once.canary, (CohortCounts{.n = 10, .bad = 1, .repeats = 2}));
  EXPECT_EQ(once.stable, (CohortCounts{.n = 9, .bad = 0}));
  builder_.set_clients(spread_, true);
  const Block all = with_repetitions();
  EXPECT_EQ(all.canary, (CohortCounts{.n = 13, .bad = 4}));
  EXPECT_EQ(all.stable, (CohortCounts{.n = 10, .bad = 1}));
  builder_.begin_run(0);
  EXPECT_EQ(with_repetitions().canary.bad, 1U) << "of an earlier run";
}

// Sixteen groups of a hundred requests each; the failures of each but those that count once.
TEST(ClientWatchTest, OneThatRepeatsItselfIsNotAll) {
  const auto watch = [](std::uint64_t each, std::uint64_t of_one) {
    ClientWatch made(0);
    for (std::size_t group = 0; group < kClientGroups; ++group) {
      ClientGroups came;
      came.add(group, 100, 1);
      made.add(Cohort::kStable, came);
      for (std::uint64_t i = 0; i < each + (group == 3 ? of_one : 0); ++i)
        came.add_repetition(group);
      made.add(Cohort::kCanary, came);
    }
    static_cast<void>(made.look(5));
    return made.all_fail_more();
  };
  EXPECT_FALSE(watch(0, 0));
  EXPECT_FALSE(watch(0, 1000));
  EXPECT_TRUE(watch(9, 0));
  EXPECT_TRUE(watch(9, 20));
}

TEST_F(ClientBlocksTest, WhatAnEarlierProcessKnewIsTheLeast) {
  KnownLatency known;
  known.clients = spread_;
  builder_.recall(known);
  EXPECT_EQ(second().clients, spread_);
  builder_.set_clients({});
  EXPECT_EQ(second().clients, spread_);
  ClientSpread beyond;
  beyond.effect[kP50] = kNoDivision;
  builder_.set_clients(beyond);
  EXPECT_EQ(second().clients.effect[kP50], kNoDivision);
  known.clients = beyond;
  builder_.recall(known);
  EXPECT_FALSE(second().clients.any()) << "that is to be seen anew";
}

TEST_F(ClientBlocksTest, CutsAreOfWhatIsJudgedAndKnown) {
  EXPECT_FALSE(builder_.latency_cuts().any());
  LatencyRules rules;
  rules.judged[kP50] = true;
  builder_.set_latency_rules(rules);
  Histogram past;
  past.add(10ms, 5000);
  builder_.add_past(past);
  static_cast<void>(second());
  LatencyCuts cuts;
  cuts.set(kP50, static_cast<std::uint16_t>(latency_bucket(10ms)));
  EXPECT_EQ(builder_.latency_cuts(), cuts) << "p90 is known as well, and nobody asks for it";
}

}  // namespace
}  // namespace canaryd::stats
