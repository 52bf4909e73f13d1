// Steps that somebody else has to agree to: Plan::asks_before_step.
#include "driver.hpp"

#include <gmock/gmock.h>

namespace canaryd::rollout {
namespace {

using namespace test;
using ::testing::HasSubstr;

Plan asking(std::vector<unsigned> percents = {1, 5, 10, 25, 100}) {
  Plan plan = plan_with(std::move(percents));
  plan.asks_before_step = true;
  return plan;
}

Tick answered(Consent consent, Judgement judgement = Judgement::kAccept) {
  Tick result = tick(judgement);
  result.consent = consent;
  return result;
}

Driver asking_driver() {
  Driver driver(asking());
  driver.send(Start{});
  driver.after(1min);
  return driver;
}

TEST(ConsentTest, NothingHappensUntilThereIsAnAnswer) {
  Driver driver = asking_driver();
  EXPECT_EQ(driver.send(answered(Consent::kUnknown)).outcome, Outcome::kUnchanged);
  EXPECT_EQ(driver.send(answered(Consent::kGiven)).change.cause, Cause::kAccepted);
  EXPECT_EQ(driver.percent(), 5);
}

TEST(ConsentTest, ARefusalHoldsUntilItIsGiven) {
  Driver driver = asking_driver();
  const Transition refused = driver.send(answered(Consent::kRefused));
  EXPECT_EQ(driver.state.phase, Phase::kHeld);
  EXPECT_EQ(driver.state.hold, HoldReason::kHook);
  EXPECT_EQ(refused.change.cause, Cause::kHook);
  EXPECT_THAT(sentence(refused.change), HasSubstr("a hook does not agree"));
  EXPECT_EQ(driver.send(answered(Consent::kRefused)).outcome, Outcome::kUnchanged);
  EXPECT_EQ(driver.after(10h).send(answered(Consent::kUnknown)).outcome, Outcome::kUnchanged);
  EXPECT_EQ(driver.send(answered(Consent::kGiven)).change.cause, Cause::kHookAgreed);
  EXPECT_EQ(driver.percent(), 5);
}

// Nobody is asked any more about a step that the evidence does not pass.
TEST(ConsentTest, WhatIsNotAcceptedAnyMoreGoesOnWithItsStep) {
  for (const Consent consent : {Consent::kUnknown, Consent::kGiven, Consent::kRefused}) {
    Driver driver = asking_driver();
    driver.send(answered(Consent::kRefused));
    ASSERT_EQ(driver.state.hold, HoldReason::kHook);
    EXPECT_EQ(driver.after(10h).send(answered(consent, Judgement::kHold)).change.cause,
              Cause::kReopened);
    EXPECT_EQ(driver.state.phase, Phase::kProgressing);
    EXPECT_EQ(driver.percent(), 1);
  }
}

TEST(ConsentTest, WhatIsOutOfTimeAndPromotedByThePlanWaitsForTheAnswerAsWell) {
  Driver driver = asking_driver();
  driver.plan.on_inconclusive = OnInconclusive::kPromote;
  driver.after(1h).send(answered(Consent::kRefused, Judgement::kHold));
  ASSERT_EQ(driver.state.hold, HoldReason::kHook);
  driver.after(1h).send(answered(Consent::kGiven, Judgement::kHold));
  EXPECT_EQ(driver.percent(), 5);
}

TEST(ConsentTest, TheWayDownAsksNobody) {
  for (const Event::What& what : std::vector<Event::What>{
           Abort{}, RollBack{}, answered(Consent::kRefused, Judgement::kRollback)}) {
    for (const Consent consent : {Consent::kUnknown, Consent::kRefused}) {
      Driver driver = asking_driver();
      driver.send(answered(consent));
      driver.send(what);
      EXPECT_EQ(driver.percent(), 0);
    }
  }
}

TEST(ConsentTest, TheOperatorsWordIsEnough) {
  Driver driver = asking_driver();
  driver.send(answered(Consent::kRefused));
  driver.send(Promote{});
  EXPECT_EQ(driver.percent(), 5);
}

TEST(ConsentTest, AStartByItselfAsksToo) {
  Driver driver(asking());
  for (const Consent consent : {Consent::kUnknown, Consent::kRefused}) {
    EXPECT_EQ(driver.send(answered(consent)).outcome, Outcome::kUnchanged);
  }
  EXPECT_EQ(driver.send(answered(Consent::kGiven)).change.cause, Cause::kStarted);
}

TEST(ConsentTest, AGateThatOpensStillAsks) {
  Driver driver = asking_driver();
  driver.plan.steps[0].gate = "owner";
  driver.send(answered(Consent::kUnknown));
  ASSERT_EQ(driver.state.phase, Phase::kWaiting);
  driver.send(Approve{"owner", driver.now + 1h});
  EXPECT_EQ(driver.percent(), 1);
  EXPECT_EQ(driver.send(answered(Consent::kUnknown)).outcome, Outcome::kUnchanged);
  driver.send(answered(Consent::kRefused));
  EXPECT_EQ(driver.state.hold, HoldReason::kHook);
  // What expires meanwhile is missing again.
  driver.after(1h).send(answered(Consent::kGiven));
  EXPECT_EQ(driver.state.phase, Phase::kWaiting);
  driver.send(Approve{"owner", {}});
  driver.send(answered(Consent::kGiven));
  EXPECT_EQ(driver.percent(), 5);
}

TEST(ConsentTest, TheBakeIsNoStep) {
  Driver driver(plan_with({100}));
  driver.plan.asks_before_step = true;
  driver.send(Start{});
  driver.after(1min).send(answered(Consent::kRefused));
  EXPECT_EQ(driver.state.phase, Phase::kBaking);
}

TEST(ConsentTest, TheHoldOutlivesARestart) {
  Driver driver = asking_driver();
  driver.send(answered(Consent::kRefused));
  driver.state = parse_state(serialise(driver.state)).value();
  driver.send(Restart{});
  EXPECT_EQ(driver.state.hold, HoldReason::kHook);
  driver.send(answered(Consent::kGiven));
  EXPECT_EQ(driver.percent(), 5);
}

}  // namespace
}  // namespace canaryd::rollout
