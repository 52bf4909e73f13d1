// Freeze windows by themselves, and what the machine makes of them. kStart is Monday, 2026-01-05
// 10:00 UTC.
#include "canaryd/rollout/freeze.hpp"

#include "canaryd/base/units.hpp"
#include "driver.hpp"

#include <gmock/gmock.h>

namespace canaryd::rollout {
namespace {

using namespace test;
using ::testing::HasSubstr;

constexpr Weekdays kFriday = 1U << 5U;
constexpr Weekdays kSaturday = 1U << 6U;
constexpr Weekdays kSunday = 1U;

TimeZone zone(std::string_view name) {
  return TimeZone::find(name).value();
}

// The end, or "open".
std::string end_at(const std::vector<FreezeWindow>& windows, std::string_view now) {
  const auto until = frozen_until(windows, parse_time(now).value());
  return until ? format_time(*until) : "open";
}

TEST(FreezeTest, AWindowOfTheWeek) {
  const std::vector<FreezeWindow> friday{{kFriday, 16h, 24h, zone("Europe/Berlin")}};
  EXPECT_EQ(end_at(friday, "2026-01-09T14:59:59Z"), "open");
  EXPECT_EQ(end_at(friday, "2026-01-09T15:00:00Z"), "2026-01-09T23:00:00Z");
  EXPECT_EQ(end_at(friday, "2026-01-09T22:59:59.999Z"), "2026-01-09T23:00:00Z");
  EXPECT_EQ(end_at(friday, "2026-01-09T23:00:00Z"), "open");
  EXPECT_EQ(end_at(friday, "2026-01-08T16:00:00Z"), "open");
  EXPECT_EQ(end_at(friday, "2026-07-10T14:00:00Z"), "2026-07-10T22:00:00Z") << "summer";
  EXPECT_EQ(end_at({}, "2026-01-09T15:00:00Z"), "open");
}

TEST(FreezeTest, OverMidnight) {
  const std::vector<FreezeWindow> night{{kFriday, 22h, 6h, {}}};
  EXPECT_EQ(end_at(night, "2026-01-09T21:59:00Z"), "open");
  EXPECT_EQ(end_at(night, "2026-01-09T22:00:00Z"), "2026-01-10T06:00:00Z");
  EXPECT_EQ(end_at(night, "2026-01-10T05:59:00Z"), "2026-01-10T06:00:00Z");
  EXPECT_EQ(end_at(night, "2026-01-09T05:00:00Z"), "open")
      << "it begins on Friday, not on Thursday";
}

TEST(FreezeTest, WindowsThatMeetOrOverlapAreOne) {
  const std::vector<FreezeWindow> weekend{
      {kFriday, 16h, 24h, {}}, {kSaturday | kSunday, 0h, 24h, {}}, {kSunday, 20h, 4h, {}}};
  EXPECT_EQ(end_at(weekend, "2026-01-09T16:00:00Z"), "2026-01-12T04:00:00Z");
  EXPECT_EQ(end_at(weekend, "2026-01-11T21:00:00Z"), "2026-01-12T04:00:00Z");
  EXPECT_EQ(end_at(weekend, "2026-01-12T04:00:00Z"), "open");
  // In two places.
  const std::vector<FreezeWindow> sun{{kEveryDay, 20h, 8h, zone("Asia/Tokyo")},
                                      {kEveryDay, 20h, 8h, zone("America/New_York")}};
  EXPECT_EQ(end_at(sun, "2026-01-05T12:00:00Z"), "2026-01-05T23:00:00Z");
  EXPECT_EQ(end_at(sun, "2026-01-05T02:00:00Z"), "2026-01-05T23:00:00Z") << "one into the other";
}

// Berlin: 02:00 becomes 03:00 on 2026-03-29, 03:00 becomes 02:00 on 2026-10-25; both are Sundays.
TEST(FreezeTest, ClocksThatChange) {
  const TimeZone berlin = zone("Europe/Berlin");
  const std::vector<FreezeWindow> night{{kSaturday, 22h, 6h, berlin}};
  EXPECT_EQ(end_at(night, "2026-03-28T21:00:00Z"), "2026-03-29T04:00:00Z") << "seven hours";
  EXPECT_EQ(end_at(night, "2026-10-24T20:00:00Z"), "2026-10-25T05:00:00Z") << "nine hours";
  const std::vector<FreezeWindow> twice{{kSunday, 2h + 15min, 2h + 45min, berlin}};
  EXPECT_EQ(end_at(twice, "2026-03-29T01:00:00Z"), "open") << "there is no such half hour";
  EXPECT_EQ(end_at(twice, "2026-10-25T00:14:00Z"), "open");
  for (const char* now : {"2026-10-25T00:15:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:44:00Z"}) {
    EXPECT_EQ(end_at(twice, now), "2026-10-25T01:45:00Z") << now << ": both, and what is between";
  }
  const std::vector<FreezeWindow> gap{{kSunday, 1h, 2h + 30min, berlin}};
  EXPECT_EQ(end_at(gap, "2026-03-29T00:30:00Z"), "2026-03-29T01:00:00Z") << "the end of the gap";
}

TEST(FreezeTest, PlansThatLeaveNoTimeAreWrong) {
  EXPECT_TRUE(is_always_frozen({{kEveryDay, 0h, 24h, {}}}));
  EXPECT_TRUE(is_always_frozen({{kEveryDay, 0h, 12h, {}}, {kEveryDay, 12h, 24h, {}}}));
  EXPECT_FALSE(is_always_frozen({{kEveryDay, 0h, 23h + 59min, {}}}));
  EXPECT_FALSE(is_always_frozen({}));
  const auto problem = [](std::vector<FreezeWindow> windows) {
    Plan plan = plan_with({1, 100});
    plan.freeze = std::move(windows);
    const auto found = problems(plan);
    return found.empty() ? std::string() : found.front().path + ": " + found.front().message;
  };
  EXPECT_EQ(problem({{kFriday, 16h, 24h, {}}}), "");
  EXPECT_THAT(problem({{kEveryDay, 0h, 24h, {}}}), HasSubstr("leaves no time"));
  EXPECT_THAT(problem({{0, 1h, 2h, {}}}), HasSubstr("freeze[0].days"));
  EXPECT_THAT(problem({{kFriday, 1h, 1h, {}}}), HasSubstr("empty"));
  EXPECT_THAT(problem({{kFriday, 24h, 1h, {}}}), HasSubstr("23:59"));
  EXPECT_THAT(problem(std::vector<FreezeWindow>(21, {kFriday, 1h, 2h, {}})), HasSubstr("at most"));
}

// ---- The machine

// Frozen on Mondays from 10:30 to 20:00.
Driver monday_driver(Phase phase = Phase::kProgressing) {
  Driver driver = in_phase(phase);
  driver.plan.freeze = {{1U << 1U, 10h + 30min, 20h, {}}};
  driver.now = kStart + 1h;
  driver.plan.bake.duration = 100h;
  return driver;
}

TEST(FreezeMachineTest, AStepThatIsPassedWaitsForTheEnd) {
  Driver driver = monday_driver();
  const Transition waits = driver.send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.state.phase, Phase::kWaiting);
  EXPECT_EQ(driver.state.hold, HoldReason::kFreeze);
  EXPECT_EQ(driver.percent(), 5);
  EXPECT_EQ(waits.change.cause, Cause::kFreeze);
  EXPECT_THAT(sentence(waits.change),
              HasSubstr("checkout waits at 5 % for the end of the freeze at 2026-01-05T20:00:00Z"));
  EXPECT_EQ(driver.after(8h).send(tick(Judgement::kHold)).outcome, Outcome::kUnchanged);
  const Transition rises = driver.after(1h).send(tick(Judgement::kAccept));
  EXPECT_EQ(rises.change.cause, Cause::kFreezeEnded);
  EXPECT_EQ(driver.percent(), 10);
  EXPECT_EQ(driver.state.phase, Phase::kProgressing);
}

TEST(FreezeMachineTest, WhatIsNotAcceptedAfterItGoesOnWithItsStep) {
  Driver driver = monday_driver();
  driver.send(tick(Judgement::kAccept));
  ASSERT_EQ(driver.state.hold, HoldReason::kFreeze);
  EXPECT_EQ(driver.after(9h).send(tick(Judgement::kHold)).change.cause, Cause::kReopened);
  EXPECT_EQ(driver.state.phase, Phase::kProgressing);
  EXPECT_EQ(driver.percent(), 5);
  driver.after(1min).send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.percent(), 10);
}

// Nothing follows from its end then.
TEST(FreezeMachineTest, UnderObserveNobodyIsToldToWaitForItsEnd) {
  Driver driver = monday_driver();
  driver.send(tick(Judgement::kAccept));
  ASSERT_EQ(driver.state.hold, HoldReason::kFreeze);
  EXPECT_THAT(driver.send(Resume{}).refusal, HasSubstr("waits for the end of the freeze"));
  driver.plan.mode = Mode::kObserve;
  driver.plan.freeze.clear();
  EXPECT_THAT(driver.send(Resume{}).refusal, HasSubstr("mode observe: `promote` takes the step"));
}

TEST(FreezeMachineTest, NobodyRaisesTheWeightMeanwhile) {
  for (const Phase phase : kPhases) {
    for (const Event::What& what : std::vector<Event::What>{Start{},
                                                            Start{"2.5.0"},
                                                            Retry{},
                                                            Promote{},
                                                            Promote{true},
                                                            Resume{},
                                                            SetWeight{BasisPoints(9000)},
                                                            Approve{"owner", {}}}) {
      Driver driver = monday_driver(phase);
      if (phase == Phase::kWaiting) driver.plan.steps[1].gate = "owner";
      const State before = driver.state;
      driver.send(what);
      EXPECT_LE(driver.state.weight, before.weight) << to_string(phase);
      EXPECT_LE(served_weight(driver.state), served_weight(before)) << to_string(phase);
    }
  }
  Driver driver = monday_driver(Phase::kIdle);
  EXPECT_THAT(driver.send(Start{}).refusal, HasSubstr("frozen until 2026-01-05T20:00:00Z"));
  EXPECT_EQ(driver.send(tick(Judgement::kHold)).outcome, Outcome::kUnchanged);
  EXPECT_EQ(driver.after(9h).send(tick(Judgement::kHold)).change.cause, Cause::kStarted);
}

// Its times may be ahead of the clock, as after a correction of that. A freeze has a date.
TEST(FreezeMachineTest, ItGoesByTheClockAlsoWhereTheStateIsAhead) {
  Driver driver = monday_driver();
  driver.state.since = driver.state.step_since = driver.state.timer_since = kStart + 24h;
  EXPECT_THAT(driver.send(Promote{}).refusal, HasSubstr("frozen until 2026-01-05T20:00:00Z"));
  driver.state.since = driver.state.step_since = driver.state.timer_since = driver.now;
  driver.now = kStart;
  EXPECT_EQ(driver.send(Promote{}).outcome, Outcome::kChanged) << "not frozen yet";
  EXPECT_EQ(driver.percent(), 10);
}

// Its weight is 5 %, but nobody is on the canary: the first step of another version is a rise.
TEST(FreezeMachineTest, NoOtherVersionBeginsWhereTheOneBeforeIsSuspended) {
  for (const Phase phase : {Phase::kProgressing, Phase::kPaused, Phase::kBaking}) {
    Driver driver = monday_driver(phase);
    const double percent = driver.percent();
    driver.send(CircuitOpened{});
    ASSERT_EQ(driver.state.phase, Phase::kSuspended);
    const State before = driver.state;
    EXPECT_THAT(driver.send(Start{"2.5.0"}).refusal,
                HasSubstr("frozen until 2026-01-05T20:00:00Z"));
    EXPECT_EQ(driver.state, before) << to_string(phase);
    driver.send(CircuitClosed{});
    EXPECT_EQ(driver.percent(), percent) << "what was in force comes back";
    EXPECT_EQ(driver.state.revision, before.revision);
  }
  Driver driver = monday_driver(Phase::kSuspended);
  EXPECT_EQ(driver.after(9h).send(Start{"2.5.0"}).outcome, Outcome::kChanged);
  EXPECT_EQ(driver.percent(), 1);
}

// Nothing that a plan or a restart changes lets more users see the canary, so a freeze has nothing
// to refuse there.
TEST(FreezeMachineTest, NeitherAReloadNorARestartRaisesWhatIsServed) {
  for (const Phase phase : kPhases) {
    for (const Event::What& what :
         std::vector<Event::What>{NewPlan{}, NewPlan{true, true}, Restart{}}) {
      Driver driver = monday_driver(phase);
      const double percent = driver.percent();
      EXPECT_NE(driver.send(Event{what, "canaryd", "", ""}).outcome, Outcome::kRefused)
          << to_string(phase);
      EXPECT_EQ(driver.percent(), percent) << to_string(phase);
    }
  }
}

TEST(FreezeMachineTest, TheWayDownIsAlwaysOpen) {
  for (const Event::What& what :
       std::vector<Event::What>{Abort{},
                                RollBack{},
                                tick(Judgement::kRollback),
                                ProtectionFailed{Trip::kExposure, false}}) {
    for (const Phase phase : {Phase::kProgressing, Phase::kPaused, Phase::kHeld, Phase::kBaking}) {
      Driver driver = monday_driver(phase);
      driver.send(what);
      EXPECT_EQ(driver.percent(), 0) << to_string(phase);
    }
    Driver driver = monday_driver();
    driver.send(tick(Judgement::kAccept));
    ASSERT_EQ(driver.state.hold, HoldReason::kFreeze);
    driver.send(what);
    EXPECT_EQ(driver.percent(), 0);
  }
  Driver driver = monday_driver();
  EXPECT_EQ(driver.send(SetWeight{BasisPoints(100)}).outcome, Outcome::kChanged);
}

TEST(FreezeMachineTest, WhatWasThereBeforeComesBack) {
  Driver driver = monday_driver();
  driver.send(tick(Judgement::kAccept));
  driver.send(CircuitOpened{});
  EXPECT_EQ(driver.percent(), 0);
  driver.send(CircuitClosed{});
  EXPECT_EQ(driver.state.phase, Phase::kWaiting);
  EXPECT_EQ(driver.state.hold, HoldReason::kFreeze);
  EXPECT_EQ(driver.percent(), 5) << "the weight has not risen";
}

TEST(FreezeMachineTest, TheLastStepBakesAndIsPromotedInAFreeze) {
  Driver driver(plan_with({1, 100}));
  driver.climb_to(100);
  driver.plan.freeze = {{1U << 1U, 10h + 30min, 20h, {}}};
  driver.plan.bake.duration = 1h;
  driver.now = kStart + 1h;
  driver.send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.state.phase, Phase::kBaking);
  driver.after(1h).send(tick(Judgement::kHold));
  EXPECT_EQ(driver.state.phase, Phase::kPromoted);
}

TEST(FreezeMachineTest, AGateAndAFreezeAreTwoThings) {
  Driver driver = monday_driver(Phase::kWaiting);
  driver.plan.steps[1].gate = "owner";
  ASSERT_EQ(driver.state.hold, HoldReason::kNone);
  const Transition approved = driver.send(Approve{"owner", kStart + 5h});
  EXPECT_THAT(sentence(approved.change), HasSubstr("approved gate owner"));
  const Transition waits = driver.send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.state.hold, HoldReason::kFreeze);
  EXPECT_THAT(sentence(waits.change), HasSubstr("end of the freeze at 2026-01-05T20:00:00Z"));
  // The approval ends before the freeze does.
  driver.after(6h).send(tick(Judgement::kHold));
  EXPECT_EQ(driver.state.phase, Phase::kWaiting);
  EXPECT_EQ(driver.state.hold, HoldReason::kNone);
  driver.after(6h).send(tick(Judgement::kHold));
  EXPECT_EQ(driver.percent(), 5);
  driver.send(Approve{"owner", {}});
  driver.send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.percent(), 10);
}

TEST(FreezeMachineTest, AReloadWithoutTheWindowEndsTheWait) {
  Driver driver = monday_driver();
  driver.send(tick(Judgement::kAccept));
  Plan next = driver.plan;
  next.freeze.clear();
  driver.reload(next);
  EXPECT_EQ(driver.state.phase, Phase::kWaiting);
  driver.send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.percent(), 10);
}

TEST(FreezeMachineTest, NeedsTellTheEnd) {
  const Driver driver = monday_driver();
  const StepNeeds needs = step_needs(driver.plan, driver.state, 1, driver.now);
  ASSERT_TRUE(needs.frozen_until.has_value());
  EXPECT_EQ(format_time(*needs.frozen_until), "2026-01-05T20:00:00Z");
}

}  // namespace
}  // namespace canaryd::rollout
