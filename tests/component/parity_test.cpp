// Reads that are asked again of both versions: which ones, what is sent, what is kept of the
// answers, and that nobody waits for any of it.
#include "component/proxy_world.hpp"
#include "proxy/parity_read.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace canaryd::test {
namespace {

using proxy::PendingRead;
using proxy::PendingReads;
using stats::ParityRead;

std::string json(std::string_view body, std::string_view fields = {}) {
  return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + std::string(fields) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

class ParityTest : public ProxyTest {
 protected:
  ParityTest() {
    world.split(0);
    proxy::ParityPolicy policy;
    policy.watch = 7;
    policy.share = routing::MirrorShare("parity web", BasisPoints(BasisPoints::kMax));
    policy.headers = {"cache-control"};
    policy.body_bytes_max = 1000;
    policy.counts = counts;
    world.parities = {policy};
  }

  [[nodiscard]] proxy::ParityPolicy& policy() { return world.parities.front(); }
  Message ask(std::string_view request) {
    Client client(world);
    return client.ask(request);
  }
  // What has been handed over once all that is under way has ended.
  std::vector<std::unique_ptr<ParityRead>> reads() {
    world.net.run_for(10s);
    std::vector<std::unique_ptr<ParityRead>> all;
    while (auto read = world.parity_queue->pop()) all.push_back(std::move(read));
    return all;
  }

  std::shared_ptr<stats::ParityCounts> counts = std::make_shared<stats::ParityCounts>();
};

TEST_F(ParityTest, BothVersionsAreAskedAndStableASecondTime) {
  Backend stable(world, kStable, json("{\"a\":1}", "Cache-Control: no-store\r\n"));
  Backend canary(world, kCanary, json("{\"a\":2}"));
  world.start();
  const std::string fields = "X-User: tom\r\nAccept-Encoding: gzip, br\r\nCookie: a=b\r\n";
  EXPECT_EQ(ask(get("/orders?x=1", fields)).body, "{\"a\":1}");
  world.net.run_ready();
  EXPECT_EQ(stable.requests.size(), 2U) << "the client's, and the first copy";
  const auto all = reads();
  ASSERT_EQ(stable.requests.size(), 3U);
  ASSERT_EQ(canary.requests.size(), 1U);
  EXPECT_EQ(stable.requests[0].field("Accept-Encoding"), "gzip, br");
  for (const Message* copy : {&stable.requests[1], &stable.requests[2], &canary.requests[0]}) {
    EXPECT_EQ(copy->start, stable.requests[0].start);
    EXPECT_EQ(copy->field("Accept-Encoding"), "identity");
    EXPECT_EQ(copy->field("X-Canaryd-Cohort"), "shadow");
    EXPECT_EQ(copy->field("X-Request-Id"), stable.requests[0].field("X-Request-Id"));
    EXPECT_EQ(copy->field("Cookie"), "a=b");
  }
  ASSERT_EQ(all.size(), 1U);
  const ParityRead& read = *all[0];
  EXPECT_EQ(read.watch, 7U);
  EXPECT_EQ(read.path, "/orders");
  for (const stats::ParityAnswer* answer : {&read.stable, &read.again}) {
    EXPECT_TRUE(answer->answered && answer->whole);
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->content_type, "application/json");
    EXPECT_EQ(answer->headers, std::vector<std::string>{"no-store"});
    EXPECT_EQ(answer->body, "{\"a\":1}");
  }
  EXPECT_EQ(read.canary.body, "{\"a\":2}");
  EXPECT_EQ(read.canary.headers, std::vector<std::string>{""});
}

// Without the field any coding would do, and none can be read.
TEST_F(ParityTest, NothingIsToComeCompressed) {
  Backend stable(world, kStable, json("{}"));
  Backend canary(world, kCanary, json("{}"));
  world.start();
  static_cast<void>(ask(get("/orders")));
  EXPECT_EQ(reads().size(), 1U);
  ASSERT_EQ(canary.requests.size(), 1U);
  EXPECT_EQ(canary.requests[0].field("Accept-Encoding"), "identity");
  EXPECT_FALSE(stable.requests[0].has("Accept-Encoding"));
}

// Copies are nobody's traffic: no evidence, no series, nothing of a mirror's.
TEST_F(ParityTest, CopiesAreNoEvidence) {
  Backend stable(world, kStable, json("{}"));
  Backend canary(world, kCanary, "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
  world.start();
  for (int i = 0; i < 8; ++i) ask(get("/", "X-User: tom\r\n"));
  EXPECT_EQ(reads().size(), 8U);
  EXPECT_EQ(world.counters(Cohort::kStable).requests(), 8U);
  EXPECT_EQ(world.counters(Cohort::kCanary).requests(), 0U);
  EXPECT_EQ(world.counters(Cohort::kShadow).requests(), 0U);
  EXPECT_FALSE(world.failure_queue->pop().has_value());
}

TEST_F(ParityTest, AClientCannotSayThatItIsACopy) {
  Backend stable(world, kStable, json("{}"));
  Backend canary(world, kCanary, json("{}"));
  world.start();
  ask(get("/", "X-Canaryd-Cohort: shadow\r\n"));
  EXPECT_EQ(reads().size(), 1U);
}

TEST_F(ParityTest, OnlyPlainReadsThatStableServes) {
  world.listener.trusted_proxies = {Cidr{}};
  Backend stable(world, kStable, json("{}"));
  Backend canary(world, kCanary, json("{}"));
  world.start();
  ask(post("x"));
  ask("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
  ask(get("/", "If-None-Match: \"a\"\r\n"));
  ask(get("/", "Range: bytes=0-1\r\n"));
  ask(get("/", "X-Canaryd-Cohort: shadow\r\n"));
  EXPECT_EQ(reads().size(), 0U);
  EXPECT_EQ(canary.requests.size(), 0U);
  ask(get("/"));
  ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(reads().size(), 2U);
  EXPECT_EQ(canary.requests.size(), 2U);
  world.split(BasisPoints::kMax);
  world.publish();
  EXPECT_EQ(ask(get("/", "X-User: tom\r\n")).body, "{}");
  EXPECT_EQ(reads().size(), 0U) << "the canary has served it";
}

TEST_F(ParityTest, AShareOfTheRequestsByTheirIds) {
  Backend stable(world, kStable, json("{}"));
  Backend canary(world, kCanary, json("{}"));
  policy().share = routing::MirrorShare("parity web", BasisPoints(5000));
  world.listener.trusted_proxies = {Cidr{}};
  world.start();
  std::size_t sampled = 0;
  for (int i = 0; i < 60; ++i) {
    const std::string request = get("/", "X-Request-Id: r" + std::to_string(i) + "\r\n");
    ask(request);
    ask(request);
    const std::size_t both = reads().size();
    EXPECT_TRUE(both == 0 || both == 2) << both;
    sampled += both / 2;
  }
  EXPECT_GT(sampled, 15U);
  EXPECT_LT(sampled, 45U);
}

TEST_F(ParityTest, NothingIsAskedWhereItIsOff) {
  Backend stable(world, kStable, json("{}"));
  Backend canary(world, kCanary, json("{}"));
  policy() = {};
  world.start();
  ask(get("/"));
  world.parities.clear();
  world.publish();
  ask(get("/"));
  EXPECT_EQ(reads().size(), 0U);
  EXPECT_EQ(stable.requests.size(), 2U);
  EXPECT_EQ(canary.requests.size(), 0U);
}

TEST_F(ParityTest, ARewriteIsTheCanarysOwn) {
  Backend stable(world, kStable, json("{}"));
  Backend canary(world, kCanary, json("{}"));
  world.table.routes.front().match.path = "/v1/orders";
  auto rules = std::make_shared<proxy::RouteRules>();
  rules->rewrite = proxy::RewritePolicy{
      http::PathMapping(http::PathMapping::Kind::kPrefix, "/v1/orders", "/orders"), UpstreamId(1)};
  world.rules = {rules};
  world.start();
  ask(get("/v1/orders/7?a"));
  EXPECT_EQ(reads().size(), 1U);
  EXPECT_EQ(canary.requests.at(0).target(), "/orders/7?a");
  for (const Message& request : stable.requests) EXPECT_EQ(request.target(), "/v1/orders/7?a");
}

// ---- Answers

TEST_F(ParityTest, ALongBodyIsNotKept) {
  const std::string longer = "\"" + pattern(1500) + "\"";
  Backend stable(world, kStable, json("{}"));
  Backend canary(world,
                 kCanary,
                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(longer, 400));
  world.start();
  ask(get("/"));
  const auto all = reads();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_TRUE(all[0]->canary.answered);
  EXPECT_FALSE(all[0]->canary.whole);
  EXPECT_EQ(all[0]->canary.body, "");
}

TEST_F(ParityTest, ChunksAndBodiesUpToTheEndAreTheirData) {
  const std::string body = pattern(900);
  Backend canary(
      world, kCanary, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body, 100));
  SimServer stable(world.net, kStable);
  stable.on_data([&body](SimPeer& peer) {
    peer.take();
    peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body);
    peer.close();
  });
  world.start();
  Client client(world);
  EXPECT_EQ(client.ask(get("/")).body, body);
  const auto all = reads();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0]->stable.body, body);
  EXPECT_EQ(all[0]->canary.body, body);
}

TEST_F(ParityTest, ACanaryThatDoesNotAnswerIsAnAnswer) {
  Backend stable(world, kStable, json("{}"));
  world.start();
  ask(get("/"));
  const auto down = reads();
  ASSERT_EQ(down.size(), 1U);
  EXPECT_TRUE(down[0]->stable.answered);
  EXPECT_FALSE(down[0]->canary.answered);
  Backend canary(world, kCanary, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  ask(get("/"));
  const auto cut = reads();
  ASSERT_EQ(cut.size(), 1U);
  EXPECT_FALSE(cut[0]->canary.answered);
}

TEST_F(ParityTest, WhatStableDoesNotAnswerSaysNothing) {
  Backend canary(world, kCanary, json("{}"));
  world.start();
  ask(get("/"));
  EXPECT_EQ(reads().size(), 0U);
  // A request that could not be forwarded is not asked again.
  EXPECT_EQ(canary.requests.size(), 0U);
  SimServer stable(world.net, kStable);
  bool first = true;
  stable.on_data([&first](SimPeer& peer) {
    peer.take();
    if (std::exchange(first, false)) peer.send(json("{}"));
  });
  ask(get("/"));
  EXPECT_EQ(reads().size(), 0U);
  EXPECT_EQ(counts->unanswered.load(), 1U);
}

// ---- Limits

TEST_F(ParityTest, ACanaryThatHangsChangesNothing) {
  Backend stable(world, kStable, json("{}"));
  SimServer canary(world.net, kCanary);
  world.start();
  Client client(world);
  const Monotonic begun = world.net.now();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client.ask(get("/")).body, "{}");
  EXPECT_EQ(world.net.now(), begun);
  world.net.run_ready();
  EXPECT_EQ(canary.connections(), PendingReads::kMax);
  EXPECT_EQ(counts->busy.load(), 100 - PendingReads::kMax);
  const auto all = reads();
  EXPECT_EQ(all.size(), PendingReads::kMax);
  for (const auto& read : all) EXPECT_FALSE(read->canary.answered);
  // And there is room again.
  ask(get("/"));
  EXPECT_EQ(reads().size(), 1U);
}

TEST_F(ParityTest, NobodyTakesThem) {
  Backend stable(world, kStable, json("{}"));
  Backend canary(world, kCanary, json("{}"));
  world.start();
  for (std::size_t i = 0; i < stats::kParityQueueCapacity + 10; ++i) {
    ask(get("/"));
    world.net.run_for(2s);
  }
  EXPECT_EQ(counts->busy.load(), 10U);
  EXPECT_EQ(reads().size(), stats::kParityQueueCapacity);
}

TEST_F(ParityTest, ALimitOfTheUpstreamIsItsClients) {
  world.upstreams[1].concurrency = upstream::Concurrency{2, 10, 1s};
  Backend stable(world, kStable, json("{}"));
  SimServer canary(world.net, kCanary);
  world.start();
  for (int i = 0; i < 5; ++i) ask(get("/"));
  world.net.run_ready();
  EXPECT_EQ(canary.connections(), 1U);
  EXPECT_EQ(reads().size(), 1U);
  EXPECT_EQ(counts->busy.load(), 4U);
}

// What the end of the daemon cuts off was no answer of anybody.
TEST_F(ParityTest, TheEndHandsNothingOver) {
  Backend stable(world, kStable, json("{}"));
  SimServer canary(world.net, kCanary);
  world.start();
  ask(get("/"));
  world.net.run_ready();
  world.service->cancel();
  EXPECT_EQ(reads().size(), 0U);
  EXPECT_EQ(counts->unanswered.load(), 0U);
}

}  // namespace
}  // namespace canaryd::test
