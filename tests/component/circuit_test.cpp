// A canary that fails in a row is left alone with the next request, and probed by requests that no
// user sees fail.
#include "component/proxy_world.hpp"
#include "component/tunnel_world.hpp"

#include <memory>
#include <vector>

namespace canaryd::test {
namespace {

using http::Method;

constexpr std::string_view kBroken = "HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\noops";

class CircuitTest : public ProxyTest {
 protected:
  CircuitTest() : stable_(world, kStable, ok("stable")) {
    canary_ = std::make_unique<Backend>(world, kCanary, [this](const Message&) { return answer_; });
    world.split(10000);
    for (const Method method : {Method::kGet, Method::kHead, Method::kOptions}) {
      world.failures.fallback.add(method);
    }
    world.failures.protection.circuit_failures = 5;
    world.upstreams[1].retries = {0, false, false};
  }

  // One user each, so that nothing depends on who it is.
  Message ask(std::string_view method = "GET", std::string_view fields = {}) {
    Client client(world);
    std::string request(method);
    request += " / HTTP/1.1\r\nHost: a\r\nX-User: u" + std::to_string(++asked_) + "\r\n";
    request += fields;
    if (method == "POST") request += "Content-Length: 0\r\n";
    return client.ask(request + "\r\n");
  }
  [[nodiscard]] bool is_open() const { return world.gate->state().open; }
  // What control does when it has seen that.
  void publish_suspension() {
    world.rollout().traffic = routing::Traffic::kProbeOnly;
    world.publish();
  }
  void suspend() {
    answer_ = kBroken;
    for (int i = 0; i < 5; ++i) ask();
    ASSERT_TRUE(is_open());
    publish_suspension();
    canary_->requests.clear();
    stable_.requests.clear();
  }

  Backend stable_;
  std::unique_ptr<Backend> canary_;
  std::string answer_ = ok("canary");
  int asked_ = 0;
};

TEST_F(CircuitTest, FiveFailuresInARowAndNobodySeesOne) {
  world.start();
  EXPECT_EQ(ask().body, "canary");
  answer_ = kBroken;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask().body, "stable") << i;
  EXPECT_TRUE(is_open());
  EXPECT_EQ(canary_->requests.size(), 6U) << "the sixth failure did not happen";
  EXPECT_EQ(world.counters(Cohort::kCanary).user_failures, 0U);
}

TEST_F(CircuitTest, ASuccessBetweenKeepsItClosed) {
  world.start();
  for (int i = 0; i < 10; ++i) {
    answer_ = kBroken;
    for (int bad = 0; bad < 4; ++bad) ask();
    answer_ = ok("canary");
    EXPECT_EQ(ask().body, "canary");
  }
  EXPECT_FALSE(is_open());
}

TEST_F(CircuitTest, EveryKindOfFailureCounts) {
  world.upstreams[1].timeouts.first_byte = 500ms;
  world.start();
  ask("POST");
  answer_ = kBroken;
  ask("POST");                     // Seen by the user.
  ask();                           // Saved.
  answer_ = "SMTP ready\r\n\r\n";  // No HTTP.
  ask();
  answer_ = {};  // Nothing at all.
  ask();
  EXPECT_FALSE(is_open());
  canary_.reset();  // Nobody there.
  ask();
  EXPECT_TRUE(is_open());
}

TEST_F(CircuitTest, OffIsOff) {
  world.failures.protection.circuit_failures = 0;
  world.start();
  answer_ = kBroken;
  for (int i = 0; i < 50; ++i) ask();
  EXPECT_FALSE(is_open());
  EXPECT_EQ(canary_->requests.size(), 50U);
}

// What is not the canary's doing, or was asked for, opens nothing.
TEST_F(CircuitTest, WhatBlamesNobodyCountsForNothing) {
  world.start();
  answer_ = kBroken;
  for (int i = 0; i < 10; ++i) ask("GET", "X-Canary: always\r\n");
  EXPECT_FALSE(is_open());
  answer_ = {};
  for (int i = 0; i < 10; ++i) {
    Client client(world);
    client.send(get("/", "X-User: u\r\n"));
    world.net.run_for(10ms);
    client.peer.close();  // Before the canary has answered.
    world.net.run_for(10ms);
  }
  EXPECT_FALSE(is_open());
  answer_ = "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n";
  for (int i = 0; i < 10; ++i) EXPECT_EQ(ask().status(), 404);
  EXPECT_FALSE(is_open());
}

// The failure is charged when the canary fails, not when stable has answered.
TEST_F(CircuitTest, ASlowFallbackDoesNotDelayIt) {
  world.upstreams[0].endpoints = {kStable2};
  world.start();
  Backend silent(world, kStable2, std::string{});
  answer_ = kBroken;
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(std::make_unique<Client>(world));
    clients.back()->send(get("/", "X-User: u" + std::to_string(i) + "\r\n"));
  }
  world.net.run_ready();
  EXPECT_TRUE(is_open());
}

// ---- Silence

TEST_F(CircuitTest, HangsOpenItLongBeforeTheyTimeOut) {
  world.upstreams[1].timeouts.first_byte = 30s;
  world.gate->set_slow_after(1s);
  world.start();
  answer_ = {};
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(std::make_unique<Client>(world));
    clients.back()->send(get("/", "X-User: u" + std::to_string(i) + "\r\n"));
  }
  world.net.run_for(999ms);
  EXPECT_FALSE(is_open());
  world.net.run_for(2ms);
  EXPECT_TRUE(is_open());
  // The requests themselves go on.
  for (auto& client : clients) EXPECT_EQ(client->read().body, "stable");
  EXPECT_GE(world.net.now() - Monotonic{}, 30s);
}

TEST_F(CircuitTest, ASilenceCountsOnceHoweverItEnds) {
  world.upstreams[1].timeouts.first_byte = 3s;
  world.gate->set_slow_after(1s);
  world.start();
  answer_ = {};
  for (int i = 0; i < 4; ++i) EXPECT_EQ(ask().body, "stable");
  EXPECT_FALSE(is_open());
  answer_ = kBroken;
  ask();
  EXPECT_TRUE(is_open());
}

// A client that sends slowly, and a body that takes its time, are nobody's silence.
TEST_F(CircuitTest, OnlyTheCanarysSilenceIsOne) {
  world.gate->set_slow_after(1s);
  world.start();
  canary_.reset();
  SimServer server(world.net, kCanary);
  Client client(world);
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
  SimPeer& served = server.accept();
  for (int i = 0; i < 10; ++i) {
    world.net.run_for(900ms);
    client.send("x");
  }
  world.net.run_for(900ms);
  served.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
  world.net.run_for(20s);
  served.send("ok");
  EXPECT_EQ(client.read().body, "ok");
  for (int i = 0; i < 4; ++i) world.gate->failed(1, 5, world.net.now());
  EXPECT_FALSE(is_open());
}

// Whoever reads a stream leaves it in the end. One that has stopped says nothing.
TEST_F(CircuitTest, AStreamThatItsClientLeavesWasServed) {
  world.upstreams[1].timeouts.body_idle = 1min;
  world.start();
  for (const Duration silent : {1s, 10s}) {
    for (int i = 0; i < 4; ++i) world.gate->failed(1, 5, world.net.now());
    answer_ = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n";
    auto reader = std::make_unique<Client>(world);
    reader->send(get("/", "X-User: u\r\n"));
    world.net.run_until([&] { return reader->peer.received().ends_with("hi\r\n"); });
    world.net.run_for(silent);
    reader->peer.reset();
    world.net.run_ready();
    world.gate->failed(1, 5, world.net.now());
    EXPECT_EQ(is_open(), silent == 10s);
  }
}

// ---- Probes

TEST_F(CircuitTest, OneRequestASecondProbes) {
  world.start();
  suspend();
  answer_ = ok("canary");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask().body, "stable");
  world.net.run_for(5s);
  EXPECT_EQ(ask().body, "canary");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask().body, "stable");
  EXPECT_EQ(world.gate->probes(1), (routing::ProbeCount{1, 0}));
  world.net.run_for(1s);
  EXPECT_EQ(ask().body, "canary");
  EXPECT_EQ(world.gate->probes(1), (routing::ProbeCount{2, 0}));
  EXPECT_TRUE(is_open()) << "closing it is not the data plane's to do";
  EXPECT_EQ(world.counters(Cohort::kCanary).excluded, 2U) << "their time was chosen";
}

TEST_F(CircuitTest, NobodySeesAProbeFail) {
  world.start();
  suspend();
  for (int i = 0; i < 3; ++i) {
    world.net.run_for(5s);
    EXPECT_EQ(ask().body, "stable");
  }
  EXPECT_EQ(canary_->requests.size(), 3U);
  EXPECT_EQ(world.gate->probes(1), (routing::ProbeCount{0, 3}));
  EXPECT_EQ(world.counters(Cohort::kCanary).user_failures, 0U);
}

TEST_F(CircuitTest, AProbeWaitsTwoSecondsAtMost) {
  world.upstreams[1].timeouts.first_byte = 30s;
  world.start();
  suspend();
  world.net.run_for(5s);
  answer_ = {};
  const Monotonic asked = world.net.now();
  EXPECT_EQ(ask().body, "stable");
  EXPECT_LE(world.net.now() - asked, 2010ms);
  EXPECT_EQ(world.gate->probes(1), (routing::ProbeCount{0, 1}));
}

// Its user would see that he was turned away. Nothing has been sent, so stable can take whatever he
// asks for.
TEST_F(CircuitTest, AProbeWaitsForNoSlot) {
  world.failures.protection.circuit_failures = 2;
  world.upstreams[1].concurrency = upstream::Concurrency{2, 10, 20s};
  world.upstreams[1].timeouts.first_byte = 60s;
  world.gate->set_slow_after(1s);
  world.start();
  answer_ = {};
  std::vector<std::unique_ptr<Client>> hung;
  for (int i = 0; i < 2; ++i) {
    hung.push_back(std::make_unique<Client>(world));
    hung.back()->send(get("/", "X-User: h" + std::to_string(i) + "\r\n"));
  }
  world.net.run_for(1100ms);
  ASSERT_TRUE(is_open());
  publish_suspension();

  world.net.run_for(5s);
  const Monotonic asked = world.net.now();
  EXPECT_EQ(ask().body, "stable");
  EXPECT_EQ(world.gate->probes(1), (routing::ProbeCount{0, 1}));
  world.net.run_for(12s);
  EXPECT_EQ(ask("POST").body, "stable");
  EXPECT_EQ(world.gate->probes(1), (routing::ProbeCount{0, 2}));
  world.net.run_for(12s);
  EXPECT_EQ(ask("GET", kHandshake).body, "stable");
  EXPECT_EQ(world.gate->probes(1), (routing::ProbeCount{0, 3}));
  EXPECT_LT(world.net.now() - asked, 25s) << "nobody has waited";

  EXPECT_EQ(canary_->requests.size(), 2U) << "those that hang";
  EXPECT_EQ(world.limit("canary").active(), 2U);
  EXPECT_EQ(world.counters(Cohort::kStable).judged, 3U) << "as if there had been no probe";
  EXPECT_EQ(world.counters(Cohort::kCanary).user_failures, 0U);
  for (auto& client : hung) EXPECT_EQ(client->read().body, "stable");
}

TEST_F(CircuitTest, AProbeHasOneSlotAndGivesItBack) {
  world.upstreams[1].concurrency = upstream::Concurrency{1, 10, 20s};
  world.listener.body_bytes_max = 5;
  world.start();
  suspend();
  answer_ = ok("canary");
  world.net.run_for(5s);
  EXPECT_EQ(ask().body, "canary");
  EXPECT_EQ(world.gate->probes(1), (routing::ProbeCount{1, 0}));
  EXPECT_EQ(world.limit("canary").active(), 0U);
  // One that ends before it is sent.
  world.net.run_for(12s);
  Client client(world);
  EXPECT_EQ(client.ask(post("too much", "X-User: u\r\n")).status(), 413);
  EXPECT_EQ(world.limit("canary").active(), 0U);
}

TEST_F(CircuitTest, WithoutFallbackAnyRequestProbesInTheEnd) {
  world.failures.fallback = {};
  world.start();
  suspend();
  answer_ = ok("canary");
  world.net.run_for(14s);
  EXPECT_EQ(ask().body, "stable");
  world.net.run_for(1s);
  EXPECT_EQ(ask("POST").body, "canary");
  world.net.run_for(9s);
  EXPECT_EQ(ask("POST").body, "stable");
  world.net.run_for(2s);
  EXPECT_EQ(ask("POST").body, "canary");
}

// It keeps its user for hours: only where nothing else comes, and its handshake is what counts.
TEST_F(CircuitTest, ATunnelProbesInTheEnd) {
  world.start();
  suspend();
  answer_ = kSwitching;
  const auto shake_hands = [this] {
    Client client(world);
    client.send(get("/", std::string("X-User: u\r\n").append(kHandshake)));
    return client.read(BodyRule::kResponse).status();
  };
  world.net.run_for(14s);
  EXPECT_EQ(shake_hands(), 200);
  EXPECT_TRUE(canary_->requests.empty());
  world.net.run_for(1s);
  EXPECT_EQ(shake_hands(), 101);
  EXPECT_EQ(canary_->requests.size(), 1U);
  EXPECT_EQ(world.gate->probes(1), (routing::ProbeCount{1, 0}));
}

// A tunnel that has lived was a good probe. How it ends later is news of the canary of then, and
// one that leads nowhere was a bad one.
TEST_F(CircuitTest, ATunnelThatHasLivedWasAGoodProbe) {
  world.failures.fallback = {};
  world.start();
  suspend();
  canary_.reset();
  SimServer server(world.net, kCanary);
  const std::string request = get("/", std::string("X-User: u\r\n").append(kHandshake));
  const auto probe = [&](Duration lives) {
    world.net.run_for(20s);
    Client client(world);
    client.send(request);
    SimPeer& peer = server.accept();
    world.net.run_ready();
    peer.send(kSwitching);
    EXPECT_EQ(client.read().status(), 101);
    world.net.run_for(lives);
    peer.reset();
    world.net.run_ready();
    return world.gate->probes(1);
  };
  EXPECT_EQ(probe(6s), (routing::ProbeCount{1, 0}));
  EXPECT_EQ(probe(1s), (routing::ProbeCount{0, 1}));
}

// It is forwarded as any other: some clients offer that with each request.
TEST_F(CircuitTest, ARequestThatOffersAnotherProtocolProbes) {
  world.start();
  suspend();
  answer_ = ok("canary");
  world.net.run_for(5s);
  EXPECT_EQ(ask("GET", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n").body, "canary");
  EXPECT_EQ(world.gate->probes(1), (routing::ProbeCount{1, 0}));
}

// The wait of a probe is not the next request's on the same connection.
TEST_F(CircuitTest, AProbeLeavesNothingBehind) {
  world.upstreams[0].timeouts.first_byte = 30s;
  world.start();
  suspend();
  world.net.run_for(5s);
  answer_ = ok("canary");
  Client client(world);
  EXPECT_EQ(client.ask(get("/", "X-User: u\r\n")).body, "canary");
  EXPECT_EQ(client.ask(get("/", "X-User: u\r\n")).body, "stable");
  EXPECT_EQ(world.counters(Cohort::kStable).judged, 1U);
}

}  // namespace
}  // namespace canaryd::test
