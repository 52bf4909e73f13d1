// Who gets what besides chance: segments, and the lanes of a split route.
#include "canaryd/routing/cohort_pick.hpp"
#include "component/proxy_world.hpp"

#include <map>
#include <memory>
#include <string>

namespace canaryd::test {
namespace {

constexpr std::string_view kBroken = "HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\noops";
constexpr std::string_view kEmployee = "X-Employee: 1\r\n";

// ---- Segments

class SegmentTest : public ProxyTest {
 protected:
  SegmentTest() : stable_(world, kStable, ok("stable")) {
    world.split(1);
    world.rollout().segments = {{.users = {.header = "X-Employee", .equals = {"1"}}}};
    world.failures.protection.circuit_failures = 2;
  }

  Message ask(std::string_view fields = {}) {
    Client client(world);
    return client.ask(get("/", "X-User: u1\r\n" + std::string(fields)));
  }

  Backend stable_;
};

TEST_F(SegmentTest, ItsUsersAreTrafficOfTheCanaryButNoEvidence) {
  const Backend canary(world, kCanary, ok("canary"));
  world.start();
  EXPECT_EQ(ask().body, "stable");
  EXPECT_EQ(ask(kEmployee).body, "canary");
  EXPECT_EQ(ask("X-Employee: 2\r\n").body, "stable");
  EXPECT_EQ(world.counters(Cohort::kCanary).requests(), 1U);
  EXPECT_EQ(world.counters(Cohort::kCanary).excluded, 1U);
  EXPECT_EQ(world.counters(Cohort::kCanary).judged, 0U);
  EXPECT_EQ(world.counters(Cohort::kStable).judged, 2U);
}

// They are users, and asked for nothing: unlike forced requests, theirs count.
TEST_F(SegmentTest, ItsFailuresOpenTheCircuitAndUseTheExposure) {
  const Backend canary(world, kCanary, std::string(kBroken));
  world.failures.protection.exposure_max = 10;
  world.start();
  EXPECT_EQ(ask("X-Canary: always\r\n").status(), 500);
  EXPECT_EQ(world.gate->exposure_used(1), 0U);
  EXPECT_EQ(ask(kEmployee).status(), 500);
  EXPECT_EQ(ask(kEmployee).status(), 500);
  EXPECT_EQ(world.gate->exposure_used(1), 2U);
  EXPECT_TRUE(world.gate->state().open);
  EXPECT_EQ(ask(kEmployee).body, "stable");
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 0U);
  EXPECT_FALSE(world.failure_queue->pop());
}

TEST_F(SegmentTest, StableAnswersWhatTheCanaryFails) {
  const Backend canary(world, kCanary, std::string(kBroken));
  world.failures.fallback.add(http::Method::kGet);
  world.start();
  EXPECT_EQ(ask(kEmployee).body, "stable");
}

// Connection: X-Employee would take away what decides.
TEST_F(SegmentTest, TheHeaderCannotBeNamedAway) {
  const Backend canary(world, kCanary, ok("canary"));
  world.start();
  EXPECT_EQ(ask("X-Employee: 1\r\nConnection: x-employee\r\n").body, "canary");
  EXPECT_EQ(canary.requests.back().field("X-Employee"), "1");
}

// ---- Splits

// One route, two rollouts from stable: to "canary" (v2) and to "third" (v3), half of the users
// each.
class SplitTest : public ProxyTest {
 protected:
  static constexpr std::uint32_t kLane2 = 1;  // Routes of the table: behind "all", its lanes.
  static constexpr std::uint32_t kLane3 = 2;

  SplitTest()
      : stable_(world, kStable, ok("v1")),
        second_(world, kCanary, [this](const Message&) { return answer_; }),
        third_(world, kStable2, ok("v3")) {
    world.split(2000);
    upstream::UpstreamSpec third;
    third.name = "third";
    third.endpoints = {kStable2};
    world.upstreams.push_back(third);
    routing::RolloutSpec other = world.rollout();
    other.name = "other";
    other.canary = UpstreamId(2);
    other.gate = other_gate_;
    other_gate_->begin(1, BasisPoints(BasisPoints::kMax));
    world.table.rollouts.push_back(other);
    world.table.routes.front().target = std::vector<routing::Lane>{
        {RolloutId(0), BasisPoints(5000)}, {RolloutId(1), BasisPoints(5000)}};
    world.failures.protection.circuit_failures = 3;
  }

  Message ask(const std::string& user, std::string_view fields = {}) {
    Client client(world);
    return client.ask(get("/", "X-User: " + user + "\r\n" + std::string(fields)));
  }
  // What each of the users gets.
  std::map<std::string, std::string> versions() {
    std::map<std::string, std::string> all;
    for (int i = 0; i < 100; ++i) {
      const std::string user = "u" + std::to_string(i);
      all[user] = ask(user).body;
    }
    return all;
  }
  static std::size_t count(const std::map<std::string, std::string>& all,
                           std::string_view version) {
    std::size_t sum = 0;
    for (const auto& [user, body] : all) sum += body == version ? 1U : 0U;
    return sum;
  }
  // Who has one of the two canaries keeps it.
  static void expect_kept(const std::map<std::string, std::string>& before,
                          const std::map<std::string, std::string>& after,
                          std::string_view version) {
    for (const auto& [user, body] : before) {
      if (body != version) continue;
      EXPECT_EQ(after.at(user), version) << user;
    }
  }

  std::string answer_ = ok("v2");
  std::shared_ptr<routing::CohortGate> other_gate_ = std::make_shared<routing::CohortGate>();
  Backend stable_;
  Backend second_;
  Backend third_;
};

TEST_F(SplitTest, EachUserHasOneOfTheVersionsAndEachRolloutItsOwnCounters) {
  world.start();
  const auto all = versions();
  EXPECT_GT(count(all, "v2"), 3U);
  EXPECT_GT(count(all, "v3"), 3U);
  EXPECT_GT(count(all, "v1"), 60U);
  EXPECT_EQ(versions(), all);
  EXPECT_EQ(world.counters(Cohort::kCanary, kLane2).judged, 2 * count(all, "v2"));
  EXPECT_EQ(world.counters(Cohort::kCanary, kLane3).judged, 2 * count(all, "v3"));
  // Either is compared with stable's users of its own lane.
  const auto stable2 = world.counters(Cohort::kStable, kLane2).judged;
  const auto stable3 = world.counters(Cohort::kStable, kLane3).judged;
  EXPECT_GT(stable2, 40U);
  EXPECT_GT(stable3, 40U);
  EXPECT_EQ(stable2 + stable3, 2 * count(all, "v1"));
  EXPECT_EQ(world.counters(Cohort::kStable).requests(), 0U);
}

TEST_F(SplitTest, UpstreamsAreToldTheRolloutOfTheLane) {
  world.start();
  versions();
  for (const Message& request : second_.requests) {
    EXPECT_EQ(request.field("X-Canaryd-Rollout"), "web");
  }
  for (const Message& request : third_.requests) {
    EXPECT_EQ(request.field("X-Canaryd-Rollout"), "other");
  }
}

TEST_F(SplitTest, GrowingPromotingAndAbortingOneLeavesTheOtherAlone) {
  world.start();
  const auto begin = versions();
  for (const unsigned weight : {4000U, 10'000U}) {
    world.table.rollouts[1].weight = BasisPoints(weight);
    world.publish();
    const auto now = versions();
    EXPECT_EQ(count(now, "v2"), count(begin, "v2"));
    expect_kept(begin, now, "v2");
    expect_kept(begin, now, "v3");
  }
  world.table.rollouts[1].traffic = routing::Traffic::kStableOnly;
  world.publish();
  const auto aborted = versions();
  EXPECT_EQ(count(aborted, "v3"), 0U);
  EXPECT_EQ(count(aborted, "v2"), count(begin, "v2"));
  expect_kept(begin, aborted, "v2");
}

// Three of v2's users fail: v2 is left alone by the next request, and v3 goes on.
TEST_F(SplitTest, TheCircuitOfOneLeavesTheOtherAlone) {
  world.start();
  const auto begin = versions();
  answer_ = kBroken;
  versions();
  EXPECT_TRUE(world.gate->state().open);
  EXPECT_FALSE(other_gate_->state().open);
  const auto now = versions();
  EXPECT_EQ(count(now, "v2") + count(now, "oops"), 0U);
  expect_kept(begin, now, "v3");
}

TEST_F(SplitTest, AVoteIsForTheRolloutOfTheLane) {
  world.listener.feedback = true;
  world.start();
  const auto all = versions();
  for (const auto& [user, version] : all) {
    if (version == "v1") continue;
    const std::string body = R"({"score": 2})";
    Client client(world);
    const Message answer = client.ask(
        "POST /.canaryd/feedback HTTP/1.1\r\nHost: a\r\nX-User: " + user +
        "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
        "\r\n\r\n" + body);
    ASSERT_EQ(answer.status(), 202);
    const auto vote = world.vote_queue->pop();
    ASSERT_TRUE(vote);
    EXPECT_EQ(vote->rollout, RolloutId(version == "v2" ? 0 : 1)) << user;
    EXPECT_EQ(vote->cohort, Cohort::kCanary);
    EXPECT_TRUE(vote->counts);
  }
}

// What is kept for each route is kept for each lane.
TEST_F(SplitTest, MirrorsAreThoseOfTheLane) {
  proxy::MirrorPolicy mirror;
  mirror.to = UpstreamId(1);
  mirror.share = routing::MirrorShare("all", BasisPoints(BasisPoints::kMax));
  mirror.add(http::Method::kGet);
  world.mirrors.assign(3, mirror);
  world.start();
  const auto all = versions();
  world.net.run_until([&] { return second_.requests.size() == 100; });
  // Copies of all others' requests go to v2 as well.
  EXPECT_EQ(second_.requests.size(), 100U);
  EXPECT_EQ(world.counters(Cohort::kShadow, kLane2).requests() +
                world.counters(Cohort::kShadow, kLane3).requests(),
            100U - count(all, "v2"));
}

}  // namespace
}  // namespace canaryd::test
