// Every timeout, in virtual time: not before its time, and not much later (the wheel's tick).
#include "component/proxy_world.hpp"

namespace canaryd::test {
namespace {

constexpr Duration kTolerance = 100ms;

class TimeoutsTest : public ProxyTest {
 protected:
  // Timeouts that all differ, so that a wrong one shows.
  TimeoutsTest() {
    world.listener.header_timeout = 3s;
    world.listener.body_idle_timeout = 5s;
    world.listener.write_stall_timeout = 7s;
    world.listener.keep_alive_timeout = 11s;
    upstream::Timeouts& stable = world.upstreams[0].timeouts;
    stable.connect = 2s;
    stable.first_byte = 13s;
    stable.body_idle = 17s;
    stable.keep_alive = 600s;
    world.upstreams[0].retries.attempts = 0;
  }

  // The connection ends this long from now, not before.
  void expect_end_after(Client& client, Duration time) {
    const Monotonic begun = world.net.now();
    ASSERT_TRUE(client.closes_within(time + 10s));
    expect_passed(begun, time);
  }
  void expect_passed(Monotonic begun, Duration time) {
    EXPECT_GE(world.net.now() - begun, time);
    EXPECT_LE(world.net.now() - begun, time + kTolerance);
  }
  void expect_answer_after(Client& client, Duration time, int status, std::string_view word) {
    const Monotonic begun = world.net.now();
    const Message reply = client.read();
    EXPECT_EQ(reply.status(), status);
    EXPECT_EQ(reply.field("X-Canaryd-Error"), word);
    expect_passed(begun, time);
  }
  [[nodiscard]] static SimProfile tiny() {
    SimProfile profile;
    profile.buffer_bytes = 1000;
    return profile;
  }
};

TEST_F(TimeoutsTest, ASilentClientIsClosedWithoutAnAnswer) {
  world.start();
  Client client(world);
  expect_end_after(client, 3s);
  EXPECT_EQ(client.peer.received(), "");
  EXPECT_EQ(world.errors(ProxyError::kRequestTimeout), 0U);
}

TEST_F(TimeoutsTest, AHeadHasToArriveInTime) {
  world.start();
  Client client(world);
  client.send("GET / HT");
  expect_answer_after(client, 3s, 408, "request_timeout");
  EXPECT_TRUE(client.closes_within(2s));
}

// One byte now and then does not help.
TEST_F(TimeoutsTest, ASlowHeadHasToArriveInTime) {
  world.start();
  Client client(world);
  client.send("G");
  const Monotonic begun = world.net.now();
  for (int i = 0; i < 10 && client.open(); ++i) {
    world.net.run_for(500ms);
    client.send("E");
  }
  const Message reply = client.read();
  EXPECT_EQ(reply.status(), 408);
  EXPECT_LE(world.net.now() - begun, 5500ms);
}

TEST_F(TimeoutsTest, EmptyLinesDoNotKeepAConnection) {
  world.start();
  Client client(world);
  const Monotonic begun = world.net.now();
  while (client.open() && world.net.now() - begun < 60s) {
    client.send("\r\n");
    world.net.run_for(500ms);
  }
  EXPECT_LE(world.net.now() - begun, 4s);
}

TEST_F(TimeoutsTest, AnIdleConnectionIsClosed) {
  world.start();
  Backend stable(world, kStable);
  Client client(world);
  EXPECT_EQ(client.ask(kGet).status(), 200);
  expect_end_after(client, 11s);
  EXPECT_FALSE(client.peer.saw_reset());
}

// RFC 9112 section 9.3: who will not keep a connection says so.
TEST_F(TimeoutsTest, WithoutAnyIdleTimeEachResponseEndsItsConnection) {
  world.listener.keep_alive_timeout = Duration::zero();
  world.start();
  Backend stable(world, kStable);
  for (const char* path : {"/", "/nowhere"}) {
    Client client(world);
    client.send(get(path) + get(path));
    const Message reply = client.read();
    EXPECT_EQ(reply.field("Connection"), "close") << path;
    EXPECT_TRUE(client.closes_within(2s));
  }
  EXPECT_LE(stable.requests.size(), 2U);
}

TEST_F(TimeoutsTest, EachRequestStartsTheIdleTimeAnew) {
  world.start();
  Backend stable(world, kStable);
  Client client(world);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(client.ask(kGet).status(), 200);
    world.net.run_for(10s);
  }
  EXPECT_TRUE(client.open());
}

TEST_F(TimeoutsTest, ABodyHasToGoOn) {
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n123");
  world.net.run_for(4s);
  client.send("45");
  world.net.run_ready();
  expect_answer_after(client, 5s, 408, "request_timeout");
  EXPECT_TRUE(client.closes_within(2s));
  EXPECT_TRUE(stable.accept().ended());
  EXPECT_EQ(world.counters(Cohort::kNone).code_class[4], 1U);
}

TEST_F(TimeoutsTest, AnUpstreamHasToTakeTheBody) {
  world.net.set_profile(kStable, tiny());
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send(post(pattern(100'000)));
  stable.accept().stop_reading();
  world.net.run_ready();
  expect_answer_after(client, 17s, 504, "timeout");
}

TEST_F(TimeoutsTest, AConnectHasToSucceedInTime) {
  SimProfile silent;
  silent.ignore = true;
  world.net.set_profile(kStable, silent);
  world.split(0);
  world.start();
  Client client(world);
  client.send(get("/", "X-User: u\r\n"));
  expect_answer_after(client, 2s, 504, "timeout");
  EXPECT_EQ(world.upstream("stable").connects_failed.load(), 1U);
  EXPECT_EQ(world.counters(Cohort::kStable).bad, 1U);
  EXPECT_TRUE(client.open());
}

TEST_F(TimeoutsTest, AnUpstreamHasToAnswerInTime) {
  world.split(0);
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send(get("/", "X-User: u\r\n"));
  expect_answer_after(client, 13s, 504, "timeout");
  EXPECT_EQ(world.counters(Cohort::kStable).bad, 1U);
  EXPECT_TRUE(stable.accept().ended());
  EXPECT_TRUE(client.open());
}

// The time for the first byte begins when the request is through.
TEST_F(TimeoutsTest, ASlowUploadDoesNotUseUpTheUpstreamsTime) {
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n");
  for (int i = 0; i < 6; ++i) {
    world.net.run_for(4s);
    client.send("x");
  }
  world.net.run_ready();
  expect_answer_after(client, 13s, 504, "timeout");
}

// A client that waits for 100 Continue is not the one to blame.
TEST_F(TimeoutsTest, AnUpstreamHasToAnswerAnExpectation) {
  world.split(0);
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send(
      "POST / HTTP/1.1\r\nHost: a\r\nX-User: u\r\nContent-Length: 6\r\nExpect: "
      "100-continue\r\n\r\n");
  expect_answer_after(client, 13s, 504, "timeout");
  EXPECT_EQ(world.counters(Cohort::kStable).bad, 1U);
}

// One byte now and then does not help: once begun it has as long again.
TEST_F(TimeoutsTest, ASlowResponseHeadHasToArriveInTime) {
  world.split(0);
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  const Monotonic begun = world.net.now();
  client.send(kGet);
  auto& server = stable.accept();
  world.net.run_for(12s);
  server.send("HTTP/1.1 200 OK\r\nX: ");
  for (int i = 0; i < 100 && client.peer.received().empty(); ++i) {
    world.net.run_for(500ms);
    server.send("y");
  }
  const Message reply = client.read();
  EXPECT_EQ(reply.status(), 504);
  EXPECT_EQ(reply.field("X-Canaryd-Error"), "timeout");
  EXPECT_GE(world.net.now() - begun, 25s);
  EXPECT_LE(world.net.now() - begun, 26s);
}

// Each interim response is a sign of life.
TEST_F(TimeoutsTest, AnInterimResponseBeginsTheTimeAnew) {
  world.split(0);
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send(kGet);
  auto& server = stable.accept();
  for (int i = 0; i < 3; ++i) {
    world.net.run_for(12s);
    server.send("HTTP/1.1 103 Early Hints\r\n\r\n");
    EXPECT_EQ(client.read().status(), 103);
  }
  world.net.run_for(12s);
  server.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(client.read().status(), 200);
}

TEST_F(TimeoutsTest, AfterTheContinueTheClientHasToSend) {
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n");
  stable.accept().send("HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(client.read().status(), 100);
  expect_answer_after(client, 5s, 408, "request_timeout");
}

// Only 100 is the answer to an expectation: whoever has hints still waits.
TEST_F(TimeoutsTest, AnotherInterimResponseIsNoContinue) {
  world.split(0);
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send(
      "POST / HTTP/1.1\r\nHost: a\r\nX-User: u\r\nContent-Length: 6\r\nExpect: "
      "100-continue\r\n\r\n");
  stable.accept().send("HTTP/1.1 102 Processing\r\n\r\n");
  EXPECT_EQ(client.read().status(), 102);
  expect_answer_after(client, 13s, 504, "timeout");
  EXPECT_EQ(world.counters(Cohort::kStable).bad, 1U);
}

TEST_F(TimeoutsTest, AResponseHasToGoOn) {
  world.split(0);
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send(get("/", "X-User: u\r\n"));
  SimPeer& served = stable.accept();
  served.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123");
  world.net.run_for(16s);
  served.send("45");
  world.net.run_ready();
  expect_end_after(client, 17s);
  const Message reply = client.read();
  EXPECT_FALSE(reply.whole);
  EXPECT_EQ(reply.body, "12345");
  EXPECT_EQ(world.counters(Cohort::kStable).bad, 1U);
  EXPECT_EQ(world.counters(Cohort::kStable).code_class[2], 1U);
}

// A client that has its answer need not send the rest of its body, nor the upstream take it.
TEST_F(TimeoutsTest, BehindAnEarlyAnswerTheUploadMayStop) {
  world.net.set_profile(kStable, tiny());
  world.split(0);
  world.start();
  SimServer stable(world.net, kStable);
  for (const std::size_t sent : {10U, 90'000U}) {
    Client client(world);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nX-User: u\r\nContent-Length: 100000\r\n\r\n");
    client.send(pattern(sent));
    SimPeer& served = stable.accept();
    served.stop_reading();
    served.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    for (int i = 0; i < 10; ++i) {
      world.net.run_for(10s);
      served.send("x");
    }
    EXPECT_EQ(client.read().body, "xxxxxxxxxx") << sent;
  }
  EXPECT_EQ(world.counters(Cohort::kStable).judged, 2U);
  EXPECT_EQ(world.counters(Cohort::kStable).bad, 0U);
}

// An upstream that echoes has nothing to say until its client has.
TEST_F(TimeoutsTest, BehindAnEarlyAnswerASilentClientIsNotTheUpstreamsFault) {
  world.split(0);
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send("POST / HTTP/1.1\r\nHost: a\r\nX-User: u\r\nContent-Length: 100\r\n\r\nabc");
  stable.accept().send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
  world.net.run_ready();
  expect_end_after(client, 17s);
  EXPECT_EQ(client.read().body, "abc");
  EXPECT_EQ(world.errors(ProxyError::kRequestTimeout), 1U);
  EXPECT_EQ(world.counters(Cohort::kStable).bad, 0U);
  EXPECT_EQ(world.counters(Cohort::kStable).excluded, 1U);
}

// Nor is a client that sends now and then until the time of the whole request is over.
TEST_F(TimeoutsTest, ASlowUploadUpToTheEndIsNotTheUpstreamsFault) {
  world.upstreams[0].timeouts.request = 10s;
  world.split(0);
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send("POST / HTTP/1.1\r\nHost: a\r\nX-User: u\r\nContent-Length: 100\r\n\r\n");
  const Monotonic begun = world.net.now();
  for (int i = 0; i < 3; ++i) {
    world.net.run_for(3s);
    client.send("x");
  }
  const Message reply = client.read();
  expect_passed(begun, 10s);
  EXPECT_EQ(reply.status(), 408);
  EXPECT_EQ(world.counters(Cohort::kStable).bad, 0U);
}

// Nor where what such a client has left goes by in the connect of another try.
TEST_F(TimeoutsTest, ASlowUploadLeavesNoTimeToConnectAgain) {
  world.upstreams[0].timeouts.request = 3s;
  world.upstreams[0].retries = {2, true, true};
  world.split(0);
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send("PUT / HTTP/1.1\r\nHost: a\r\nX-User: u\r\nContent-Length: 4\r\n\r\nhi");
  SimPeer& served = stable.accept();
  world.net.run_for(2s);
  client.send("ho");
  world.net.run_ready();
  SimProfile silent;
  silent.ignore = true;
  world.net.set_profile(kStable, silent);
  served.reset();
  const Message reply = client.read();
  EXPECT_EQ(reply.status(), 408);
  EXPECT_EQ(reply.field("X-Canaryd-Error"), "request_timeout");
  EXPECT_EQ(world.counters(Cohort::kStable).bad, 0U);
}

TEST_F(TimeoutsTest, AClientHasToTakeTheResponse) {
  world.split(0);
  world.net.set_profile(kFront, tiny());
  world.start();
  Backend stable(world, kStable, ok(pattern(1'000'000)));
  Client client(world);
  client.peer.stop_reading();
  client.send(get("/", "X-User: u\r\n"));
  const Monotonic begun = world.net.now();
  world.net.run_ready();
  ASSERT_TRUE(world.net.run_until([&] { return world.service->connections() == 0; }));
  expect_passed(begun, 7s);
  EXPECT_EQ(world.errors(ProxyError::kClientGone), 1U);
  EXPECT_EQ(world.counters(Cohort::kStable).excluded, 1U);
}

// A client that takes its answer byte by byte, but takes it, is no stall.
TEST_F(TimeoutsTest, ASlowClientIsServed) {
  world.net.set_profile(kFront, tiny());
  world.start();
  const std::string body = pattern(20'000);
  Backend stable(world, kStable, ok(body));
  Client client(world);
  client.peer.stop_reading();
  client.send(kGet);
  for (int i = 0; i < 30; ++i) {
    world.net.run_for(5s);
    client.peer.resume_reading();
    client.peer.stop_reading();
  }
  client.peer.resume_reading();
  EXPECT_TRUE(client.read().body == body);
}

TEST_F(TimeoutsTest, ARequestHasToEndInTime) {
  world.upstreams[0].timeouts.request = 10s;
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send(kGet);
  expect_answer_after(client, 10s, 504, "timeout");
}

TEST_F(TimeoutsTest, AResponseThatKeepsComingHasToEndInTime) {
  world.upstreams[0].timeouts.request = 10s;
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send(kGet);
  const Monotonic begun = world.net.now();
  SimPeer& served = stable.accept();
  served.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
  while (client.open() && world.net.now() - begun < 60s) {
    served.send("x");
    world.net.run_for(100ms);
  }
  expect_passed(begun, 10s);
}

// A retry gets what is left of the time, not all of it anew.
TEST_F(TimeoutsTest, TriesShareTheTimeOfTheRequest) {
  SimProfile silent;
  silent.ignore = true;
  world.net.set_profile(kStable, silent);
  world.upstreams[0].timeouts.request = 3s;
  world.upstreams[0].retries.attempts = 5;
  world.start();
  Client client(world);
  client.send(kGet);
  expect_answer_after(client, 3s, 504, "timeout");
  EXPECT_EQ(world.upstream("stable").connects_failed.load(), 2U);
}

TEST_F(TimeoutsTest, IdleUpstreamConnectionsAreReaped) {
  world.upstreams[0].timeouts.keep_alive = 20s;
  world.start();
  Backend stable(world, kStable);
  Client client(world);
  EXPECT_EQ(client.ask(kGet).status(), 200);
  world.net.run_for(19s);
  EXPECT_EQ(world.upstream("stable").idle.load(), 1U);
  world.net.run_for(2s);
  EXPECT_EQ(world.upstream("stable").idle.load(), 0U);
  EXPECT_TRUE(stable.server.at(0).ended());
}

}  // namespace
}  // namespace canaryd::test
