// on_stable_down: what becomes of the users while stable has no endpoint left.
#include "driver.hpp"

#include <gmock/gmock.h>

namespace canaryd::rollout {
namespace {

using namespace test;
using ::testing::HasSubstr;
using ::testing::Not;

Tick stable_down(bool canary_up = true) {
  Tick result = tick(Judgement::kHold);
  result.stable_up = false;
  result.canary_up = canary_up;
  return result;
}

Plan spilling_plan() {
  Plan plan = plan_with({1, 5, 10, 25, 100});
  plan.on_stable_down = OnStableDown::kSpill;
  return plan;
}

TEST(SpillTest, HoldKeepsTheWeight) {
  Driver driver = in_phase(Phase::kProgressing);
  const Transition held = driver.send(stable_down());
  EXPECT_EQ(held.change.direction, Direction::kSame);
  EXPECT_EQ(driver.state.phase, Phase::kHeld);
  EXPECT_EQ(driver.state.hold, HoldReason::kEnvironmentDegraded);
  EXPECT_EQ(driver.percent(), 5);
}

TEST(SpillTest, SpillSendsEverybodyAndTakesThemBack) {
  Driver driver = in_phase(Phase::kProgressing, spilling_plan());
  const Transition spilt = driver.send(stable_down());
  EXPECT_EQ(spilt.change.direction, Direction::kUp);
  EXPECT_EQ(spilt.change.cause, Cause::kStableDown);
  EXPECT_LT(position_of<Persist>(spilt), position_of<Publish>(spilt));
  EXPECT_EQ(driver.state.phase, Phase::kHeld);
  EXPECT_EQ(driver.state.hold, HoldReason::kEnvironmentDegraded);
  EXPECT_EQ(driver.percent(), 100);
  EXPECT_EQ(admission(driver.state), Admission::kSplit);
  EXPECT_EQ(driver.state.weight, BasisPoints(500));
  EXPECT_EQ(driver.after(10h).send(stable_down()).outcome, Outcome::kUnchanged);
  const Transition back = driver.send(tick(Judgement::kHold));
  EXPECT_EQ(back.change.direction, Direction::kDown);
  EXPECT_EQ(back.change.cause, Cause::kEnvironmentRecovered);
  EXPECT_EQ(position_of<Publish>(back), 0U);
  EXPECT_EQ(driver.state.phase, Phase::kProgressing);
  EXPECT_EQ(driver.percent(), 5);
  // Ten hours without a stable are no time in the step.
  EXPECT_EQ(driver.after(59min).send(tick(Judgement::kHold)).outcome, Outcome::kUnchanged);
}

// Whoever looks for the fault must not make an outage of it.
TEST(SpillTest, APauseMovesNobodyBackOntoAStableThatIsDown) {
  Driver driver = in_phase(Phase::kProgressing, spilling_plan());
  driver.send(stable_down());
  const Transition paused = driver.send(Pause{}, "what is it?");
  EXPECT_EQ(paused.change.direction, Direction::kSame);
  EXPECT_EQ(driver.state.phase, Phase::kPaused);
  EXPECT_EQ(driver.percent(), 100);
  EXPECT_EQ(driver.send(stable_down()).outcome, Outcome::kUnchanged);
  driver.send(SetWeight{BasisPoints(1000)});
  EXPECT_EQ(driver.percent(), 100) << "stable is down still";
  const Transition back = driver.send(tick(Judgement::kHold));
  EXPECT_EQ(back.change.cause, Cause::kSpillEnded);
  EXPECT_EQ(driver.state.phase, Phase::kPaused);
  EXPECT_EQ(driver.percent(), 10);
}

TEST(SpillTest, APauseFreezesThePlanAndNotTheUsersOfStable) {
  Driver driver = in_phase(Phase::kProgressing, spilling_plan());
  driver.send(Pause{}, "looks odd");
  const Transition spilt = driver.send(stable_down());
  EXPECT_EQ(spilt.change.cause, Cause::kStableDown);
  EXPECT_EQ(driver.state.phase, Phase::kPaused);
  EXPECT_EQ(driver.state.weight, BasisPoints(500));
  EXPECT_EQ(driver.percent(), 100);
  EXPECT_EQ(driver.state.actor, "anna") << "who paused it, and why, is still what keeps it paused";
  EXPECT_EQ(driver.state.reason, "looks odd");
  driver.send(tick(Judgement::kHold));
  EXPECT_EQ(driver.state.phase, Phase::kPaused);
  EXPECT_EQ(driver.percent(), 5);
}

TEST(SpillTest, APausedOneSpillsAgainWhenTheCanaryIsBack) {
  // By a tick, or by its protection, which suspends it; and over a restart.
  for (const bool suspended : {false, true}) {
    for (const bool restarted : {false, true}) {
      Driver driver = in_phase(Phase::kProgressing, spilling_plan());
      driver.send(stable_down());
      driver.send(Pause{}, "what is it?");
      if (suspended) {
        driver.send(CircuitOpened{Trip::kUnhealthy});
        EXPECT_EQ(driver.percent(), 0);
      }
      driver.send(stable_down(false));
      EXPECT_FALSE(driver.state.spilling);
      if (restarted) driver.send(Restart{});
      if (suspended) driver.send(CircuitClosed{});
      driver.send(stable_down());
      EXPECT_EQ(driver.state.phase, Phase::kPaused) << suspended << restarted;
      EXPECT_EQ(driver.percent(), 100) << suspended << restarted;
      driver.send(tick(Judgement::kHold));
      EXPECT_EQ(driver.state.phase, Phase::kPaused) << suspended << restarted;
      EXPECT_EQ(driver.percent(), 5) << suspended << restarted;
    }
  }
}

TEST(SpillTest, NorDoesItSpillPausedWhereNobodyIsToGo) {
  Driver nobody = in_phase(Phase::kPaused, spilling_plan());
  nobody.send(SetWeight{BasisPoints(0)});
  nobody.send(stable_down());
  EXPECT_EQ(nobody.percent(), 0) << "a weight of nothing is meant";

  Driver held = in_phase(Phase::kPaused);
  held.send(stable_down());
  EXPECT_EQ(held.percent(), 5) << "the plan says hold";

  Plan plan = spilling_plan();
  plan.on_failure = OnFailure::kHold;
  Driver condemned = in_phase(Phase::kPaused, plan);
  condemned.send(tick(Judgement::kRollback));
  condemned.send(Pause{});
  condemned.send(stable_down());
  EXPECT_EQ(condemned.percent(), 5) << "it was found worse";
}

TEST(SpillTest, ResumeDoesNotEndItEither) {
  Driver driver = in_phase(Phase::kProgressing, spilling_plan());
  driver.send(stable_down());
  EXPECT_EQ(driver.send(Resume{}).outcome, Outcome::kUnchanged) << "it goes on by itself";
  driver.send(Pause{});
  driver.send(Resume{});
  EXPECT_EQ(driver.state.phase, Phase::kHeld);
  EXPECT_EQ(driver.percent(), 100);
  driver.send(tick(Judgement::kHold));
  EXPECT_EQ(driver.state.phase, Phase::kProgressing);
  EXPECT_EQ(driver.percent(), 5);
}

TEST(SpillTest, AWeightOfNothingIsMeant) {
  Driver driver = in_phase(Phase::kProgressing, spilling_plan());
  driver.send(stable_down());
  driver.send(SetWeight{BasisPoints(0)});
  EXPECT_EQ(driver.percent(), 0);
}

TEST(SpillTest, WhereItCanBegin) {
  for (const auto& [phase, spills] : {std::pair{Phase::kIdle, false},
                                      std::pair{Phase::kProgressing, true},
                                      std::pair{Phase::kSuspended, false},
                                      std::pair{Phase::kPaused, true},
                                      std::pair{Phase::kWaiting, true},
                                      std::pair{Phase::kHeld, true},
                                      std::pair{Phase::kBaking, false},  // It has everybody.
                                      std::pair{Phase::kPromoted, false},
                                      std::pair{Phase::kRolledBack, false},
                                      std::pair{Phase::kAborted, false}}) {
    Driver driver = in_phase(phase, spilling_plan());
    driver.plan.on_stable_down = OnStableDown::kSpill;
    driver.send(stable_down());
    EXPECT_EQ(driver.state.spilling, spills) << to_string(phase);
  }
}

TEST(SpillTest, AHoldbackIsSpiltAsWell) {
  Plan plan = spilling_plan();
  plan.bake.holdback = BasisPoints(1000);
  Driver driver = in_phase(Phase::kBaking, plan);
  ASSERT_EQ(driver.percent(), 90);
  driver.send(stable_down());
  EXPECT_EQ(driver.percent(), 100);
  const Transition back = driver.send(tick(Judgement::kHold));
  EXPECT_EQ(back.change.cause, Cause::kSpillEnded);
  EXPECT_EQ(driver.state.phase, Phase::kBaking);
  EXPECT_EQ(driver.percent(), 90);
}

// As by a limit, which needs no stable to compare with. Nobody keeps users on a canary that was
// given up, but who reads of it has to know what they were sent to.
TEST(SpillTest, WhoIsSentToAStableThatIsDownIsTold) {
  for (const Event::What& end : std::initializer_list<Event::What>{
           tick(Judgement::kRollback), Abort{}, RollBack{}, ProtectionFailed{Trip::kExposure}}) {
    Driver driver = in_phase(Phase::kProgressing, spilling_plan());
    driver.send(stable_down());
    Event event{end, "canaryd", "", "errors canary 9 %, limit 5 %"};
    if (auto* const seen = std::get_if<Tick>(&event.what)) seen->stable_up = false;
    const Transition back = driver.send(event);
    EXPECT_EQ(driver.percent(), 0);
    EXPECT_THAT(sentence(back.change), HasSubstr(" at 100 % to shop-v1, which is down: "));
  }
  Driver well = in_phase(Phase::kProgressing, spilling_plan());
  EXPECT_THAT(sentence(well.send(tick(Judgement::kRollback)).change), Not(HasSubstr("down")));
}

TEST(SpillTest, NotToACanaryThatIsDownOrWasFoundWorse) {
  Driver down = in_phase(Phase::kProgressing, spilling_plan());
  down.send(stable_down(false));
  EXPECT_EQ(down.percent(), 5);

  Plan plan = spilling_plan();
  plan.on_failure = OnFailure::kHold;
  Driver condemned = in_phase(Phase::kProgressing, plan);
  condemned.send(tick(Judgement::kRollback));
  condemned.send(stable_down());
  EXPECT_EQ(condemned.percent(), 5);
}

TEST(SpillTest, NotInModeObserve) {
  Driver driver = in_phase(Phase::kProgressing, spilling_plan());
  driver.plan.mode = Mode::kObserve;  // Under which nothing would have climbed to there.
  driver.send(stable_down());
  EXPECT_EQ(driver.percent(), 5);
}

TEST(SpillTest, ItEndsWhenTheCanaryGoesDownToo) {
  Driver driver = in_phase(Phase::kProgressing, spilling_plan());
  driver.send(stable_down());
  const Transition end = driver.send(stable_down(false));
  EXPECT_EQ(end.change.cause, Cause::kSpillEnded);
  EXPECT_EQ(end.change.direction, Direction::kDown);
  EXPECT_EQ(driver.state.phase, Phase::kHeld);
  EXPECT_EQ(driver.percent(), 5);
}

// Whatever takes users off the canary does so from a spill in one transition.
TEST(SpillTest, EverythingThatLowersStillDoes) {
  const auto spilt = [] {
    Driver driver = in_phase(Phase::kProgressing, spilling_plan());
    driver.send(stable_down());
    return driver;
  };
  for (const Event::What& what : {Event::What(Abort{}),
                                  Event::What(RollBack{}),
                                  Event::What(CircuitOpened{}),
                                  Event::What(ProtectionFailed{Trip::kExposure, false}),
                                  Event::What(tick(Judgement::kRollback))}) {
    Driver driver = spilt();
    driver.send(what);
    EXPECT_EQ(driver.percent(), 0);
    EXPECT_FALSE(driver.state.spilling);
  }
}

TEST(SpillTest, AfterASuspensionItSpillsAgain) {
  Driver driver = in_phase(Phase::kProgressing, spilling_plan());
  driver.send(stable_down());
  driver.send(CircuitOpened{});
  EXPECT_EQ(driver.send(stable_down()).outcome, Outcome::kUnchanged);
  driver.send(CircuitClosed{});
  EXPECT_EQ(driver.percent(), 5);
  driver.send(stable_down());
  EXPECT_EQ(driver.percent(), 100);
}

// Nobody knows whether stable is back; users who are well where they are stay until somebody has
// looked.
TEST(SpillTest, ARestartEndsItOnlyWhenStableHasBeenSeen) {
  for (const bool paused : {false, true}) {
    Driver driver = in_phase(Phase::kProgressing, spilling_plan());
    driver.send(stable_down());
    if (paused) driver.send(Pause{});
    EXPECT_EQ(parse_state(serialise(driver.state)).value(), driver.state);
    driver.send(Restart{});
    EXPECT_EQ(driver.percent(), 100) << paused;
    Tick unseen = tick(Judgement::kHold);
    unseen.stable_known = false;
    EXPECT_EQ(driver.send(unseen).outcome, Outcome::kUnchanged);
    EXPECT_EQ(driver.send(stable_down()).outcome, Outcome::kUnchanged);
    EXPECT_EQ(driver.percent(), 100) << paused;
    driver.send(tick(Judgement::kHold));
    EXPECT_EQ(driver.percent(), 5) << paused;
  }
}

TEST(SpillTest, APlanThatNoLongerSpillsEndsIt) {
  Driver driver = in_phase(Phase::kProgressing, spilling_plan());
  driver.send(stable_down());
  driver.plan.on_stable_down = OnStableDown::kHold;
  driver.send(stable_down());
  EXPECT_EQ(driver.percent(), 5);
}

TEST(SpillTest, ItIsSaidInWords) {
  Driver driver = in_phase(Phase::kProgressing, spilling_plan());
  EXPECT_EQ(sentence(driver.send(stable_down()).change),
            "sends everybody of checkout to the canary: stable is down, "
            "after 1000 canary requests (0ms)");
  EXPECT_EQ(sentence(driver.send(stable_down(false)).change),
            "sends users of checkout to stable again; the canary keeps 5 %: "
            "after 1000 canary requests (0ms)");
}

TEST(SpillTest, OnlyAPhaseThatSpillsMayHaveTheKey) {
  std::string text = serialise(in_phase(Phase::kWaiting).state);
  text.insert(text.size() - 1, ",\"spilling\":true");
  EXPECT_FALSE(parse_state(text).has_value());
  text = serialise(in_phase(Phase::kHeld).state);
  text.insert(text.size() - 1, ",\"spilling\":false");
  EXPECT_FALSE(parse_state(text).has_value()) << "it is not what we write";
}

}  // namespace
}  // namespace canaryd::rollout
