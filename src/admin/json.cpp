#include "admin/json.hpp"

#include "canaryd/base/text.hpp"
#include "canaryd/base/units.hpp"

#include <boost/json.hpp>

namespace canaryd::admin {
namespace {

namespace json = boost::json;

// ---- Writing
// -------------------------------------------------------------------------------------------------------

void append(std::string& out, const json::value& value);

void append_object(std::string& out, const json::object& object) {
  out += '{';
  bool first = true;
  for (const auto& member : object) {
    if (!first) out += ", ";
    first = false;
    append_json_string(out, member.key());
    out += ": ";
    append(out, member.value());
  }
  out += '}';
}

void append_array(std::string& out, const json::array& array) {
  out += '[';
  bool first = true;
  for (const json::value& element : array) {
    if (!first) out += ", ";
    first = false;
    append(out, element);
  }
  out += ']';
}

void append(std::string& out, const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      out += "null";
      break;
    case json::kind::bool_:
      out += value.get_bool() ? "true" : "false";
      break;
    case json::kind::int64:
      out += std::to_string(value.get_int64());
      break;
    case json::kind::uint64:
      out += std::to_string(value.get_uint64());
      break;
    case json::kind::double_:
      append_json_number(out, value.get_double());
      break;
    case json::kind::string:
      append_json_string(out, value.get_string());
      break;
    case json::kind::array:
      append_array(out, value.get_array());
      break;
    case json::kind::object:
      append_object(out, value.get_object());
      break;
  }
}

// ---- Parts of a rollout
// ----------------------------------------------------------------------------------------------

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

// Evidence is JSON made by another room; if it is not, it is shown as the text it is.
json::value evidence_to_json(const std::string& text) {
  if (text.empty()) return nullptr;
  boost::system::error_code code;
  json::value value = json::parse(text, code);
  return code ? json::value(text) : value;
}

json::array endpoints_to_json(const std::vector<control::EndpointView>& views) {
  json::array endpoints;
  for (const control::EndpointView& endpoint : views) {
    endpoints.push_back({{"address", endpoint.address},
                         {"healthy", endpoint.healthy},
                         {"ejected", endpoint.ejected},
                         {"active_requests", endpoint.active_requests}});
  }
  return endpoints;
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

json::value mirror_to_json(const std::optional<control::MirrorView>& mirror) {
  if (!mirror) return nullptr;
  return {{"to", mirror->to}, {"percent", mirror->percent.percent()}};
}

json::value name_or_null(const std::string& name) {
  return name.empty() ? json::value(nullptr) : json::value(name);
}

}  // namespace

std::string to_text(const json::value& value) {
  std::string out;
  append(out, value);
  out += '\n';
  return out;
}

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

json::value to_json(const control::HistoryRow& row) {
  return {{"id", row.id},
          {"time", format_time(row.time)},
          {"rollout", row.rollout},
          {"event", row.event},
          {"from", row.from},
          {"to", row.to},
          {"reason", row.reason},
          {"weight", row.weight.percent()},
          {"actor", row.actor},
          {"message", row.message},
          {"evidence", evidence_to_json(row.evidence_json)}};
}

json::value to_json(const control::CommentView& view) {
  return {{"time", format_time(view.time)},
          {"rollout", view.rollout},
          {"cohort", view.cohort},
          {"score", view.score},
          {"actor", view.actor},
          {"comment", view.text}};
}

json::value to_json(const control::TransitionView& view) {
  json::value value = to_json(view.row);
  json::object& object = value.as_object();
  object.erase("id");  // The journal's is not known yet.
  object["generation"] = view.generation;
  object["durable"] = view.durable;
  return value;
}

json::value to_json(const control::VerdictView& view) {
  json::value value = metric_to_json(view.metric);
  value.as_object()["rollout"] = view.rollout;
  return value;
}

json::value to_json(const control::ReloadView& view) {
  return {{"ok", view.ok}, {"message", view.message}};
}

json::value to_json(const control::EventsMissed& missed) {
  return {{"after", missed.after}};
}

json::value to_json(const control::ListenerView& view) {
  return {{"name", view.name}, {"address", view.address}, {"connections", view.connections}};
}

json::value to_json(const control::UpstreamView& view) {
  return {{"name", view.name},
          {"source", view.source},
          {"source_error", view.source_error ? json::value(*view.source_error) : nullptr},
          {"endpoints", endpoints_to_json(view.endpoints)}};
}

json::value to_json(const control::Explanation& answer) {
  json::object object;
  object["refused"] = name_or_null(answer.refused);
  object["listener"] = answer.listener;
  object["client"] = answer.client;
  object["peer_trusted"] = answer.peer_trusted;
  object["method"] = answer.method;
  object["host"] = answer.host;
  object["path"] = answer.path;
  object["route"] = name_or_null(answer.route);
  object["match"] = name_or_null(answer.match);
  object["rollout"] = name_or_null(answer.rollout);
  if (!answer.rollout.empty()) {
    object["state"] = answer.state;
    object["cohort"] = answer.cohort;
    object["rule"] = answer.rule;
    object["key_source"] = answer.key_source;
    object["key_name"] = name_or_null(answer.key_name);
    object["key_is_fresh"] = answer.key_is_fresh;
    object["bucket"] = answer.bucket ? json::value(*answer.bucket) : json::value(nullptr);
    object["weight"] = answer.weight.percent();
    object["forced"] = answer.forced;
    object["counts"] = answer.counts;
    object["segment"] = answer.segment ? json::value(*answer.segment) : json::value(nullptr);
    object["segment_rule"] = name_or_null(answer.segment_rule);
    object["lane"] = answer.lane ? json::value(*answer.lane) : json::value(nullptr);
  }
  object["upstream"] = name_or_null(answer.upstream);
  if (!answer.sent_as.empty()) object["sent_as"] = answer.sent_as;
  object["endpoints"] = endpoints_to_json(answer.endpoints);
  object["mirror"] = mirror_to_json(answer.mirror);
  object["why"] = answer.why;
  return object;
}

json::value split_to_json(const std::vector<control::LaneView>& split) {
  if (split.empty()) return nullptr;
  json::array lanes;
  for (const control::LaneView& lane : split) {
    lanes.push_back({{"rollout", lane.rollout}, {"users", lane.users.percent()}});
  }
  return lanes;
}

json::value to_json(const control::RouteView& view) {
  return {{"name", view.name},
          {"match", view.match},
          {"rollout", name_or_null(view.rollout)},
          {"upstream", name_or_null(view.upstream)},
          {"split", split_to_json(view.split)},
          {"requests", view.requests},
          {"mirror", mirror_to_json(view.mirror)}};
}

json::value to_json(const control::ConfigProblem& problem) {
  return {{"file", problem.file},
          {"line", problem.line},
          {"column", problem.column},
          {"severity", problem.severity},
          {"message", problem.message},
          {"hint", problem.hint}};
}

json::value to_json(const control::VerificationView& view) {
  json::array figures;
  for (const control::VerifiedFigure& figure : view.figures) {
    figures.push_back({{"name", figure.name},
                       {"value", figure.value},
                       {"recorded", figure.recorded},
                       {"recomputed", figure.recomputed}});
  }
  json::object object;
  object["id"] = view.id;
  object["time"] = format_time(view.time);
  object["message"] = view.message;
  object["result"] = control::to_string(view.result);
  object["why"] = view.why;
  object["decision"] = view.decision;
  object["run"] = view.run;
  object["rows"] = view.rows;
  object["figures"] = std::move(figures);
  return object;
}

json::value to_json(const control::HistoryCheckView& view) {
  const auto time = [](const std::optional<WallTime>& at) {
    return at ? json::value(format_time(*at)) : json::value();
  };
  json::object object;
  object["result"] = control::to_string(view.result);
  object["why"] = view.why;
  object["entries"] = view.entries;
  object["pruned"] = view.pruned;
  if (!view.rollout.empty()) object["of_rollout"] = view.of_rollout;
  object["first"] = time(view.first);
  object["last"] = time(view.last);
  object["head"] = control::to_text(view.head);
  object["bad_id"] = view.bad_id ? json::value(*view.bad_id) : json::value();
  return object;
}

json::value to_json(const control::BuildView& view) {
  return {{"version", view.version}, {"commit", view.commit}};
}

}  // namespace canaryd::admin
