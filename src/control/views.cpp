// What the admin API and canaryctl show of a rollout. Nothing here decides.
#include "canaryd/base/units.hpp"
#include "control/controller_state.hpp"

#include <algorithm>
#include <cstdio>
#include <string>

namespace canaryd::control {
namespace {

using rollout::Phase;

bool step_runs(Phase phase) noexcept {
  switch (phase) {
    case Phase::kProgressing:
    case Phase::kSuspended:
    case Phase::kPaused:
    case Phase::kWaiting:
    case Phase::kHeld:
      return true;
    default:
      return false;
  }
}

std::optional<double> seconds_of(const std::optional<Duration>& duration) {
  if (!duration) return std::nullopt;
  return std::chrono::duration<double>(*duration).count();
}

CohortView cohort_view(const telemetry::CohortTraffic& traffic) {
  CohortView view;
  view.rps = traffic.requests_per_second;
  view.requests = traffic.run.requests;
  view.error_rate = traffic.run.error_rate;
  view.p50 = seconds_of(traffic.recent.p50);
  view.p90 = seconds_of(traffic.recent.p90);
  view.p99 = seconds_of(traffic.recent.p99);
  return view;
}

// With a limit, what counts against it, which outlives a restart.
ExposureView exposure_view(const telemetry::CohortTraffic& canary, const Runner& runner) {
  ExposureView view;
  view.max = runner.config().exposure.max_failed_requests;
  view.failed = view.max ? runner.exposure_used() : canary.run.user_failures;
  view.saved = canary.run.saved;
  return view;
}

void show_gate(StepView& view,
               const rollout::Step& step,
               const rollout::State& state,
               WallTime now) {
  if (step.gate.empty()) return;
  view.gate = step.gate;
  view.approvals_needed = step.approvals.needed;
  view.approvers = step.approvals.of;
  const auto given = state.approvals.find(step.gate);
  if (given == state.approvals.end()) return;
  for (const auto& [who, until] : given->second) {
    const auto& of = step.approvals.of;
    if (!of.empty() && std::find(of.begin(), of.end(), who) == of.end()) continue;
    if (until <= now) continue;
    view.approvals.push_back({who, std::nullopt});
    if (until < rollout::kForever) view.approvals.back().until = until;
  }
}

std::optional<double> recent_quantile(const telemetry::CohortTraffic& traffic,
                                      stats::LatencyQuantile quantile) {
  const stats::CohortSample& recent = traffic.recent;
  switch (quantile) {
    case stats::LatencyQuantile::kP50:
      return seconds_of(recent.p50);
    case stats::LatencyQuantile::kP90:
      return seconds_of(recent.p90);
    case stats::LatencyQuantile::kP99:
      return seconds_of(recent.p99);
    case stats::LatencyQuantile::kP999:
      return seconds_of(recent.p999);
  }
  return std::nullopt;
}

// Shown in seconds, as the cohorts are; judged by the shares of slow responses.
void show_latency(MetricView& view,
                  stats::LatencyQuantile quantile,
                  const analysis::MetricReport& report,
                  const std::optional<telemetry::RolloutTraffic>& traffic) {
  view.slow = {report.stable_rate, report.canary_rate, report.tolerated_rate, report.design_effect};
  view.tolerated = seconds_of(report.canary_slow_after);
  view.stable = view.canary = std::nullopt;
  if (!traffic) return;
  view.stable = recent_quantile(traffic->stable, quantile);
  view.canary = recent_quantile(traffic->canary, quantile);
}

// Shown as mean scores, as people vote.
void show_feedback(MetricView& view) {
  for (std::optional<double>* rate : {&view.stable, &view.canary, &view.tolerated}) {
    if (*rate) *rate = analysis::mean_score(**rate);
  }
}

// Of acceptance, where that leads somewhere: a step runs, and waits for this metric.
void show_acceptance(MetricView& view, const analysis::MetricReport& report) {
  view.accept_evidence = analysis::shown_evidence(report.accept_evidence);
  view.needs_requests = report.needs_requests;
  if (!report.needs_time) return;
  // "0ms more" is no forecast, where it is not accepted yet.
  const Duration least = report.state == analysis::MetricState::kPass
                             ? Duration::zero()
                             : Duration(std::chrono::seconds(1));
  view.needs_about = std::max(least, *report.needs_time);
}

// What is known of stable when nobody is sent there is of the last few who were.
void show_no_stable(MetricView& view) {
  view.stable = view.tolerated = std::nullopt;
  if (view.slow) view.slow->stable = view.slow->tolerated = std::nullopt;
}

MetricView metric_view(const analysis::MetricReport& report,
                       const rollout::State& state,
                       const std::optional<telemetry::RolloutTraffic>& traffic) {
  const bool compares = rollout::served_weight(state) < BasisPoints(BasisPoints::kMax);
  MetricView view;
  view.metric = report.name;
  view.verdict = analysis::to_string(report.state);
  view.stable = report.stable_rate;
  view.canary = report.canary_rate;
  view.tolerated = report.tolerated_rate;
  view.rollback_evidence = analysis::shown_evidence(report.rollback_evidence);
  if (step_runs(state.phase) && report.required && compares) show_acceptance(view, report);
  view.design_effect = report.design_effect;
  if (report.quantile) show_latency(view, *report.quantile, report, traffic);
  if (report.feedback) show_feedback(view);
  if (!compares && !report.by_limit) show_no_stable(view);
  return view;
}

MetricView query_view(const QueryReport& report) {
  MetricView view;
  view.metric = query_metric(report);
  view.verdict = analysis::to_string(report.state);
  view.reading = MetricView::Reading{report.value, report.min, report.max, report.said};
  return view;
}

using Traffic = std::optional<telemetry::RolloutTraffic>;

// Who watches the requests arrive wonders why they do not count.
std::string excluded_text(std::uint64_t requests, const char* of) {
  if (requests == 0) return {};
  return "; " + std::to_string(requests) + " requests to " + of +
         " are no evidence: without a key, forced, followed, in a segment, excluded, or left by "
         "their clients";
}

std::string missing_traffic(analysis::Reason reason, const Traffic& traffic) {
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

std::optional<std::string> reason_of(const rollout::State& state) {
  if (state.spilling) return std::string(rollout::to_string(rollout::Cause::kStableDown));
  if (state.hold != rollout::HoldReason::kNone &&
      (state.phase == Phase::kHeld || state.phase == Phase::kSuspended)) {
    return std::string(rollout::to_string(state.hold));
  }
  if (state.phase == Phase::kWaiting) {
    const bool thaws = state.hold == rollout::HoldReason::kFreeze;
    return std::string(rollout::to_string(thaws ? rollout::Cause::kFreeze : rollout::Cause::kGate));
  }
  // More than the words of whoever paused it: `resume` is refused.
  if (state.phase == Phase::kPaused && state.condemned) {
    return std::string(rollout::to_string(rollout::HoldReason::kVerdict));
  }
  if (!state.reason.empty()) return state.reason;
  return std::nullopt;
}

std::string weight_text(BasisPoints weight) {
  return "weight " + format_percent(weight);
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
  Duration wait = needs.time;
  std::string what;
  if (verdict.decision != analysis::Decision::kAccept &&
      verdict.deciding < verdict.metrics.size()) {
    const analysis::MetricReport& metric = verdict.metrics[verdict.deciding];
    what = analysis::title(metric) + (metric.name == "errors" ? " are accepted" : " is accepted");
    if (!metric.needs_time && metric.equal_time) {
      return "when " + what + ", which takes a canary as good as stable about " +
             format_duration_brief(*metric.equal_time);
    }
    if (!metric.needs_time) return "when " + what;
    wait = std::max(wait, *metric.needs_time);
  } else if (runner.queries().readings != rollout::Readings::kGood) {
    return "when all queries are good: " + runner.queries().why;
  } else if (needs.requests > 0) {
    what = std::to_string(needs.requests) + " more canary requests came";
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

std::string end_of_bake_text(const Runner& runner, WallTime now) {
  const rollout::State& state = runner.state();
  const rollout::Plan& plan = runner.config().plan;
  const Duration left = plan.bake.duration - (now - state.timer_since);
  const bool everybody = state.weight.value() == BasisPoints::kMax;
  if (!everybody && plan.mode == rollout::Mode::kObserve) {
    return "mode observe: `canaryctl promote` takes the rest of the users";
  }
  if (left <= Duration::zero() && runner.queries().readings != rollout::Readings::kGood) {
    return "promoted when all queries are good: " + runner.queries().why;
  }
  std::string text = "promoted in about " + format_duration_brief(std::max(Duration::zero(), left));
  if (!everybody) {
    if (left <= Duration::zero()) text = "promoted";
    return text + ", when the rest of the users may follow by the evidence";
  }
  if (runner.evidence().analyzer().settings().limits.any()) return text;
  return text + "; no control: nothing to compare with, and no limits";
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
      text += "; mode observe: `canaryctl promote` takes the step";
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
  return "falls to " + format_percent(BasisPoints(state.weight.value() - by.value())) +
         " % in about " + format_duration_brief(std::max(left, Duration::zero())) +
         ", if stable is well; `canaryctl pause` stops that, `rollback` goes back at once";
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

// What ends the hold: docs/rollout-states.md has the same for each reason.
std::string held_sentence(const Runner& runner, WallTime now) {
  const rollout::State& state = runner.state();
  if (const auto text = held_by_query(runner)) return *text;
  switch (state.hold) {
    case rollout::HoldReason::kReturning:
      return returning_sentence(state, now);
    case rollout::HoldReason::kHook:
      return "held until every before_step hook agrees; they are asked again and again; "
             "`canaryctl promote` goes on without them";
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

std::optional<std::string> next_sentence(const Runner& runner,
                                         std::uint64_t requests,
                                         const Traffic& traffic,
                                         WallTime now) {
  const rollout::State& state = runner.state();
  const rollout::Plan& plan = runner.config().plan;
  if (state.spilling) return "everybody is on the canary until stable is healthy again";
  const auto goal = [&] {
    return goal_text(plan, state.weight) + " " + needs_text(runner, requests, traffic, now);
  };
  switch (state.phase) {
    case Phase::kProgressing:
      if (plan.mode == rollout::Mode::kObserve) return "mode observe: the operator decides";
      return goal();
    case Phase::kWaiting:
      return is_approved(runner, now) ? goal() : waiting_sentence(runner, now);
    case Phase::kPaused:
      if (state.condemned) return "paused after a bad verdict; `canaryctl retry` or `abort`";
      return "paused; `canaryctl resume` goes on; rollback stays armed";
    case Phase::kHeld:
      return held_sentence(runner, now);
    case Phase::kSuspended: {
      if (!runner.circuit_open()) {
        return "suspended, everybody is on stable until an endpoint of the canary is healthy";
      }
      const auto wanted = std::to_string(runner.config().circuit.probes_failed);
      return "suspended, everybody is on stable: probes answered " +
             std::to_string(runner.probes().good) + " of " +
             std::to_string(rollout::kProbesToClose) + " to resume, failed " +
             std::to_string(runner.probes().bad) + " of " + wanted + " to roll back";
    }
    case Phase::kBaking:
      return end_of_bake_text(runner, now);
    case Phase::kRolledBack:
    case Phase::kAborted:
      return "`canaryctl retry` begins again";
    case Phase::kIdle:  // These need more than their runner knows; see Controller::State::view().
    case Phase::kPromoted:
    case Phase::kRetiring:
    case Phase::kRetired:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

std::vector<MetricView> metric_views(const Runner& runner,
                                     const std::optional<telemetry::RolloutTraffic>& traffic) {
  std::vector<MetricView> views;
  for (const analysis::MetricReport& metric : runner.evidence().verdict().metrics) {
    views.push_back(metric_view(metric, runner.state(), traffic));
  }
  for (const QueryReport& query : runner.queries().reports) views.push_back(query_view(query));
  return views;
}

RolloutView view_of(const Runner& runner,
                    const telemetry::Collector& collector,
                    const Clock& clock) {
  const rollout::State& state = runner.state();
  const rollout::Plan& plan = runner.config().plan;
  const WallTime now = clock.wall_now();
  const auto traffic = collector.traffic(runner.config().name);

  RolloutView view;
  view.name = runner.config().name;
  view.generation = state.generation;
  view.state = rollout::to_string(state.phase);
  view.reason = reason_of(state);
  view.condemned = state.condemned;
  view.since = state.since;
  view.for_how_long = std::max(Duration::zero(), Duration(now - state.since));
  // Names, because the runner may wait with the configuration before this one.
  view.stable = runner.stable();
  view.canary = runner.canary();
  view.revision = state.revision;
  view.mode = rollout::to_string(plan.mode);
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    PlannedStepView planned{rollout::step_weight(plan, i), std::nullopt};
    if (!plan.steps[i].gate.empty()) planned.gate = plan.steps[i].gate;
    view.steps.push_back(std::move(planned));
  }
  view.bake = plan.bake.duration;
  view.durable = runner.durable();
  view.journal_failing = runner.store_failing();
  view.weight.target = rollout::served_weight(state);

  std::uint64_t requests = 0;
  if (traffic) {
    view.stable_cohort = cohort_view(traffic->stable);
    view.canary_cohort = cohort_view(traffic->canary);
    // After a restart the evidence knows of more than have been counted since.
    requests =
        std::max(traffic->canary.step_requests, judged_requests(runner.evidence().verdict()));
    if (state.run > 0) view.exposure = exposure_view(traffic->canary, runner);
    if (traffic->canary_share) view.weight.actual = *traffic->canary_share * 100;
    view.weight.sample_ratio_ok = sample_ratio_ok(*traffic, view.weight.target);
  }
  if (step_runs(state.phase) && !plan.steps.empty()) {
    const std::size_t index = std::min(state.step, plan.steps.size() - 1);
    StepView step;
    step.index = index;
    step.count = plan.steps.size();
    step.weight = state.weight;
    step.elapsed = std::max(Duration::zero(), Duration(now - state.step_since));
    step.min_duration = plan.steps[index].min_duration;
    step.requests = requests;
    show_gate(step, plan.steps[index], state, now);
    view.step = std::move(step);
  }
  view.analysis = metric_views(runner, traffic);
  view.frozen_until = rollout::frozen_until(plan.freeze, now);
  if (runner.postponed() != nullptr) view.postponed = runner.postponed_text();
  view.next = next_sentence(runner, requests, traffic, now);
  return view;
}

}  // namespace canaryd::control
