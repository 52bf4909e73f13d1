// Stable is the canary's mirror and its fallback: it gets each request once, as one or the other.
#include "component/mirror_world.hpp"

#include <string>

namespace canaryd::test {
namespace {

class MirrorToStableTest : public MirrorTest {
 protected:
  MirrorToStableTest() : stable_(world, kStable, ok("stable")) {
    policy().to = UpstreamId(0);
    for (const auto method : {http::Method::kGet, http::Method::kPost}) {
      world.failures.fallback.add(method);
    }
    world.upstreams[1].retries = {0, false, false};
    world.split(10000);
  }

  [[nodiscard]] std::string cohort_at_stable() const {
    return stable_.requests.size() == 1 ? stable_.requests.front().field("X-Canaryd-Cohort")
                                        : std::to_string(stable_.requests.size()) + " requests";
  }

  Backend stable_;
};

const std::string kOfTom = post("order", "X-User: tom\r\n");

TEST_F(MirrorToStableTest, WhatStableAnswersInstead) {
  world.start();
  const Backend canary(world, kCanary, "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(ask(kOfTom).body, "stable");
  world.net.run_ready();
  EXPECT_EQ(canary.requests.size(), 1U);
  EXPECT_EQ(cohort_at_stable(), "stable");
  EXPECT_EQ(all_copies(), 0U);
}

TEST_F(MirrorToStableTest, WhatTheCanaryLeavesUnanswered) {
  world.start();
  SimServer canary(world.net, kCanary);
  Client client(world);
  client.send(kOfTom);
  SimPeer& served = canary.accept();
  world.net.run_ready();
  served.reset();
  EXPECT_EQ(client.read().body, "stable");
  world.net.run_ready();
  EXPECT_EQ(cohort_at_stable(), "stable");
  EXPECT_EQ(all_copies(), 0U);
}

TEST_F(MirrorToStableTest, ACopyWaitsForTheCanarysAnswer) {
  world.start();
  SimServer canary(world.net, kCanary);
  Client client(world);
  client.send(kOfTom);
  SimPeer& served = canary.accept();
  world.net.run_ready();
  EXPECT_TRUE(stable_.requests.empty());
  // The rest of an answer may take its time.
  served.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
  world.net.run_ready();
  EXPECT_EQ(cohort_at_stable(), "shadow");
  EXPECT_EQ(stable_.requests.at(0).body, "order");
  served.send("cd");
  EXPECT_EQ(client.read().body, "abcd");
  EXPECT_EQ(copies(Mirrored::kAnswered), 1U);
}

// Stable's time for it is over when the canary gives up: nobody is asked instead.
TEST_F(MirrorToStableTest, AFailureThatNobodyMends) {
  world.upstreams[0].timeouts.request = 1s;
  world.upstreams[1].timeouts.request = 2s;
  world.start();
  const SimServer canary(world.net, kCanary);
  EXPECT_EQ(ask(kOfTom).status(), 504);
  world.net.run_ready();
  EXPECT_EQ(cohort_at_stable(), "shadow");
  EXPECT_EQ(all_copies(), 1U);
}

TEST_F(MirrorToStableTest, WhatIsNotCoveredGoesAtOnce) {
  world.failures.fallback.methods = 0;
  world.start();
  SimServer canary(world.net, kCanary);
  Client client(world);
  client.send(kOfTom);
  SimPeer& served = canary.accept();
  world.net.run_ready();
  EXPECT_EQ(cohort_at_stable(), "shadow");
  served.send(ok("canary"));
  EXPECT_EQ(client.read().body, "canary");
}

}  // namespace
}  // namespace canaryd::test
