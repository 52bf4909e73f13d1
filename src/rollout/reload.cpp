// A plan that may have changed under a rollout that is under way: reload, and restart from the
// journal.
#include "canaryd/base/units.hpp"
#include "rollout/draft.hpp"

#include <algorithm>
#include <string>

namespace canaryd::rollout {
namespace {

// Whoever reloads tells what the file changes; over a restart only the state before is known.
void tell(Draft& draft, const char* what, const std::string& before, const std::string& after) {
  if (before == after) return;
  const auto or_none = [](const std::string& text) { return text.empty() ? "none" : text; };
  draft.evidence += (draft.evidence.empty() ? "" : "; ") + std::string(what) + ": " +
                    or_none(before) + " -> " + or_none(after);
}

Transition begin_anew(Draft& draft) {
  tell(draft, "stable", draft.before.stable, draft.plan.stable);
  tell(draft, "canary", draft.before.canary, draft.plan.canary);
  tell(draft, "revision", draft.before.plan_revision, draft.plan.revision);
  const std::uint64_t generation = draft.state.generation;
  draft.state = initial_state(draft.plan, draft.now);
  draft.state.generation = generation;
  return draft.commit(Cause::kPlanChanged);
}

bool has_weight_to_keep(Phase phase) noexcept {
  return phase != Phase::kIdle && phase != Phase::kRolledBack && phase != Phase::kAborted;
}

bool may_approve(const Step& step, const std::string& who) {
  const std::vector<std::string>& of = step.approvals.of;
  return of.empty() || std::find(of.begin(), of.end(), who) != of.end();
}

// And approvals of whoever may give none any more: should he be asked again, he is asked anew.
void forget_gates_that_are_gone(Draft& draft) {
  const std::vector<Step>& steps = draft.plan.steps;
  for (auto& approvals : draft.state.approvals) {
    std::erase_if(approvals.second, [&](const auto& given) {
      return std::none_of(steps.begin(), steps.end(), [&](const Step& step) {
        return step.gate == approvals.first && may_approve(step, given.first);
      });
    });
  }
  std::erase_if(draft.state.approvals, [](const auto& gate) { return gate.second.empty(); });
}

// The weight stays; which step it is, and what comes next, may be different now.
void fit_to_steps(Draft& draft) {
  State& state = draft.state;
  if (!has_weight_to_keep(state.phase)) return;
  draft.bind(Cause::kPlanChanged);
  forget_gates_that_are_gone(draft);
  state.step = step_at(draft.plan, state.weight);
  const BasisPoints next = weight_above(draft.plan, state.weight);
  const bool rejudged = next != state.next_weight;
  const auto percent = [](BasisPoints weight) { return format_percent(weight) + " %"; };
  tell(draft, "next weight", percent(state.next_weight), percent(next));
  if (rejudged) draft.begin_step(state.weight);
  const bool for_gate = state.hold != HoldReason::kFreeze;
  const bool gate_gone = for_gate && draft.current_step().gate.empty();
  const bool retires = state.phase == Phase::kRetiring && state.retire_hook == RetireHook::kNone;
  if (retires && !draft.plan.retire) draft.put_stable_back();
  if (state.phase == Phase::kWaiting && (rejudged || gate_gone)) {
    draft.enter(Phase::kProgressing);
    state.timer_since = draft.now;
  }
}

}  // namespace

bool is_another_rollout(const Plan& plan, const State& state) noexcept {
  return plan.stable != state.stable || plan.canary != state.canary ||
         plan.revision != state.plan_revision;
}

const char* why_not_anew(const Plan& plan, const State& state, bool stable_up) noexcept {
  if (!is_another_rollout(plan, state) || plan.stable != state.stable) return nullptr;
  if (state.phase == Phase::kRetiring && state.retire_hook == RetireHook::kNone) {
    return "is giving up its stable version: `unretire` keeps it, else a new rollout needs another "
           "one as stable";
  }
  if (state.phase == Phase::kRetiring || state.phase == Phase::kRetired) {
    return "has given up its stable version: a new rollout needs another one as stable";
  }
  if (stable_up) return nullptr;
  if (state.phase == Phase::kPromoted) {
    return "is promoted and its stable version is down, or nobody has looked at it yet: a new "
           "rollout would send everybody there";
  }
  if (has_everybody_on_canary(state)) {
    return "has its users on the canary and its stable version is down, or nobody has looked at it "
           "yet: a new rollout would send everybody there";
  }
  // Everybody is there for now, but comes back with the canary, unless that is given up.
  if (state.phase == Phase::kSuspended && state.suspended_from == Phase::kPromoted) {
    return "was promoted and its stable version is down, or nobody has looked at it yet: a new "
           "rollout would keep everybody there";
  }
  return nullptr;
}

const std::string& stable_of(const Plan& plan, const State& state) noexcept {
  return state.phase == Phase::kIdle ? plan.stable : state.stable;
}

const std::string& canary_of(const Plan& plan, const State& state) noexcept {
  return state.phase == Phase::kIdle ? plan.canary : state.canary;
}

Transition handle(Draft& draft, const NewPlan& reload) {
  if (is_another_rollout(draft.plan, draft.state)) {
    if (const char* why = why_not_anew(draft.plan, draft.state, reload.stable_up)) {
      return draft.refuse(why);
    }
    return begin_anew(draft);
  }
  fit_to_steps(draft);
  const bool same = draft.state == draft.before && !reload.changed;
  if (same) return draft.unchanged();
  Transition changed = draft.commit(Cause::kPlanChanged);
  // Who paused it, and why, is still what keeps it paused.
  if (changed.state.phase == draft.before.phase) {
    changed.state.actor = draft.before.actor;
    changed.state.reason = draft.before.reason;
  }
  return changed;
}

Transition handle(Draft& draft, const Restart& restart) {
  if (is_another_rollout(draft.plan, draft.state)) {
    const bool goes_on = why_not_anew(draft.plan, draft.state, restart.stable_up) != nullptr;
    // Under whichever plan: nobody hears the end of its hook any more.
    const bool calls = goes_on && draft.state.retire_hook == RetireHook::kCalled;
    if (!calls) return handle(draft, NewPlan{restart.stable_up});
  } else {
    fit_to_steps(draft);
  }
  if (draft.state.retire_hook == RetireHook::kCalled) {
    draft.state.retire_hook = RetireHook::kUnknown;
    return draft.commit(Cause::kRestarted);
  }
  if (draft.state.phase == Phase::kProgressing) {
    // Nobody was served while the daemon was down, so that time proves nothing.
    draft.state.step_since = draft.state.timer_since = draft.now;
    return draft.commit(Cause::kRestarted);
  }
  if (draft.state.phase == Phase::kBaking) {
    // Nor was anybody watched then.
    draft.state.timer_since = draft.now;
    return draft.commit(Cause::kRestarted);
  }
  return draft.state == draft.before ? draft.unchanged() : draft.commit(Cause::kPlanChanged);
}

}  // namespace canaryd::rollout
