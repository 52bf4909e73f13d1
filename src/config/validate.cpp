// All rules between fields in their order, and those of addresses: listeners and endpoints.
#include "config/validate.hpp"

#include "canaryd/base/units.hpp"
#include "config/codec.hpp"
#include "config/validate_parts.hpp"

#include <set>

namespace canaryd::config {

std::string indexed(std::string_view list, std::size_t index) {
  return std::string(list) + "[" + std::to_string(index) + "]";
}

namespace {

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
  warn_of_what_proxies_say(config, reader);
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
