// What a rollout does when the endpoints of its versions are found well or not.
#include "controller_rig.hpp"
#include "unit/control/health_rig.hpp"

namespace canaryd::control::test {
namespace {

using ::testing::HasSubstr;

constexpr const char* kOld = "127.0.0.1:9001";
constexpr const char* kNew = "127.0.0.1:9002";
constexpr const char* kNew2 = "127.0.0.1:9012";

class ControllerHealthTest : public ControllerRig {
 protected:
  ControllerHealthTest() {
    health_io_ = &io_;
    file_ = file("");
  }
  static std::string file(const std::string& more) {
    return "version: 1\nlisteners:\n" + kListener +
           "upstreams:\n"
           "  old: {endpoints: [127.0.0.1:9001], health_check: {interval: 1s, timeout: 500ms}}\n"
           "  new:\n"
           "    endpoints: [127.0.0.1:9002, 127.0.0.1:9012]\n"
           "    health_check: {interval: 1s, timeout: 500ms}\n" +
           more + kRollout + "routes:\n  - {name: all, rollout: shop}\n";
  }
  // So many seconds, with a tick in each.
  void seconds(int count) {
    for (int i = 0; i < count; ++i) {
      io_.run_for(1s);
      controller_->tick();
      settle();
    }
  }
  void sick(Server server = Server::kSick) { io_.servers[kNew] = io_.servers[kNew2] = server; }

  FakeHealthIo io_{clock_};
};

TEST_F(ControllerHealthTest, ARolloutStartsOnceBothVersionsHaveBeenSeen) {
  io_.servers[kNew2] = Server::kHangs;
  boot();
  controller_->tick();
  seconds(2);
  EXPECT_EQ(view().state, "idle");
  // Now the last one is known as well, and one of two is enough.
  seconds(3);
  EXPECT_EQ(view().state, "progressing");
  EXPECT_EQ(effective(), 10);
}

TEST_F(ControllerHealthTest, ARolloutDoesNotStartOnWhatIsDown) {
  sick();
  boot();
  seconds(20);
  EXPECT_EQ(view().state, "idle");
  EXPECT_EQ(view().next, "starts by itself when new is healthy");
  io_.servers[kOld] = Server::kSick;
  seconds(20);
  EXPECT_EQ(view().next,
            "starts by itself when both versions are healthy; stable has no healthy endpoint: its "
            "users get 503");
  io_.servers[kOld] = Server::kWell;
  sick(Server::kWell);
  seconds(4);
  EXPECT_EQ(view().state, "progressing");
}

// Whoever has given up the canary does not look at stable by himself.
TEST_F(ControllerHealthTest, AStableThatIsDownIsToldInEveryStateThatUsesIt) {
  constexpr const char* kDown = "; stable has no healthy endpoint: its users get 503";
  boot();
  seconds(5);
  ASSERT_EQ(view().state, "progressing");
  ASSERT_EQ(act(Action::kPause).status, ActionStatus::kOk);
  EXPECT_EQ(view().next, "paused; `canaryctl resume` goes on; rollback stays armed");
  io_.servers[kOld] = Server::kSick;
  seconds(20);
  EXPECT_EQ(view().next,
            std::string("paused; `canaryctl resume` goes on; rollback stays armed") + kDown);
  ASSERT_EQ(act(Action::kAbort).status, ActionStatus::kOk);
  EXPECT_EQ(view().next, std::string("`canaryctl retry` begins again") + kDown);
  io_.servers[kOld] = Server::kWell;
  seconds(4);
  EXPECT_EQ(view().next, "`canaryctl retry` begins again");
}

TEST_F(ControllerHealthTest, APauseBeneathASuspensionIsTold) {
  boot();
  seconds(5);
  ASSERT_EQ(view().state, "progressing");
  sick();
  seconds(10);
  ASSERT_EQ(view().state, "suspended");
  const std::string until =
      "suspended, everybody is on stable until an endpoint of the canary is healthy";
  EXPECT_EQ(view().next, until);
  ASSERT_EQ(act(Action::kPause).status, ActionStatus::kOk);
  EXPECT_EQ(view().state, "suspended");
  EXPECT_EQ(view().next, until + "; comes back paused at 10 %");
  EXPECT_EQ(view().reason, "no healthy endpoint") << "not that of the pause";
}

// C3, without waiting for a tick: weight 0 within unhealthy x interval + timeout.
TEST_F(ControllerHealthTest, ACanaryThatDiesHasWeightZeroInTime) {
  boot();
  seconds(3);
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(effective(), 10);
    io_.run_for(i * 53ms);
    sick(i % 2 == 0 ? Server::kSick : Server::kHangs);
    io_.run_for(3 * 1s + 500ms);
    ASSERT_EQ(effective(), 0) << i;
    settle();
    EXPECT_EQ(view().state, "suspended");
    EXPECT_EQ(view().weight.target, BasisPoints(0));
    EXPECT_EQ(view().reason, "no healthy endpoint");
    EXPECT_EQ(disk_.journal().back().entry.cause, "unhealthy");
    // Stays so, until an endpoint is well again.
    seconds(5);
    EXPECT_EQ(effective(), 0);
    io_.servers[kNew2] = Server::kWell;
    seconds(3);
    EXPECT_EQ(view().state, "progressing");
  }
}

TEST_F(ControllerHealthTest, OneHealthyEndpointIsEnough) {
  boot();
  seconds(3);
  io_.servers[kNew] = Server::kSick;
  seconds(20);
  EXPECT_EQ(effective(), 10);
  const auto upstreams = controller_->upstreams();
  ASSERT_EQ(upstreams.at(1).endpoints.size(), 2U);
  EXPECT_FALSE(upstreams[1].endpoints[0].healthy);
  EXPECT_TRUE(upstreams[1].endpoints[1].healthy);
  EXPECT_THAT(controller_->metrics_text(),
              HasSubstr("canaryd_upstream_endpoint_healthy{upstream=\"new\","
                        "endpoint=\"127.0.0.1:9002\"} 0"));
  EXPECT_THAT(controller_->metrics_text(),
              HasSubstr("canaryd_upstream_endpoints_usable{upstream=\"new\"} 1\n"));
}

TEST_F(ControllerHealthTest, WithoutStableNothingRises) {
  boot();
  seconds(3);
  io_.servers[kOld] = Server::kSick;
  seconds(5);
  EXPECT_EQ(view().state, "held");
  EXPECT_EQ(view().reason, "environment_degraded");
  io_.servers[kOld] = Server::kWell;
  seconds(4);
  EXPECT_EQ(view().state, "progressing");
}

TEST_F(ControllerHealthTest, AReloadKeepsWhatIsKnown) {
  boot();
  seconds(3);
  sick();
  seconds(5);
  ASSERT_EQ(view().state, "suspended");
  ASSERT_TRUE(reload(file("    retries: {attempts: 0}\n")).ok);
  controller_->tick();
  settle();
  EXPECT_EQ(view().state, "suspended");
  EXPECT_EQ(effective(), 0);
  EXPECT_FALSE(controller_->upstreams().at(1).endpoints.at(0).healthy);
}

// What the journal says holds: also that it was its health, so that it goes on as soon as it is
// well.
TEST_F(ControllerHealthTest, ARestartStaysSuspended) {
  boot();
  seconds(3);
  sick();
  seconds(5);
  ASSERT_EQ(view().state, "suspended");
  power_off();
  boot();
  controller_->tick();
  settle();
  EXPECT_EQ(view().state, "suspended");
  seconds(5);
  EXPECT_EQ(view().state, "suspended");
  sick(Server::kWell);
  seconds(3);
  EXPECT_EQ(view().state, "progressing");
  EXPECT_EQ(effective(), 10);
}

// What the canary is asked first it may be silent on: then no latency is compared yet.
TEST_F(ControllerHealthTest, RequestsUnderWayAreLookedAtForTheirSilence) {
  boot();
  seconds(3);
  ASSERT_EQ(effective(), 10);
  const auto gate = plane_.held.at(0).shared->table->rollouts().at(0).gate;
  for (int i = 0; i < 60 && gate->slow_after() == Duration::zero(); ++i) {
    clock_.advance(1s);
    plane_.serve(Cohort::kStable, 2000, 0);
    controller_->tick();
    settle();
  }
  ASSERT_GT(gate->slow_after(), Duration::zero());
  EXPECT_EQ(gate->overdue_after(), Duration::zero());
  const int counted = plane_.overdue_counts;
  clock_.advance(1s);
  controller_->tick();
  settle();
  EXPECT_EQ(plane_.overdue_counts, counted + 1);
  act(Action::kAbort);
  const int last = plane_.overdue_counts;
  clock_.advance(1s);
  controller_->tick();
  settle();
  EXPECT_EQ(plane_.overdue_counts, last);
}

TEST_F(ControllerHealthTest, AnAbortEndsASuspension) {
  boot();
  seconds(3);
  sick();
  seconds(5);
  EXPECT_EQ(act(Action::kAbort).status, ActionStatus::kOk);
  EXPECT_EQ(view().state, "aborted");
  sick(Server::kWell);
  seconds(5);
  EXPECT_EQ(view().state, "aborted");
  EXPECT_EQ(effective(), 0);
}

}  // namespace
}  // namespace canaryd::control::test
