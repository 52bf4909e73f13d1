#include "canaryd/rollout/effect.hpp"

#include "canaryd/base/units.hpp"

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

namespace canaryd::rollout {
namespace {

struct CauseWord {
  Cause cause;
  std::string_view word;
};

// In the order of the enumeration.
constexpr std::array kCauseWords = std::to_array<CauseWord>({
    {Cause::kOperator, "operator"},
    {Cause::kStarted, "started"},
    {Cause::kAccepted, "accepted"},
    {Cause::kVerdict, "verdict"},
    {Cause::kInconclusive, "inconclusive"},
    {Cause::kNoData, "no_data"},
    {Cause::kDataReturned, "data_returned"},
    {Cause::kEnvironmentDegraded, "environment_degraded"},
    {Cause::kEnvironmentRecovered, "environment_recovered"},
    {Cause::kGate, "gate"},
    {Cause::kBaked, "baked"},
    {Cause::kCircuit, "circuit"},
    {Cause::kUnhealthy, "unhealthy"},
    {Cause::kExposure, "exposure"},
    {Cause::kCircuitClosed, "circuit_closed"},
    {Cause::kPlanChanged, "plan_changed"},
    {Cause::kRestarted, "restarted"},
    {Cause::kStableDown, "stable_down"},
    {Cause::kSpillEnded, "spill_ended"},
    {Cause::kObserved, "observed"},
    {Cause::kNoReading, "no_reading"},
    {Cause::kBadReading, "bad_reading"},
    {Cause::kGoodReading, "good_reading"},
    {Cause::kFreeze, "freeze"},
    {Cause::kFreezeEnded, "freeze_ended"},
    {Cause::kHook, "hook"},
    {Cause::kHookAgreed, "hook_agreed"},
    {Cause::kReopened, "reopened"},
    {Cause::kIdle, "idle"},
    {Cause::kStraggler, "straggler"},
    {Cause::kUndoOver, "undo_over"},
    {Cause::kDecommission, "decommission"},
    {Cause::kReturning, "returning"},
    {Cause::kGroup, "group"},
});

constexpr bool has_a_word_for_each_cause() {
  for (std::size_t i = 0; i < kCauseWords.size(); ++i) {
    if (kCauseWords[i].cause != static_cast<Cause>(i)) return false;
  }
  return kCauseWords.back().cause == Cause::kGroup;
}
static_assert(has_a_word_for_each_cause());

std::string percent(BasisPoints weight) {
  return format_percent(weight) + " %";
}

std::string at_step(const Change& change) {
  return "step " + std::to_string(change.step + 1) + " of " + std::to_string(change.step_count);
}

std::string from_to(const Change& change) {
  return change.rollout + " from " + percent(change.weight_before) + " to " +
         percent(change.weight_after);
}

// Behind "held X", and the like. It was at 0 meanwhile.
std::string again_at(const Change& change) {
  return " again at " + percent(change.weight_after) + ": the circuit is closed";
}

std::string held(const Change& change) {
  const std::string at = " at " + percent(change.weight_after);
  if (change.cause == Cause::kCircuitClosed) return "held " + change.rollout + again_at(change);
  switch (change.hold) {
    case HoldReason::kNoData:
      return "held " + change.rollout + at + ": not enough data to judge within max_duration";
    case HoldReason::kEnvironmentDegraded:
      return "held " + change.rollout + at + ": stable is down, failing or slow";
    case HoldReason::kHook:
      return "held " + change.rollout + at + ": a hook does not agree to the next step";
    case HoldReason::kVerdict:
      if (change.weight_after < change.weight_before) {
        return "stepped " + from_to(change) + " and held it";
      }
      return "held " + change.rollout + at;
    case HoldReason::kReturning:
      if (change.weight_after < change.weight_before) {
        return "lowered " + from_to(change) + " on the way back to stable";
      }
      return "held " + change.rollout + at + ", on the way back to stable";
    // The evidence names the query.
    case HoldReason::kNoReading:
    case HoldReason::kBadReading:
      return "held " + change.rollout + at;
    case HoldReason::kInconclusive:
    case HoldReason::kFreeze:
    case HoldReason::kNone:
      break;
  }
  return "held " + change.rollout + at + ": no verdict within max_duration";
}

// For another reason than before, which may be one that only the operator ends.
bool is_held_anew(const Change& change) {
  return change.from == Phase::kHeld && change.to == Phase::kHeld &&
         change.hold != change.hold_before;
}

std::string suspended(const Change& change) {
  const std::string at = " at " + percent(change.weight_before);
  if (change.from != Phase::kSuspended) {
    const std::string why = change.cause == Cause::kEnvironmentDegraded
                                ? "stable fails as well"
                                : std::string(to_string(change.cause));
    return "suspended " + change.rollout + at + ": " + why;
  }
  if (change.event == "pause") return "paused " + change.rollout + " beneath its suspension";
  if (change.event == "set_weight") {
    return "set the weight of " + change.rollout + " beneath its suspension and paused it";
  }
  switch (change.cause) {
    case Cause::kEnvironmentDegraded:
      return change.rollout + " stays suspended: stable fails as well";
    case Cause::kVerdict:
      return "condemned " + change.rollout + " while suspended";
    default:
      return "changed " + change.rollout + ", which stays suspended";
  }
}

std::string progressing(const Change& change) {
  switch (change.cause) {
    case Cause::kRestarted:
      return "went on with " + change.rollout + " at " + percent(change.weight_after) +
             " after a restart";
    case Cause::kCircuitClosed:
      return "resumed " + change.rollout + " at " + percent(change.weight_after) +
             ": the circuit is closed";
    case Cause::kEnvironmentRecovered:
      return "resumed " + change.rollout + " at " + percent(change.weight_after) +
             ": stable is well again";
    case Cause::kDataReturned:
      return "resumed " + change.rollout + " at " + percent(change.weight_after) +
             ": there is traffic to judge by";
    case Cause::kGoodReading:
      return "resumed " + change.rollout + " at " + percent(change.weight_after) +
             ": all queries are good";
    case Cause::kReopened:
      return "went on with the step of " + change.rollout + " at " + percent(change.weight_after) +
             ": the evidence that passed it no longer does";
    default:
      break;
  }
  if (change.event == "start" || change.event == "retry" || change.cause == Cause::kStarted) {
    const std::string revision =
        change.revision.empty() ? std::string() : ", revision " + change.revision;
    return std::string(change.event == "retry" ? "retried " : "started ") + change.rollout +
           " at " + percent(change.weight_after) + " (" + at_step(change) + revision + ")";
  }
  if (change.direction == Direction::kUp) {
    return "raised " + from_to(change) + " (" + at_step(change) + ")";
  }
  return "resumed " + change.rollout + " at " + percent(change.weight_after);
}

// Everybody stays on the canary meanwhile.
std::string set_while_spilling(const Change& change) {
  return "set " + change.rollout + " to " + percent(change.weight_set) +
         " for when stable is back" + (change.from == Phase::kPaused ? "" : " and paused it");
}

std::string paused(const Change& change) {
  if (change.event == "set_weight" && change.direction != Direction::kSame) {
    return "set " + from_to(change) + " and paused it";
  }
  if (change.event == "set_weight" && change.stable_down) return set_while_spilling(change);
  if (change.cause == Cause::kCircuitClosed) return "paused " + change.rollout + again_at(change);
  return "paused " + change.rollout + " at " + percent(change.weight_after);
}

std::string approved(const Change& change) {
  std::string result = "approved gate " + change.gate + " of " + change.rollout;
  if (!change.approvals.empty()) result += " (" + change.approvals + ")";
  if (change.until) result += "; the freeze ends at " + format_time(*change.until);
  return result;
}

std::string waits(const Change& change) {
  const std::string at = change.rollout + " waits at " + percent(change.weight_after);
  if (change.until) return at + " for the end of the freeze at " + format_time(*change.until);
  return at + " for approval of gate " + change.gate;
}

std::string same_phase(const Change& change) {
  if (change.cause == Cause::kObserved) {
    const bool bad = change.judgement == Judgement::kRollback;
    return "observed " + change.rollout + " at " + percent(change.weight_after) + ": would " +
           (bad ? "have acted on a bad verdict" : "have accepted the step");
  }
  if (change.event == "approve") return approved(change);
  if (change.event == "rollback") {
    return "changed the pace of " + change.rollout + " at " + percent(change.weight_after) +
           " on its way back to stable, to a fall every " +
           format_duration_brief(change.return_every);
  }
  return "changed the plan of " + change.rollout + "; the weight stays at " +
         percent(change.weight_after);
}

std::string ended(const Change& change, std::string_view verb) {
  std::string result(verb);
  result += " " + change.rollout;
  if (change.from == Phase::kIdle) return result + " before its start";
  // What was in force then is no weight that anybody knows.
  if (change.retire_hook != RetireHook::kNone) {
    result += " after the decommission hook for " + change.stable + " was called,";
  }
  result += change.from == Phase::kSuspended ? std::string(" while suspended")
                                             : " at " + percent(change.weight_before);
  // Users are told 503 there. That is no reason to leave them on a canary which somebody, or the
  // evidence, has given up.
  if (change.stable_down) result += " to " + change.stable + ", which is down";
  switch (change.cause) {
    case Cause::kCircuit:
      return result + ": the canary does not come back (circuit)";
    case Cause::kUnhealthy:
      return result + ": the canary stays unhealthy";
    case Cause::kExposure:
      return result + ": more failures reached users than exposure allows";
    case Cause::kInconclusive:
      return result + ": no verdict within max_duration";
    case Cause::kReturning:
      return result + ": the end of its way back to stable";
    case Cause::kGroup:
      return result + ": another rollout of its group has ended";
    default:
      return result;
  }
}

std::string retiring(const Change& change) {
  const std::string hook = "the decommission hook of " + change.rollout + " for " + change.stable;
  switch (change.retire_hook) {
    case RetireHook::kCalled:
      // Only the end of a call has that cause, and this one has not been made.
      return (change.cause == Cause::kDecommission ? "did not call " : "calls ") + hook;
    case RetireHook::kFailed:
      return hook + " failed; `retire` calls it again";
    case RetireHook::kUnknown:
      return hook + " may have run or not, canaryd ended meanwhile; `retire` calls it again";
    default:
      return "retires " + change.stable + " of " + change.rollout;
  }
}

std::string retired(const Change& change) {
  const std::string result = "retired " + change.stable + " of " + change.rollout;
  // By command alone, and that has said so.
  if (change.retire_hook == RetireHook::kFailed || change.retire_hook == RetireHook::kUnknown) {
    return result + "; its decommission hook, which " +
           (change.retire_hook == RetireHook::kFailed ? "failed" : "may have run or not") +
           ", is taken as done (--skip-hook)";
  }
  if (change.retire_hook != RetireHook::kLeftOut) return result;
  return result + " without its hook: somebody else still needs that upstream";
}

std::string keeps(const Change& change) {
  const std::string stable = change.stable + " of " + change.rollout;
  if (change.event == "unretire") return "keeps " + stable + " until `retire`";
  return "will retire " + stable + " when it is idle";
}

// The main clause.
std::string what_happened(const Change& change) {
  const bool restarted = change.cause == Cause::kRestarted;
  const bool waits_anew = change.to == Phase::kWaiting && change.event == "tick";
  const bool moved = change.from != change.to || change.direction != Direction::kSame ||
                     change.event == "start" || change.event == "retry" ||
                     change.event == "set_weight" || restarted || waits_anew ||
                     is_held_anew(change);
  if (change.cause == Cause::kStableDown) {
    return "sends everybody of " + change.rollout + " to the canary: stable is down";
  }
  if (change.cause == Cause::kSpillEnded) {
    return "sends users of " + change.rollout + " to stable again; the canary keeps " +
           percent(change.weight_after);
  }
  const bool stays = change.from == change.to && change.direction == Direction::kSame;
  if (change.event == "new_plan" && stays) return same_phase(change);
  switch (change.to) {
    case Phase::kIdle:
      return "put " + change.rollout + " back to its start: the plan is for another rollout";
    case Phase::kRolledBack:
      return ended(change, "rolled back");
    case Phase::kAborted:
      return ended(change, "aborted");
    case Phase::kSuspended:
      return change.event == "approve" || change.cause == Cause::kObserved ? same_phase(change)
                                                                           : suspended(change);
    default:
      break;
  }
  if (change.to == Phase::kRetiring) return retiring(change);
  if (change.to == Phase::kPromoted && change.from == Phase::kRetiring) {
    return "put " + change.stable + " of " + change.rollout + " back" +
           (change.cause == Cause::kStraggler ? ": it is still in use" : "");
  }
  const bool keeping = change.event == "retire" || change.event == "unretire";
  if (keeping && !moved) return keeps(change);
  if (!moved) return same_phase(change);
  switch (change.to) {
    case Phase::kProgressing:
      return progressing(change);
    case Phase::kPaused:
      return paused(change);
    case Phase::kWaiting:
      return waits(change);
    case Phase::kHeld:
      return held(change);
    case Phase::kBaking:
      return change.rollout + " bakes at " + percent(change.weight_after) +
             (restarted ? "; its time begins again after a restart" : "");
    case Phase::kPromoted:
      return "promoted " + change.rollout +
             (change.revision.empty() ? std::string() : " (revision " + change.revision + ")");
    case Phase::kRetired:
      return retired(change);
    default:
      return "changed " + change.rollout;
  }
}

// "5m", "6.1s".
std::string after_what(const Change& change) {
  const bool retires = change.to == Phase::kRetiring || change.to == Phase::kRetired ||
                       change.from == Phase::kRetiring;
  if (change.cause == Cause::kReturning) return {};  // It has nothing to do with them.
  if (retires || change.event != "tick" || change.requests == 0) return {};
  return "after " + std::to_string(change.requests) + " canary request" +
         (change.requests == 1 ? " (" : "s (") + format_duration_brief(change.elapsed) + ")";
}

}  // namespace

std::string_view to_string(Direction direction) noexcept {
  switch (direction) {
    case Direction::kSame:
      return "same";
    case Direction::kUp:
      return "up";
    case Direction::kDown:
      return "down";
  }
  return "same";
}

std::string_view to_string(Cause cause) noexcept {
  return kCauseWords[static_cast<std::size_t>(cause)].word;
}

std::string sentence(const Change& change) {
  std::string result = what_happened(change);
  // The main clause may have told its reason after a colon; what else is known follows with commas.
  const char* separator = result.find(": ") == std::string::npos ? ": " : ", ";
  for (const std::string& part : {change.evidence, change.reason, after_what(change)}) {
    if (part.empty()) continue;
    result += std::exchange(separator, ", ") + part;
  }
  if (change.actor != "canaryd" && !change.actor.empty()) result += " (by " + change.actor + ")";
  return result;
}

}  // namespace canaryd::rollout
