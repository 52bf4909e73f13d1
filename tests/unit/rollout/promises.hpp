// The promises of machine.hpp, asked of one transition.
//
// Plain code without macros and texts, because it is asked a million times; what it returns names
// the promise that is broken.
#pragma once

#include "driver.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_set>
#include <utility>

namespace canaryd::rollout::test {

inline std::pair<BasisPoints, Admission> visibility(const State& state) {
  return {served_weight(state), admission(state)};
}

inline Direction direction_of(const State& before, const State& after) {
  if (visibility(before) == visibility(after)) return Direction::kSame;
  return visibility(after) > visibility(before) ? Direction::kUp : Direction::kDown;
}

inline const char* broken_effects(const Transition& transition, const State& before) {
  const Direction direction = direction_of(before, transition.state);
  const std::size_t count = transition.effects.size();
  const std::size_t persist = position_of<Persist>(transition);
  const std::size_t publish = position_of<Publish>(transition);
  const std::size_t fresh = position_of<FreshEvidence>(transition);
  if (transition.change.direction != direction) return "the direction is told as it is";
  if (persist >= count) return "every change is persisted";
  if (position_of<Announce>(transition) != count - 1) return "the announcement comes last";
  if ((publish == count) != (direction == Direction::kSame)) return "what is seen is published";
  if (direction == Direction::kSame) return nullptr;
  if (direction == Direction::kUp && persist > publish) return "up: persist, then publish";
  if (direction == Direction::kUp && fresh < count && fresh > publish) {
    return "up: fresh evidence before it is gathered";
  }
  if (direction == Direction::kDown && publish != 0) return "down: publish first";
  const auto& what = std::get<Publish>(transition.effects[publish]);
  if (std::pair(what.weight, what.admission) != visibility(transition.state)) {
    return "what is published is the new state";
  }
  return nullptr;
}

inline bool asks_for_a_weight(const Event& event) {
  if (const auto* promote = std::get_if<Promote>(&event.what)) return promote->full;
  return std::holds_alternative<SetWeight>(event.what);
}

// At most one step of the plan, unless somebody asked for a weight or for all of it.
inline bool takes_one_step_at_most(const Plan& plan, const State& before, const State& after) {
  return after.weight <= weight_above(plan, before.weight) ||
         (before.phase == Phase::kIdle && after.weight == step_weight(plan, 0));
}

// max_duration of the step is over, or was when it began to wait or was held.
inline bool is_out_of_time(const Plan& plan, const State& before, WallTime at) {
  const WallTime until = before.phase == Phase::kProgressing ? at : before.since;
  return until - before.timer_since >= plan.steps[step_at(plan, before.weight)].max_duration;
}

// What a step, or the end of a bake, is taken by: a verdict of this moment, or what stands in for
// it.
inline bool may_rise(const Plan& plan, const State& before, const Tick& tick, WallTime at) {
  if (tick.judgement == Judgement::kAccept) return true;
  if (tick.no_control && !step_above(plan, before.weight)) return true;
  const bool lacks_data = tick.no_data && !tick.no_control;
  if (plan.on_inconclusive != OnInconclusive::kPromote || lacks_data) return false;
  return before.phase == Phase::kBaking || is_out_of_time(plan, before, at);
}

// Within the rollout, and by itself.
inline const char* broken_by_tick(
    const Plan& plan, const State& before, const Tick& tick, const State& after, WallTime at) {
  const bool retires = after.phase == Phase::kRetiring;
  if (retires && (before.phase != Phase::kPromoted || after.weight != before.weight)) {
    return "only what is promoted retires";
  }
  if (plan.mode != Mode::kEnforce) return "mode observe never raises";
  if (tick.judgement == Judgement::kRollback) return "a bad verdict never raises";
  if (after.spilling) {
    if (after.weight != before.weight) return "a spill leaves the weight of the step";
    if (!tick.canary_up || tick.stable_up) return "a spill is for a stable that is down";
    return plan.on_stable_down == OnStableDown::kSpill ? nullptr : "a spill is in the plan";
  }
  if (!tick.stable_up || tick.both_failing) return "no rise while stable is down or failing";
  if (!tick.stable_known) return "no rise beside a stable that nobody has looked at";
  if (tick.readings != Readings::kGood) return "no rise without good readings";
  // To retire stable is no step.
  const bool asks = plan.asks_before_step && !retires;
  if (asks && tick.consent != Consent::kGiven) return "no rise without consent";
  if (retires) return nullptr;
  if (tick.requests == 0) return "no rise without requests";
  return may_rise(plan, before, tick, at) ? nullptr : "no rise without an accepting verdict";
}

inline const char* broken_by_rise(
    const Plan& plan, const State& before, const Event& event, const State& after, WallTime at) {
  if (std::holds_alternative<Approve>(event.what)) return "an approval alone raises nothing";
  if (!asks_for_a_weight(event) && !takes_one_step_at_most(plan, before, after)) {
    return "one step at a time";
  }
  if (is_command(event)) return nullptr;
  if (before.condemned && after.weight > before.weight) return "a condemned one does not rise";
  if (before.phase == Phase::kIdle || std::holds_alternative<CircuitClosed>(event.what)) {
    return nullptr;
  }
  if (std::holds_alternative<NewPlan>(event.what) || std::holds_alternative<Restart>(event.what)) {
    // The only thing a plan can open is the force header of a rollout that is back to idle.
    return served_weight(after).value() == 0 ? nullptr : "no plan raises the weight";
  }
  const Tick* tick = std::get_if<Tick>(&event.what);
  return tick != nullptr ? broken_by_tick(plan, before, *tick, after, at) : "only ticks rise";
}

inline const char* broken_by_downfall(const Plan& plan,
                                      const State& before,
                                      const Event& event,
                                      const State& after) {
  if (before.phase == Phase::kRetired) return nullptr;
  const bool at_zero = served_weight(after).value() == 0;
  if (std::holds_alternative<Abort>(event.what) && !at_zero) return "an abort acts in every state";
  // Nothing goes back by itself to what may be gone.
  if (stable_is_gone(before)) {
    const bool told = is_command(event) || std::holds_alternative<NewPlan>(event.what) ||
                      std::holds_alternative<Restart>(event.what);
    const bool stays = told || admission(after) == Admission::kCanaryOnly;
    return stays ? nullptr : "nothing goes back by itself to a stable that is gone";
  }
  const Tick* tick = std::get_if<Tick>(&event.what);
  if (tick == nullptr || plan.mode != Mode::kEnforce || before.phase == Phase::kIdle) {
    return nullptr;
  }
  const bool bad = tick->judgement == Judgement::kRollback;
  if (tick->group_failed && !bad && !at_zero) return "a group ends together";
  if (!bad || plan.on_failure != OnFailure::kRollback) return nullptr;
  const bool over = after.phase == Phase::kRolledBack || after.phase == Phase::kAborted;
  return at_zero && over ? nullptr : "a bad verdict rolls back from every state";
}

// A tenth of what it was, at its time, and never onto a stable that is in trouble.
inline const char* broken_by_return(const State& before,
                                    const Event& event,
                                    const Transition& result) {
  if (result.change.cause != Cause::kReturning) return nullptr;
  const Tick* tick = std::get_if<Tick>(&event.what);
  if (tick == nullptr || !is_returning(before)) return "only time goes on with a return";
  if (!tick->stable_up || tick->both_failing) return "nobody is put onto a stable in trouble";
  if (!tick->stable_known) return "nobody is put onto a stable that nobody has looked at";
  const State& after = result.state;
  if (before.weight.value() - after.weight.value() > before.return_by.value()) {
    return "a return is gradual";
  }
  const bool due = result.change.at - before.step_since + 500ms >= before.return_every;
  return due ? nullptr : "a return takes its time";
}

// The hook is called once, in the transition that says so.
inline const char* broken_by_decommission(const Plan& plan,
                                          const State& before,
                                          const Event& event,
                                          const Transition& result) {
  const bool calls = has_effect<Decommission>(result);
  const bool newly_called = result.state.retire_hook == RetireHook::kCalled &&
                            (before.retire_hook != RetireHook::kCalled || calls);
  if (calls != newly_called) return "the hook is called in the transition that says so";
  if (!calls) return nullptr;
  const auto* retire = std::get_if<Retire>(&event.what);
  const auto* tick = std::get_if<Tick>(&event.what);
  if (!plan.retire || !plan.retire->hook) return "the hook is in the plan";
  if (tick != nullptr && plan.mode != Mode::kEnforce) return "mode observe calls no hook";
  if (tick != nullptr && is_another_rollout(plan, before)) {
    return "what the file names as stable is not ended";
  }
  if (retire == nullptr && tick == nullptr) return "only `retire` and time call the hook";
  if (before.retire_hook == RetireHook::kCalled || before.retire_hook == RetireHook::kDone) {
    return "the hook is called once";
  }
  if (position_of<Persist>(result) > position_of<Decommission>(result)) {
    return "the hook is called once that is durable";
  }
  if (retire == nullptr && before.retire_hook != RetireHook::kNone) {
    return "the hook is called again by command only";
  }
  const StableUse& use = retire != nullptr ? retire->use : tick->stable_use;
  const bool needed = use.shared || (retire == nullptr && use.active);
  return needed ? "the hook is called when nobody needs stable" : nullptr;
}

// What the old version has to be before it is given up.
inline const char* broken_by_retirement(const Plan& plan,
                                        const State& before,
                                        const Event& event,
                                        const State& after) {
  if (before.phase == Phase::kPromoted && after.phase == Phase::kRetiring) {
    const auto* retire = std::get_if<Retire>(&event.what);
    const auto* tick = std::get_if<Tick>(&event.what);
    if (retire == nullptr && tick == nullptr) return "only `retire` and time retire";
    const StableUse& use = retire != nullptr ? retire->use : tick->stable_use;
    if (use.active || !use.idle || *use.idle < plan.retire->idle_for) {
      return "stable is given up when it has been idle";
    }
    if (after.retire_hook != RetireHook::kNone) return "the hook comes after the undo time";
    if (retire == nullptr && before.keeps_stable) return "what was unretired is kept";
  }
  if (after.phase == Phase::kRetired && before.phase != Phase::kRetired &&
      before.phase != Phase::kRetiring) {
    return "only what is retiring is retired";
  }
  const bool gone = after.phase == Phase::kRetiring || after.phase == Phase::kRetired;
  if ((admission(after) == Admission::kCanaryOnly) != gone) return "nobody goes to what is gone";
  return gone || after.retire_hook == RetireHook::kNone ? nullptr : "the hook is of retirement";
}

// Whichever way its gate was passed.
inline bool keeps_used_approvals(const Plan& plan, const State& before, const State& after) {
  if (after.phase == Phase::kBaking && before.phase != Phase::kBaking) {
    return !after.approvals.empty();
  }
  if (after.weight <= before.weight) return false;
  for (std::size_t i = step_at(plan, before.weight); i < step_at(plan, after.weight); ++i) {
    if (after.approvals.contains(plan.steps[i].gate)) return true;
  }
  return false;
}

// Waiting has one of two reasons, and only held needs one.
inline bool has_fitting_hold(const State& state) {
  if (state.phase == Phase::kSuspended) return true;
  if (state.phase == Phase::kWaiting) {
    return state.hold == HoldReason::kNone || state.hold == HoldReason::kFreeze;
  }
  return (state.hold != HoldReason::kNone && state.hold != HoldReason::kFreeze) ==
         (state.phase == Phase::kHeld);
}

inline const char* broken_by_freeze(const Plan& plan,
                                    const State& before,
                                    const Event& event,
                                    const Transition& result,
                                    WallTime now) {
  if (!frozen_until(plan.freeze, now)) return nullptr;
  const State& after = result.state;
  // What comes back by itself, or helps out, has been in force before or is for a stable that is
  // down.
  const bool more = is_command(event) && served_weight(after) > served_weight(before);
  if (more || after.weight > before.weight) return "no weight rises in a freeze";
  const bool gone = after.phase == Phase::kRetiring || after.phase == Phase::kRetired;
  // How a call from before the freeze has ended is a fact.
  const bool told = std::holds_alternative<HookEnded>(event.what);
  const bool retires = gone && after.phase != before.phase && !told;
  return retires || has_effect<Decommission>(result) ? "nothing is retired in a freeze" : nullptr;
}

inline const char* broken_by_change(const Plan& plan,
                                    const State& before,
                                    const Event& event,
                                    const Transition& result,
                                    WallTime now) {
  const State& after = result.state;
  const Change& change = result.change;
  if (after.generation != before.generation + 1 || change.generation != after.generation) {
    return "a change is one generation";
  }
  if (change.from != before.phase || change.to != after.phase ||
      change.weight_before != served_weight(before) ||
      change.weight_after != served_weight(after)) {
    return "the change tells what has changed";
  }
  if (has_effect<FreshEvidence>(result) != (after.run == after.generation)) {
    return "a new run begins with fresh evidence";
  }
  if (after.since < before.since) return "time does not go back";
  if (keeps_used_approvals(plan, before, after)) return "an approval is for one passage";
  if (const char* const broken = broken_by_freeze(plan, before, event, result, now)) return broken;
  if (const char* const broken = broken_effects(result, before)) return broken;
  if (const char* const broken = broken_by_decommission(plan, before, event, result)) return broken;
  if (const char* const broken = broken_by_return(before, event, result)) return broken;
  if (const char* const broken = broken_by_retirement(plan, before, event, after)) return broken;
  if (change.direction != Direction::kUp) return nullptr;
  return broken_by_rise(plan, before, event, after, change.at);
}

// Null: none.
inline const char* broken_promise(const Plan& plan,
                                  const State& before,
                                  const Event& event,
                                  const Transition& result,
                                  WallTime now) {
  if (result.outcome != Outcome::kChanged) {
    if (!(result.state == before) || !result.effects.empty()) return "no change changes nothing";
    if (result.refusal.empty() != (result.outcome == Outcome::kUnchanged)) {
      return "a refusal says why";
    }
  } else if (const char* const broken = broken_by_change(plan, before, event, result, now)) {
    return broken;
  }
  if (const char* const broken = broken_by_downfall(plan, before, event, result.state)) {
    return broken;
  }
  // A state from before a shorter plan may point past its end until it is told of the plan.
  if (before.step < plan.steps.size() && result.state.step >= plan.steps.size()) {
    return "the step is one of the plan";
  }
  return has_fitting_hold(result.state) ? nullptr : "a hold has its reason";
}

// All that decides what a state does next, as it is seen `now`: not its counters and words. What
// has lasted for a day and a half has lasted for ever.
inline std::string essence(const State& state, WallTime now) {
  std::string key;
  const auto add = [&key](std::uint64_t value) {
    const auto bytes = std::bit_cast<std::array<char, sizeof value>>(value);
    key.append(bytes.data(), bytes.size());
  };
  const auto add_age = [&](WallTime then) {
    constexpr WallTime::duration kForEver = std::chrono::hours(36);
    add(static_cast<std::uint64_t>(
        std::clamp((now - then), WallTime::duration{}, kForEver).count()));
  };
  for (const Phase each : {state.phase, state.paused_from, state.suspended_from}) {
    add(static_cast<std::uint64_t>(each));
  }
  for (const HoldReason each : {state.hold, state.suspended_hold}) {
    add(static_cast<std::uint64_t>(each));
  }
  add(state.step);
  add(state.weight.value());
  add(state.next_weight.value());
  add(state.return_by.value());
  add(static_cast<std::uint64_t>(state.return_every.count()));
  add(static_cast<std::uint64_t>(state.observed));
  add(static_cast<std::uint64_t>(state.retire_hook));
  for (const bool each :
       {state.spilling, state.unhealthy, state.condemned, state.keeps_stable, state.run != 0}) {
    add(each ? 1 : 0);
  }
  for (const WallTime each : {state.since, state.step_since, state.timer_since}) add_age(each);
  for (const auto& [gate, given] : state.approvals) {
    for (const auto& [who, until] : given) ((key += gate) += who) += until > now ? '+' : '-';
  }
  return key += state.revision;
}

class SeenStates {
 public:
  // True: for the first time.
  bool add(const State& state, WallTime now) { return seen_.insert(essence(state, now)).second; }
  [[nodiscard]] std::size_t size() const { return seen_.size(); }

 private:
  std::unordered_set<std::string> seen_;
};

}  // namespace canaryd::rollout::test
