#include "canaryd/rollout/state.hpp"

namespace canaryd::rollout {

std::string_view to_string(Phase phase) noexcept {
  switch (phase) {
    case Phase::kIdle:
      return "idle";
    case Phase::kProgressing:
      return "progressing";
    case Phase::kSuspended:
      return "suspended";
    case Phase::kPaused:
      return "paused";
    case Phase::kWaiting:
      return "waiting";
    case Phase::kHeld:
      return "held";
    case Phase::kBaking:
      return "baking";
    case Phase::kPromoted:
      return "promoted";
    case Phase::kRetiring:
      return "retiring";
    case Phase::kRetired:
      return "retired";
    case Phase::kRolledBack:
      return "rolled_back";
    case Phase::kAborted:
      return "aborted";
  }
  return "idle";
}

std::string_view to_string(HoldReason reason) noexcept {
  switch (reason) {
    case HoldReason::kNone:
      return "none";
    case HoldReason::kInconclusive:
      return "inconclusive";
    case HoldReason::kNoData:
      return "no_data";
    case HoldReason::kEnvironmentDegraded:
      return "environment_degraded";
    case HoldReason::kVerdict:
      return "verdict";
    case HoldReason::kNoReading:
      return "no_reading";
    case HoldReason::kBadReading:
      return "bad_reading";
    case HoldReason::kHook:
      return "hook";
    case HoldReason::kFreeze:
      return "freeze";
    case HoldReason::kReturning:
      return "returning";
  }
  return "none";
}

std::string_view to_string(Judgement judgement) noexcept {
  switch (judgement) {
    case Judgement::kHold:
      return "hold";
    case Judgement::kAccept:
      return "accept";
    case Judgement::kRollback:
      return "rollback";
  }
  return "hold";
}

std::string_view to_string(Admission admission) noexcept {
  switch (admission) {
    case Admission::kStableOnly:
      return "stable_only";
    case Admission::kProbeOnly:
      return "probe_only";
    case Admission::kForceOnly:
      return "force_only";
    case Admission::kSplit:
      return "split";
    case Admission::kCanaryOnly:
      return "canary_only";
  }
  return "stable_only";
}

std::string_view to_string(RetireHook hook) noexcept {
  switch (hook) {
    case RetireHook::kNone:
      return "none";
    case RetireHook::kCalled:
      return "called";
    case RetireHook::kDone:
      return "done";
    case RetireHook::kFailed:
      return "failed";
    case RetireHook::kUnknown:
      return "unknown";
    case RetireHook::kLeftOut:
      return "left_out";
  }
  return "none";
}

std::optional<Phase> parse_phase(std::string_view text) noexcept {
  for (const Phase phase : kPhases) {
    if (to_string(phase) == text) return phase;
  }
  return std::nullopt;
}

State initial_state(const Plan& plan, WallTime now) {
  State state;
  state.stable = plan.stable;
  state.canary = plan.canary;
  state.plan_revision = plan.revision;
  state.revision = plan.revision;
  state.since = state.step_since = state.timer_since = now;
  return state;
}

BasisPoints served_weight(const State& state) noexcept {
  if (state.phase == Phase::kSuspended) return BasisPoints();
  return state.spilling ? BasisPoints(BasisPoints::kMax) : state.weight;
}

bool has_ended(const State& state) noexcept {
  return state.phase == Phase::kRolledBack || state.phase == Phase::kAborted;
}

bool has_everybody_on_canary(const State& state) noexcept {
  return state.phase == Phase::kBaking || served_weight(state).value() == BasisPoints::kMax;
}

Admission admission(const State& state) noexcept {
  if (state.phase == Phase::kIdle) return Admission::kForceOnly;
  if (state.phase == Phase::kSuspended && state.weight.value() > 0) return Admission::kProbeOnly;
  if (state.phase == Phase::kRetiring || state.phase == Phase::kRetired) {
    return Admission::kCanaryOnly;
  }
  return served_weight(state).value() == 0 ? Admission::kStableOnly : Admission::kSplit;
}

bool is_past_all_steps(const State& state) noexcept {
  Phase phase = state.phase;
  if (phase == Phase::kSuspended) phase = state.suspended_from;
  if (phase == Phase::kPaused) phase = state.paused_from;
  return phase == Phase::kBaking || phase == Phase::kPromoted || phase == Phase::kRetiring ||
         phase == Phase::kRetired;
}

bool is_past_the_bake(const State& state) noexcept {
  const bool suspended = state.phase == Phase::kSuspended;
  const Phase phase = suspended ? state.suspended_from : state.phase;
  return phase == Phase::kPromoted || phase == Phase::kRetiring;
}

bool stable_is_gone(const State& state) noexcept {
  return state.phase == Phase::kRetired ||
         (state.phase == Phase::kRetiring && state.retire_hook != RetireHook::kNone);
}

}  // namespace canaryd::rollout
