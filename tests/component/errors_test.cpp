// What canaryd answers by itself, and what becomes of the connection afterwards.
#include "component/proxy_world.hpp"

namespace canaryd::test {
namespace {

class ErrorsTest : public ProxyTest {
 protected:
  // The answer has the form that docs/interfaces.md promises, and is counted.
  void expect_error(const Message& reply, int status, const std::string& word, ProxyError error) {
    EXPECT_EQ(reply.status(), status) << reply.start;
    EXPECT_EQ(reply.field("X-Canaryd-Error"), word);
    EXPECT_EQ(reply.field("Content-Type"), "text/plain; charset=utf-8");
    EXPECT_EQ(reply.field("Date"), kDate);
    EXPECT_TRUE(reply.whole);
    EXPECT_EQ(reply.body.find(word + ": "), 0U) << reply.body;
    EXPECT_EQ(world.errors(error), 1U);
  }
  // Sends what is refused; then the connection ends, without a reset.
  void expect_refused(const std::string& request,
                      int status,
                      const std::string& word,
                      ProxyError error) {
    Client client(world);
    const Message reply = client.ask(request);
    expect_error(reply, status, word, error);
    EXPECT_EQ(reply.field("Connection"), "close");
    EXPECT_TRUE(client.closes_within(2s));
    EXPECT_FALSE(client.peer.saw_reset());
  }
};

TEST_F(ErrorsTest, RefusesMalformedRequests) {
  world.start();
  const std::vector<std::string> requests = {
      "GET /\r\n\r\n",
      "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
      "GET / HTTP/1.1\nHost: a\n\n",
      "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
      "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
      "GET /../../etc HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /a%2fb HTTP/1.1\r\nHost: a\r\n\r\n",
      std::string("GET / HTTP/1.1\r\nHost: a\r\nX: ") + '\0' + "\r\n\r\n",
      "\x16\x03\x01\x02 a TLS hello\r\n\r\n",
  };
  for (const std::string& request : requests) {
    Client client(world);
    // A second request behind it must not be taken for one.
    const Message reply = client.ask(request + std::string(kGet));
    EXPECT_EQ(reply.status(), 400) << request;
    EXPECT_EQ(reply.field("X-Canaryd-Error"), "bad_request") << request;
    EXPECT_TRUE(client.closes_within(2s)) << request;
    EXPECT_EQ(client.peer.received(), "") << request;
  }
  EXPECT_EQ(world.errors(ProxyError::kBadRequest), requests.size());
}

TEST_F(ErrorsTest, RefusesOneMalformedRequest) {
  world.start();
  expect_refused("GET /\r\n\r\n", 400, "bad_request", ProxyError::kBadRequest);
}

// Where it is taken, it is a character: what hides a step upwards behind it is refused all the
// same.
TEST_F(ErrorsTest, AnEncodedSlashIsTakenWhereTheListenerSaysSo) {
  world.listener.targets.encoded_slash = true;
  world.start();
  Backend stable(world, kStable);
  Client client(world);
  EXPECT_EQ(client.ask("GET /@scope%2fname HTTP/1.1\r\nHost: a\r\n\r\n").status(), 200);
  EXPECT_EQ(stable.requests.at(0).target(), "/@scope%2Fname");
  expect_refused("GET /public/..%2fadmin HTTP/1.1\r\nHost: a\r\n\r\n",
                 400,
                 "bad_request",
                 ProxyError::kBadRequest);
}

TEST_F(ErrorsTest, AMalformedChunkIsTheClientsFault) {
  world.split(10000);
  world.start();
  SimServer canary(world.net, kCanary);
  expect_refused(
      "POST / HTTP/1.1\r\nHost: a\r\nX-User: u\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      400,
      "bad_request",
      ProxyError::kBadRequest);
  EXPECT_EQ(world.counters(Cohort::kCanary).excluded, 1U);
  // The upstream must not believe that it got all of it.
  EXPECT_TRUE(canary.accept().ended());
}

TEST_F(ErrorsTest, WithoutARouteThereIsNothing) {
  world.table.routes.front().match.path = "/app";
  world.start();
  Backend stable(world, kStable);
  Client client(world);
  const Message reply = client.ask(kGet);
  expect_error(reply, 404, "no_route", ProxyError::kNoRoute);
  EXPECT_EQ(reply.field("Connection"), "keep-alive");
  EXPECT_EQ(client.ask(get("/app")).body, "hello");
}

TEST_F(ErrorsTest, BeforeTheFirstTableThereIsNothing) {
  world.open();
  Client client(world);
  expect_error(client.ask(kGet), 404, "no_route", ProxyError::kNoRoute);
  // The body of the request is not read, so the connection cannot go on.
  EXPECT_EQ(client.ask(post("x")).field("Connection"), "close");
  EXPECT_TRUE(client.closes_within(2s));
}

TEST_F(ErrorsTest, AnErrorForHeadHasNoBody) {
  world.table.routes.front().match.path = "/app";
  world.start();
  Backend stable(world, kStable);
  Client client(world);
  const std::string head = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
  const Message reply = client.ask(head, BodyRule::kResponseToHead);
  EXPECT_EQ(reply.status(), 404);
  EXPECT_NE(reply.field("Content-Length"), "0");
  EXPECT_EQ(client.ask(get("/app")).body, "hello");
}

TEST_F(ErrorsTest, PipelinedRequestsBehindAnErrorAreServed) {
  world.table.routes.front().match.path = "/app";
  world.start();
  Backend stable(world, kStable);
  Client client(world);
  client.send(get("/") + get("/app") + get("/"));
  EXPECT_EQ(client.read().status(), 404);
  EXPECT_EQ(client.read().status(), 200);
  EXPECT_EQ(client.read().status(), 404);
}

TEST_F(ErrorsTest, RefusesABodyThatSaysItIsTooLarge) {
  world.listener.body_bytes_max = 10;
  world.start();
  Backend stable(world, kStable);
  Client client(world);
  EXPECT_EQ(client.ask(post("0123456789")).status(), 200);
  expect_refused(post("0123456789a"), 413, "body_too_large", ProxyError::kBodyTooLarge);
  EXPECT_EQ(stable.requests.size(), 1U);
}

TEST_F(ErrorsTest, RefusesChunksThatBecomeTooLarge) {
  world.listener.body_bytes_max = 10;
  world.start();
  SimServer stable(world.net, kStable);
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  expect_refused(
      head + chunked(std::string(11, 'x'), 4), 413, "body_too_large", ProxyError::kBodyTooLarge);
  EXPECT_TRUE(stable.accept().ended());
}

TEST_F(ErrorsTest, RefusesALongTarget) {
  world.listener.head.target_bytes = 100;
  world.start();
  expect_refused(
      get("/" + std::string(100, 'x')), 414, "target_too_long", ProxyError::kTargetTooLong);
}

// RFC 9110 section 9.3.2: also where the request line is not read to its end.
TEST_F(ErrorsTest, RefusesHeadWithoutContent) {
  world.listener.head.target_bytes = 100;
  world.start();
  const auto refused = [this](const std::string& request) {
    Client client(world);
    client.send(request);
    EXPECT_TRUE(client.closes_within(2s));
    return client.peer.take();
  };
  for (const std::string& request : {"HEAD /" + std::string(100, 'x') + " HTTP/1.1\r\n\r\n",
                                     std::string("HEAD / HTTP/2.0\r\n\r\n"),
                                     std::string("HEAD / HTTP/x\r\n\r\n")}) {
    const std::string reply = refused(request);
    EXPECT_TRUE(reply.starts_with("HTTP/1.1 ")) << reply;
    EXPECT_TRUE(reply.ends_with("\r\n\r\n")) << reply;
    EXPECT_EQ(reply.find("\r\n\r\n"), reply.size() - 4) << reply;
  }
}

TEST_F(ErrorsTest, RefusesOtherExpectations) {
  world.start();
  expect_refused(
      post("x", "Expect: 200-ok\r\n"), 417, "expectation_failed", ProxyError::kExpectationFailed);
}

TEST_F(ErrorsTest, RefusesTooManyBytesOfFields) {
  world.listener.head.head_bytes = 1000;
  world.start();
  expect_refused(get("/", "X: " + std::string(1000, 'x') + "\r\n"),
                 431,
                 "headers_too_large",
                 ProxyError::kHeadersTooLarge);
}

TEST_F(ErrorsTest, RefusesTooManyFields) {
  world.listener.head.field_count = 3;
  world.start();
  expect_refused(
      get("/", "X: 1\r\nX: 2\r\nX: 3\r\n"), 431, "headers_too_large", ProxyError::kHeadersTooLarge);
}

// The largest head that may be configured is exactly one large block.
TEST_F(ErrorsTest, RefusesAHeadLargerThanAnyBlock) {
  world.listener.head.head_bytes = net::BufferPools::kLargeBytes;
  world.listener.head.field_count = 100'000;
  world.start();
  std::string fields;
  while (fields.size() < net::BufferPools::kLargeBytes) {
    fields += "X-Fill: " + std::string(1000, 'f') + "\r\n";
  }
  expect_refused(get("/", fields), 431, "headers_too_large", ProxyError::kHeadersTooLarge);
}

TEST_F(ErrorsTest, RefusesWhatItDoesNotImplement) {
  world.start();
  expect_refused("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                 501,
                 "not_implemented",
                 ProxyError::kNotImplemented);
}

TEST_F(ErrorsTest, RefusesOtherVersions) {
  world.start();
  expect_refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n",
                 505,
                 "version_not_supported",
                 ProxyError::kVersionNotSupported);
}

// ---- The upstream's

TEST_F(ErrorsTest, SaysWhenNobodyListens) {
  world.split(10000);
  world.start();
  Client client(world);
  const Message reply = client.ask(get("/", "X-User: u\r\nX-Request-Id: r1\r\n"));
  expect_error(reply, 502, "connect_failed", ProxyError::kConnectFailed);
  EXPECT_EQ(reply.field("X-Request-Id"), "r1");
  EXPECT_EQ(reply.field("Connection"), "keep-alive");
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 1U);
  EXPECT_EQ(world.counters(Cohort::kCanary).code_class[5], 1U);
  EXPECT_EQ(world.upstream("canary").connects_failed.load(), 2U);
  EXPECT_EQ(world.upstream("canary").retries_failed.load(), 1U);
  EXPECT_TRUE(client.open());
}

TEST_F(ErrorsTest, SaysWhenTheUpstreamBreaksOff) {
  world.split(10000);
  world.upstreams[1].retries.attempts = 0;
  world.start();
  Backend canary(world, kCanary, std::string());
  canary.server.on_data([](SimPeer& peer) { peer.reset(); });
  Client client(world);
  expect_error(
      client.ask(get("/", "X-User: u\r\n")), 502, "upstream_reset", ProxyError::kUpstreamReset);
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 1U);
  EXPECT_TRUE(client.open());
}

TEST_F(ErrorsTest, SaysWhenTheUpstreamTalksNonsense) {
  const std::vector<std::string> answers = {
      "SSH-2.0-OpenSSH\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
      "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "HTTP/1.1 99 Low\r\n\r\n",
      "HTTP/1.1 200 OK\r\nX: " + std::string(300'000, 'x') + "\r\n\r\n",
  };
  world.split(10000);
  world.start();
  for (const std::string& answer : answers) {
    Backend canary(world, kCanary, answer);
    Client client(world);
    const Message reply = client.ask(get("/", "X-User: u\r\n"));
    EXPECT_EQ(reply.status(), 502) << answer.substr(0, 100);
    EXPECT_EQ(reply.field("X-Canaryd-Error"), "upstream_protocol") << answer.substr(0, 100);
    EXPECT_TRUE(client.open());
  }
  EXPECT_EQ(world.errors(ProxyError::kUpstreamProtocol), answers.size());
  const auto counted = world.counters(Cohort::kCanary);
  EXPECT_EQ(counted.bad + counted.deduped, answers.size());
  EXPECT_EQ(world.upstream("canary").idle.load(), 0U);
}

// RFC 9110 section 7.6: an upstream that leads back to us must not be asked for ever.
TEST_F(ErrorsTest, ARequestThatGoesRoundInCirclesEnds) {
  world.split(0);
  world.start();
  Backend stable(world, kStable);
  std::string via = "Via: 1.1 canaryd";
  for (int i = 1; i < 10; ++i) via += ", 1.1 canaryd";
  Client client(world);
  EXPECT_EQ(client.ask(get("/", via + "\r\n")).status(), 200);
  expect_error(client.ask(get("/", via + ", 1.1 canaryd\r\n")),
               508,
               "loop_detected",
               ProxyError::kLoopDetected);
  EXPECT_EQ(stable.requests.size(), 1U);
}

// ---- Our own limits

TEST_F(ErrorsTest, RefusesConnectionsOverTheLimit) {
  world.listener.connections_max = 2;
  world.start();
  Backend stable(world, kStable);
  auto first = std::make_unique<Client>(world);
  Client second(world);
  EXPECT_EQ(first->ask(kGet).status(), 200);
  EXPECT_EQ(second.ask(kGet).status(), 200);
  Client third(world);
  const Message reply = third.read();
  expect_error(reply, 503, "overloaded", ProxyError::kOverloaded);
  EXPECT_EQ(reply.field("Retry-After"), "1");
  EXPECT_TRUE(third.closes_within(1ms));
  EXPECT_EQ(world.listener_gauge->refused.load(), 1U);
  EXPECT_EQ(world.listener_gauge->active.load(), 2);
  first.reset();
  world.net.run_ready();
  Client fourth(world);
  EXPECT_EQ(fourth.ask(kGet).status(), 200);
}

// A client that is still sending would lose the answer to a reset.
TEST_F(ErrorsTest, WhoeverIsTurnedAwayHearsItWhileSending) {
  world.listener.connections_max = 1;
  world.start();
  Client first(world);
  world.net.run_ready();
  Client second(world);
  second.send(post(pattern(200'000)));
  expect_error(second.read(), 503, "overloaded", ProxyError::kOverloaded);
  EXPECT_FALSE(second.peer.saw_reset());
  EXPECT_TRUE(second.closes_within(2s));
  EXPECT_FALSE(second.peer.saw_reset());
}

// Descriptors have run out: that is nothing that the version did.
TEST_F(ErrorsTest, RunningOutOfDescriptorsIsNotTheUpstreamsFault) {
  world.split(10000);
  world.start();
  Backend canary(world, kCanary);
  Client client(world);
  world.net.run_ready();
  world.net.set_out_of_descriptors(true);
  expect_error(client.ask(get("/", "X-User: u\r\n")), 503, "overloaded", ProxyError::kOverloaded);
  EXPECT_EQ(world.counters(Cohort::kCanary).excluded, 1U);
  world.net.set_out_of_descriptors(false);
  EXPECT_EQ(client.ask(get("/", "X-User: u\r\n")).status(), 200);
}

// What lies idle at the canary is in nobody's way when everybody goes back.
TEST_F(ErrorsTest, IdleConnectionsMakeWayForARollback) {
  constexpr std::size_t kClients = 4;
  world.split(10000);
  world.start();
  Backend stable(world, kStable, ok("stable"));
  Backend canary(world, kCanary, ok("canary"));
  world.net.set_connections_max(kClients);
  world.net.set_short_of_sockets(true);
  std::deque<Client> clients;
  const auto ask_all = [&](std::string_view expected) {
    for (Client& each : clients) each.send(get("/", "X-User: u\r\n"));
    for (Client& each : clients) EXPECT_EQ(each.read().body, expected);
  };
  for (std::size_t i = 0; i < kClients; ++i) clients.emplace_back(world);
  ask_all("canary");
  EXPECT_EQ(world.upstream("canary").idle.load(), kClients);
  world.gate->lower(1, BasisPoints(0));
  ask_all("stable");
  EXPECT_EQ(world.upstream("canary").idle.load(), 0U);
  EXPECT_EQ(world.errors(ProxyError::kOverloaded), 0U);
}

class BuffersTest : public ProxyTest {
 protected:
  BuffersTest() : ProxyTest({.small_blocks_max = 3, .large_blocks_max = 0, .exact_bytes_max = 0}) {}
};

TEST_F(BuffersTest, AnswersWithoutABuffer) {
  world.split(10000);
  world.start();
  Backend canary(world, kCanary);
  std::vector<std::unique_ptr<Client>> slow;
  for (int i = 0; i < 3; ++i) {
    slow.push_back(std::make_unique<Client>(world));
    slow.back()->send("GET / HT");
  }
  Client client(world);
  world.net.run_ready();
  EXPECT_EQ(world.worker.buffers().small.on_loan(), 3U);
  const Message reply = client.ask(get("/", "X-User: u\r\n"));
  EXPECT_EQ(reply.status(), 503);
  EXPECT_EQ(reply.field("X-Canaryd-Error"), "overloaded");
  EXPECT_TRUE(client.closes_within(2s));
  slow.clear();
  Client next(world);
  EXPECT_EQ(next.ask(get("/", "X-User: u\r\n")).body, "hello");
}

TEST_F(BuffersTest, NoBufferForTheResponseIsNotTheUpstreamsFault) {
  world.split(10000);
  world.start();
  Backend canary(world, kCanary);
  std::vector<std::unique_ptr<Client>> slow;
  for (int i = 0; i < 2; ++i) {
    slow.push_back(std::make_unique<Client>(world));
    slow.back()->send("GET / HT");
  }
  world.net.run_ready();
  Client client(world);
  const Message reply = client.ask(get("/", "X-User: u\r\n"));
  EXPECT_EQ(reply.field("X-Canaryd-Error"), "overloaded");
  EXPECT_EQ(world.counters(Cohort::kCanary).excluded, 1U);
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 0U);
}

}  // namespace
}  // namespace canaryd::test
