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

// Of acceptance, where that leads somewhere: a step runs, and waits for this metric. What has been
// shown bad takes no step, however long one waits.
void show_acceptance(MetricView& view, const analysis::MetricReport& report, bool condemned) {
  view.accept_evidence = analysis::shown_evidence(report.accept_evidence);
  if (condemned) return;
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
  if (step_runs(state.phase) && report.required && compares) {
    show_acceptance(view, report, state.condemned);
  }
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

// Not the words of the last change, which may be those of whoever paused it since.
std::string_view suspended_reason(const Runner& runner) {
  const rollout::State& state = runner.state();
  if (state.hold != rollout::HoldReason::kNone) return rollout::to_string(state.hold);
  if (state.unhealthy) return kNoHealthyEndpoint;
  const auto max = runner.config().exposure.max_failed_requests;
  const bool spent = max && runner.exposure_used() >= *max;
  return rollout::to_string(spent ? rollout::Cause::kExposure : rollout::Cause::kCircuit);
}

std::optional<std::string> reason_of(const Runner& runner) {
  const rollout::State& state = runner.state();
  if (state.spilling) return std::string(rollout::to_string(rollout::Cause::kStableDown));
  if (state.phase == Phase::kSuspended) return std::string(suspended_reason(runner));
  if (state.hold != rollout::HoldReason::kNone && state.phase == Phase::kHeld) {
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
  view.reason = reason_of(runner);
  view.condemned = state.condemned;
  view.since = state.since;
  view.for_how_long = std::max(Duration::zero(), Duration(now - state.since));
  // Names, because the runner may wait with the configuration before this one.
  view.stable = runner.stable();
  view.canary = runner.canary();
  view.revision = state.revision;
  view.mode = rollout::to_string(plan.mode);
  view.on_failure = rollout::to_string(plan.on_failure);
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    PlannedStepView planned{rollout::step_weight(plan, i), std::nullopt};
    if (!plan.steps[i].gate.empty()) planned.gate = plan.steps[i].gate;
    view.steps.push_back(std::move(planned));
  }
  view.bake = plan.bake.duration;
  view.durable = runner.durable();
  // What is not durable and not on its way either was given up by the store.
  view.journal_failing = runner.store_failing() || (!runner.durable() && !runner.busy());
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
    view.weight.sample_ratio_ok =
        sample_ratio_ok(*traffic, view.weight.target, runner.sample_ratio_ok());
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
  return view;
}

}  // namespace canaryd::control
