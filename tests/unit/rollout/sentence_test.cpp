#include "driver.hpp"

#include <gtest/gtest.h>

namespace canaryd::rollout {
namespace {

using namespace test;

std::string said(const Transition& transition) {
  for (const Effect& effect : transition.effects) {
    if (const auto* announce = std::get_if<Announce>(&effect)) return announce->sentence;
  }
  return {};
}

TEST(SentenceTest, ARollbackNamesTheFactTheLimitAndTheCost) {
  Driver driver = in_phase(Phase::kProgressing);
  Event event;
  event.what = tick(Judgement::kRollback, 212);
  event.evidence = "errors canary 4.1 % vs stable 0.2 %, tolerated 0.32 %";
  EXPECT_EQ(said(driver.after(6100ms).send(event)),
            "rolled back checkout at 5 %: errors canary 4.1 % vs stable 0.2 %, tolerated 0.32 %, "
            "after 212 canary requests (6.1s)");
}

TEST(SentenceTest, TheOrdinaryCourse) {
  Driver driver(plan_with({1, 5}));
  driver.plan.steps[0].gate = "owner";
  EXPECT_EQ(said(driver.send(Start{}, "release 2.4.0")),
            "started checkout at 1 % (step 1 of 2, revision 2.4.0): release 2.4.0 (by anna)");
  EXPECT_EQ(said(driver.after(5min).send(tick(Judgement::kAccept, 540))),
            "checkout waits at 1 % for approval of gate owner: after 540 canary requests (5m)");
  EXPECT_EQ(said(driver.send(Approve{"owner", {}})), "approved gate owner of checkout (by anna)");
  EXPECT_EQ(said(driver.send(tick(Judgement::kAccept, 541))),
            "raised checkout from 1 % to 5 % (step 2 of 2): after 541 canary requests (5m)");
  EXPECT_EQ(said(driver.send(Pause{}, "lunch")), "paused checkout at 5 %: lunch (by anna)");
  EXPECT_EQ(said(driver.send(SetWeight{BasisPoints(725)})),
            "set checkout from 5 % to 7.25 % and paused it (by anna)");
  EXPECT_EQ(said(driver.send(Resume{})), "resumed checkout at 7.25 % (by anna)");
  EXPECT_EQ(said(driver.send(CircuitOpened{})), "suspended checkout at 7.25 %: circuit");
  EXPECT_EQ(said(driver.send(CircuitClosed{})),
            "resumed checkout at 7.25 %: the circuit is closed");
  EXPECT_EQ(said(driver.send(Promote{true})), "checkout bakes at 100 % (by anna)");
  EXPECT_EQ(said(driver.after(24h).send(tick(Judgement::kHold, 0))),
            "promoted checkout (revision 2.4.0)");
  EXPECT_EQ(said(driver.send(Abort{}, "wrong build")),
            "aborted checkout at 100 %: wrong build (by anna)");
  EXPECT_EQ(said(driver.send(Retry{})),
            "retried checkout at 1 % (step 1 of 2, revision 2.4.0) (by anna)");
}

TEST(SentenceTest, ARestartUnderAnotherFileSaysWhatIsNew) {
  Driver driver = in_phase(Phase::kProgressing);
  driver.plan = plan_with({1, 5, 20, 100});
  EXPECT_EQ(said(driver.send(Restart{}, "daemon started")),
            "went on with checkout at 5 % after a restart: next weight: 10 % -> 20 %, daemon "
            "started");
  driver.plan = plan_with({1, 5});
  EXPECT_EQ(said(driver.send(Restart{}, "daemon started")),
            "went on with checkout at 5 % after a restart: next weight: 20 % -> 100 %, "
            "daemon started");
  driver.plan.canary = "shop-v3";
  driver.plan.revision = "2.5.0";
  EXPECT_EQ(said(driver.send(Restart{}, "daemon started")),
            "put checkout back to its start: the plan is for another rollout, canary: shop-v2 -> "
            "shop-v3; revision: 2.4.0 -> 2.5.0, daemon started");
}

TEST(SentenceTest, AReloadIsToldInTheWordsOfTheFileAlone) {
  Driver driver = in_phase(Phase::kProgressing);
  driver.plan = plan_with({1, 5, 20, 100});
  EXPECT_EQ(said(driver.send(Event{NewPlan{}, "anna", "", "steps[2].weight: 10 -> 20"})),
            "changed the plan of checkout; the weight stays at 5 %: steps[2].weight: 10 -> 20 (by "
            "anna)");
}

TEST(SentenceTest, AWeightThatIsSetWhileStableIsDownCountsOnceItIsBack) {
  Plan plan = plan_with({1, 5, 10, 25, 100});
  plan.on_stable_down = OnStableDown::kSpill;
  Driver driver = in_phase(Phase::kProgressing, plan);
  Tick down = tick(Judgement::kHold, 0);
  down.stable_up = false;
  driver.send(down);
  ASSERT_EQ(driver.percent(), 100);
  EXPECT_EQ(said(driver.send(SetWeight{BasisPoints(1000)})),
            "set checkout to 10 % for when stable is back and paused it (by anna)");
  EXPECT_EQ(said(driver.send(SetWeight{BasisPoints(300)}, "less")),
            "set checkout to 3 % for when stable is back: less (by anna)");
  EXPECT_EQ(said(driver.send(SetWeight{BasisPoints(BasisPoints::kMax)})),
            "set checkout to 100 % for when stable is back (by anna)");
  EXPECT_EQ(said(driver.send(SetWeight{BasisPoints(0)})),
            "set checkout from 100 % to 0 % and paused it (by anna)");
}

TEST(SentenceTest, APauseBeneathASuspensionIsNamed) {
  Driver driver = in_phase(Phase::kProgressing);
  driver.send(CircuitOpened{});
  EXPECT_EQ(said(driver.send(Pause{}, "lunch")),
            "paused checkout beneath its suspension: lunch (by anna)");
  EXPECT_EQ(said(driver.send(CircuitClosed{})),
            "paused checkout again at 5 %: the circuit is closed");
  driver = in_phase(Phase::kProgressing);
  driver.send(CircuitOpened{});
  EXPECT_EQ(said(driver.send(SetWeight{BasisPoints(300)})),
            "set the weight of checkout beneath its suspension and paused it (by anna)");
}

TEST(SentenceTest, AHoldThatComesBackFromASuspensionSaysSo) {
  Driver driver = in_phase(Phase::kProgressing);
  driver.after(1h).send(tick(Judgement::kHold, 0));
  ASSERT_EQ(driver.state.phase, Phase::kHeld);
  driver.send(CircuitOpened{});
  EXPECT_EQ(said(driver.send(CircuitClosed{})),
            "held checkout again at 5 %: the circuit is closed");
}

TEST(SentenceTest, HoldsSayWhy) {
  Driver driver = in_phase(Phase::kProgressing);
  EXPECT_EQ(said(driver.after(1h).send(tick(Judgement::kHold, 0))),
            "held checkout at 5 %: not enough data to judge within max_duration");
  EXPECT_EQ(said(driver.send(tick(Judgement::kHold, 7))),
            "resumed checkout at 5 %: there is traffic to judge by, after 7 canary requests (1h)");
}

TEST(SentenceTest, HeldForAnotherReasonIsNoChangeOfThePlan) {
  Driver driver = in_phase(Phase::kProgressing);
  driver.plan.on_failure = OnFailure::kHold;
  Tick reading = tick(Judgement::kHold);
  reading.readings = Readings::kBad;
  const auto send = [&](const Tick& what, const char* evidence) {
    return said(driver.send(Event{what, "canaryd", "", evidence}));
  };
  EXPECT_EQ(send(reading, "query q says 9, at most 5"),
            "held checkout at 5 %: query q says 9, at most 5, after 1000 canary requests (0ms)");
  reading.readings = Readings::kNone;
  EXPECT_EQ(send(reading, "query q has no reading"),
            "held checkout at 5 %: query q has no reading, after 1000 canary requests (0ms)");
  EXPECT_EQ(send(tick(Judgement::kRollback), "errors canary 4 % vs stable 0 %"),
            "held checkout at 5 %: errors canary 4 % vs stable 0 %, after 1000 canary requests "
            "(0ms)");
  EXPECT_EQ(driver.state.hold, HoldReason::kVerdict);
}

TEST(SentenceTest, AStepThatIsReopenedSaysWhy) {
  Driver driver = in_phase(Phase::kWaiting);
  driver.send(Approve{"owner", {}});
  EXPECT_EQ(said(driver.send(tick(Judgement::kHold, 0))),
            "went on with the step of checkout at 5 %: the evidence that passed it no longer does");
}

TEST(SentenceTest, EveryChangeHasOneAndItNamesTheRollout) {
  for (const Phase phase : kPhases) {
    for (const Event::What& what : std::vector<Event::What>{Start{"9"},
                                                            Retry{},
                                                            Promote{},
                                                            Promote{true},
                                                            Pause{},
                                                            Resume{},
                                                            Abort{},
                                                            RollBack{},
                                                            SetWeight{BasisPoints(300)},
                                                            Approve{"owner", {}},
                                                            tick(Judgement::kAccept),
                                                            tick(Judgement::kRollback),
                                                            CircuitOpened{},
                                                            CircuitClosed{},
                                                            ProtectionFailed{},
                                                            Restart{}}) {
      Driver driver = in_phase(phase);
      const Transition transition = driver.send(Event{what, "anna", "", ""});
      if (transition.outcome != Outcome::kChanged) continue;
      EXPECT_NE(said(transition).find("checkout"), std::string::npos) << said(transition);
      EXPECT_EQ(said(transition).find("changed checkout ("), std::string::npos)
          << "no words for " << to_string(phase) << " -> " << to_string(transition.state.phase);
    }
  }
}

}  // namespace
}  // namespace canaryd::rollout
