// What happens by itself: time, evidence, health, and the data plane's own protection.
#include "rollout/draft.hpp"

#include <algorithm>
#include <array>

namespace canaryd::rollout {
namespace {

// Where a bad canary can still be taken back. With weight 0 by hand too: the verdict is on the
// record.
bool is_armed(const State& state) noexcept {
  constexpr std::array kArmed{Phase::kProgressing,
                              Phase::kSuspended,
                              Phase::kPaused,
                              Phase::kWaiting,
                              Phase::kHeld,
                              Phase::kBaking,
                              Phase::kPromoted,
                              Phase::kRetiring};
  return !stable_is_gone(state) &&
         std::find(kArmed.begin(), kArmed.end(), state.phase) != kArmed.end();
}

// Nobody has looked at stable yet: what it has not done wrong is no reason to go on.
bool is_unseen(const Tick& tick) noexcept {
  return tick.stable_up && !tick.stable_known;
}

bool can_be_suspended(const State& state) noexcept {
  return !stable_is_gone(state) && served_weight(state).value() > 0;
}

Cause cause_of(Trip trip) noexcept {
  switch (trip) {
    case Trip::kCircuit:
      return Cause::kCircuit;
    case Trip::kUnhealthy:
      return Cause::kUnhealthy;
    case Trip::kExposure:
      return Cause::kExposure;
  }
  return Cause::kCircuit;
}

void suspend(Draft& draft) {
  // Users need stable again, so it is not given up.
  const bool retires = draft.state.phase == Phase::kRetiring;
  draft.state.suspended_from = retires ? Phase::kPromoted : draft.state.phase;
  draft.state.suspended_hold = draft.state.hold;
  if (draft.state.phase == Phase::kPaused) draft.state.paused_reason = draft.state.reason;
  draft.enter(Phase::kSuspended);
}

// The last step below the present weight.
BasisPoints weight_below(const Draft& draft) {
  BasisPoints result;
  for (std::size_t i = 0; i < draft.plan.steps.size(); ++i) {
    const BasisPoints weight = step_weight(draft.plan, i);
    if (weight < draft.state.weight) result = std::max(result, weight);
  }
  return result;
}

void condemn(Draft& draft) {
  draft.state.condemned = true;
  if (draft.state.phase == Phase::kSuspended) {
    draft.state.suspended_from = Phase::kHeld;
    draft.state.suspended_hold = HoldReason::kVerdict;
  } else {
    draft.hold(HoldReason::kVerdict);
  }
}

Transition act_on_bad_verdict(Draft& draft) {
  const bool back = draft.plan.on_failure == OnFailure::kRollback;
  // What goes back already needs no other way down.
  if (!back && (draft.state.condemned || is_returning(draft.state))) return draft.unchanged();
  const bool down = draft.plan.on_failure == OnFailure::kStepDown;
  // Below the first step there is nothing but stable.
  if (back || (down && weight_below(draft).value() == 0)) {
    draft.end(Phase::kRolledBack);
    return draft.commit(Cause::kVerdict);
  }
  if (down) draft.begin_step(weight_below(draft));
  condemn(draft);
  return draft.commit(Cause::kVerdict);
}

// Mode observe: what enforce would have gone by.
Judgement judgement_with_readings(const Tick& tick) noexcept {
  if (tick.readings == Readings::kRollback) return Judgement::kRollback;
  const bool accepted = tick.judgement == Judgement::kAccept;
  return accepted && tick.readings != Readings::kGood ? Judgement::kHold : tick.judgement;
}

// Mode observe: says once what enforce would have done.
bool is_news(const Draft& draft, const Tick& tick) {
  const Judgement judgement = judgement_with_readings(tick);
  if (judgement == draft.state.observed) return false;
  if (judgement == Judgement::kAccept) {
    return draft.state.phase == Phase::kProgressing && draft.state.observed != Judgement::kRollback;
  }
  return judgement == Judgement::kRollback;
}

Transition start_by_itself(Draft& draft, const Tick& tick) {
  const StartMode mode = draft.plan.start;
  const bool due = mode == StartMode::kAuto || (mode == StartMode::kAfter && tick.after_promoted);
  const bool healthy = tick.stable_up && tick.canary_up;
  const bool agreed = !draft.plan.asks_before_step || tick.consent == Consent::kGiven;
  if (!due || !healthy || !agreed || draft.frozen_until()) return draft.unchanged();
  draft.begin_run(draft.plan.revision);
  return draft.commit(Cause::kStarted);
}

Transition wait_for_gate(Draft& draft, Cause cause) {
  draft.gate = draft.current_step().gate;
  draft.enter(Phase::kWaiting);
  return draft.commit(cause);
}

// Nothing is missing but the consent of those who are asked.
Transition take_step(Draft& draft, const Tick& tick, Cause cause) {
  if (tick.readings != Readings::kGood) return draft.unchanged();
  if (draft.must_ask() && tick.consent != Consent::kGiven) {
    const bool held = draft.state.hold == HoldReason::kHook;
    if (tick.consent == Consent::kUnknown || held) return draft.unchanged();
    draft.hold(HoldReason::kHook);
    return draft.commit(Cause::kHook);
  }
  draft.advance();
  return draft.commit(cause);
}

Transition wait_for_thaw(Draft& draft) {
  draft.wait_for_thaw();
  return draft.commit(Cause::kFreeze);
}

Transition pass_step(Draft& draft, const Tick& tick, Cause cause) {
  if (!draft.gate_open()) return wait_for_gate(draft, cause);
  if (draft.must_thaw()) return wait_for_thaw(draft);
  return take_step(draft, tick, cause);
}

std::uint64_t requests_needed(const Step& step) {
  return std::max<std::uint64_t>(step.min_requests, 1);
}

bool lacks_data(const Draft& draft, const Tick& tick) {
  return tick.requests < requests_needed(draft.current_step()) ||
         (tick.no_data && !tick.no_control);
}

// By the verdict of this moment, time and requests.
bool is_accepted(const Draft& draft, const Tick& tick) {
  const Step& step = draft.current_step();
  // Without stable to compare with, acceptance cannot come; only the last step may go without it.
  const bool uncontrolled = tick.no_control && !step_above(draft.plan, draft.state.weight);
  const bool accepted = tick.judgement == Judgement::kAccept || uncontrolled;
  if (tick.canary_hangs) return false;
  return accepted && draft.in_step() >= step.min_duration && tick.requests >= requests_needed(step);
}

// Of what waits: max_duration was over before it did, and the plan goes on then.
bool is_at_operators_risk(const Draft& draft, const Tick& tick) {
  const Duration tried = draft.state.since - draft.state.timer_since;
  return draft.plan.on_inconclusive == OnInconclusive::kPromote &&
         tried >= draft.current_step().max_duration && !lacks_data(draft, tick);
}

// What the step has waited for is there: if the evidence still is as well, it is taken.
Transition end_wait(Draft& draft, const Tick& tick, Cause cause) {
  if (tick.readings != Readings::kGood) return draft.unchanged();
  if (is_accepted(draft, tick) || is_at_operators_risk(draft, tick)) {
    return take_step(draft, tick, cause);
  }
  draft.enter(Phase::kProgressing);
  draft.state.timer_since = draft.now;
  return draft.commit(Cause::kReopened);
}

Transition out_of_time(Draft& draft, const Tick& tick) {
  if (lacks_data(draft, tick)) {
    draft.hold(HoldReason::kNoData);
    return draft.commit(Cause::kNoData);
  }
  // The queries will be good soon, or hold it.
  if (tick.readings != Readings::kGood) return draft.unchanged();
  switch (draft.plan.on_inconclusive) {
    case OnInconclusive::kPromote:
      return pass_step(draft, tick, Cause::kInconclusive);
    case OnInconclusive::kRollback:
      draft.end(Phase::kRolledBack);
      return draft.commit(Cause::kInconclusive);
    case OnInconclusive::kHold:
      break;
  }
  draft.hold(HoldReason::kInconclusive);
  return draft.commit(Cause::kInconclusive);
}

Transition degrade(Draft& draft) {
  draft.hold(HoldReason::kEnvironmentDegraded);
  return draft.commit(Cause::kEnvironmentDegraded);
}

Transition progress(Draft& draft, const Tick& tick) {
  if (is_degraded(tick)) return degrade(draft);
  if (is_unseen(tick)) return draft.unchanged();
  if (tick.readings == Readings::kGood && is_accepted(draft, tick)) {
    return pass_step(draft, tick, Cause::kAccepted);
  }
  const bool over = draft.on_timer() >= draft.current_step().max_duration;
  return over ? out_of_time(draft, tick) : draft.unchanged();
}

Transition wait(Draft& draft, const Tick& tick) {
  if (is_degraded(tick)) return degrade(draft);
  if (is_unseen(tick)) return draft.unchanged();
  const bool thaws = draft.state.hold == HoldReason::kFreeze;
  draft.gate = draft.current_step().gate;
  if (!draft.gate_open()) {
    // Otherwise the approval has expired in the freeze.
    return thaws ? wait_for_gate(draft, Cause::kGate) : draft.unchanged();
  }
  if (draft.must_thaw()) {
    return thaws ? draft.unchanged() : wait_for_thaw(draft);
  }
  return end_wait(draft, tick, thaws ? Cause::kFreezeEnded : Cause::kGate);
}

Transition recover(Draft& draft, const Tick& tick) {
  const HoldReason reason = draft.state.hold;
  if (is_degraded(tick) || is_unseen(tick)) return draft.unchanged();
  if (reason == HoldReason::kReturning) return go_on_returning(draft);
  // Everything was fulfilled when the hook was asked, but may have ended since.
  if (reason == HoldReason::kHook) {
    if (draft.plan.mode == Mode::kObserve) return draft.unchanged();
    if (!draft.gate_open()) return wait_for_gate(draft, Cause::kGate);
    if (draft.must_thaw()) return wait_for_thaw(draft);
    return end_wait(draft, tick, Cause::kHookAgreed);
  }
  if (reason == HoldReason::kEnvironmentDegraded) {
    // What the canary has shown beside a stable in trouble is no reason for the next step.
    draft.enter(Phase::kProgressing);
    draft.begin_step(draft.state.weight);
    return draft.commit(Cause::kEnvironmentRecovered);
  }
  if (reason == HoldReason::kNoData && !lacks_data(draft, tick)) {
    draft.enter(Phase::kProgressing);
    draft.state.timer_since = draft.now;
    return draft.commit(Cause::kDataReturned);
  }
  if (auto recovered = recover_by_readings(draft, tick)) return *recovered;
  return draft.unchanged();
}

// Whoever was held back follows at the end of the bake: a rise by itself like any other.
bool may_take_the_rest(const Draft& draft, const Tick& tick) {
  if (draft.state.weight.value() == BasisPoints::kMax) return true;
  if (draft.frozen_until()) return false;
  if (draft.plan.asks_before_step && tick.consent != Consent::kGiven) return false;
  if (draft.plan.mode != Mode::kEnforce || is_degraded(tick) || tick.requests == 0) return false;
  const bool at_operators_risk =
      draft.plan.on_inconclusive == OnInconclusive::kPromote && !tick.no_data;
  return (tick.judgement == Judgement::kAccept && !tick.canary_hangs) || at_operators_risk;
}

Transition bake(Draft& draft, const Tick& tick) {
  const bool bad =
      tick.judgement == Judgement::kRollback || draft.state.observed == Judgement::kRollback;
  if (bad || tick.readings != Readings::kGood || is_unseen(tick)) return draft.unchanged();
  if (draft.on_timer() < draft.plan.bake.duration) return draft.unchanged();
  if (!may_take_the_rest(draft, tick)) return draft.unchanged();
  draft.promote();
  return draft.commit(Cause::kBaked);
}

}  // namespace

bool is_degraded(const Tick& tick) noexcept {
  return !tick.stable_up || tick.both_failing;
}

Transition handle(Draft& draft, const Tick& tick) {
  const bool enforce = draft.plan.mode == Mode::kEnforce;
  if (is_armed(draft.state)) {
    const bool bad = enforce && tick.judgement == Judgement::kRollback;
    // A bad verdict comes first, but where it only holds, a query may ask for more.
    const bool rolls_back = draft.plan.on_failure == OnFailure::kRollback;
    if (!bad || (tick.readings == Readings::kRollback && !rolls_back)) {
      if (const auto heeded = heed_readings(draft, tick)) return *heeded;
    }
    if (bad) return act_on_bad_verdict(draft);
    if (!enforce && is_news(draft, tick)) {
      draft.state.observed = judgement_with_readings(tick);
      return draft.commit(Cause::kObserved);
    }
  }
  if (enforce && tick.group_failed && is_armed(draft.state)) {
    draft.end(Phase::kRolledBack);
    return draft.commit(Cause::kGroup);
  }
  if (const auto spilt = spill(draft, tick)) return *spilt;
  switch (draft.state.phase) {
    case Phase::kIdle:
      return start_by_itself(draft, tick);
    case Phase::kProgressing:
      return enforce ? progress(draft, tick) : draft.unchanged();
    case Phase::kWaiting:
      return enforce ? wait(draft, tick) : draft.unchanged();
    case Phase::kHeld:
      return recover(draft, tick);
    case Phase::kBaking:
      return bake(draft, tick);
    case Phase::kPromoted:
      return enforce ? retire_when_idle(draft, tick) : draft.unchanged();
    case Phase::kRetiring:
      return go_on_retiring(draft, tick);
    case Phase::kSuspended:
    case Phase::kPaused:
    case Phase::kRetired:
    case Phase::kRolledBack:
    case Phase::kAborted:
      break;
  }
  return draft.unchanged();
}

Transition handle(Draft& draft, const CircuitOpened& opened) {
  if (!can_be_suspended(draft.state)) return draft.unchanged();
  suspend(draft);
  draft.state.unhealthy = opened.why == Trip::kUnhealthy;
  return draft.commit(cause_of(opened.why));
}

Transition handle(Draft& draft, const CircuitClosed&) {
  if (draft.state.phase != Phase::kSuspended) return draft.unchanged();
  draft.enter(draft.state.suspended_from);
  draft.state.hold = draft.state.suspended_hold;
  draft.state.suspended_from = Phase::kProgressing;
  draft.state.suspended_hold = HoldReason::kNone;
  Transition closed = draft.commit(Cause::kCircuitClosed);
  // Whoever paused it has said why.
  if (closed.state.phase == Phase::kPaused) closed.state.reason = draft.before.paused_reason;
  return closed;
}

Transition handle(Draft& draft, const ProtectionFailed& failed) {
  if (!is_armed(draft.state)) return draft.unchanged();
  if (!failed.stable_failing) {
    draft.end(Phase::kRolledBack);
    return draft.commit(cause_of(failed.why));
  }
  // Stable fails as well, so the canary is not blamed; but nobody is sent there either.
  const bool suspended = draft.state.phase == Phase::kSuspended;
  if (suspended && draft.state.hold == HoldReason::kEnvironmentDegraded) return draft.unchanged();
  if (!suspended && !can_be_suspended(draft.state)) return draft.unchanged();
  if (!suspended) suspend(draft);
  draft.state.hold = HoldReason::kEnvironmentDegraded;
  return draft.commit(Cause::kEnvironmentDegraded);
}

}  // namespace canaryd::rollout
