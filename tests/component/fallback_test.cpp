// A canary that fails, and stable that answers in its place: what is saved, what is not, and who is
// charged.
#include "component/proxy_world.hpp"

#include <array>
#include <functional>
#include <memory>

namespace canaryd::test {
namespace {

using http::Method;

// How a canary can fail before anything of its answer is with the client.
enum class Kind { kRefuses, kSilent, kResets, kCloses, kHalfHead, kGarbage, kHangs, k500, k503 };
constexpr std::array kKinds{Kind::kRefuses,
                            Kind::kSilent,
                            Kind::kResets,
                            Kind::kCloses,
                            Kind::kHalfHead,
                            Kind::kGarbage,
                            Kind::kHangs,
                            Kind::k500,
                            Kind::k503};

class FallbackTest : public ProxyTest {
 protected:
  FallbackTest() : stable_(world, kStable, ok("stable")) {
    world.split(10000);
    for (const Method method : {Method::kGet, Method::kHead, Method::kOptions}) {
      world.failures.fallback.add(method);
    }
    world.upstreams[1].retries = {0, false, false};
    world.upstreams[1].timeouts.first_byte = 2s;
  }

  [[nodiscard]] stats::CounterSnapshot canary() const { return world.counters(Cohort::kCanary); }
  [[nodiscard]] stats::CounterSnapshot stable() const { return world.counters(Cohort::kStable); }

  void break_canary(Kind kind) {
    canary_.reset();
    world.net.set_profile(kCanary, {});
    if (kind == Kind::kRefuses) return;
    if (kind == Kind::kSilent) {
      SimProfile silent;
      silent.ignore = true;
      world.net.set_profile(kCanary, silent);
      return;
    }
    canary_ = std::make_unique<SimServer>(world.net, kCanary);
    canary_->on_data([kind](SimPeer& peer) { fail(peer, kind); });
  }

  static void fail(SimPeer& peer, Kind kind) {
    switch (kind) {
      case Kind::kResets:
        return peer.reset();
      case Kind::kCloses:
        return peer.close();
      case Kind::kHalfHead:
        peer.send("HTTP/1.1 200 OK\r\nContent-Le");
        return peer.close();
      case Kind::kGarbage:
        return peer.send("SMTP ready\r\n\r\n");
      case Kind::k500:
        return peer.send("HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\noops");
      case Kind::k503:
        return peer.send("HTTP/1.1 503 Oh\r\nTransfer-Encoding: chunked\r\n\r\n4\r\noops\r\n");
      case Kind::kHangs:
      case Kind::kRefuses:
      case Kind::kSilent:
        return;
    }
  }

  // One request by a client of its own; whether stable answered it.
  bool saved(const std::string& request) {
    Client client(world);
    const bool head = request.rfind("HEAD", 0) == 0;
    const Message reply =
        client.ask(request, head ? BodyRule::kResponseToHead : BodyRule::kResponse);
    return reply.status() == 200 && reply.whole && (head || reply.body == "stable");
  }

  Backend stable_;
  std::unique_ptr<SimServer> canary_;
};

std::string ask(std::string_view method, std::string_view user, std::string_view rest = "\r\n") {
  return std::string(method) + " /x HTTP/1.1\r\nHost: a\r\nX-User: " + std::string(user) + "\r\n" +
         std::string(rest);
}

TEST_F(FallbackTest, EveryFailureOfASafeRequestIsAnsweredByStable) {
  world.start();
  std::uint64_t failed = 0;
  for (const Kind kind : kKinds) {
    break_canary(kind);
    for (const std::string_view method : {"GET", "HEAD", "OPTIONS"}) {
      const std::string user = std::string(method) + std::to_string(failed);
      EXPECT_TRUE(saved(ask(method, user))) << method << " " << static_cast<int>(kind);
      ++failed;
    }
  }
  EXPECT_EQ(canary().bad, failed);
  EXPECT_EQ(canary().saved, failed);
  EXPECT_EQ(canary().user_failures, 0U);
  EXPECT_EQ(canary().judged, failed);
  // What the canary did, not what the user saw.
  EXPECT_EQ(canary().code_class[5], failed);
  EXPECT_EQ(stable().requests(), 0U);
  EXPECT_EQ(stable_.requests.size(), failed);
  for (std::size_t error = 1; error < static_cast<std::size_t>(ProxyError::kCount); ++error) {
    EXPECT_EQ(world.errors(static_cast<ProxyError>(error)), 0U) << error;
  }
}

TEST_F(FallbackTest, WhatIsNotListedIsNotSentTwice) {
  world.start();
  for (const Kind kind : kKinds) {
    break_canary(kind);
    for (const std::string_view method : {"POST", "PUT", "DELETE", "PATCH", "PURGE"}) {
      const std::string user = std::string(method) + std::to_string(static_cast<int>(kind));
      EXPECT_FALSE(saved(ask(method, user, "Content-Length: 4\r\n\r\ndata")))
          << method << " " << static_cast<int>(kind);
    }
  }
  EXPECT_EQ(canary().saved, 0U);
  EXPECT_EQ(canary().user_failures, canary().bad);
  EXPECT_TRUE(stable_.requests.empty());
}

TEST_F(FallbackTest, OffIsOff) {
  world.failures.fallback = {};
  world.start();
  for (const Kind kind : kKinds) {
    break_canary(kind);
    EXPECT_FALSE(saved(ask("GET", "u" + std::to_string(static_cast<int>(kind)))));
  }
  EXPECT_TRUE(stable_.requests.empty());
}

// ---- Bodies

class FallbackBodyTest : public FallbackTest {
 protected:
  FallbackBodyTest() { world.failures.fallback.add(Method::kPut); }

  static std::string put(const std::string& body, std::string_view user) {
    return ask("PUT", user, "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  static std::string put_chunked(const std::string& body, std::string_view user) {
    std::string text = ask("PUT", user, "Transfer-Encoding: chunked\r\n\r\n");
    for (std::size_t at = 0; at < body.size(); at += 1000) {
      const std::string chunk = body.substr(at, 1000);
      std::array<char, 16> size{};
      std::snprintf(size.data(), size.size(), "%zx\r\n", chunk.size());
      text += size.data() + chunk + "\r\n";
    }
    return text + "0\r\n\r\n";
  }
};

TEST_F(FallbackBodyTest, ABodyWithinTheLimitGoesToStableWhole) {
  world.start();
  std::size_t sent = 0;
  for (const Kind kind : kKinds) {
    break_canary(kind);
    for (const std::size_t size : {4U, 15'000U, 17'000U, 40'000U, 65'536U}) {
      const std::string body = pattern(size);
      const std::string user = std::to_string(size) + "-" + std::to_string(static_cast<int>(kind));
      ASSERT_TRUE(saved(put(body, user))) << user;
      ASSERT_EQ(stable_.requests.size(), ++sent);
      ASSERT_EQ(stable_.requests.back().body, body) << user;
      ASSERT_TRUE(saved(put_chunked(body, user + "c"))) << user;
      ASSERT_EQ(stable_.requests.size(), ++sent);
      ASSERT_EQ(stable_.requests.back().body, body) << user;
    }
  }
  EXPECT_EQ(canary().saved, sent);
}

// What the canary has had of it is no reason not to ask another endpoint of stable's.
TEST_F(FallbackBodyTest, TriesStablesOtherEndpointsWithTheBodyThatIsHeld) {
  world.upstreams[0].endpoints = {kStable2, kStable};  // Nobody listens at the first one.
  world.upstreams[0].retries = {1, true, false};
  world.start();
  break_canary(Kind::k500);
  for (const std::size_t size : {4U, 40'000U}) {
    for (const char* user : {"a", "b"}) {
      const std::string body = pattern(size);
      EXPECT_TRUE(saved(put(body, std::to_string(size) + user))) << size;
      EXPECT_EQ(stable_.requests.back().body, body);
    }
  }
}

// Its peer had closed it before anything of the request arrived: no failure of the canary's, and
// what stable could be sent can go out again.
TEST_F(FallbackBodyTest, WhatIsHeldGoesOverAFreshConnectionFirst) {
  world.start();
  canary_ = std::make_unique<SimServer>(world.net, kCanary);
  Client client(world);
  client.send(ask("GET", "u"));
  SimPeer& idle = canary_->accept();
  idle.send(ok("canary"));
  EXPECT_EQ(client.read().body, "canary");
  client.send(ask("PUT", "u", "Content-Length: 4\r\n\r\n"));
  world.net.run_ready();
  client.send("data");
  world.net.run_ready();
  idle.reset();
  SimPeer& fresh = canary_->accept();
  world.net.run_ready();
  EXPECT_TRUE(fresh.received().ends_with("\r\n\r\ndata"));
  fresh.send(ok("again"));
  EXPECT_EQ(client.read().body, "again");
  EXPECT_TRUE(stable_.requests.empty());
  EXPECT_EQ(canary().bad, 0U);
  EXPECT_EQ(canary().saved, 0U);
}

// And once more, should it fail there.
TEST_F(FallbackBodyTest, WhatHasGoneOutTwiceIsStillHeldForStable) {
  world.start();
  canary_ = std::make_unique<SimServer>(world.net, kCanary);
  Client client(world);
  client.send(ask("GET", "u"));
  SimPeer& idle = canary_->accept();
  idle.send(ok("canary"));
  EXPECT_EQ(client.read().body, "canary");
  const std::string body = pattern(20'000);
  client.send(ask("PUT", "u", "Content-Length: 40000\r\n\r\n"));
  world.net.run_ready();
  client.send(body);
  world.net.run_ready();
  idle.reset();
  SimPeer& fresh = canary_->accept();
  client.send(body);
  world.net.run_ready();
  fresh.reset();
  EXPECT_EQ(client.read().body, "stable");
  EXPECT_EQ(stable_.requests.back().body, body + body);
  EXPECT_EQ(canary().bad, 1U);
  EXPECT_EQ(canary().saved, 1U);
}

TEST_F(FallbackBodyTest, StablesPooledConnectionMayBeDeadAsWell) {
  world.upstreams[0].endpoints = {kStable2};
  world.start();
  SimServer stable(world.net, kStable2);
  Client client(world);
  client.send(ask("GET", "u", "X-Canary: never\r\n\r\n"));
  SimPeer& idle = stable.accept();
  idle.send(ok("stable"));
  EXPECT_EQ(client.read().body, "stable");
  canary_ = std::make_unique<SimServer>(world.net, kCanary);
  client.send(ask("PUT", "u", "Content-Length: 4\r\n\r\n"));
  SimPeer& served = canary_->accept();
  world.net.run_ready();
  client.send("data");
  world.net.run_ready();
  served.send("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
  world.net.run_ready();
  idle.reset();
  SimPeer& fresh = stable.accept();
  world.net.run_ready();
  EXPECT_TRUE(fresh.received().ends_with("\r\n\r\ndata"));
  fresh.send(ok("again"));
  EXPECT_EQ(client.read().body, "again");
}

TEST_F(FallbackBodyTest, ALongerBodyIsNotHeld) {
  world.start();
  break_canary(Kind::k500);
  EXPECT_FALSE(saved(put(pattern(65'537), "a")));
  EXPECT_EQ(canary().user_failures, 1U);
  EXPECT_EQ(canary().saved, 0U);
  world.failures.fallback.body_bytes_max = 0;
  world.publish();
  EXPECT_FALSE(saved(put("data", "b")));
  EXPECT_FALSE(saved(put_chunked("data", "c")));
  EXPECT_TRUE(saved(put("", "d")));
}

// It fails with the first bytes that it sees, long before its end.
TEST_F(FallbackBodyTest, AChunkedBodyThatBecomesTooLongIsLetGo) {
  world.start();
  SimServer server(world.net, kCanary);
  Client client(world);
  const std::string whole = put_chunked(pattern(80'000), "u");
  client.send(whole);
  SimPeer& served = server.accept();
  ASSERT_TRUE(world.net.run_until([&] {
    return served.received().find("0\r\n\r\n", served.received().size() - 5) != std::string::npos;
  }));
  served.send("HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\noops");
  EXPECT_EQ(client.read().status(), 500);
  EXPECT_TRUE(stable_.requests.empty());
}

TEST_F(FallbackBodyTest, TheRestOfABodyIsReadOnTheWayToStable) {
  world.start();
  break_canary(Kind::kResets);
  const std::string body = pattern(50'000);
  const std::string whole = put(body, "u") + ask("GET", "v");
  Client client(world);
  client.send(whole.substr(0, 20'000));
  world.net.run_for(100ms);
  client.send(whole.substr(20'000));
  EXPECT_EQ(client.read().body, "stable");
  EXPECT_EQ(client.read().body, "stable");
  ASSERT_EQ(stable_.requests.size(), 2U);
  EXPECT_EQ(stable_.requests[0].body, body);
}

TEST_F(FallbackBodyTest, WhatCameBehindAHeldBodyIsTheNextRequest) {
  world.start();
  for (const Kind kind : {Kind::kResets, Kind::k500}) {
    break_canary(kind);
    Client client(world);
    client.send(put_chunked(pattern(30'000), "u") + ask("GET", "v") + ask("GET", "w"));
    for (int i = 0; i < 3; ++i) EXPECT_EQ(client.read().body, "stable") << i;
  }
  EXPECT_EQ(stable_.requests.size(), 6U);
}

// ---- Not to be taken back

TEST_F(FallbackTest, NothingFollowsWhatTheClientHasSeen) {
  world.start();
  SimServer server(world.net, kCanary);
  server.on_data([](SimPeer& peer) {
    peer.send("HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n");
    peer.close();
  });
  Client client(world);
  EXPECT_EQ(client.ask(ask("GET", "u")).status(), 103);
  EXPECT_EQ(client.read().field("X-Canaryd-Error"), "upstream_reset");
  EXPECT_TRUE(stable_.requests.empty());
  EXPECT_EQ(canary().user_failures, 1U);
}

// A client of HTTP/1.0 gets no interim response, so it has seen nothing.
TEST_F(FallbackTest, WhatTheClientHasNotSeenIsNoObstacle) {
  world.start();
  SimServer server(world.net, kCanary);
  server.on_data([](SimPeer& peer) {
    peer.send(
        "HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
  });
  Client client(world);
  EXPECT_EQ(client.ask("GET / HTTP/1.0\r\nHost: a\r\nX-User: u\r\n\r\n").body, "stable");
  EXPECT_EQ(canary().saved, 1U);
}

TEST_F(FallbackTest, ABodyThatIsCutStaysCut) {
  world.start();
  SimServer server(world.net, kCanary);
  server.on_data([](SimPeer& peer) {
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    peer.close();
  });
  Client client(world);
  const Message reply = client.ask(ask("GET", "u"));
  EXPECT_EQ(reply.body, "half");
  EXPECT_FALSE(reply.whole);
  EXPECT_TRUE(stable_.requests.empty());
  EXPECT_EQ(canary().user_failures, 1U);
}

TEST_F(FallbackTest, WhatIsNoErrorIsPassedOn) {
  world.start();
  Backend canary_server(world, kCanary, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
  Client client(world);
  EXPECT_EQ(client.ask(ask("GET", "u")).status(), 404);
  EXPECT_EQ(canary().bad, 0U);
  EXPECT_TRUE(stable_.requests.empty());
}

// ---- Stable fails as well

TEST_F(FallbackTest, TheUserSeesWhatStableFails) {
  world.upstreams[0].endpoints = {kStable2};
  world.start();
  break_canary(Kind::k500);
  Client client(world);
  EXPECT_EQ(client.ask(ask("GET", "u")).field("X-Canaryd-Error"), "connect_failed");
  EXPECT_EQ(world.errors(ProxyError::kConnectFailed), 1U);
  Backend broken(world, kStable2, "HTTP/1.1 502 Oh\r\nContent-Length: 6\r\n\r\nstable");
  const Message reply = client.ask(ask("GET", "v"));
  EXPECT_EQ(reply.status(), 502);
  EXPECT_EQ(reply.body, "stable");
  EXPECT_EQ(canary().bad, 2U);
  EXPECT_EQ(canary().fallback_failed, 2U);
  EXPECT_EQ(canary().saved, 0U);
  EXPECT_EQ(canary().user_failures, 2U);
  EXPECT_EQ(stable().requests(), 0U);
}

TEST_F(FallbackTest, AClientThatDoesNotWaitForStableIsNeitherSavedNorHurt) {
  world.upstreams[0].endpoints = {kStable2};
  world.start();
  break_canary(Kind::k500);
  SimServer slow(world.net, kStable2);
  Client client(world);
  client.send(ask("GET", "u"));
  SimPeer& served = slow.accept();
  client.peer.close();
  ASSERT_TRUE(world.net.run_until([&] { return served.ended(); }, 1s));
  EXPECT_EQ(canary().bad, 1U);
  EXPECT_EQ(canary().saved + canary().fallback_failed + canary().user_failures, 0U);
}

// ---- Who is told what

TEST_F(FallbackTest, TheVersionThatAnswersIsNamedAndTheCookieIsGiven) {
  world.rollout().sticky.sources = {{routing::KeySource::kCookie, "id"}};
  routing::IssueCookie issue;
  issue.name = "id";
  world.rollout().sticky.issue_cookie = issue;
  world.listener.expose_cohort = true;
  world.start();
  break_canary(Kind::k500);
  Client client(world);
  const Message first = client.ask(kGet);
  EXPECT_EQ(first.body, "stable");
  EXPECT_EQ(first.field("X-Canaryd-Cohort"), "stable");
  EXPECT_EQ(stable_.requests.at(0).field("X-Canaryd-Cohort"), "stable");
  EXPECT_EQ(stable_.requests.at(0).field("X-Canaryd-Rollout"), "web");
  const std::string cookie = first.field("Set-Cookie");
  ASSERT_EQ(cookie.find("id="), 0U) << cookie;
  // The user's cohort is still the canary.
  canary_.reset();
  Backend well(world, kCanary, ok("canary"));
  const std::string pair = cookie.substr(0, cookie.find(';'));
  const Message next = client.ask(get("/", "Cookie: " + pair + "\r\n"));
  EXPECT_EQ(next.body, "canary");
  EXPECT_EQ(next.field("X-Canaryd-Cohort"), "canary");
}

TEST_F(FallbackTest, WhoAsksForTheCanarySeesItFail) {
  world.start();
  break_canary(Kind::k500);
  Client client(world);
  const Message reply = client.ask(get("/", "X-User: u\r\nX-Canary: always\r\n"));
  EXPECT_EQ(reply.status(), 500);
  EXPECT_TRUE(stable_.requests.empty());
}

TEST_F(FallbackTest, TheConnectionServesTheNextRequest) {
  world.start();
  break_canary(Kind::k503);
  Client client(world);
  client.send(ask("GET", "u") + ask("GET", "v") + ask("POST", "w", "Content-Length: 1\r\n\r\nx"));
  EXPECT_EQ(client.read().body, "stable");
  EXPECT_EQ(client.read().body, "stable");
  EXPECT_EQ(client.read().status(), 503);
}

// Tries on other endpoints of the canary come first, and are not counted.
// Else it would do what it is asked for, and nobody would hear of it.
TEST_F(FallbackTest, StableIsNotAskedWithoutTimeToAnswer) {
  world.failures.protection.exposure_max = 5;
  for (auto& upstream : world.upstreams) upstream.timeouts.request = 1s;
  world.start();
  break_canary(Kind::kHangs);
  Client client(world);
  EXPECT_EQ(client.ask(ask("GET", "u")).status(), 504);
  EXPECT_TRUE(stable_.requests.empty());
  EXPECT_EQ(canary().bad, 1U);
  EXPECT_EQ(canary().fallback_failed, 0U);
  EXPECT_EQ(canary().user_failures, 1U);
  EXPECT_EQ(world.gate->exposure_used(world.rollout().generation), 1U) << "the user has seen it";
}

TEST_F(FallbackTest, TheTimeOfTheRouteIsStablesToo) {
  proxy::RouteTimeouts route;
  route.request = 1s;
  world.route_timeouts = {route};
  world.start();
  break_canary(Kind::kHangs);
  Client client(world);
  EXPECT_EQ(client.ask(ask("GET", "u")).status(), 504);
  EXPECT_TRUE(stable_.requests.empty());
}

// The canary has had the time, and its own endpoint is the one that pays.
TEST_F(FallbackTest, StablesEndpointIsNotChargedForWhatTheCanaryHasLeft) {
  for (auto& upstream : world.upstreams) {
    upstream.timeouts.request = 2s;
    upstream.outlier_detection = upstream::OutlierDetection{1, 30s, 100};
  }
  world.upstreams[1].timeouts.first_byte = 1800ms;
  world.start();
  break_canary(Kind::kHangs);
  stable_.server.on_data([](SimPeer&) {});
  Client client(world);
  EXPECT_EQ(client.ask(ask("GET", "u")).status(), 504);
  EXPECT_EQ(stable_.server.connections(), 1U);
  EXPECT_FALSE(world.endpoint("stable", 0).ejected(world.net.now()));
  EXPECT_TRUE(world.endpoint("canary", 0).ejected(world.net.now()));
  EXPECT_EQ(canary().bad, 1U);
  EXPECT_EQ(canary().fallback_failed, 1U);
  EXPECT_EQ(stable().bad, 0U);
}

TEST_F(FallbackTest, ComesAfterTheRetries) {
  world.upstreams[1].retries = {1, true, true};
  world.start();
  break_canary(Kind::kResets);
  EXPECT_TRUE(saved(ask("GET", "u")));
  EXPECT_EQ(canary_->connections(), 2U);
  EXPECT_EQ(world.upstream("canary").retries_failed.load(), 1U);
  EXPECT_EQ(world.upstream("stable").retries_ok.load(), 0U);
  EXPECT_EQ(canary().bad, 1U);
}

}  // namespace
}  // namespace canaryd::test
