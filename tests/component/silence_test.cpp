// A canary that hangs: silence whose limit is known late, and silence behind a limit of slots.
#include "component/proxy_world.hpp"

#include <memory>
#include <string>
#include <vector>

namespace canaryd::test {
namespace {

// Every request is the canary's, and five failures in a row open the circuit. It has nothing to say
// unless a test says so.
class SilenceTest : public ProxyTest {
 protected:
  SilenceTest() : canary_(world, kCanary, [this](const Message&) { return answer_; }) {
    world.split(10000);
    world.failures.protection.circuit_failures = 5;
    world.upstreams[1].retries = {0, false, false};
    world.upstreams[1].timeouts.first_byte = 1min;
  }

  // So many requests that nobody waits for here.
  void hang(int count, std::string_view fields = {}) {
    for (int i = 0; i < count; ++i) {
      hung_.push_back(std::make_unique<Client>(world));
      const std::string user = "X-User: h" + std::to_string(hung_.size()) + "\r\n";
      hung_.back()->send(get("/", user + std::string(fields)));
    }
    world.net.run_ready();
  }
  Message ask() {
    Client client(world);
    return client.ask(get("/", "X-User: u\r\n"));
  }
  // A second of silence is too long.
  void start_with(const upstream::Concurrency& limit) {
    world.upstreams[1].concurrency = limit;
    world.gate->set_slow_after(1s);
    world.start();
  }
  [[nodiscard]] bool is_open() const { return world.gate->state().open; }
  [[nodiscard]] std::uint64_t in_a_row() const { return world.gate->failures_in_a_row(1).requests; }

  Backend canary_;
  std::string answer_;
  std::vector<std::unique_ptr<Client>> hung_;
};

// It began when nobody could say what is long: no clock of its own runs for it.
TEST_F(SilenceTest, SilenceFromBeforeItsLimitIsKnownCounts) {
  world.upstreams[1].timeouts.first_byte = 1min;
  world.start();
  hang(5);
  world.net.run_for(3s);
  world.gate->set_slow_after(4s);
  world.service->count_overdue();
  EXPECT_FALSE(is_open()) << "not long enough yet";
  world.net.run_for(1s);
  for (int i = 0; i < 3; ++i) world.service->count_overdue();
  EXPECT_TRUE(is_open());
  EXPECT_EQ(in_a_row(), 5U) << "each once";
}

// Of the last request over the same connection nothing is left that could be taken for silence, and
// what still connects has not asked anything.
TEST_F(SilenceTest, WhatIsNotWithTheCanaryIsNoSilence) {
  world.upstreams[1].timeouts.connect = 1min;
  world.upstreams[1].timeouts.keep_alive = 0s;
  world.failures.protection.circuit_failures = 1;
  world.start();
  answer_ = ok("canary");
  Client client(world);
  EXPECT_EQ(client.ask(get("/", "X-User: u\r\n")).body, "canary");
  answer_ = {};
  SimProfile far;
  far.delay = 20s;
  world.net.set_profile(kCanary, far);
  client.send(get("/", "X-User: u\r\n"));
  world.net.run_for(10s);
  world.gate->set_slow_after(1s);
  world.service->count_overdue();
  EXPECT_FALSE(is_open());
  world.net.run_for(30s + 500ms);
  world.service->count_overdue();
  EXPECT_FALSE(is_open()) << "it has just been sent";
  world.net.run_for(1s);
  world.service->count_overdue();
  EXPECT_TRUE(is_open());
}

// ---- Silence behind a limit

// An equal version may take long once in a while: one silent request is one, whoever waits for its
// slot.
TEST_F(SilenceTest, AHangThatOthersWaitForCountsOnce) {
  start_with({1, 10, 1min});
  hang(3);
  world.net.run_for(20s);
  EXPECT_FALSE(is_open());
  EXPECT_EQ(in_a_row(), 1U);
}

// As long as the other slot gets its answers, one that hangs is one that hangs.
TEST_F(SilenceTest, SuccessesBesideAHangKeepItClosed) {
  start_with({2, 10, 1min});
  hang(1);
  answer_ = ok("canary");
  for (int i = 0; i < 20; ++i) {
    world.net.run_for(900ms);
    EXPECT_EQ(ask().body, "canary") << i;
  }
  EXPECT_FALSE(is_open());
}

// Answers that are merely slow never are silent for so long.
TEST_F(SilenceTest, SlowAnswersBehindALimitKeepItClosed) {
  world.upstreams[1].endpoints = {kStable2};
  start_with({1, 50, 1min});
  SimServer server(world.net, kStable2);
  hang(20);
  for (int i = 0; i < 20; ++i) {
    world.net.run_for(950ms);
    server.at(0).send(ok("slow"));
    EXPECT_EQ(hung_[static_cast<std::size_t>(i)]->read().body, "slow") << i;
  }
  EXPECT_FALSE(is_open());
  EXPECT_EQ(in_a_row(), 0U);
}

TEST_F(SilenceTest, WhoWantedToSeeItHangOpensNothing) {
  start_with({1, 10, 1min});
  hang(3, "X-Canary: always\r\n");
  world.net.run_for(20s);
  EXPECT_FALSE(is_open());
  EXPECT_EQ(in_a_row(), 0U);
}

}  // namespace
}  // namespace canaryd::test
