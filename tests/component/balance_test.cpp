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

// The user's own endpoint does not depend on the rollout that his request meets.
TEST_F(BalanceTest, AUserStaysAtAnEndpointOnEveryRoute) {
  world.split(0);
  routing::RolloutSpec other = world.rollout();
  other.name = "other";
  other.gate = std::make_shared<routing::CohortGate>();
  other.gate->begin(1, BasisPoints(BasisPoints::kMax));
  world.table.rollouts.push_back(other);
  routing::RouteSpec route = world.table.routes.front();
  route.name = "other";
  route.match.path = "/other";
  route.target = RolloutId(1);
  world.table.routes.insert(world.table.routes.begin(), route);
  world.start();
  for (int user = 0; user < 20; ++user) {
    const std::string key = "X-User: " + std::to_string(user) + "\r\n";
    Client one(world);
    EXPECT_EQ(one.ask(get("/", key)).body, one.ask(get("/other", key)).body) << user;
  }
}

// Two of three are down: whoever belongs to one of them finds the third.
TEST_F(BalanceTest, EveryRetryGoesWhereNoneHasBeen) {
  world.upstreams[0].endpoints = {kStable, kCanary, address("10.0.0.9:80")};
  world.upstreams[0].retries = {2, true, true, 100};
  world.listener.trusted_proxies = {Cidr{}};
  world.start();
  for (int client = 0; client < 30; ++client) {
    const std::string from = "X-Forwarded-For: 192.0.2." + std::to_string(client) + "\r\n";
    Client one(world);
    EXPECT_EQ(one.ask(get("/", from)).body, "first");
  }
}

// His endpoint hangs up on connections that were idle. That is no reason to send him elsewhere.
TEST_F(BalanceTest, AnIdleConnectionThatDiedLeavesTheUserWhereHeIs) {
  world.upstreams[0].endpoints = {kCanary, address("10.0.0.9:80")};
  world.listener.trusted_proxies = {Cidr{}};
  world.start();
  const auto serve = [this](const net::Address& at, const char* name) {
    auto server = std::make_unique<SimServer>(world.net, at);
    server->on_data([name, seen = std::map<SimPeer*, int>()](SimPeer& peer) mutable {
      static_cast<void>(peer.take());
      if (++seen[&peer] > 1) return peer.close();
      peer.send(ok(name));
    });
    return server;
  };
  const auto one = serve(kCanary, "one");
  const auto two = serve(address("10.0.0.9:80"), "two");
  for (int user = 0; user < 8; ++user) {
    const std::string from = "X-Forwarded-For: 192.0.2." + std::to_string(user) + "\r\n";
    Client client(world);
    const std::string body = client.ask(get("/", from)).body;
    for (int i = 0; i < 3; ++i) EXPECT_EQ(client.ask(get("/", from)).body, body) << user;
  }
}

}  // namespace
}  // namespace canaryd::test
