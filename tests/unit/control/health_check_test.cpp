#include "control/health_check.hpp"

#include "control/snapshot.hpp"
#include "unit/control/health_rig.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace canaryd::control::test {
namespace {

using namespace std::chrono_literals;
using canaryd::test::ManualClock;
using upstream::Health;

// ---- The row

TEST(HealthRow, TheFirstGoodAnswerProvesIt) {
  const config::HealthCheck rule;
  HealthRow row;
  EXPECT_EQ(row.next(Health::kUnknown, true, rule), Health::kHealthy);
}

TEST(HealthRow, OnlyARowTakesItOut) {
  const config::HealthCheck rule;
  for (const Health begin : {Health::kUnknown, Health::kHealthy}) {
    HealthRow row;
    Health health = begin;
    for (const bool good : {false, false}) health = row.next(health, good, rule);
    EXPECT_EQ(health, begin);
    EXPECT_EQ(row.next(health, false, rule), Health::kUnhealthy);
  }
  HealthRow row;
  Health health = Health::kHealthy;
  for (int i = 0; i < 30; ++i) {
    health = row.next(health, i % 3 == 2, rule);
    EXPECT_EQ(health, Health::kHealthy);
  }
}

TEST(HealthRow, OnlyARowBringsItBack) {
  const config::HealthCheck rule;
  HealthRow row;
  Health health = Health::kUnhealthy;
  for (const bool good : {true, false, true}) {
    health = row.next(health, good, rule);
    EXPECT_EQ(health, Health::kUnhealthy);
  }
  EXPECT_EQ(row.next(health, true, rule), Health::kHealthy);
}

TEST(HealthRow, OneMayBeEnough) {
  config::HealthCheck rule;
  rule.healthy = rule.unhealthy = 1;
  HealthRow row;
  EXPECT_EQ(row.next(Health::kHealthy, false, rule), Health::kUnhealthy);
  EXPECT_EQ(row.next(Health::kUnhealthy, true, rule), Health::kHealthy);
}

// ---- The checks

class HealthChecksTest : public ::testing::Test {
 protected:
  HealthChecksTest() {
    LogOptions options;
    options.file = "/dev/null";
    log_ = std::move(*Log::open(options, clock_));
    checks_ = std::make_unique<HealthChecks>(&io_, *log_, clock_, [this] { ++changes_; });
    config::Upstream app;
    app.name = "app";
    app.endpoints = {{*parse_socket_address(kOne)}, {*parse_socket_address(kTwo)}};
    app.health_check = config::HealthCheck{};
    upstreams_ = {app};
  }
  void update() {
    std::vector<upstream::UpstreamSpec> specs;
    for (const config::Upstream& each : upstreams_) specs.push_back(make_upstream(each));
    registry_.update(specs);
    checks_->update(upstreams_, registry_);
  }
  [[nodiscard]] Health health(std::size_t index) const {
    return registry_.find("app")->endpoints[index].state->health();
  }
  config::HealthCheck& rule() { return *upstreams_[0].health_check; }

  static constexpr const char* kOne = "127.0.0.1:9001";
  static constexpr const char* kTwo = "127.0.0.1:9002";
  ManualClock clock_;
  std::unique_ptr<Log> log_;
  FakeHealthIo io_{clock_};
  UpstreamRegistry registry_{2};
  int changes_ = 0;
  std::unique_ptr<HealthChecks> checks_;
  std::vector<config::Upstream> upstreams_;
};

TEST_F(HealthChecksTest, AnEndpointIsUnknownUntilItHasAnswered) {
  rule().path = "/are/you/well?";
  update();
  EXPECT_EQ(health(0), Health::kUnknown);
  EXPECT_FALSE(registry_.health("app").known);
  EXPECT_TRUE(registry_.health("app").up());
  io_.servers[kTwo] = Server::kSick;
  // Within a second both have been asked once.
  io_.run_for(1001ms);
  EXPECT_EQ(io_.path, "/are/you/well?");
  EXPECT_EQ(health(0), Health::kHealthy);
  EXPECT_EQ(health(1), Health::kUnknown);
  EXPECT_FALSE(registry_.health("app").known);
  io_.run_for(10s);
  EXPECT_EQ(health(1), Health::kUnhealthy);
  EXPECT_TRUE(registry_.health("app").known);
  EXPECT_EQ(registry_.health("app").usable, 1U);
  EXPECT_EQ(changes_, 2);
}

TEST_F(HealthChecksTest, TheyBeginAtDifferentTimesAndKeepTheirPace) {
  update();
  io_.run_for(1000ms);
  EXPECT_EQ(io_.asked[kOne] + io_.asked[kTwo], 2);
  io_.servers[kTwo] = Server::kHangs;
  io_.run_for(100s);
  EXPECT_EQ(io_.asked[kOne], 21);
  EXPECT_EQ(io_.asked[kTwo], 21);
}

// C3: out within unhealthy x interval + timeout, whenever it dies and however.
TEST_F(HealthChecksTest, WhoDiesIsOutInTime) {
  update();
  io_.run_for(2s);
  for (const Server way : {Server::kSick, Server::kHangs}) {
    for (int i = 0; i < 100; ++i) {
      io_.servers[kOne] = Server::kWell;
      io_.run_for(11s + i * 53ms);
      ASSERT_EQ(health(0), Health::kHealthy);
      io_.servers[kOne] = way;
      const Duration bound = rule().unhealthy * rule().interval + rule().timeout;
      io_.run_for(bound);
      ASSERT_EQ(health(0), Health::kUnhealthy) << i;
    }
  }
  EXPECT_EQ(health(1), Health::kHealthy);
}

TEST_F(HealthChecksTest, WhatWasNotAskedCountsForNothing) {
  update();
  io_.run_for(2s);
  io_.servers[kOne] = Server::kNotAsked;
  io_.run_for(100s);
  EXPECT_EQ(health(0), Health::kHealthy);
  io_.servers[kOne] = Server::kSick;
  io_.run_for(10s);
  io_.servers[kOne] = Server::kNotAsked;
  io_.run_for(10s);
  EXPECT_EQ(health(0), Health::kHealthy);
  // The row goes on where it was.
  io_.servers[kOne] = Server::kSick;
  io_.run_for(5s);
  EXPECT_EQ(health(0), Health::kUnhealthy);
}

TEST_F(HealthChecksTest, AReloadKeepsWhatIsKnown) {
  io_.servers[kTwo] = Server::kSick;
  update();
  io_.run_for(20s);
  ASSERT_EQ(health(1), Health::kUnhealthy);
  const int asked = io_.asked[kTwo];
  upstreams_[0].load_balancer = config::LoadBalancer::kRoundRobin;
  update();
  EXPECT_EQ(health(0), Health::kHealthy);
  EXPECT_EQ(health(1), Health::kUnhealthy);
  io_.run_for(50s);
  EXPECT_EQ(io_.asked[kTwo], asked + 10);
  // Another rule holds from the next answer on.
  rule().healthy = 1;
  update();
  io_.servers[kTwo] = Server::kWell;
  io_.run_for(5001ms);
  EXPECT_EQ(health(1), Health::kHealthy);
}

// However long the old interval still is.
TEST_F(HealthChecksTest, AShorterIntervalHoldsAtOnce) {
  rule().interval = 1h;
  update();
  io_.run_for(2s);
  rule().interval = 5s;
  update();
  io_.run_for(51s);
  EXPECT_EQ(io_.asked[kOne], 12) << "one of before, then at once and each five seconds";
  rule().interval = 30s;
  update();
  io_.run_for(61s);
  EXPECT_LE(io_.asked[kOne], 15);
}

TEST_F(HealthChecksTest, WithoutAKeyNobodyIsAsked) {
  io_.servers[kTwo] = Server::kSick;
  update();
  io_.run_for(20s);
  upstreams_[0].health_check.reset();
  update();
  EXPECT_EQ(health(1), Health::kUnknown);
  EXPECT_EQ(registry_.health("app").proven, 2U);
  EXPECT_TRUE(registry_.health("app").known);
  const int asked = io_.asked[kTwo];
  io_.run_for(100s);
  EXPECT_EQ(io_.asked[kTwo], asked);
  EXPECT_EQ(health(1), Health::kUnknown);
}

TEST_F(HealthChecksTest, AnEndpointThatGoesIsAskedNoMore) {
  update();
  io_.run_for(2s);
  upstreams_[0].endpoints.pop_back();
  update();
  const int asked = io_.asked[kTwo];
  io_.run_for(100s);
  EXPECT_EQ(io_.asked[kTwo], asked);
  EXPECT_EQ(registry_.health("app").endpoints, 1U);
}

// A request that is under way may still draw from a table that has it.
TEST_F(HealthChecksTest, AnEndpointThatGoesStaysAsItWas) {
  io_.servers[kTwo] = Server::kSick;
  update();
  io_.run_for(20s);
  const auto gone = registry_.find("app")->endpoints[1].state;
  ASSERT_EQ(gone->health(), Health::kUnhealthy);
  upstreams_[0].endpoints.pop_back();
  update();
  EXPECT_EQ(gone->health(), Health::kUnhealthy);
  EXPECT_EQ(registry_.health("app").usable, 1U);
  // One that comes back is a new one: asked anew, and until then as good as any.
  io_.servers[kTwo] = Server::kWell;
  upstreams_[0].endpoints.push_back({*parse_socket_address(kTwo)});
  update();
  EXPECT_EQ(health(1), Health::kUnknown);
  io_.run_for(2s);
  EXPECT_EQ(health(1), Health::kHealthy);
  EXPECT_EQ(gone->health(), Health::kUnhealthy);
}

TEST_F(HealthChecksTest, AnUpstreamThatGoesStaysAsItWas) {
  io_.servers[kTwo] = Server::kSick;
  update();
  io_.run_for(20s);
  const auto gone = registry_.find("app")->endpoints[1].state;
  upstreams_[0].name = "other";
  update();
  EXPECT_EQ(gone->health(), Health::kUnhealthy);
}

TEST_F(HealthChecksTest, NothingHappensAfterItsEnd) {
  update();
  io_.run_for(2s);
  io_.servers[kOne] = Server::kHangs;
  io_.run_for(5s);
  checks_.reset();
  io_.run_for(100s);
  EXPECT_EQ(changes_, 2);
}

}  // namespace
}  // namespace canaryd::control::test
