// Every event that the machine can tell apart, every kind of plan, and a state of each phase.
#pragma once

#include "driver.hpp"

#include <optional>
#include <variant>
#include <vector>

namespace canaryd::rollout::test {

// Requests: enough for every step, and for some.
constexpr std::uint64_t kMany = 100'000;
constexpr std::uint64_t kFew = 5;
inline std::vector<StableUse> all_uses() {
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

// Every verdict with everything that a tick may say besides, readings apart.
inline void add_ticks(std::vector<Event::What>& events) {
  for (const Judgement judgement : {Judgement::kHold, Judgement::kAccept, Judgement::kRollback}) {
    for (unsigned bits = 0; bits < 32; ++bits) {
      Tick seen = tick(judgement, 0);
      seen.no_data = (bits & 1) != 0;
      seen.no_control = (bits & 2) != 0;
      seen.stable_up = (bits & 4) == 0;
      seen.canary_up = (bits & 8) == 0;
      seen.both_failing = (bits & 16) != 0;
      events.emplace_back(seen);
      seen.requests = kMany;
      events.emplace_back(seen);
      // Too few for a step that asks for some, which is something else than none.
      seen.requests = kFew;
      if ((bits & (bits - 1)) == 0) events.emplace_back(seen);
    }
    for (unsigned bits = 0; bits < 16; ++bits) {
      Tick asked = tick(judgement, kMany);
      asked.no_data = (bits & 1) != 0;
      asked.no_control = (bits & 2) != 0;
      asked.stable_up = (bits & 4) == 0;
      asked.canary_up = asked.after_promoted = (bits & 8) == 0;
      asked.consent = Consent::kRefused;
      events.emplace_back(asked);
      asked.consent = Consent::kGiven;
      events.emplace_back(asked);
      asked.group_failed = true;
      events.emplace_back(asked);
    }
    Tick unseen = tick(judgement, kMany);
    unseen.consent = Consent::kGiven;
    unseen.stable_known = false;
    events.emplace_back(unseen);
    Tick hangs = tick(judgement, kMany);
    hangs.consent = Consent::kGiven;
    hangs.canary_hangs = true;
    events.emplace_back(hangs);
  }
}

inline std::vector<Event::What> all_events(WallTime now) {
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
                                  RollBack{10min},
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
                                  NewPlan{true, true},
                                  Restart{true},
                                  Restart{false}};
  for (const unsigned weight : {0U, 1U, 500U, 700U, 10000U}) {
    events.emplace_back(SetWeight{BasisPoints(weight)});
  }
  for (const StableUse& use : all_uses()) {
    events.emplace_back(Retire{use});
    events.emplace_back(Retire{use, true});
    for (const Judgement judgement : {Judgement::kHold, Judgement::kRollback}) {
      Tick seen = tick(judgement, kMany);
      seen.stable_use = use;
      events.emplace_back(seen);
    }
  }
  for (const Trip trip : {Trip::kCircuit, Trip::kUnhealthy, Trip::kExposure}) {
    events.emplace_back(CircuitOpened{trip});
    events.emplace_back(ProtectionFailed{trip, false});
    events.emplace_back(ProtectionFailed{trip, true});
  }
  add_ticks(events);
  return events;
}

// Ticks with every reading but good ones: both versions well, without control, stable down, both
// failing.
inline std::vector<Event::What> reading_events() {
  std::vector<Event::What> events;
  for (const Readings readings :
       {Readings::kOpen, Readings::kNone, Readings::kBad, Readings::kRollback}) {
    for (const Judgement judgement : {Judgement::kHold, Judgement::kAccept, Judgement::kRollback}) {
      for (const unsigned bits : {0U, 1U, 2U, 3U}) {
        Tick what = tick(judgement, kMany);
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

// Each answer to a bad verdict with each to none, and each of them with each to a stable that is
// down; under observe neither of the first two is acted on, so that each of them once is enough.
inline std::vector<Plan> plans_by_answers() {
  std::vector<Plan> plans;
  for (const Mode mode : {Mode::kEnforce, Mode::kObserve}) {
    for (unsigned i = 0; i < 9; ++i) {
      if (mode == Mode::kObserve && i % 3 != i / 3) continue;
      Plan plan = plan_with({1, 5, 10, 25, 100});
      plan.mode = mode;
      plan.on_failure = static_cast<OnFailure>(i % 3);
      plan.on_inconclusive = static_cast<OnInconclusive>(i / 3);
      const bool spills = mode == Mode::kEnforce ? i % 2 == 1 : i == 4;
      plan.on_stable_down = spills ? OnStableDown::kSpill : OnStableDown::kHold;
      plan.steps[1].gate = "owner";
      plan.steps[1].min_requests = 2 * kFew;
      plans.push_back(plan);
    }
  }
  return plans;
}

inline std::vector<Plan> all_plans() {
  std::vector<Plan> plans = plans_by_answers();
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

inline std::vector<Event> as_events(const std::vector<Event::What>& whats) {
  std::vector<Event> events;
  for (const Event::What& what : whats) events.push_back({what, "anna", "because", "figures"});
  return events;
}

inline std::vector<Event> every_event(WallTime at) {
  std::vector<Event::What> whats = all_events(at);
  for (const Event::What& what : reading_events()) whats.push_back(what);
  return as_events(whats);
}

// One of each phase, with the first plan's steps, so that a shorter plan meets states that it does
// not fit; waiting once more for the end of a freeze, held once more by a hook and on its way back,
// promoted once more by `unretire`, and retired without and retiring with each end of its hook.
inline std::vector<State> one_of_each_phase() {
  std::vector<State> states;
  for (const Phase phase : kPhases) states.push_back(in_phase(phase).state);
  states.push_back(in_phase(Phase::kWaiting).state);
  states.back().hold = HoldReason::kFreeze;
  states.push_back(in_phase(Phase::kHeld).state);
  states.back().hold = HoldReason::kHook;
  states.push_back(in_phase(Phase::kBaking).state);
  states.back() = step(plan_with({1, 5, 10, 25, 100}),
                       states.back(),
                       Event{RollBack{9min}, "anna", "", ""},
                       kStart + 1h)
                      .state;
  states.push_back(in_phase(Phase::kPromoted).state);
  states.back().keeps_stable = true;
  for (const RetireHook hook : {RetireHook::kCalled, RetireHook::kFailed, RetireHook::kUnknown}) {
    states.push_back(in_phase(Phase::kRetiring).state);
    states.back().retire_hook = hook;
  }
  states.push_back(in_phase(Phase::kRetired).state);
  states.back().retire_hook = RetireHook::kLeftOut;
  return states;
}

inline WallTime later(WallTime then, Duration time) {
  return then + std::chrono::duration_cast<std::chrono::milliseconds>(time);
}

// What a plan cannot tell apart from an event that it meets besides: an answer to a question that
// it does not ask, and the use of a version that it keeps.
inline bool is_beside_the_point(const Plan& plan, const State& state, const Event& event) {
  const Tick* tick = std::get_if<Tick>(&event.what);
  if (tick != nullptr && tick->consent == Consent::kRefused) return !plan.asks_before_step;
  if (plan.retire || state.phase == Phase::kRetiring) return false;
  if (tick != nullptr) return !(tick->stable_use == StableUse{});
  const Retire* retire = std::get_if<Retire>(&event.what);
  return retire != nullptr && (retire->use.active || retire->use.shared);
}

// Whether ten seconds may make a difference.
inline bool has_a_clock(Phase phase) {
  return phase == Phase::kProgressing || phase == Phase::kWaiting || phase == Phase::kHeld ||
         phase == Phase::kBaking || phase == Phase::kPromoted || phase == Phase::kRetiring;
}

}  // namespace canaryd::rollout::test
