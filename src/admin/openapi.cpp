#include "admin/openapi.hpp"

#include "admin/api.hpp"
#include "admin/json.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace canaryd::admin {
namespace {

namespace json = boost::json;

// What is said of one path. Names are of schemas in `components`.
struct Words {
  std::string_view path;
  std::string_view summary;
  std::string_view answer;  // A schema, or a media type where it is no JSON.
  std::string_view body = {};
  std::string_view query = {};  // Names with a blank between.
};

constexpr std::array kWords{
    Words{"/livez", "The process runs", "text/plain"},
    Words{"/readyz",
          "Listening, configured, not draining; else 503",
          "text/plain",
          {},
          "verbose upstreams"},
    Words{"/metrics", "Metrics, Prometheus text 0.0.4", "text/plain"},
    Words{"/api/v1/rollouts", "All rollouts", "RolloutList"},
    Words{"/api/v1/listeners", "Listeners with their bound addresses", "ListenerList"},
    Words{"/api/v1/upstreams", "Upstreams and the health of their endpoints", "UpstreamList"},
    Words{"/api/v1/routes", "Routes with their counts", "RouteList"},
    Words{"/api/v1/migration", "What has moved away from old upstreams", "Migration"},
    Words{"/api/v1/history/verification",
          "Whether the chain of all entries of the history is unbroken",
          "HistoryCheck",
          {},
          "rollout head"},
    Words{"/api/v1/explain",
          "Which route, cohort and upstream a request gets",
          "Explanation",
          "ExplainBody"},
    Words{"/api/v1/events", "What happens to the rollouts, as it happens", "text/event-stream"},
    Words{"/api/v1/tap",
          "Requests as they finish, a sample of them",
          "text/event-stream",
          {},
          "cohort route errors"},
    Words{"/api/v1/config", "The configuration in force, secrets masked", "application/yaml"},
    Words{"/api/v1/build", "The version", "Build"},
    Words{"/api/v1/whoami", "Who the caller is taken for", "Caller"},
    Words{"/api/v1/openapi.json", "This description", "Anything"},
    Words{"/api/v1/schema", "JSON Schema of configuration files", "application/schema+json"},
    Words{"/api/v1/reload", "Read the configuration again", "Reloaded", "ReasonBody"},
    Words{"/api/v1/drain",
          "End the daemon: not ready, then finish what has begun",
          "Draining",
          "ReasonBody"},
    Words{"/api/v1/log-level", "What is logged from now on", "Level", "LevelBody"},
    Words{"/api/v1/rollouts/{name}", "One rollout; its generation is the ETag", "Rollout"},
    Words{"/api/v1/rollouts/{name}/analysis", "The evidence of each metric", "Analysis"},
    Words{"/api/v1/rollouts/{name}/series",
          "Points for charts, oldest first",
          "Series",
          {},
          "window step"},
    Words{"/api/v1/rollouts/{name}/history",
          "Its audit log, oldest first",
          "HistoryList",
          {},
          "limit after"},
    Words{"/api/v1/rollouts/{name}/comments",
          "What users said, oldest first",
          "CommentList",
          {},
          "limit"},
    Words{"/api/v1/rollouts/{name}/feedback", "The vote of a user", "Vote", "FeedbackBody"},
    Words{"/api/v1/rollouts/{name}/verification",
          "A recorded verdict, computed again",
          "Verification",
          {},
          "at"},
    Words{"/api/v1/rollouts/{name}/start", "Begin", "Rollout", "StartBody"},
    Words{"/api/v1/rollouts/{name}/retry",
          "Begin again: ended, or held after a bad verdict",
          "Rollout",
          "ReasonBody"},
    Words{"/api/v1/rollouts/{name}/promote", "The next step now, or all", "Rollout", "PromoteBody"},
    Words{"/api/v1/rollouts/{name}/pause",
          "Hold the weight; a bad verdict still does what on_failure says",
          "Rollout",
          "ReasonBody"},
    Words{"/api/v1/rollouts/{name}/resume", "Go on", "Rollout", "ReasonBody"},
    Words{"/api/v1/rollouts/{name}/abort", "Weight 0, state aborted", "Rollout", "ReasonBody"},
    Words{"/api/v1/rollouts/{name}/rollback",
          "Weight 0, state rolled_back: on record as a bad version; at once, or a tenth at a time",
          "Rollout",
          "RollbackBody"},
    Words{"/api/v1/rollouts/{name}/weight",
          "Set the canary's share and pause there",
          "Rollout",
          "WeightBody"},
    Words{"/api/v1/rollouts/{name}/approve", "Approve a gate", "Rollout", "ApproveBody"},
    Words{"/api/v1/rollouts/{name}/retire",
          "Give up the old version, if it is idle",
          "Rollout",
          "RetireBody"},
    Words{"/api/v1/rollouts/{name}/unretire", "Keep the old version", "Rollout", "ReasonBody"},
};

Words words_of(std::string_view path) {
  const auto found = std::find_if(
      kWords.begin(), kWords.end(), [&](const Words& words) { return words.path == path; });
  return found == kWords.end() ? Words{path, "", "Anything"} : *found;
}

template <class T>
json::object one(std::string_view key, T&& value) {
  json::object object;
  object[key] = std::forward<T>(value);
  return object;
}

json::object reference(std::string_view kind, std::string_view name) {
  return one("$ref", "#/components/" + std::string(kind) + "/" + std::string(name));
}

json::object content(std::string_view answer) {
  const bool is_json = answer.find('/') == std::string_view::npos;
  json::object schema = is_json ? reference("schemas", answer) : one("type", "string");
  return one(is_json ? "application/json" : answer, one("schema", std::move(schema)));
}

// "pauseRollout", "getRolloutHistory": unique, and a good name for a generated function.
std::string operation_id(const Api::Operation& operation) {
  std::string id = operation.is_change ? "post" : "get";
  bool upper = true;
  for (const char c : operation.path) {
    const bool is_word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (is_word) id += upper && c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c;
    upper = !is_word;
  }
  return id;
}

json::array parameters_of(const Api::Operation& operation, std::string_view query) {
  json::array all;
  const bool named = operation.path.find("{name}") != std::string::npos;
  if (named) all.push_back(reference("parameters", "name"));
  while (!query.empty()) {
    const std::size_t end = std::min(query.find(' '), query.size());
    all.push_back(reference("parameters", query.substr(0, end)));
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  if (operation.path == "/api/v1/events") all.push_back(reference("parameters", "Last-Event-ID"));
  const bool is_action = named && operation.is_change;
  if (is_action) all.push_back(reference("parameters", "Idempotency-Key"));
  if (is_action && !operation.path.ends_with("/feedback")) {
    all.push_back(reference("parameters", "If-Match"));
  }
  return all;
}

json::object answers_of(const Api::Operation& operation, std::string_view answer) {
  const bool is_vote = operation.path.ends_with("/feedback");
  json::object good = one("description", "Done");
  good["content"] = content(answer);
  json::object all;
  if (!is_vote) all["200"] = good;
  if (operation.role == Role::kOperator) {
    if (!is_vote) good["description"] = "In force, not yet stored";
    all["202"] = std::move(good);
  }
  all["default"] = reference("responses", "problem");
  return all;
}

json::object describe_operation(const Api::Operation& operation, const Words& words) {
  json::object object = one("operationId", operation_id(operation));
  object["summary"] = words.summary;
  object["x-canaryd-role"] = to_string(operation.role);
  if (operation.role == Role::kNobody) object["security"] = json::array();
  json::array parameters = parameters_of(operation, words.query);
  if (!parameters.empty()) object["parameters"] = std::move(parameters);
  if (!words.body.empty()) {
    object["requestBody"] = one("content", content(words.body));
  }
  object["responses"] = answers_of(operation, words.answer);
  return object;
}

std::string make_text() {
  json::object paths;
  for (const Api::Operation& operation : Api::operations()) {
    json::value& path = paths[operation.path];
    if (!path.is_object()) path = json::object();
    path.as_object()[operation.is_change ? "post" : "get"] =
        describe_operation(operation, words_of(operation.path));
  }
  json::object document;
  document["openapi"] = "3.1.0";
  document["info"] = {{"title", "canaryd admin API"}, {"version", "1"}};
  json::array security;
  security.emplace_back(one("token", json::array()));
  security.emplace_back(json::object());
  document["security"] = std::move(security);
  document["paths"] = std::move(paths);
  document["components"] = json::parse(openapi_components());
  return to_text(document);
}

}  // namespace

std::string openapi_text() {
  static const std::string text = make_text();
  return text;
}

}  // namespace canaryd::admin
