// Several rollouts on one route (`split`): each user has one of them for good.
#include "canaryd/routing/cohort_pick.hpp"
#include "canaryd/routing/routing_table.hpp"
#include "unit/routing/requests.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::routing {
namespace {

using test::fields;
using test::Lines;
using test::make_rollout;

const IpAddress kClient = IpAddress::v4({203, 0, 113, 7});

// v1 for all, v2 and v3 for the canaries of two lanes.
struct Versions {
  unsigned v2 = 2000;
  unsigned v3 = 2000;
  unsigned first_lane = 5000;
};

Rollout rollout_to(const std::string& name, UpstreamId canary, unsigned weight) {
  Rollout rollout = make_rollout(weight, name);
  rollout.name = name;
  rollout.canary = canary;
  return rollout;
}

TableSpec spec_of(const Versions& versions) {
  TableSpec spec;
  spec.upstreams = {"v1", "v2", "v3"};
  spec.rollouts = {rollout_to("to-v2", UpstreamId(1), versions.v2),
                   rollout_to("to-v3", UpstreamId(2), versions.v3)};
  const unsigned rest = BasisPoints::kMax - versions.first_lane;
  const std::vector<Lane> lanes{{RolloutId(0), BasisPoints(versions.first_lane)},
                                {RolloutId(1), BasisPoints(rest)}};
  spec.routes = {{"shop", {.path = "/shop"}, lanes},
                 {"plain", {}, UpstreamId(0)},
                 {"search", {.path = "/search"}, lanes}};
  return spec;
}

TableSpec issuing_spec_of(const Versions& versions) {
  TableSpec spec = spec_of(versions);
  for (RolloutSpec& rollout : spec.rollouts) {
    rollout.sticky.sources = {{KeySource::kCookie, "canaryd_id"}};
    rollout.sticky.issue_cookie = IssueCookie{.name = "canaryd_id"};
  }
  return spec;
}

std::shared_ptr<const RoutingTable> table_of(TableSpec spec) {
  auto table = RoutingTable::build(std::move(spec));
  EXPECT_TRUE(table) << describe(table.error());
  return table ? *table : nullptr;
}

struct Picked {
  const RouteMatch* lane = nullptr;
  Pick pick;
};

Picked pick(const RouteMatch& route, const http::FieldList& list, bool trusted = false) {
  Random random(1);
  Picked picked{&route, {}};
  picked.pick = pick_lane(picked.lane, {list, "", kClient, trusted, random, "/"});
  return picked;
}

Picked pick(const RouteMatch& route, Lines lines, bool trusted = false) {
  return pick(route, fields(lines), trusted);
}

http::FieldList user(int i) {
  static std::string name;  // The list is of views.
  name = "user-" + std::to_string(i);
  return fields({{"X-User", name}});
}

constexpr int kKeys = 100'000;
constexpr int kSome = 10'000;

std::vector<UpstreamId> versions_of(const RoutingTable& table, int keys, std::size_t route = 0) {
  std::vector<UpstreamId> versions;
  for (int i = 0; i < keys; ++i) {
    versions.push_back(pick(table.routes()[route], user(i)).pick.upstream);
  }
  return versions;
}

double share(const std::vector<UpstreamId>& versions, UpstreamId version) {
  return static_cast<double>(std::count(versions.begin(), versions.end(), version)) /
         static_cast<double>(versions.size());
}

TEST(Split, LanesAreMatchesBehindTheRoutes) {
  const auto table = table_of(spec_of({}));
  ASSERT_EQ(table->routes().size(), 7U);
  const RouteMatch& shop = table->routes()[0];
  EXPECT_TRUE(shop.is_split());
  EXPECT_EQ(shop.rollout, nullptr);
  EXPECT_EQ(shop.upstream, UpstreamId(0));
  ASSERT_EQ(shop.lanes.size(), 2U);
  EXPECT_EQ(shop.lanes[0].end, 5000U);
  EXPECT_EQ(shop.lanes[1].end, 10'000U);
  EXPECT_EQ(shop.lanes[0].route, &table->routes()[3]);
  EXPECT_EQ(shop.lanes[1].route, &table->routes()[4]);
  const RouteMatch& lane = table->routes()[4];
  EXPECT_EQ(lane.id, RouteId(4));
  EXPECT_EQ(lane.name, "shop");
  EXPECT_EQ(lane.rollout->name, "to-v3");
  EXPECT_FALSE(lane.is_split());
  EXPECT_FALSE(table->routes()[1].is_split());
  EXPECT_EQ(table->routes()[6].name, "search");
}

// Row A9: 80/10/10 becomes 60/20/20, and none of v2's users is moved to v3 or back.
TEST(Split, GrowingOneVersionMovesNoneOfAnothersUsers) {
  const auto before = versions_of(*table_of(spec_of({.v2 = 2000, .v3 = 2000})), kKeys);
  const auto after = versions_of(*table_of(spec_of({.v2 = 4000, .v3 = 4000})), kKeys);
  const double sigma = 3 * std::sqrt(0.2 * 0.8 / kKeys);
  EXPECT_NEAR(share(before, UpstreamId(1)), 0.1, sigma);
  EXPECT_NEAR(share(before, UpstreamId(2)), 0.1, sigma);
  EXPECT_NEAR(share(after, UpstreamId(1)), 0.2, sigma);
  EXPECT_NEAR(share(after, UpstreamId(2)), 0.2, sigma);
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i] == UpstreamId(0)) continue;
    ASSERT_EQ(after[i], before[i]) << "user-" << i;
  }
}

// What becomes of one rollout means nothing to the users of the others, whatever their cohort.
TEST(Split, PromotingOrAbortingOneLeavesTheOthersAlone) {
  const auto before = versions_of(*table_of(spec_of({})), kSome);
  TableSpec aborted = spec_of({});
  aborted.rollouts[1].traffic = Traffic::kStableOnly;
  TableSpec closed = spec_of({});
  closed.rollouts[1].gate->lower(1, BasisPoints(0));
  for (TableSpec spec : {spec_of({.v3 = 10'000}), std::move(aborted), std::move(closed)}) {
    const auto table = table_of(std::move(spec));
    const auto after = versions_of(*table, kSome);
    int others = 0;
    for (int i = 0; i < kSome; ++i) {
      if (pick(table->routes()[0], user(i)).lane->rollout->name != "to-v2") continue;
      ++others;
      const auto at = static_cast<std::size_t>(i);
      ASSERT_EQ(after[at], before[at]) << "user-" << i;
    }
    EXPECT_NEAR(others / double{kSome}, 0.5, 0.015);
  }
}

// Within a lane the draw is as fair as without lanes: the two hashes know nothing of each other.
TEST(Split, EachLaneIsSplitByItsOwnWeight) {
  const auto table = table_of(spec_of({.v2 = 1000, .v3 = 7000, .first_lane = 3000}));
  const auto versions = versions_of(*table, kSome);
  EXPECT_NEAR(share(versions, UpstreamId(1)), 0.3 * 0.1, 0.006);
  EXPECT_NEAR(share(versions, UpstreamId(2)), 0.7 * 0.7, 0.015);
}

TEST(Split, AUserHasTheSameLaneOnEveryRouteAndWhateverItsRolloutIsCalled) {
  const auto table = table_of(spec_of({}));
  EXPECT_EQ(versions_of(*table, kSome, 0), versions_of(*table, kSome, 2));
  TableSpec renamed = spec_of({});
  renamed.rollouts[0].name = "another";
  renamed.rollouts[0].salt = "another";
  const auto other = table_of(std::move(renamed));
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(pick(table->routes()[0], user(i)).lane->id,
              pick(other->routes()[0], user(i)).lane->id);
  }
}

// Same key, same lane: on every host, in every version and after every restart. Never change these.
TEST(Split, NoVersionEverMovesAUser) {
  const HashKey key = lane_hash_key();
  EXPECT_EQ(key.first, key_from_salt("split\n").first);
  EXPECT_EQ(key.second, key_from_salt("split\n").second);
  EXPECT_EQ(bucket_of(key, "alice"), 9653);
  EXPECT_EQ(bucket_of(key, "bob"), 2240);
  EXPECT_EQ(bucket_of(key, "customer-100000-eu"), 347);
  EXPECT_EQ(bucket_of(key, "0123456789abcdef0123456789abcdef"), 6852);
}

TEST(Split, WhoHasNoKeyIsInTheLastLaneAndMovesLast) {
  const auto table = table_of(spec_of({.v2 = 10'000, .v3 = 9999}));
  const Picked none = pick(table->routes()[0], Lines{});
  EXPECT_EQ(none.lane->rollout->name, "to-v3");
  EXPECT_EQ(none.pick.cohort, Cohort::kStable);
  EXPECT_FALSE(none.pick.counts_for_analysis);
}

// The id that chooses the lane is the one that the client gets.
TEST(Split, TheIssuedCookieKeepsLaneAndCohort) {
  const auto table = table_of(issuing_spec_of({}));
  Random random(3);
  for (int i = 0; i < 1000; ++i) {
    const http::FieldList none;
    const RouteMatch* lane = table->routes().data();
    const Pick first = pick_lane(lane, {none, "", kClient, false, random, "/"});
    ASSERT_TRUE(first.issue_cookie);
    const std::string cookie = "canaryd_id=" + std::string(first.fresh_id.text());
    const Picked second = pick(table->routes()[0], {{"Cookie", cookie}});
    ASSERT_EQ(second.lane, lane);
    ASSERT_EQ(second.pick.upstream, first.upstream);
    ASSERT_EQ(second.pick.key_hash, first.key_hash);
  }
}

// What becomes of a user who keeps his cookie, `pages` requests long: the lanes that he was in.
struct Visit {
  std::vector<const RouteMatch*> lanes;
  int cookies = 0;
};

Visit visit(const RouteMatch& route, Random& random, int pages, std::string_view force = {}) {
  Visit visit;
  std::string cookie;
  for (int page = 0; page < pages; ++page) {
    http::FieldList list;
    if (!cookie.empty()) list.add("Cookie", cookie);
    if (!force.empty()) list.add("X-Canary", force);
    const RouteMatch* lane = &route;
    const Pick pick = pick_lane(lane, {list, "", kClient, false, random});
    visit.lanes.push_back(lane);
    if (!pick.issue_cookie) continue;
    ++visit.cookies;
    cookie = "canaryd_id=" + std::string(pick.fresh_id.text());
  }
  return visit;
}

// The lane of a rollout that was aborted keeps its users: else all of them would end in the other.
TEST(Split, WhoHasNoCookieYetStaysInHisLaneWhateverItsRolloutDoes) {
  TableSpec aborted = issuing_spec_of({.first_lane = 9000});
  aborted.rollouts[0].traffic = Traffic::kStableOnly;
  TableSpec idle = issuing_spec_of({.first_lane = 9000});
  idle.rollouts[0].traffic = Traffic::kForceOnly;
  TableSpec closed = issuing_spec_of({.first_lane = 9000});
  closed.rollouts[0].gate->lower(1, BasisPoints(0));
  for (TableSpec spec : {std::move(aborted), std::move(idle), std::move(closed)}) {
    const auto table = table_of(std::move(spec));
    const RouteMatch& shop = table->routes().front();
    Random random(5);
    int in_other = 0;
    for (int user = 0; user < 2000; ++user) {
      const Visit seen = visit(shop, random, 10);
      ASSERT_EQ(std::count(seen.lanes.begin(), seen.lanes.end(), seen.lanes.front()), 10);
      ASSERT_EQ(seen.cookies, 1);
      in_other += seen.lanes.back() == shop.lanes[1].route ? 1 : 0;
    }
    EXPECT_NEAR(in_other, 200, 60);
  }
}

// Whatever the weights: he would see another canary with each request.
TEST(Split, WhoForcesHisCohortStaysInHisLane) {
  TableSpec idle = issuing_spec_of({});
  for (RolloutSpec& rollout : idle.rollouts) rollout.traffic = Traffic::kForceOnly;
  TableSpec aborted = issuing_spec_of({});
  aborted.rollouts[0].traffic = Traffic::kStableOnly;
  for (TableSpec spec : {issuing_spec_of({}), std::move(idle), std::move(aborted)}) {
    const auto table = table_of(std::move(spec));
    const RouteMatch& shop = table->routes().front();
    Random random(7);
    for (int user = 0; user < 100; ++user) {
      const Visit seen = visit(shop, random, 10, "always");
      ASSERT_EQ(std::count(seen.lanes.begin(), seen.lanes.end(), seen.lanes.front()), 10);
      ASSERT_EQ(seen.cookies, 1);
    }
  }
}

TEST(Split, NoCookieWhileNoLaneIsSplitNorForWhoDidNotDrawHis) {
  TableSpec spec = issuing_spec_of({});
  for (RolloutSpec& rollout : spec.rollouts) rollout.traffic = Traffic::kStableOnly;
  Random random(5);
  EXPECT_EQ(visit(table_of(std::move(spec))->routes().front(), random, 20).cookies, 0);

  spec = issuing_spec_of({.first_lane = 9000});
  spec.rollouts[0].traffic = Traffic::kStableOnly;
  spec.rollouts[0].follow = "front";
  const auto table = table_of(std::move(spec));
  const RouteMatch& shop = table->routes().front();
  EXPECT_FALSE(pick(shop, {{"X-Canaryd-Rollout", "front"}, {"X-Canaryd-Cohort", "stable"}}, true)
                   .pick.issue_cookie);
}

// Its lane is that of the rollout which follows, so that a user keeps his version from hop to hop.
TEST(Split, WhoIsFollowedIsInTheLaneThatFollows) {
  TableSpec spec = spec_of({});
  spec.rollouts[0].follow = "front-v2";
  spec.rollouts[1].follow = "front-v3";
  const auto table = table_of(std::move(spec));
  for (int i = 0; i < 100; ++i) {
    const std::string name = std::to_string(i);
    const Picked told =
        pick(table->routes()[0],
             {{"X-User", name}, {"X-Canaryd-Rollout", "front-v3"}, {"X-Canaryd-Cohort", "canary"}},
             true);
    EXPECT_EQ(told.pick.upstream, UpstreamId(2));
    EXPECT_EQ(told.pick.rule, PickRule::kFollow);
  }
}

TEST(Split, SegmentsAreThoseOfTheLane) {
  TableSpec spec = spec_of({.v2 = 1, .v3 = 1});
  spec.rollouts[0].segments = {{.users = {.header = "X-Employee"}}};
  const auto table = table_of(std::move(spec));
  for (int i = 0; i < 100; ++i) {
    const std::string name = std::to_string(i);
    const Picked picked = pick(table->routes()[0], {{"X-User", name}, {"X-Employee", "1"}});
    EXPECT_EQ(picked.pick.rule == PickRule::kSegment, picked.lane->rollout->name == "to-v2");
  }
}

// ---- Invariants ----

std::string error_of(TableSpec spec) {
  const auto table = RoutingTable::build(std::move(spec));
  return table ? "" : table.error().context;
}

TEST(Split, RefusesLanesThatAreNotAllOfTheUsers) {
  const auto with = [](std::vector<Lane> lanes) {
    TableSpec spec = spec_of({});
    spec.routes[0].target = std::move(lanes);
    return error_of(std::move(spec));
  };
  EXPECT_NE(with({}), "");
  EXPECT_NE(with({{RolloutId(0), BasisPoints(9999)}}), "");
  EXPECT_NE(with({{RolloutId(0), BasisPoints(5000)}, {RolloutId(1), BasisPoints(5001)}}), "");
  EXPECT_NE(with({{RolloutId(0), BasisPoints(5000)}, {RolloutId(0), BasisPoints(5000)}}), "");
  EXPECT_NE(with({{RolloutId(2), BasisPoints(10'000)}}), "");
  EXPECT_EQ(with({{RolloutId(0), BasisPoints(10'000)}}), "");
}

TEST(Split, RefusesLanesThatDoNotAgree) {
  TableSpec stable = spec_of({});
  stable.rollouts[1].stable = UpstreamId(1);
  EXPECT_EQ(error_of(std::move(stable)), "route \"shop\": its lanes have several stable upstreams");
  TableSpec keys = spec_of({});
  keys.rollouts[1].sticky.sources = {{KeySource::kClientIp, ""}};
  EXPECT_EQ(error_of(std::move(keys)), "route \"shop\": its lanes know users by different keys");
}

}  // namespace
}  // namespace canaryd::routing
