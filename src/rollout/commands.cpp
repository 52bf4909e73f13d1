// What operators ask for. A command that is fulfilled already changes nothing; one that makes no
// sense in the phase is refused in words that say what would.
#include "canaryd/base/units.hpp"
#include "rollout/draft.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace canaryd::rollout {
namespace {

bool is_retirement(Phase phase) noexcept {
  return phase == Phase::kRetiring || phase == Phase::kRetired;
}

std::string words(Phase phase) {
  std::string result(to_string(phase));
  std::replace(result.begin(), result.end(), '_', ' ');
  return result;
}

// Why a command on a running rollout is refused where none runs.
std::optional<std::string> not_running(const State& state) {
  if (state.phase == Phase::kIdle) return "has not been started; use `start`";
  if (has_ended(state)) return "is " + words(state.phase) + "; `retry` begins again";
  if (is_retirement(state.phase)) {
    const bool undoes = state.phase == Phase::kRetiring && state.retire_hook == RetireHook::kNone;
    return "is " + words(state.phase) + ": its old version is given up" +
           (undoes ? "; `unretire` takes that back" : "");
  }
  return std::nullopt;
}

// Why nobody may raise the weight now, beyond the phase.
std::optional<std::string> cannot_rise(const State& state) {
  if (state.condemned) {
    return "was found worse than stable, and that evidence stands; `retry` begins again with fresh "
           "evidence, `abort` ends it";
  }
  if (state.phase == Phase::kSuspended) {
    return "is suspended: the circuit closes by itself when the canary answers again; `abort` or "
           "`rollback` ends it";
  }
  return std::nullopt;
}

bool is_known_revision(const std::string& revision) {
  return !revision.empty() && revision.size() <= kMaxText &&
         tidy_text(revision, kMaxText) == revision;
}

Phase resume_phase(const State& state, BasisPoints weight) {
  const bool bakes = state.phase == Phase::kBaking ||
                     (state.phase == Phase::kPaused && state.paused_from == Phase::kBaking);
  return bakes && weight == state.weight ? Phase::kBaking : Phase::kProgressing;
}

void pause_here(Draft& draft, BasisPoints weight) {
  const Phase from = resume_phase(draft.state, weight);
  if (weight != draft.state.weight) draft.begin_step(weight);
  draft.state.paused_from = from;
  if (draft.state.phase == Phase::kSuspended) {
    draft.pause_beneath();
  } else {
    // Whoever pauses while stable is down does not send its users there.
    const bool spilling = draft.state.spilling && weight.value() > 0;
    draft.enter(Phase::kPaused);
    draft.state.spilling = spilling;
  }
}

Transition finish(Draft& draft, Phase end) {
  draft.end(end);
  return draft.commit(Cause::kOperator);
}

Transition promote_fully(Draft& draft) {
  if (draft.state.phase == Phase::kBaking && draft.state.weight >= full_weight(draft.plan)) {
    return draft.unchanged();
  }
  draft.bake_from_here();
  return draft.commit(Cause::kOperator);
}

// The step with this gate at its end: the present one or a later one.
const Step* step_ahead(const Plan& plan, const State& state, const std::string& gate) {
  const std::size_t present = step_at(plan, state.weight);
  for (std::size_t i = present; i < plan.steps.size(); ++i) {
    if (plan.steps[i].gate == gate) return &plan.steps[i];
  }
  return nullptr;
}

// The state is one row of the journal and has to stay one that fits.
bool is_full(const State& state) {
  constexpr std::size_t kMaxOfAllGates = 200;
  std::size_t count = 0;
  for (const auto& [gate, people] : state.approvals) count += people.size();
  return count >= kMaxOfAllGates;
}

std::string list_people(const std::vector<std::string>& people) {
  std::string result;
  for (const std::string& name : people) result += (result.empty() ? "" : ", ") + name;
  return result;
}

// Until when an approval that is given now counts.
WallTime approval_end(const Approvals& rule, const Approve& approve, WallTime now) {
  WallTime until = std::min(approve.expires.value_or(kForever), kForever);
  if (rule.expires > Duration::zero()) {
    until = std::min(until, now + std::chrono::ceil<std::chrono::milliseconds>(rule.expires));
  }
  return until;
}

std::string list_gates(const Plan& plan) {
  std::string result;
  for (const Step& step : plan.steps) {
    if (step.gate.empty()) continue;
    if (!result.empty()) result += ", ";
    result += step.gate;
  }
  return result.empty() ? "it has none" : "it has " + result;
}

// One more approval of the gate at the end of `step` is in the state.
Transition approved(Draft& draft, const Step& step) {
  const std::size_t given = approvals_given(step, draft.state, draft.date);
  draft.gate = step.gate;
  if (step.approvals.needed > 1) {
    draft.approvals = std::to_string(given) + " of " + std::to_string(step.approvals.needed);
  }
  // The next tick takes the step: it knows whether everything else is fulfilled then.
  return draft.commit(Cause::kOperator);
}

}  // namespace

// A new run puts everybody but the first step on stable.
std::optional<std::string> cannot_begin(const State& state, bool stable_up, const char* what) {
  if (stable_up || state.phase == Phase::kIdle || !has_everybody_on_canary(state)) {
    return std::nullopt;
  }
  return "has its users on the canary and its stable version " + state.stable +
         " is down, or nobody has looked at it yet: " + what + " would send everybody there";
}

Transition handle(Draft& draft, const Start& start) {
  const State& before = draft.before;
  if (start.revision && !is_known_revision(*start.revision)) {
    return draft.refuse("cannot take this revision: it must be 1 to 253 bytes of printable text");
  }
  const std::string revision =
      start.revision.value_or(before.phase == Phase::kIdle ? draft.plan.revision : before.revision);
  if (before.phase != Phase::kIdle) {
    if (is_retirement(before.phase)) return draft.refuse(*not_running(before));
    if (revision == before.revision) {
      if (has_ended(before)) return draft.refuse(*not_running(before));
      return draft.unchanged();
    }
    if (const auto why = cannot_begin(before, start.stable_up, "a new revision")) {
      return draft.refuse(*why);
    }
  }
  draft.begin_run(revision);
  return draft.commit(Cause::kOperator);
}

Transition handle(Draft& draft, const Retry& retry) {
  const State& state = draft.state;
  const bool again = has_ended(state) || state.phase == Phase::kHeld ||
                     (state.phase == Phase::kPaused && state.condemned);
  if (!again) {
    if (state.phase == Phase::kIdle) return draft.refuse(*not_running(state));
    return draft.refuse("is " + words(state.phase) +
                        "; `retry` begins again after a rollback, an abort or a hold");
  }
  if (is_another_rollout(draft.plan, state)) {
    return draft.refuse(
        "is not what the configuration names any more: that rollout begins by itself, `status` "
        "says "
        "what it waits for");
  }
  if (const auto why = cannot_begin(state, retry.stable_up, "to begin again")) {
    return draft.refuse(*why);
  }
  draft.begin_run(state.revision);
  return draft.commit(Cause::kOperator);
}

Transition handle(Draft& draft, const Promote& promote) {
  const State& state = draft.state;
  if (const auto why = not_running(state)) return draft.refuse(*why);
  if (state.phase == Phase::kPromoted) return draft.unchanged();
  if (const auto why = cannot_rise(state)) return draft.refuse(*why);
  if (promote.full) return promote_fully(draft);
  if (state.phase == Phase::kBaking) {
    draft.promote();
  } else {
    draft.advance();
  }
  return draft.commit(Cause::kOperator);
}

Transition handle(Draft& draft, const Pause&) {
  const State& state = draft.state;
  if (const auto why = not_running(state)) return draft.refuse(*why);
  if (state.phase == Phase::kPromoted) {
    return draft.refuse("is promoted: there is nothing left to pause");
  }
  const Phase beneath = state.phase == Phase::kSuspended ? state.suspended_from : state.phase;
  if (beneath == Phase::kPaused) return draft.unchanged();
  if (beneath == Phase::kPromoted) {
    return draft.refuse("was promoted and is suspended: there is nothing to pause");
  }
  const bool bakes = beneath == Phase::kBaking;
  pause_here(draft, state.weight);
  if (bakes) draft.state.paused_from = Phase::kBaking;
  return draft.commit(Cause::kOperator);
}

// Of a gate that people have opened nothing is left to approve.
std::string why_waiting(const Draft& draft) {
  const std::string& gate = draft.current_step().gate;
  if (!draft.gate_open()) return "waits for approval: `approve` gate " + gate;
  const std::string approved = gate.empty() ? "" : "has gate " + gate + " approved, and ";
  return draft.plan.mode == Mode::kObserve
             ? approved + "is under mode observe: `promote` takes the step"
             : approved + "takes the step by itself when nothing else holds it up";
}

Transition handle(Draft& draft, const Resume&) {
  State& state = draft.state;
  if (const auto why = not_running(state)) return draft.refuse(*why);
  const bool runs = state.phase == Phase::kProgressing || state.phase == Phase::kBaking ||
                    state.phase == Phase::kPromoted;
  if (runs) return draft.unchanged();
  if (const auto why = cannot_rise(state)) return draft.refuse(*why);
  if (state.phase == Phase::kWaiting) {
    const bool by_itself = draft.plan.mode != Mode::kObserve;
    if (state.hold == HoldReason::kFreeze && by_itself) {
      return draft.refuse("waits for the end of the freeze");
    }
    return draft.refuse(why_waiting(draft));
  }
  if (state.weight.value() == 0) {
    // Paused at 0: no request would ever reach the canary, so going on means the first step.
    draft.advance();
    return draft.commit(Cause::kOperator);
  }
  const bool was_paused = state.phase == Phase::kPaused;
  const bool spilling = state.spilling;
  // It goes on by itself when stable is back.
  if (spilling && !was_paused) return draft.unchanged();
  draft.enter(was_paused ? state.paused_from : Phase::kProgressing);
  if (!was_paused) state.timer_since = draft.now;
  if (spilling && state.phase == Phase::kProgressing) draft.hold(HoldReason::kEnvironmentDegraded);
  state.spilling = spilling;
  return draft.commit(Cause::kOperator);
}

Transition handle(Draft& draft, const Abort&) {
  if (draft.state.phase == Phase::kRetired) {
    return draft.refuse("is retired: its old version is gone, there is nothing to go back to");
  }
  if (has_ended(draft.state)) return draft.unchanged();
  return finish(draft, Phase::kAborted);
}

Transition handle(Draft& draft, const RollBack& back) {
  if (draft.state.phase == Phase::kRetired) {
    return draft.refuse("is retired: its old version is gone, there is nothing to go back to");
  }
  if (has_ended(draft.state)) return draft.unchanged();
  if (draft.state.phase == Phase::kIdle) {
    return draft.refuse("has not been started: there is nothing to roll back");
  }
  if (back.over) return begin_return(draft, *back.over, back.stable_up);
  return finish(draft, Phase::kRolledBack);
}

Transition handle(Draft& draft, const SetWeight& set) {
  const State& state = draft.state;
  if (const auto why = not_running(state)) return draft.refuse(*why);
  const bool same = set.weight == state.weight;
  if (set.weight > state.weight) {
    if (const auto why = cannot_rise(state)) return draft.refuse(*why);
  }
  const bool stays =
      state.phase == Phase::kPaused || state.phase == Phase::kPromoted ||
      (state.phase == Phase::kSuspended &&
       (state.suspended_from == Phase::kPaused || state.suspended_from == Phase::kPromoted));
  if (same && stays) return draft.unchanged();
  pause_here(draft, set.weight);
  return draft.commit(Cause::kOperator);
}

Transition handle(Draft& draft, const Approve& approve) {
  State& state = draft.state;
  if (const auto why = not_running(state)) return draft.refuse(*why);
  const auto names_gate = [&](const Step& step) { return step.gate == approve.gate; };
  if (approve.gate.empty() ||
      std::none_of(draft.plan.steps.begin(), draft.plan.steps.end(), names_gate)) {
    return draft.refuse("has no gate of this name; " + list_gates(draft.plan));
  }
  const Step* const step =
      is_past_all_steps(state) ? nullptr : step_ahead(draft.plan, state, approve.gate);
  if (step == nullptr) return draft.refuse("has passed gate " + approve.gate + " already");
  const Approvals& rule = step->approvals;
  const std::string who = tidy_text(approve.by.empty() ? draft.event.actor : approve.by, kMaxText);
  if (!rule.of.empty() && std::find(rule.of.begin(), rule.of.end(), who) == rule.of.end()) {
    return draft.refuse("takes approvals of gate " + approve.gate + " from " +
                        list_people(rule.of) + ", not from " + who);
  }
  const WallTime until = approval_end(rule, approve, draft.date);
  if (until <= draft.date) return draft.refuse("cannot take an approval that has expired already");

  std::map<std::string, WallTime>& given = state.approvals[approve.gate];
  std::erase_if(given, [&](const auto& each) { return each.second <= draft.date; });
  if (!given.contains(who) && (given.size() >= kMaxApprovals || is_full(state))) {
    return draft.refuse("has as many approvals of gate " + approve.gate + " as are kept");
  }
  const auto [known, fresh] = given.emplace(who, until);
  if (!fresh && std::exchange(known->second, until) == until) return draft.unchanged();
  return approved(draft, *step);
}

}  // namespace canaryd::rollout
