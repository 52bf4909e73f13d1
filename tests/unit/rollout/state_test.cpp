#include "canaryd/rollout/state.hpp"

#include "canaryd/base/random.hpp"
#include "driver.hpp"

#include <gmock/gmock.h>

namespace canaryd::rollout {
namespace {

using namespace test;
using ::testing::HasSubstr;

State sample() {
  Driver driver = in_phase(Phase::kWaiting);
  driver.state.approvals = {{"owner", {{"anna", kForever}}}, {"qa", {{"bob", kStart}}}};
  driver.state.reason = "quote \" and ü";
  return driver.state;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from << " in " << text;
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

TEST(StateTextTest, EveryPhaseSurvivesTheRoundTrip) {
  for (const Phase phase : kPhases) {
    const State state = in_phase(phase).state;
    const std::string text = serialise(state);
    EXPECT_EQ(text.find('\n'), std::string::npos);
    const auto back = parse_state(text);
    ASSERT_TRUE(back.has_value()) << to_string(phase) << ": " << back.error().context;
    EXPECT_EQ(*back, state);
    EXPECT_EQ(serialise(*back), text);
  }
  EXPECT_EQ(parse_state(serialise(sample())).value(), sample());
}

TEST(StateTextTest, WhatIsWrongIsSaid) {
  const std::string good = serialise(sample());
  const auto problem = [](const std::string& text) {
    const auto result = parse_state(text);
    EXPECT_FALSE(result.has_value()) << text;
    return result ? std::string() : result.error().context;
  };
  EXPECT_THAT(problem(""), HasSubstr("not JSON"));
  EXPECT_THAT(problem("[]"), HasSubstr("not an object"));
  EXPECT_THAT(problem("{}"), HasSubstr("version is missing"));
  EXPECT_THAT(problem(good + "x"), HasSubstr("not JSON"));
  EXPECT_THAT(problem(std::string(100'000, '[')), HasSubstr("longer"));
  EXPECT_THAT(problem(std::string(1000, '[')), HasSubstr("not JSON"));
  EXPECT_THAT(problem(replaced(good, "\"weight\":500", "\"weight\":10001")), HasSubstr("weight"));
  EXPECT_THAT(problem(replaced(good, "\"weight\":500", "\"weight\":-1")), HasSubstr("weight"));
  EXPECT_THAT(problem(replaced(good, "\"weight\":500", "\"weight\":1e3")), HasSubstr("weight"));
  EXPECT_THAT(problem(replaced(good, "\"waiting\"", "\"waitin\"")), HasSubstr("phase"));
  EXPECT_THAT(problem(replaced(good, "\"waiting\"", "\"idle\"")), HasSubstr("weight is not 0"));
  EXPECT_THAT(problem(replaced(good, "\"waiting\"", "\"held\"")), HasSubstr("hold is none"));
  EXPECT_THAT(problem(replaced(good, "\"run\":1", "\"run\":99")), HasSubstr("run"));
  EXPECT_THAT(problem(replaced(good, "\"condemned\":false", "\"condemned\":0")),
              HasSubstr("condemned"));
  EXPECT_THAT(problem(replaced(good, "\"actor\"", "\"actors\"")), HasSubstr("actor is missing"));
  EXPECT_THAT(problem(replaced(good, "{", "{\"more\":1,")), HasSubstr("does not know"));
  EXPECT_THAT(problem(replaced(good, "{\"bob\":1767607200000}", "null")), HasSubstr("approvals"));
  EXPECT_THAT(problem(replaced(good, "\"bob\":1767607200000", "\"bob\":null")),
              HasSubstr("approvals"));
}

TEST(StateTextTest, ALaterVersionIsUnsupportedNotMalformed) {
  const auto result = parse_state(replaced(serialise(sample()), "\"version\":2", "\"version\":5"));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kUnsupported);
}

TEST(StateTextTest, ARetirementIsWrittenInVersion3) {
  State state = in_phase(Phase::kRetiring).state;
  state.retire_hook = RetireHook::kFailed;
  state.retire_said = "exit code 3";
  const std::string text = serialise(state);
  const auto problem = [](const std::string& bad) {
    const auto result = parse_state(bad);
    return result ? std::string() : result.error().context;
  };
  EXPECT_THAT(text, HasSubstr("\"version\":3"));
  EXPECT_EQ(parse_state(text).value(), state);
  EXPECT_THAT(problem(replaced(text, "\"failed\"", "\"maybe\"")), HasSubstr("retire_hook"));
  EXPECT_THAT(problem(replaced(text, "\"retiring\"", "\"promoted\"")), HasSubstr("keeps stable"));
  EXPECT_THAT(problem(replaced(text, "\"keeps_stable\":false,", "")), HasSubstr("is missing"));
}

TEST(StateTextTest, AFreezeBelongsToWaiting) {
  State state = in_phase(Phase::kWaiting).state;
  state.hold = HoldReason::kFreeze;
  EXPECT_EQ(parse_state(serialise(state)).value(), state);
  state.phase = Phase::kHeld;
  EXPECT_THAT(parse_state(serialise(state)).error().context, HasSubstr("freeze"));
}

TEST(StateTextTest, WhatThePauseBeneathWasForIsKept) {
  State state = in_phase(Phase::kSuspended).state;
  state.suspended_from = Phase::kPaused;
  state.paused_reason = "looks odd";
  EXPECT_EQ(parse_state(serialise(state)).value(), state);
  state.suspended_from = Phase::kProgressing;
  EXPECT_THAT(parse_state(serialise(state)).error().context, HasSubstr("paused_reason"));
}

TEST(StateTextTest, WhenARunOfAGroupBeganIsKept) {
  Driver alone;
  alone.climb_to(5);
  EXPECT_THAT(serialise(alone.state), ::testing::Not(HasSubstr("run_since")));
  Plan plan = plan_with({1, 5});
  plan.group = "shop";
  Driver driver(plan);
  driver.after(1h).climb_to(5);
  EXPECT_EQ(driver.state.run_since, kStart + 1h);
  EXPECT_EQ(parse_state(serialise(driver.state)).value(), driver.state);
  driver.after(1h).send(Abort{});
  EXPECT_EQ(driver.state.run_since, kStart + 1h);
}

// By turns, which no clock can set back.
TEST(StateTextTest, InWhichTurnARunOfAGroupBeganAndBakedIsKept) {
  Plan plan = plan_with({1, 100});
  plan.group = "shop";
  Driver driver(plan);
  std::uint64_t turn = 10;
  const auto send = [&](Event::What what) {
    Event event;
    event.what = std::move(what);
    event.turn = ++turn;
    driver.send(std::move(event));
    EXPECT_EQ(parse_state(serialise(driver.state)).value(), driver.state);
  };
  send(Start{});
  EXPECT_EQ(driver.state.run_turn, 11U);
  EXPECT_EQ(driver.state.bake_turn, 0U);
  send(Promote{true});
  EXPECT_EQ(driver.state.phase, Phase::kBaking);
  EXPECT_EQ(driver.state.bake_turn, 12U);
  // It stays what it is wherever it goes from there, unless that is back among the steps.
  send(Pause{});
  send(CircuitOpened{});
  send(CircuitClosed{});
  send(Resume{});
  send(Promote{});
  EXPECT_EQ(driver.state.phase, Phase::kPromoted);
  EXPECT_EQ(driver.state.bake_turn, 12U);
  send(SetWeight{BasisPoints(100)});
  EXPECT_EQ(driver.state.bake_turn, 0U);
  EXPECT_EQ(driver.state.run_turn, 11U);
  send(Promote{true});
  EXPECT_EQ(driver.state.bake_turn, 19U);
  send(Abort{});
  EXPECT_EQ(driver.state.run_turn, 11U) << "an end is compared by it";
  EXPECT_EQ(driver.state.bake_turn, 0U);
  State ahead = in_phase(Phase::kProgressing).state;
  ahead.bake_turn = 3;
  EXPECT_THAT(parse_state(serialise(ahead)).error().context, HasSubstr("bake_turn"));
}

TEST(StateTextTest, WhoHasNoGroupHasNoTurns) {
  Driver driver;
  Event event;
  event.turn = 5;
  for (const Event::What& what : {Event::What(Start{}), Event::What(Promote{true})}) {
    event.what = what;
    driver.send(event);
  }
  EXPECT_EQ(driver.state.run_turn, 0U);
  EXPECT_EQ(driver.state.bake_turn, 0U);
  EXPECT_THAT(serialise(driver.state), ::testing::Not(HasSubstr("_turn")));
}

TEST(StateTextTest, WhatItIsBoundToIsKept) {
  Plan plan = plan_with({1, 5});
  plan.group = "shop";
  State state = Driver(plan).climb_to(5).state;
  EXPECT_EQ(state.group, "shop");
  state.group_turn = 7;
  const std::string text = serialise(state);
  EXPECT_EQ(parse_state(text).value(), state);
  EXPECT_THAT(parse_state(replaced(text, ",\"group_turn\":7", "")).error().context,
              HasSubstr("group_turn is missing"));
  EXPECT_THAT(parse_state(replaced(text, "\"group\":\"shop\",", "")).error().context,
              HasSubstr("does not know"));
}

TEST(StateTextTest, UnhealthyBelongsToSuspended) {
  Driver driver;
  driver.climb_to(5).send(CircuitOpened{Trip::kUnhealthy});
  EXPECT_TRUE(driver.state.unhealthy);
  EXPECT_EQ(parse_state(serialise(driver.state)).value(), driver.state);
  State state = driver.state;
  state.phase = Phase::kPaused;
  EXPECT_THAT(parse_state(serialise(state)).error().context, HasSubstr("unhealthy"));
  driver.send(CircuitClosed{});
  EXPECT_FALSE(driver.state.unhealthy);
  driver.send(CircuitOpened{Trip::kCircuit});
  EXPECT_FALSE(driver.state.unhealthy);
}

TEST(StateTextTest, WhatTheFirstVersionCouldSayIsWrittenAsItDid) {
  const std::string text = serialise(in_phase(Phase::kProgressing).state);
  EXPECT_NE(text.find("\"version\":1,"), std::string::npos) << text;
  // It knew that a gate was approved, not by whom.
  const auto old = parse_state(replaced(text, "\"approvals\":{}", "\"approvals\":{\"qa\":5000}"));
  ASSERT_TRUE(old.has_value()) << old.error().context;
  ASSERT_EQ(old->approvals.at("qa").size(), 1U);
  EXPECT_EQ(old->approvals.at("qa").begin()->second.time_since_epoch(), 5s);
}

TEST(StateTextTest, DamagedTextNeverCrashesAndNeverReadsAsSomethingElse) {
  const std::string good = serialise(sample());
  for (std::uint64_t seed = 1; seed <= 20'000; ++seed) {
    Random random(seed);
    std::string text = good;
    const std::uint64_t edits = 1 + random.below(3);
    for (std::uint64_t i = 0; i < edits; ++i) {
      text[random.below(text.size())] = static_cast<char>(random.below(256));
    }
    if (random.chance(0.2)) text.resize(random.below(text.size()));
    const auto result = parse_state(text);
    if (!result) continue;
    // A changed digit or letter can still be a state; then it must be a sound one.
    EXPECT_EQ(parse_state(serialise(*result)).value(), *result) << "seed " << seed;
  }
}

TEST(StateTest, AdmissionFollowsTheContract) {
  EXPECT_EQ(admission(in_phase(Phase::kIdle).state), Admission::kForceOnly);
  EXPECT_EQ(admission(in_phase(Phase::kProgressing).state), Admission::kSplit);
  EXPECT_EQ(admission(in_phase(Phase::kSuspended).state), Admission::kProbeOnly);
  EXPECT_EQ(admission(in_phase(Phase::kRolledBack).state), Admission::kStableOnly);
  EXPECT_EQ(admission(in_phase(Phase::kAborted).state), Admission::kStableOnly);
  EXPECT_EQ(admission(in_phase(Phase::kPromoted).state), Admission::kSplit);
}

}  // namespace
}  // namespace canaryd::rollout
