// Endpoints that come and go with new tables while requests are served.
#include "component/proxy_world.hpp"

#include <string>
#include <utility>
#include <vector>

namespace canaryd::test {
namespace {

const net::Address kPooled = address("10.0.0.9:80");

class EndpointsTest : public ProxyTest {
 protected:
  EndpointsTest() : one(world, kStable, ok("one")), two(world, kStable2, ok("two")) {}

  void use(std::vector<upstream::EndpointSpec> endpoints) {
    world.upstreams[0].endpoints = std::move(endpoints);
    world.publish();
  }

  // An endpoint leaves with the request that it has, and so does the one that has it next.
  Message ask_two_that_go(std::vector<upstream::EndpointSpec> left) {
    SimServer gone(world.net, kCanary);
    SimServer gone_as_well(world.net, kPooled);
    world.upstreams[0].endpoints = {kCanary};
    world.upstreams[0].retries = {2, true, true, 100};
    world.start();
    Client client(world);
    client.send(kGet);
    SimPeer& first = gone.accept();
    world.net.run_ready();
    use({kPooled});
    first.reset();
    SimPeer& second = gone_as_well.accept();
    world.net.run_ready();
    use(std::move(left));
    second.reset();
    Message answer = client.read();
    EXPECT_EQ(gone.connections(), 1U);
    EXPECT_EQ(gone_as_well.connections(), 1U);
    return answer;
  }

  Backend one;
  Backend two;
};

// A name that has not been resolved yet.
TEST_F(EndpointsTest, WithoutAnyTheAnswerIsOurs) {
  world.upstreams[0].endpoints = {};
  world.start();
  Client client(world);
  const Message reply = client.ask(kGet);
  EXPECT_EQ(reply.status(), 503);
  EXPECT_EQ(reply.field("X-Canaryd-Error"), "no_healthy_endpoint");
  EXPECT_TRUE(client.open());
  use({kStable});
  EXPECT_EQ(client.ask(kGet).body, "one");
  use({});
  EXPECT_EQ(client.ask(kGet).status(), 503);
}

TEST_F(EndpointsTest, FiftyChangesLoseNoRequest) {
  world.start();
  Client client(world);
  for (int i = 0; i < 50; ++i) {
    if (i % 3 == 0) use({kStable});
    if (i % 3 == 1) use({kStable2, kStable});
    if (i % 3 == 2) use({kStable2});
    for (int n = 0; n < 5; ++n) {
      const Message reply = client.ask(n % 2 == 0 ? std::string(kGet) : post("x"));
      ASSERT_EQ(reply.status(), 200) << i;
      if (i % 3 != 1) {
        EXPECT_EQ(reply.body, i % 3 == 0 ? "one" : "two");
      }
    }
  }
  EXPECT_EQ(world.upstream("stable").retries_ok.load(), 0U);
  EXPECT_EQ(world.upstream("stable").connects_failed.load(), 0U);
}

TEST_F(EndpointsTest, OnesThatStayKeepTheirConnections) {
  world.start();
  Client client(world);
  EXPECT_EQ(client.ask(kGet).body, "one");
  for (int i = 0; i < 10; ++i) {
    use(i % 2 == 0 ? std::vector<upstream::EndpointSpec>{kStable, kStable2}
                   : std::vector<upstream::EndpointSpec>{kStable});
    EXPECT_EQ(client.ask(kGet).status(), 200);
  }
  EXPECT_EQ(one.server.connections(), 1U);
}

TEST_F(EndpointsTest, WhatIsUnderWayToOneThatGoesEndsThere) {
  world.start();
  SimServer slow(world.net, kCanary);
  use({kCanary});
  Client client(world);
  client.send(kGet);
  SimPeer& served = slow.accept();
  use({kStable});
  Client other(world);
  EXPECT_EQ(other.ask(kGet).body, "one");
  served.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsl");
  world.net.run_ready();
  served.send("ow");
  EXPECT_EQ(client.read().body, "slow");
  // Nobody needs its connection any more.
  world.net.run_ready();
  EXPECT_TRUE(served.ended());
  EXPECT_EQ(client.ask(kGet).body, "one");
}

// ---- Retries

TEST_F(EndpointsTest, ARetryGoesToOneThatIsStillThere) {
  SimServer gone(world.net, kCanary);
  world.upstreams[0].endpoints = {kCanary};
  world.start();
  Client client(world);
  client.send(kGet);
  SimPeer& served = gone.accept();
  world.net.run_ready();
  use({kStable});
  served.reset();
  EXPECT_EQ(client.read().body, "one");
  EXPECT_EQ(gone.connections(), 1U);
  EXPECT_EQ(client.ask(kGet).body, "one");
}

// Each time that they change, not only the first.
TEST_F(EndpointsTest, EveryRetryGoesToOneThatIsStillThere) {
  EXPECT_EQ(ask_two_that_go({kStable}).body, "one");
}

// What it had last is what the answer and the log name.
TEST_F(EndpointsTest, ARetryThatFindsNoneLeftEndsWithWhatItHad) {
  EXPECT_EQ(ask_two_that_go({}).field("X-Canaryd-Error"), "upstream_reset");
}

// The canary takes its time, and stable's endpoints change meanwhile.
TEST_F(EndpointsTest, AFallbackGoesToOneThatIsStillThere) {
  SimServer gone(world.net, kPooled);
  SimServer canary(world.net, kCanary);
  world.split(10000);
  world.failures.fallback.add(http::Method::kGet);
  for (auto& upstream : world.upstreams) upstream.retries = {0, false, false};
  world.upstreams[0].endpoints = {kPooled};
  world.start();
  Client client(world);
  client.send(kGet);
  SimPeer& asked = canary.accept();
  world.net.run_ready();
  use({kStable});
  asked.send("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(client.read().body, "one");
  EXPECT_EQ(gone.connections(), 0U);
}

// It has begun, and those that have are not held up.
TEST_F(EndpointsTest, ARetryWaitsForNoLimitThatCameMeanwhile) {
  SimServer gone(world.net, kCanary);
  world.upstreams[0].endpoints = {kCanary};
  world.start();
  Client client(world);
  client.send(kGet);
  SimPeer& served = gone.accept();
  world.net.run_ready();
  world.upstreams[0].concurrency = upstream::Concurrency{1, 0, 1s};
  use({kStable});
  served.reset();
  EXPECT_EQ(client.read().body, "one");
  EXPECT_EQ(world.upstream("stable").queue_full.load(), 0U);
}

// One retry has a connection from the pool, which is dead: that costs no other one, and is none.
TEST_F(EndpointsTest, WhatGoesOutOnceMoreForFreeIsTheSameRetry) {
  SimServer breaks(world.net, kCanary);
  SimServer pooled(world.net, kPooled);
  world.upstreams[0].endpoints = {kCanary, kPooled};
  world.upstreams[0].health_check = true;
  world.start();
  const auto use_only = [this](std::size_t used) {
    for (const std::size_t i : {0U, 1U}) {
      const auto health = i == used ? upstream::Health::kHealthy : upstream::Health::kUnhealthy;
      world.endpoint("stable", i).set_health(health, world.net.now());
    }
  };
  Client client(world);
  use_only(1);
  client.send(kGet);
  SimPeer& idle = pooled.accept();
  idle.send(ok("first"));
  EXPECT_EQ(client.read().body, "first");
  use_only(0);
  client.send(kGet);
  SimPeer& broken = breaks.accept();
  world.net.run_ready();
  use_only(1);
  broken.reset();
  world.net.run_ready();
  idle.reset();
  pooled.accept().send(ok("second"));
  EXPECT_EQ(client.read().body, "second");
  EXPECT_EQ(world.upstream("stable").retries_ok.load(), 1U);
  EXPECT_EQ(world.upstream("stable").retries_failed.load(), 0U);
}

}  // namespace
}  // namespace canaryd::test
