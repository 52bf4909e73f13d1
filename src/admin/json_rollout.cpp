// A rollout as JSON, and what it is judged by.
#include "admin/json.hpp"
#include "canaryd/base/units.hpp"

#include <boost/json.hpp>

#include <optional>
#include <utility>

namespace canaryd::admin {
namespace {

namespace json = boost::json;

template <class T>
json::value or_null(const std::optional<T>& value) {
  return value ? json::value(*value) : json::value(nullptr);
}

json::value time_or_null(const std::optional<WallTime>& time) {
  return time ? json::value(format_time(*time)) : json::value(nullptr);
}

json::value approvals_to_json(const control::StepView& step) {
  if (!step.gate) return nullptr;
  json::array given;
  for (const control::StepView::ApprovalView& each : step.approvals) {
    given.push_back({{"by", each.by}, {"until", time_or_null(each.until)}});
  }
  json::value of = nullptr;
  if (!step.approvers.empty()) of = json::array(step.approvers.begin(), step.approvers.end());
  return {{"needed", step.approvals_needed}, {"of", std::move(of)}, {"given", std::move(given)}};
}

json::value step_to_json(const control::StepView& step) {
  return {{"index", step.index},
          {"count", step.count},
          {"weight", step.weight.percent()},
          {"elapsed", format_duration_brief(step.elapsed)},
          {"min_duration", format_duration(step.min_duration)},
          {"requests", step.requests},
          {"gate", or_null(step.gate)},
          {"approvals", approvals_to_json(step)}};
}

json::value steps_to_json(const std::vector<control::PlannedStepView>& steps) {
  json::array array;
  for (const control::PlannedStepView& step : steps) {
    array.push_back({{"weight", step.weight.percent()}, {"gate", or_null(step.gate)}});
  }
  return array;
}

json::value cohort_to_json(const control::CohortView& cohort) {
  return {{"rps", cohort.rps},
          {"requests", cohort.requests},
          {"error_rate", or_null(cohort.error_rate)},
          {"p50", or_null(cohort.p50)},
          {"p90", or_null(cohort.p90)},
          {"p99", or_null(cohort.p99)}};
}

json::value metric_to_json(const control::MetricView& metric) {
  json::object object;
  object["metric"] = metric.metric;
  object["verdict"] = metric.verdict;
  object["stable"] = or_null(metric.stable);
  object["canary"] = or_null(metric.canary);
  object["tolerated"] = or_null(metric.tolerated);
  if (metric.slow) {
    object["slow"] = {{"stable", or_null(metric.slow->stable)},
                      {"canary", or_null(metric.slow->canary)},
                      {"tolerated", or_null(metric.slow->tolerated)},
                      {"design_effect", metric.slow->design_effect}};
  }
  if (!metric.slow && metric.design_effect > 1) object["design_effect"] = metric.design_effect;
  if (metric.reading) {
    object["reading"] = {{"value", or_null(metric.reading->value)},
                         {"min", or_null(metric.reading->min)},
                         {"max", or_null(metric.reading->max)},
                         {"said", metric.reading->said}};
  }
  if (metric.rollback_evidence || metric.accept_evidence) {
    object["evidence"] = {{"rollback", or_null(metric.rollback_evidence)},
                          {"accept", or_null(metric.accept_evidence)}};
  } else {
    object["evidence"] = nullptr;
  }
  object["needs_about"] = metric.needs_about
                              ? json::value(format_duration_brief(*metric.needs_about))
                              : json::value(nullptr);
  object["needs_requests"] = or_null(metric.needs_requests);
  return object;
}

json::array metrics_to_json(const std::vector<control::MetricView>& metrics) {
  json::array items;
  for (const control::MetricView& metric : metrics) items.push_back(metric_to_json(metric));
  return items;
}

json::value exposure_to_json(const std::optional<control::ExposureView>& exposure) {
  if (!exposure) return nullptr;
  return {
      {"failed", exposure->failed}, {"saved", exposure->saved}, {"max", or_null(exposure->max)}};
}

json::value retire_to_json(const control::RetireView& retire) {
  json::array stragglers;
  for (const control::StragglerView& each : retire.stragglers) {
    stragglers.push_back({{"route", each.route},
                          {"rule", each.rule},
                          {"client", each.client},
                          {"user_agent", each.user_agent},
                          {"requests", each.requests},
                          {"last", format_time(each.last)}});
  }
  return {{"idle_for", format_duration(retire.idle_for)},
          {"idle", retire.idle ? json::value(format_duration_brief(*retire.idle)) : nullptr},
          {"open", retire.open},
          {"blocked", retire.blocked},
          {"kept", retire.kept},
          {"undo_until", time_or_null(retire.undo_until)},
          {"has_hook", retire.has_hook},
          {"hook", retire.hook},
          {"said", retire.said.empty() ? json::value(nullptr) : json::value(retire.said)},
          {"needed_by", json::array(retire.needed_by.begin(), retire.needed_by.end())},
          {"stragglers", std::move(stragglers)}};
}

}  // namespace

json::value to_json(const control::RolloutView& view) {
  json::object object;
  object["name"] = view.name;
  object["generation"] = view.generation;
  object["state"] = view.state;
  object["reason"] = or_null(view.reason);
  object["condemned"] = view.condemned;
  object["since"] = format_time(view.since);
  object["for"] = format_duration_brief(view.for_how_long);
  object["stable"] = view.stable;
  object["canary"] = view.canary;
  object["revision"] = view.revision;
  object["mode"] = view.mode;
  object["on_failure"] = view.on_failure;
  object["step"] = view.step ? step_to_json(*view.step) : json::value(nullptr);
  object["steps"] = steps_to_json(view.steps);
  object["bake"] = view.bake ? json::value(format_duration(*view.bake)) : json::value(nullptr);
  object["weight"] = {{"target", view.weight.target.percent()},
                      {"actual", or_null(view.weight.actual)},
                      {"sample_ratio_ok", or_null(view.weight.sample_ratio_ok)}};
  object["cohorts"] = {{"stable", cohort_to_json(view.stable_cohort)},
                       {"canary", cohort_to_json(view.canary_cohort)}};
  object["analysis"] = metrics_to_json(view.analysis);
  object["exposure"] = exposure_to_json(view.exposure);
  object["parity"] = view.parity ? to_json(*view.parity) : json::value(nullptr);
  object["retire"] = view.retire ? retire_to_json(*view.retire) : json::value(nullptr);
  object["frozen_until"] = time_or_null(view.frozen_until);
  object["postponed"] = or_null(view.postponed);
  object["next"] = or_null(view.next);
  object["durable"] = view.durable;
  object["journal_failing"] = view.journal_failing;
  return object;
}

json::value analysis_to_json(const control::RolloutView& view) {
  return {{"name", view.name},
          {"generation", view.generation},
          {"state", view.state},
          {"reason", or_null(view.reason)},
          {"step", view.step ? step_to_json(*view.step) : json::value(nullptr)},
          {"items", metrics_to_json(view.analysis)},
          {"next", or_null(view.next)}};
}

json::value to_json(const control::PointView& view) {
  return {{"time", format_time(view.time)},
          {"over", format_duration(view.over)},
          {"weight", view.weight.percent()},
          {"stable", cohort_to_json(view.stable)},
          {"canary", cohort_to_json(view.canary)}};
}

json::value to_json(const control::VerdictView& view) {
  json::value value = metric_to_json(view.metric);
  value.as_object()["rollout"] = view.rollout;
  return value;
}

}  // namespace canaryd::admin
