// Queries: a step passes only by good readings, and abort and rollback stay armed whatever they
// are.
#include "driver.hpp"

#include <gmock/gmock.h>

namespace canaryd::rollout {
namespace {

using namespace test;
using ::testing::HasSubstr;

Tick reading(Readings readings, Judgement judgement = Judgement::kAccept) {
  Tick result = tick(judgement);
  result.readings = readings;
  return result;
}

TEST(ReadingsTest, OnlyGoodOnesLetAStepPass) {
  for (const Readings each :
       {Readings::kOpen, Readings::kNone, Readings::kBad, Readings::kRollback}) {
    Driver driver;
    driver.climb_to(5).after(5min).send(reading(each));
    EXPECT_LE(driver.percent(), 5) << static_cast<int>(each);
  }
  Driver driver;
  driver.climb_to(5).after(5min).send(reading(Readings::kOpen));
  EXPECT_EQ(driver.state.phase, Phase::kProgressing);
  driver.send(reading(Readings::kGood));
  EXPECT_EQ(driver.percent(), 10);
}

TEST(ReadingsTest, TheLastStepNeedsThemToo) {
  Driver driver = in_phase(Phase::kProgressing);
  driver.climb_to(100);
  Tick uncontrolled = reading(Readings::kOpen, Judgement::kHold);
  uncontrolled.no_control = true;
  driver.after(1min).send(uncontrolled);
  EXPECT_EQ(driver.state.phase, Phase::kProgressing);
  uncontrolled.readings = Readings::kGood;
  driver.send(uncontrolled);
  EXPECT_EQ(driver.state.phase, Phase::kBaking);
}

TEST(ReadingsTest, NoneHoldsUntilTheyAreGood) {
  Driver driver;
  driver.climb_to(5);
  Event event;
  event.what = reading(Readings::kNone);
  event.evidence = "query refunds has no reading: connection refused";
  const Transition held = driver.send(event);
  EXPECT_EQ(driver.state.phase, Phase::kHeld);
  EXPECT_EQ(driver.state.hold, HoldReason::kNoReading);
  EXPECT_EQ(held.change.cause, Cause::kNoReading);
  EXPECT_THAT(sentence(held.change),
              HasSubstr("held checkout at 5 %: query refunds has no reading: connection refused"));
  EXPECT_EQ(driver.percent(), 5);
  // No word of the same, and no pass of time, changes that.
  EXPECT_EQ(driver.after(24h).send(reading(Readings::kNone)).outcome, Outcome::kUnchanged);
  EXPECT_EQ(driver.send(reading(Readings::kOpen)).outcome, Outcome::kUnchanged);
  const Transition resumed = driver.send(reading(Readings::kGood));
  EXPECT_EQ(driver.state.phase, Phase::kProgressing);
  EXPECT_EQ(resumed.change.cause, Cause::kGoodReading);
  EXPECT_EQ(driver.percent(), 5);
  // The time in which it was held does not count.
  driver.send(reading(Readings::kGood));
  EXPECT_EQ(driver.percent(), 5);
  driver.after(1min).send(reading(Readings::kGood));
  EXPECT_EQ(driver.percent(), 10);
}

TEST(ReadingsTest, WhyItIsHeldFollowsTheReadings) {
  Driver driver;
  driver.climb_to(5).send(reading(Readings::kNone));
  driver.send(reading(Readings::kBad));
  EXPECT_EQ(driver.state.hold, HoldReason::kBadReading);
  driver.send(reading(Readings::kNone));
  EXPECT_EQ(driver.state.hold, HoldReason::kNoReading);
}

TEST(ReadingsTest, BadOnesRollBackOnlyIfTheyAreToldTo) {
  Driver driver;
  driver.climb_to(5).send(reading(Readings::kBad));
  EXPECT_EQ(driver.state.phase, Phase::kHeld);
  EXPECT_EQ(driver.state.hold, HoldReason::kBadReading);
  Event event;
  event.what = reading(Readings::kRollback);
  event.evidence = "query refunds is 0.031";
  const Transition back = driver.send(event);
  EXPECT_EQ(driver.state.phase, Phase::kRolledBack);
  EXPECT_EQ(driver.percent(), 0);
  EXPECT_EQ(back.change.cause, Cause::kBadReading);
  EXPECT_THAT(sentence(back.change),
              HasSubstr("rolled back checkout at 5 %: query refunds is 0.031"));
}

TEST(ReadingsTest, AVerdictThatHoldsDoesNotStandInTheirWay) {
  for (const OnFailure policy : {OnFailure::kHold, OnFailure::kStepDown}) {
    Driver driver;
    driver.plan.on_failure = policy;
    driver.climb_to(10).send(reading(Readings::kGood, Judgement::kRollback));
    EXPECT_EQ(driver.state.hold, HoldReason::kVerdict);
    // It is not undone by readings, good or bad.
    for (const Readings each : {Readings::kGood, Readings::kNone, Readings::kBad}) {
      driver.send(reading(each, Judgement::kRollback));
      EXPECT_EQ(driver.state.hold, HoldReason::kVerdict);
    }
    driver.send(reading(Readings::kRollback, Judgement::kRollback));
    EXPECT_EQ(driver.state.phase, Phase::kRolledBack);
  }
}

TEST(ReadingsTest, RollbackIsArmedWhereAVerdictIs) {
  for (const Phase phase : {Phase::kProgressing,
                            Phase::kSuspended,
                            Phase::kPaused,
                            Phase::kWaiting,
                            Phase::kHeld,
                            Phase::kBaking}) {
    Driver driver = in_phase(phase);
    driver.send(reading(Readings::kRollback, Judgement::kHold));
    EXPECT_EQ(driver.state.phase, Phase::kRolledBack) << to_string(phase);
  }
}

TEST(ReadingsTest, NobodyIsBlamedWhileStableIsInTrouble) {
  Driver driver;
  Tick both = reading(Readings::kRollback, Judgement::kHold);
  both.both_failing = true;
  driver.climb_to(5).send(both);
  EXPECT_EQ(driver.state.phase, Phase::kHeld);
  EXPECT_EQ(driver.state.hold, HoldReason::kEnvironmentDegraded);
}

TEST(ReadingsTest, ABadVerdictAndTheOperatorDoNotWaitForThem) {
  for (const Readings each : {Readings::kOpen, Readings::kNone, Readings::kBad}) {
    Driver driver;
    driver.climb_to(5).send(reading(each, Judgement::kRollback));
    EXPECT_EQ(driver.state.phase, Phase::kRolledBack);
    Driver held;
    held.climb_to(5).send(reading(each));
    held.send(Abort{});
    EXPECT_EQ(held.state.phase, Phase::kAborted);
    Driver asked;
    asked.climb_to(5).send(reading(each));
    asked.send(Promote{});
    EXPECT_EQ(asked.percent(), 10);
  }
}

TEST(ReadingsTest, TheDeadlineNeverPromotesWithoutThem) {
  Driver driver;
  driver.plan.on_inconclusive = OnInconclusive::kPromote;
  driver.climb_to(5).after(2h).send(reading(Readings::kOpen, Judgement::kHold));
  EXPECT_EQ(driver.state.phase, Phase::kProgressing);
  EXPECT_EQ(driver.percent(), 5);
  driver.send(reading(Readings::kNone, Judgement::kHold));
  EXPECT_EQ(driver.state.phase, Phase::kHeld);
  driver.send(reading(Readings::kGood, Judgement::kHold));
  driver.send(reading(Readings::kGood, Judgement::kHold));
  EXPECT_EQ(driver.percent(), 10);
}

TEST(ReadingsTest, AGateAndABakeWaitForThem) {
  Driver driver = in_phase(Phase::kWaiting);
  driver.plan.steps[1].gate.clear();  // A reload took it out.
  driver.send(reading(Readings::kOpen));
  EXPECT_EQ(driver.percent(), 5);
  driver.send(reading(Readings::kGood));
  EXPECT_EQ(driver.percent(), 10);
  Driver baking = in_phase(Phase::kBaking);
  baking.after(48h).send(reading(Readings::kNone, Judgement::kHold));
  EXPECT_EQ(baking.state.phase, Phase::kBaking);
  baking.send(reading(Readings::kGood, Judgement::kHold));
  EXPECT_EQ(baking.state.phase, Phase::kPromoted);
}

TEST(ReadingsTest, ObserveReportsAndDoesNotAct) {
  Driver driver(plan_with({1, 5}));
  driver.plan.mode = Mode::kObserve;
  driver.send(Start{});
  EXPECT_EQ(driver.after(1min).send(reading(Readings::kNone)).outcome, Outcome::kUnchanged);
  const Transition seen = driver.send(reading(Readings::kRollback));
  EXPECT_EQ(seen.change.cause, Cause::kObserved);
  EXPECT_EQ(driver.state.observed, Judgement::kRollback);
  EXPECT_EQ(driver.percent(), 1);
  EXPECT_EQ(driver.send(reading(Readings::kRollback)).outcome, Outcome::kUnchanged);
}

TEST(ReadingsTest, TheJournalKnowsWhyItIsHeld) {
  for (const Readings each : {Readings::kNone, Readings::kBad}) {
    Driver driver;
    driver.climb_to(5).send(reading(each));
    EXPECT_EQ(parse_state(serialise(driver.state)).value(), driver.state);
  }
}

}  // namespace
}  // namespace canaryd::rollout
