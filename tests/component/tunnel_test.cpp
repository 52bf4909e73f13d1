// WebSocket tunnels: the handshake, the bytes, and who is blamed for their end.
#include "component/tunnel_world.hpp"

namespace canaryd::test {
namespace {

// ---- The handshake

TEST_F(TunnelTest, TheHandshakeIsAskedForAndAgreedTo) {
  Client client(world);
  client.send(get("/chat", std::string("X-User: u\r\nTE: trailers\r\n").append(kHandshake)));
  SimPeer& server = canary.accept();
  world.net.run_ready();
  std::string text = server.take();
  const auto request = take_message(text, BodyRule::kRequest);
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->field("Upgrade"), "websocket");
  EXPECT_EQ(request->field("Connection"), "upgrade");
  EXPECT_EQ(request->field("Sec-WebSocket-Key"), "dGhlIHNhbXBsZSBub25jZQ==");
  EXPECT_EQ(request->field("X-Canaryd-Cohort"), "canary");
  server.send(kSwitching);
  const Message reply = client.read();
  EXPECT_EQ(reply.start, "HTTP/1.1 101 Switching Protocols");
  EXPECT_EQ(reply.field("Upgrade"), "websocket");
  EXPECT_EQ(reply.field("Connection"), "upgrade");
  EXPECT_EQ(reply.field("Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(tunnels(Cohort::kCanary), 1);
}

TEST_F(TunnelTest, BytesBehindEitherHeadAreNotLost) {
  Client client(world);
  const std::string early = client_frame(1, "early");
  client.send(get("/chat", std::string("X-User: u\r\n").append(kHandshake)) + early);
  SimPeer& server = canary.accept();
  world.net.run_ready();
  // Not before the upstream has agreed: until then they may be another request.
  EXPECT_TRUE(server.take().ends_with("\r\n\r\n"));
  server.send(std::string(kSwitching) + server_frame(1, "welcome"));
  world.net.run_ready();
  EXPECT_EQ(server.take(), early);
  EXPECT_TRUE(client.peer.take().ends_with("\r\n\r\n" + server_frame(1, "welcome")));
}

// It is the request that counts, however long the tunnel lives.
TEST_F(TunnelTest, AHandshakeIsASuccessBetweenFailures) {
  for (int i = 0; i < 3; ++i) {
    for (int bad = 0; bad < 4; ++bad) world.gate->failed(1, 5, world.net.now());
    const Pair pair = open();
  }
  EXPECT_FALSE(world.gate->state().open);
}

// What breaks each tunnel off at once is no version that answers.
TEST_F(TunnelTest, AHandshakeThatLeadsNowhereIsNone) {
  world.failures.protection.circuit_failures = 5;
  world.publish();
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(world.gate->state().open) << i;
    const Pair pair = open();
    pair.server->reset();
    world.net.run_ready();
  }
  EXPECT_TRUE(world.gate->state().open);
}

TEST_F(TunnelTest, OtherOffersGoOnAsPlainRequests) {
  Backend plain(world, address("10.0.0.9:80"), ok("plain"));
  world.upstreams[1].endpoints = {address("10.0.0.9:80")};
  world.publish();
  const std::string key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  for (const std::string& fields : {
           "Connection: upgrade\r\nUpgrade: chat\r\n" + key,
           "Connection: upgrade\r\nUpgrade: websocket, chat\r\n" + key,
           "Upgrade: websocket\r\n" + key,
           std::string("Connection: upgrade\r\nUpgrade: websocket\r\n"),
       }) {
    Client client(world);
    EXPECT_EQ(client.ask(get("/", "X-User: u\r\n" + fields)).body, "plain");
    EXPECT_FALSE(plain.requests.back().has("Upgrade")) << fields;
    EXPECT_FALSE(plain.requests.back().has("Connection")) << fields;
  }
}

TEST_F(TunnelTest, A101ThatWasNotAskedForIsRefused) {
  Client client(world);
  client.send(get("/", "X-User: u\r\n"));
  canary.accept().send(kSwitching);
  EXPECT_EQ(client.read().field("X-Canaryd-Error"), "upstream_protocol");
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 1U);
}

TEST_F(TunnelTest, A101ToSomethingElseIsRefused) {
  Client client(world);
  client.send(get("/chat", std::string("X-User: u\r\n").append(kHandshake)));
  canary.accept().send(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
  EXPECT_EQ(client.read().field("X-Canaryd-Error"), "upstream_protocol");
  EXPECT_EQ(tunnels(Cohort::kCanary), 0);
}

// A version that gets the handshake wrong opens no tunnel for any client: it has failed.
TEST_F(TunnelTest, A101ToAnotherKeyIsRefused) {
  Client client(world);
  client.send(get("/chat", std::string("X-User: u\r\n").append(kHandshake)));
  std::string switching(kSwitching);
  canary.accept().send(switching.replace(switching.find("s3pP"), 4, "S3pP"));
  EXPECT_EQ(client.read().field("X-Canaryd-Error"), "upstream_protocol");
  EXPECT_EQ(tunnels(Cohort::kCanary), 0);
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 1U);
}

TEST_F(TunnelTest, AnotherAnswerIsAnAnswer) {
  Client client(world);
  client.send(get("/chat", std::string("X-User: u\r\n").append(kHandshake)));
  SimPeer& server = canary.accept();
  server.send("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno");
  const Message reply = client.read();
  EXPECT_EQ(reply.status(), 426);
  EXPECT_EQ(reply.body, "no");
  // Both connections live on.
  client.send(get("/", "X-User: u\r\n"));
  server.take();
  world.net.run_ready();
  EXPECT_NE(server.received(), "");
  server.send(ok("again"));
  EXPECT_EQ(client.read().body, "again");
}

TEST_F(TunnelTest, AFailedHandshakeCountsForItsCohort) {
  Client client(world);
  client.send(get("/chat", std::string("X-User: u\r\n").append(kHandshake)));
  canary.accept().send("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(client.read().status(), 503);
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 1U);
}

TEST_F(TunnelTest, ARefusedConnectCountsForItsCohort) {
  canary.stop();
  Client client(world);
  EXPECT_EQ(client.ask(get("/chat", std::string("X-User: u\r\n").append(kHandshake)))
                .field("X-Canaryd-Error"),
            "connect_failed");
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 1U);
}

TEST_F(TunnelTest, TheSwitchMayIssueACookieAndTellTheCohort) {
  world.listener.expose_cohort = true;
  world.service->update(std::make_shared<proxy::ListenerSpec>(world.listener));
  world.rollout().sticky.sources = {{routing::KeySource::kCookie, "id"}};
  world.rollout().sticky.issue_cookie = routing::IssueCookie{};
  world.rollout().sticky.issue_cookie->name = "id";
  world.publish();
  Client client(world);
  client.send(get("/chat", kHandshake));
  canary.accept().send(kSwitching);
  const Message reply = client.read();
  EXPECT_EQ(reply.status(), 101);
  EXPECT_TRUE(reply.field("Set-Cookie").starts_with("id="));
  EXPECT_EQ(reply.field("X-Canaryd-Cohort"), "canary");
}

// ---- The bytes

TEST_F(TunnelTest, BytesFlowBothWaysAsTheyAre) {
  const Pair pair = open();
  for (int round = 0; round < 3; ++round) {
    pair.client->send(client_frame(1, "ping"));
    EXPECT_TRUE(arrives(*pair.server, client_frame(1, "ping")));
    pair.server->send(server_frame(1, "pong"));
    EXPECT_TRUE(arrives(pair.client->peer, server_frame(1, "pong")));
  }
  // Not WebSocket at all, and none of our business.
  pair.server->send("\xff\xff\xff\xff hello");
  EXPECT_TRUE(arrives(pair.client->peer, "\xff\xff\xff\xff hello"));
}

TEST_F(TunnelTest, AnIdleTunnelHoldsNoBlock) {
  const Pair pair = open();
  pair.client->send(client_frame(1, "ping"));
  world.net.run_ready();
  EXPECT_EQ(world.worker.buffers().small.on_loan(), 0U);
  EXPECT_EQ(world.worker.buffers().large.on_loan(), 0U);
}

TEST_F(TunnelTest, AReaderThatIsSlowHoldsTheSenderBack) {
  const Pair pair = open();
  pair.client->peer.stop_reading();
  const std::string body = pattern(4'000'000);
  pair.server->send(long_header(body.size()) + body);
  world.net.run_for(10s);
  EXPECT_LE(world.worker.buffers().small.on_loan(), 1U);
  EXPECT_GT(pair.server->unsent(), 3'000'000U);
  // The other direction is not held up.
  pair.client->send(client_frame(1, "still here"));
  EXPECT_TRUE(arrives(*pair.server, client_frame(1, "still here")));
  pair.client->peer.resume_reading();
  world.net.run_until([&] { return pair.server->unsent() == 0; });
  world.net.run_ready();
  EXPECT_EQ(pair.client->peer.take(), long_header(body.size()) + body);
}

TEST_F(TunnelTest, HalfACloseIsPassedOn) {
  const Pair pair = open();
  pair.client->send(client_frame(1, "last"));
  pair.client->peer.shutdown_send();
  world.net.run_ready();
  EXPECT_EQ(pair.server->take(), client_frame(1, "last"));
  EXPECT_TRUE(pair.server->saw_fin());
  EXPECT_TRUE(pair.client->open());
  pair.server->send(server_frame(1, "answer"));
  pair.server->shutdown_send();
  EXPECT_TRUE(pair.client->closes_within(1s));
  EXPECT_EQ(pair.client->peer.take(), server_frame(1, "answer"));
  EXPECT_FALSE(pair.client->peer.saw_reset());
}

TEST_F(TunnelTest, HalfACloseIsNotHeldForEver) {
  const Pair pair = open();
  pair.server->send(close_frame(1000));
  pair.server->shutdown_send();
  world.net.run_for(29s);
  EXPECT_EQ(tunnels(Cohort::kCanary), 1);
  EXPECT_TRUE(world.net.run_until([&] { return world.service->connections() == 0; }, 3s));
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 0U);
}

TEST_F(TunnelTest, ItsConnectionIsNotUsedAgain) {
  const Pair pair = open();
  pair.client->send(client_frame(8, ""));
  pair.server->send(close_frame(1000));
  pair.server->shutdown_send();
  pair.client->peer.shutdown_send();
  EXPECT_TRUE(pair.client->closes_within(1s));
  world.net.run_ready();
  EXPECT_TRUE(pair.server->ended());
  EXPECT_EQ(world.upstream("canary").idle.load(), 0U);
  EXPECT_EQ(world.upstream("canary").busy.load(), 0U);
}

// ---- Whose fault

TEST_F(TunnelTest, TheHandshakeIsTheRequestThatCounts) {
  Client client(world);
  client.send(get("/chat", std::string("X-User: u\r\n").append(kHandshake)));
  SimPeer& server = canary.accept();
  world.net.run_for(40ms);
  server.send(kSwitching);
  EXPECT_EQ(client.read().status(), 101);
  auto counted = world.counters(Cohort::kCanary);
  EXPECT_EQ(counted.judged, 1U);
  EXPECT_EQ(counted.active, 0);
  EXPECT_EQ(counted.tunnels, 1);
  world.net.run_for(10min);
  client.send(client_frame(1, "hello"));
  server.send(close_frame(1000));
  server.shutdown_send();
  client.peer.shutdown_send();
  EXPECT_TRUE(client.closes_within(1s));
  counted = world.counters(Cohort::kCanary);
  EXPECT_EQ(counted.requests(), 1U);
  EXPECT_EQ(counted.code_class[1], 1U);
  EXPECT_EQ(counted.bad, 0U);
  EXPECT_EQ(counted.tunnels, 0);
  EXPECT_EQ(counted.duration_us, 40'000U);
  EXPECT_EQ(counted.bytes_in, client_frame(1, "hello").size());
  EXPECT_EQ(counted.bytes_out, close_frame(1000).size());
}

TEST_F(TunnelTest, AnUpstreamThatBreaksItOffIsBlamed) {
  const Pair pair = open();
  pair.server->send(server_frame(1, "half a"));
  world.net.run_ready();
  pair.server->reset();
  EXPECT_TRUE(pair.client->closes_within(1ms));
  EXPECT_TRUE(pair.client->peer.saw_reset());
  const auto counted = world.counters(Cohort::kCanary);
  EXPECT_EQ(counted.judged, 2U);
  EXPECT_EQ(counted.bad, 1U);
  EXPECT_EQ(counted.code_class[0], 1U);
  EXPECT_EQ(counted.code_class[1], 1U);
  EXPECT_EQ(counted.user_failures, 1U);
  EXPECT_EQ(world.errors(ProxyError::kUpstreamReset), 1U);
  const auto failure = world.failure_queue->pop();
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->cohort, Cohort::kCanary);
}

TEST_F(TunnelTest, AnUpstreamThatEndsWithoutACloseFrameIsBlamed) {
  const Pair pair = open();
  pair.server->shutdown_send();
  world.net.run_ready();
  EXPECT_TRUE(pair.client->peer.saw_fin());
  pair.client->peer.shutdown_send();
  EXPECT_TRUE(world.net.run_until([&] { return pair.server->ended(); }, 1s));
  world.net.run_ready();
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 1U);
}

TEST_F(TunnelTest, ACloseFrameThatSaysInternalErrorIsBlamed) {
  const Pair pair = open();
  pair.server->send(close_frame(1011));
  world.net.run_ready();
  pair.client->send(client_frame(8, ""));
  world.net.run_ready();
  pair.client->peer.shutdown_send();
  pair.server->shutdown_send();
  EXPECT_TRUE(pair.client->closes_within(1s));
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 1U);
}

TEST_F(TunnelTest, AnOrderlyCloseBlamesNobody) {
  for (const std::uint16_t code : std::initializer_list<std::uint16_t>{1000, 1001, 1008, 4000}) {
    const Pair pair = open();
    pair.server->send(close_frame(code));
    pair.server->shutdown_send();
    world.net.run_ready();
    pair.client->peer.shutdown_send();
    EXPECT_TRUE(pair.client->closes_within(1s));
  }
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 0U);
  EXPECT_EQ(world.errors(ProxyError::kUpstreamReset), 0U);
}

TEST_F(TunnelTest, AClientThatLeavesBlamesNobody) {
  const Pair in_order = open();
  in_order.client->send(client_frame(8, "\x03\xe8"));
  world.net.run_ready();
  // Without an answer: it was the client who wanted to end.
  in_order.server->shutdown_send();
  world.net.run_ready();
  in_order.client->peer.shutdown_send();
  EXPECT_TRUE(in_order.client->closes_within(1s));
  EXPECT_EQ(world.errors(ProxyError::kClientGone), 0U);

  const Pair ends = open();
  ends.client->peer.shutdown_send();
  world.net.run_ready();
  ends.server->reset();
  EXPECT_TRUE(ends.client->closes_within(1s));
  const Pair resets = open();
  resets.client->peer.reset();
  world.net.run_ready();
  EXPECT_TRUE(resets.server->saw_reset());
  EXPECT_EQ(world.errors(ProxyError::kClientGone), 2U);
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 0U);
  EXPECT_EQ(world.counters(Cohort::kCanary).requests(), 3U);
}

// Of what is not WebSocket an orderly end tells nothing.
TEST_F(TunnelTest, OfBytesThatAreNoFramesOnlyAResetTells) {
  const Pair ends = open();
  ends.server->send("no frames\r\n");
  ends.server->shutdown_send();
  ends.client->peer.shutdown_send();
  EXPECT_TRUE(ends.client->closes_within(1s));
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 0U);
  const Pair breaks = open();
  breaks.server->send("no frames\r\n");
  world.net.run_ready();
  breaks.server->reset();
  EXPECT_TRUE(breaks.client->closes_within(1s));
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 1U);
}

// RFC 6455 section 5.1: a server must close then, and need not say why.
TEST_F(TunnelTest, AClientThatDoesNotMaskHasToBeCutOff) {
  const Pair pair = open();
  pair.client->send(server_frame(1, "not masked"));
  world.net.run_ready();
  pair.server->reset();
  EXPECT_TRUE(pair.client->closes_within(1s));
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 0U);
}

TEST_F(TunnelTest, AnUpstreamThatStopsReadingIsCutAndBlamed) {
  const Pair pair = open();
  pair.server->stop_reading();
  pair.client->send(std::string(1'000'000, 'x'));
  world.net.run_for(29s);
  EXPECT_TRUE(pair.client->open());
  EXPECT_TRUE(pair.client->closes_within(2s));
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 1U);
  EXPECT_EQ(world.errors(ProxyError::kTimeout), 1U);
}

// As an echo does that is in the middle of a write.
TEST_F(TunnelTest, AnUpstreamThatItsClientKeepsFromReadingIsNotBlamed) {
  auto patient = std::make_shared<proxy::ListenerSpec>(world.listener);
  patient->write_stall_timeout = 60s;
  world.service->update(patient);
  const Pair pair = open();
  pair.client->peer.stop_reading();
  pair.server->stop_reading();
  pair.server->send(std::string(1'000'000, 'x'));
  pair.client->send(std::string(1'000'000, 'x'));
  world.net.run_for(40s);
  EXPECT_EQ(tunnels(Cohort::kCanary), 1);
  // From now on it is its own doing.
  pair.client->peer.resume_reading();
  world.net.run_for(29s);
  EXPECT_EQ(tunnels(Cohort::kCanary), 1);
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 0U);
  world.net.run_for(2s);
  EXPECT_EQ(tunnels(Cohort::kCanary), 0);
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 1U);
}

TEST_F(TunnelTest, AClientThatStopsReadingIsCut) {
  const Pair pair = open();
  pair.client->peer.stop_reading();
  pair.server->send(std::string(1'000'000, 'x'));
  world.net.run_for(29s);
  EXPECT_FALSE(pair.server->ended());
  EXPECT_TRUE(world.net.run_until([&] { return pair.server->ended(); }, 2s));
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 0U);
  EXPECT_EQ(world.errors(ProxyError::kClientGone), 1U);
}

}  // namespace
}  // namespace canaryd::test
