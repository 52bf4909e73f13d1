// The exposure budget: what counts against it, and that nothing gets past it.
#include "component/proxy_world.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace canaryd::test {
namespace {

using http::Method;

constexpr std::string_view kBroken = "HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\noops";

std::string request(std::string_view method, std::uint64_t user, std::string_view fields = {}) {
  std::string text(method);
  text += " / HTTP/1.1\r\nHost: a\r\nX-User: u" + std::to_string(user) + "\r\n";
  text += fields;
  if (method == "POST") text += "Content-Length: 0\r\n";
  return text + "\r\n";
}

class ExposureTest : public ProxyTest {
 protected:
  ExposureTest() : stable_(world, kStable, ok("stable")) {
    world.split(10000);
    world.failures.fallback.add(Method::kGet);
    world.failures.protection.exposure_max = 3;
    world.upstreams[1].retries = {0, false, false};
    world.upstreams[1].timeouts.first_byte = 2s;
  }

  Message ask(std::string_view method, std::string_view fields = {}) {
    Client client(world);
    return client.ask(request(method, ++asked_, fields));
  }
  [[nodiscard]] std::uint64_t used() const { return world.gate->exposure_used(1); }

  Backend stable_;
  std::uint64_t asked_ = 0;
};

TEST_F(ExposureTest, TheFailureOverItIsTheLast) {
  world.start();
  Backend canary(world, kCanary, std::string(kBroken));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(ask("POST").status(), 500);
  EXPECT_TRUE(world.gate->state().spent);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask("POST").body, "stable");
  EXPECT_EQ(canary.requests.size(), 4U);
}

TEST_F(ExposureTest, WhatNobodySawIsFree) {
  world.start();
  Backend canary(world, kCanary, std::string(kBroken));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask("GET").body, "stable");
  EXPECT_EQ(used(), 0U);
}

// Nor is it the canary's alone if stable failed as well.
TEST_F(ExposureTest, WhatStableFailedTooIsFree) {
  world.upstreams[0].endpoints = {kStable2};
  world.start();
  Backend canary(world, kCanary, std::string(kBroken));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask("GET").status(), 502);
  EXPECT_EQ(used(), 0U);
}

TEST_F(ExposureTest, WhatWasAskedForIsFree) {
  world.start();
  Backend canary(world, kCanary, std::string(kBroken));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask("POST", "X-Canary: always\r\n").status(), 500);
  EXPECT_EQ(used(), 0U);
}

TEST_F(ExposureTest, AResponseThatIsCutCounts) {
  world.start();
  SimServer canary(world.net, kCanary);
  canary.on_data([](SimPeer& peer) {
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    peer.close();
  });
  EXPECT_FALSE(ask("GET").whole);
  EXPECT_EQ(used(), 1U);
}

// Whoever has seen the failure may ask again at once, over another worker.
TEST_F(ExposureTest, AFailureCountsWithItsHead) {
  world.start();
  SimServer canary(world.net, kCanary);
  SimPeer* answering = nullptr;
  canary.on_data([&](SimPeer& peer) {
    answering = &peer;
    peer.send("HTTP/1.1 500 Oh\r\nContent-Length: 10\r\n\r\nhalf");
  });
  Client client(world);
  client.send(request("POST", 1));
  ASSERT_TRUE(world.net.run_until([&] { return client.peer.received().ends_with("half"); }));
  EXPECT_EQ(used(), 1U);
  answering->close();
  EXPECT_FALSE(client.read().whole);
  EXPECT_EQ(used(), 1U) << "once";
}

TEST_F(ExposureTest, SoDoResetsAndTimeouts) {
  world.start();
  {
    Backend canary(world, kCanary, std::string{});
    EXPECT_EQ(ask("POST").status(), 504);
  }
  EXPECT_EQ(ask("POST").status(), 502);
  EXPECT_EQ(used(), 2U);
}

// ---- Whatever comes: 500 rollouts, each with a canary of its own kind and clients that all wait
// for one answer at a time.

class Crowd {
 public:
  Crowd(std::uint64_t seed, std::uint64_t max) : random_(seed), world_(seed) {
    world_.split(2000 + static_cast<unsigned>(random_.below(8001)));
    world_.failures.fallback.add(Method::kGet);
    world_.failures.protection.exposure_max = max;
    world_.failures.protection.circuit_failures = random_.below(4) == 0 ? 5 : 0;
    world_.upstreams[1].retries = {0, false, false};
    world_.upstreams[1].timeouts.first_byte = 1s;
    fail_one_in_ = 1 + random_.below(6);
    SimProfile profile;
    profile.jitter = std::chrono::milliseconds(random_.below(50));
    world_.net.set_profile(kCanary, profile);
    world_.net.set_profile(kStable, profile);
    stable_ = std::make_unique<Backend>(world_, kStable, ok("stable"));
    canary_ = std::make_unique<SimServer>(world_.net, kCanary);
    canary_->on_data([this](SimPeer& peer) { serve(peer); });
    world_.start();
    for (std::uint64_t left = 1 + random_.below(8); left > 0; --left) {
      clients_.push_back(std::make_unique<Client>(world_));
    }
  }

  // Each client asks, and asks again when it has its answer.
  void run(int rounds) {
    for (int round = 0; round < rounds; ++round) {
      for (auto& client : clients_) {
        if (!client->open()) client = std::make_unique<Client>(world_);
        client->send(request(random_.below(3) == 0 ? "GET" : "POST", random_.below(1000)));
      }
      for (auto& client : clients_) {
        const Message answer = client->read();
        if (answer.status() >= 500 || answer.status() == 0 || !answer.whole) ++seen_;
      }
    }
  }
  void finish() {
    clients_.clear();
    canary_.reset();
    stable_.reset();
    world_.finish();
  }

  [[nodiscard]] std::uint64_t seen() const { return seen_; }
  [[nodiscard]] std::uint64_t in_flight_max() const { return clients_.size(); }
  [[nodiscard]] bool spent() const { return world_.gate->state().spent; }
  [[nodiscard]] bool open() const { return world_.gate->state().open; }
  [[nodiscard]] std::uint64_t used() const { return world_.gate->exposure_used(1); }

 private:
  void serve(SimPeer& peer) {
    peer.take();
    if (random_.below(fail_one_in_) != 0) return peer.send(ok("canary"));
    switch (random_.below(5)) {
      case 0:
        return peer.reset();
      case 1:
        return;  // Silence.
      case 2:
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        return peer.close();
      default:
        return peer.send(kBroken);
    }
  }

  Random random_;
  ProxyWorld world_;
  std::unique_ptr<Backend> stable_;
  std::unique_ptr<SimServer> canary_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::uint64_t fail_one_in_ = 1;
  std::uint64_t seen_ = 0;
};

TEST(ExposureCap, HoldsWhateverTheCanaryDoes) {
  constexpr std::uint64_t kCapMax = 20;
  // A thousand runs of one cap, and some of each that is smaller.
  constexpr std::uint64_t kSmaller = 200;
  int spent = 0;
  for (std::uint64_t seed = 1; seed <= kSmaller + 1000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const std::uint64_t cap = seed <= kSmaller ? seed % kCapMax : kCapMax;
    Crowd crowd(seed, cap);
    for (int i = 0; i < 25 && !crowd.spent() && !crowd.open(); ++i) crowd.run(1);
    if (crowd.spent()) ++spent;
    const std::uint64_t before = crowd.seen();
    ASSERT_LE(before, cap + crowd.in_flight_max());
    ASSERT_EQ(crowd.used(), before) << "all that users saw, and nothing else, is counted";
    if (crowd.spent() || crowd.open()) {
      crowd.run(4);
      ASSERT_EQ(crowd.seen(), before) << "nobody is sent there any more";
    }
    crowd.finish();
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(spent, 300) << "the cap was reached often enough to mean something";
}

}  // namespace
}  // namespace canaryd::test
