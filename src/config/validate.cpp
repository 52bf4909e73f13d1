#include "config/validate.hpp"

#include "canaryd/base/units.hpp"
#include "canaryd/routing/path_template.hpp"
#include "config/codec.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace canaryd::config {

std::string indexed(std::string_view list, std::size_t index) {
  return std::string(list) + "[" + std::to_string(index) + "]";
}

namespace {

// Reports the second and further elements that have the same key as an earlier one.
template <class Items, class KeyOf, class Message>
void check_unique(const Items& items, KeyOf key_of, Message message) {
  std::map<decltype(key_of(items.front())), std::size_t> seen;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto [first, fresh] = seen.emplace(key_of(items[i]), i);
    if (!fresh) message(i, first->second);
  }
}

// Do two sockets on these addresses exclude each other?
bool overlap(const SocketAddress& a, const SocketAddress& b) {
  if (a.port == 0 || a.port != b.port) return false;
  if (a.ip == b.ip) return true;
  // A wildcard takes the port on all addresses of its family.
  return a.ip.is_v6() == b.ip.is_v6() && (a.ip.is_unspecified() || b.ip.is_unspecified());
}

// ---------------------------------------------------------------- listeners, admin

void check_listeners(const Config& config, Reader& in) {
  const auto& listeners = config.listeners;
  check_unique(
      listeners,
      [](const Listener& l) { return l.name; },
      [&](std::size_t i, std::size_t first) {
        const std::string path = indexed("listeners", i) + ".name";
        if (in.is_bad(path) || in.is_bad(indexed("listeners", first) + ".name")) return;
        in.error_at_value(path,
                          path + ": the name " + quoted(listeners[i].name) + " is taken by " +
                              indexed("listeners", first));
      });
  for (std::size_t i = 0; i < listeners.size(); ++i) {
    const std::string path = indexed("listeners", i) + ".address";
    if (in.is_bad(path)) continue;
    const std::string taken = path + ": " + to_string(listeners[i].address) + " is taken by ";
    for (std::size_t j = 0; j < i; ++j) {
      if (!overlap(listeners[i].address, listeners[j].address)) continue;
      in.error_at_value(path, taken + "listener " + quoted(listeners[j].name));
    }
    if (!in.is_bad("admin") && !config.admin.is_socket() &&
        overlap(listeners[i].address, config.admin.address)) {
      in.error_at_value(path, taken + "admin.address");
    }
  }
}

// ---------------------------------------------------------------- upstreams

// Does a connection to `address` reach `own`?
bool reaches(const SocketAddress& address, const SocketAddress& own) {
  if (own.port == 0 || own.port != address.port) return false;
  return own.ip == address.ip || (own.ip.is_unspecified() && address.ip.is_loopback());
}

// The listener that a connection to `address` would reach, or null.
const Listener* own_listener(const std::vector<Listener>& listeners, const SocketAddress& address) {
  for (const Listener& listener : listeners) {
    if (reaches(address, listener.address)) return &listener;
  }
  return nullptr;
}

void check_upstreams(const Config& config, Reader& in) {
  for (const Upstream& upstream : config.upstreams) {
    if (!is_name(upstream.name)) continue;
    const std::string list = "upstreams." + upstream.name + ".endpoints";
    check_endpoints(upstream.endpoints, list, {config.listeners, config.admin}, in);
  }
}

// ---------------------------------------------------------------- rollouts

std::string key_text(const CohortKey& key) {
  switch (key.source) {
    case KeySource::kCookie:
      return "cookie " + key.name;
    case KeySource::kPerRequest:
      return "per_request";
    default:
      return "client_ip";
  }
}

void check_cohort(const CohortRules& cohort, const std::string& path, Reader& in) {
  if (in.is_bad(path)) return;
  const auto& issue = cohort.issue_cookie;
  bool issued_key = false;
  for (std::size_t i = 0; i < cohort.keys.size(); ++i) {
    const CohortKey& key = cohort.keys[i];
    const std::string key_path = indexed(path + ".keys", i);
    for (std::size_t j = 0; j < i; ++j) {
      if (cohort.keys[j] == key)
        in.error_at(key_path, key_path + ": the same key is listed already");
    }
    const bool issued = issue && key.source == KeySource::kCookie && key.name == issue->name;
    issued_key = issued_key || issued;
    const bool always =
        issued || key.source == KeySource::kClientIp || key.source == KeySource::kPerRequest;
    if (!always || i + 1 == cohort.keys.size()) continue;
    const std::string next = indexed(path + ".keys", i + 1);
    in.error_at(next,
                next + ": this key can never be reached: every request has the one before it, " +
                    key_text(key) + (issued ? ", because the cookie is issued" : ""));
    break;
  }
  if (!issue) return;
  const std::string cookie_path = path + ".issue_cookie";
  if (!issued_key) {
    in.error_at_value(cookie_path + ".name",
                      cookie_path + ": no key reads the cookie " + quoted(issue->name),
                      "add {cookie: " + issue->name + "} at the end of keys");
  }
  if (issue->same_site == SameSite::kNone && issue->secure == CookieSecure::kNever) {
    in.error_at(cookie_path + ".secure",
                cookie_path + ": browsers drop a cookie with same_site: none that is not secure",
                "use secure: always");
  }
}

// Behind the last step comes the bake, at full weight. With a gate somebody lets them go.
void warn_of_leap(const rollout::Plan& plan, const std::string& path, Reader& in) {
  const rollout::Step& last = plan.steps.back();
  const BasisPoints full = rollout::full_weight(plan);
  if (last.weight >= full || !last.gate.empty()) return;
  const std::string step = indexed(path + ".steps", plan.steps.size() - 1);
  const bool everybody = full.value() == BasisPoints::kMax;
  in.warn_at(step,
             step + ": the last step is " + format_percent(last.weight) + " %: when it is passed " +
                 (everybody ? "everybody goes to the canary at once"
                            : "the canary gets " + format_percent(full) +
                                  " % at once, all but bake.holdback"),
             "add steps up to {weight: " + format_percent(full) + "}, or a gate to this one");
}

void check_steps(const Rollout& rollout, const std::string& path, Reader& in) {
  const auto& steps = rollout.plan.steps;
  if (in.is_bad(path + ".steps")) return;
  const std::size_t errors_before = in.rule_errors();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const std::string step = indexed(path + ".steps", i);
    if (i > 0 && steps[i].weight <= steps[i - 1].weight) {
      in.error_at_value(step + ".weight",
                        step + ".weight: weights rise from step to step, but " +
                            format_percent(steps[i].weight) + " follows " +
                            format_percent(steps[i - 1].weight));
    }
    if (steps[i].max_duration < steps[i].min_duration) {
      in.error_at_value(step + ".max_duration",
                        step + ": max_duration (" + format_duration(steps[i].max_duration) +
                            ") is less than min_duration (" +
                            format_duration(steps[i].min_duration) + ")");
    }
  }
  // Latency has been counted for nobody when the first step is out of time, and so it is held.
  const bool waits_for_latency =
      std::any_of(rollout.analysis.latency_quantiles.begin(),
                  rollout.analysis.latency_quantiles.end(),
                  [](auto quantile) { return quantile != stats::LatencyQuantile::kP999; });
  const Duration warm_up = rollout.analysis.warm_up;
  if (waits_for_latency && !in.is_bad(path + ".analysis") && warm_up >= steps[0].max_duration) {
    in.warn_at(indexed(path + ".steps", 0),
               indexed(path + ".steps", 0) + ": max_duration (" +
                   format_duration(steps[0].max_duration) + ") is over before analysis.warm_up (" +
                   format_duration(warm_up) + "): the step is held before latency is judged",
               "a longer max_duration, or a shorter analysis.warm_up");
  }
  if (in.rule_errors() == errors_before) warn_of_leap(rollout.plan, path, in);
}

// By its path: then both versions may be on one server.
bool tells_versions_apart(const Config& config, const Rollout& rollout) {
  return std::any_of(config.routes.begin(), config.routes.end(), [&](const Route& route) {
    const auto only = route.rewrite ? route.rewrite->upstream : std::nullopt;
    return only && (*only == rollout.stable || *only == rollout.canary);
  });
}

// A slip of copying: whichever version is chosen, the same server answers.
void warn_of_shared_endpoint(const Config& config,
                             const Rollout& rollout,
                             const std::string& path,
                             Reader& in) {
  const Upstream& stable = config.upstreams[rollout.stable.index()];
  const Upstream& canary = config.upstreams[rollout.canary.index()];
  const auto shared = std::find_first_of(
      stable.endpoints.begin(),
      stable.endpoints.end(),
      canary.endpoints.begin(),
      canary.endpoints.end(),
      [](const Endpoint& one, const Endpoint& other) { return one.address == other.address; });
  if (shared == stable.endpoints.end() || tells_versions_apart(config, rollout)) return;
  in.warn_at(path,
             path + ": " + stable.name + " and " + canary.name + " have the same endpoint, " +
                 to_string(shared->address) + ": what it answers says nothing of either version");
}

void check_rollout(const Config& config, const Rollout& rollout, Reader& in) {
  const std::string path = "rollouts." + rollout.name;
  const std::size_t errors_before = in.rule_errors();
  const bool versions_good = !in.is_bad(path + ".stable") && !in.is_bad(path + ".canary");
  if (versions_good && rollout.stable == rollout.canary) {
    in.error_at_value(path + ".canary",
                      path + ": stable and canary are the same upstream, " +
                          quoted(config.upstreams[rollout.stable.index()].name));
  } else if (versions_good && !in.is_bad("upstreams")) {
    warn_of_shared_endpoint(config, rollout, path, in);
  }
  check_cohort(rollout.cohort, path + ".cohort", in);
  check_segments(config, rollout, path + ".cohort.segments", in);
  check_steps(rollout, path, in);
  // The machine's own rules, in case it knows one that is not above.
  if (in.is_bad(path) || in.rule_errors() > errors_before) return;
  for (const auto& problem : rollout::problems(rollout.plan)) {
    in.error_at_value(path + "." + problem.path,
                      path + "." + problem.path + ": " + problem.message);
  }
}

// ---------------------------------------------------------------- routes

std::vector<std::string> sorted_methods(const Match& match) {
  std::vector<std::string> methods = match.methods;
  std::sort(methods.begin(), methods.end());
  return methods;
}

// "/api/" and "/api" fit the same requests, and so do "/{a}" and "/{b}".
std::string bare_path(const Match& match) {
  if (match.path_kind == Match::Path::kTemplate) return routing::without_names(match.path);
  if (match.path_kind == Match::Path::kExact || match.path.size() == 1 ||
      match.path.back() != '/') {
    return match.path;
  }
  return match.path.substr(0, match.path.size() - 1);
}

std::vector<std::pair<std::string, std::optional<std::string>>> sorted_headers(const Match& match) {
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  for (const HeaderMatch& header : match.headers) {
    std::string name = header.name;
    std::transform(name.begin(), name.end(), name.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    headers.emplace_back(std::move(name), header.equals);
  }
  std::sort(headers.begin(), headers.end());
  return headers;
}

// What a route asks for beside host and path, and its place in the order of
// routing/routing_table.hpp: methods before none, more headers first, then the order of the file.
struct Criteria {
  std::size_t index = 0;
  std::vector<std::string> methods;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;

  [[nodiscard]] auto rank() const {
    return std::tuple(methods.empty(), -static_cast<std::ptrdiff_t>(headers.size()), index);
  }
};

// Does every request that fits `inner` also fit `outer`, which is looked at first?
bool shadows(const Criteria& outer, const Criteria& inner) {
  const bool methods =
      outer.methods.empty() ||
      (!inner.methods.empty() &&
       std::includes(
           outer.methods.begin(), outer.methods.end(), inner.methods.begin(), inner.methods.end()));
  return methods && outer.rank() < inner.rank() &&
         std::includes(inner.headers.begin(),
                       inner.headers.end(),
                       outer.headers.begin(),
                       outer.headers.end());
}

void check_reachable(const Config& config, Reader& in) {
  // Only routes with the same host and path can hide each other, so compare within such groups.
  std::map<std::tuple<std::string, Match::Path, std::string>, std::vector<Criteria>> groups;
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    const Match& match = config.routes[i].match;
    if (in.is_bad(indexed("routes", i) + ".match")) continue;
    groups[{match.host, match.path_kind, bare_path(match)}].push_back(
        {i, sorted_methods(match), sorted_headers(match)});
  }
  constexpr std::size_t kMaxCompared = 100;  // Comparing is quadratic; larger groups are not real.
  for (auto& [key, group] : groups) {
    if (group.size() > kMaxCompared) group.resize(kMaxCompared);
    for (const Criteria& inner : group) {
      const auto outer = std::find_if(
          group.begin(), group.end(), [&](const Criteria& other) { return shadows(other, inner); });
      if (outer == group.end()) continue;
      const std::string path = indexed("routes", inner.index);
      in.error_at(path,
                  path + ": the route " + quoted(config.routes[inner.index].name) +
                      " can never be reached: " + quoted(config.routes[outer->index].name) +
                      " takes all of its requests");
    }
  }
}

// Taken as they stand, so that no client asks for such a path.
void warn_of_patterns(const Config& config, Reader& in) {
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    const Match& match = config.routes[i].match;
    const std::string path = indexed("routes", i) + ".match.path_prefix";
    const std::size_t at = match.path.find_first_of("*{}");
    if (match.path_kind != Match::Path::kPrefix || at == std::string::npos || in.is_bad(path)) {
      continue;
    }
    in.warn_at(path,
               path + ": " + quoted(match.path.substr(at, 1)) + " stands for itself in a prefix",
               "path_template has variables: \"/orders/{id}\"; a prefix needs none at its end");
  }
}

void check_routes(const Config& config, Reader& in) {
  check_unique(
      config.routes,
      [](const Route& r) { return r.name; },
      [&](std::size_t i, std::size_t first) {
        const std::string path = indexed("routes", i) + ".name";
        if (in.is_bad(path) || config.routes[i].name.empty()) return;
        in.error_at_value(path,
                          path + ": the name " + quoted(config.routes[i].name) + " is taken by " +
                              indexed("routes", first));
      });
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    const Route& route = config.routes[i];
    const std::string path = indexed("routes", i);
    if (in.is_bad(path)) continue;
    const int given = int{route.rollout.has_value()} + int{route.upstream.has_value()} +
                      int{!route.split.empty()};
    if (given > 1) {
      in.error_at(path, path + ": rollout, split and upstream exclude each other");
    } else if (given == 0 && !route.respond) {
      in.error_at(path, path + ": the route goes nowhere", "add rollout: NAME or upstream: NAME");
    }
  }
  warn_of_patterns(config, in);
  check_reachable(config, in);
}

// ---------------------------------------------------------------- the rest

void check_metrics(const Config& config, Reader& in) {
  const auto& bounds = config.metrics.latency_buckets;
  if (in.is_bad("metrics")) return;
  for (std::size_t i = 1; i < bounds.size(); ++i) {
    if (bounds[i] > bounds[i - 1]) continue;
    const std::string path = indexed("metrics.latency_buckets", i);
    in.error_at_value(path, path + ": bounds must rise");
    return;
  }
}

void warn_unused(const Config& config, Reader& in) {
  std::set<std::size_t> upstreams;
  std::set<std::size_t> rollouts;
  for (const Route& route : config.routes) {
    if (route.upstream) upstreams.insert(route.upstream->index());
    if (route.mirror) upstreams.insert(route.mirror->to.index());
    for (const RolloutId rollout : route.rollouts()) rollouts.insert(rollout.index());
  }
  for (std::size_t i = 0; i < config.rollouts.size(); ++i) {
    const Rollout& rollout = config.rollouts[i];
    upstreams.insert({rollout.stable.index(), rollout.canary.index()});
    if (rollouts.contains(i)) continue;
    in.warn_at("rollouts." + rollout.name, "rollouts." + rollout.name + ": no route uses it");
  }
  for (std::size_t i = 0; i < config.upstreams.size(); ++i) {
    const std::string path = "upstreams." + config.upstreams[i].name;
    if (!upstreams.contains(i)) in.warn_at(path, path + ": nothing uses it");
  }
}

}  // namespace

void check_endpoints(const std::vector<Endpoint>& endpoints,
                     const std::string& list,
                     const OwnAddresses& own,
                     Reader& in) {
  if (in.is_bad(list)) return;
  check_unique(
      endpoints,
      [](const Endpoint& e) { return e.address; },
      [&](std::size_t i, std::size_t first) {
        const std::string path = indexed(list, i);
        in.error_at_value(path,
                          path + ": " + to_string(endpoints[i].address) +
                              " is listed already, as endpoint " + std::to_string(first));
      });
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    const SocketAddress& address = endpoints[i].address;
    const std::string path = indexed(list, i);
    if (address.port == 0 || address.ip.is_unspecified()) {
      in.error_at_value(path,
                        path + ": " + to_string(address) + " is not an address to connect to");
    }
    if (const Listener* listener = own_listener(own.listeners, address)) {
      in.error_at_value(path,
                        path + ": " + to_string(address) + " is the listener " +
                            quoted(listener->name) + ": requests would go round in circles");
    }
    if (!own.admin.is_socket() && reaches(address, own.admin.address)) {
      in.error_at_value(path,
                        path + ": " + to_string(address) +
                            " is admin.address: clients would operate this daemon");
    }
  }
}

void validate(const Config& config, const std::vector<LearnedTraffic>& learned, Reader& reader) {
  // Where there are more than are taken, none was read, and all that refers to one would be wrong.
  const Names& names = reader.names();
  if (config.upstreams.size() < names.upstreams.size()) return;
  if (config.rollouts.size() < names.rollouts.size()) return;
  check_listeners(config, reader);
  check_admin(config, reader);
  check_upstreams(config, reader);
  for (const Rollout& rollout : config.rollouts) {
    // A bad name has been reported; it may not have been read any further, and is no good in a
    // path.
    if (is_name(rollout.name)) check_rollout(config, rollout, reader);
  }
  check_rollouts_together(config, reader);
  check_routes(config, reader);
  check_splits(config, reader);
  check_timeouts(config, reader);
  check_health(config, reader);
  check_mirrors(config, reader);
  check_parity(config, reader);
  check_route_rules(config, reader);
  check_queries(config, reader);
  check_metrics(config, reader);
  // References that could not be read would make this guess.
  const bool all_read =
      !reader.is_bad("routes") && !reader.is_bad("rollouts") && !reader.is_bad("upstreams");
  if (all_read) warn_unused(config, reader);
  if (!all_read || reader.rule_errors() > 0) return;
  // Advice for a file that loads.
  if (reader.all_good()) check_limits(config, reader);
  check_feasibility(config, learned, reader);
}

}  // namespace canaryd::config
