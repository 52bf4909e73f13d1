#include "driver.hpp"

#include <gmock/gmock.h>

namespace canaryd::rollout {
namespace {

using namespace test;
using ::testing::HasSubstr;

TEST(ReloadTest, AnUnchangedPlanChangesNothing) {
  for (const Phase phase : kPhases) {
    Driver driver = in_phase(phase);
    const State before = driver.state;
    EXPECT_EQ(driver.after(1h).reload(driver.plan).outcome, Outcome::kUnchanged)
        << to_string(phase);
    EXPECT_EQ(driver.state, before);
  }
}

TEST(ReloadTest, WhatElseIsDifferentIsToldInTheJournalAndChangesNothing) {
  for (const Phase phase : kPhases) {
    Driver driver = in_phase(phase);
    State expected = driver.state;
    ++expected.generation;
    Event event;
    event.what = NewPlan{true, true};
    event.actor = "anna";
    event.reason = "no releases at Christmas";
    event.evidence = "freeze: added";
    const Transition transition = driver.after(1h).send(event);
    EXPECT_EQ(transition.outcome, Outcome::kChanged) << to_string(phase);
    EXPECT_EQ(transition.change.cause, Cause::kPlanChanged);
    EXPECT_EQ(transition.change.direction, Direction::kSame);
    EXPECT_EQ(transition.change.actor, "anna");
    EXPECT_EQ(transition.change.reason, "no releases at Christmas");
    EXPECT_EQ(transition.change.evidence, "freeze: added");
    EXPECT_EQ(driver.state, expected) << to_string(phase);
  }
}

TEST(ReloadTest, ChangedStepsKeepTheWeightInEveryPhase) {
  for (const Phase phase : kPhases) {
    for (const auto& steps : {std::vector<unsigned>{2, 3}, {50, 100}, {100}, {1, 2, 5, 6, 100}}) {
      Driver driver = in_phase(phase);
      const double percent = driver.percent();
      Plan next = plan_with(steps);
      next.retire = driver.plan.retire;
      const Transition transition = driver.reload(next);
      EXPECT_EQ(driver.percent(), percent) << to_string(phase);
      EXPECT_EQ(transition.change.direction, Direction::kSame);
      EXPECT_LT(driver.state.step, steps.size());
    }
  }
}

TEST(ReloadTest, ChangedStepsAreTakenOneByOneFromTheWeightThatIs) {
  Driver driver = in_phase(Phase::kProgressing);
  const Transition transition = driver.reload(plan_with({7, 20, 100}));
  EXPECT_TRUE(has_effect<BeginStep>(transition));
  EXPECT_EQ(driver.state.next_weight, BasisPoints(700));
  driver.after(1min).send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.percent(), 7);
  driver.after(1min).send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.percent(), 20);
}

TEST(ReloadTest, StepsThatDoNotTouchTheNextOneKeepTheEvidence) {
  Driver driver = in_phase(Phase::kProgressing);
  const WallTime since = driver.state.step_since;
  const Transition transition = driver.after(5min).reload(plan_with({1, 2, 5, 10, 100}));
  EXPECT_EQ(transition.outcome, Outcome::kChanged);
  EXPECT_FALSE(has_effect<BeginStep>(transition));
  EXPECT_EQ(driver.state.step, 2U);
  EXPECT_EQ(driver.state.step_since, since);
}

TEST(ReloadTest, AnotherHoldbackMovesNobody) {
  Plan plan = plan_with({10, 100});
  plan.bake.holdback = BasisPoints(500);
  Driver driver(plan);
  driver.send(Start{});
  driver.after(1min).send(tick(Judgement::kAccept));
  ASSERT_EQ(driver.percent(), 95);
  plan.bake.holdback = BasisPoints(0);
  driver.reload(plan);
  EXPECT_EQ(driver.percent(), 95);
  driver.after(1min).send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.percent(), 100) << "the step that is above it now";
  plan.bake.holdback = BasisPoints(2000);
  driver.reload(plan);
  EXPECT_EQ(driver.percent(), 100) << "kept back, never taken back";
  driver.send(Restart{});
  EXPECT_EQ(driver.percent(), 100);
  driver.after(1min).send(Promote{});
  driver.send(Promote{});
  EXPECT_EQ(driver.state.phase, Phase::kPromoted);
  EXPECT_EQ(driver.percent(), 100);
}

TEST(ReloadTest, AGateThatIsGoneNoLongerWaits) {
  Driver driver = in_phase(Phase::kWaiting);
  driver.reload(plan_with({1, 5, 10, 25, 100}));
  EXPECT_EQ(driver.state.phase, Phase::kProgressing);
  driver.after(1min).send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.percent(), 10);
}

TEST(ReloadTest, AnotherCanaryOrRevisionStartsAnewFromZero) {
  for (const Phase phase : kPhases) {
    if (phase == Phase::kRetiring || phase == Phase::kRetired) continue;
    for (int what = 0; what < 3; ++what) {
      Driver driver = in_phase(phase);
      Plan next = driver.plan;
      if (what == 0) next.revision = "2.5.0";
      if (what == 1) next.canary = "shop-v3";
      if (what == 2) next.stable = "shop-v0";
      const Transition transition = driver.reload(next);
      EXPECT_EQ(transition.outcome, Outcome::kChanged) << to_string(phase);
      EXPECT_EQ(driver.state.phase, Phase::kIdle);
      EXPECT_EQ(driver.percent(), 0);
      EXPECT_EQ(driver.state.run, 0U);
      EXPECT_EQ(transition.change.weight_after.value(), 0U);
      driver.send(tick(Judgement::kRollback));  // Of the old accounts.
      EXPECT_EQ(driver.percent(), 1);
    }
  }
}

TEST(ReloadTest, APromotedRolloutIsNotSentBackToAStableThatIsDownOrGone) {
  Driver driver = in_phase(Phase::kPromoted);
  Plan next = driver.plan;
  next.revision = "2.5.0";
  EXPECT_THAT(driver.reload(next, false).refusal, HasSubstr("down"));
  EXPECT_EQ(driver.percent(), 100);
  // Its end would be that of the only version that anybody knows to be good.
  driver.send(CircuitOpened{});
  ASSERT_EQ(driver.state.phase, Phase::kSuspended);
  EXPECT_THAT(driver.reload(next, false).refusal, HasSubstr("was promoted"));
  EXPECT_EQ(driver.state.phase, Phase::kSuspended);
  for (const Phase phase : {Phase::kRetiring, Phase::kRetired}) {
    Driver retired = in_phase(phase);
    EXPECT_THAT(retired.reload(next).refusal, HasSubstr("another one as stable"));
    next.stable = "shop-v2";
    next.canary = "shop-v3";
    EXPECT_EQ(retired.reload(next).outcome, Outcome::kChanged);
    next = driver.plan;
    next.revision = "2.5.0";
  }
}

// Wherever the canary has everybody; a part of them may go back to what the others have already.
TEST(ReloadTest, NobodyIsSentToAStableThatIsDownWhileAllAreOnTheCanary) {
  Driver baking = in_phase(Phase::kBaking);
  Driver by_hand = in_phase(Phase::kProgressing);
  by_hand.send(SetWeight{BasisPoints(10000)});
  Driver spilt = in_phase(Phase::kProgressing, [] {
    Plan plan = plan_with({1, 5, 10, 25, 100});
    plan.on_stable_down = OnStableDown::kSpill;
    return plan;
  }());
  Tick down = tick(Judgement::kHold);
  down.stable_up = false;
  spilt.send(down);
  for (Driver* const driver : {&baking, &by_hand, &spilt}) {
    ASSERT_EQ(driver->percent(), 100);
    Plan next = driver->plan;
    next.revision = "2.5.0";
    EXPECT_THAT(driver->reload(next, false).refusal, HasSubstr("everybody"));
    EXPECT_FALSE(driver->send(Start{.revision = "2.5.0", .stable_up = false}).refusal.empty());
    EXPECT_EQ(driver->percent(), 100);
    EXPECT_EQ(driver->reload(next, true).outcome, Outcome::kChanged);
    EXPECT_EQ(driver->percent(), 0);
  }
}

TEST(ReloadTest, WhatHasBegunIsOfTheVersionsOfItsStateWhateverThePlanSays) {
  Plan plan = plan_with({5, 100});
  Driver driver(plan);
  plan.canary = "shop-v3";
  plan.stable = "shop-v9";
  EXPECT_EQ(canary_of(plan, driver.state), "shop-v3");
  EXPECT_EQ(stable_of(plan, driver.state), "shop-v9");
  driver.send(Start{});
  EXPECT_EQ(canary_of(plan, driver.state), "shop-v2");
  EXPECT_EQ(stable_of(plan, driver.state), "shop-v1");
}

TEST(ReloadTest, ARestartGoesOnButCountsTheStepAnew) {
  Driver driver = in_phase(Phase::kProgressing);
  const Transition transition = driver.after(30h).send(Restart{});
  EXPECT_EQ(transition.change.cause, Cause::kRestarted);
  EXPECT_EQ(transition.change.direction, Direction::kSame);
  EXPECT_FALSE(has_effect<FreshEvidence>(transition));
  EXPECT_FALSE(has_effect<BeginStep>(transition));
  EXPECT_EQ(driver.percent(), 5);
  driver.after(59min).send(tick(Judgement::kHold));
  EXPECT_EQ(driver.state.phase, Phase::kProgressing);
}

TEST(ReloadTest, ARestartChangesNothingInTheOtherPhases) {
  for (const Phase phase : kPhases) {
    if (phase == Phase::kProgressing || phase == Phase::kBaking) continue;
    Driver driver = in_phase(phase);
    EXPECT_EQ(driver.after(1h).send(Restart{}).outcome, Outcome::kUnchanged) << to_string(phase);
  }
}

TEST(ReloadTest, ARestartBeginsTheBakeAnew) {
  Driver driver = in_phase(Phase::kBaking);
  driver.plan.bake.duration = 45s;
  driver.after(2s).send(tick(Judgement::kHold, 0));
  const Transition transition = driver.after(46s).send(Restart{});
  EXPECT_EQ(transition.change.cause, Cause::kRestarted);
  EXPECT_EQ(transition.change.direction, Direction::kSame);
  EXPECT_FALSE(has_effect<FreshEvidence>(transition));
  EXPECT_FALSE(has_effect<BeginStep>(transition));
  EXPECT_THAT(sentence(transition.change), HasSubstr("bakes at 100 %; its time begins again"));
  driver.after(44s).send(tick(Judgement::kHold));
  EXPECT_EQ(driver.state.phase, Phase::kBaking);
  driver.after(1s).send(tick(Judgement::kHold));
  EXPECT_EQ(driver.state.phase, Phase::kPromoted);
}

// Its clock stands there, so that the time in which the daemon was down does not count anyway.
TEST(ReloadTest, ABakeThatIsPausedOrSuspendedKeepsWhatItHadOverARestart) {
  for (const bool paused : {true, false}) {
    Driver driver = in_phase(Phase::kBaking);
    driver.plan.bake.duration = 45s;
    driver.after(2s);
    paused ? driver.send(Pause{}) : driver.send(CircuitOpened{});
    EXPECT_EQ(driver.after(10h).send(Restart{}).outcome, Outcome::kUnchanged);
    paused ? driver.send(Resume{}) : driver.send(CircuitClosed{});
    ASSERT_EQ(driver.state.phase, Phase::kBaking);
    driver.after(42s).send(tick(Judgement::kHold));
    EXPECT_EQ(driver.state.phase, Phase::kBaking);
    driver.after(1s).send(tick(Judgement::kHold));
    EXPECT_EQ(driver.state.phase, Phase::kPromoted);
  }
}

TEST(ReloadTest, ARestartUnderAnotherPlanIsAReload) {
  Driver driver = in_phase(Phase::kProgressing);
  driver.plan.revision = "2.5.0";
  driver.send(Restart{});
  EXPECT_EQ(driver.state.phase, Phase::kIdle);
  EXPECT_EQ(driver.percent(), 0);

  Driver promoted = in_phase(Phase::kPromoted);
  promoted.plan.revision = "2.5.0";
  EXPECT_EQ(promoted.send(Restart{false}).outcome, Outcome::kRefused);
}

}  // namespace
}  // namespace canaryd::rollout
