// What a request must pass before it is looked at: source, path, method, role, rate, content type.
#include "admin/accept.hpp"
#include "admin/action_body.hpp"
#include "admin/api.hpp"
#include "admin/guard.hpp"
#include "admin/problem.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::admin {
namespace {

constexpr std::string_view kJson = "application/json";

// To be allowed at any time: they take the canary away, or leave things as they are.
bool is_way_out(std::string_view path) noexcept {
  return path == "abort" || path == "rollback" || path == "pause";
}

// What was refused or has failed changed nothing, and may come out otherwise the next time: the
// state of a rollout is another one, or its journal can be written again.
bool has_taken_effect(const Response& response) noexcept {
  return response.status < 300;
}

}  // namespace

Api::Api(control::Backend& backend, const Options& options)
    : backend_(backend),
      options_(options),
      reads_(options.limits.reads),
      changes_(options.limits.changes),
      refusals_(options.limits.refusals),
      memory_(std::make_shared<IdempotencyMemory>(options.limits.remembered_answers,
                                                  options.limits.remembered_bytes)) {}

Role Api::handle(Request request, Done done) {
  const Match match = find(request.path());
  if (auto refusal = refuse(match, request)) {
    done(std::move(*refusal));
  } else {
    (this->*match.route->run)(request, match, recorded(match, request, std::move(done)));
  }
  return request.actor_role;
}

Role Api::role_of(const Route& route) {
  const bool is_open =
      route.run == &Api::livez || route.run == &Api::readyz || route.run == &Api::page;
  if (is_open) return Role::kNobody;
  if (!route.is_change || route.run == &Api::explain) return Role::kViewer;
  return route.below_rollout ? Role::kOperator : Role::kAdmin;
}

// Of the answer; empty where it is sent whatever the client accepts, as probes and scrapers say
// anything.
std::string_view Api::type_of(const Route& route) {
  if (route.run == &Api::events || route.run == &Api::tap) return "text/event-stream";
  if (route.run == &Api::config) return "application/yaml";
  const bool is_plain = route.run == &Api::livez || route.run == &Api::readyz ||
                        route.run == &Api::metrics || route.run == &Api::schema ||
                        route.run == &Api::page;
  return is_plain ? std::string_view() : kJson;
}

std::optional<Response> Api::refuse(const Match& match, Request& request) {
  const std::string_view path = request.path();
  const bool is_page = path == "/";
  if (const auto problem = check_source(request, is_local_, is_page)) {
    if (problem->status != 403) return to_response(*problem, path);
    request.actor = request.peer;  // Nobody has asked for a token yet.
    return turn_away(*problem, request);
  }
  if (match.route == nullptr) {
    return to_response({404, "not-found", "there is nothing at this path"}, path);
  }
  const bool is_change = match.route->is_change;
  const bool fits =
      is_change ? request.method == "POST" : request.method == "GET" || request.method == "HEAD";
  if (!fits) {
    const std::string allowed = is_change ? "POST" : "GET, HEAD";
    Response response = to_response({405, "method-not-allowed", "use " + allowed}, path);
    response.headers.emplace_back("Allow", allowed);
    return response;
  }
  if (auto refusal = admit(match, request)) return refusal;
  if (is_change && !request.body.empty() && !is_type(request.content_type, kJson)) {
    return to_response({415, "unsupported-media-type", "send Content-Type: application/json"},
                       path);
  }
  // What only acts has no generation, so that none fits (RFC 9110, 13.1.1).
  if (is_change && request.if_match && match.route->run != &Api::act) {
    return to_response({412, "stale", "nothing here has a generation for If-Match: leave it out"},
                       path);
  }
  const std::string_view type = type_of(*match.route);
  if (!type.empty() && request.accept && !accepts(*request.accept, type)) {
    return to_response({406, "not-acceptable", "the answer is " + std::string(type)}, path);
  }
  return std::nullopt;
}

std::optional<Response> Api::admit(const Match& match, Request& request) {
  const std::vector<Token> tokens = options_.tokens ? options_.tokens() : std::vector<Token>();
  const Caller caller = identify(request, tokens, is_open_);
  request.authorization.reset();
  request.actor = caller.name;
  request.actor_token = caller.token;
  request.actor_role = caller.role;
  if (const auto problem = check_role(caller, role_of(*match.route))) {
    Response response = turn_away(*problem, request);
    if (response.status != problem->status) return response;
    const std::string_view error = problem->status == 403 ? R"(, error="insufficient_scope")"
                                   : caller.wrong_token   ? R"(, error="invalid_token")"
                                                          : "";
    response.headers.emplace_back("WWW-Authenticate",
                                  R"(Bearer realm="canaryd")" + std::string(error));
    return response;
  }
  if (!is_too_often(*match.route)) return std::nullopt;
  return too_many("more requests in a second than this daemon takes", request.path());
}

Response Api::turn_away(const Problem& problem, const Request& request) {
  const std::string_view path = request.path();
  // The log has room for so many of them.
  if (!refusals_.take(clock_.now())) return too_many("too many requests that are refused", path);
  if (options_.audit) {
    options_.audit(
        {request.actor, request.peer, request.method, std::string(path), problem.status});
  }
  return to_response(problem, path);
}

bool Api::is_too_often(const Route& route) {
  if (role_of(route) == Role::kNobody) return false;
  if (!route.is_change || route.run == &Api::explain) return !reads_.take(clock_.now());
  // Votes have a limit of their own.
  if (route.below_rollout && is_way_out(route.path)) return false;
  return route.run != &Api::feedback && !changes_.take(clock_.now());
}

// Tells of each change who asked for it, once its outcome is known.
Api::Done Api::recorded(const Match& match, const Request& request, Done done) const {
  if (!options_.audit || role_of(*match.route) < Role::kOperator) return done;
  Audit entry{request.actor,
              request.peer,
              request.method,
              std::string(request.path()),
              0,
              reason_in(request.body)};
  return [audit = options_.audit, entry = std::move(entry), done = std::move(done)](
             Response response) mutable {
    entry.status = response.status;
    audit(entry);
    done(std::move(response));
  };
}

void Api::once(const Request& request, const Done& done, const std::function<void(Done)>& work) {
  if (!request.idempotency_key) return work(done);
  if (request.idempotency_key->empty() ||
      request.idempotency_key->size() > IdempotencyMemory::kKeyBytesMax) {
    return done(to_response({400, "bad-request", "Idempotency-Key must have 1 to 255 bytes"},
                            request.path()));
  }
  // Nobody meets the key of somebody else.
  const std::string key = request.actor + '\n' + *request.idempotency_key;
  const std::string fingerprint =
      request.target + '\n' + request.if_match.value_or("") + '\n' + request.body;
  switch (memory_->begin(key, fingerprint)) {
    case IdempotencyMemory::Lookup::kAnswered:
      return done(memory_->answer(key));
    case IdempotencyMemory::Lookup::kRunning:
      return done(
          to_response({409, "in-progress", "a request with this Idempotency-Key is still running"},
                      request.path()));
    case IdempotencyMemory::Lookup::kDifferentRequest:
      return done(
          to_response({422, "key-reused", "this Idempotency-Key belongs to a different request"},
                      request.path()));
    case IdempotencyMemory::Lookup::kNew:
      break;
  }
  work([memory = memory_, key, done](Response response) {
    if (has_taken_effect(response)) {
      memory->remember(key, response);
    } else {
      memory->forget(key);
    }
    done(std::move(response));
  });
}

}  // namespace canaryd::admin
