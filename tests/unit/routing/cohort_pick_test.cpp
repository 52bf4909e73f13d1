#include "canaryd/routing/cohort_pick.hpp"

#include "unit/routing/requests.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace canaryd::routing {
namespace {

using test::fields;
using test::Lines;
using test::make_rollout;

const IpAddress kClient = IpAddress::v4({203, 0, 113, 7});

Pick pick(const Rollout& rollout,
          Lines lines,
          bool peer_trusted = false,
          IpAddress client = kClient) {
  Random random(1);
  const http::FieldList list = fields(lines);
  return pick_cohort(rollout, {list, "", client, peer_trusted, random});
}

// ---- The key ----

TEST(CohortPick, EqualSaltMeansEqualUsers) {
  Rollout other = make_rollout(1000, "checkout");
  other.name = "another rollout";
  const Rollout rollout = make_rollout(1000, "checkout");
  for (int i = 0; i < 1000; ++i) {
    const std::string user = std::to_string(i);
    EXPECT_EQ(pick(rollout, {{"X-User", user}}).cohort, pick(other, {{"X-User", user}}).cohort);
  }
}

TEST(CohortPick, NamesTheUpstreamOfTheCohort) {
  const Pick canary = pick(make_rollout(10000), {{"X-User", "alice"}});
  EXPECT_EQ(canary.upstream, UpstreamId(1));
  EXPECT_EQ(canary.key_source, KeySource::kHeader);
  EXPECT_EQ(canary.bucket, 1141);
  EXPECT_EQ(bucket_of(canary.key_hash), canary.bucket);
  EXPECT_EQ(canary.weight, BasisPoints(10000));
  EXPECT_TRUE(canary.counts_for_analysis);
  EXPECT_EQ(pick(make_rollout(1142), {{"X-User", "alice"}}).cohort, Cohort::kCanary);
  const Pick stable = pick(make_rollout(1141), {{"X-User", "alice"}});
  EXPECT_EQ(stable.cohort, Cohort::kStable);
  EXPECT_EQ(stable.upstream, UpstreamId(0));
}

TEST(CohortPick, WithoutAKeyMovesLastAndIsNoEvidence) {
  const Pick late = pick(make_rollout(9999), {});
  EXPECT_EQ(late.cohort, Cohort::kStable);
  EXPECT_EQ(late.key_source, KeySource::kNone);
  EXPECT_EQ(late.key_hash, 0U);
  EXPECT_FALSE(late.counts_for_analysis);
  EXPECT_EQ(pick(make_rollout(10000), {}).cohort, Cohort::kCanary);
}

TEST(CohortPick, AddressKeysAreTheBytesOfTheAddress) {
  Rollout rollout = make_rollout(5000);
  rollout.sticky.sources = {{KeySource::kClientIp, ""}};
  EXPECT_EQ(pick(rollout, {}).bucket, 8485);
  EXPECT_EQ(pick(rollout, {}, false, *parse_ip("::ffff:203.0.113.7")).bucket, 8485);
  EXPECT_EQ(pick(rollout, {}, false, *parse_ip("2001:db8::1")).bucket, 9280);
}

// ---- Safety ----

TEST(CohortPick, TheGateLowersTheWeight) {
  const Rollout rollout = make_rollout(10000);
  EXPECT_EQ(pick(rollout, {{"X-User", "alice"}}).cohort, Cohort::kCanary);
  rollout.gate->lower(1, BasisPoints(1141));
  const Pick lowered = pick(rollout, {{"X-User", "alice"}});
  EXPECT_EQ(lowered.cohort, Cohort::kStable);
  EXPECT_EQ(lowered.weight, BasisPoints(1141));
  EXPECT_EQ(pick(rollout, {{"X-User", "bob"}}).cohort, Cohort::kCanary);
}

// Row A3: a cookie, a header, a force header: nothing keeps anybody on the canary.
TEST(CohortPick, EvictionTakesEverybody) {
  Rollout rolled_back = make_rollout(10000);
  rolled_back.traffic = Traffic::kStableOnly;
  const Rollout zero = make_rollout(0);
  const Rollout closed = make_rollout(10000);
  closed.gate->lower(1, BasisPoints(0));
  const std::array<const Rollout*, 3> all{&rolled_back, &zero, &closed};
  for (const Rollout* rollout : all) {
    for (int i = 0; i < 1000; ++i) {
      const Pick sticky = pick(*rollout, {{"X-User", std::to_string(i)}});
      ASSERT_EQ(sticky.cohort, Cohort::kStable);
      ASSERT_EQ(sticky.upstream, UpstreamId(0));
    }
    const Pick forced = pick(*rollout, {{"X-Canary", "always"}}, true);
    EXPECT_EQ(forced.cohort, Cohort::kStable);
    EXPECT_EQ(forced.weight, BasisPoints(0));
    EXPECT_FALSE(forced.counts_for_analysis);
  }
}

// Everybody is on stable, but whom the weight would send to the canary may probe it.
TEST(CohortPick, ASuspendedCanaryIsProbedByItsOwnUsers) {
  Rollout suspended = make_rollout(2500);
  suspended.traffic = Traffic::kProbeOnly;
  suspended.gate->lower(1, BasisPoints(0));
  const Rollout before = make_rollout(2500);
  int candidates = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string user = std::to_string(i);
    const Pick now = pick(suspended, {{"X-User", user}});
    ASSERT_EQ(now.cohort, Cohort::kStable);
    ASSERT_EQ(now.weight, BasisPoints(0));
    ASSERT_EQ(now.may_probe, pick(before, {{"X-User", user}}).cohort == Cohort::kCanary);
    candidates += now.may_probe ? 1 : 0;
  }
  EXPECT_GT(candidates, 200);
  const Pick forced = pick(suspended, {{"X-User", "u"}, {"X-Canary", "always"}}, true);
  EXPECT_EQ(forced.cohort, Cohort::kStable);
  EXPECT_FALSE(forced.may_probe);
  EXPECT_FALSE(pick(before, {{"X-User", "alice"}}).may_probe);
}

TEST(CohortPick, StableThatIsGivenUpGetsNobody) {
  Rollout retiring = make_rollout(10000);
  retiring.traffic = Traffic::kCanaryOnly;
  EXPECT_EQ(pick(retiring, {{"X-User", "alice"}}).cohort, Cohort::kCanary);
  EXPECT_EQ(pick(retiring, {}).cohort, Cohort::kCanary);
  const Pick forced = pick(retiring, {{"X-Canary", "never"}}, true);
  EXPECT_EQ(forced.cohort, Cohort::kCanary);
  EXPECT_TRUE(forced.forced);
  // The gate still brings everybody back.
  retiring.gate->lower(1, BasisPoints(0));
  EXPECT_EQ(pick(retiring, {{"X-User", "alice"}}).cohort, Cohort::kStable);
}

TEST(CohortPick, IdleHonoursForceOnly) {
  Rollout idle = make_rollout(10000);
  idle.traffic = Traffic::kForceOnly;
  idle.gate = std::make_shared<CohortGate>();  // Never opened.
  EXPECT_EQ(pick(idle, {{"X-User", "alice"}}).cohort, Cohort::kStable);
  EXPECT_EQ(pick(idle, {{"X-Canary", "always"}}).cohort, Cohort::kCanary);
}

// ---- Force ----

TEST(CohortPick, ForceWinsOverWeightAndIsNoEvidence) {
  const Pick always = pick(make_rollout(1), {{"X-User", "u"}, {"x-canary", "always"}});
  EXPECT_EQ(always.cohort, Cohort::kCanary);
  EXPECT_EQ(always.upstream, UpstreamId(1));
  EXPECT_TRUE(always.forced);
  EXPECT_FALSE(always.counts_for_analysis);
  const Pick never = pick(make_rollout(10000), {{"X-User", "u"}, {"X-Canary", "never"}});
  EXPECT_EQ(never.cohort, Cohort::kStable);
  EXPECT_TRUE(never.forced);
  EXPECT_FALSE(never.counts_for_analysis);
}

TEST(CohortPick, ForceByCookieStandsBehindTheHeader) {
  const Rollout rollout = make_rollout(1);
  EXPECT_EQ(pick(rollout, {{"Cookie", "a=b; canary=always"}}).cohort, Cohort::kCanary);
  EXPECT_EQ(pick(rollout, {{"Cookie", "canary=always"}, {"X-Canary", "never"}}).cohort,
            Cohort::kStable);
}

TEST(CohortPick, OtherWordsForceNothing) {
  for (const std::string_view word : {"", "yes", "1", "ALWAYS", "always, never", "alwaysx"}) {
    const Pick result = pick(make_rollout(1), {{"X-User", "alice"}, {"X-Canary", word}});
    EXPECT_FALSE(result.forced) << word;
    EXPECT_TRUE(result.counts_for_analysis) << word;
    EXPECT_EQ(result.cohort, Cohort::kStable) << word;
  }
}

TEST(CohortPick, ForceCanBeKeptForTrustedPeers) {
  Rollout rollout = make_rollout(1);
  rollout.force.trusted_only = true;
  const Pick stranger = pick(rollout, {{"X-User", "alice"}, {"X-Canary", "always"}}, false);
  EXPECT_EQ(stranger.cohort, Cohort::kStable);
  EXPECT_FALSE(stranger.forced);
  EXPECT_TRUE(stranger.counts_for_analysis);
  EXPECT_EQ(pick(rollout, {{"X-Canary", "always"}}, true).cohort, Cohort::kCanary);
}

TEST(CohortPick, WithoutAForceFieldNothingIsForced) {
  Rollout rollout = make_rollout(1);
  rollout.force = {};
  EXPECT_FALSE(pick(rollout, {{"X-Canary", "always"}}, true).forced);
}

// ---- Follow ----

class Follow : public testing::Test {
 protected:
  static Rollout follower(unsigned weight) {
    Rollout rollout = make_rollout(weight);
    rollout.follow = "front";
    return rollout;
  }
  static Pick told(const Rollout& rollout, std::string_view cohort, bool trusted = true) {
    return pick(rollout,
                {{"X-User", "alice"}, {"X-Canaryd-Rollout", "front"}, {"X-Canaryd-Cohort", cohort}},
                trusted);
  }
};

TEST_F(Follow, WhoIsCanaryFurtherUpIsCanaryHere) {
  const Rollout rollout = follower(1);
  ASSERT_EQ(pick(rollout, {{"X-User", "alice"}}).cohort, Cohort::kStable);
  const Pick followed = told(rollout, "canary");
  EXPECT_EQ(followed.cohort, Cohort::kCanary);
  EXPECT_EQ(followed.upstream, UpstreamId(1));
  EXPECT_EQ(followed.rule, PickRule::kFollow);
  EXPECT_FALSE(followed.forced);
  EXPECT_FALSE(followed.counts_for_analysis);
}

TEST_F(Follow, WhoIsStableFurtherUpIsStableUntilEverybodyIsCanary) {
  EXPECT_EQ(told(follower(9999), "stable").cohort, Cohort::kStable);
  EXPECT_EQ(told(follower(10'000), "stable").cohort, Cohort::kCanary);
}

TEST_F(Follow, SafetyComesFirst) {
  Rollout rolled_back = follower(10'000);
  rolled_back.traffic = Traffic::kStableOnly;
  Rollout idle = follower(10'000);
  idle.traffic = Traffic::kForceOnly;
  const Rollout closed = follower(5000);
  closed.gate->lower(1, BasisPoints(0));
  const Rollout zero = follower(0);
  const std::array<const Rollout*, 4> all{&rolled_back, &idle, &closed, &zero};
  for (const Rollout* rollout : all) {
    EXPECT_EQ(told(*rollout, "canary").cohort, Cohort::kStable);
  }
}

TEST_F(Follow, ForceComesBefore) {
  const Pick never =
      pick(follower(5000),
           {{"X-Canary", "never"}, {"X-Canaryd-Rollout", "front"}, {"X-Canaryd-Cohort", "canary"}},
           true);
  EXPECT_EQ(never.cohort, Cohort::kStable);
  EXPECT_TRUE(never.forced);
}

TEST_F(Follow, OnlyTheRolloutToFollowAndOnlyFromTrustedPeers) {
  const Rollout rollout = follower(1);
  EXPECT_NE(told(rollout, "canary", false).rule, PickRule::kFollow);
  EXPECT_NE(told(make_rollout(1), "canary").rule, PickRule::kFollow);
  for (const std::string_view word : {"", "Canary", "none", "canary, canary"}) {
    EXPECT_NE(told(rollout, word).rule, PickRule::kFollow) << word;
  }
  const auto follows = [&rollout](Lines lines) {
    return pick(rollout, lines, true).rule == PickRule::kFollow;
  };
  EXPECT_TRUE(follows({{"X-Canaryd-Rollout", "front"}, {"X-Canaryd-Cohort", "canary"}}));
  EXPECT_FALSE(follows({{"X-Canaryd-Rollout", "other"}, {"X-Canaryd-Cohort", "canary"}}));
  EXPECT_FALSE(follows({{"X-Canaryd-Cohort", "canary"}}));
  EXPECT_FALSE(follows({{"X-Canaryd-Rollout", "front"},
                        {"X-Canaryd-Cohort", "canary"},
                        {"X-Canaryd-Cohort", "stable"}}));
  EXPECT_FALSE(follows({{"X-Canaryd-Rollout", "front"},
                        {"X-Canaryd-Rollout", "front"},
                        {"X-Canaryd-Cohort", "canary"}}));
}

// ---- Cookies ----

Rollout cookie_rollout(unsigned weight) {
  Rollout rollout = make_rollout(weight);
  rollout.sticky.sources = {{KeySource::kCookie, "canaryd_id"}};
  rollout.sticky.issue_cookie = IssueCookie{.name = "canaryd_id"};
  return rollout;
}

// The first request is decided by the id it is about to be given, so the second one agrees.
TEST(CohortPick, TheIssuedCookieKeepsTheCohort) {
  const Rollout rollout = cookie_rollout(5000);
  Random random(3);
  int canaries = 0;
  for (int i = 0; i < 1000; ++i) {
    const http::FieldList none;
    const Pick first = pick_cohort(rollout, {none, "", kClient, false, random});
    ASSERT_TRUE(first.issue_cookie);
    const std::string cookie = "canaryd_id=" + std::string(first.fresh_id.text());
    const Pick second = pick(rollout, {{"Cookie", cookie}});
    ASSERT_FALSE(second.issue_cookie);
    ASSERT_EQ(second.bucket, first.bucket);
    ASSERT_EQ(second.cohort, first.cohort);
    canaries += first.cohort == Cohort::kCanary ? 1 : 0;
  }
  EXPECT_NEAR(canaries, 500, 48);
}

TEST(CohortPick, NoCookieWhileNobodyIsSplit) {
  EXPECT_FALSE(pick(cookie_rollout(0), {}).issue_cookie);
  Rollout idle = cookie_rollout(5000);
  idle.traffic = Traffic::kForceOnly;
  EXPECT_FALSE(pick(idle, {}).issue_cookie);
  EXPECT_FALSE(pick(cookie_rollout(5000), {{"X-Canary", "always"}}).issue_cookie);
}

// ---- Whom requests are balanced by ----

Rollout balancing(Rollout rollout) {
  rollout.balances_users = true;
  return rollout;
}

TEST(CohortPick, AUserIsBalancedByTheKeyThatHeBrings) {
  const Pick named = pick(balancing(make_rollout(0)), {{"X-User", "alice"}});
  EXPECT_EQ(named.user_hash, siphash({}, "alice"));
  EXPECT_EQ(pick(make_rollout(0), {{"X-User", "alice"}}).user_hash, 0U);
  EXPECT_EQ(pick(balancing(make_rollout(0)), {}).user_hash, 0U);
  Rollout by_address = balancing(make_rollout(5000));
  by_address.sticky.sources = {{KeySource::kClientIp, ""}};
  EXPECT_EQ(pick(by_address, {}).user_hash, 0U);
}

// From the request that is given the cookie on.
TEST(CohortPick, AnIssuedIdIsWhatItsUserIsBalancedBy) {
  const Rollout rollout = balancing(cookie_rollout(5000));
  const Pick first = pick(rollout, {});
  ASSERT_TRUE(first.issue_cookie);
  EXPECT_EQ(first.user_hash, siphash({}, first.fresh_id.text()));
  const std::string cookie = "canaryd_id=" + std::string(first.fresh_id.text());
  EXPECT_EQ(pick(rollout, {{"Cookie", cookie}}).user_hash, first.user_hash);
  EXPECT_EQ(pick(balancing(cookie_rollout(0)), {{"Cookie", cookie}}).user_hash, first.user_hash);
}

// Each request would go somewhere else: such a client is told by its address.
TEST(CohortPick, AKeyThatDoesNotComeAgainBalancesNobody) {
  EXPECT_EQ(pick(balancing(cookie_rollout(0)), {}).user_hash, 0U);
  EXPECT_EQ(pick(balancing(cookie_rollout(5000)), {{"X-Canary", "always"}}).user_hash, 0U);
  Rollout lottery = balancing(make_rollout(5000));
  lottery.sticky.sources = {{KeySource::kPerRequest, ""}};
  const Pick drawn = pick(lottery, {});
  EXPECT_EQ(drawn.user_hash, 0U);
  EXPECT_NE(drawn.key_hash, 0U);
}

}  // namespace
}  // namespace canaryd::routing
