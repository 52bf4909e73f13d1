// Actions on a rollout, and what is asked of the daemon as a whole.
#include "admin/action_body.hpp"
#include "admin/answer.hpp"
#include "admin/api.hpp"
#include "admin/entity_tag.hpp"
#include "admin/json.hpp"
#include "admin/problem.hpp"

#include <boost/json.hpp>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace canaryd::admin {
namespace {

namespace json = boost::json;
using control::ActionResult;
using control::ActionStatus;

// "17" in quotes, or * for any. Weak tags and lists name no single generation.
Result<std::optional<std::uint64_t>> parse_if_match(std::string_view text) {
  if (text == "*") return std::optional<std::uint64_t>();
  std::uint64_t generation = 0;
  if (text.size() >= 3 && text.front() == '"' && text.back() == '"') {
    const char* const end = text.data() + text.size() - 1;
    const auto [stop, error] = std::from_chars(text.data() + 1, end, generation);
    if (error == std::errc() && stop == end) return std::optional<std::uint64_t>(generation);
  }
  return fail(ErrorCode::kInvalidArgument,
              R"(If-Match must be one generation in quotes, such as "17")");
}

// What it is now, so that the next try need not ask first.
Response with_rollout(const Problem& problem, const ActionResult& result, const std::string& path) {
  json::object extra;
  if (result.view) extra["rollout"] = to_json(*result.view);
  Response response = to_response(problem, path, std::move(extra));
  if (result.view) response.headers.emplace_back("ETag", entity_tag(*result.view));
  return response;
}

Response answer_to_action(const ActionResult& result,
                          const std::string& path,
                          const Response& unknown) {
  switch (result.status) {
    case ActionStatus::kRefused:
      return with_rollout({409, "refused", result.detail}, result, path);
    case ActionStatus::kStale:
      return with_rollout({412, "stale", result.detail}, result, path);
    case ActionStatus::kNotFound:
      return unknown;
    case ActionStatus::kOk:
    case ActionStatus::kNotDurable:
      break;
  }
  json::value body = result.view ? to_json(*result.view) : json::value(json::object());
  const bool durable = result.status == ActionStatus::kOk;
  body.as_object()["durable"] = durable;
  Response response = json_response(body);
  response.status = durable ? 200 : 202;
  if (result.view) response.headers.emplace_back("ETag", entity_tag(*result.view));
  return response;
}

Response answer_to_reload(const control::ReloadResult& result, const std::string& path) {
  if (result.ok) {
    return json_response({{"valid", true}, {"problems", to_json(result.problems)}});
  }
  json::object extra;
  extra["valid"] = false;
  extra["problems"] = to_json(result.problems);
  return to_response({422, "configuration-invalid", "the running configuration stays in force"},
                     path,
                     std::move(extra));
}

}  // namespace

void Api::act(const Request& request, const Match& match, const Done& done) {
  control::ActionRequest action;
  action.rollout = match.rollout;
  action.actor = request.actor;
  for (const control::ActionWord& entry : control::kActionWords) {
    if (entry.word == match.route->path) action.action = entry.action;
  }
  if (request.if_match) {
    const auto generation = parse_if_match(*request.if_match);
    if (!generation) return done(invalid(request, generation.error()));
    action.if_match = *generation;
  }
  if (const auto read = read_action_body(request.body, action); !read) {
    return done(invalid(request, read.error()));
  }
  const std::string path(request.path());
  if (request.actor_token && !action.approver.empty() && action.approver != request.actor) {
    return done(to_response(
        {403,
         "not-you",
         "this token is of " + request.actor + ", which cannot approve as somebody else"},
        path));
  }
  once(request, done, [&](const Done& then) {
    Response unknown = if_no_such_rollout(request, match.rollout, backend_);
    auto answer = [then, path, unknown = std::move(unknown)](const ActionResult& result) {
      then(answer_to_action(result, path, unknown));
    };
    backend_.act(std::move(action), std::move(answer));
  });
}

void Api::reload(const Request& request, const Match& /*match*/, const Done& done) {
  auto reason = read_plain_body(request.body);
  if (!reason) return done(invalid(request, reason.error()));
  const std::string path(request.path());
  control::Asked by{request.actor, std::move(*reason)};
  once(request, done, [&](const Done& then) {
    backend_.reload(std::move(by), [then, path](const control::ReloadResult& result) {
      then(answer_to_reload(result, path));
    });
  });
}

void Api::drain(const Request& request, const Match& /*match*/, const Done& done) {
  if (const auto read = read_plain_body(request.body); !read) {
    return done(invalid(request, read.error()));
  }
  backend_.drain();
  done(json_response({{"draining", true}}));
}

void Api::log_level(const Request& request, const Match& /*match*/, const Done& done) {
  const auto level = read_log_level_body(request.body);
  if (!level) return done(invalid(request, level.error()));
  if (const auto set = backend_.set_log_level(*level); !set) {
    return done(invalid(request, set.error()));
  }
  done(json_response({{"level", *level}}));
}

}  // namespace canaryd::admin
