// Endpoints that fail are taken out of use for a while, and what happens when none is left.
#include "component/proxy_world.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>

namespace canaryd::test {
namespace {

const std::array kEndpoints{
    kStable, kStable2, address("10.0.0.5:80"), address("10.0.0.6:80"), address("10.0.0.7:80")};

class OutlierTest : public ProxyTest {
 protected:
  OutlierTest() {
    upstream::UpstreamSpec& app = world.upstreams[0];
    app.endpoints = {kEndpoints[0], kEndpoints[1], kEndpoints[2], kEndpoints[3]};
    app.load_balancer = upstream::LoadBalancer::kRoundRobin;
    app.retries.attempts = 0;
    app.timeouts.first_byte = 2s;
    app.outlier_detection = upstream::OutlierDetection{};
    for (std::size_t i = 0; i < 4; ++i) answer(i, ok(std::to_string(i)));
  }
  void answer(std::size_t index, const std::string& text) {
    backends_[index].reset();
    backends_[index] = std::make_unique<Backend>(world, kEndpoints[index], text);
  }
  // So many requests, each by a client of its own: how often each answer came.
  std::map<std::string, int> ask(int times, const std::string& request = get("/")) {
    std::map<std::string, int> counts;
    for (int i = 0; i < times; ++i) {
      Client client(world);
      const Message reply = client.ask(request);
      ++counts[reply.status() == 200 ? reply.body : std::to_string(reply.status())];
    }
    return counts;
  }
  using Counts = std::map<std::string, int>;

  std::array<std::unique_ptr<Backend>, kEndpoints.size()> backends_;
};

// One bad endpoint of four: after five failures the others serve everything.
TEST_F(OutlierTest, OneBadEndpointIsEjected) {
  world.start();
  struct Kind {
    std::string shown;
    std::function<void()> begin;
  };
  const auto scripted = [this](std::function<void(SimPeer&)> act) {
    return [this, act = std::move(act)] {
      backends_[1].reset();
      backends_[1] = std::make_unique<Backend>(world, kEndpoints[1], "");
      backends_[1]->server.on_data([act](SimPeer& peer) { act(peer); });
    };
  };
  const std::array<Kind, 7> kinds{{
      {"502", [this] { backends_[1].reset(); }},
      {"502", scripted([](SimPeer& peer) { peer.reset(); })},
      {"502", scripted([](SimPeer& peer) { peer.send("SMTP ready\r\n\r\n"); })},
      {"504", scripted([](SimPeer&) {})},
      {"502", [this] { answer(1, "HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n"); }},
      {"503", [this] { answer(1, "HTTP/1.1 503 Bad\r\nContent-Length: 0\r\n\r\n"); }},
      {"504", [this] { answer(1, "HTTP/1.1 504 Bad\r\nContent-Length: 0\r\n\r\n"); }},
  }};
  for (const Kind& kind : kinds) {
    backends_[1].reset();
    kind.begin();
    EXPECT_EQ(ask(20), (Counts{{"0", 5}, {"2", 5}, {"3", 5}, {kind.shown, 5}}));
    EXPECT_EQ(ask(30), (Counts{{"0", 10}, {"2", 10}, {"3", 10}}));
    answer(1, ok("1"));
    world.net.run_for(30s);
    EXPECT_EQ(ask(40).at("1"), 10);
  }
}

TEST_F(OutlierTest, WhatIsNotItsFaultDoesNotCount) {
  world.listener.body_bytes_max = 10;
  world.start();
  answer(1, "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(ask(80).at("500"), 20);
  // Clients that leave.
  backends_[1]->server.on_data([](SimPeer&) {});
  for (int i = 0; i < 80; ++i) {
    Client client(world);
    client.send(get("/"));
    world.net.run_ready();
  }
  // Requests that the proxy refuses.
  EXPECT_EQ(ask(80, post("longer than ten")), (Counts{{"413", 80}}));
  answer(1, ok("1"));
  EXPECT_EQ(ask(80).at("1"), 20);
}

// A server that restarts closes the connections in our pool; that is no failure.
TEST_F(OutlierTest, DeadPooledConnectionsDoNotCount) {
  world.upstreams[0].outlier_detection->consecutive_failures = 1;
  world.start();
  EXPECT_EQ(ask(4).size(), 4U);
  // They break as the next request comes.
  bool fresh = false;
  for (auto& backend : backends_) {
    if (backend == nullptr) continue;
    backend->server.on_data([&fresh](SimPeer& peer) {
      peer.take();
      if (fresh) return peer.send(ok("fresh"));
      fresh = true;
      peer.reset();
    });
  }
  EXPECT_EQ(ask(1), (Counts{{"fresh", 1}}));
  EXPECT_EQ(ask(40), (Counts{{"fresh", 40}}));
  EXPECT_EQ(world.upstream("stable").connects_ok.load(), 6U);
}

TEST_F(OutlierTest, ASuccessEndsTheRow) {
  world.start();
  int asked = 0;
  backends_[1].reset();
  backends_[1] = std::make_unique<Backend>(world, kEndpoints[1], [&](const Message&) {
    return ++asked % 5 == 0 ? ok("1") : "HTTP/1.1 503 Oh\r\nContent-Length: 0\r\n\r\n";
  });
  EXPECT_EQ(ask(400).at("1"), 20);
}

TEST_F(OutlierTest, AtMostHalfOfThemAreOut) {
  world.start();
  for (auto& backend : backends_) backend.reset();
  ask(200);
  // Two are out; all requests meet the two others, which fail as well.
  EXPECT_EQ(world.upstream("stable").connects_failed.load(), 200U);
  for (std::size_t i = 0; i < 4; ++i) answer(i, ok(std::to_string(i)));
  EXPECT_EQ(ask(40).size(), 2U);
  world.net.run_for(30s);
  // Who comes back has the place in the round that it left.
  const Counts counts = ask(40);
  ASSERT_EQ(counts.size(), 4U);
  for (const auto& [answer, times] : counts) EXPECT_NEAR(times, 10, 1) << answer;
}

TEST_F(OutlierTest, ARetryIsCountedForItsOwnEndpoint) {
  world.upstreams[0].retries.attempts = 1;
  world.upstreams[0].retries.budget_percent = 100;
  world.start();
  backends_[1].reset();
  const Counts counts = ask(60);
  EXPECT_EQ(counts.count("502"), 0U);
  EXPECT_EQ(world.upstream("stable").retries_ok.load(), 5U);
}

TEST_F(OutlierTest, WhatAnotherHasUsedUpIsNoTimeToAnswerIn) {
  upstream::UpstreamSpec& app = world.upstreams[0];
  app.endpoints = {kEndpoints[0], kEndpoints[1]};
  app.retries.attempts = 1;
  app.retries.budget_percent = 100;
  app.timeouts.request = 2s;
  app.timeouts.per_try = 1800ms;
  app.outlier_detection->consecutive_failures = 1;
  app.outlier_detection->max_ejected_percent = 100;
  world.start();
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
    answer(i, "");
    backends_[i]->server.on_data([](SimPeer&) {});
  }
  EXPECT_EQ(ask(1), (Counts{{"504", 1}}));
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) answer(i, ok(std::to_string(i)));
  EXPECT_EQ(ask(10).size(), 1U) << "one of them is out, and not both";
}

TEST_F(OutlierTest, TheRowAndTheEjectionOutliveATable) {
  world.start();
  backends_[1].reset();
  EXPECT_EQ(ask(16).at("502"), 4);
  world.upstreams[0].timeouts.first_byte = 3s;
  world.publish();
  EXPECT_EQ(ask(40).at("502"), 1);
  world.upstreams[0].endpoints.emplace_back(kEndpoints[4]);
  answer(4, ok("4"));
  world.publish();
  EXPECT_EQ(ask(40), (Counts{{"0", 10}, {"2", 10}, {"3", 10}, {"4", 10}}));
}

// ---- Slow start

// Virtual time stands still while the requests of a step are made.
TEST_F(OutlierTest, WhoIsBackGetsMoreStepByStep) {
  world.upstreams[0].slow_start = 10s;
  world.start();
  backends_[1].reset();
  EXPECT_EQ(ask(20).at("502"), 5);
  answer(1, ok("1"));
  EXPECT_EQ(ask(30).count("1"), 0U);
  world.net.run_for(30s);
  for (int tenth = 1; tenth <= 12; ++tenth) {
    world.net.run_for(1s);
    const double part = std::min(tenth / 10.0, 1.0);
    EXPECT_NEAR(ask(310)["1"], 310 * part / (3 + part), 2) << tenth;
  }
}

// What active checks say, and the same way back.
TEST_F(OutlierTest, TheUnhealthyGetNoneAndComeBackSlowly) {
  world.upstreams[0].outlier_detection.reset();
  world.upstreams[0].health_check = true;
  world.upstreams[0].slow_start = 10s;
  world.start();
  upstream::EndpointState& state = world.endpoint("stable", 2);
  EXPECT_EQ(ask(40).at("2"), 10);
  state.set_health(upstream::Health::kUnhealthy, world.net.now());
  EXPECT_EQ(ask(30), (Counts{{"0", 10}, {"1", 10}, {"3", 10}}));
  world.net.run_for(5s);
  state.set_health(upstream::Health::kHealthy, world.net.now());
  EXPECT_LE(ask(300)["2"], 1);
  world.net.run_for(5s);
  EXPECT_NEAR(ask(350)["2"], 50, 2);
  world.net.run_for(5s);
  EXPECT_NEAR(ask(400)["2"], 100, 2);
  for (std::size_t i = 0; i < 4; ++i) {
    world.endpoint("stable", i).set_health(upstream::Health::kUnhealthy, world.net.now());
  }
  EXPECT_EQ(ask(10), (Counts{{"503", 10}}));
}

// ---- None left

TEST_F(OutlierTest, NoneLeftIs503) {
  world.upstreams[0].outlier_detection->max_ejected_percent = 100;
  world.start();
  for (auto& backend : backends_) backend.reset();
  EXPECT_EQ(ask(20), (Counts{{"502", 20}}));
  Client client(world);
  const Message reply = client.ask(get("/"));
  EXPECT_EQ(reply.status(), 503);
  EXPECT_EQ(reply.field("X-Canaryd-Error"), "no_healthy_endpoint");
  EXPECT_EQ(reply.field("Retry-After"), "1");
  // The connection goes on.
  EXPECT_EQ(client.ask(get("/")).status(), 503);
  EXPECT_EQ(client.ask(post("body")).status(), 503);
  EXPECT_EQ(world.errors(ProxyError::kNoHealthyEndpoint), 3U);
  for (std::size_t i = 0; i < 4; ++i) answer(i, ok(std::to_string(i)));
  world.net.run_for(30s);
  EXPECT_EQ(ask(8).size(), 4U);
}

class NoCanaryTest : public OutlierTest {
 protected:
  NoCanaryTest() {
    world.split(10000);
    upstream::UpstreamSpec& canary = world.upstreams[1];
    canary.endpoints = {kCanary};
    canary.retries.attempts = 1;
    canary.outlier_detection = upstream::OutlierDetection{1, 30s, 100};
  }
};

TEST_F(NoCanaryTest, StableAnswersAndTheCanaryIsCharged) {
  world.failures.fallback.add(http::Method::kGet);
  world.start();
  // The first is a failed connect, which ejects; there is nothing to retry on.
  for (int i = 0; i < 3; ++i) {
    Client client(world);
    EXPECT_EQ(client.ask(get("/", "X-User: " + std::to_string(i) + "\r\n")).status(), 200);
  }
  EXPECT_EQ(world.upstream("canary").connects_failed.load(), 1U);
  const stats::CounterSnapshot canary = world.counters(Cohort::kCanary);
  EXPECT_EQ(canary.bad, 3U);
  EXPECT_EQ(canary.saved, 3U);
  EXPECT_EQ(canary.code_class[5], 3U);
}

TEST_F(NoCanaryTest, WithoutFallbackTheUserSeesIt) {
  world.start();
  std::map<std::string, int> seen;
  for (int i = 0; i < 3; ++i) {
    Client client(world);
    ++seen[client.ask(get("/", "X-User: " + std::to_string(i) + "\r\n")).field("X-Canaryd-Error")];
  }
  EXPECT_EQ(seen, (std::map<std::string, int>{{"connect_failed", 1}, {"no_healthy_endpoint", 2}}));
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 3U);
  EXPECT_EQ(world.counters(Cohort::kCanary).user_failures, 3U);
}

}  // namespace
}  // namespace canaryd::test
