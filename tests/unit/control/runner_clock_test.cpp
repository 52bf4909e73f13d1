// The wall clock is set while something has to last: that goes on by real time, and what has a date
// follows the clock.
#include "runner_rig.hpp"

namespace canaryd::control::test {
namespace {

using rollout::HoldReason;
using rollout::Judgement;
using rollout::Phase;

class RunnerCalendarTest : public RunnerRig {
 protected:
  void set_clock(WallTime::duration by) { clock_set_by_ += by; }
  // With a tick each.
  void seconds(int count, Judgement judgement = Judgement::kAccept) {
    for (int i = 0; i < count; ++i) {
      clock_.advance(1s);
      rollout::Tick seen = verdict(judgement);
      seen.stable_use.idle = Duration(1h);
      runner_->tick(seen);
      settle();
    }
  }
};

// By so many hours.
class RunnerClockTest : public RunnerCalendarTest, public ::testing::WithParamInterface<int> {
 protected:
  void set_clock() { RunnerCalendarTest::set_clock(std::chrono::hours(GetParam())); }
};

INSTANTIATE_TEST_SUITE_P(Hours, RunnerClockTest, ::testing::Values(72, -2));

TEST_P(RunnerClockTest, AStepLastsItsMinDuration) {
  config_.plan.steps[0].min_duration = 10s;
  crash();
  send(rollout::Start{});
  seconds(4);
  set_clock();
  seconds(5);
  EXPECT_EQ(effective(), 10);
  seconds(1);
  EXPECT_EQ(effective(), 50);
}

TEST_P(RunnerClockTest, AStepMayTakeItsMaxDuration) {
  config_.plan.steps[0].max_duration = 10s;
  crash();
  send(rollout::Start{});
  seconds(4, Judgement::kHold);
  set_clock();
  seconds(5, Judgement::kHold);
  EXPECT_EQ(phase(), Phase::kProgressing);
  seconds(1, Judgement::kHold);
  EXPECT_EQ(phase(), Phase::kHeld);
  EXPECT_EQ(runner_->state().hold, HoldReason::kInconclusive);
}

TEST_P(RunnerClockTest, ItStillDoesNotCountInAPause) {
  config_.plan.steps[0].min_duration = 10s;
  crash();
  send(rollout::Start{});
  seconds(4);
  send(rollout::Pause{});
  seconds(3);
  set_clock();
  seconds(3);
  send(rollout::Resume{});
  seconds(5);
  EXPECT_EQ(effective(), 10);
  seconds(1);
  EXPECT_EQ(effective(), 50);
}

// A command may come before the next tick does.
TEST_P(RunnerClockTest, NorIfItIsTheCommandThatFindsOut) {
  config_.plan.steps[0].min_duration = 10s;
  crash();
  send(rollout::Start{});
  seconds(4);
  set_clock();
  send(rollout::Pause{});
  seconds(6);
  send(rollout::Resume{});
  seconds(5);
  EXPECT_EQ(effective(), 10);
  seconds(1);
  EXPECT_EQ(effective(), 50);
}

TEST_P(RunnerClockTest, ABakeLastsItsTime) {
  send(rollout::Start{});
  send(rollout::Promote{true});
  seconds(4, Judgement::kHold);
  set_clock();
  seconds(5, Judgement::kHold);
  EXPECT_EQ(phase(), Phase::kBaking);
  seconds(1, Judgement::kHold);
  EXPECT_EQ(phase(), Phase::kPromoted);
}

TEST_P(RunnerClockTest, TheHookIsNotCalledBeforeTheUndoTimeIsOver) {
  config_.plan.retire = rollout::RetirePlan{1s, 2s, 10s, true};
  crash();
  int called = 0;
  host_->decommission = [&called](const std::string&) { ++called; };
  send(rollout::Start{});
  send(rollout::Promote{true});
  send(rollout::Promote{});
  seconds(1);
  ASSERT_EQ(phase(), Phase::kRetiring);
  set_clock();
  seconds(11);
  EXPECT_EQ(called, 0);
  EXPECT_EQ(phase(), Phase::kRetiring);
  EXPECT_EQ(runner_->state().retire_hook, rollout::RetireHook::kNone);
  seconds(1);
  EXPECT_EQ(called, 1);
  EXPECT_EQ(runner_->state().retire_hook, rollout::RetireHook::kCalled);
}

TEST_P(RunnerClockTest, AGradualReturnKeepsItsPace) {
  send(rollout::Start{});
  send(rollout::Promote{true});
  send(rollout::RollBack{90s});
  ASSERT_EQ(effective(), 90);
  set_clock();
  seconds(9);
  EXPECT_EQ(effective(), 90);
  seconds(1);
  EXPECT_EQ(effective(), 80);
}

// What is under way takes the place of the state, with the times of the clock before.
TEST_P(RunnerClockTest, ARiseThatIsUnderWayIsOfTheClockBefore) {
  config_.plan.steps[0].min_duration = 10s;
  config_.plan.steps[1].min_duration = 10s;
  crash();
  send(rollout::Start{});
  seconds(9);
  clock_.advance(1s);
  runner_->tick(verdict(Judgement::kAccept));
  ASSERT_TRUE(runner_->busy());
  set_clock();
  runner_->follow_clock();
  settle();
  ASSERT_EQ(effective(), 50);
  seconds(9);
  EXPECT_EQ(effective(), 50);
  seconds(1);
  EXPECT_EQ(effective(), 100);
}

TEST_P(RunnerClockTest, TheNextRowOfTheJournalHasTheTimesOfTheNewClock) {
  send(rollout::Start{});
  send(rollout::Promote{true});
  seconds(4, Judgement::kHold);
  set_clock();
  seconds(1, Judgement::kHold);
  send(rollout::Pause{});
  send(rollout::Resume{});
  EXPECT_EQ(*rollout::parse_state(disk_.journal().back().entry.state), runner_->state());
  crash();
  announce_restart(*runner_, "daemon started");
  settle();
  // A restart begins the bake's ten seconds again.
  seconds(9, Judgement::kHold);
  EXPECT_EQ(phase(), Phase::kBaking);
  seconds(1, Judgement::kHold);
  EXPECT_EQ(phase(), Phase::kPromoted);
}

TEST_F(RunnerCalendarTest, ItIsToldOnceByHowMuchItWasSet) {
  send(rollout::Start{});
  set_clock(5s);
  seconds(3, Judgement::kHold);
  EXPECT_EQ(logged("clock_set"), 0U) << "that may be a clock which is slewed";
  set_clock(72h);
  seconds(3, Judgement::kHold);
  EXPECT_EQ(logged("the wall clock was set forward by 3d:"), 1U);
  set_clock(-2h);
  seconds(3, Judgement::kHold);
  EXPECT_EQ(logged("the wall clock was set back by 2h:"), 1U);
  EXPECT_EQ(logged("clock_set"), 2U);
}

TEST_F(RunnerCalendarTest, AFreezeFollowsTheClock) {
  config_.plan.freeze = {{rollout::kEveryDay, 12h, 13h, {}}};
  crash();
  send(rollout::Start{});  // At ten.
  set_clock(2h + 30min);
  seconds(2);
  EXPECT_EQ(phase(), Phase::kWaiting);
  EXPECT_EQ(runner_->state().hold, HoldReason::kFreeze);
  set_clock(1h);
  seconds(1);
  EXPECT_EQ(effective(), 50);
}

TEST_F(RunnerCalendarTest, AnApprovalEndsAtTheTimeThatIsShown) {
  config_.plan.steps[0].gate = "owner";
  crash();
  send(rollout::Start{});
  send(rollout::Approve{"owner", host_->wall_now() + 1h, "anna"});
  set_clock(2h);
  seconds(2);
  EXPECT_EQ(phase(), Phase::kWaiting);
  EXPECT_EQ(runner_->state().hold, HoldReason::kNone);
  EXPECT_EQ(effective(), 10);
}

// The clock was ahead when the journal's newest row was written and is right again, three days
// less, when the daemon starts.
class RunnerBehindTest : public RunnerCalendarTest {
 protected:
  void crash_ahead() {
    set_clock(-72h);
    crash();
    announce_restart(*runner_, "daemon started");
    settle();
  }
};

TEST_F(RunnerBehindTest, AStepGoesOn) {
  config_.plan.steps[0].min_duration = 10s;
  crash();
  send(rollout::Start{});
  seconds(4);
  crash_ahead();
  EXPECT_EQ(runner_->state().step_since, host_->wall_now());
  seconds(9);
  EXPECT_EQ(effective(), 10);
  seconds(1);
  EXPECT_EQ(effective(), 50);
  EXPECT_EQ(logged("clock_set"), 1U);
  EXPECT_EQ(logged("shop: the newest entry of its history is 2d23h ahead of the wall clock"), 1U);
}

TEST_F(RunnerBehindTest, WhatHasLastedAlreadyIsKept) {
  config_.plan.steps[0].min_duration = 10s;
  crash();
  send(rollout::Start{});
  seconds(6);
  send(rollout::Pause{});
  seconds(3);
  crash_ahead();
  seconds(2);
  send(rollout::Resume{});
  seconds(3);
  EXPECT_EQ(effective(), 10);
  seconds(1);
  EXPECT_EQ(effective(), 50);
}

// The clock was set ahead while a phase lasted that had begun long before: its times are behind the
// right clock by now, but those of the row are not.
TEST_F(RunnerBehindTest, ItIsTheRowThatIsAhead) {
  config_.plan.steps[0].gate = "owner";
  crash();
  send(rollout::Start{});
  send(rollout::Pause{});
  clock_.advance(100h);
  set_clock(72h);
  send(rollout::Approve{"owner", {}, "anna"});
  crash_ahead();
  EXPECT_EQ(host_->wall_now() - runner_->state().since, WallTime::duration(100h));
}

TEST_F(RunnerBehindTest, AGradualReturnKeepsItsPace) {
  send(rollout::Start{});
  send(rollout::Promote{true});
  send(rollout::RollBack{90s});
  ASSERT_EQ(effective(), 90);
  crash_ahead();
  seconds(9);
  EXPECT_EQ(effective(), 90);
  seconds(1);
  EXPECT_EQ(effective(), 80);
}

TEST_F(RunnerBehindTest, AFreezeIsThatOfTheClock) {
  config_.plan.freeze = {{rollout::kEveryDay, 12h, 13h, {}}};
  crash();
  send(rollout::Start{});  // At ten.
  send(rollout::Pause{});
  set_clock(72h + 2h + 30min);
  crash_ahead();
  EXPECT_EQ(send(rollout::Promote{}).outcome, rollout::Outcome::kRefused);
  EXPECT_EQ(effective(), 10);
}

TEST_F(RunnerBehindTest, AnApprovalEndsByTheRuleOfItsGate) {
  config_.plan.steps[0].gate = "owner";
  config_.plan.steps[0].approvals = {2, {}, 1h};
  crash();
  send(rollout::Start{});
  send(rollout::Approve{"owner", {}, "anna"});
  send(rollout::Approve{"owner", host_->wall_now() + 10min, "bert"});
  crash_ahead();
  const auto& given = runner_->state().approvals.at("owner");
  EXPECT_EQ(given.at("anna"), host_->wall_now() + 1h);
  EXPECT_EQ(given.at("bert"), host_->wall_now() + 1h);
}

TEST_F(RunnerBehindTest, AClockThatIsSlewedIsNoNews) {
  send(rollout::Start{});
  set_clock(-2s);
  crash();
  EXPECT_EQ(runner_->state().since, host_->wall_now());
  EXPECT_EQ(logged("clock_set"), 0U);
}

// No state has a time before 1970; the next start would refuse it.
TEST_F(RunnerCalendarTest, AClockSetToItsBeginningLeavesAStateThatCanBeRead) {
  send(rollout::Start{});
  seconds(4, Judgement::kHold);
  set_clock(-host_->wall_now().time_since_epoch());
  seconds(1, Judgement::kHold);
  send(rollout::Pause{});
  EXPECT_TRUE(rollout::parse_state(disk_.journal().back().entry.state).has_value());
  crash();
  EXPECT_EQ(phase(), Phase::kPaused);
  EXPECT_EQ(effective(), 10);
}

}  // namespace
}  // namespace canaryd::control::test
