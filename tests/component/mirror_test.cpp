// Copies of requests: which requests, what is sent, and what becomes of the answers.
#include "component/mirror_world.hpp"
#include "component/tunnel_world.hpp"

#include <functional>
#include <utility>
#include <vector>

namespace canaryd::test {
namespace {

class MirrorCopyTest : public MirrorTest {
 protected:
  MirrorCopyTest() : stable_(world, kStable, ok("stable")), mirror_(world, kMirror, ok("mirror")) {}

  // Of the values of a field about half, each always or never, whatever the table.
  void expect_half_is_copied(const std::string& field) {
    policy().share = routing::MirrorShare("all", BasisPoints(5000));
    world.start();
    std::size_t copied = 0;
    for (int value = 0; value < 40; ++value) {
      const std::string request = get("/", field + ": v" + std::to_string(value) + "\r\n");
      const std::size_t before = mirror_.requests.size();
      for (int i = 0; i < 3; ++i) ask(request);
      world.publish();
      ask(request);
      world.net.run_ready();
      const std::size_t now = mirror_.requests.size() - before;
      EXPECT_TRUE(now == 0 || now == 4) << value << ' ' << now;
      copied += now / 4;
    }
    EXPECT_GT(copied, 8U);
    EXPECT_LT(copied, 32U);
  }

  Backend stable_;
  Backend mirror_;
};

// ---- What is sent

TEST_F(MirrorCopyTest, ACopyIsTheRequestButForItsCohort) {
  world.split(0);
  world.start();
  const Message reply = ask(post("body", "X-User: tom\r\nX-Other: 1\r\nX-Canaryd-Cohort: x\r\n"));
  world.net.run_ready();
  EXPECT_EQ(reply.body, "stable");
  ASSERT_EQ(mirror_.requests.size(), 1U);
  const Message& sent = stable_.requests.at(0);
  const Message& copy = mirror_.requests.at(0);
  EXPECT_EQ(copy.start, sent.start);
  EXPECT_EQ(copy.body, "body");
  TextFields expected = sent.fields;
  for (auto& [name, value] : expected) {
    if (name == "X-Canaryd-Cohort") value = "shadow";
  }
  EXPECT_EQ(copy.fields, expected);
  EXPECT_EQ(copy.field("X-Canaryd-Rollout"), "web");
  EXPECT_EQ(copies(Mirrored::kAnswered), 1U);
}

TEST_F(MirrorCopyTest, WithoutARolloutTheCohortIsSaidAllTheSame) {
  world.start();
  EXPECT_EQ(ask(get("/a?b=c")).body, "stable");
  world.net.run_ready();
  EXPECT_EQ(mirror_.requests.at(0).target(), "/a?b=c");
  EXPECT_EQ(mirror_.requests.at(0).field("X-Canaryd-Cohort"), "shadow");
  EXPECT_FALSE(mirror_.requests.at(0).has("X-Canaryd-Rollout"));
  EXPECT_FALSE(stable_.requests.at(0).has("X-Canaryd-Cohort"));
}

TEST_F(MirrorCopyTest, BodiesArriveAsTheyWere) {
  world.start();
  std::size_t sent = 0;
  for (const std::size_t size : {0U, 1U, 4000U, 30'000U, 65'000U}) {
    const std::string body = pattern(size);
    const std::string by_chunks =
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body, 10'000);
    for (const std::string& request : {post(body), by_chunks}) {
      Client client(world);
      client.send(std::string_view(request).substr(0, request.size() / 2));
      world.net.run_ready();
      EXPECT_EQ(client.ask(std::string_view(request).substr(request.size() / 2)).body, "stable");
      world.net.run_ready();
      ASSERT_EQ(mirror_.requests.size(), ++sent) << size;
      EXPECT_EQ(mirror_.requests.back().body, body);
    }
  }
  EXPECT_EQ(copies(Mirrored::kAnswered), sent);
  EXPECT_GE(shadow().bytes_in, 2 * (1 + 4000 + 30'000 + 65'000));
}

TEST_F(MirrorCopyTest, TrailersGoWithIt) {
  world.start();
  EXPECT_EQ(ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                "3\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n")
                .body,
            "stable");
  world.net.run_ready();
  EXPECT_EQ(mirror_.requests.at(0).trailers, (TextFields{{"X-Sum", "9"}}));
}

// ---- Which requests

TEST_F(MirrorCopyTest, OnlyTheMethodsOfThePolicy) {
  world.mirrors.front().methods = 0;
  policy().add(http::Method::kGet);
  world.start();
  EXPECT_EQ(ask(post("x")).body, "stable");
  EXPECT_EQ(ask(get("/a")).body, "stable");
  world.net.run_ready();
  ASSERT_EQ(mirror_.requests.size(), 1U);
  EXPECT_EQ(mirror_.requests.at(0).method(), "GET");
  EXPECT_EQ(all_copies(), 1U);
}

TEST_F(MirrorCopyTest, ARouteWithoutAMirrorIsLeftAlone) {
  routing::RouteSpec other;
  other.name = "other";
  other.match.path = "/other";
  other.target = UpstreamId(0);
  world.table.routes.push_back(other);
  world.mirrors.emplace_back();
  world.start();
  EXPECT_EQ(ask(get("/other")).body, "stable");
  world.net.run_ready();
  EXPECT_TRUE(mirror_.requests.empty());
  EXPECT_EQ(world.counters(Cohort::kShadow, 1).requests(), 0U);
}

TEST_F(MirrorCopyTest, ATunnelIsNotCopied) {
  world.start();
  Client client(world);
  client.send(get("/chat", kHandshake));
  world.net.run_ready();
  ASSERT_EQ(stable_.requests.size(), 1U);
  EXPECT_TRUE(mirror_.requests.empty());
  EXPECT_EQ(all_copies(), 0U);
}

// Else two that mirror to each other would never come to an end.
TEST_F(MirrorCopyTest, ACopyIsNotCopiedAgain) {
  world.listener.trusted_proxies = {Cidr{}};
  world.start();
  EXPECT_EQ(ask(get("/a", "X-Canaryd-Cohort: shadow\r\n")).body, "stable");
  EXPECT_EQ(ask(get("/b", "X-Canaryd-Cohort: canary\r\n")).body, "stable");
  world.net.run_ready();
  ASSERT_EQ(mirror_.requests.size(), 1U);
  EXPECT_EQ(mirror_.requests.at(0).target(), "/b");
}

// Whoever is not trusted does not choose what is copied.
TEST_F(MirrorCopyTest, AClientCannotSayThatItIsACopy) {
  world.start();
  EXPECT_EQ(ask(get("/a", "X-Canaryd-Cohort: shadow\r\n")).body, "stable");
  world.net.run_ready();
  EXPECT_EQ(mirror_.requests.size(), 1U);
}

// By the key of the cohort, but not by its bucket.
TEST_F(MirrorCopyTest, AUserIsCopiedAlwaysOrNever) {
  world.split(0);
  expect_half_is_copied("X-User");
}

TEST_F(MirrorCopyTest, WithoutAKeyTheRequestIdDecides) {
  world.listener.trusted_proxies = {Cidr{}};
  expect_half_is_copied("X-Request-Id");
}

// Who may choose what is copied would have all of it copied, or nothing.
TEST_F(MirrorCopyTest, TheIdOfAClientDoesNot) {
  policy().share = routing::MirrorShare("web", BasisPoints(5000));
  world.start();
  for (int i = 0; i < 60; ++i) ask(get("/", "X-Request-Id: mine\r\n"));
  world.net.run_ready();
  EXPECT_GT(mirror_.requests.size(), 10U);
  EXPECT_LT(mirror_.requests.size(), 50U);
}

// Whom the canary serves, it has seen already.
TEST_F(MirrorCopyTest, WhatGoesToTheMirrorAnywayIsNotCopied) {
  policy().to = UpstreamId(1);
  world.split(5000);
  world.start();
  Backend canary(world, kCanary, ok("canary"));
  for (int user = 0; user < 20; ++user) {
    const std::string name = "u" + std::to_string(user);
    const std::size_t before = canary.requests.size();
    const std::string served = ask(get("/", "X-User: " + name + "\r\n")).body;
    world.net.run_ready();
    ASSERT_EQ(canary.requests.size(), before + 1) << name;
    const std::string expected = served == "canary" ? "canary" : "shadow";
    EXPECT_EQ(canary.requests.back().field("X-Canaryd-Cohort"), expected) << name;
  }
  EXPECT_GT(world.counters(Cohort::kCanary).requests(), 0U);
  EXPECT_EQ(copies(Mirrored::kAnswered), world.counters(Cohort::kStable).requests());
}

// ---- Evidence

TEST_F(MirrorCopyTest, ACopyIsNoEvidence) {
  mirror_.server.on_data([](SimPeer& peer) {
    peer.take();
    peer.send("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
  });
  world.split(0);
  world.upstreams[2].outlier_detection = upstream::OutlierDetection{1, 30s, 100};
  world.start();
  for (int i = 0; i < 3; ++i) ask(get("/", "X-User: tom\r\n"));
  world.net.run_ready();
  EXPECT_EQ(shadow().code_class[5], 3U);
  EXPECT_EQ(shadow().excluded, 3U);
  EXPECT_EQ(shadow().judged, 0U);
  EXPECT_EQ(shadow().user_failures, 0U);
  EXPECT_EQ(world.counters(Cohort::kStable).judged, 3U);
  EXPECT_EQ(world.counters(Cohort::kCanary).requests(), 0U);
  EXPECT_FALSE(world.failure_queue->pop().has_value());
  EXPECT_FALSE(world.endpoint("mirror", 0).ejected(world.net.now()));
}

// ---- Answers

TEST_F(MirrorCopyTest, AConnectionIsUsedAgain) {
  world.start();
  Client client(world);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(client.ask(kGet).body, "stable");
    world.net.run_ready();
  }
  EXPECT_EQ(mirror_.server.connections(), 1U);
  EXPECT_EQ(world.upstream("mirror").connects_ok.load(), 1U);
  EXPECT_EQ(copies(Mirrored::kAnswered), 5U);
}

TEST_F(MirrorTest, EveryWholeAnswerIsAnAnswer) {
  world.start();
  const Backend stable(world, kStable);
  SimServer mirror(world.net, kMirror);
  struct Case {
    std::string answer;
    std::size_t code_class;
    bool reused;
  };
  const std::vector<Case> cases{
      {ok("x"), 2, true},
      {ok(""), 2, true},
      {"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno", 4, true},
      {"HTTP/1.1 204 No Content\r\n\r\n", 2, true},
      {"HTTP/1.1 103 Hints\r\nLink: </x>\r\n\r\n" + ok("hints"), 2, true},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(pattern(50'000)), 2, true},
      {ok(pattern(500'000)), 2, true},
      {ok("x", "Connection: close\r\n"), 2, false},
      {ok("x") + "more", 2, false},
      {ok(pattern(2'000'000)), 2, false},
  };
  std::size_t connections = 1;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(ask(kGet).body, "hello");
    world.net.run_ready();
    ASSERT_EQ(mirror.connections(), connections) << i;
    mirror.at(connections - 1).send(cases[i].answer);
    ASSERT_TRUE(world.net.run_until([&] { return all_copies() == i + 1; }, 1s)) << i;
    EXPECT_EQ(copies(Mirrored::kAnswered), i + 1) << i;
    world.net.run_ready();
    EXPECT_EQ(mirror.at(connections - 1).ended(), !cases[i].reused) << i;
    if (!cases[i].reused) ++connections;
  }
  EXPECT_EQ(shadow().code_class[4], 1U);
  EXPECT_EQ(shadow().code_class[2], cases.size() - 1);
}

TEST_F(MirrorTest, AnAnswerUpToTheCloseIsWhole) {
  world.start();
  const Backend stable(world, kStable);
  SimServer mirror(world.net, kMirror);
  EXPECT_EQ(ask(kGet).body, "hello");
  SimPeer& served = mirror.accept();
  ASSERT_TRUE(world.net.run_until([&] { return served.take().ends_with("\r\n\r\n"); }, 1s));
  served.send("HTTP/1.1 200 OK\r\n\r\nall there is");
  served.close();
  ASSERT_TRUE(world.net.run_until([&] { return all_copies() == 1; }, 1s));
  EXPECT_EQ(copies(Mirrored::kAnswered), 1U);
  EXPECT_EQ(shadow().bytes_out, 12U);
}

TEST_F(MirrorTest, TheAnswerToHeadHasNoBody) {
  world.start();
  const Backend stable(world, kStable);
  SimServer mirror(world.net, kMirror);
  Client client(world);
  EXPECT_EQ(client.ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", BodyRule::kResponseToHead).status(),
            200);
  mirror.accept().send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
  ASSERT_TRUE(world.net.run_until([&] { return all_copies() == 1; }, 1s));
  EXPECT_EQ(copies(Mirrored::kAnswered), 1U);
}

TEST_F(MirrorTest, WhatIsNoWholeAnswerHasFailed) {
  world.start();
  const Backend stable(world, kStable);
  SimServer mirror(world.net, kMirror);
  const std::vector<std::pair<const char*, std::function<void(SimPeer&)>>> endings{
      {"reset", [](SimPeer& peer) { peer.reset(); }},
      {"closed", [](SimPeer& peer) { peer.close(); }},
      {"no HTTP", [](SimPeer& peer) { peer.send("SMTP\r\n\r\n"); }},
      {"an endless head",
       [](SimPeer& peer) { peer.send("HTTP/1.1 200 OK\r\nX: " + pattern(19'000)); }},
      {"interims only",
       [](SimPeer& peer) {
         for (int i = 0; i < 9; ++i) peer.send("HTTP/1.1 103 Hints\r\n\r\n");
       }},
      {"a switch of protocols", [](SimPeer& peer) { peer.send(kSwitching); }},
      {"body cut",
       [](SimPeer& peer) {
         peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab");
         peer.close();
       }},
      {"bad chunks",
       [](SimPeer& peer) {
         peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
       }},
  };
  std::uint64_t count = 0;
  for (const auto& [name, happen] : endings) {
    EXPECT_EQ(ask(kGet).body, "hello");
    SimPeer& served = mirror.accept();
    happen(served);
    ASSERT_TRUE(world.net.run_until([&] { return all_copies() == count + 1; }, 1s)) << name;
    EXPECT_EQ(copies(Mirrored::kFailed), ++count) << name;
    world.net.run_ready();
    EXPECT_TRUE(served.ended()) << name;
  }
  EXPECT_EQ(shadow().code_class[0], count);
}

}  // namespace
}  // namespace canaryd::test
