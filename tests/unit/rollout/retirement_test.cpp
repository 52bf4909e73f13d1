// How the old version of a promoted rollout is given up.
#include "driver.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace canaryd::rollout {
namespace {

using namespace test;
using ::testing::HasSubstr;

Plan retiring_plan(bool hook = true) {
  Plan plan = plan_with({5, 100});
  plan.retire = RetirePlan{1h, 5min, 24h, hook};
  return plan;
}

Tick unused(Duration idle, bool active = false, bool shared = false) {
  Tick result = tick(Judgement::kHold);
  result.stable_use = {idle, active, shared};
  return result;
}

class RetirementTest : public ::testing::Test {
 protected:
  void promote(Plan plan = retiring_plan()) {
    driver = Driver(std::move(plan));
    driver.climb_to(5).send(Promote{true});
    driver.send(Promote{});
    ASSERT_EQ(driver.state.phase, Phase::kPromoted);
  }
  void retire(Plan plan = retiring_plan()) {
    promote(std::move(plan));
    driver.after(1h).send(unused(1h));
    ASSERT_EQ(driver.state.phase, Phase::kRetiring);
  }
  void call_hook() {
    retire();
    driver.after(25h).send(unused(26h));
    ASSERT_EQ(driver.state.retire_hook, RetireHook::kCalled);
  }
  void freeze() { driver.plan.freeze = {{kEveryDay, 0h, 24h, {}}}; }
  void thaw() { driver.plan.freeze.clear(); }
  static std::string said(const Transition& transition) { return sentence(transition.change); }

  Driver driver;
};

TEST_F(RetirementTest, ARestartUnderAnotherPlanDoesNotWaitForAHookThatNobodyHears) {
  call_hook();
  driver.plan.revision = "2.5.0";
  EXPECT_EQ(driver.send(Restart{false}).change.cause, Cause::kRestarted);
  EXPECT_EQ(driver.state.phase, Phase::kRetiring);
  EXPECT_EQ(driver.state.retire_hook, RetireHook::kUnknown);
  EXPECT_EQ(driver.send(Restart{false}).outcome, Outcome::kRefused);
}

TEST_F(RetirementTest, WaitsUntilTheOldVersionIsIdle) {
  promote();
  EXPECT_EQ(driver.send(unused(59min)).outcome, Outcome::kUnchanged);
  EXPECT_EQ(driver.send(unused(2h, true)).outcome, Outcome::kUnchanged) << "a tunnel is open";
  EXPECT_EQ(driver.send(tick(Judgement::kHold)).outcome, Outcome::kUnchanged) << "nobody looked";
  EXPECT_EQ(admission(driver.state), Admission::kSplit);
  Event event{unused(1h), "canaryd", "", "no request for 1h"};
  const Transition begun = driver.send(event);
  EXPECT_EQ(driver.state.phase, Phase::kRetiring);
  EXPECT_EQ(admission(driver.state), Admission::kCanaryOnly);
  EXPECT_EQ(said(begun), "retires shop-v1 of checkout: no request for 1h");
  EXPECT_FALSE(has_effect<Decommission>(begun));
}

TEST_F(RetirementTest, NothingIsRetiredWithoutItsConfigurationOrInModeObserve) {
  Plan plan = retiring_plan();
  plan.retire.reset();
  promote(plan);
  EXPECT_EQ(driver.send(unused(1000h)).outcome, Outcome::kUnchanged);
  EXPECT_THAT(driver.send(Retire{{1000h}}).refusal, HasSubstr("no `retire`"));
  plan = retiring_plan();
  plan.mode = Mode::kObserve;
  promote(plan);
  EXPECT_EQ(driver.send(unused(1000h)).outcome, Outcome::kUnchanged);
  driver.send(Retire{{1000h}});
  EXPECT_EQ(driver.state.phase, Phase::kRetiring);
}

TEST_F(RetirementTest, ModeObserveLeavesTheEndOfItToTheOperator) {
  retire();
  Plan plan = driver.plan;
  plan.mode = Mode::kObserve;
  driver.reload(plan);
  ASSERT_EQ(driver.state.phase, Phase::kRetiring);
  EXPECT_EQ(driver.send(Retire{{1h}}).outcome, Outcome::kUnchanged) << "the way back is open";
  EXPECT_EQ(driver.after(100h).send(unused(101h)).outcome, Outcome::kUnchanged);
  EXPECT_EQ(driver.send(Retire{{101h, true}}).outcome, Outcome::kUnchanged) << "a tunnel is open";
  EXPECT_THAT(driver.send(Retire{{101h}, true}).refusal, HasSubstr("has not called its"));
  freeze();
  EXPECT_THAT(driver.send(Retire{{101h}}).refusal, HasSubstr("is frozen until"));
  thaw();
  EXPECT_TRUE(has_effect<Decommission>(driver.send(Retire{{101h}})));
  // Whoever is there still has it back.
  retire();
  driver.reload(plan);
  driver.after(6min).send(unused(2h, true));
  EXPECT_EQ(driver.state.phase, Phase::kPromoted);
}

// The rollout that the file means cannot begin, and would have that version as its stable one.
TEST_F(RetirementTest, WhatTheFileNamesAsStableIsNotEnded) {
  retire();
  driver.plan.revision = "2.5.0";
  EXPECT_THAT(driver.send(Restart{true}).refusal,
              HasSubstr("is giving up its stable version: `unretire` keeps it"));
  EXPECT_EQ(driver.after(100h).send(unused(101h)).outcome, Outcome::kUnchanged);
  EXPECT_THAT(driver.send(Retire{{101h}}).refusal, HasSubstr("`unretire` keeps it"));
  driver.send(Unretire{});
  EXPECT_EQ(driver.state.phase, Phase::kPromoted);
  driver.send(NewPlan{true});
  EXPECT_EQ(driver.state.phase, Phase::kIdle);
}

TEST_F(RetirementTest, NotInAFreezeAndNotWhileSomethingIsWrong) {
  Plan plan = retiring_plan();
  plan.freeze = {{kEveryDay, 0h, 24h, {}}};
  promote();
  driver.plan = plan;
  EXPECT_EQ(driver.send(unused(2h)).outcome, Outcome::kUnchanged);
  driver.plan.freeze.clear();
  Tick bad = unused(2h);
  bad.canary_up = false;
  EXPECT_EQ(driver.send(bad).outcome, Outcome::kUnchanged);
  bad = unused(2h);
  bad.both_failing = true;
  EXPECT_EQ(driver.send(bad).outcome, Outcome::kUnchanged);
}

TEST_F(RetirementTest, TheCommandRetiresNothingInAFreezeEither) {
  promote();
  freeze();
  const State before = driver.state;
  EXPECT_THAT(driver.send(Retire{{2h}}).refusal, HasSubstr("is frozen until"));
  EXPECT_EQ(driver.state, before);
  EXPECT_THAT(driver.send(Retire{{1min}}).refusal, HasSubstr("not retirable"))
      << "sooner than that";
  // To keep it, and not to, retires nothing.
  EXPECT_EQ(driver.send(Unretire{}).outcome, Outcome::kChanged);
  EXPECT_EQ(driver.send(Retire{{1min}}).outcome, Outcome::kChanged);
  EXPECT_FALSE(driver.state.keeps_stable);
  thaw();
  driver.send(Retire{{2h}});
  EXPECT_EQ(driver.state.phase, Phase::kRetiring);
}

TEST_F(RetirementTest, WhatRetiresWhenAFreezeBeginsWaitsForItsHook) {
  retire();
  freeze();
  EXPECT_EQ(driver.after(25h).send(unused(26h)).outcome, Outcome::kUnchanged);
  EXPECT_EQ(driver.send(Retire{{26h}}).outcome, Outcome::kUnchanged) << "it is under way";
  EXPECT_EQ(driver.send(Unretire{}).outcome, Outcome::kChanged) << "the way back is open";
  retire();
  freeze();
  driver.after(25h).send(unused(26h));
  thaw();
  EXPECT_TRUE(has_effect<Decommission>(driver.send(unused(26h))));
}

TEST_F(RetirementTest, NobodyCallsTheHookAgainInAFreeze) {
  call_hook();
  freeze();
  driver.send(HookEnded{false, "exit code 3"});
  EXPECT_EQ(driver.state.retire_hook, RetireHook::kFailed) << "how it has ended is a fact";
  for (const bool skip_hook : {false, true}) {
    const Transition again = driver.send(Retire{{26h}, skip_hook});
    EXPECT_THAT(again.refusal, HasSubstr("nothing is retired before that"));
    EXPECT_EQ(driver.state.phase, Phase::kRetiring);
  }
  thaw();
  EXPECT_TRUE(has_effect<Decommission>(driver.send(Retire{{26h}})));
  freeze();
  driver.send(HookEnded{true, "exit code 0"});
  EXPECT_EQ(driver.state.phase, Phase::kRetired);

  retire();
  driver.after(25h).send(unused(26h, false, true));
  ASSERT_EQ(driver.state.retire_hook, RetireHook::kLeftOut);
  freeze();
  EXPECT_THAT(driver.send(Retire{{26h}}).refusal, HasSubstr("is frozen until"));
  EXPECT_EQ(driver.state.phase, Phase::kRetired);
  thaw();
  EXPECT_TRUE(has_effect<Decommission>(driver.send(Retire{{26h}})));
}

TEST_F(RetirementTest, TheHookIsCalledOnceWhenTheUndoWindowIsOver) {
  retire();
  EXPECT_EQ(driver.after(24h).send(unused(25h)).outcome, Outcome::kUnchanged)
      << "drain comes first";
  const Transition called = driver.after(5min).send(unused(25h));
  EXPECT_TRUE(has_effect<Decommission>(called));
  EXPECT_LT(position_of<Persist>(called), position_of<Decommission>(called));
  EXPECT_EQ(said(called), "calls the decommission hook of checkout for shop-v1");
  EXPECT_EQ(driver.after(1h).send(unused(26h)).outcome, Outcome::kUnchanged);
  driver.send(HookEnded{true, "exit code 0"});
  EXPECT_EQ(driver.state.phase, Phase::kRetired);
  EXPECT_EQ(driver.state.retire_said, "exit code 0");
  EXPECT_EQ(driver.send(Retire{{26h}}).outcome, Outcome::kUnchanged);
  EXPECT_EQ(driver.send(HookEnded{false, "exit code 1"}).outcome, Outcome::kUnchanged);
}

// How long the operator has for `unretire` was said with a time of day.
TEST_F(RetirementTest, DrainAndUndoGoOnOverARestart) {
  retire();
  EXPECT_EQ(driver.after(20h).send(Restart{}).outcome, Outcome::kUnchanged);
  EXPECT_EQ(driver.after(4h).send(unused(25h)).outcome, Outcome::kUnchanged);
  const Transition called = driver.after(5min).send(unused(25h));
  EXPECT_TRUE(has_effect<Decommission>(called));
}

TEST_F(RetirementTest, WithoutAHookItIsRetiredWhenTheWindowIsOver) {
  retire(retiring_plan(false));
  const Transition over = driver.after(25h).send(unused(26h));
  EXPECT_EQ(driver.state.phase, Phase::kRetired);
  EXPECT_EQ(driver.state.retire_hook, RetireHook::kNone);
  EXPECT_EQ(said(over), "retired shop-v1 of checkout");
}

TEST_F(RetirementTest, TheHookIsLeftOutForWhoeverElseNeedsTheVersion) {
  retire();
  const Transition over = driver.after(25h).send(unused(26h, false, true));
  EXPECT_FALSE(has_effect<Decommission>(over));
  EXPECT_EQ(driver.state.phase, Phase::kRetired);
  EXPECT_THAT(said(over), HasSubstr("without its hook"));
  EXPECT_EQ(driver.send(Retire{{26h, false, true}}).outcome, Outcome::kUnchanged);
  EXPECT_TRUE(has_effect<Decommission>(driver.send(Retire{{26h}}))) << "nobody does any more";
  driver.send(HookEnded{true, "exit code 0"});
  EXPECT_EQ(driver.state.phase, Phase::kRetired);
  EXPECT_EQ(driver.state.retire_hook, RetireHook::kDone);
}

TEST_F(RetirementTest, AFailedHookIsCalledAgainOnlyByCommand) {
  call_hook();
  const Transition failed = driver.send(HookEnded{false, "exit code 3"});
  EXPECT_EQ(driver.state.phase, Phase::kRetiring);
  EXPECT_THAT(said(failed), HasSubstr("failed"));
  EXPECT_EQ(driver.after(100h).send(unused(200h)).outcome, Outcome::kUnchanged);
  EXPECT_THAT(driver.send(Unretire{}).refusal, HasSubstr("may be gone"));
  EXPECT_TRUE(has_effect<Decommission>(driver.send(Retire{})));
  EXPECT_EQ(driver.send(Retire{}).outcome, Outcome::kUnchanged) << "it runs";
  driver.send(HookEnded{false, "exit code 3"});
  const Transition skipped = driver.send(Retire{{}, true});
  EXPECT_FALSE(has_effect<Decommission>(skipped));
  EXPECT_EQ(said(skipped),
            "retired shop-v1 of checkout; its decommission hook, which failed, is taken as done "
            "(--skip-hook) (by anna)");
  EXPECT_EQ(driver.state.phase, Phase::kRetired);
  EXPECT_EQ(driver.state.retire_said, "exit code 3");
}

// A file that has no hook any more does not say that it was done.
TEST_F(RetirementTest, AFailedHookThatHasLeftTheFileIsNotTakenAsDone) {
  call_hook();
  driver.send(HookEnded{false, "exit code 3"});
  Plan plan = driver.plan;
  plan.retire->hook = false;
  driver.reload(plan);
  EXPECT_THAT(driver.send(Retire{{26h}}).refusal,
              HasSubstr("has no decommission hook in its configuration; `retire --skip-hook`"));
  plan.retire.reset();
  driver.reload(plan);
  EXPECT_THAT(driver.send(Retire{{26h}}).refusal,
              HasSubstr("has no `retire` in its configuration; `retire --skip-hook`"));
  EXPECT_EQ(driver.state.phase, Phase::kRetiring);
  EXPECT_EQ(driver.state.retire_hook, RetireHook::kFailed);
  driver.send(Retire{{26h}, true});
  EXPECT_EQ(driver.state.phase, Phase::kRetired);
}

TEST_F(RetirementTest, AfterACrashNobodyGuessesWhetherTheHookHasRun) {
  call_hook();
  const Transition back = driver.send(Restart{});
  EXPECT_EQ(driver.state.retire_hook, RetireHook::kUnknown);
  EXPECT_FALSE(has_effect<Decommission>(back));
  EXPECT_THAT(said(back), HasSubstr("may have run or not"));
  EXPECT_EQ(driver.after(100h).send(unused(200h)).outcome, Outcome::kUnchanged);
  EXPECT_TRUE(has_effect<Decommission>(driver.send(Retire{})));
}

TEST_F(RetirementTest, UndoneInsideTheWindowItIsAsBefore) {
  promote();
  const State before = driver.state;
  driver.after(1h).send(unused(1h));
  const Transition undone = driver.after(23h).send(Unretire{});
  EXPECT_EQ(driver.state.phase, Phase::kPromoted);
  EXPECT_EQ(driver.state.weight, before.weight);
  EXPECT_EQ(admission(driver.state), Admission::kSplit);
  EXPECT_EQ(position_of<Publish>(undone), 0U) << "before it is journalled";
  EXPECT_EQ(said(undone), "put shop-v1 of checkout back (by anna)");
  EXPECT_EQ(driver.send(Unretire{}).outcome, Outcome::kUnchanged);
  EXPECT_EQ(driver.after(100h).send(unused(100h)).outcome, Outcome::kUnchanged) << "it is kept";
  driver.send(Retire{{100h}});
  EXPECT_EQ(driver.state.phase, Phase::kRetiring);
}

TEST_F(RetirementTest, KeepingCanBeTakenBackBeforeItIsIdle) {
  promote();
  EXPECT_EQ(said(driver.send(Unretire{})), "keeps shop-v1 of checkout until `retire` (by anna)");
  EXPECT_EQ(said(driver.send(Retire{{1min}})),
            "will retire shop-v1 of checkout when it is idle (by anna)");
  EXPECT_THAT(driver.send(Retire{{1min}}).refusal, HasSubstr("not retirable: shop-v1"));
  EXPECT_THAT(driver.send(Retire{{2h, true}}).refusal, HasSubstr("tunnels open"));
}

TEST_F(RetirementTest, WhatDoesNotEndInTimeBringsTheOldVersionBack) {
  retire();
  EXPECT_EQ(driver.after(4min).send(unused(0s, true)).outcome, Outcome::kUnchanged) << "it drains";
  const Transition back = driver.after(1min).send(unused(0s, true));
  EXPECT_EQ(driver.state.phase, Phase::kPromoted);
  EXPECT_THAT(said(back), HasSubstr("still in use"));
  EXPECT_FALSE(driver.state.keeps_stable) << "the next time it is idle";
}

TEST_F(RetirementTest, AbortWorksInEachOfItsStates) {
  retire();
  driver.send(Abort{});
  EXPECT_EQ(driver.state.phase, Phase::kAborted);
  EXPECT_EQ(driver.percent(), 0);
  call_hook();
  EXPECT_THAT(said(driver.send(Abort{})),
              HasSubstr("after the decommission hook for shop-v1 was called"));
  EXPECT_EQ(driver.percent(), 0);
  EXPECT_EQ(driver.send(HookEnded{true, "exit code 0"}).outcome, Outcome::kUnchanged);
  call_hook();
  driver.send(HookEnded{true, "exit code 0"});
  EXPECT_EQ(driver.send(Abort{}).outcome, Outcome::kRefused);
}

TEST_F(RetirementTest, NothingGoesBackByItselfOnceTheHookIsCalled) {
  call_hook();
  EXPECT_EQ(driver.send(CircuitOpened{}).outcome, Outcome::kUnchanged);
  EXPECT_EQ(driver.send(ProtectionFailed{}).outcome, Outcome::kUnchanged);
  EXPECT_EQ(driver.send(tick(Judgement::kRollback)).outcome, Outcome::kUnchanged);
  retire();
  driver.send(CircuitOpened{});
  EXPECT_EQ(driver.state.phase, Phase::kSuspended) << "before that, stable helps out";
  driver.send(CircuitClosed{});
  EXPECT_EQ(driver.state.phase, Phase::kPromoted);
}

TEST_F(RetirementTest, AReloadThatDropsTheBlockKeepsTheVersion) {
  retire();
  Plan plan = driver.plan;
  plan.retire.reset();
  driver.reload(plan);
  EXPECT_EQ(driver.state.phase, Phase::kPromoted);
}

// While it was out of the file, others may have had its old version.
TEST_F(RetirementTest, TheCalendarAloneDoesNotEndTheUndoTime) {
  retire();
  driver.after(25h);
  EXPECT_EQ(driver.send(tick(Judgement::kHold)).outcome, Outcome::kUnchanged) << "nobody looked";
  EXPECT_EQ(driver.send(unused(59min)).outcome, Outcome::kUnchanged) << "used an hour ago";
  EXPECT_TRUE(has_effect<Decommission>(driver.send(unused(1h))));
}

TEST_F(RetirementTest, ACallThatWasNotMadeLeavesEverythingAsItWas) {
  call_hook();
  Event event{HookEnded{false, "not called", false}, "canaryd", "", "not called"};
  EXPECT_EQ(said(driver.send(event)),
            "did not call the decommission hook of checkout for shop-v1: not called");
  EXPECT_EQ(driver.state.phase, Phase::kRetiring);
  EXPECT_EQ(driver.state.retire_hook, RetireHook::kNone);
  EXPECT_EQ(said(driver.send(Abort{})), "aborted checkout at 100 % (by anna)");
}

TEST_F(RetirementTest, NothingIsGivenUpBesideAStableThatNobodyHasLookedAt) {
  promote();
  Tick unseen = unused(1h);
  unseen.stable_known = false;
  EXPECT_EQ(driver.after(1h).send(unseen).outcome, Outcome::kUnchanged);
  EXPECT_EQ(driver.send(unused(1h)).change.cause, Cause::kIdle);
}

}  // namespace
}  // namespace canaryd::rollout
