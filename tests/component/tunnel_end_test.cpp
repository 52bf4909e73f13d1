// WebSocket tunnels: what ends them, and that nothing else does.
#include "component/tunnel_world.hpp"

#include <algorithm>

namespace canaryd::test {
namespace {

class TunnelEndTest : public TunnelTest {};

// ---- What ends it

TEST_F(TunnelEndTest, AnIdleTunnelIsToldGoodbye) {
  world.upstreams[1].timeouts.tunnel_idle = 10min;
  world.publish();
  const Pair pair = open();
  world.net.run_for(9min);
  pair.server->send(server_frame(9, ""));
  world.net.run_for(9min);
  EXPECT_TRUE(pair.client->open());
  EXPECT_TRUE(pair.client->closes_within(2min));
  EXPECT_EQ(pair.client->peer.take(), server_frame(9, "") + kGoingAway);
  EXPECT_FALSE(pair.client->peer.saw_reset());
  // From a client it is masked, and says the same.
  const std::string told = pair.server->take();
  ASSERT_EQ(told.size(), 8U);
  EXPECT_EQ(told.substr(0, 2), "\x88\x82");
  EXPECT_EQ(told[6] ^ told[2], '\x03');
  EXPECT_EQ(told[7] ^ told[3], '\xe9');
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 0U);
}

TEST_F(TunnelEndTest, StaysInItsCohortWhileTheWeightChanges) {
  set_weight(0);
  const Pair on_stable = open(stable);
  for (const unsigned weight : {100U, 5000U, 10000U}) set_weight(weight);
  const Pair on_canary = open(canary);
  set_weight(100);
  world.net.run_for(10min);
  on_stable.client->send(client_frame(1, "a"));
  EXPECT_TRUE(arrives(*on_stable.server, client_frame(1, "a")));
  on_canary.client->send(client_frame(1, "b"));
  EXPECT_TRUE(arrives(*on_canary.server, client_frame(1, "b")));
  EXPECT_EQ(tunnels(Cohort::kStable), 1);
  EXPECT_EQ(tunnels(Cohort::kCanary), 1);
}

TEST_F(TunnelEndTest, ARollbackClosesTheCanarysAfterAWhile) {
  set_weight(0);
  const Pair on_stable = open(stable);
  set_weight(10000);
  const Pair pair = open();
  roll_back();
  world.net.run_for(29s);
  pair.server->send(server_frame(1, "still"));
  EXPECT_TRUE(arrives(pair.client->peer, server_frame(1, "still")));
  EXPECT_TRUE(pair.client->closes_within(1100ms));
  EXPECT_EQ(pair.client->peer.take(), kGoingAway);
  EXPECT_FALSE(pair.client->peer.saw_reset());
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 0U);
  EXPECT_EQ(tunnels(Cohort::kCanary), 0);
  world.net.run_for(10min);
  EXPECT_TRUE(on_stable.client->open());
}

TEST_F(TunnelEndTest, WeightZeroIsAsGoodAsARollback) {
  const Pair pair = open();
  set_weight(0);
  EXPECT_TRUE(pair.client->closes_within(31s));
  EXPECT_EQ(pair.client->peer.take(), kGoingAway);
}

TEST_F(TunnelEndTest, ARollbackLetsFinishIfItIsToldTo) {
  world.upstreams[1].tunnels.close_on_rollback = false;
  world.publish();
  const Pair pair = open();
  roll_back();
  world.net.run_for(10min);
  EXPECT_TRUE(pair.client->open());
  pair.server->send(close_frame(1000));
  pair.server->shutdown_send();
  world.net.run_ready();
  EXPECT_EQ(pair.client->peer.take(), close_frame(1000));
  pair.client->peer.shutdown_send();
  EXPECT_TRUE(pair.client->closes_within(1s));
}

TEST_F(TunnelEndTest, TheLatestFileSaysWhatARollbackDoes) {
  const Pair pair = open();
  world.upstreams[1].tunnels.close_on_rollback = false;
  roll_back();
  world.net.run_for(10min);
  EXPECT_TRUE(pair.client->open());
  world.upstreams[1].tunnels = {true, 5s};
  world.publish();
  EXPECT_TRUE(pair.client->closes_within(6s));
}

// From the rollback on, not from the reload.
TEST_F(TunnelEndTest, AShorterTimeHoldsForWhatWasRolledBack) {
  const Pair pair = open();
  roll_back();
  world.net.run_for(5s);
  world.upstreams[1].tunnels.after = 10s;
  world.publish();
  world.net.run_for(4s);
  EXPECT_TRUE(pair.client->open());
  EXPECT_TRUE(pair.client->closes_within(1100ms));
  EXPECT_EQ(pair.client->peer.take(), kGoingAway);
}

TEST_F(TunnelEndTest, ALongerTimeHoldsForWhatWasRolledBack) {
  const Pair pair = open();
  roll_back();
  world.net.run_for(20s);
  world.upstreams[1].tunnels.after = 50s;
  world.publish();
  world.net.run_for(29s);
  EXPECT_TRUE(pair.client->open());
  EXPECT_TRUE(pair.client->closes_within(1100ms));
}

TEST_F(TunnelEndTest, ATimeThatIsOverClosesAtOnce) {
  const Pair pair = open();
  roll_back();
  world.net.run_for(20s);
  world.upstreams[1].tunnels.after = 10s;
  world.publish();
  EXPECT_TRUE(pair.client->closes_within(100ms));
  EXPECT_EQ(pair.client->peer.take(), kGoingAway);
}

TEST_F(TunnelEndTest, ACanaryThatIsBackInTimeKeepsItsTunnels) {
  const Pair pair = open();
  set_weight(0);
  world.net.run_for(20s);
  set_weight(100);
  world.net.run_for(10min);
  EXPECT_TRUE(pair.client->open());
}

TEST_F(TunnelEndTest, WhatWasPromotedIsNotEvicted) {
  const Pair pair = open();
  world.upstreams.push_back(world.upstreams[1]);
  world.upstreams[2].name = "next";
  world.rollout().stable = UpstreamId(1);
  world.rollout().canary = UpstreamId(2);
  world.rollout().weight = BasisPoints(0);
  world.publish();
  world.net.run_for(10min);
  EXPECT_TRUE(pair.client->open());
}

TEST_F(TunnelEndTest, ACanaryThatIsGoneFromTheFileIsEvicted) {
  const Pair pair = open();
  world.table.rollouts.clear();
  world.table.routes.front().target = UpstreamId(0);
  world.publish();
  EXPECT_TRUE(pair.client->closes_within(31s));
  EXPECT_EQ(pair.client->peer.take(), kGoingAway);
}

TEST_F(TunnelEndTest, WithoutARolloutItsTimeIsStillThatOfTheFile) {
  const Pair pair = open();
  world.table.rollouts.clear();
  world.table.routes.front().target = UpstreamId(0);
  world.upstreams[1].tunnels.after = 5s;
  world.publish();
  world.net.run_for(4s);
  EXPECT_TRUE(pair.client->open());
  EXPECT_TRUE(pair.client->closes_within(1100ms));
}

TEST_F(TunnelEndTest, ATableThatCameDuringTheHandshakeCounts) {
  Client client(world);
  client.send(get("/chat", std::string("X-User: u\r\n").append(kHandshake)));
  SimPeer& server = canary.accept();
  world.net.run_ready();
  roll_back();
  server.send(kSwitching);
  EXPECT_EQ(client.read().status(), 101);
  EXPECT_TRUE(client.closes_within(31s));
  EXPECT_EQ(client.peer.take(), kGoingAway);
}

TEST_F(TunnelEndTest, GoodbyeIsSaidBetweenTwoFrames) {
  const Pair pair = open();
  set_weight(0);
  const std::string frame = server_frame(1, "a frame in two pieces");
  pair.server->send(frame.substr(0, 5));
  world.net.run_for(30100ms);
  EXPECT_EQ(pair.client->peer.take(), frame.substr(0, 5));
  EXPECT_TRUE(pair.client->open());
  // The next frame comes too late.
  pair.server->send(frame.substr(5) + server_frame(1, "another"));
  EXPECT_TRUE(pair.client->closes_within(1s));
  EXPECT_EQ(pair.client->peer.take(), frame.substr(5) + kGoingAway);
  EXPECT_FALSE(pair.client->peer.saw_reset());
}

TEST_F(TunnelEndTest, AFrameWithoutEndIsCutByAReset) {
  const Pair pair = open();
  set_weight(0);
  pair.server->send(long_header(1'000'000'000) + "some of it");
  world.net.run_for(30s);
  EXPECT_TRUE(pair.client->open());
  EXPECT_TRUE(pair.client->closes_within(1100ms));
  EXPECT_TRUE(pair.client->peer.saw_reset());
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 0U);
}

TEST_F(TunnelEndTest, ADrainLetsTunnelsFinish) {
  const Pair pair = open();
  world.service->drain();
  world.net.run_for(10min);
  EXPECT_TRUE(pair.client->open());
  pair.client->send(client_frame(1, "x"));
  EXPECT_TRUE(arrives(*pair.server, client_frame(1, "x")));
  EXPECT_EQ(world.service->connections(), 1U);
}

TEST_F(TunnelEndTest, ACancelSaysGoodbyeIfItCan) {
  const Pair pair = open();
  const Pair within = open();
  within.server->send(server_frame(1, "half a frame").substr(0, 5));
  world.net.run_ready();
  within.client->peer.take();
  world.service->cancel();
  world.net.run_ready();
  EXPECT_EQ(pair.client->peer.take(), kGoingAway);
  EXPECT_EQ(pair.server->take().size(), 8U);
  EXPECT_TRUE(pair.client->peer.ended());
  EXPECT_EQ(within.client->peer.take(), "");
  EXPECT_TRUE(within.client->peer.ended());
  EXPECT_EQ(world.service->connections(), 0U);
}

TEST_F(TunnelEndTest, DestroyingTheServiceEndsThem) {
  const Pair pair = open();
  world.service.reset();
  world.net.run_ready();
  EXPECT_TRUE(pair.client->peer.ended());
  EXPECT_TRUE(pair.server->ended());
  EXPECT_EQ(tunnels(Cohort::kCanary), 0);
  proxy::ServiceOptions options;
  options.clock = &world.clock;
  world.service = std::make_unique<proxy::Service>(world.worker, options);
}

// ---- Whatever fails

constexpr std::size_t kRounds = 20;

// What came back of a conversation in which each side waits for the other: handshake, echoes,
// close.
std::string converse(ProxyWorld& world) {
  SimServer stable(world.net, kStable);
  struct Served {
    std::string text;
    bool switched = false;
  };
  std::map<SimPeer*, Served> all;
  stable.on_data([&](SimPeer& peer) {
    Served& served = all[&peer];
    served.text += peer.take();
    const std::size_t end = served.text.find("\r\n\r\n");
    if (!served.switched && end == std::string::npos) return;
    if (!std::exchange(served.switched, true)) {
      served.text.erase(0, end + 4);
      peer.send(kSwitching);
    }
    if (!served.text.empty()) peer.send(std::exchange(served.text, {}));
  });
  Client client(world);
  client.send(get("/chat", kHandshake));
  const auto got = [&] { return client.peer.received(); };
  const auto switched = [&] {
    return client.peer.ended() || got().find("\r\n\r\n") != std::string::npos;
  };
  EXPECT_TRUE(world.net.run_until(switched));
  const std::size_t head = std::min(got().find("\r\n\r\n"), got().size());
  for (std::size_t i = 0; i < kRounds && !client.peer.ended(); ++i) {
    const std::size_t before = got().size();
    client.send(pattern(100));
    EXPECT_TRUE(
        world.net.run_until([&] { return client.peer.ended() || got().size() >= before + 100; }));
  }
  client.peer.shutdown_send();
  EXPECT_TRUE(world.net.run_until([&] { return client.peer.ended(); }));
  return got().substr(std::min(head + 4, got().size()));
}

std::string expected_conversation() {
  std::string text;
  for (std::size_t i = 0; i < kRounds; ++i) text += pattern(100);
  return text;
}

class EveryTunnelOperation : public testing::TestWithParam<SimFault> {};

TEST_P(EveryTunnelOperation, MayFail) {
  std::uint64_t n = 0;
  for (bool reached = true; reached;) {
    ++n;
    SCOPED_TRACE("operation " + std::to_string(n));
    ProxyWorld world;
    world.start();
    world.net.fail_operation(n, GetParam());
    const std::string seen = converse(world);
    if (GetParam() == SimFault::kWouldBlock) {
      EXPECT_EQ(seen, expected_conversation());
    } else if (!seen.starts_with("connect_failed") && !seen.starts_with("upstream_reset")) {
      EXPECT_TRUE(expected_conversation().starts_with(seen)) << seen;
    }
    reached = world.net.operations() >= n;
    world.finish();
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(n, 50U);
}

INSTANTIATE_TEST_SUITE_P(Faults,
                         EveryTunnelOperation,
                         testing::Values(SimFault::kReset, SimFault::kWouldBlock));

TEST(TunnelBytes, SingleBytesGiveTheSameAsWholeOnes) {
  for (const std::size_t size : {1U, 3U, 17U}) {
    ProxyWorld world;
    SimProfile profile;
    profile.recv_bytes_max = profile.send_bytes_max = profile.buffer_bytes = size;
    world.net.set_default_profile(profile);
    world.start();
    EXPECT_EQ(converse(world), expected_conversation());
    world.finish();
  }
}

class TunnelWithoutBlocks : public TunnelTest {
 protected:
  TunnelWithoutBlocks() : TunnelTest({.small_blocks_max = 2, .large_blocks_max = 1}) {}
};

TEST_F(TunnelWithoutBlocks, AnExhaustedPoolEndsATunnel) {
  const Pair first = open();
  const Pair second = open();
  // One holds a block each way, and the other gets none.
  first.client->peer.stop_reading();
  first.server->stop_reading();
  first.server->send(std::string(1'000'000, 'x'));
  first.client->send(std::string(1'000'000, 'x'));
  world.net.run_ready();
  second.client->send(client_frame(1, "x"));
  EXPECT_TRUE(second.client->closes_within(1s));
  EXPECT_EQ(world.errors(ProxyError::kOverloaded), 1U);
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 0U);
}

}  // namespace
}  // namespace canaryd::test
