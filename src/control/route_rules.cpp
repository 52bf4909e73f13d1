#include "control/route_rules.hpp"

#include "canaryd/http/chars.hpp"
#include "canaryd/http/date.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace canaryd::control {
namespace {

std::string date_text(WallTime time) {
  std::array<char, http::kDateBytes + 1> storage{};
  return std::string(http::write_date(time, storage));
}

// RFC 9745 section 2.1: a date of structured fields, seconds since 1970.
std::string structured_date(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time.time_since_epoch());
  return "@" + std::to_string(seconds.count());
}

// RFC 9745 section 3, RFC 8594 section 6, RFC 5829 section 3.3.
std::string links_of(const config::Deprecation& from) {
  std::string value;
  for (const auto& [link, relation] : {std::pair(&from.link, "deprecation"),
                                       std::pair(&from.sunset_link, "sunset"),
                                       std::pair(&from.successor, "successor-version")}) {
    if (link->empty()) continue;
    if (!value.empty()) value += ", ";
    value += "<" + *link + ">; rel=\"" + relation + "\"";
  }
  return value;
}

std::vector<proxy::AddedField> fields_of(const config::Deprecation& from) {
  std::vector<proxy::AddedField> fields;
  if (from.date) fields.push_back({"Deprecation", structured_date(*from.date), true});
  if (from.sunset) fields.push_back({"Sunset", date_text(*from.sunset), true});
  // A list: whatever links there are stay.
  if (std::string links = links_of(from); !links.empty()) {
    fields.push_back({"Link", std::move(links), false});
  }
  return fields;
}

http::PathMapping::Kind mapping_of(config::Match::Path kind) noexcept {
  using To = http::PathMapping::Kind;
  switch (kind) {
    case config::Match::Path::kPrefix:
      return To::kPrefix;
    case config::Match::Path::kExact:
      return To::kExact;
    case config::Match::Path::kTemplate:
      return To::kTemplate;
  }
  return To::kPrefix;
}

Result<proxy::RewritePolicy> make_rewrite(const config::Route& route) {
  const config::Rewrite& from = *route.rewrite;
  if (!http::is_rewritten_path(from.path)) {
    return fail(ErrorCode::kInvalidArgument,
                "route \"" + route.name + "\": it rewrites to a path that is not canonical");
  }
  return proxy::RewritePolicy{
      http::PathMapping(mapping_of(route.match.path_kind), route.match.path, from.path),
      from.upstream,
      from.location,
      from.cookie_path,
      from.cookie_domain};
}

proxy::RespondPolicy make_respond(const config::Route& route,
                                  const std::vector<proxy::AddedField>& added) {
  const config::Respond& from = *route.respond;
  proxy::RespondPolicy policy;
  policy.status = from.status;
  policy.location = from.location;
  policy.prefix_bytes = route.match.path.size();
  if (route.match.path_kind == config::Match::Path::kTemplate) {
    policy.prefix_bytes = std::string::npos;  // It leaves no rest.
  }
  const bool prefix = route.match.path_kind == config::Match::Path::kPrefix;
  if (prefix && route.match.path.ends_with('/')) --policy.prefix_bytes;
  const auto add = [&](const std::string& name, const std::string& value) {
    policy.fields += name + ": " + value + "\r\n";
  };
  for (const config::HeaderField& field : from.headers) add(field.name, field.value);
  for (const proxy::AddedField& field : added) {
    const bool said = std::any_of(
        from.headers.begin(), from.headers.end(), [&](const config::HeaderField& header) {
          return field.once && http::equals_ignore_case(header.name, field.name);
        });
    if (!said) add(field.name, field.value);
  }
  policy.content_type = from.content_type;
  policy.body = from.body;
  return policy;
}

Result<std::shared_ptr<const proxy::RouteRules>> make_rules(const config::Config& config,
                                                            const config::Route& route) {
  const bool watched = watches_paths(config) && names_no_path(route);
  if (!route.rewrite && !route.respond && !route.deprecation && !watched) return nullptr;
  auto rules = std::make_shared<proxy::RouteRules>();
  rules->watched = watched;
  if (route.deprecation) rules->fields = fields_of(*route.deprecation);
  if (route.rewrite) {
    CANARYD_TRY_ASSIGN(rules->rewrite, make_rewrite(route));
  }
  if (route.respond) rules->respond = make_respond(route, rules->fields);
  return rules;
}

}  // namespace

bool watches_paths(const config::Config& config) noexcept {
  return config.migration && config.migration->watch_paths;
}

bool names_no_path(const config::Route& route) noexcept {
  return route.match.path_kind == config::Match::Path::kPrefix && route.match.path == "/";
}

Result<proxy::RouteRulesList> make_route_rules(const config::Config& config) {
  proxy::RouteRulesList all;
  bool any = false;
  for (const config::Route& route : config.routes) {
    CANARYD_TRY_ASSIGN(auto rules, make_rules(config, route));
    any = any || rules != nullptr;
    all.push_back(std::move(rules));
  }
  if (!any) all.clear();
  return all;
}

}  // namespace canaryd::control
