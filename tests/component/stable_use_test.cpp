// Who still uses an old version that is to be retired, as a worker tells control.
#include "component/proxy_world.hpp"

#include <memory>
#include <string>
#include <vector>

namespace canaryd::test {
namespace {

class StableUseTest : public ProxyTest {
 protected:
  StableUseTest() : stable_(world, kStable, ok("stable")) {
    world.split(10000);
    world.rollout().force.header = "X-Canary";
    world.rollout().force.trusted_only = false;
    world.failures.fallback.add(http::Method::kGet);
    world.upstreams[1].retries = {0, false, false};
  }

  std::string ask(std::string_view fields) {
    Client client(world);
    return client.ask("GET /x HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n").body;
  }
  std::vector<stats::StableUser> noted() {
    std::vector<stats::StableUser> users;
    while (const auto user = world.stable_use->next()) users.push_back(*user);
    return users;
  }

  Backend stable_;
};

constexpr std::string_view kNever = "X-Canary: never\r\nUser-Agent: report/1\r\n";

TEST_F(StableUseTest, EachRequestToStableIsNotedWithItsCaller) {
  const Backend canary(world, kCanary, ok("canary"));
  world.stable_use = std::make_shared<stats::StableUse>();
  world.start();
  EXPECT_EQ(ask("X-User: a\r\n"), "canary");
  EXPECT_EQ(world.stable_use->count(), 0U);
  EXPECT_EQ(ask(kNever), "stable");
  const auto users = noted();
  ASSERT_EQ(users.size(), 1U);
  EXPECT_EQ(users[0].route.view(), "all");
  EXPECT_EQ(users[0].rule.view(), "force");
  EXPECT_EQ(users[0].user_agent.view(), "report/1");
  EXPECT_FALSE(users[0].client.is_unspecified());
}

TEST_F(StableUseTest, AFallbackIsAUse) {
  world.stable_use = std::make_shared<stats::StableUse>();
  world.start();
  EXPECT_EQ(ask("X-User: a\r\n"), "stable");
  const auto users = noted();
  ASSERT_EQ(users.size(), 1U);
  EXPECT_EQ(users[0].rule.view(), "fallback");
}

TEST_F(StableUseTest, ACrowdIsCountedWholeAndNamedInPart) {
  const Backend canary(world, kCanary, ok("canary"));
  world.stable_use = std::make_shared<stats::StableUse>();
  world.start();
  const std::string long_agent =
      "X-Canary: never\r\nUser-Agent: " + std::string(1000, 'x') + "\r\n";
  for (std::size_t i = 0; i < 2 * stats::StableUse::kKept; ++i) ask(long_agent);
  EXPECT_EQ(world.stable_use->count(), 2 * stats::StableUse::kKept);
  const auto users = noted();
  EXPECT_EQ(users.size(), stats::StableUse::kKept);
  EXPECT_EQ(users[0].user_agent.view(), std::string(95, 'x'));
}

TEST_F(StableUseTest, WhatIsGivenUpGetsNobody) {
  const Backend canary(world, kCanary, ok("canary"));
  world.stable_use = std::make_shared<stats::StableUse>();
  world.rollout().traffic = routing::Traffic::kCanaryOnly;
  world.start();
  EXPECT_EQ(ask(kNever), "canary");
  EXPECT_EQ(world.stable_use->count(), 0U);
}

}  // namespace
}  // namespace canaryd::test
