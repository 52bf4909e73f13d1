// Segments and rings (`cohort.segments`): who is in a cohort by what he is.
#include "canaryd/routing/cohort_pick.hpp"
#include "unit/routing/requests.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace canaryd::routing {
namespace {

using test::fields;
using test::Lines;
using test::make_rollout;

const IpAddress kClient = IpAddress::v4({203, 0, 113, 7});
const RequestRule kEmployees{.header = "X-Employee", .equals = {"1"}};
const RequestRule kGermany{.header = "X-Country", .equals = {"DE"}};
const RequestRule kEnterprise{.header = "X-Plan", .equals = {"enterprise"}};

Segment canary(RequestRule users, unsigned from = 0) {
  return {std::move(users), Cohort::kCanary, BasisPoints(from)};
}
Segment stable(RequestRule users) {
  return {std::move(users), Cohort::kStable, {}};
}

Rollout with(unsigned weight, std::vector<Segment> segments) {
  Rollout rollout = make_rollout(weight);
  rollout.segments = std::move(segments);
  return rollout;
}

Pick pick(const Rollout& rollout, Lines lines, bool trusted = false, std::string_view path = "/") {
  Random random(1);
  const http::FieldList list = fields(lines);
  return pick_cohort(rollout, {list, "", kClient, trusted, random, path});
}

// "alice" is in bucket 1141.
TEST(Segments, WhoIsInOneIsCanaryBeforeTheWeight) {
  const Rollout rollout = with(1, {canary(kEmployees)});
  ASSERT_EQ(pick(rollout, {{"X-User", "alice"}}).cohort, Cohort::kStable);
  const Pick employee = pick(rollout, {{"X-User", "alice"}, {"X-Employee", "1"}});
  EXPECT_EQ(employee.cohort, Cohort::kCanary);
  EXPECT_EQ(employee.upstream, UpstreamId(1));
  EXPECT_EQ(employee.rule, PickRule::kSegment);
  EXPECT_EQ(to_string(employee.rule), "segment");
  EXPECT_EQ(employee.segment, 1);
  EXPECT_FALSE(employee.forced);
  EXPECT_FALSE(employee.counts_for_analysis);
  // It protects users, as a failure of those who are drawn by lot does.
  EXPECT_FALSE(employee.spares_gate());
  EXPECT_EQ(pick(rollout, {{"X-User", "alice"}, {"X-Employee", "0"}}).rule, PickRule::kWeight);
}

TEST(Segments, TheFirstRuleThatFitsWins) {
  const Lines both{{"X-User", "alice"}, {"X-Employee", "1"}, {"X-Plan", "enterprise"}};
  const Pick first = pick(with(5000, {canary(kEmployees), stable(kEnterprise)}), both);
  EXPECT_EQ(first.cohort, Cohort::kCanary);
  EXPECT_EQ(first.segment, 1);
  const Pick second = pick(with(5000, {stable(kEnterprise), canary(kEmployees)}), both);
  EXPECT_EQ(second.cohort, Cohort::kStable);
  EXPECT_EQ(second.segment, 1);
  const Pick behind = pick(with(5000, {canary(kGermany), canary(kEmployees)}), both);
  EXPECT_EQ(behind.segment, 2);
}

TEST(Segments, ARingCountsOnceTheWeightHasReachedIt) {
  const Lines german{{"X-User", "alice"}, {"X-Country", "DE"}};
  const std::vector<Segment> rings{canary(kEmployees), canary(kGermany, 500)};
  const Pick before = pick(with(499, rings), german);
  EXPECT_EQ(before.cohort, Cohort::kStable);
  EXPECT_EQ(before.rule, PickRule::kWeight);
  EXPECT_TRUE(before.counts_for_analysis);
  const Pick then = pick(with(500, rings), german);
  EXPECT_EQ(then.cohort, Cohort::kCanary);
  EXPECT_EQ(then.segment, 2);
  // What counts is the weight in force.
  const Rollout lowered = with(500, rings);
  lowered.gate->lower(1, BasisPoints(499));
  EXPECT_EQ(pick(lowered, german).cohort, Cohort::kStable);
}

TEST(Segments, OneForStableMovesLast) {
  const Lines lines{{"X-User", "alice"}, {"X-Plan", "enterprise"}};
  const Pick kept = pick(with(9999, {stable(kEnterprise)}), lines);
  EXPECT_EQ(kept.cohort, Cohort::kStable);
  EXPECT_EQ(kept.rule, PickRule::kSegment);
  EXPECT_FALSE(kept.counts_for_analysis);
  const Pick last = pick(with(10'000, {stable(kEnterprise)}), lines);
  EXPECT_EQ(last.cohort, Cohort::kCanary);
  EXPECT_EQ(last.rule, PickRule::kWeight);
}

TEST(Segments, KnowPathsQueriesAndNetworks) {
  const Rollout by_path = with(1, {canary({.path_prefix = "/beta"})});
  EXPECT_EQ(pick(by_path, {}, false, "/beta/x").cohort, Cohort::kCanary);
  EXPECT_EQ(pick(by_path, {}, false, "/").cohort, Cohort::kStable);
  const Rollout by_network = with(1, {canary({.client = parse_cidr("203.0.113.0/24").value()})});
  EXPECT_EQ(pick(by_network, {}).cohort, Cohort::kCanary);
}

TEST(Segments, ForceAndFollowComeBefore) {
  Rollout rollout = with(5000, {canary(kEmployees)});
  rollout.follow = "front";
  const Pick forced = pick(rollout, {{"X-Employee", "1"}, {"X-Canary", "never"}});
  EXPECT_EQ(forced.cohort, Cohort::kStable);
  EXPECT_EQ(forced.rule, PickRule::kForce);
  const Pick followed =
      pick(rollout,
           {{"X-Employee", "1"}, {"X-Canaryd-Rollout", "front"}, {"X-Canaryd-Cohort", "stable"}},
           true);
  EXPECT_EQ(followed.cohort, Cohort::kStable);
  EXPECT_EQ(followed.rule, PickRule::kFollow);
}

TEST(Segments, SafetyComesFirst) {
  const std::vector<Segment> segments{canary(kEmployees)};
  Rollout rolled_back = with(5000, segments);
  rolled_back.traffic = Traffic::kStableOnly;
  Rollout idle = with(5000, segments);
  idle.traffic = Traffic::kForceOnly;
  const Rollout closed = with(5000, segments);
  closed.gate->lower(1, BasisPoints(0));
  const Rollout zero = with(0, segments);
  const std::array<const Rollout*, 4> all{&rolled_back, &idle, &closed, &zero};
  for (const Rollout* rollout : all) {
    const Pick result = pick(*rollout, {{"X-User", "alice"}, {"X-Employee", "1"}});
    EXPECT_EQ(result.cohort, Cohort::kStable);
    EXPECT_EQ(result.rule, rollout == &idle ? PickRule::kIdle : PickRule::kSafety);
  }
}

// Probes are of those whom the weight would send.
TEST(Segments, NobodyInOneProbesASuspendedCanary) {
  Rollout suspended = with(10'000, {canary(kEmployees), canary(kGermany, 10'000)});
  suspended.traffic = Traffic::kProbeOnly;
  suspended.gate->lower(1, BasisPoints(0));
  ASSERT_TRUE(pick(suspended, {{"X-User", "alice"}}).may_probe);
  for (const Lines lines : {Lines{{"X-User", "alice"}, {"X-Employee", "1"}},
                            Lines{{"X-User", "alice"}, {"X-Country", "DE"}}}) {
    const Pick result = pick(suspended, lines);
    EXPECT_EQ(result.cohort, Cohort::kStable);
    EXPECT_FALSE(result.may_probe);
  }
}

TEST(Segments, StableThatIsGivenUpGetsNobody) {
  Rollout retiring = with(10'000, {stable(kEnterprise)});
  retiring.traffic = Traffic::kCanaryOnly;
  EXPECT_EQ(pick(retiring, {{"X-Plan", "enterprise"}}).cohort, Cohort::kCanary);
}

TEST(Segments, AnExclusionSaysSo) {
  Pick result = pick(with(1, {canary(kEmployees)}), {{"X-Employee", "1"}});
  exclude(result);
  EXPECT_EQ(result.rule, PickRule::kExcluded);
  EXPECT_EQ(result.cohort, Cohort::kCanary);
  EXPECT_TRUE(result.spares_gate());
}

// The user keeps his bucket for the time when the rule is gone.
TEST(Segments, TheCookieIsIssuedAllTheSame) {
  Rollout rollout = with(1, {canary(kEmployees)});
  rollout.sticky.sources = {{KeySource::kCookie, "canaryd_id"}};
  rollout.sticky.issue_cookie = IssueCookie{.name = "canaryd_id"};
  EXPECT_TRUE(pick(rollout, {{"X-Employee", "1"}}).issue_cookie);
}

// Rule 2 of the product, for any list of rules and any user.
TEST(Segments, NobodyGoesBackWhileTheWeightGrows) {
  const std::array headers{"X-A", "X-B", "X-C"};
  Random random(20);
  for (int round = 0; round < 100; ++round) {
    std::vector<Segment> segments;
    for (std::uint64_t i = random.below(6); i > 0; --i) {
      RequestRule users{.header = headers.at(random.below(headers.size()))};
      if (random.below(4) == 0) {
        segments.push_back(stable(std::move(users)));
      } else {
        segments.push_back(
            canary(std::move(users), static_cast<unsigned>(random.below(3) * random.below(5'001))));
      }
    }
    std::vector<Rollout> steps;
    for (const unsigned weight : {1U, 10U, 100U, 499U, 500U, 1000U, 2500U, 7000U, 9999U, 10'000U}) {
      steps.push_back(with(weight, segments));
    }
    const std::string user = "user-" + std::to_string(round);
    for (unsigned set = 0; set < 8; ++set) {
      http::FieldList list;
      list.add("X-User", user);
      for (unsigned i = 0; i < headers.size(); ++i) {
        if ((set >> i & 1U) != 0) list.add(headers.at(i), "1");
      }
      bool moved = false;
      for (const Rollout& step : steps) {
        const Pick result = pick_cohort(step, {list, "", kClient, false, random, "/"});
        const bool on_canary = result.cohort == Cohort::kCanary;
        ASSERT_TRUE(on_canary || !moved) << user << " " << set << " at " << step.weight.percent();
        moved = on_canary;
      }
      ASSERT_TRUE(moved) << user << " " << set;
    }
  }
}

}  // namespace
}  // namespace canaryd::routing
