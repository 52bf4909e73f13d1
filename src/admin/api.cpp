// Which path is answered by what, and what can be read. Apart are changes, votes, streams, and what
// is there for the dashboard alone.
#include "admin/api.hpp"

#include "admin/action_body.hpp"
#include "admin/answer.hpp"
#include "admin/assets.hpp"
#include "admin/entity_tag.hpp"
#include "admin/json.hpp"
#include "admin/openapi.hpp"
#include "admin/problem.hpp"
#include "admin/query.hpp"

#include <boost/json.hpp>

#include <algorithm>

namespace canaryd::admin {
namespace {

constexpr std::string_view kRolloutPrefix = "/api/v1/rollouts/";
constexpr std::uint64_t kHistoryLimitMax = 1000;

Response text_response(int status, std::string body) {
  Response response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(body);
  return response;
}

Response answer_to_failed_check(const Error& error, const std::string& path) {
  switch (error.code) {
    case ErrorCode::kNotFound:
      return to_response({404, "not-found", error.context}, path);
    case ErrorCode::kLimit:
      return to_response({503, "busy", error.context}, path);
    default:
      return to_response({503, "store-failed", describe(error)}, path);
  }
}

bool has_usable_endpoint(const control::UpstreamView& upstream) {
  return std::any_of(upstream.endpoints.begin(),
                     upstream.endpoints.end(),
                     [](const auto& endpoint) { return endpoint.healthy && !endpoint.ejected; });
}

}  // namespace

// ---- Finding the way
// -------------------------------------------------------------------------------------------------

const Api::Route Api::kRoutes[] = {
    {"/", false, false, &Api::page},
    {"/livez", false, false, &Api::livez},
    {"/readyz", false, false, &Api::readyz},
    {"/metrics", false, false, &Api::metrics},
    {"/api/v1/rollouts", false, false, &Api::rollouts},
    {"/api/v1/listeners", false, false, &Api::listeners},
    {"/api/v1/upstreams", false, false, &Api::upstreams},
    {"/api/v1/routes", false, false, &Api::routes},
    {"/api/v1/migration", false, false, &Api::migration},
    {"/api/v1/history/verification", false, false, &Api::history_verification},
    {"/api/v1/explain", false, true, &Api::explain},
    {"/api/v1/events", false, false, &Api::events},
    {"/api/v1/tap", false, false, &Api::tap},
    {"/api/v1/config", false, false, &Api::config},
    {"/api/v1/build", false, false, &Api::build},
    {"/api/v1/whoami", false, false, &Api::whoami},
    {"/api/v1/openapi.json", false, false, &Api::openapi},
    {"/api/v1/schema", false, false, &Api::schema},
    {"/api/v1/reload", false, true, &Api::reload},
    {"/api/v1/drain", false, true, &Api::drain},
    {"/api/v1/log-level", false, true, &Api::log_level},
    {"", true, false, &Api::rollout},
    {"analysis", true, false, &Api::analysis},
    {"series", true, false, &Api::series},
    {"history", true, false, &Api::history},
    {"comments", true, false, &Api::comments},
    {"feedback", true, true, &Api::feedback},
    {"verification", true, false, &Api::verification},
    {"start", true, true, &Api::act},
    {"retry", true, true, &Api::act},
    {"promote", true, true, &Api::act},
    {"pause", true, true, &Api::act},
    {"resume", true, true, &Api::act},
    {"abort", true, true, &Api::act},
    {"rollback", true, true, &Api::act},
    {"weight", true, true, &Api::act},
    {"approve", true, true, &Api::act},
    {"retire", true, true, &Api::act},
    {"unretire", true, true, &Api::act},
};

std::vector<Api::Operation> Api::operations() {
  std::vector<Operation> all;
  for (const Route& route : kRoutes) {
    if (route.run == &Api::page) continue;  // For people.
    std::string path(route.path);
    if (route.below_rollout) {
      path = std::string(kRolloutPrefix) + "{name}" + (path.empty() ? "" : "/" + path);
    }
    all.push_back({std::move(path), route.is_change, role_of(route)});
  }
  return all;
}

Api::Match Api::find(std::string_view path) {
  const bool below_rollout = path.starts_with(kRolloutPrefix);
  Match match;
  std::string_view rest = path;
  if (below_rollout) {
    rest.remove_prefix(kRolloutPrefix.size());
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    match.rollout = rest.substr(0, slash);
    if (match.rollout.empty() || slash + 1 == rest.size()) return {};
    rest = slash == rest.size() ? std::string_view() : rest.substr(slash + 1);
  }
  for (const Route& route : kRoutes) {
    const bool is_file = route.run == &Api::page && find_asset(path) != nullptr;
    if (is_file || (route.below_rollout == below_rollout && route.path == rest)) {
      match.route = &route;
    }
  }
  return match;
}

// ---- Reading
// ---------------------------------------------------------------------------------------------------------

void Api::livez(const Request& /*request*/, const Match& /*match*/, const Done& done) {
  done(text_response(200, "ok\n"));
}

void Api::readyz(const Request& request, const Match& /*match*/, const Done& done) {
  const auto query = Query::parse(request.query(), {"verbose", "upstreams"});
  if (!query) return done(invalid(request, query.error()));
  control::Readiness readiness = backend_.readiness();
  if (query->has("upstreams")) {
    for (const control::UpstreamView& upstream : backend_.upstreams()) {
      const bool usable = has_usable_endpoint(upstream);
      readiness.ready = readiness.ready && usable;
      readiness.checks.push_back({"upstream " + upstream.name, usable, ""});
    }
  }
  std::string body;
  if (query->has("verbose")) {
    for (const control::ReadinessCheck& check : readiness.checks) {
      body += (check.ok ? "[+] " : "[-] ") + check.name + (check.ok ? " ok" : " failed");
      body += check.detail.empty() ? "\n" : ": " + check.detail + "\n";
    }
  }
  body += readiness.ready ? "ready\n" : "not ready\n";
  done(text_response(readiness.ready ? 200 : 503, std::move(body)));
}

void Api::metrics(const Request& /*request*/, const Match& /*match*/, const Done& done) {
  Response response = text_response(200, backend_.metrics_text());
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  done(std::move(response));
}

void Api::rollouts(const Request& /*request*/, const Match& /*match*/, const Done& done) {
  done(json_response({{"items", to_json(backend_.rollouts())}}));
}

void Api::rollout(const Request& request, const Match& match, const Done& done) {
  const auto view = backend_.rollout(match.rollout);
  if (!view) return done(no_such_rollout(request, match.rollout, backend_));
  Response response = json_response(to_json(*view));
  response.headers.emplace_back("ETag", entity_tag(*view));
  done(std::move(response));
}

void Api::analysis(const Request& request, const Match& match, const Done& done) {
  const auto view = backend_.rollout(match.rollout);
  if (!view) return done(no_such_rollout(request, match.rollout, backend_));
  done(json_response(analysis_to_json(*view)));
}

void Api::history(const Request& request, const Match& match, const Done& done) {
  const auto parsed = Query::parse(request.query(), {"limit", "after"});
  if (!parsed) return done(invalid(request, parsed.error()));
  const auto limit = parsed->number("limit", 1, kHistoryLimitMax);
  if (!limit) return done(invalid(request, limit.error()));
  const auto after = parsed->number("after", 0, UINT64_MAX);
  if (!after) return done(invalid(request, after.error()));

  control::HistoryQuery query;
  query.rollout = match.rollout;
  query.limit = static_cast<std::size_t>(limit->value_or(query.limit));
  query.after = *after;
  const std::string path(request.path());
  Response unknown = if_no_such_rollout(request, match.rollout, backend_);
  auto answer =
      [done, path, unknown = std::move(unknown)](Result<std::vector<control::HistoryRow>> rows) {
        if (rows) return done(json_response({{"items", to_json(*rows)}}));
        if (rows.error().code == ErrorCode::kNotFound) return done(unknown);
        if (rows.error().code == ErrorCode::kInvalidArgument) {
          return done(to_response({400, "bad-request", rows.error().context}, path));
        }
        done(to_response({503, "store-failed", describe(rows.error())}, path));
      };
  backend_.history(std::move(query), std::move(answer));
}

void Api::verification(const Request& request, const Match& match, const Done& done) {
  const auto parsed = Query::parse(request.query(), {"at"});
  if (!parsed) return done(invalid(request, parsed.error()));
  const auto at = parsed->number("at", 1, UINT64_MAX);
  if (!at) return done(invalid(request, at.error()));
  // Before it is asked: that there is no such transition is not found either.
  if (!backend_.rollout(match.rollout))
    return done(no_such_rollout(request, match.rollout, backend_));
  const std::string path(request.path());
  control::VerifyQuery query;
  query.rollout = match.rollout;
  query.at = *at;
  backend_.verify(std::move(query), [done, path](const Result<control::VerificationView>& view) {
    done(view ? json_response(to_json(*view)) : answer_to_failed_check(view.error(), path));
  });
}

void Api::history_verification(const Request& request, const Match& /*match*/, const Done& done) {
  const auto parsed = Query::parse(request.query(), {"rollout", "head"});
  if (!parsed) return done(invalid(request, parsed.error()));
  control::HistoryCheckQuery query;
  query.rollout = parsed->text("rollout");
  if (parsed->has("head")) {
    const auto head = control::parse_head(parsed->text("head"));
    if (!head) return done(invalid(request, head.error()));
    query.known = *head;
  }
  if (!query.rollout.empty() && !backend_.rollout(query.rollout)) {
    return done(no_such_rollout(request, query.rollout, backend_));
  }
  const std::string path(request.path());
  backend_.verify_history(
      std::move(query), [done, path](const Result<control::HistoryCheckView>& view) {
        done(view ? json_response(to_json(*view)) : answer_to_failed_check(view.error(), path));
      });
}

void Api::listeners(const Request& /*request*/, const Match& /*match*/, const Done& done) {
  done(json_response({{"items", to_json(backend_.listeners())}}));
}

void Api::upstreams(const Request& /*request*/, const Match& /*match*/, const Done& done) {
  done(json_response({{"items", to_json(backend_.upstreams())}}));
}

void Api::routes(const Request& /*request*/, const Match& /*match*/, const Done& done) {
  done(json_response({{"items", to_json(backend_.routes())}}));
}

void Api::migration(const Request& /*request*/, const Match& /*match*/, const Done& done) {
  done(json_response(to_json(backend_.migration())));
}

void Api::config(const Request& /*request*/, const Match& /*match*/, const Done& done) {
  Response response = text_response(200, backend_.config_text());
  response.content_type = "application/yaml";
  done(std::move(response));
}

// A POST, because a question is long; it changes nothing.
void Api::explain(const Request& request, const Match& /*match*/, const Done& done) {
  const auto question = read_explain_body(request.body);
  if (!question) return done(invalid(request, question.error()));
  const auto answer = backend_.explain(*question);
  if (!answer) return done(invalid(request, answer.error()));
  done(json_response(to_json(*answer)));
}

void Api::openapi(const Request& /*request*/, const Match& /*match*/, const Done& done) {
  Response response;
  response.body = openapi_text();
  done(std::move(response));
}

void Api::schema(const Request& /*request*/, const Match& /*match*/, const Done& done) {
  Response response;
  response.content_type = "application/schema+json";
  response.body = backend_.config_schema();
  done(std::move(response));
}

void Api::build(const Request& /*request*/, const Match& /*match*/, const Done& done) {
  done(json_response(to_json(backend_.build())));
}

}  // namespace canaryd::admin
