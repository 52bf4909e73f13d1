// What happens next to a rollout that has begun, for people: the first thing that is missing, in
// the order in which they are looked at.
#include "canaryd/base/units.hpp"
#include "control/controller_state.hpp"
#include "control/step_consent.hpp"

#include <algorithm>
#include <optional>
#include <string>

namespace canaryd::control {
namespace {

using rollout::Phase;
using Traffic = std::optional<telemetry::RolloutTraffic>;

// Who watches the requests arrive wonders why they do not count.
std::string excluded_text(std::uint64_t requests, const char* of) {
  if (requests == 0) return {};
  return "; " + std::to_string(requests) + (requests == 1 ? " request to " : " requests to ") + of +
         (requests == 1 ? " is" : " are") +
         " no evidence: without a key, forced, followed, in a segment, excluded, or left by "
         "their clients";
}

std::string missing_traffic(analysis::Reason known, const Traffic& traffic) {
  const analysis::Reason reason =
      traffic ? analysis::what_is_missing(
                    known, traffic->stable.step_requests > 0, traffic->canary.step_requests > 0)
              : known;
  const std::uint64_t of_canary = traffic ? traffic->canary.excluded : 0;
  const std::uint64_t of_stable = traffic ? traffic->stable.excluded : 0;
  switch (reason) {
    case analysis::Reason::kNoCanaryTraffic:
      return "the canary has none" + excluded_text(of_canary, "it");
    case analysis::Reason::kNoStableTraffic:
      return "stable has none" + excluded_text(of_stable, "it");
    default:
      return "there is none" + (of_canary > 0 ? excluded_text(of_canary, "the canary")
                                              : excluded_text(of_stable, "stable"));
  }
}

constexpr std::string_view kByHand = "mode observe: `canaryctl promote` takes the step";

std::string every_hook(const std::string& objection) {
  return "every before_step hook agrees" +
         (objection.empty() ? std::string() : "; the last answer: " + objection);
}

std::string weight_text(BasisPoints weight) {
  return "weight " + format_percent(weight);
}

// What comes sooner than the evidence, if that takes so long.
std::string out_of_time_text(const Runner& runner, Duration wait, WallTime now) {
  const rollout::Plan& plan = runner.config().plan;
  const rollout::State& state = runner.state();
  if (state.phase != Phase::kProgressing) return {};
  const rollout::Step& step = plan.steps[rollout::step_at(plan, state.weight)];
  const Duration left = step.max_duration - (now - state.timer_since);
  if (left <= Duration::zero() || wait <= left) return {};
  const std::string text =
      "; before that, in about " + format_duration_brief(left) + ", max_duration is over and it ";
  switch (plan.on_inconclusive) {
    case rollout::OnInconclusive::kRollback:
      return text + "is rolled back";
    case rollout::OnInconclusive::kPromote:
      return text + "goes on all the same";
    case rollout::OnInconclusive::kHold:
      break;
  }
  return text + "is held";
}

// "in about 9m, when errors are accepted". Of the metric that is furthest from it; `least` is what
// the step takes anyway.
std::string evidence_text(const Runner& runner,
                          const analysis::MetricReport& metric,
                          Duration least,
                          WallTime now) {
  if (metric.quantile && !metric.canary_rate) {
    return "when latency is accepted, which is judged once the canary is warm and stable's is "
           "known";
  }
  const std::string what =
      "when " + analysis::title(metric) + (metric.name == "errors" ? " are" : " is") + " accepted";
  if (metric.needs_time) {
    const Duration wait = std::max(least, *metric.needs_time);
    return "in about " + format_duration_brief(wait) + ", " + what +
           out_of_time_text(runner, wait, now);
  }
  if (metric.never) {
    return what +
           ", for which no traffic is enough, not even of a canary as good as stable: widen the "
           "tolerance" +
           out_of_time_text(runner, Duration::max(), now);
  }
  if (!metric.equal_time) return what;
  return what + ", which takes a canary as good as stable about " +
         format_duration_brief(*metric.equal_time) +
         (metric.undecided ? "; at this one's rates so far no traffic is enough for either verdict"
                           : "") +
         out_of_time_text(runner, std::max(least, *metric.equal_time), now);
}

// "in about 9m, when errors are accepted", or what else the step waits for.
std::string needs_text(const Runner& runner,
                       std::uint64_t requests,
                       const Traffic& traffic,
                       WallTime now) {
  const analysis::Verdict& verdict = runner.evidence().verdict();
  const rollout::StepNeeds needs =
      rollout::step_needs(runner.config().plan, runner.state(), requests, now);
  if (analysis::is_no_data(verdict.reason)) {
    return "when there is traffic to judge by: " + missing_traffic(verdict.reason, traffic);
  }
  const Duration wait = needs.time;
  std::string what;
  // Without control time and requests alone are waited for.
  if (verdict.decision != analysis::Decision::kAccept &&
      verdict.reason != analysis::Reason::kNoControl && verdict.deciding < verdict.metrics.size()) {
    return evidence_text(runner, verdict.metrics[verdict.deciding], needs.time, now);
  }
  if (runner.queries().readings != rollout::Readings::kGood) {
    return "when all queries are good: " + runner.queries().why;
  } else if (needs.requests > 0) {
    what = std::to_string(needs.requests) +
           (needs.requests == 1 ? " more canary request came" : " more canary requests came");
    // How long they take is not known.
    if (wait <= Duration::zero()) return "when " + what;
    what += " and the step's minimum time is over";
  } else if (!needs.gate.empty()) {
    return "when gate " + needs.gate + " is approved";
  } else if (needs.frozen_until) {
    return "when the freeze ends, at " + format_time(*needs.frozen_until);
  } else if (wait <= Duration::zero() && !runner.config().plan.group.empty()) {
    return "when all of group " + runner.config().plan.group + " may take it";
  } else if (wait <= Duration::zero() && asks_before_step(runner.config())) {
    return "when every before_step hook agrees";
  } else {
    what = "the step's minimum time is over";
  }
  return "in about " + format_duration_brief(wait) + ", when " + what;
}

std::optional<std::string> held_by_query(const Runner& runner) {
  const rollout::HoldReason hold = runner.state().hold;
  const bool by_query =
      hold == rollout::HoldReason::kNoReading || hold == rollout::HoldReason::kBadReading;
  if (!by_query || runner.queries().why.empty()) return std::nullopt;
  return "held until all queries are good: " + runner.queries().why;
}

std::string waiting_sentence(const Runner& runner, WallTime now) {
  const rollout::Plan& plan = runner.config().plan;
  const rollout::State& state = runner.state();
  const auto frozen = rollout::frozen_until(plan.freeze, now);
  if (state.hold == rollout::HoldReason::kFreeze && plan.mode == rollout::Mode::kObserve) {
    return std::string(kByHand) + (frozen ? "; the freeze ends at " + format_time(*frozen) : "");
  }
  if (state.hold == rollout::HoldReason::kFreeze) {
    return "waits for the end of the freeze" +
           (frozen ? " at " + format_time(*frozen) : std::string());
  }
  const rollout::Step& step = plan.steps[std::min(state.step, plan.steps.size() - 1)];
  const std::size_t given = rollout::approvals_given(step, state, now);
  std::string text = "waits for gate " + step.gate;
  if (step.gate.empty() || given >= step.approvals.needed) {
    // Under mode observe nobody takes the step but an operator; under enforce it is frozen.
    text = step.gate.empty() ? "waits" : "gate " + step.gate + " is approved";
    if (plan.mode == rollout::Mode::kObserve) {
      text += "; " + std::string(kByHand);
    }
  } else if (step.approvals.needed > 1) {
    text += " (" + std::to_string(given) + " of " + std::to_string(step.approvals.needed) +
            " approvals)";
  }
  if (frozen) text += "; the freeze ends at " + format_time(*frozen);
  return text;
}

// People have agreed, and the calendar does: something else holds the step up.
bool is_approved(const Runner& runner, WallTime now) {
  const rollout::Plan& plan = runner.config().plan;
  const rollout::State& state = runner.state();
  const rollout::Step& step = plan.steps[std::min(state.step, plan.steps.size() - 1)];
  return plan.mode == rollout::Mode::kEnforce && state.hold == rollout::HoldReason::kNone &&
         !rollout::frozen_until(plan.freeze, now) &&
         rollout::approvals_given(step, state, now) >= step.approvals.needed;
}

std::string returning_sentence(const rollout::State& state, WallTime now) {
  const BasisPoints by = std::min(state.return_by, state.weight);
  const Duration left = state.step_since + state.return_every - now;
  const std::string when = left <= Duration::zero() ? std::string(" % as soon as stable is well")
                                                    : " % in about " + format_duration_brief(left) +
                                                          ", if stable is well";
  return "falls to " + format_percent(BasisPoints(state.weight.value() - by.value())) + when +
         "; `canaryctl pause` stops that, `rollback` goes back at once";
}

// Traffic is there, but nothing that this metric counts.
std::optional<std::string> silent_text(const analysis::Verdict& verdict) {
  const analysis::MetricReport* const silent = analysis::silent_metric(verdict);
  const bool has_traffic = verdict.reason == analysis::Reason::kNeedsEvidence;
  if (silent == nullptr || !has_traffic) return std::nullopt;
  return "held until there is something to judge " + analysis::title(*silent) + " by" +
         (silent->feedback ? ": votes of users of both versions" : "") +
         "; `canaryctl promote` does not wait";
}

std::string paused_sentence(const rollout::State& state, const rollout::Plan& plan) {
  if (state.condemned) return "paused after a bad verdict; `canaryctl retry` or `abort`";
  const std::string text = "paused; `canaryctl resume` goes on";
  if (plan.mode == rollout::Mode::kObserve) return text;
  switch (plan.on_failure) {
    case rollout::OnFailure::kRollback:
      break;
    case rollout::OnFailure::kHold:
      return text + "; a bad verdict holds it all the same";
    case rollout::OnFailure::kStepDown:
      return text + "; a bad verdict takes it a step down all the same";
  }
  return text + "; rollback stays armed";
}

// What ends the hold: docs/rollout-states.md has the same for each reason.
std::string held_sentence(const Runner& runner, const std::string& objection, WallTime now) {
  const rollout::State& state = runner.state();
  const bool by_itself = runner.config().plan.mode == rollout::Mode::kEnforce;
  if (state.hold == rollout::HoldReason::kHook && !by_itself) return std::string(kByHand);
  if (const auto text = held_by_query(runner)) return *text;
  switch (state.hold) {
    case rollout::HoldReason::kReturning:
      return returning_sentence(state, now);
    case rollout::HoldReason::kHook:
      return "held until " + every_hook(objection) +
             "; they are asked again and again; `canaryctl promote` goes on without them";
    case rollout::HoldReason::kVerdict:
      return "held after a bad verdict; `canaryctl retry` or `abort`";
    case rollout::HoldReason::kInconclusive:
      return "held without a verdict: `canaryctl promote` trusts it, `resume` gives it more time, "
             "`abort` ends it";
    case rollout::HoldReason::kNoData:
      if (const auto text = silent_text(runner.evidence().verdict())) return *text;
      return "held until there is enough traffic to judge by; `canaryctl promote` does not wait";
    case rollout::HoldReason::kEnvironmentDegraded:
      return "held until stable is well again";
    case rollout::HoldReason::kNoReading:
    case rollout::HoldReason::kBadReading:
      return "held until all queries are good";
    case rollout::HoldReason::kFreeze:
    case rollout::HoldReason::kNone:
      break;
  }
  return "held; `canaryctl promote` goes on";
}

// What the step that runs leads to. Behind the last one comes the bake, however much it takes
// along.
std::string goal_text(const rollout::Plan& plan, BasisPoints weight) {
  if (const auto above = rollout::step_above(plan, weight)) {
    return weight_text(rollout::step_weight(plan, *above));
  }
  const BasisPoints full = rollout::full_weight(plan);
  return weight < full ? weight_text(full) + ", baking," : "baking";
}

}  // namespace

// Whoever was held back follows by the rules of Controller's machine (rollout/tick.cpp); what is
// missing first is said.
std::string Controller::State::rest_sentence(const Runner& runner) const {
  const analysis::Verdict& verdict = runner.evidence().verdict();
  const rollout::Plan& plan = runner.config().plan;
  const std::string when = "promoted when ";
  if (const auto frozen = rollout::frozen_until(plan.freeze, parts.clock->wall_now())) {
    return when + "the freeze ends, at " + format_time(*frozen);
  }
  if (!is_up(runner.stable()) || runner.degraded()) return when + "stable is well again";
  if (analysis::is_no_data(verdict.reason)) {
    const auto traffic = parts.collector->traffic(runner.config().name);
    return when + "there is traffic to judge by: " + missing_traffic(verdict.reason, traffic);
  }
  const bool at_operators_risk = plan.on_inconclusive == rollout::OnInconclusive::kPromote;
  if (verdict.decision != analysis::Decision::kAccept && !at_operators_risk) {
    return when + "the rest of the users may follow by the evidence";
  }
  if (const auto missing = missing_consent(runner, "follow")) return when + *missing;
  return "promoted in a moment";
}

std::string Controller::State::bake_sentence(const Runner& runner) const {
  const rollout::State& state = runner.state();
  const rollout::Plan& plan = runner.config().plan;
  const Duration left = plan.bake.duration - (parts.clock->wall_now() - state.timer_since);
  const bool everybody = state.weight.value() == BasisPoints::kMax;
  if (!everybody && plan.mode == rollout::Mode::kObserve) {
    return "mode observe: `canaryctl promote` takes the rest of the users";
  }
  if (left <= Duration::zero() && runner.queries().readings != rollout::Readings::kGood) {
    return "promoted when all queries are good: " + runner.queries().why;
  }
  if (left <= Duration::zero() && !everybody) return rest_sentence(runner);
  const Duration rest = std::max(Duration::zero(), left);
  const WallTime end =
      parts.clock->wall_now() + std::chrono::duration_cast<WallTime::duration>(rest);
  const std::optional<WallTime> frozen =
      everybody ? std::nullopt : rollout::frozen_until(plan.freeze, end);
  const std::string text =
      frozen ? "promoted after the freeze, at " + format_time(*frozen) + " or later"
             : "promoted in about " + format_duration_brief(rest);
  if (!everybody) return text + ", when the rest of the users may follow by the evidence";
  if (runner.evidence().analyzer().settings().limits.any()) return text;
  return text + "; no control: nothing to compare with, and no limits";
}

std::string Controller::State::suspended_sentence(const Runner& runner) const {
  const rollout::State& state = runner.state();
  std::string text = "suspended, everybody is on stable";
  if (runner.circuit_open()) {
    text += ": probes answered " + std::to_string(runner.probes().good) + " of " +
            std::to_string(rollout::kProbesToClose) + " to resume, failed " +
            std::to_string(runner.probes().bad) + " of " + std::to_string(runner.probes_needed()) +
            " to roll back";
  } else {
    text += " until an endpoint of the canary is healthy";
  }
  if (state.suspended_from != Phase::kPaused) return text;
  return text + "; comes back paused at " + format_percent(state.weight) + " %";
}

// In whatever state: who has given up the canary may not look any further.
std::string Controller::State::stable_down_text(const Runner& runner) const {
  const bool is_used = rollout::served_weight(runner.state()) < BasisPoints(BasisPoints::kMax);
  if (!is_used || is_up(runner.stable())) return {};
  return "; stable has no healthy endpoint: its users get 503";
}

std::optional<std::string> Controller::State::next_sentence(const Runner& runner,
                                                            std::uint64_t requests) const {
  std::optional<std::string> text = state_sentence(runner, requests);
  if (text) *text += stable_down_text(runner);
  return text;
}

std::optional<std::string> Controller::State::state_sentence(const Runner& runner,
                                                             std::uint64_t requests) const {
  const WallTime now = parts.clock->wall_now();
  const rollout::State& state = runner.state();
  const rollout::Plan& plan = runner.config().plan;
  if (state.spilling) {
    const std::string paused = state.phase == Phase::kPaused ? "paused; " : "";
    return paused + "everybody is on the canary until stable is healthy again";
  }
  const auto goal = [&] {
    const auto traffic = parts.collector->traffic(runner.config().name);
    return goal_text(plan, state.weight) + " " + needs_text(runner, requests, traffic, now);
  };
  switch (state.phase) {
    case Phase::kProgressing:
      if (plan.mode == rollout::Mode::kObserve) return "mode observe: the operator decides";
      if (const std::string hang = hanging_text(runner); !hang.empty()) {
        return hang + ": the step waits for how they end";
      }
      return goal();
    case Phase::kWaiting:
      return is_approved(runner, now) ? goal() : waiting_sentence(runner, now);
    case Phase::kPaused:
      return paused_sentence(state, plan);
    case Phase::kHeld:
      if (const std::string hang = hanging_text(runner);
          state.hold == rollout::HoldReason::kInconclusive && !hang.empty()) {
        return hang + "; " + held_sentence(runner, objection_to(runner), now);
      }
      return held_sentence(runner, objection_to(runner), now);
    case Phase::kSuspended:
      return suspended_sentence(runner);
    case Phase::kBaking:
      return bake_sentence(runner);
    case Phase::kRolledBack:
    case Phase::kAborted:
      return "`canaryctl retry` begins again";
    case Phase::kIdle:  // start.cpp and retirement.cpp say it; see Controller::State::view().
    case Phase::kPromoted:
    case Phase::kRetiring:
    case Phase::kRetired:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace canaryd::control
