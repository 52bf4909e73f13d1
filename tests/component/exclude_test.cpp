// Requests that the configuration leaves out of the evidence: routed as all others, and nothing is
// concluded from them.
#include "component/proxy_world.hpp"

namespace canaryd::test {
namespace {

class ExcludeTest : public ProxyTest {
 protected:
  ExcludeTest() : stable_(world, kStable, ok("stable")) {
    world.split(10000);
    world.rollout().exclude = {{.path_prefix = "/healthz"},
                               {.header = "User-Agent", .matches = "bot"}};
    world.failures.protection.circuit_failures = 2;
    world.failures.protection.exposure_max = 0;
  }

  Message ask(std::string_view path, const std::string& fields = {}) {
    Client client(world);
    return client.ask(get(path, "X-User: u1\r\n" + fields));
  }

  Backend stable_;
};

TEST_F(ExcludeTest, TheyAreTrafficButNoEvidence) {
  const Backend canary(world, kCanary, ok("canary"));
  world.start();
  EXPECT_EQ(ask("/healthz").body, "canary");
  EXPECT_EQ(ask("/healthz/deep").body, "canary");
  EXPECT_EQ(ask("/", "User-Agent: GoogleBot/2\r\n").body, "canary");
  EXPECT_EQ(world.counters(Cohort::kCanary).excluded, 3U);
  EXPECT_EQ(world.counters(Cohort::kCanary).judged, 0U);
  EXPECT_EQ(ask("/healthzz").body, "canary");
  EXPECT_EQ(ask("/", "User-Agent: firefox\r\n").body, "canary");
  EXPECT_EQ(world.counters(Cohort::kCanary).judged, 2U);
  EXPECT_EQ(world.counters(Cohort::kCanary).requests(), 5U);
}

TEST_F(ExcludeTest, TheirFailuresOpenNothingAndExposeNobody) {
  const Backend canary(world, kCanary, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
  world.start();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask("/healthz").status(), 500);
  EXPECT_FALSE(world.gate->state().open);
  EXPECT_EQ(world.gate->exposure_used(1), 0U);
  EXPECT_EQ(world.counters(Cohort::kCanary).user_failures, 0U);
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 0U);
  EXPECT_FALSE(world.failure_queue->pop());
  // The same failures of users do.
  EXPECT_EQ(ask("/").status(), 500);
  EXPECT_TRUE(world.gate->state().spent);
}

TEST_F(ExcludeTest, AFallbackOfThemIsNotChargedEither) {
  const Backend canary(world, kCanary, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
  world.failures.fallback.add(http::Method::kGet);
  world.start();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask("/healthz").body, "stable");
  EXPECT_FALSE(world.gate->state().open);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(ask("/").body, "stable");
  EXPECT_TRUE(world.gate->state().open);
}

TEST_F(ExcludeTest, TheyAreNoProbes) {
  const Backend canary(world, kCanary, ok("canary"));
  world.rollout().traffic = routing::Traffic::kProbeOnly;
  world.start();
  world.gate->open(1, world.worker.now());
  EXPECT_EQ(ask("/healthz").body, "stable");
  EXPECT_EQ(canary.requests.size(), 0U);
}

// Connection: User-Agent would take away what decides.
TEST_F(ExcludeTest, TheHeaderCannotBeNamedAway) {
  Backend canary(world, kCanary, ok("canary"));
  world.start();
  EXPECT_EQ(ask("/", "User-Agent: bot\r\nConnection: user-agent\r\n").status(), 200);
  EXPECT_EQ(canary.requests.back().field("User-Agent"), "bot");
  EXPECT_EQ(world.counters(Cohort::kCanary).excluded, 1U);
}

}  // namespace
}  // namespace canaryd::test
