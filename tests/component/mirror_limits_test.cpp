// A mirror never stands in a client's way: one that hangs, is down, is slow to take its copy, or
// wants more than there is costs copies, and nothing else.
#include "component/mirror_world.hpp"
#include "proxy/mirror.hpp"

#include <algorithm>
#include <memory>
#include <vector>

namespace canaryd::test {
namespace {

using proxy::Mirrors;

class MirrorLimitsTest : public MirrorTest {
 protected:
  MirrorLimitsTest() : stable_(world, kStable, ok("stable")) {}

  Backend stable_;
};

// ---- Mirrors that do not answer

TEST_F(MirrorLimitsTest, OneThatHangsChangesNothing) {
  world.start();
  SimServer mirror(world.net, kMirror);
  Client client(world);
  const Monotonic begun = world.net.now();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(client.ask(kGet).body, "stable");
  EXPECT_EQ(world.net.now(), begun);
  world.net.run_ready();
  EXPECT_EQ(shadow().active, 10);
  EXPECT_EQ(all_copies(), 0U);
  // Its time runs out, and it is over.
  world.net.run_for(4900ms);
  EXPECT_EQ(shadow().active, 10);
  ASSERT_TRUE(world.net.run_until([&] { return shadow().active == 0; }, 200ms));
  EXPECT_EQ(copies(Mirrored::kTimeout), 10U);
  world.net.run_ready();
  for (std::size_t i = 0; i < mirror.connections(); ++i) EXPECT_TRUE(mirror.at(i).ended());
  EXPECT_EQ(world.counters(Cohort::kNone).judged + world.counters(Cohort::kNone).excluded, 10U);
}

// The time is for all of it: bytes now and then do not buy more.
TEST_F(MirrorLimitsTest, OneThatTricklesRunsOutOfTime) {
  world.start();
  SimServer mirror(world.net, kMirror);
  EXPECT_EQ(ask(kGet).body, "stable");
  SimPeer& served = mirror.accept();
  served.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
  for (int i = 0; i < 10; ++i) {
    world.net.run_for(490ms);
    served.send("x");
  }
  EXPECT_EQ(shadow().active, 1);
  ASSERT_TRUE(world.net.run_until([&] { return shadow().active == 0; }, 200ms));
  EXPECT_EQ(copies(Mirrored::kTimeout), 1U);
  EXPECT_EQ(shadow().code_class[0], 1U);
}

TEST_F(MirrorLimitsTest, OneThatTakesNothingRunsOutOfTime) {
  policy().body_bytes_max = 1024 * 1024;
  world.start();
  SimServer mirror(world.net, kMirror);
  mirror.on_data([](SimPeer& peer) { peer.stop_reading(); });
  EXPECT_EQ(ask(post(pattern(1'000'000))).body, "stable");
  ASSERT_TRUE(world.net.run_until([&] { return all_copies() == 1; }, 6s));
  EXPECT_EQ(copies(Mirrored::kTimeout), 1U);
}

TEST_F(MirrorLimitsTest, OneThatAnswersBeforeItHasTheWholeBody) {
  policy().body_bytes_max = 1024 * 1024;
  world.start();
  SimServer mirror(world.net, kMirror);
  mirror.on_data([](SimPeer& peer) {
    peer.stop_reading();
    peer.send(ok("enough"));
  });
  EXPECT_EQ(ask(post(pattern(1'000'000))).body, "stable");
  ASSERT_TRUE(world.net.run_until([&] { return all_copies() == 1; }, 1s));
  EXPECT_EQ(copies(Mirrored::kAnswered), 1U);
  world.net.run_ready();
  EXPECT_TRUE(mirror.at(0).ended());
}

TEST_F(MirrorLimitsTest, OneThatIsDown) {
  world.start();
  Client client(world);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.ask(kGet).body, "stable");
  world.net.run_ready();
  EXPECT_EQ(copies(Mirrored::kFailed), 3U);
  EXPECT_EQ(world.upstream("mirror").connects_failed.load(), 3U);
  // Nothing is tried again, and no error is anybody's.
  EXPECT_EQ(world.upstream("mirror").retries_failed.load(), 0U);
  EXPECT_EQ(world.errors(ProxyError::kConnectFailed), 0U);
}

TEST_F(MirrorLimitsTest, OneThatCannotBeReached) {
  SimProfile silent;
  silent.ignore = true;
  world.net.set_profile(kMirror, silent);
  world.upstreams[2].timeouts.connect = 1s;
  world.start();
  EXPECT_EQ(ask(kGet).body, "stable");
  ASSERT_TRUE(world.net.run_until([&] { return all_copies() == 1; }, 1100ms));
  EXPECT_EQ(copies(Mirrored::kTimeout), 1U);
  EXPECT_EQ(world.upstream("mirror").connects_failed.load(), 1U);
}

TEST_F(MirrorLimitsTest, OneWithoutAnEndpoint) {
  world.upstreams[2].endpoints.clear();
  world.start();
  EXPECT_EQ(ask(kGet).body, "stable");
  world.net.run_ready();
  EXPECT_EQ(copies(Mirrored::kFailed), 1U);
}

// ---- Bodies

TEST_F(MirrorLimitsTest, ALongerBodyIsNotCopied) {
  policy().body_bytes_max = 1000;
  world.start();
  const Backend mirror(world, kMirror);
  EXPECT_EQ(ask(post(pattern(1000))).body, "stable");
  world.net.run_ready();
  EXPECT_EQ(copies(Mirrored::kAnswered), 1U);
  EXPECT_EQ(ask(post(pattern(1001))).body, "stable");
  // Its length is known only at its end.
  EXPECT_EQ(ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
                chunked(pattern(50'000)))
                .body,
            "stable");
  world.net.run_ready();
  EXPECT_EQ(copies(Mirrored::kTooLarge), 2U);
  EXPECT_EQ(mirror.requests.size(), 1U);
  EXPECT_EQ(stable_.requests.back().body, pattern(50'000));
}

// Chunks of one byte each are six bytes each on the way.
TEST_F(MirrorLimitsTest, TheFramingCountsToo) {
  policy().body_bytes_max = 1000;
  world.start();
  const Backend mirror(world, kMirror);
  EXPECT_EQ(ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
                chunked(pattern(200), 1))
                .body,
            "stable");
  world.net.run_ready();
  EXPECT_EQ(copies(Mirrored::kTooLarge), 1U);
}

TEST_F(MirrorLimitsTest, ARequestThatIsNotForwardedWholeIsNotCopied) {
  world.upstreams[0].retries = {0, false, false};
  world.start();
  const Backend mirror(world, kMirror);
  const std::string half = post(pattern(100)).substr(0, 120);
  {
    Client client(world);
    client.send(half);
    world.net.run_ready();
    client.peer.reset();
    world.net.run_ready();
  }
  EXPECT_EQ(copies(Mirrored::kIncomplete), 1U);
  // Answered before the rest has come.
  stable_.server.on_data([](SimPeer& peer) { peer.send(ok("early", "Connection: close\r\n")); });
  Client client(world);
  EXPECT_EQ(client.ask(half).body, "early");
  world.net.run_ready();
  EXPECT_EQ(copies(Mirrored::kIncomplete), 2U);
  stable_.server.stop();
  EXPECT_EQ(ask(kGet).status(), 502);
  world.net.run_ready();
  EXPECT_EQ(copies(Mirrored::kIncomplete), 3U);
  EXPECT_TRUE(mirror.requests.empty());
}

// ---- Tries

TEST_F(MirrorLimitsTest, ARequestThatIsSentTwiceIsCopiedOnce) {
  world.upstreams[0].retries = {2, true, true};
  world.start();
  const Backend mirror(world, kMirror);
  int tries = 0;
  stable_.server.on_data([&](SimPeer& peer) {
    if (++tries == 1) return peer.reset();
    peer.take();
    peer.send(ok("second"));
  });
  EXPECT_EQ(ask(get("/a")).body, "second");
  world.net.run_ready();
  EXPECT_EQ(tries, 2);
  EXPECT_EQ(mirror.requests.size(), 1U);
  EXPECT_EQ(all_copies(), 1U);
}

// The canary has had the first half when it breaks; stable gets it all, and so does the mirror.
TEST_F(MirrorLimitsTest, ABodyThatIsSentAgainIsInTheCopyOnce) {
  policy().add(http::Method::kPut);
  world.failures.fallback.add(http::Method::kPut);
  world.upstreams[1].retries = {0, false, false};
  world.split(10000);
  world.start();
  SimServer canary(world.net, kCanary);
  const Backend mirror(world, kMirror);
  const std::string body = pattern(40'000);
  const std::string whole =
      "PUT / HTTP/1.1\r\nHost: a\r\nX-User: u\r\nContent-Length: 40000\r\n\r\n" + body;
  Client client(world);
  client.send(whole.substr(0, 25'000));
  SimPeer& served = canary.accept();
  ASSERT_TRUE(world.net.run_until([&] { return served.received().size() > 20'000; }, 1s));
  served.reset();
  world.net.run_ready();
  client.send(whole.substr(25'000));
  EXPECT_EQ(client.read().body, "stable");
  world.net.run_ready();
  EXPECT_EQ(stable_.requests.at(0).body, body);
  ASSERT_EQ(mirror.requests.size(), 1U);
  EXPECT_EQ(mirror.requests.at(0).body, body);
}

// ---- What is scarce

TEST_F(MirrorLimitsTest, OnlySoManyAreUnderWay) {
  world.start();
  SimServer mirror(world.net, kMirror);
  Client client(world);
  for (std::size_t i = 0; i < Mirrors::kUnderWayMax + 7; ++i) {
    ASSERT_EQ(client.ask(kGet).body, "stable");
  }
  world.net.run_ready();
  EXPECT_EQ(shadow().active, static_cast<std::int64_t>(Mirrors::kUnderWayMax));
  EXPECT_EQ(mirror.connections(), Mirrors::kUnderWayMax);
  EXPECT_EQ(copies(Mirrored::kBusy), 7U);
  mirror.at(0).send(ok("done"));
  world.net.run_ready();
  EXPECT_EQ(client.ask(kGet).body, "stable");
  world.net.run_ready();
  EXPECT_EQ(copies(Mirrored::kBusy), 7U);
}

// A mirror that takes nothing holds the bodies until its time is up.
TEST_F(MirrorLimitsTest, OnlySoManyBytesAreHeld) {
  constexpr std::size_t kBody = 1024 * 1024;
  policy().body_bytes_max = kBody;
  SimProfile narrow;
  narrow.buffer_bytes = 1024;
  world.net.set_profile(kMirror, narrow);
  world.start();
  SimServer mirror(world.net, kMirror);
  mirror.on_data([](SimPeer& peer) { peer.stop_reading(); });
  Client client(world);
  const std::string request = post(pattern(kBody));
  constexpr std::size_t kTooMany = Mirrors::kBytesMax / kBody + 4;
  for (std::size_t i = 0; i < kTooMany; ++i) ASSERT_EQ(client.ask(request).body, "stable");
  world.net.run_ready();
  const auto active = static_cast<std::size_t>(shadow().active);
  EXPECT_LE(active * kBody, Mirrors::kBytesMax);
  EXPECT_GE(active, 4U);
  EXPECT_EQ(copies(Mirrored::kBusy), kTooMany - active);
}

TEST_F(MirrorLimitsTest, WhenSocketsRunShortNothingIsCopied) {
  world.start();
  const Backend mirror(world, kMirror);
  world.net.set_short_of_sockets(true);
  EXPECT_EQ(ask(kGet).body, "stable");
  world.net.run_ready();
  EXPECT_TRUE(mirror.requests.empty());
  EXPECT_EQ(copies(Mirrored::kBusy), 1U);
  world.net.set_short_of_sockets(false);
  EXPECT_EQ(ask(kGet).body, "stable");
  world.net.run_ready();
  EXPECT_EQ(mirror.requests.size(), 1U);
}

// Here the mirror's upstream serves clients as well: half of its limit is theirs.
TEST_F(MirrorLimitsTest, CopiesLeaveHalfOfALimitToClients) {
  world.upstreams[2].concurrency = upstream::Concurrency{4, 4, 1s};
  routing::RouteSpec direct;
  direct.name = "direct";
  direct.match.path = "/direct";
  direct.target = UpstreamId(2);
  world.table.routes.push_back(direct);
  world.mirrors.emplace_back();
  world.start();
  SimServer mirror(world.net, kMirror);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(kGet).body, "stable");
  world.net.run_ready();
  EXPECT_EQ(world.limit("mirror").active(), 2U);
  EXPECT_EQ(copies(Mirrored::kBusy), 3U);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 2; ++i) {
    clients.push_back(std::make_unique<Client>(world));
    clients.back()->send(get("/direct"));
    world.net.run_ready();
  }
  EXPECT_EQ(world.limit("mirror").active(), 4U);
  EXPECT_EQ(world.limit("mirror").queued(), 0U);
  for (std::size_t i = 2; i < 4; ++i) mirror.at(i).send(ok("direct"));
  for (auto& client : clients) EXPECT_EQ(client->read().body, "direct");
}

TEST_F(MirrorLimitsTest, ALimitOfOneIsAllForClients) {
  world.upstreams[2].concurrency = upstream::Concurrency{1, 4, 1s};
  world.start();
  const Backend mirror(world, kMirror);
  EXPECT_EQ(ask(kGet).body, "stable");
  world.net.run_ready();
  EXPECT_EQ(copies(Mirrored::kBusy), 1U);
}

// ---- The end

TEST_F(MirrorLimitsTest, DrainingDoesNotWaitForThem) {
  world.start();
  SimServer mirror(world.net, kMirror);
  Client client(world);
  EXPECT_EQ(client.ask(kGet).body, "stable");
  SimPeer& served = mirror.accept();
  world.service->drain();
  world.net.run_ready();
  EXPECT_EQ(world.service->connections(), 0U);
  EXPECT_FALSE(served.ended());
  world.service->cancel();
  world.net.run_ready();
  EXPECT_TRUE(served.ended());
  EXPECT_EQ(shadow().active, 0);
}

TEST_F(MirrorLimitsTest, TheyEndWithTheService) {
  world.start();
  SimServer mirror(world.net, kMirror);
  EXPECT_EQ(ask(kGet).body, "stable");
  SimPeer& served = mirror.accept();
  proxy::ServiceOptions options;
  options.clock = &world.clock;
  world.service = std::make_unique<proxy::Service>(world.worker, options);
  world.net.run_ready();
  EXPECT_TRUE(served.ended());
  EXPECT_EQ(copies(Mirrored::kFailed), 1U);
}

// The table it began under goes away with it.
TEST_F(MirrorLimitsTest, ATableWithoutTheMirrorLetsTheLastOnesEnd) {
  world.start();
  SimServer mirror(world.net, kMirror);
  EXPECT_EQ(ask(kGet).body, "stable");
  SimPeer& served = mirror.accept();
  world.mirrors.clear();
  world.upstreams.pop_back();
  world.publish();
  EXPECT_EQ(ask(kGet).body, "stable");
  served.send(ok("late"));
  ASSERT_TRUE(world.net.run_until([&] { return all_copies() == 1; }, 1s));
  EXPECT_EQ(copies(Mirrored::kAnswered), 1U);
}

}  // namespace
}  // namespace canaryd::test
