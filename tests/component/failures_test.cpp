// Connections that break: what is cut is seen as cut, and what may be tried again is.
#include "component/proxy_world.hpp"

namespace canaryd::test {
namespace {

class FailuresTest : public ProxyTest {
 protected:
  // A try of its own for each: charged to the canary, whatever becomes of it.
  FailuresTest() { world.split(10000); }

  [[nodiscard]] stats::CounterSnapshot canary() const { return world.counters(Cohort::kCanary); }
  // Serves one request by hand, so that its connection lies in the pool.
  SimPeer& warm_up(SimServer& server, Client& client) {
    client.send(get("/warm", "X-User: w\r\n"));
    SimPeer& served = server.accept();
    world.net.run_until([&] { return !served.received().empty(); });
    served.send(ok("warm"));
    EXPECT_EQ(client.read().body, "warm");
    static_cast<void>(served.take());
    return served;
  }
  bool reaches(SimPeer& peer, std::string_view text) {
    return world.net.run_until([&] { return peer.received().find(text) != std::string::npos; },
                               1min);
  }
};

const std::string kAsk = get("/", "X-User: u\r\n");
const std::string kPost = post("data", "X-User: u\r\n");

// ---- The upstream is cut in the middle of a body

TEST_F(FailuresTest, ACutBodyWithLengthIsCut) {
  world.start();
  Backend canary_server(world, kCanary, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  Client client(world);
  client.send(kAsk);
  world.net.run_ready();
  canary_server.server.at(0).shutdown_send();
  const Message reply = client.read();
  EXPECT_EQ(reply.status(), 200);
  EXPECT_FALSE(reply.whole);
  EXPECT_EQ(reply.body, "half");
  EXPECT_EQ(canary().bad, 1U);
  EXPECT_EQ(world.errors(ProxyError::kUpstreamReset), 1U);
}

TEST_F(FailuresTest, ACutChunkedBodyIsCut) {
  world.start();
  Backend canary_server(
      world, kCanary, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
  Client client(world);
  client.send(kAsk);
  world.net.run_ready();
  canary_server.server.at(0).shutdown_send();
  const Message reply = client.read();
  EXPECT_FALSE(reply.whole);
  EXPECT_EQ(reply.body, "half");
  EXPECT_EQ(canary().bad, 1U);
}

// A reset is the only sign of a cut that a body up to the close has: it must not become an end.
TEST_F(FailuresTest, ACutBodyUpToTheCloseIsCut) {
  world.start();
  Backend canary_server(world, kCanary, "HTTP/1.1 200 OK\r\n\r\nhalf");
  Client client(world);
  client.send(kAsk);
  world.net.run_ready();
  canary_server.server.at(0).reset();
  const Message reply = client.read();
  EXPECT_FALSE(reply.whole);
  EXPECT_EQ(reply.body, "half");
  EXPECT_EQ(canary().bad, 1U);
}

TEST_F(FailuresTest, AnOldClientSeesACutByAReset) {
  world.start();
  for (const std::string head :
       {"HTTP/1.1 200 OK\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"}) {
    Backend canary_server(world, kCanary, head);
    Client client(world);
    client.send("GET / HTTP/1.0\r\nX-User: u\r\n\r\n");
    world.net.run_ready();
    canary_server.server.at(0).reset();
    ASSERT_TRUE(client.closes_within(1s));
    EXPECT_TRUE(client.peer.saw_reset());
    EXPECT_FALSE(client.peer.saw_fin());
  }
}

TEST_F(FailuresTest, ABrokenChunkCutsTheResponse) {
  world.start();
  Backend canary_server(
      world, kCanary, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
  Client client(world);
  client.send(kAsk);
  world.net.run_ready();
  canary_server.server.at(0).send("zz\r\n");
  const Message reply = client.read();
  EXPECT_FALSE(reply.whole);
  EXPECT_EQ(world.errors(ProxyError::kUpstreamProtocol), 1U);
  EXPECT_EQ(canary().bad, 1U);
}

// ---- The client leaves

TEST_F(FailuresTest, AClientThatCutsItsUploadCancelsTheUpstream) {
  world.start();
  SimServer server(world.net, kCanary);
  Client client(world);
  client.send("POST / HTTP/1.1\r\nHost: a\r\nX-User: u\r\nContent-Length: 10\r\n\r\nhalf");
  SimPeer& served = server.accept();
  ASSERT_TRUE(reaches(served, "half"));
  client.peer.close();
  ASSERT_TRUE(world.net.run_until([&] { return served.ended(); }, 1s));
  EXPECT_EQ(canary().excluded, 1U);
  EXPECT_EQ(canary().judged, 0U);
  EXPECT_EQ(world.errors(ProxyError::kClientGone), 1U);
}

// As whoever reads a stream leaves it in the end. One that had stopped may be why he did.
TEST_F(FailuresTest, AnAnswerThatIsLeftIsJudgedByItsStatus) {
  world.upstreams[1].timeouts.body_idle = 1min;
  world.start();
  SimServer server(world.net, kCanary);
  for (const Duration silent : {1s, 10s}) {
    Client client(world);
    client.send(kAsk);
    SimPeer& served = server.accept();
    ASSERT_TRUE(reaches(served, "GET"));
    served.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n");
    ASSERT_TRUE(world.net.run_until([&] { return client.peer.received().ends_with("hi\r\n"); }));
    world.net.run_for(silent);
    client.peer.reset();
    ASSERT_TRUE(world.net.run_until([&] { return served.ended(); }, 1s));
  }
  EXPECT_EQ(canary().judged, 1U);
  EXPECT_EQ(canary().bad, 0U);
  EXPECT_EQ(canary().excluded, 1U);
  EXPECT_EQ(canary().latency.total(), 0U) << "its time is the client's doing";
}

TEST_F(FailuresTest, AClientThatDoesNotWaitCancelsTheUpstream) {
  world.start();
  SimServer server(world.net, kCanary);
  Client client(world);
  client.send(kAsk);
  SimPeer& served = server.accept();
  ASSERT_TRUE(reaches(served, "GET"));
  client.peer.reset();
  ASSERT_TRUE(world.net.run_until([&] { return served.ended(); }, 1s));
  EXPECT_EQ(canary().excluded, 1U);
  EXPECT_EQ(canary().code_class[0], 1U);
}

TEST_F(FailuresTest, AClientThatLeavesWhileWeConnectIsNobodysFault) {
  SimProfile silent;
  silent.ignore = true;
  world.net.set_profile(kCanary, silent);
  world.start();
  Client client(world);
  client.send(kAsk);
  world.net.run_for(100ms);
  client.peer.close();
  world.net.run_for(100ms);
  EXPECT_EQ(world.service->connections(), 0U);
  EXPECT_EQ(canary().excluded, 1U);
  EXPECT_EQ(world.upstream("canary").connects_failed.load(), 0U);
}

TEST_F(FailuresTest, AClientThatLeavesInTheMiddleOfAResponseIsNobodysFault) {
  world.start();
  SimServer server(world.net, kCanary);
  Client client(world);
  client.send(kAsk);
  SimPeer& served = server.accept();
  served.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome");
  world.net.run_ready();
  client.peer.reset();
  ASSERT_TRUE(world.net.run_until([&] { return served.ended(); }, 1s));
  EXPECT_EQ(canary().judged, 1U);
  EXPECT_EQ(canary().bad, 0U);
}

// A client may close its sending half once the response has begun.
TEST_F(FailuresTest, HalfACloseDuringTheResponseIsNoEnd) {
  world.start();
  SimServer server(world.net, kCanary);
  Client client(world);
  client.send(kAsk);
  SimPeer& served = server.accept();
  served.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsome");
  world.net.run_ready();
  client.peer.shutdown_send();
  world.net.run_ready();
  served.send("more");
  EXPECT_EQ(client.read().body, "somemore");
  EXPECT_TRUE(client.closes_within(1s));
  EXPECT_EQ(canary().judged, 1U);
}

// ---- Stale connections

TEST_F(FailuresTest, AConnectionThatDiedInThePoolIsNotUsed) {
  world.start();
  SimServer server(world.net, kCanary);
  Client client(world);
  warm_up(server, client).close();
  world.net.run_ready();
  EXPECT_EQ(world.upstream("canary").idle.load(), 0U);
  client.send(kPost);
  SimPeer& second = server.accept();
  ASSERT_TRUE(reaches(second, "data"));
  second.send(ok("fresh"));
  EXPECT_EQ(client.read().body, "fresh");
}

// The close is on its way while the next request goes out.
TEST_F(FailuresTest, AGetGoesAgainWhenItsConnectionWasStale) {
  SimProfile far;
  far.delay = 10ms;
  world.net.set_profile(kCanary, far);
  world.upstreams[1].retries = {0, false, false};  // This one is always allowed.
  world.start();
  SimServer server(world.net, kCanary);
  Client client(world);
  warm_up(server, client).close();
  client.send(kAsk);
  SimPeer& second = server.accept();
  ASSERT_TRUE(reaches(second, "GET / HTTP/1.1"));
  second.send(ok("fresh"));
  EXPECT_EQ(client.read().body, "fresh");
  EXPECT_EQ(canary().judged, 2U);
  EXPECT_EQ(canary().bad, 0U);
}

TEST_F(FailuresTest, AStaleConnectionIsTriedAgainOnce) {
  SimProfile far;
  far.delay = 10ms;
  world.net.set_profile(kCanary, far);
  world.upstreams[1].retries = {0, false, false};
  world.start();
  SimServer server(world.net, kCanary);
  Client client(world);
  warm_up(server, client).close();
  client.send(kAsk);
  SimPeer& second = server.accept();
  second.close();
  EXPECT_EQ(client.read().field("X-Canaryd-Error"), "upstream_reset");
  EXPECT_EQ(server.connections(), 2U);
}

// The retry must not meet another stale one.
TEST_F(FailuresTest, TheRetryOfAStaleConnectionIsFresh) {
  SimProfile far;
  far.delay = 10ms;
  world.net.set_profile(kCanary, far);
  world.upstreams[1].retries = {0, false, false};
  world.start();
  SimServer server(world.net, kCanary);
  Client one(world);
  Client two(world);
  one.send(kAsk);
  two.send(kAsk);
  SimPeer& first = server.accept();
  SimPeer& second = server.accept();
  ASSERT_TRUE(reaches(first, "GET") && reaches(second, "GET"));
  first.send(ok("1"));
  second.send(ok("2"));
  static_cast<void>(one.read());
  static_cast<void>(two.read());
  ASSERT_EQ(world.upstream("canary").idle.load(), 2U);
  first.close();
  second.close();
  one.send(kAsk);
  SimPeer& third = server.accept();
  ASSERT_TRUE(reaches(third, "GET"));
  third.send(ok("3"));
  EXPECT_EQ(one.read().body, "3");
}

TEST_F(FailuresTest, APostIsNeverSentTwice) {
  SimProfile far;
  far.delay = 10ms;
  world.net.set_profile(kCanary, far);
  world.start();
  SimServer server(world.net, kCanary);
  Client client(world);
  SimPeer& first = warm_up(server, client);
  first.close();
  client.send(kPost);
  EXPECT_EQ(client.read().field("X-Canaryd-Error"), "upstream_reset");
  EXPECT_EQ(server.connections(), 1U);
  EXPECT_EQ(canary().bad, 1U);
}

// A put may be repeated, but only while all of it is still here.
TEST_F(FailuresTest, AStreamedBodyIsNeverSentTwice) {
  SimProfile far;
  far.delay = 10ms;
  world.net.set_profile(kCanary, far);
  world.start();
  SimServer server(world.net, kCanary);
  Client client(world);
  warm_up(server, client).close();
  client.send("PUT / HTTP/1.1\r\nHost: a\r\nX-User: u\r\nContent-Length: 100000\r\n\r\n" +
              pattern(100'000));
  EXPECT_EQ(client.read().field("X-Canaryd-Error"), "upstream_reset");
  EXPECT_EQ(server.connections(), 1U);
}

TEST_F(FailuresTest, APutThatIsStillHereGoesAgain) {
  SimProfile far;
  far.delay = 10ms;
  world.net.set_profile(kCanary, far);
  world.start();
  SimServer server(world.net, kCanary);
  Client client(world);
  warm_up(server, client).close();
  client.send("PUT / HTTP/1.1\r\nHost: a\r\nX-User: u\r\nContent-Length: 4\r\n\r\ndata" + kAsk);
  SimPeer& second = server.accept();
  ASSERT_TRUE(reaches(second, "data"));
  second.send(ok("put"));
  EXPECT_EQ(client.read().body, "put");
  ASSERT_TRUE(reaches(second, "GET / HTTP/1.1"));
  second.send(ok("got"));
  EXPECT_EQ(client.read().body, "got");
}

// Nearly every client sends the body by itself.
TEST_F(FailuresTest, APutThatCameBehindItsHeadGoesAgain) {
  world.start();
  SimServer server(world.net, kCanary);
  Client client(world);
  const std::string body = pattern(net::BufferPools::kSmallBytes);
  const std::string head =
      "PUT / HTTP/1.1\r\nHost: a\r\nX-User: u\r\nContent-Length: " + std::to_string(body.size()) +
      "\r\n\r\n";
  SimPeer* served = &warm_up(server, client);
  for (const std::size_t with_head : {0U, 5U, 17'000U}) {
    client.send(head + body.substr(0, with_head));
    world.net.run_ready();
    client.send(body.substr(with_head));
    world.net.run_ready();
    served->reset();
    served = &server.accept();
    ASSERT_TRUE(reaches(*served, body)) << with_head;
    served->send(ok("put"));
    EXPECT_EQ(client.read().body, "put");
  }
  EXPECT_EQ(canary().bad, 0U);
}

// The next try has what has come so far, and the rest as it comes.
TEST_F(FailuresTest, HalfAPutGoesAgain) {
  world.start();
  SimServer server(world.net, kCanary);
  Client client(world);
  SimPeer& first = warm_up(server, client);
  client.send("PUT / HTTP/1.1\r\nHost: a\r\nX-User: u\r\nContent-Length: 8\r\n\r\n");
  world.net.run_ready();
  client.send("half");
  world.net.run_ready();
  first.reset();
  SimPeer& second = server.accept();
  ASSERT_TRUE(reaches(second, "half"));
  client.send("half" + kAsk);
  ASSERT_TRUE(reaches(second, "halfhalf"));
  second.send(ok("put"));
  EXPECT_EQ(client.read().body, "put");
  ASSERT_TRUE(reaches(second, "GET / HTTP/1.1"));
  second.send(ok("got"));
  EXPECT_EQ(client.read().body, "got");
}

TEST_F(FailuresTest, APostThatCameBehindItsHeadIsNeverSentTwice) {
  world.start();
  SimServer server(world.net, kCanary);
  Client client(world);
  SimPeer& first = warm_up(server, client);
  client.send("POST / HTTP/1.1\r\nHost: a\r\nX-User: u\r\nContent-Length: 4\r\n\r\n");
  world.net.run_ready();
  client.send("data");
  world.net.run_ready();
  first.reset();
  EXPECT_EQ(client.read().field("X-Canaryd-Error"), "upstream_reset");
  EXPECT_EQ(server.connections(), 1U);
}

// ---- Retries on fresh connections

TEST_F(FailuresTest, AFailedConnectGoesToAnotherEndpoint) {
  world.upstreams[1].endpoints = {kCanary, kStable2};
  world.upstreams[1].load_balancer = upstream::LoadBalancer::kRoundRobin;
  world.start();
  Backend good(world, kStable2);
  Client client(world);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(client.ask(kPost).body, "hello");
  EXPECT_EQ(canary().bad, 0U);
  EXPECT_GT(world.upstream("canary").retries_ok.load(), 0U);
  EXPECT_EQ(world.upstream("canary").retries_failed.load(), 0U);
}

TEST_F(FailuresTest, AResetBeforeTheHeadersGoesToAnotherEndpoint) {
  world.upstreams[1].endpoints = {kCanary, kStable2};
  world.upstreams[1].load_balancer = upstream::LoadBalancer::kRoundRobin;
  world.start();
  Backend good(world, kStable2);
  SimServer bad(world.net, kCanary);
  bad.on_data([](SimPeer& peer) { peer.reset(); });
  Client client(world);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(client.ask(kAsk).body, "hello");
  EXPECT_EQ(canary().bad, 0U);
  int failed = 0;
  for (int i = 0; i < 4; ++i) failed += client.ask(kPost).status() == 502 ? 1 : 0;
  EXPECT_GT(failed, 0);
  EXPECT_EQ(good.requests.size(), 8U - static_cast<std::size_t>(failed));
}

TEST_F(FailuresTest, NothingIsTriedAgainOnceAnAnswerHasBegun) {
  world.start();
  SimServer server(world.net, kCanary);
  server.on_data([](SimPeer& peer) {
    peer.send("HTTP/1.1 2");
    peer.shutdown_send();
  });
  Client client(world);
  EXPECT_EQ(client.ask(kAsk).field("X-Canaryd-Error"), "upstream_reset");
  EXPECT_EQ(server.connections(), 1U);
}

TEST_F(FailuresTest, NothingIsTriedAgainBehindAnInterimResponse) {
  world.start();
  // As long as a block, so that nothing of it is held any more.
  const std::string interim =
      "HTTP/1.1 103 Hints\r\nX: " +
      std::string(
          net::BufferPools::kSmallBytes - std::string("HTTP/1.1 103 Hints\r\nX: \r\n\r\n").size(),
          'x') +
      "\r\n\r\n";
  SimServer server(world.net, kCanary);
  server.on_data([&](SimPeer& peer) {
    peer.send(interim);
    peer.shutdown_send();
  });
  Client client(world);
  EXPECT_EQ(client.ask(kAsk).status(), 103);
  EXPECT_EQ(client.read().field("X-Canaryd-Error"), "upstream_reset");
  EXPECT_EQ(server.connections(), 1U);
}

TEST_F(FailuresTest, AttemptsAreLimited) {
  world.upstreams[1].retries.attempts = 3;
  world.start();
  SimServer server(world.net, kCanary);
  server.on_data([](SimPeer& peer) { peer.reset(); });
  Client client(world);
  EXPECT_EQ(client.ask(kAsk).status(), 502);
  EXPECT_EQ(server.connections(), 4U);
}

}  // namespace
}  // namespace canaryd::test
