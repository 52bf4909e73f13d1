// What the API answers with as JSON, but for what has a file of its own: rollouts with their
// verdicts, read parity, the migration.
#include "admin/json.hpp"

#include "canaryd/base/units.hpp"

#include <boost/json.hpp>

namespace canaryd::admin {
namespace {

namespace json = boost::json;

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

json::value mirror_to_json(const std::optional<control::MirrorView>& mirror) {
  if (!mirror) return nullptr;
  return {{"to", mirror->to}, {"percent", mirror->percent.percent()}};
}

json::value name_or_null(const std::string& name) {
  return name.empty() ? json::value(nullptr) : json::value(name);
}

json::value split_to_json(const std::vector<control::LaneView>& split) {
  if (split.empty()) return nullptr;
  json::array lanes;
  for (const control::LaneView& lane : split) {
    lanes.push_back({{"rollout", lane.rollout}, {"users", lane.users.percent()}});
  }
  return lanes;
}

}  // namespace

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
