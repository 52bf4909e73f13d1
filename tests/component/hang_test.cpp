// Requests that hang, whatever is judged: before their answer, and in the midst of one that is
// known to go on. How each ends, and who is not meant.
#include "canaryd/stats/latency.hpp"
#include "component/tunnel_world.hpp"

#include <string>

namespace canaryd::test {
namespace {

constexpr const char* kHalfAnAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf";

class HangTest : public ProxyTest {
 protected:
  HangTest() : canary_(world.net, kCanary) {
    world.split(10000);
    for (auto& upstream : world.upstreams) {
      upstream.timeouts.first_byte = 1h;
      upstream.timeouts.body_idle = 1h;
    }
    world.start();
  }

  SimPeer& asks(Client& client) {
    client.send(get("/", "X-User: u\r\n"));
    return canary_.accept();
  }
  // What a worker does once a second.
  void look_after(Duration time) {
    world.net.run_for(time);
    world.service->count_overdue();
  }
  [[nodiscard]] std::uint64_t hung() const { return world.counters(Cohort::kCanary).hung; }
  [[nodiscard]] std::uint64_t settled() const {
    return world.counters(Cohort::kCanary).hung_settled;
  }

  SimServer canary_;
};

TEST_F(HangTest, IsCountedOnceAndUntilItIsAnswered) {
  Client client(world);
  SimPeer& served = asks(client);
  look_after(4900ms);
  EXPECT_EQ(hung(), 0U);
  look_after(200ms);
  for (int i = 0; i < 3; ++i) look_after(1s);
  EXPECT_EQ(hung(), 1U);
  EXPECT_EQ(settled(), 0U);
  EXPECT_EQ(world.counters(Cohort::kCanary).overdue, 0U) << "nothing is slow";
  served.send(ok("late"));
  EXPECT_EQ(client.read().body, "late");
  EXPECT_EQ(settled(), 1U);
  // The next one on the same connections begins anew.
  client.send(get("/", "X-User: u\r\n"));
  look_after(6s);
  EXPECT_EQ(hung(), 2U);
  served.send(ok("late again"));
  EXPECT_EQ(client.read().body, "late again");
  EXPECT_EQ(settled(), 2U);
}

TEST_F(HangTest, OneThatFailsIsAFailureAndHangsNoLonger) {
  Client client(world);
  client.send(post("x", "X-User: u\r\n"));
  SimPeer& served = canary_.accept();
  look_after(6s);
  EXPECT_EQ(hung(), 1U);
  served.reset();
  EXPECT_EQ(client.read().start, "HTTP/1.1 502 Bad Gateway");
  EXPECT_EQ(settled(), 1U);
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 1U);
}

TEST_F(HangTest, WhomNobodyWaitedForToTheEndStays) {
  Client client(world);
  asks(client);
  look_after(6s);
  client.peer.close();
  look_after(10s);
  EXPECT_EQ(world.counters(Cohort::kCanary).active, 0);
  EXPECT_EQ(hung(), 1U);
  EXPECT_EQ(settled(), 0U);
}

// Stable answers in no time, so nobody waits for 5 s; and no worker has looked meanwhile.
TEST_F(HangTest, WhereStableIsQuickImpatienceCountsSooner) {
  world.gate->set_slow_after(1s);
  for (const Duration patience : {Duration(900ms), Duration(1100ms)}) {
    Client client(world);
    asks(client);
    world.net.run_for(patience);
    client.peer.close();
    world.net.run_for(1s);
  }
  EXPECT_EQ(hung(), 1U) << "the first was too impatient for anybody";
  EXPECT_EQ(settled(), 0U);
}

// Whoever has not sent all of it cannot have expected an answer.
TEST_F(HangTest, WhoeverLeavesInTheMidstOfTheirOwnRequestIsNot) {
  world.gate->set_slow_after(1s);
  Client client(world);
  client.send("POST / HTTP/1.1\r\nHost: a\r\nX-User: u\r\nContent-Length: 10\r\n\r\nhalf");
  static_cast<void>(canary_.accept());
  look_after(6s);
  client.peer.close();
  look_after(6s);
  EXPECT_EQ(hung(), 0U);
}

// What the client takes to send is not the version's time.
TEST_F(HangTest, AClientThatSendsSlowlyIsNoHang) {
  Client client(world);
  client.send("POST / HTTP/1.1\r\nHost: a\r\nX-User: u\r\nContent-Length: 10\r\n\r\n");
  static_cast<void>(canary_.accept());
  for (int i = 0; i < 9; ++i) {
    look_after(4s);
    client.send("x");
    world.service->count_overdue();
  }
  client.send("x");
  look_after(4s);
  EXPECT_EQ(hung(), 0U);
  look_after(2s);
  EXPECT_EQ(hung(), 1U) << "it has all of it";
}

// ---- In the midst of an answer

// Its client has half-closed, or gone: that is not to be seen.
TEST_F(HangTest, AnAnswerThatStopsHalfWayHangsUntilItGoesOn) {
  Client client(world);
  SimPeer& served = asks(client);
  served.send(kHalfAnAnswer);
  world.net.run_for(4s);
  client.peer.shutdown_send();
  look_after(900ms);
  EXPECT_EQ(hung(), 0U);
  look_after(200ms);
  look_after(1s);
  EXPECT_EQ(hung(), 1U);
  served.send("ha");
  look_after(1s);
  EXPECT_EQ(settled(), 1U);
  look_after(6s);
  EXPECT_EQ(hung(), 2U) << "it has stopped again";
  served.send("lf");
  world.net.run_for(1s);
  EXPECT_EQ(settled(), 2U);
}

TEST_F(HangTest, WhoeverLeavesAnAnswerThatHasStoppedIsCounted) {
  Client client(world);
  SimPeer& served = asks(client);
  served.send(kHalfAnAnswer);
  world.net.run_for(6s);
  client.peer.reset();
  world.net.run_for(1s);
  EXPECT_EQ(hung(), 1U);
  EXPECT_EQ(settled(), 0U);
}

TEST_F(HangTest, AStreamMayBeQuiet) {
  Client client(world);
  SimPeer& served = asks(client);
  look_after(6s);
  EXPECT_EQ(hung(), 1U);
  served.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nnews\r\n");
  for (int i = 0; i < 60; ++i) look_after(1s);
  EXPECT_EQ(hung(), 1U);
  EXPECT_EQ(settled(), 1U) << "it has been answered, and goes on";
  served.send("0\r\n\r\n");
  world.net.run_for(1s);
  EXPECT_EQ(world.counters(Cohort::kCanary).judged, 1U);
  EXPECT_EQ(settled(), 1U);
}

TEST_F(HangTest, AClientThatTakesNothingIsNoHang) {
  Client client(world);
  client.peer.stop_reading();
  SimPeer& served = asks(client);
  served.send(ok(std::string(4'000'000, 'x')));
  for (int i = 0; i < 10; ++i) look_after(1s);
  EXPECT_EQ(world.counters(Cohort::kCanary).active, 1);
  EXPECT_EQ(hung(), 0U);
}

// ---- Who is not meant

TEST_F(HangTest, WhatIsNoEvidenceIsNotCounted) {
  Client client(world);
  client.send(get("/", "X-User: u\r\nX-Canary: always\r\n"));
  static_cast<void>(canary_.accept());
  look_after(10s);
  EXPECT_EQ(hung(), 0U);
}

// A tunnel is silent for as long as it likes.
TEST_F(HangTest, ATunnelEndsWhatItsHandshakeHung) {
  Client client(world);
  client.send(get("/", std::string("X-User: u\r\n").append(kHandshake)));
  SimPeer& served = canary_.accept();
  look_after(6s);
  EXPECT_EQ(hung(), 1U);
  served.send(kSwitching);
  for (int i = 0; i < 20; ++i) look_after(1s);
  EXPECT_EQ(hung(), 1U);
  EXPECT_EQ(settled(), 1U);
  client.peer.close();
  look_after(1s);
  EXPECT_EQ(settled(), 1U);
}

}  // namespace
}  // namespace canaryd::test
