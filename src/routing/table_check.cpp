#include "routing/table_check.hpp"

#include "canaryd/http/chars.hpp"
#include "canaryd/http/cookie.hpp"
#include "canaryd/http/uri.hpp"
#include "routing/route_index.hpp"

#include <algorithm>
#include <span>
#include <unordered_map>
#include <unordered_set>

namespace canaryd::routing {
namespace {

tl::unexpected<Error> wrong(std::string_view kind, std::string_view name, std::string_view what) {
  std::string text(kind);
  text.append(" \"").append(name).append("\": ").append(what);
  return fail(ErrorCode::kInvalidArgument, std::move(text));
}

template <class Things, class NameOf>
Result<void> check_names(std::string_view kind, const Things& things, NameOf name_of) {
  std::unordered_set<std::string_view> seen;
  for (const auto& thing : things) {
    const std::string_view name = name_of(thing);
    if (name.empty()) return wrong(kind, name, "has no name");
    if (!seen.insert(name).second) return wrong(kind, name, "exists twice");
  }
  return {};
}

bool is_sound_segment(const Segment& segment) noexcept {
  const bool ring = segment.from_weight > BasisPoints(0);
  return is_sound(segment.users) && is_version(segment.cohort) &&
         (segment.cohort == Cohort::kCanary || !ring);
}

Result<void> check_rollout(const RolloutSpec& rollout, std::size_t upstreams) {
  const auto bad = [&](std::string_view what) { return wrong("rollout", rollout.name, what); };
  if (rollout.stable.index() >= upstreams) return bad("its stable upstream does not exist");
  if (rollout.canary.index() >= upstreams) return bad("its canary upstream does not exist");
  if (rollout.stable == rollout.canary) return bad("stable and canary are the same upstream");
  if (rollout.gate == nullptr) return bad("has no gate");
  if (const auto sticky = check(rollout.sticky); !sticky) return bad(sticky.error().context);
  if (!rollout.force.header.empty() && !http::is_token(rollout.force.header)) {
    return bad("its force header is not a header name");
  }
  if (rollout.exclude.size() > kRequestRulesMax) return bad("has too many exclusions");
  if (!std::all_of(rollout.exclude.begin(), rollout.exclude.end(), is_sound)) {
    return bad("an exclusion is not sound");
  }
  if (rollout.segments.size() > kRequestRulesMax) return bad("has too many segments");
  if (!std::all_of(rollout.segments.begin(), rollout.segments.end(), is_sound_segment)) {
    return bad("a segment is not sound");
  }
  if (!rollout.force.cookie.empty() && !http::is_cookie_name(rollout.force.cookie)) {
    return bad("its force cookie is not a cookie name");
  }
  return {};
}

// One that fits: with a value for each variable.
std::string example_path(const MatchSpec& match) {
  if (match.path_kind != PathKind::kTemplate) return match.path;
  std::string path = without_names(match.path);
  for (std::size_t at = path.find("{}"); at != std::string::npos; at = path.find("{}")) {
    path.replace(at, 2, "x");
  }
  return path;
}

// Only what a request's target can become may be matched against; anything else would never fit.
bool is_canonical(const MatchSpec& match) {
  const std::string path = example_path(match);
  http::RequestHead head;
  head.method_text = "GET";
  head.method = http::Method::kGet;
  head.target = path;
  head.host = match.host;
  if (match.host.empty()) head.version_minor = 0;
  std::string scratch(http::target_scratch_bytes(head), '\0');
  http::Target target;
  if (http::parse_target(head, {.encoded_slash = true}, scratch, target)) return false;
  return target.path == path && target.forwarded == path && target.host == match.host;
}

Result<void> check_match(const RouteSpec& route) {
  const auto bad = [&](std::string_view what) { return wrong("route", route.name, what); };
  const MatchSpec& match = route.match;
  if (!match.path.starts_with('/')) return bad("its path does not begin with /");
  if (match.path_kind == PathKind::kTemplate) {
    if (const auto shape = parse_template(match.path); !shape) return bad(shape.error().context);
  }
  if (!is_canonical(match)) return bad("its host or path is not in canonical form");
  for (const std::string& method : match.methods) {
    if (!http::is_token(method)) return bad("a method is not a token");
  }
  for (const HeaderCondition& header : match.headers) {
    if (!http::is_token(header.name)) return bad("a header condition has no valid name");
    if (header.equals && !http::is_field_value(*header.equals)) {
      return bad("a header condition has a value that no field can have");
    }
  }
  return {};
}

Result<void> check_lanes(const RouteSpec& route,
                         const std::vector<Lane>& lanes,
                         const std::vector<RolloutSpec>& rollouts) {
  const auto bad = [&](std::string_view what) { return wrong("route", route.name, what); };
  if (lanes.empty() || lanes.size() > kLanesMax) return bad("has no lane, or too many");
  unsigned users = 0;
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    if (lanes[i].rollout.index() >= rollouts.size()) return bad("a lane's rollout does not exist");
    users += lanes[i].users.value();
    for (std::size_t j = 0; j < i; ++j) {
      if (lanes[j].rollout == lanes[i].rollout) return bad("two lanes have the same rollout");
    }
    const RolloutSpec& rollout = rollouts[lanes[i].rollout.index()];
    const RolloutSpec& first = rollouts[lanes.front().rollout.index()];
    if (rollout.stable != first.stable) return bad("its lanes have several stable upstreams");
    if (rollout.sticky != first.sticky) return bad("its lanes know users by different keys");
  }
  return users == BasisPoints::kMax ? Result<void>() : bad("its lanes are not all of the users");
}

Result<void> check_route(const RouteSpec& route, const TableSpec& spec) {
  if (const auto* upstream = std::get_if<UpstreamId>(&route.target)) {
    if (upstream->index() >= spec.upstreams.size()) {
      return wrong("route", route.name, "its upstream does not exist");
    }
  }
  const auto* rollout = std::get_if<RolloutId>(&route.target);
  if (rollout != nullptr && rollout->index() >= spec.rollouts.size()) {
    return wrong("route", route.name, "its rollout does not exist");
  }
  if (const auto* lanes = std::get_if<std::vector<Lane>>(&route.target)) {
    CANARYD_TRY(check_lanes(route, *lanes, spec.rollouts));
  }
  return check_match(route);
}

// All that decides whether a request fits, as one text. Line feeds separate: none of the parts can
// hold one.
std::string fingerprint(const MatchSpec& match) {
  std::vector<std::string> methods = match.methods;
  std::sort(methods.begin(), methods.end());
  std::vector<std::string> headers;
  for (const HeaderCondition& header : match.headers) {
    std::string text;
    for (const char c : header.name) text += http::lower(c);
    headers.push_back(header.equals ? text + "=" + *header.equals : text);
  }
  std::sort(headers.begin(), headers.end());

  std::string text = match.host;
  text += match.path_kind == PathKind::kExact      ? "\nexact "
          : match.path_kind == PathKind::kTemplate ? "\ntemplate "
                                                   : "\nprefix ";
  text += index_path(match);
  for (const std::string& method : methods) text += "\nmethod " + method;
  for (const std::string& header : headers) text += "\nheader " + header;
  return text;
}

Result<void> check_overlap(const std::vector<RouteSpec>& routes) {
  std::unordered_map<std::string, std::string_view> seen;
  for (const RouteSpec& route : routes) {
    const auto [entry, fresh] = seen.emplace(fingerprint(route.match), route.name);
    if (!fresh) {
      return wrong("route",
                   route.name,
                   "matches the same requests as \"" + std::string(entry->second) + "\"");
    }
  }
  return {};
}

}  // namespace

Result<void> check(const TableSpec& spec) {
  if (spec.routes.size() > kRoutesMax) return fail(ErrorCode::kLimit, "too many routes");
  if (spec.rollouts.size() > kRolloutsMax) return fail(ErrorCode::kLimit, "too many rollouts");
  const auto name_of = [](const auto& thing) -> std::string_view { return thing.name; };
  const auto itself = [](const std::string& name) -> std::string_view { return name; };
  CANARYD_TRY(check_names("upstream", spec.upstreams, itself));
  CANARYD_TRY(check_names("rollout", spec.rollouts, name_of));
  CANARYD_TRY(check_names("route", spec.routes, name_of));
  for (const RolloutSpec& rollout : spec.rollouts) {
    CANARYD_TRY(check_rollout(rollout, spec.upstreams.size()));
  }
  for (const RouteSpec& route : spec.routes) CANARYD_TRY(check_route(route, spec));
  return check_overlap(spec.routes);
}

}  // namespace canaryd::routing
