#include "driver.hpp"

#include <gmock/gmock.h>

namespace canaryd::rollout {
namespace {

using namespace test;

TEST(TickTest, AGoodCanaryGoesAllTheWay) {
  Driver driver;
  std::vector<double> weights;
  for (int i = 0; i < 8; ++i) {
    const Transition transition = driver.after(1min).send(tick(Judgement::kAccept));
    weights.push_back(driver.percent());
    if (i < 5) {
      EXPECT_EQ(transition.change.direction, Direction::kUp);
    }
  }
  EXPECT_THAT(weights, ::testing::ElementsAre(1, 5, 10, 25, 100, 100, 100, 100));
  EXPECT_EQ(driver.state.phase, Phase::kBaking);
  driver.after(24h).send(tick(Judgement::kHold));
  EXPECT_EQ(driver.state.phase, Phase::kPromoted);
}

TEST(TickTest, StartsByItselfOnlyIfAskedToAndBothVersionsAreUp) {
  Driver driver;
  Tick down = tick(Judgement::kHold);
  down.canary_up = false;
  EXPECT_EQ(driver.send(down).outcome, Outcome::kUnchanged);
  down = tick(Judgement::kHold);
  down.stable_up = false;
  EXPECT_EQ(driver.send(down).outcome, Outcome::kUnchanged);
  driver.plan.start = StartMode::kManual;
  EXPECT_EQ(driver.send(tick(Judgement::kAccept)).outcome, Outcome::kUnchanged);
  driver.plan.start = StartMode::kAuto;
  const Transition transition = driver.send(tick(Judgement::kHold));
  EXPECT_EQ(transition.change.cause, Cause::kStarted);
  EXPECT_TRUE(has_effect<FreshEvidence>(transition));
}

TEST(TickTest, AStepNeedsVerdictTimeAndRequests) {
  Driver driver(plan_with({1, 5}));
  driver.plan.steps[0].min_duration = 5min;
  driver.plan.steps[0].min_requests = 500;
  driver.send(Start{});
  driver.after(4min).send(tick(Judgement::kAccept, 500));
  EXPECT_EQ(driver.percent(), 1);
  driver.after(1min).send(tick(Judgement::kAccept, 499));
  EXPECT_EQ(driver.percent(), 1);
  driver.send(tick(Judgement::kHold, 500));
  EXPECT_EQ(driver.percent(), 1);
  EXPECT_EQ(step_needs(driver.plan, driver.state, 499, driver.now),
            (StepNeeds{Duration::zero(), 1, ""}));
  driver.send(tick(Judgement::kAccept, 500));
  EXPECT_EQ(driver.percent(), 5);
}

TEST(TickTest, NoStepPassesWithoutARequest) {
  Driver driver;
  driver.send(Start{});
  driver.after(1min).send(tick(Judgement::kAccept, 0));
  EXPECT_EQ(driver.percent(), 1);
}

TEST(TickTest, WithoutControlOnlyTheLastStepPasses) {
  Tick uncontrolled = tick(Judgement::kHold);
  uncontrolled.no_control = true;
  uncontrolled.no_data = true;
  Driver driver = in_phase(Phase::kProgressing);
  driver.after(1min).send(uncontrolled);
  EXPECT_EQ(driver.percent(), 5);
  driver.climb_to(100);
  EXPECT_EQ(driver.state.phase, Phase::kProgressing);
  driver.after(1min).send(uncontrolled);
  EXPECT_EQ(driver.state.phase, Phase::kBaking);
}

TEST(TickTest, StepsThatEndBelowFullWeightBakeAtFullWeight) {
  Driver driver(plan_with({1, 50}));
  driver.plan.bake.holdback = BasisPoints(1000);
  driver.climb_to(50);
  const Transition transition = driver.after(1min).send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.state.phase, Phase::kBaking);
  EXPECT_EQ(driver.percent(), 90);
  EXPECT_EQ(transition.change.direction, Direction::kUp);
}

Driver baking_with_holdback() {
  Plan plan = plan_with({10, 100});
  plan.bake.holdback = BasisPoints(500);
  plan.bake.duration = 1h;
  Driver driver(plan);
  driver.send(Start{});
  driver.after(1min).send(tick(Judgement::kAccept));
  driver.after(1min).send(tick(Judgement::kAccept));
  return driver;
}

TEST(TickTest, WhoIsHeldBackFollowsAtTheEndOfTheBake) {
  Driver driver = baking_with_holdback();
  ASSERT_EQ(driver.state.phase, Phase::kBaking);
  EXPECT_EQ(driver.percent(), 95);
  EXPECT_EQ(driver.state.next_weight, BasisPoints(10000));
  driver.after(59min).send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.percent(), 95);
  const Transition transition = driver.after(1min).send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.state.phase, Phase::kPromoted);
  EXPECT_EQ(driver.percent(), 100);
  EXPECT_EQ(transition.change.direction, Direction::kUp);
  EXPECT_EQ(transition.change.cause, Cause::kBaked);
  EXPECT_LT(position_of<Persist>(transition), position_of<Publish>(transition));
  EXPECT_TRUE(has_effect<BeginStep>(transition));
}

TEST(TickTest, WithoutEvidenceNobodyWhoIsHeldBackFollows) {
  Tick no_traffic = tick(Judgement::kAccept, 0);
  Tick stable_down = tick(Judgement::kAccept);
  stable_down.stable_up = false;
  Tick both_failing = tick(Judgement::kAccept);
  both_failing.both_failing = true;
  for (const Tick& not_yet : {tick(Judgement::kHold), no_traffic, stable_down, both_failing}) {
    Driver driver = baking_with_holdback();
    driver.after(2h).send(not_yet);
    EXPECT_EQ(driver.state.phase, Phase::kBaking);
    EXPECT_EQ(driver.percent(), 95);
    driver.after(1s).send(tick(Judgement::kAccept));
    EXPECT_EQ(driver.percent(), 100);
  }
  Driver observed = baking_with_holdback();
  observed.plan.mode = Mode::kObserve;
  observed.after(2h).send(tick(Judgement::kAccept));
  observed.after(1s).send(tick(Judgement::kAccept));
  EXPECT_EQ(observed.percent(), 95);
  observed.send(Promote{});
  EXPECT_EQ(observed.state.phase, Phase::kPromoted);
  EXPECT_EQ(observed.percent(), 100);
  Driver risk = baking_with_holdback();
  risk.plan.on_inconclusive = OnInconclusive::kPromote;
  Tick no_data = tick(Judgement::kHold);
  no_data.no_data = true;
  risk.after(2h).send(no_data);
  EXPECT_EQ(risk.percent(), 95);
  risk.after(1s).send(tick(Judgement::kHold));
  EXPECT_EQ(risk.percent(), 100);
}

TEST(TickTest, ABadVerdictRollsBackFromEveryPhaseThatHasACanary) {
  for (const Phase phase : kPhases) {
    Driver driver = in_phase(phase);
    const State before = driver.state;
    const Transition transition = driver.after(1s).send(tick(Judgement::kRollback));
    if (phase == Phase::kRetired || phase == Phase::kRolledBack || phase == Phase::kAborted) {
      EXPECT_EQ(transition.outcome, Outcome::kUnchanged) << to_string(phase);
      continue;
    }
    // In idle there is nothing to judge: such a tick is an old one and must not end what has not
    // begun.
    if (phase == Phase::kIdle) continue;
    EXPECT_EQ(driver.state.phase, Phase::kRolledBack) << to_string(phase);
    EXPECT_EQ(driver.percent(), 0) << to_string(phase);
    if (served_weight(before).value() > 0) {
      EXPECT_EQ(position_of<Publish>(transition), 0U) << to_string(phase);
    }
    EXPECT_LT(position_of<Persist>(transition), position_of<Announce>(transition));
  }
}

TEST(TickTest, OnFailureHoldKeepsTheWeight) {
  Plan plan = plan_with({1, 5, 10});
  plan.on_failure = OnFailure::kHold;
  for (const Phase phase : {Phase::kProgressing, Phase::kPaused, Phase::kWaiting, Phase::kBaking}) {
    Driver driver = in_phase(phase, plan);
    const double percent = driver.percent();
    driver.send(tick(Judgement::kRollback));
    EXPECT_EQ(driver.state.phase, Phase::kHeld) << to_string(phase);
    EXPECT_EQ(driver.state.hold, HoldReason::kVerdict);
    EXPECT_EQ(driver.percent(), percent);
    EXPECT_EQ(driver.send(tick(Judgement::kRollback)).outcome, Outcome::kUnchanged);
    driver.after(2h).send(tick(Judgement::kAccept));
    EXPECT_EQ(driver.state.phase, Phase::kHeld);
  }
}

TEST(TickTest, OnFailureStepDownGoesOneStepAndStays) {
  Plan plan = plan_with({1, 5, 10});
  plan.on_failure = OnFailure::kStepDown;
  Driver driver(plan);
  driver.climb_to(10).send(tick(Judgement::kRollback));
  EXPECT_EQ(driver.percent(), 5);
  EXPECT_EQ(driver.state.phase, Phase::kHeld);
  driver.after(1min).send(tick(Judgement::kRollback));
  EXPECT_EQ(driver.percent(), 5);

  Driver first(plan);
  first.send(Start{});
  first.send(tick(Judgement::kRollback));
  EXPECT_EQ(first.state.phase, Phase::kRolledBack);
}

TEST(TickTest, ACondemnedCanaryStaysHeldWhenTheCircuitCloses) {
  Plan plan = plan_with({1, 5, 10});
  plan.on_failure = OnFailure::kStepDown;
  Driver driver = in_phase(Phase::kSuspended, plan);
  driver.send(tick(Judgement::kRollback));
  EXPECT_EQ(driver.state.phase, Phase::kSuspended);
  driver.send(CircuitClosed{});
  EXPECT_EQ(driver.state.phase, Phase::kHeld);
  EXPECT_EQ(driver.state.hold, HoldReason::kVerdict);
  EXPECT_EQ(driver.percent(), 1);
}

TEST(TickTest, OutOfTimeWithoutAVerdictIsInconclusive) {
  for (const auto& [action, phase, percent] :
       {std::tuple{OnInconclusive::kHold, Phase::kHeld, 5.0},
        std::tuple{OnInconclusive::kRollback, Phase::kRolledBack, 0.0},
        std::tuple{OnInconclusive::kPromote, Phase::kProgressing, 10.0}}) {
    Driver driver = in_phase(Phase::kProgressing);
    driver.plan.on_inconclusive = action;
    driver.after(59min).send(tick(Judgement::kHold));
    EXPECT_EQ(driver.percent(), 5);
    driver.after(1min).send(tick(Judgement::kHold));
    EXPECT_EQ(driver.state.phase, phase);
    EXPECT_EQ(driver.percent(), percent);
  }
}

TEST(TickTest, OutOfTimeWithoutDataAlwaysHolds) {
  for (const auto action :
       {OnInconclusive::kHold, OnInconclusive::kRollback, OnInconclusive::kPromote}) {
    Tick silent = tick(Judgement::kHold);
    silent.no_data = true;
    for (const Tick& last : {silent, tick(Judgement::kHold, 0)}) {
      Driver driver = in_phase(Phase::kProgressing);
      driver.plan.on_inconclusive = action;
      driver.after(1h).send(last);
      EXPECT_EQ(driver.state.phase, Phase::kHeld);
      EXPECT_EQ(driver.state.hold, HoldReason::kNoData);
      driver.after(10h).send(last);
      EXPECT_EQ(driver.state.phase, Phase::kHeld);
      driver.after(1h).send(tick(Judgement::kHold));
      EXPECT_EQ(driver.state.phase, Phase::kProgressing);
      driver.after(59min).send(tick(Judgement::kHold));
      EXPECT_EQ(driver.state.phase, Phase::kProgressing);
      EXPECT_EQ(driver.percent(), 5);
    }
  }
}

TEST(TickTest, AnInconclusiveHoldWaitsForTheOperator) {
  Driver driver = in_phase(Phase::kHeld);
  EXPECT_EQ(driver.state.hold, HoldReason::kInconclusive);
  driver.after(1h).send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.state.phase, Phase::kHeld);
  driver.send(Resume{});
  driver.after(59min).send(tick(Judgement::kHold));
  EXPECT_EQ(driver.state.phase, Phase::kProgressing);
  driver.after(1min).send(tick(Judgement::kHold));
  EXPECT_EQ(driver.state.phase, Phase::kHeld);
}

TEST(TickTest, ADegradedEnvironmentHoldsAndRecovers) {
  Tick down = tick(Judgement::kAccept);
  down.stable_up = false;
  Tick failing = tick(Judgement::kAccept);
  failing.both_failing = true;
  for (const Phase phase : {Phase::kProgressing, Phase::kWaiting}) {
    Driver driver = in_phase(phase);
    driver.after(1min).send(phase == Phase::kWaiting ? down : failing);
    EXPECT_EQ(driver.state.phase, Phase::kHeld);
    EXPECT_EQ(driver.state.hold, HoldReason::kEnvironmentDegraded);
    EXPECT_EQ(driver.percent(), 5);
    EXPECT_EQ(driver.after(1min).send(failing).outcome, Outcome::kUnchanged);
    EXPECT_EQ(driver.after(1min).send(down).outcome, Outcome::kUnchanged);
    driver.after(5h).send(tick(Judgement::kHold));
    EXPECT_EQ(driver.state.phase, Phase::kProgressing);
    driver.after(1min).send(tick(Judgement::kHold));
    EXPECT_EQ(driver.state.phase, Phase::kProgressing) << "the hold counts as time in the step";
  }
}

TEST(TickTest, TheCircuitSuspendsAndResumesTheSameWeight) {
  for (const Phase phase : {Phase::kProgressing,
                            Phase::kPaused,
                            Phase::kWaiting,
                            Phase::kHeld,
                            Phase::kBaking,
                            Phase::kPromoted}) {
    Driver driver = in_phase(phase);
    const double percent = driver.percent();
    const HoldReason hold = driver.state.hold;
    const Transition down = driver.after(1s).send(CircuitOpened{});
    EXPECT_EQ(down.change.direction, Direction::kDown);
    EXPECT_EQ(driver.state.phase, Phase::kSuspended);
    EXPECT_EQ(driver.percent(), 0);
    EXPECT_EQ(admission(driver.state), Admission::kProbeOnly);
    EXPECT_EQ(driver.send(CircuitOpened{}).outcome, Outcome::kUnchanged);
    const Transition up = driver.after(5s).send(CircuitClosed{});
    EXPECT_EQ(up.change.direction, Direction::kUp);
    EXPECT_EQ(driver.state.phase, phase);
    EXPECT_EQ(driver.state.hold, hold);
    EXPECT_EQ(driver.percent(), percent);
  }
  for (const Phase phase : {Phase::kIdle, Phase::kRetired, Phase::kAborted}) {
    Driver driver = in_phase(phase);
    EXPECT_EQ(driver.send(CircuitOpened{}).outcome, Outcome::kUnchanged);
    EXPECT_EQ(driver.send(CircuitClosed{}).outcome, Outcome::kUnchanged);
  }
}

TEST(TickTest, FailedProtectionRollsBackUnlessStableFailsToo) {
  for (const Mode mode : {Mode::kEnforce, Mode::kObserve}) {
    Driver driver = in_phase(Phase::kSuspended);
    driver.plan.mode = mode;
    EXPECT_EQ(driver.send(ProtectionFailed{Trip::kCircuit, true}).outcome, Outcome::kChanged);
    EXPECT_EQ(driver.state.phase, Phase::kSuspended);
    EXPECT_EQ(driver.state.hold, HoldReason::kEnvironmentDegraded);
    EXPECT_EQ(driver.send(ProtectionFailed{Trip::kCircuit, true}).outcome, Outcome::kUnchanged);
    const Transition end = driver.send(ProtectionFailed{Trip::kCircuit, false});
    EXPECT_EQ(driver.state.phase, Phase::kRolledBack);
    EXPECT_EQ(end.change.cause, Cause::kCircuit);
  }
  Driver driver = in_phase(Phase::kProgressing);
  const Transition end = driver.send(ProtectionFailed{Trip::kExposure, false});
  EXPECT_EQ(end.change.cause, Cause::kExposure);
  EXPECT_EQ(driver.percent(), 0);
}

TEST(TickTest, ObserveReportsOnceAndNeverActs) {
  Plan plan = plan_with({1, 5, 10});
  plan.mode = Mode::kObserve;
  Driver driver(plan);
  driver.send(Start{});
  driver.after(1min).send(tick(Judgement::kHold));
  const Transition accepted = driver.send(tick(Judgement::kAccept));
  EXPECT_EQ(accepted.change.cause, Cause::kObserved);
  EXPECT_EQ(driver.send(tick(Judgement::kAccept)).outcome, Outcome::kUnchanged);
  const Transition bad = driver.send(tick(Judgement::kRollback));
  EXPECT_EQ(bad.change.cause, Cause::kObserved);
  EXPECT_EQ(driver.send(tick(Judgement::kRollback)).outcome, Outcome::kUnchanged);
  driver.after(5h).send(tick(Judgement::kHold));
  EXPECT_EQ(driver.state.phase, Phase::kProgressing);
  EXPECT_EQ(driver.percent(), 1);
  driver.send(Promote{});
  EXPECT_EQ(driver.percent(), 5);
}

TEST(TickTest, ABakeThatWasSeenToBeBadIsNotPromotedByTime) {
  Driver driver = in_phase(Phase::kBaking);
  driver.plan.mode = Mode::kObserve;
  driver.send(tick(Judgement::kRollback));
  driver.after(48h).send(tick(Judgement::kHold));
  EXPECT_EQ(driver.state.phase, Phase::kBaking);
  EXPECT_EQ(driver.percent(), 100);
}

TEST(TickTest, AGateHoldsTheStepUntilApproved) {
  Driver driver = in_phase(Phase::kWaiting);
  driver.after(100h).send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.state.phase, Phase::kWaiting);
  EXPECT_EQ(driver.percent(), 5);
}

TEST(TickTest, TimeThatRunsBackwardsStandsStill) {
  Driver driver = in_phase(Phase::kProgressing);
  const WallTime since = driver.state.step_since;
  driver.now -= std::chrono::hours(48);
  EXPECT_EQ(driver.send(tick(Judgement::kAccept)).outcome, Outcome::kUnchanged);
  driver.send(Pause{});
  driver.send(Resume{});
  EXPECT_GE(driver.state.step_since, since);
}

// After a restart a stable that is down takes as long to be found so as its checks take.
TEST(TickTest, NothingGoesOnBesideAStableThatNobodyHasLookedAt) {
  Tick unseen = tick(Judgement::kAccept);
  unseen.stable_known = false;
  Driver driver = in_phase(Phase::kProgressing);
  driver.after(1h);
  EXPECT_EQ(driver.send(unseen).outcome, Outcome::kUnchanged);
  Tick down = unseen;
  down.stable_up = false;
  driver.send(down);
  ASSERT_EQ(driver.state.hold, HoldReason::kEnvironmentDegraded);
  EXPECT_EQ(driver.send(unseen).outcome, Outcome::kUnchanged) << "it is not well for that";
  Driver baking = baking_with_holdback();
  EXPECT_EQ(baking.after(2h).send(unseen).outcome, Outcome::kUnchanged);
  Driver returning = in_phase(Phase::kProgressing);
  returning.send(RollBack{10min, true});
  const double before = returning.percent();
  returning.after(1h).send(unseen);
  EXPECT_EQ(returning.percent(), before);
  Tick bad = tick(Judgement::kRollback);
  bad.stable_known = false;
  returning.send(bad);
  EXPECT_EQ(returning.state.phase, Phase::kRolledBack) << "a bad verdict waits for nobody";
}

TEST(TickTest, NoStepIsTakenWhileMoreThanIsToleratedHangs) {
  Tick hangs = tick(Judgement::kAccept);
  hangs.canary_hangs = true;
  Driver driver = in_phase(Phase::kProgressing);
  driver.after(10min);
  EXPECT_EQ(driver.send(hangs).outcome, Outcome::kUnchanged);
  EXPECT_EQ(driver.send(tick(Judgement::kAccept)).change.direction, Direction::kUp);
  Driver baking = baking_with_holdback();
  EXPECT_EQ(baking.after(2h).send(hangs).outcome, Outcome::kUnchanged);
}

// A canary that fails a tenth looks good beside a stable that fails all.
TEST(TickTest, WhatWasShownInAnOutageOfStableIsForNoStep) {
  Driver driver = in_phase(Phase::kProgressing);
  driver.after(10min);
  Tick down = tick(Judgement::kAccept);
  down.stable_up = false;
  driver.send(down);
  const Transition back = driver.after(1min).send(tick(Judgement::kAccept));
  EXPECT_EQ(back.change.cause, Cause::kEnvironmentRecovered);
  EXPECT_TRUE(has_effect<BeginStep>(back)) << "with evidence from here on";
  EXPECT_EQ(back.change.direction, Direction::kSame);
  EXPECT_EQ(driver.send(tick(Judgement::kAccept)).outcome, Outcome::kUnchanged) << "min_duration";
}

}  // namespace
}  // namespace canaryd::rollout
