// Peers that read a little at a time and never pause for long. A full socket says that it takes
// more only when much has gone, which is later than every timeout here: that is no sign of a peer
// that has stopped.
#include "component/proxy_world.hpp"
#include "component/tunnel_world.hpp"

namespace canaryd::test {
namespace {

SimProfile half_empty() {
  SimProfile profile;
  profile.buffer_bytes = 10'000;
  profile.send_room_min = 5'000;
  return profile;
}

// So many bites of 20 bytes.
void read_slowly(ProxyWorld& world, SimPeer& peer, int bites, Duration between) {
  for (int i = 0; i < bites; ++i) {
    world.net.run_for(between);
    peer.read_some(20);
  }
}

class SlowPeerTest : public ProxyTest {
 protected:
  SlowPeerTest() {
    world.net.set_profile(kFront, half_empty());
    world.net.set_profile(kStable, half_empty());
    world.net.set_profile(kCanary, half_empty());
    world.listener.write_stall_timeout = 7s;
    for (upstream::UpstreamSpec& upstream : world.upstreams) use(upstream);
  }
  static void use(upstream::UpstreamSpec& upstream) {
    upstream.timeouts.first_byte = 60s;
    upstream.timeouts.body_idle = 17s;
    upstream.retries.attempts = 0;
  }
  // To the canary.
  void split_all() {
    world.split(10000);
    use(world.upstreams[1]);
  }
  static std::string half_of_an_answer() {
    return "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + pattern(30'000);
  }
  [[nodiscard]] stats::CounterSnapshot canary() const { return world.counters(Cohort::kCanary); }

  // How long the connection goes on from here.
  Duration lasts(const std::function<bool()>& ended) {
    const Monotonic from = world.net.now();
    EXPECT_TRUE(world.net.run_until(ended, 100s));
    return world.net.now() - from;
  }
};

TEST_F(SlowPeerTest, AClientIsServedToTheEnd) {
  world.start();
  const std::string body = pattern(20'000);
  Backend stable(world, kStable, ok(body));
  Client client(world);
  client.peer.stop_reading();
  client.send(kGet);
  read_slowly(world, client.peer, 30, 3s);
  client.peer.resume_reading();
  EXPECT_TRUE(client.read().body == body);
  EXPECT_EQ(world.errors(ProxyError::kClientGone), 0U);
}

// The time counts from the last byte that it took; that is noticed a second later at most.
TEST_F(SlowPeerTest, AClientThatStopsIsCutAfterAll) {
  split_all();
  world.start();
  Backend upstream(world, kCanary, ok(pattern(1'000'000)));
  Client client(world);
  client.peer.stop_reading();
  client.send(get("/", "X-User: u\r\n"));
  read_slowly(world, client.peer, 5, 3s);
  const Duration more = lasts([&] { return world.service->connections() == 0; });
  EXPECT_GE(more, 7s);
  EXPECT_LE(more, 8200ms);
  EXPECT_EQ(world.errors(ProxyError::kClientGone), 1U);
  EXPECT_EQ(canary().excluded, 1U);
}

// Shorter than what lies between two looks.
TEST_F(SlowPeerTest, AShortTimeoutIsHeldToAsWell) {
  world.listener.write_stall_timeout = 100ms;
  world.start();
  Backend stable(world, kStable, ok(pattern(1'000'000)));
  Client client(world);
  client.peer.stop_reading();
  client.send(kGet);
  read_slowly(world, client.peer, 60, 30ms);
  EXPECT_EQ(world.service->connections(), 1U);
  const Duration more = lasts([&] { return world.service->connections() == 0; });
  EXPECT_LE(more, 220ms);
}

TEST_F(SlowPeerTest, AnUpstreamGetsTheWholeBody) {
  split_all();
  world.start();
  SimServer server(world.net, kCanary);
  Client client(world);
  client.send(post(pattern(100'000), "X-User: u\r\n"));
  SimPeer& served = server.accept();
  served.stop_reading();
  read_slowly(world, served, 20, 10s);
  served.resume_reading();
  world.net.run_ready();
  served.send(ok("done"));
  EXPECT_EQ(client.read().status(), 200);
  EXPECT_EQ(canary().bad, 0U);
}

TEST_F(SlowPeerTest, AnUpstreamThatStopsIsATimeoutAfterAll) {
  split_all();
  world.start();
  SimServer server(world.net, kCanary);
  Client client(world);
  client.send(post(pattern(100'000), "X-User: u\r\n"));
  SimPeer& served = server.accept();
  served.stop_reading();
  read_slowly(world, served, 5, 10s);
  const Duration more = lasts([&] { return !client.peer.received().empty(); });
  EXPECT_GE(more, 17s);
  EXPECT_LE(more, 18200ms);
  EXPECT_EQ(client.read().status(), 504);
  EXPECT_EQ(canary().bad, 1U);
}

// ---- An answer that breaks off

TEST_F(SlowPeerTest, AnAnswerCutWhileItIsTakenIsTheUpstreamsFault) {
  world.failures.protection.circuit_failures = 1;
  split_all();
  world.start();
  SimServer server(world.net, kCanary);
  Client client(world);
  client.peer.stop_reading();
  client.send(get("/", "X-User: u\r\n"));
  SimPeer& served = server.accept();
  served.send(half_of_an_answer());
  read_slowly(world, client.peer, 20, 500ms);
  served.reset();
  client.peer.resume_reading();
  EXPECT_TRUE(client.closes_within(20s));
  EXPECT_EQ(world.errors(ProxyError::kUpstreamReset), 1U);
  EXPECT_EQ(canary().judged, 1U);
  EXPECT_EQ(canary().bad, 1U);
  EXPECT_TRUE(world.gate->state().open);
}

// The upstream may have given it up, so nobody is blamed; but nobody got a good answer either.
TEST_F(SlowPeerTest, AnAnswerCutWhileItIsNotTakenSaysNothing) {
  world.failures.protection.circuit_failures = 2;
  split_all();
  world.upstreams[1].outlier_detection = upstream::OutlierDetection{2, 30s, 100};
  world.start();
  SimServer server(world.net, kCanary);
  const auto cut_after = [&](Duration silence) {
    Client client(world);
    client.peer.stop_reading();
    client.send(get("/", "X-User: u\r\n"));
    SimPeer& served = server.accept();
    served.send(half_of_an_answer());
    world.net.run_for(silence);
    served.reset();
    client.peer.resume_reading();
    EXPECT_TRUE(client.closes_within(20s));
  };
  cut_after(0s);
  cut_after(2s);
  EXPECT_EQ(world.errors(ProxyError::kClientGone), 1U);
  EXPECT_EQ(canary().judged, 1U);
  EXPECT_EQ(canary().excluded, 1U);
  EXPECT_FALSE(world.gate->state().open);
  // The second failure in a row, for the circuit and for the endpoint.
  cut_after(0s);
  EXPECT_TRUE(world.gate->state().open);
  EXPECT_TRUE(world.endpoint("canary", 0).ejected(world.net.now()));
}

// What was long ago is no excuse for what comes now.
TEST_F(SlowPeerTest, AClientThatPausedOnceAndGoesOnIsNotTheReason) {
  split_all();
  world.start();
  SimServer server(world.net, kCanary);
  Client client(world);
  client.peer.stop_reading();
  client.send(get("/", "X-User: u\r\n"));
  SimPeer& served = server.accept();
  served.send(half_of_an_answer());
  world.net.run_for(3s);
  read_slowly(world, client.peer, 20, 500ms);
  served.reset();
  client.peer.resume_reading();
  EXPECT_TRUE(client.closes_within(20s));
  EXPECT_EQ(world.errors(ProxyError::kUpstreamReset), 1U);
  EXPECT_EQ(canary().bad, 1U);
}

// Nobody knows what would have become of it, but it was no good answer.
TEST_F(SlowPeerTest, AClientThatLeavesWhatHadBrokenOffWasNotServed) {
  split_all();
  world.start();
  SimServer server(world.net, kCanary);
  Client client(world);
  client.peer.stop_reading();
  client.send(get("/", "X-User: u\r\n"));
  SimPeer& served = server.accept();
  served.send(half_of_an_answer());
  read_slowly(world, client.peer, 10, 500ms);
  served.reset();
  world.net.run_for(500ms);
  client.peer.reset();
  world.net.run_for(1s);
  EXPECT_EQ(world.errors(ProxyError::kClientGone), 1U);
  EXPECT_EQ(canary().judged, 0U);
  EXPECT_EQ(canary().excluded, 1U);
}

// It had gone before the client stopped for long enough to be the reason.
TEST_F(SlowPeerTest, WhatHadEndedBeforeIsNoDoingOfTheClients) {
  split_all();
  world.start();
  SimServer server(world.net, kCanary);
  Client client(world);
  client.peer.stop_reading();
  client.send(get("/", "X-User: u\r\n"));
  SimPeer& served = server.accept();
  served.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + pattern(15'000));
  served.shutdown_send();
  world.net.run_for(3s);
  client.peer.resume_reading();
  EXPECT_TRUE(client.closes_within(20s));
  EXPECT_EQ(canary().bad, 1U);
}

// Our own limit, whoever is slow: the answer was not whole, and that is nothing good.
TEST_F(SlowPeerTest, TheTimeForAllThatASlowClientUsesUpSaysNothing) {
  split_all();
  world.upstreams[1].timeouts.request = 10s;
  world.start();
  Backend upstream(world, kCanary, ok(pattern(1'000'000)));
  Client client(world);
  client.peer.stop_reading();
  client.send(get("/", "X-User: u\r\n"));
  read_slowly(world, client.peer, 12, 1s);
  EXPECT_EQ(world.service->connections(), 0U);
  EXPECT_EQ(canary().judged, 0U);
  EXPECT_EQ(canary().excluded, 1U);
}

TEST_F(SlowPeerTest, AProbeThatIsCutHasFailed) {
  world.failures.fallback.add(http::Method::kGet);
  world.failures.protection.circuit_failures = 1;
  split_all();
  world.start();
  Backend stable(world, kStable);
  SimServer server(world.net, kCanary);
  const auto ask_and_cut = [&] {
    Client client(world);
    client.peer.stop_reading();
    client.send(get("/", "X-User: u\r\n"));
    SimPeer& served = server.accept();
    served.send(half_of_an_answer());
    read_slowly(world, client.peer, 6, 500ms);
    served.reset();
    client.peer.resume_reading();
    EXPECT_TRUE(client.closes_within(20s));
  };
  ask_and_cut();
  ASSERT_TRUE(world.gate->state().open);
  world.rollout().traffic = routing::Traffic::kProbeOnly;
  world.publish();
  world.net.run_for(5s);
  ask_and_cut();
  EXPECT_EQ(world.gate->probes(1), (routing::ProbeCount{0, 1}));
}

// ---- Tunnels, with the default timeouts of 30 s

class SlowTunnelTest : public TunnelTest {
 protected:
  SlowTunnelTest() {
    world.net.set_profile(kFront, half_empty());
    world.net.set_profile(kCanary, half_empty());
  }
};

TEST_F(SlowTunnelTest, AClientKeepsItsTunnelUntilItStops) {
  const Pair pair = open();
  pair.client->peer.stop_reading();
  pair.server->send(std::string(100'000, 'x'));
  read_slowly(world, pair.client->peer, 20, 10s);
  EXPECT_FALSE(pair.server->ended());
  world.net.run_for(29s);
  EXPECT_FALSE(pair.server->ended());
  EXPECT_TRUE(world.net.run_until([&] { return pair.server->ended(); }, 3s));
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 0U);
}

TEST_F(SlowTunnelTest, AnUpstreamKeepsItsTunnelUntilItStops) {
  const Pair pair = open();
  pair.server->stop_reading();
  pair.client->send(std::string(100'000, 'x'));
  read_slowly(world, *pair.server, 20, 10s);
  EXPECT_TRUE(pair.client->open());
  world.net.run_for(29s);
  EXPECT_TRUE(pair.client->open());
  EXPECT_TRUE(pair.client->closes_within(3s));
  EXPECT_EQ(world.errors(ProxyError::kTimeout), 1U);
}

}  // namespace
}  // namespace canaryd::test
