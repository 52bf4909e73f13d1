// Requests that hang count as slow while they hang: from the exchange to the verdict, in virtual
// time. The upstreams' timeouts are an hour, so that nothing ends meanwhile.
#include "canaryd/analysis/analyzer.hpp"
#include "canaryd/stats/block.hpp"
#include "component/proxy_world.hpp"

#include <array>
#include <memory>
#include <string>
#include <vector>

namespace canaryd::test {
namespace {

constexpr int kUsers = 40;  // A second.

class OverdueTest : public ProxyTest {
 protected:
  OverdueTest()
      : stable_(world, kStable, [this](const Message& m) { return answer(m, stable_hangs_); }),
        canary_(world, kCanary, [this](const Message& m) { return answer(m, canary_hangs_); }) {
    world.split(5000);
    for (auto& upstream : world.upstreams) {
      upstream.timeouts.first_byte = 1h;
      upstream.timeouts.body_idle = 1h;
    }
    world.gate->set_overdue_after(2s);
    analysis::Settings settings;
    settings.warm_up = 0s;
    settings.latency_quantiles = {stats::LatencyQuantile::kP90};
    analyzer_ = std::make_unique<analysis::Analyzer>(settings);
    analyzer_->begin_step({});
    builder_.set_latency_rules(analysis::latency_rules(settings, BasisPoints(10000)));
    stats::Histogram past;
    past.add(5ms, 1000);
    builder_.add_past(past);
  }

  // Of so many users, every tenth.
  static std::string answer(const Message& request, bool hangs) {
    const std::string user = request.field("X-User");
    return hangs && user.back() == '7' ? std::string{} : ok("x");
  }

  // What a worker and control do in a second.
  void second() {
    std::vector<std::unique_ptr<Client>> quick;
    for (int i = 0; i < kUsers; ++i) {
      const std::string user = "u" + std::to_string(++asked_);
      auto& clients = user.back() == '7' ? clients_ : quick;
      clients.push_back(std::make_unique<Client>(world));
      clients.back()->send(get("/", "X-User: " + user + "\r\n"));
    }
    world.net.run_for(1s);
    world.service->count_overdue();
    for (const Cohort cohort : {Cohort::kStable, Cohort::kCanary}) {
      stats::CounterSnapshot& seen = seen_[cohort == Cohort::kCanary ? 1 : 0];
      const stats::CounterSnapshot now = world.counters(cohort);
      const stats::CounterSnapshot delta = now.since(seen);
      seen = now;
      builder_.add(
          cohort, {delta.judged, delta.bad}, delta.latency, {delta.overdue, delta.overdue_ended});
    }
    if (const auto block = builder_.tick(++second_)) analyzer_->absorb(*block);
  }
  [[nodiscard]] std::uint64_t overdue(Cohort cohort) const {
    return world.counters(cohort).overdue;
  }

  bool stable_hangs_ = false;
  bool canary_hangs_ = false;
  Backend stable_;
  Backend canary_;
  std::vector<std::unique_ptr<Client>> clients_;  // Those that may hang.
  stats::BlockBuilder builder_{0, 1, 0};
  std::unique_ptr<analysis::Analyzer> analyzer_;
  std::array<stats::CounterSnapshot, 2> seen_;
  std::int64_t second_ = 0;
  int asked_ = 0;
};

TEST_F(OverdueTest, AHangingCanaryIsRolledBackWhileItHangs) {
  world.start();
  for (int i = 0; i < 20; ++i) second();
  EXPECT_EQ(analyzer_->evaluate().decision, analysis::Decision::kHold);
  canary_hangs_ = true;
  int seconds = 0;
  while (analyzer_->evaluate().decision != analysis::Decision::kRollback && seconds < 60) {
    second();
    ++seconds;
  }
  EXPECT_LT(seconds, 30);
  EXPECT_EQ(analyzer_->evaluate().metrics[1].canary_bad, overdue(Cohort::kCanary));
  EXPECT_GT(world.counters(Cohort::kCanary).active, 0) << "none of them has ended";
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 0U);
  EXPECT_EQ(overdue(Cohort::kStable), 0U);
  clients_.clear();
}

TEST_F(OverdueTest, WhenStableHangsAsWellNobodyIsToBlame) {
  stable_hangs_ = canary_hangs_ = true;
  world.start();
  for (int i = 0; i < 60; ++i) second();
  EXPECT_NE(analyzer_->evaluate().decision, analysis::Decision::kRollback);
  EXPECT_GT(overdue(Cohort::kStable), 50U);
  EXPECT_GT(overdue(Cohort::kCanary), 50U);
  clients_.clear();
}

// Nobody is blamed for a client that leaves; but a version that makes them leave is seen to be
// slow.
TEST_F(OverdueTest, WhoeverGivesUpOnAHangingVersionIsCounted) {
  canary_hangs_ = true;
  world.gate->set_abandoned_after(50ms);
  world.rollout().weight = BasisPoints(10000);
  world.start();
  for (const Duration waits : {Duration(40ms), Duration(60ms)}) {
    Client client(world);
    client.send(get("/", "X-User: u7\r\n"));
    world.net.run_for(waits);
    client.peer.close();
    world.net.run_for(1s);
  }
  const stats::CounterSnapshot counts = world.counters(Cohort::kCanary);
  EXPECT_EQ(counts.abandoned, 1U) << "the first left sooner than anything is slow";
  EXPECT_EQ(counts.excluded, 2U);
  EXPECT_EQ(counts.judged, 0U);
  EXPECT_EQ(counts.overdue, 0U);
}

TEST_F(OverdueTest, WhoeverLeavesInTheMidstOfHisOwnRequestIsNot) {
  canary_hangs_ = true;
  world.gate->set_abandoned_after(50ms);
  world.rollout().weight = BasisPoints(10000);
  world.start();
  Client client(world);
  client.send("POST / HTTP/1.1\r\nHost: a\r\nX-User: u7\r\nContent-Length: 10\r\n\r\nhalf");
  world.net.run_for(200ms);
  client.peer.close();
  world.net.run_for(1s);
  EXPECT_EQ(world.counters(Cohort::kCanary).abandoned, 0U);
}

TEST_F(OverdueTest, ARequestIsCountedOnceAndNotBeforeItsTime) {
  canary_hangs_ = true;
  world.gate->set_overdue_after(5s);
  world.rollout().weight = BasisPoints(10000);
  world.start();
  Client client(world);
  client.send(get("/", "X-User: u7\r\n"));
  world.net.run_for(4900ms);
  world.service->count_overdue();
  EXPECT_EQ(overdue(Cohort::kCanary), 0U);
  world.net.run_for(200ms);
  for (int i = 0; i < 3; ++i) world.service->count_overdue();
  EXPECT_EQ(overdue(Cohort::kCanary), 1U);
  EXPECT_EQ(world.counters(Cohort::kCanary).judged, 0U) << "how it ends is not known";
  client.peer.close();
  world.net.run_for(1s);
  EXPECT_EQ(world.counters(Cohort::kCanary).excluded, 1U) << "the client left";
  // The next one on the same exchange begins anew.
  Client next(world);
  next.send(get("/", "X-User: u7\r\n"));
  world.net.run_for(6s);
  world.service->count_overdue();
  EXPECT_EQ(overdue(Cohort::kCanary), 2U);
}

TEST_F(OverdueTest, AClientThatSendsSlowlyIsNoHang) {
  canary_hangs_ = true;
  world.rollout().weight = BasisPoints(10000);
  world.start();
  Client client(world);
  client.send("POST / HTTP/1.1\r\nHost: a\r\nX-User: u7\r\nContent-Length: 10\r\n\r\n");
  for (int i = 0; i < 9; ++i) {
    world.net.run_for(5s);
    client.send("x");
    world.service->count_overdue();
  }
  EXPECT_EQ(overdue(Cohort::kCanary), 0U);
  client.send("x");
  world.net.run_for(1s);
  world.service->count_overdue();
  EXPECT_EQ(overdue(Cohort::kCanary), 1U) << "now the canary has it whole";
}

TEST_F(OverdueTest, AClientThatTakesNothingIsNoHang) {
  world.upstreams[1].endpoints = {kStable2};
  Backend talkative(world, kStable2, ok(std::string(4'000'000, 'x')));
  world.rollout().weight = BasisPoints(10000);
  world.start();
  Client client(world);
  client.peer.stop_reading();
  client.send(get("/", "X-User: u\r\n"));
  world.net.run_for(10s);
  world.service->count_overdue();
  EXPECT_EQ(world.counters(Cohort::kCanary).active, 1);
  EXPECT_EQ(overdue(Cohort::kCanary), 0U);
}

TEST_F(OverdueTest, OneThatEndsIsTakenOutOfTheResponses) {
  world.upstreams[1].endpoints = {kStable2};
  SimServer server(world.net, kStable2);
  world.rollout().weight = BasisPoints(10000);
  world.start();
  Client client(world);
  client.send(get("/", "X-User: u\r\n"));
  SimPeer& served = server.accept();
  world.net.run_for(10s);
  world.service->count_overdue();
  served.send(ok("late"));
  EXPECT_EQ(client.read().body, "late");
  const stats::CounterSnapshot counters = world.counters(Cohort::kCanary);
  EXPECT_EQ(counters.overdue, 1U);
  EXPECT_EQ(counters.overdue_ended, 1U);
  EXPECT_EQ(counters.latency.total(), 1U);
}

TEST_F(OverdueTest, WhatIsNoEvidenceIsNotCounted) {
  canary_hangs_ = stable_hangs_ = true;
  world.start();
  Client forced(world);
  forced.send(get("/", "X-User: u7\r\nX-Canary: always\r\n"));
  world.net.run_for(10s);
  world.service->count_overdue();
  EXPECT_EQ(overdue(Cohort::kCanary), 0U);
  world.gate->set_overdue_after(0s);
  Client client(world);
  client.send(get("/", "X-User: u17\r\n"));
  world.net.run_for(10s);
  world.service->count_overdue();
  EXPECT_EQ(overdue(Cohort::kCanary) + overdue(Cohort::kStable), 0U) << "it is off";
}

// Charged to the canary already: that stable takes long in its place says nothing of it.
TEST_F(OverdueTest, WhatHasFallenBackIsNotCounted) {
  world.failures.fallback.add(http::Method::kGet);
  world.upstreams[1].endpoints = {kStable2};  // Nobody is there.
  stable_hangs_ = true;
  world.rollout().weight = BasisPoints(10000);
  world.start();
  Client client(world);
  client.send(get("/", "X-User: u7\r\n"));
  world.net.run_for(10s);
  world.service->count_overdue();
  EXPECT_EQ(overdue(Cohort::kCanary), 0U);
  EXPECT_FALSE(stable_.requests.empty());
}

}  // namespace
}  // namespace canaryd::test
