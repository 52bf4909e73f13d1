// What a request and its response look like on the other side: framings and connections.
#include "component/proxy_world.hpp"

#include <gmock/gmock.h>

namespace canaryd::test {
namespace {

using testing::HasSubstr;

class ExchangeTest : public ProxyTest {
 protected:
  ExchangeTest() { world.start(); }
};

// ---- Framings

TEST_F(ExchangeTest, ForwardsAGet) {
  Backend stable(world, kStable);
  Client client(world);
  const Message reply = client.ask(kGet);
  EXPECT_EQ(reply.start, "HTTP/1.1 200 OK");
  EXPECT_EQ(reply.body, "hello");
  EXPECT_EQ(reply.field("Content-Length"), "5");
  EXPECT_EQ(reply.field("Date"), kDate);
  EXPECT_EQ(reply.field("Via"), "1.1 canaryd");
  EXPECT_FALSE(reply.has("Connection"));
  EXPECT_FALSE(reply.has("X-Canaryd-Error"));
  ASSERT_EQ(stable.requests.size(), 1U);
  EXPECT_EQ(stable.requests[0].start, "GET / HTTP/1.1");
  EXPECT_EQ(stable.requests[0].field("Host"), "a");
  EXPECT_TRUE(client.open());
}

TEST_F(ExchangeTest, AnswersHeadWithoutABody) {
  Backend stable(world, kStable, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  Client client(world);
  const Message reply = client.ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", BodyRule::kResponseToHead);
  EXPECT_EQ(reply.field("Content-Length"), "5");
  // Nothing is left over that would be taken for the next response.
  EXPECT_EQ(client.ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", BodyRule::kResponseToHead).status(),
            200);
  EXPECT_EQ(stable.server.connections(), 1U);
}

TEST_F(ExchangeTest, ForwardsABodyWithLength) {
  Backend stable(world, kStable, [](const Message& m) { return ok("got " + m.body); });
  Client client(world);
  EXPECT_EQ(client.ask(post("ping")).body, "got ping");
  EXPECT_EQ(stable.requests[0].field("Content-Length"), "4");
  EXPECT_EQ(client.ask(post("")).body, "got ");
  EXPECT_EQ(world.counters(Cohort::kNone).bytes_in, 4U);
  EXPECT_EQ(world.counters(Cohort::kNone).bytes_out, 12U);
}

TEST_F(ExchangeTest, ForwardsChunksBothWays) {
  const std::string body = pattern(100'000);
  Backend stable(world, kStable, [](const Message& m) {
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(m.body, 777);
  });
  Client client(world);
  client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body));
  const Message reply = client.read();
  EXPECT_EQ(reply.field("Transfer-Encoding"), "chunked");
  EXPECT_FALSE(reply.has("Content-Length"));
  EXPECT_TRUE(reply.body == body);
  EXPECT_EQ(stable.requests.at(0).field("Transfer-Encoding"), "chunked");
  EXPECT_EQ(client.ask(kGet).status(), 200);
  EXPECT_EQ(stable.server.connections(), 1U);
}

TEST_F(ExchangeTest, CutsChunkExtensionsAndKeepsTrailers) {
  Backend stable(world,
                 kStable,
                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "5;secret=1\r\nhello\r\n0\r\nX-Sum: 9\r\nContent-Length: 3\r\n\r\n");
  Client client(world);
  client.send(kGet);
  world.net.run_ready();
  EXPECT_THAT(client.peer.received(), Not(HasSubstr("secret")));
  const Message reply = client.read();
  EXPECT_EQ(reply.body, "hello");
  EXPECT_EQ(reply.trailers, (TextFields{{"X-Sum", "9"}}));
}

TEST_F(ExchangeTest, ForwardsResponsesWithoutABody) {
  for (const std::string status : {"204 No Content", "304 Not Modified"}) {
    Backend stable(world, kStable, "HTTP/1.1 " + status + "\r\nETag: \"x\"\r\n\r\n");
    Client client(world);
    const Message first = client.ask(kGet);
    EXPECT_EQ(first.start, "HTTP/1.1 " + status);
    EXPECT_EQ(first.field("ETag"), "\"x\"");
    EXPECT_FALSE(first.has("Transfer-Encoding"));
    EXPECT_EQ(client.ask(kGet).start, "HTTP/1.1 " + status);
  }
}

TEST_F(ExchangeTest, MakesChunksOfABodyThatEndsWithTheConnection) {
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send(kGet);
  SimPeer& served = stable.accept();
  world.net.run_until([&] { return !served.received().empty(); });
  served.send("HTTP/1.1 200 OK\r\n\r\nsome");
  world.net.run_ready();
  served.send("thing");
  served.shutdown_send();
  const Message reply = client.read();
  EXPECT_EQ(reply.field("Transfer-Encoding"), "chunked");
  EXPECT_TRUE(reply.whole);
  EXPECT_EQ(reply.body, "something");
  EXPECT_TRUE(client.open());
  EXPECT_EQ(world.upstream("stable").idle.load(), 0U);
}

TEST_F(ExchangeTest, AnEmptyBodyThatEndsWithTheConnectionIsOneLastChunk) {
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send(kGet);
  SimPeer& served = stable.accept();
  served.send("HTTP/1.1 200 OK\r\n\r\n");
  served.shutdown_send();
  const Message reply = client.read();
  EXPECT_TRUE(reply.whole);
  EXPECT_EQ(reply.body, "");
}

// ---- HTTP/1.0 clients

TEST_F(ExchangeTest, GivesAnOldClientDataUpToTheClose) {
  Backend stable(world,
                 kStable,
                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked("hello", 2));
  Client client(world);
  const Message reply = client.ask("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(reply.start, "HTTP/1.1 200 OK");
  EXPECT_EQ(reply.body, "hello");
  EXPECT_FALSE(reply.has("Transfer-Encoding"));
  EXPECT_EQ(reply.field("Connection"), "close");
  EXPECT_TRUE(client.peer.saw_fin());
  EXPECT_FALSE(client.peer.saw_reset());
  EXPECT_EQ(stable.requests[0].start, "GET / HTTP/1.1");
}

TEST_F(ExchangeTest, ClosesForAnOldClientUnlessItAsks) {
  Backend stable(world, kStable);
  Client client(world);
  EXPECT_EQ(client.ask("GET / HTTP/1.0\r\n\r\n").field("Connection"), "close");
  EXPECT_TRUE(client.closes_within(1ms));

  Client keeping(world);
  const std::string request = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
  EXPECT_EQ(keeping.ask(request).field("Connection"), "keep-alive");
  EXPECT_EQ(keeping.ask(request).body, "hello");
}

// ---- Interim responses

TEST_F(ExchangeTest, ForwardsInterimResponses) {
  Backend stable(world,
                 kStable,
                 "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 P\r\n\r\n" + ok("x"));
  Client client(world);
  const Message hints = client.ask(kGet);
  EXPECT_EQ(hints.start, "HTTP/1.1 103 Early Hints");
  EXPECT_EQ(hints.field("Link"), "</x>");
  EXPECT_EQ(client.read().status(), 102);
  EXPECT_EQ(client.read().body, "x");
  EXPECT_EQ(client.ask(kGet).status(), 103);
  EXPECT_EQ(stable.server.connections(), 1U);
}

TEST_F(ExchangeTest, KeepsInterimResponsesFromAnOldClient) {
  Backend stable(world, kStable, "HTTP/1.1 103 Early Hints\r\n\r\n" + ok("x"));
  Client client(world);
  EXPECT_EQ(client.ask("GET / HTTP/1.0\r\n\r\n").status(), 200);
}

TEST_F(ExchangeTest, RefusesEndlessInterimResponses) {
  std::string many;
  for (int i = 0; i < 20; ++i) many += "HTTP/1.1 102 P\r\n\r\n";
  Backend stable(world, kStable, many);
  Client client(world);
  Message last = client.ask(kGet);
  while (last.status() == 102) last = client.read();
  EXPECT_EQ(last.status(), 502);
  EXPECT_EQ(last.field("X-Canaryd-Error"), "upstream_protocol");
}

TEST_F(ExchangeTest, RefusesASwitchOfProtocolsThatNobodyAskedFor) {
  Backend stable(world, kStable, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n");
  Client client(world);
  EXPECT_EQ(client.ask(kGet).field("X-Canaryd-Error"), "upstream_protocol");
}

TEST_F(ExchangeTest, PassesExpectContinueOn) {
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  SimPeer& served = stable.accept();
  ASSERT_TRUE(world.net.run_until(
      [&] { return served.received().find("Expect: 100-continue") != std::string::npos; }));
  served.send("HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(client.read().status(), 100);
  client.send("body");
  ASSERT_TRUE(world.net.run_until([&] { return served.received().ends_with("body"); }));
  served.send(ok("done"));
  EXPECT_EQ(client.read().body, "done");
  EXPECT_TRUE(client.open());
}

// The client may or may not send its body now, so nothing can follow on this connection.
TEST_F(ExchangeTest, ClosesAfterARefusedExpectation) {
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  SimPeer& served = stable.accept();
  served.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
  const Message reply = client.read();
  EXPECT_EQ(reply.status(), 403);
  EXPECT_EQ(reply.field("Connection"), "close");
  EXPECT_TRUE(client.closes_within(2s));
  EXPECT_FALSE(client.peer.saw_reset());
  EXPECT_EQ(world.upstream("stable").idle.load(), 0U);
}

// ---- Connections

TEST_F(ExchangeTest, UsesConnectionsAgain) {
  Backend stable(world, kStable);
  Client client(world);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.ask(kGet).body, "hello");
  Client other(world);
  EXPECT_EQ(other.ask(kGet).body, "hello");
  EXPECT_EQ(stable.server.connections(), 1U);
  EXPECT_EQ(world.upstream("stable").connects_ok.load(), 1U);
  EXPECT_EQ(world.upstream("stable").idle.load(), 1U);
  EXPECT_EQ(world.listener_gauge->accepted.load(), 2U);
  EXPECT_EQ(world.counters(Cohort::kNone).requests(), 6U);
}

// Also where the last read of a body ends exactly with it, or fills its block.
TEST_F(ExchangeTest, UsesAConnectionAgainWhateverTheSizeOfTheBody) {
  constexpr std::size_t kBlock = net::BufferPools::kSmallBytes;
  std::string body;
  Backend stable(world, kStable, [&body](const Message&) { return ok(body); });
  Client client(world);
  const std::size_t head = ok(std::string(kBlock, 'x')).size() - kBlock;
  for (const std::size_t size : {kBlock - head - 1,
                                 kBlock - head,
                                 kBlock - head + 1,
                                 kBlock,
                                 2 * kBlock - head,
                                 2 * kBlock,
                                 20 * kBlock}) {
    body.assign(size, 'x');
    EXPECT_EQ(client.ask(kGet).body.size(), size);
    EXPECT_EQ(world.upstream("stable").idle.load(), 1U) << size;
  }
  EXPECT_EQ(stable.server.connections(), 1U);
}

TEST_F(ExchangeTest, ServesARequestBehindAnUpload) {
  const std::string body(3 * net::BufferPools::kSmallBytes, 'x');
  Backend stable(world, kStable);
  Client client(world);
  client.send(post(body) + std::string(kGet));
  EXPECT_EQ(client.read().status(), 200);
  EXPECT_EQ(client.read().status(), 200);
  ASSERT_EQ(stable.requests.size(), 2U);
  EXPECT_TRUE(stable.requests[0].body == body);
  EXPECT_EQ(stable.requests[1].start, "GET / HTTP/1.1");
}

TEST_F(ExchangeTest, DoesNotUseAConnectionThatTheUpstreamCloses) {
  Backend stable(world, kStable, ok("x", "Connection: close\r\n"));
  Client client(world);
  const Message reply = client.ask(kGet);
  EXPECT_EQ(reply.body, "x");
  EXPECT_FALSE(reply.has("Connection"));
  EXPECT_EQ(client.ask(kGet).body, "x");
  EXPECT_EQ(stable.server.connections(), 2U);
}

TEST_F(ExchangeTest, DoesNotUseAConnectionWithBytesBehindTheResponse) {
  Backend stable(world, kStable, ok("x") + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
  Client client(world);
  EXPECT_EQ(client.ask(kGet).body, "x");
  EXPECT_EQ(client.ask(kGet).body, "x");
  EXPECT_EQ(stable.server.connections(), 2U);
}

TEST_F(ExchangeTest, ClosesWhenTheClientWantsIt) {
  Backend stable(world, kStable);
  Client client(world);
  const Message reply = client.ask(get("/", "Connection: close\r\n"));
  EXPECT_EQ(reply.field("Connection"), "close");
  EXPECT_TRUE(client.closes_within(1ms));
  EXPECT_EQ(world.upstream("stable").idle.load(), 1U);
}

TEST_F(ExchangeTest, ServesPipelinedRequestsInOrder) {
  Backend stable(world, kStable, [](const Message& m) { return ok(m.target() + m.body); });
  Client client(world);
  client.send(get("/1") + get("/2") + post("three") + get("/4"));
  EXPECT_EQ(client.read().body, "/1");
  EXPECT_EQ(client.read().body, "/2");
  EXPECT_EQ(client.read().body, "/three");
  EXPECT_EQ(client.read().body, "/4");
  EXPECT_EQ(stable.server.connections(), 1U);
  EXPECT_TRUE(client.open());
}

TEST_F(ExchangeTest, ServesWhatIsPipelinedBehindBodies) {
  Backend stable(world, kStable, [](const Message& m) { return ok(m.target() + m.body); });
  const std::string chunks = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string large = pattern(40'000);
  Client client(world);
  client.send(chunks + chunked("one") + get("/2") + chunks + chunked(large) + get("/4") +
              post(large) + get("/6"));
  EXPECT_EQ(client.read().body, "/one");
  EXPECT_EQ(client.read().body, "/2");
  EXPECT_TRUE(client.read().body == "/" + large);
  EXPECT_EQ(client.read().body, "/4");
  EXPECT_TRUE(client.read().body == "/" + large);
  EXPECT_EQ(client.read().body, "/6");
}

TEST_F(ExchangeTest, PutsAPipelinedHeadTogether) {
  Backend stable(world, kStable, [](const Message& m) { return ok(m.target()); });
  Client client(world);
  const std::string second = get("/2");
  client.send(get("/1") + second.substr(0, 10));
  EXPECT_EQ(client.read().body, "/1");
  EXPECT_TRUE(client.open());
  client.send(second.substr(10));
  EXPECT_EQ(client.read().body, "/2");
}

// Old clients send an empty line behind a body (RFC 9112 section 2.2); it is no request.
TEST_F(ExchangeTest, AnEmptyLineBehindARequestIsNoRequest) {
  Backend stable(world, kStable);
  Client client(world);
  EXPECT_EQ(client.ask(post("x") + "\r\n").body, "hello");
  world.net.run_for(20s);
  EXPECT_TRUE(client.open());
  EXPECT_EQ(client.peer.received(), "");
  EXPECT_EQ(client.ask(kGet).body, "hello");
  EXPECT_EQ(world.errors(ProxyError::kRequestTimeout), 0U);
}

TEST_F(ExchangeTest, AnEmptyLineMayComeInPieces) {
  Backend stable(world, kStable);
  Client client(world);
  EXPECT_EQ(client.ask(post("x") + "\r").body, "hello");
  EXPECT_TRUE(client.open());
  client.send("\n");
  EXPECT_TRUE(client.open());
  EXPECT_EQ(client.ask(kGet).body, "hello");
}

TEST_F(ExchangeTest, AHeadAcrossManyBlocksIsServed) {
  Backend stable(world, kStable, [](const Message& m) { return ok(m.field("X-Last")); });
  std::string fields;
  for (int i = 0; i < 60; ++i) fields += "X-Fill: " + std::string(1000, 'f') + "\r\n";
  Client client(world);
  EXPECT_EQ(client.ask(get("/", fields + "X-Last: 1\r\n")).body, "1");
  EXPECT_EQ(client.ask(get("/", fields + "X-Last: 2\r\n")).body, "2");
}

TEST_F(ExchangeTest, AResponseHeadAcrossManyBlocksIsServed) {
  std::string fields;
  for (int i = 0; i < 60; ++i) fields += "X-Fill: " + std::string(1000, 'f') + "\r\n";
  Backend stable(world, kStable, ok("x", fields + "X-Last: 1\r\n"));
  Client client(world);
  const Message reply = client.ask(kGet);
  EXPECT_EQ(reply.field("X-Last"), "1");
  EXPECT_EQ(reply.count("X-Fill"), 60U);
}

// A client that closes between two requests is no error, and neither is one that never asks.
TEST_F(ExchangeTest, AClientThatLeavesBetweenRequestsIsNoError) {
  Backend stable(world, kStable);
  {
    Client client(world);
    EXPECT_EQ(client.ask(kGet).body, "hello");
    const Client silent(world);
    world.net.run_for(100ms);
    EXPECT_EQ(world.service->connections(), 2U);
  }
  world.net.run_ready();
  EXPECT_EQ(world.service->connections(), 0U);
  EXPECT_EQ(world.errors(ProxyError::kClientGone), 0U);
}

}  // namespace
}  // namespace canaryd::test
