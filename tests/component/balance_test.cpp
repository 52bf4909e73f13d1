// Which endpoint of an upstream a request goes to.
#include "component/proxy_world.hpp"

namespace canaryd::test {
namespace {

class BalanceTest : public ProxyTest {
 protected:
  BalanceTest() {
    for (upstream::UpstreamSpec& each : world.upstreams) {
      each.endpoints = {kStable, kStable2};
      each.load_balancer = upstream::LoadBalancer::kConsistentHash;
    }
  }
  Backend first_{world, kStable, ok("first")};
  Backend second_{world, kStable2, ok("second")};
};

TEST_F(BalanceTest, AUserStaysAtAnEndpoint) {
  world.split(5000);
  world.start();
  std::map<std::string, int> seen;
  for (int user = 0; user < 40; ++user) {
    const std::string request = get("/", "X-User: " + std::to_string(user) + "\r\n");
    Client one(world);
    const std::string body = one.ask(request).body;
    ++seen[body];
    for (int i = 0; i < 3; ++i) {
      Client another(world);
      EXPECT_EQ(another.ask(request).body, body) << user;
    }
  }
  EXPECT_GT(seen["first"], 10);
  EXPECT_GT(seen["second"], 10);
}

// Without a rollout there are no users, only clients.
TEST_F(BalanceTest, WithoutARolloutAClientStaysAtAnEndpoint) {
  world.listener.trusted_proxies = {Cidr{}};
  world.start();
  std::map<std::string, int> seen;
  for (int client = 0; client < 40; ++client) {
    const std::string from = "X-Forwarded-For: 192.0.2." + std::to_string(client) + "\r\n";
    Client one(world);
    const std::string body = one.ask(get("/a", from)).body;
    ++seen[body];
    EXPECT_EQ(one.ask(get("/b", from)).body, body);
  }
  EXPECT_GT(seen["first"], 10);
  EXPECT_GT(seen["second"], 10);
}

TEST_F(BalanceTest, WhoseEndpointIsDownGoesToTheOther) {
  world.upstreams[0].endpoints = {kStable, kStable2, kCanary};
  world.upstreams[0].retries.budget_percent = 100;
  world.listener.trusted_proxies = {Cidr{}};
  world.start();
  for (int client = 0; client < 30; ++client) {
    const std::string from = "X-Forwarded-For: 192.0.2." + std::to_string(client) + "\r\n";
    Client one(world);
    EXPECT_EQ(one.ask(get("/", from)).status(), 200);
  }
  EXPECT_GT(world.upstream("stable").retries_ok.load(), 0U);
}

// A request that is under way on an endpoint that goes is answered; from then on it gets none.
TEST_F(BalanceTest, EndpointsChangeWithoutLoss) {
  world.upstreams[0].load_balancer = upstream::LoadBalancer::kRoundRobin;
  world.start();
  Backend third(world, kCanary, ok("third"));
  std::map<std::string, int> seen;
  std::deque<Client> clients;
  const auto ask_all = [&](const std::vector<upstream::EndpointSpec>& endpoints) {
    for (int i = 0; i < 6; ++i) clients.emplace_back(world).send(get("/"));
    world.upstreams[0].endpoints = endpoints;
    world.publish();
    for (; !clients.empty(); clients.pop_front()) {
      const Message answer = clients.front().read();
      EXPECT_EQ(answer.status(), 200);
      ++seen[answer.body];
    }
  };
  ask_all({kStable, kCanary});
  ask_all({kStable, kStable2, kCanary});
  seen.clear();
  ask_all({{kStable2, 2}, kCanary});
  seen.clear();
  ask_all({{kStable2, 2}, kCanary});
  EXPECT_EQ(seen, (std::map<std::string, int>{{"second", 4}, {"third", 2}}));
}

}  // namespace
}  // namespace canaryd::test
