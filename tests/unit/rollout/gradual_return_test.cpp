// A rollback that takes its time, for a stable that is cold.
#include "driver.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace canaryd::rollout {
namespace {

using namespace test;

Tick quiet() {
  return tick(Judgement::kHold);
}

// At 90 %, and the next tenth goes in a minute.
Driver returning(Plan plan = plan_with({1, 5, 10, 25, 100})) {
  Driver driver = in_phase(Phase::kBaking, std::move(plan));
  driver.after(1h).send(RollBack{9min});
  return driver;
}

TEST(GradualReturnTest, TenFallsOverTheTimeThenItIsRolledBack) {
  Driver driver = in_phase(Phase::kPromoted);
  const Transition first = driver.send(RollBack{9min});
  EXPECT_EQ(driver.state.phase, Phase::kHeld);
  EXPECT_EQ(driver.state.hold, HoldReason::kReturning);
  EXPECT_EQ(position_of<Publish>(first), 0U);
  EXPECT_LT(position_of<Publish>(first), position_of<Persist>(first));
  std::vector<double> weights{driver.percent()};
  for (unsigned seconds = 0; driver.state.phase == Phase::kHeld; ++seconds) {
    ASSERT_LT(seconds, 1000U);
    const Transition next = driver.after(1s).send(quiet());
    if (next.outcome == Outcome::kChanged) weights.push_back(driver.percent());
  }
  EXPECT_EQ(weights, (std::vector<double>{90, 80, 70, 60, 50, 40, 30, 20, 10, 0}));
  EXPECT_EQ(driver.state.phase, Phase::kRolledBack);
  EXPECT_EQ(driver.now - kStart, in_phase(Phase::kPromoted).now - kStart + 9min);
}

TEST(GradualReturnTest, TheShortestTakesNoLongerThanItSays) {
  Driver driver = in_phase(Phase::kPromoted);
  driver.send(RollBack{10s});
  const WallTime begun = driver.now;
  while (driver.state.phase == Phase::kHeld && driver.now < begun + 1min) {
    driver.after(1s).send(quiet());
  }
  EXPECT_EQ(driver.state.phase, Phase::kRolledBack);
  EXPECT_LE(driver.now, begun + 10s);
}

TEST(GradualReturnTest, ItIsSaidInWords) {
  Driver driver = in_phase(Phase::kBaking);
  EXPECT_EQ(
      sentence(driver.send(RollBack{9min}, "caches are cold").change),
      "lowered checkout from 100 % to 90 % on the way back to stable: caches are cold (by anna)");
  EXPECT_EQ(sentence(driver.after(1min).send(quiet()).change),
            "lowered checkout from 90 % to 80 % on the way back to stable");
  driver.state.weight = BasisPoints(1000);
  EXPECT_EQ(sentence(driver.after(1min).send(quiet()).change),
            "rolled back checkout at 10 %: the end of its way back to stable");
}

TEST(GradualReturnTest, NobodyIsPutOntoAStableInTrouble) {
  Driver driver = returning();
  Tick down = quiet();
  down.stable_up = false;
  Tick failing = quiet();
  failing.both_failing = true;
  for (const Tick& trouble : {down, failing}) {
    EXPECT_EQ(driver.after(1h).send(trouble).outcome, Outcome::kUnchanged);
    EXPECT_EQ(driver.percent(), 90);
  }
  // What was missed is not made up for.
  driver.send(quiet());
  driver.after(1s).send(quiet());
  EXPECT_EQ(driver.percent(), 80);
}

TEST(GradualReturnTest, TheFirstTenthWaitsForAStableThatIsDownToo) {
  Driver driver = in_phase(Phase::kBaking);
  const Transition begun = driver.send(RollBack{.over = 9min, .stable_up = false});
  EXPECT_EQ(sentence(begun.change), "held checkout at 100 %, on the way back to stable (by anna)");
  EXPECT_EQ(driver.percent(), 100);
  Tick down = quiet();
  down.stable_up = false;
  EXPECT_EQ(driver.after(1s).send(down).outcome, Outcome::kUnchanged);
  driver.after(1s).send(quiet());
  EXPECT_EQ(driver.percent(), 90);
  driver.after(30s).send(quiet());
  EXPECT_EQ(driver.percent(), 90);
}

TEST(GradualReturnTest, AbortRollbackAndABadVerdictGoAtOnce) {
  for (const Event::What& what :
       {Event::What(Abort{}), Event::What(RollBack{}), Event::What(tick(Judgement::kRollback))}) {
    Driver driver = returning();
    driver.send(Event{what, "anna", "", ""});
    EXPECT_EQ(driver.percent(), 0);
    EXPECT_NE(driver.state.phase, Phase::kHeld);
  }
}

TEST(GradualReturnTest, ABadVerdictThatWouldHoldDoesNotStopIt) {
  for (const OnFailure mild : {OnFailure::kHold, OnFailure::kStepDown}) {
    Driver driver = returning();
    driver.plan.on_failure = mild;
    EXPECT_EQ(driver.send(tick(Judgement::kRollback)).outcome, Outcome::kUnchanged);
    driver.after(1min).send(quiet());
    EXPECT_EQ(driver.percent(), 80);
  }
}

TEST(GradualReturnTest, TheOperatorStopsIt) {
  Driver driver = returning();
  driver.send(Pause{});
  EXPECT_EQ(driver.state.phase, Phase::kPaused);
  EXPECT_EQ(driver.state.return_by, BasisPoints());
  driver.after(1h).send(quiet());
  EXPECT_EQ(driver.percent(), 90);
  driver.send(Resume{});
  EXPECT_EQ(driver.state.phase, Phase::kProgressing);
}

TEST(GradualReturnTest, AnotherTimeIsAnotherPaceFromWhereItIs) {
  Driver driver = returning();
  EXPECT_EQ(driver.send(RollBack{9min}).outcome, Outcome::kUnchanged);
  EXPECT_EQ(sentence(driver.send(RollBack{90s}).change),
            "changed the pace of checkout at 90 % on its way back to stable, to a fall every 10s "
            "(by anna)");
  EXPECT_EQ(driver.percent(), 90);
  driver.after(10s).send(quiet());
  EXPECT_EQ(driver.percent(), 80);
}

TEST(GradualReturnTest, AfterASuspensionItGoesOn) {
  Driver driver = returning();
  driver.send(CircuitOpened{});
  EXPECT_EQ(driver.percent(), 0);
  driver.after(1h).send(CircuitClosed{});
  EXPECT_EQ(driver.percent(), 90);
  EXPECT_EQ(driver.state.hold, HoldReason::kReturning);
  driver.after(1min).send(quiet());
  EXPECT_EQ(driver.percent(), 80);
}

TEST(GradualReturnTest, ARestartGoesOnByOneFallAtATime) {
  Driver driver = returning();
  driver.after(1h).send(Restart{});
  EXPECT_EQ(driver.percent(), 90);
  driver.send(quiet());
  EXPECT_EQ(driver.percent(), 80);
  EXPECT_EQ(driver.after(1s).send(quiet()).outcome, Outcome::kUnchanged);
}

TEST(GradualReturnTest, ASmallWeightGoesInTenthsToo) {
  Driver driver = in_phase(Phase::kProgressing);
  driver.send(RollBack{10s});
  EXPECT_EQ(driver.percent(), 4.5);
}

TEST(GradualReturnTest, NowhereElse) {
  for (const Phase phase : {Phase::kIdle, Phase::kSuspended, Phase::kRetiring, Phase::kRetired}) {
    Driver driver = in_phase(phase);
    const Transition refused = driver.send(RollBack{10min});
    EXPECT_EQ(refused.outcome, Outcome::kRefused) << to_string(phase);
    EXPECT_FALSE(refused.refusal.empty());
  }
  for (const Phase phase : {Phase::kRolledBack, Phase::kAborted}) {
    EXPECT_EQ(in_phase(phase).send(RollBack{10min}).outcome, Outcome::kUnchanged);
  }
  for (const Duration over : {Duration(0s), Duration(9s), Duration(25h)}) {
    EXPECT_EQ(in_phase(Phase::kBaking).send(RollBack{over}).outcome, Outcome::kRefused);
  }
  // Paused at 0 there is nobody to bring back.
  Driver at_zero = in_phase(Phase::kPaused);
  at_zero.send(SetWeight{BasisPoints()});
  at_zero.send(RollBack{10min});
  EXPECT_EQ(at_zero.state.phase, Phase::kRolledBack);
}

TEST(GradualReturnTest, ItOutlivesTheProcess) {
  const State state = returning().state;
  const auto back = parse_state(serialise(state));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, state);
}

}  // namespace
}  // namespace canaryd::rollout
