// The promises of machine.hpp: over all phases x events x times, and over random walks.
#include "canaryd/base/random.hpp"
#include "driver.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>

namespace canaryd::rollout {
namespace {

using namespace test;

std::vector<StableUse> all_uses() {
  std::vector<StableUse> uses;
  for (const bool active : {false, true}) {
    for (const bool shared : {false, true}) {
      uses.push_back({std::nullopt, active, shared});
      uses.push_back({Duration(1s), active, shared});
      uses.push_back({Duration(1h), active, shared});
    }
  }
  return uses;
}

std::vector<Event::What> all_events(WallTime now) {
  std::vector<Event::What> events{Start{},
                                  Start{"9.9"},
                                  Start{"9.9", false},
                                  Retry{},
                                  Promote{},
                                  Promote{true},
                                  Pause{},
                                  Resume{},
                                  Abort{},
                                  RollBack{},
                                  Approve{"owner", {}},
                                  Approve{"owner", now + 1min},
                                  Approve{"owner", {}, "alice"},
                                  Approve{"owner", {}, "bob"},
                                  Approve{"nobody", {}},
                                  Unretire{},
                                  HookEnded{true, "exit code 0"},
                                  HookEnded{false, "exit code 3"},
                                  CircuitClosed{},
                                  NewPlan{true},
                                  NewPlan{false},
                                  Restart{true},
                                  Restart{false}};
  for (const unsigned weight : {0U, 1U, 500U, 700U, 10000U}) {
    events.emplace_back(SetWeight{BasisPoints(weight)});
  }
  for (const StableUse& use : all_uses()) {
    events.emplace_back(Retire{use});
    events.emplace_back(Retire{use, true});
    for (const Judgement judgement : {Judgement::kHold, Judgement::kRollback}) {
      Tick seen = tick(judgement, 1000);
      seen.stable_use = use;
      events.emplace_back(seen);
    }
  }
  for (const Trip trip : {Trip::kCircuit, Trip::kUnhealthy, Trip::kExposure}) {
    events.emplace_back(CircuitOpened{trip});
    events.emplace_back(ProtectionFailed{trip, false});
    events.emplace_back(ProtectionFailed{trip, true});
  }
  for (const Judgement judgement : {Judgement::kHold, Judgement::kAccept, Judgement::kRollback}) {
    for (unsigned bits = 0; bits < 32; ++bits) {
      for (const std::uint64_t requests : {0ULL, 1ULL, 100'000ULL}) {
        events.emplace_back(Tick{judgement,
                                 requests,
                                 (bits & 1) != 0,
                                 (bits & 2) != 0,
                                 (bits & 4) != 0,
                                 (bits & 8) != 0,
                                 bits >= 16,
                                 Readings::kGood});
      }
    }
    for (unsigned bits = 0; bits < 16; ++bits) {
      for (const Consent consent : {Consent::kGiven, Consent::kRefused}) {
        Tick asked{judgement, 1000, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) == 0};
        asked.canary_up = asked.after_promoted = (bits & 8) == 0;
        asked.consent = consent;
        events.emplace_back(asked);
        asked.group_failed = true;
        events.emplace_back(asked);
      }
    }
  }
  return events;
}

// Ticks with every reading but good ones: both versions well, without control, stable down, both
// failing.
std::vector<Event::What> reading_events() {
  std::vector<Event::What> events;
  for (const Readings readings :
       {Readings::kOpen, Readings::kNone, Readings::kBad, Readings::kRollback}) {
    for (const Judgement judgement : {Judgement::kHold, Judgement::kAccept, Judgement::kRollback}) {
      for (const unsigned bits : {0U, 1U, 2U, 3U}) {
        Tick what = tick(judgement, 100'000);
        what.no_control = bits == 1;
        what.stable_up = bits != 2;
        what.both_failing = bits == 3;
        what.readings = readings;
        events.emplace_back(what);
      }
    }
  }
  return events;
}

std::vector<Plan> all_plans() {
  std::vector<Plan> plans;
  for (const Mode mode : {Mode::kEnforce, Mode::kObserve}) {
    for (const OnFailure on_failure :
         {OnFailure::kRollback, OnFailure::kHold, OnFailure::kStepDown}) {
      for (const OnInconclusive inconclusive :
           {OnInconclusive::kHold, OnInconclusive::kRollback, OnInconclusive::kPromote}) {
        Plan plan = plan_with({1, 5, 10, 25, 100});
        plan.mode = mode;
        plan.on_failure = on_failure;
        plan.on_inconclusive = inconclusive;
        plan.steps[1].gate = "owner";
        plans.push_back(plan);
        plan.on_stable_down = OnStableDown::kSpill;
        plans.push_back(plan);
      }
    }
  }
  Plan frozen = plan_with({1, 5, 10, 25, 100});
  frozen.steps[1].gate = "owner";
  frozen.steps[1].approvals = {2, {"alice", "bob", "carol"}, 1h};
  frozen.start = StartMode::kAfter;
  frozen.after = "other";
  // Of the times that the test looks at, some are in it and some are not.
  frozen.freeze = {{kEveryDay, 9h, 12h, {}}};
  plans.push_back(frozen);
  frozen.asks_before_step = true;
  frozen.on_stable_down = OnStableDown::kSpill;
  frozen.on_inconclusive = OnInconclusive::kPromote;
  frozen.freeze = {{kEveryDay, 12h, 9h, {}}};
  plans.push_back(frozen);
  Plan asking = plan_with({1, 5, 10, 25, 100});
  asking.steps[1].gate = "owner";
  asking.asks_before_step = true;
  plans.push_back(asking);
  Plan retiring = plan_with({1, 5, 10, 25, 100});
  retiring.steps[1].gate = "owner";
  retiring.retire = RetirePlan{1min, 5s, 1h, true};
  plans.push_back(retiring);
  retiring.retire->hook = false;
  retiring.on_failure = OnFailure::kHold;
  plans.push_back(retiring);
  plans.push_back(plan_with({100}));
  plans.push_back(plan_with({1, 50}));
  plans.back().bake.holdback = BasisPoints(1000);
  plans.push_back(plan_with({2, 7}));
  plans.back().start = StartMode::kManual;
  return plans;
}

std::pair<BasisPoints, Admission> visibility(const State& state) {
  return {served_weight(state), admission(state)};
}

Direction direction_of(const State& before, const State& after) {
  if (visibility(before) == visibility(after)) return Direction::kSame;
  return visibility(after) > visibility(before) ? Direction::kUp : Direction::kDown;
}

void check_effects(const Transition& transition, const State& before) {
  const Direction direction = direction_of(before, transition.state);
  EXPECT_EQ(transition.change.direction, direction);
  const std::size_t persist = position_of<Persist>(transition);
  const std::size_t publish = position_of<Publish>(transition);
  ASSERT_LT(persist, transition.effects.size());
  EXPECT_EQ(position_of<Announce>(transition), transition.effects.size() - 1);
  EXPECT_EQ(publish == transition.effects.size(), direction == Direction::kSame);
  if (direction == Direction::kUp) {
    EXPECT_LT(persist, publish);
    EXPECT_LT(position_of<FreshEvidence>(transition) % transition.effects.size(), publish);
  }
  if (direction == Direction::kDown) {
    EXPECT_EQ(publish, 0U);
  }
  if (direction != Direction::kSame) {
    const auto& what = std::get<Publish>(transition.effects[publish]);
    EXPECT_EQ(std::pair(what.weight, what.admission), visibility(transition.state));
  }
}

// At most one step of the plan, unless somebody asked for a weight or for all of it.
bool takes_one_step_at_most(const Plan& plan, const State& before, const State& after) {
  return after.weight <= weight_above(plan, before.weight) ||
         (before.phase == Phase::kIdle && after.weight == step_weight(plan, 0));
}

bool asks_for_a_weight(const Event& event) {
  if (const auto* promote = std::get_if<Promote>(&event.what)) return promote->full;
  return std::holds_alternative<SetWeight>(event.what);
}

void check_rise(const Plan& plan, const State& before, const Event& event, const State& after) {
  if (!asks_for_a_weight(event)) {
    EXPECT_TRUE(takes_one_step_at_most(plan, before, after));
  }
  if (is_command(event)) return;
  EXPECT_FALSE(before.condemned && after.weight > before.weight);
  if (before.phase == Phase::kIdle || std::holds_alternative<CircuitClosed>(event.what)) return;
  // A rise within the rollout and by itself.
  if (std::holds_alternative<NewPlan>(event.what) || std::holds_alternative<Restart>(event.what)) {
    // The only thing a plan can open is the force header of a rollout that is back to idle.
    EXPECT_EQ(served_weight(after).value(), 0U);
    return;
  }
  const Tick* tick = std::get_if<Tick>(&event.what);
  ASSERT_NE(tick, nullptr);
  if (after.phase == Phase::kRetiring) {
    EXPECT_EQ(before.phase, Phase::kPromoted);
    EXPECT_EQ(after.weight, before.weight);
  }
  EXPECT_EQ(plan.mode, Mode::kEnforce);
  EXPECT_NE(tick->judgement, Judgement::kRollback);
  if (after.spilling) {
    EXPECT_EQ(after.weight, before.weight);
    EXPECT_TRUE(tick->canary_up && !tick->stable_up);
    EXPECT_EQ(plan.on_stable_down, OnStableDown::kSpill);
    return;
  }
  EXPECT_TRUE(tick->stable_up && !tick->both_failing);
  EXPECT_EQ(tick->readings, Readings::kGood);
  EXPECT_TRUE(!plan.asks_before_step || tick->consent == Consent::kGiven);
  if (before.hold == HoldReason::kHook || after.phase == Phase::kRetiring) return;
  if (before.phase == Phase::kWaiting) return;
  EXPECT_GT(tick->requests, 0U);
  EXPECT_TRUE(tick->judgement == Judgement::kAccept || tick->no_control ||
              plan.on_inconclusive == OnInconclusive::kPromote);
}

void check_downfall(const Plan& plan, const State& before, const Event& event, const State& after) {
  if (before.phase == Phase::kRetired) return;
  if (std::holds_alternative<Abort>(event.what)) {
    EXPECT_EQ(served_weight(after).value(), 0U);
  }
  // Nothing goes back by itself to what may be gone.
  if (stable_is_gone(before)) {
    const bool told = is_command(event) || std::holds_alternative<NewPlan>(event.what) ||
                      std::holds_alternative<Restart>(event.what);
    EXPECT_TRUE(told || admission(after) == Admission::kCanaryOnly);
    return;
  }
  const Tick* tick = std::get_if<Tick>(&event.what);
  if (tick != nullptr && tick->group_failed && plan.mode == Mode::kEnforce &&
      before.phase != Phase::kIdle && tick->judgement != Judgement::kRollback) {
    EXPECT_EQ(served_weight(after).value(), 0U);
  }
  if (tick == nullptr || tick->judgement != Judgement::kRollback) return;
  if (plan.mode != Mode::kEnforce || plan.on_failure != OnFailure::kRollback) return;
  if (before.phase == Phase::kIdle) return;
  EXPECT_EQ(served_weight(after).value(), 0U);
  EXPECT_TRUE(after.phase == Phase::kRolledBack || after.phase == Phase::kAborted);
}

// What the old version has to be before it is given up, and that the hook is called once: in the
// transition that says so.
void check_retirement(const Plan& plan,
                      const State& before,
                      const Event& event,
                      const Transition& result) {
  const State& after = result.state;
  const auto* retire = std::get_if<Retire>(&event.what);
  const auto* tick = std::get_if<Tick>(&event.what);
  const bool calls = has_effect<Decommission>(result);
  const bool newly_called = after.retire_hook == RetireHook::kCalled &&
                            (before.retire_hook != RetireHook::kCalled || calls);
  EXPECT_EQ(calls, newly_called);
  if (calls) {
    ASSERT_TRUE(plan.retire && plan.retire->hook);
    EXPECT_NE(before.retire_hook, RetireHook::kCalled);
    EXPECT_NE(before.retire_hook, RetireHook::kDone);
    EXPECT_LT(position_of<Persist>(result), position_of<Decommission>(result));
    // The second time only by command.
    EXPECT_TRUE(retire != nullptr || before.retire_hook == RetireHook::kNone);
    const StableUse& use = retire != nullptr ? retire->use : tick->stable_use;
    EXPECT_FALSE(use.shared);
    EXPECT_TRUE(retire != nullptr || !use.active);
  }
  if (before.phase == Phase::kPromoted && after.phase == Phase::kRetiring) {
    const StableUse& use = retire != nullptr ? retire->use : tick->stable_use;
    EXPECT_TRUE(!use.active && use.idle && *use.idle >= plan.retire->idle_for);
    EXPECT_EQ(after.retire_hook, RetireHook::kNone);
    EXPECT_TRUE(retire != nullptr || !before.keeps_stable);
  }
  if (after.phase == Phase::kRetired && before.phase != Phase::kRetired) {
    EXPECT_EQ(before.phase, Phase::kRetiring);
  }
  const bool gone = after.phase == Phase::kRetiring || after.phase == Phase::kRetired;
  EXPECT_EQ(admission(after) == Admission::kCanaryOnly, gone);
  EXPECT_TRUE(gone || after.retire_hook == RetireHook::kNone);
}

// Waiting has one of two reasons, and only held needs one.
bool has_fitting_hold(const State& state) {
  if (state.phase == Phase::kSuspended) return true;
  if (state.phase == Phase::kWaiting) {
    return state.hold == HoldReason::kNone || state.hold == HoldReason::kFreeze;
  }
  return (state.hold != HoldReason::kNone && state.hold != HoldReason::kFreeze) ==
         (state.phase == Phase::kHeld);
}

void check(const Plan& plan, const State& before, const Event& event, const Transition& result) {
  const State& after = result.state;
  if (result.outcome != Outcome::kChanged) {
    EXPECT_EQ(after, before);
    EXPECT_TRUE(result.effects.empty());
    EXPECT_EQ(result.refusal.empty(), result.outcome == Outcome::kUnchanged);
  } else {
    EXPECT_EQ(after.generation, before.generation + 1);
    EXPECT_EQ(result.change.generation, after.generation);
    EXPECT_EQ(result.change.from, before.phase);
    EXPECT_EQ(result.change.to, after.phase);
    EXPECT_EQ(result.change.weight_before, served_weight(before));
    EXPECT_EQ(result.change.weight_after, served_weight(after));
    EXPECT_EQ(has_effect<FreshEvidence>(result), after.run == after.generation);
    EXPECT_GE(after.since, before.since);
    if (frozen_until(plan.freeze, result.change.at)) {
      EXPECT_LE(after.weight, before.weight);
    }
    check_effects(result, before);
    check_retirement(plan, before, event, result);
    if (result.change.direction == Direction::kUp) check_rise(plan, before, event, after);
  }
  check_downfall(plan, before, event, after);
  // A state from before a shorter plan may point past its end until it is told of the plan.
  if (before.step < plan.steps.size()) {
    EXPECT_LT(after.step, plan.steps.size());
  }
  EXPECT_TRUE(has_fitting_hold(after)) << to_string(after.phase) << " " << to_string(after.hold);
  if (result.outcome != Outcome::kChanged) return;
  const auto back = parse_state(serialise(after));
  ASSERT_TRUE(back.has_value()) << back.error().context;
  EXPECT_EQ(*back, after);
}

constexpr std::array kRetireHooks{
    RetireHook::kNone, RetireHook::kCalled, RetireHook::kFailed, RetireHook::kUnknown};

TEST(MachinePropertyTest, EveryPhaseMeetsEveryEventAtEveryTime) {
  std::size_t checked = 0;
  for (const Plan& plan : all_plans()) {
    std::vector<Phase> phases(kPhases.begin(), kPhases.end());
    phases.push_back(Phase::kWaiting);   // Once more, for the end of a freeze.
    phases.push_back(Phase::kHeld);      // And by a hook.
    phases.push_back(Phase::kPromoted);  // By `unretire`.
    for (std::size_t i = 1; i < kRetireHooks.size(); ++i) phases.push_back(Phase::kRetiring);
    phases.push_back(Phase::kRetired);  // Without its hook.
    for (std::size_t i = 0; i < phases.size(); ++i) {
      const Phase phase = phases[i];
      // With the first plan's steps, so that a shorter plan meets states it does not fit.
      State state = in_phase(phase).state;
      if (i == kPhases.size()) state.hold = HoldReason::kFreeze;
      const std::size_t more = i - kPhases.size();
      if (i == kPhases.size() + 1) state.hold = HoldReason::kHook;
      if (i == kPhases.size() + 2) state.keeps_stable = true;
      if (i > kPhases.size() + 2) {
        state.retire_hook =
            phase == Phase::kRetired ? RetireHook::kLeftOut : kRetireHooks[more - 2];
      }
      const WallTime now = state.since;
      for (const Duration later : {Duration(-1h), Duration(0), Duration(10s), Duration(30h)}) {
        const WallTime at = now + std::chrono::duration_cast<std::chrono::milliseconds>(later);
        std::vector<Event::What> events = all_events(at);
        for (const Event::What& what : reading_events()) events.push_back(what);
        for (const Event::What& what : events) {
          const Event event{what, "anna", "because", "figures"};
          SCOPED_TRACE(std::string(to_string(phase)) + " meets " + std::string(name_of(event)));
          check(plan, state, event, step(plan, state, event, at));
          if (::testing::Test::HasFailure()) return;
          ++checked;
        }
      }
    }
  }
  EXPECT_GT(checked, 100'000U);
}

TEST(MachinePropertyTest, CommandsAreIdempotent) {
  for (const Phase phase : kPhases) {
    for (const Event::What& what : all_events(kStart)) {
      Event event{what, "anna", "", ""};
      const bool goes_on = std::holds_alternative<Promote>(what) &&
                           !std::get<Promote>(what).full;  // The next step each time.
      if (!is_command(event) || goes_on) continue;
      Driver driver = in_phase(phase);
      driver.send(event);
      EXPECT_NE(driver.send(event).outcome, Outcome::kChanged)
          << to_string(phase) << " " << name_of(event);
    }
  }
}

Plan random_plan(Random& random) {
  std::set<unsigned> weights;
  const std::uint64_t count = 1 + random.below(6);
  while (weights.size() < count) weights.insert(1 + static_cast<unsigned>(random.below(100)));
  Plan plan = plan_with({weights.begin(), weights.end()});
  for (Step& step : plan.steps) {
    if (random.chance(0.2)) step.gate = "owner";
    if (!step.gate.empty() && random.chance(0.3)) step.approvals = {2, {"alice", "bob"}, 10min};
    step.min_requests = random.below(300);
  }
  plan.mode = random.chance(0.8) ? Mode::kEnforce : Mode::kObserve;
  plan.start = random.chance(0.5) ? StartMode::kAuto : StartMode::kManual;
  plan.on_failure = static_cast<OnFailure>(random.below(3));
  plan.on_inconclusive = static_cast<OnInconclusive>(random.below(3));
  plan.asks_before_step = random.chance(0.2);
  plan.bake.duration = std::chrono::hours(random.below(48));
  if (random.chance(0.7)) plan.retire = RetirePlan{1h, 1min, 1h, random.chance(0.5)};
  if (random.chance(0.3)) plan.freeze = {{kEveryDay, 20h, 6h, {}}, {0x41, 0h, 24h, {}}};
  if (random.chance(0.1)) plan.revision = "3.0." + std::to_string(random.below(3));
  if (random.chance(0.05)) plan.canary = "shop-v3";
  return plan;
}

Tick ordinary_tick(Random& random) {
  Tick result = tick(random.chance(0.4) ? Judgement::kAccept : Judgement::kHold);
  if (random.chance(0.5)) result.consent = Consent::kGiven;
  if (random.chance(0.5)) result.stable_use.idle = Duration(1h);
  return result;
}

TEST(MachinePropertyTest, RandomWalksKeepThePromises) {
  std::set<Phase> seen;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    Driver driver(random_plan(random));
    const std::vector<Event::What> events = all_events(kStart);
    std::vector<Event::What> happenings;
    for (const Event::What& what : events) {
      if (!std::holds_alternative<Tick>(what)) happenings.push_back(what);
    }
    for (int i = 0; i < 10'000; ++i) {
      // There is no way back from it.
      if (driver.state.phase == Phase::kRetired && random.chance(0.1)) {
        driver = Driver(random_plan(random));
      }
      driver.after(
          std::chrono::milliseconds(random.below(random.chance(0.05) ? 90'000'000 : 60'000)));
      Event event{events[random.below(events.size())], "anna", "", ""};
      // Ordinary life more often than trouble, or no rollout would get anywhere.
      if (random.chance(0.9)) {
        event.what = ordinary_tick(random);
      } else if (random.chance(0.5)) {
        event.what = happenings[random.below(happenings.size())];
      }
      const Plan before_plan = driver.plan;
      if (std::holds_alternative<NewPlan>(event.what) && random.chance(0.5)) {
        driver.plan = random_plan(random);
      }
      const State before = driver.state;
      const Transition result = driver.send(event);
      if (result.outcome == Outcome::kRefused && std::holds_alternative<NewPlan>(event.what)) {
        driver.plan = before_plan;
        continue;
      }
      check(driver.plan, before, event, result);
      seen.insert(driver.state.phase);
      if (::testing::Test::HasFailure()) return;
    }
  }
  for (const Phase phase : kPhases) {
    EXPECT_TRUE(seen.contains(phase)) << to_string(phase);
  }
}

}  // namespace
}  // namespace canaryd::rollout
