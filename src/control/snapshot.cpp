#include "control/snapshot.hpp"

#include "canaryd/net/buffer_pool.hpp"
#include "control/route_rules.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace canaryd::control {
namespace {

routing::Traffic traffic_of(rollout::Admission admission) noexcept {
  switch (admission) {
    case rollout::Admission::kStableOnly:
      return routing::Traffic::kStableOnly;
    case rollout::Admission::kProbeOnly:
      return routing::Traffic::kProbeOnly;
    case rollout::Admission::kForceOnly:
      return routing::Traffic::kForceOnly;
    case rollout::Admission::kSplit:
      return routing::Traffic::kSplit;
    case rollout::Admission::kCanaryOnly:
      return routing::Traffic::kCanaryOnly;
  }
  return routing::Traffic::kStableOnly;
}

http::SameSite same_site_of(config::SameSite value) noexcept {
  switch (value) {
    case config::SameSite::kLax:
      return http::SameSite::kLax;
    case config::SameSite::kStrict:
      return http::SameSite::kStrict;
    case config::SameSite::kNone:
      return http::SameSite::kNone;
  }
  return http::SameSite::kLax;
}

routing::SecureCookie secure_of(config::CookieSecure value) noexcept {
  switch (value) {
    case config::CookieSecure::kAuto:
      return routing::SecureCookie::kAuto;
    case config::CookieSecure::kAlways:
      return routing::SecureCookie::kAlways;
    case config::CookieSecure::kNever:
      return routing::SecureCookie::kNever;
  }
  return routing::SecureCookie::kAuto;
}

upstream::LoadBalancer balancer_of(config::LoadBalancer value) noexcept {
  switch (value) {
    case config::LoadBalancer::kRoundRobin:
      return upstream::LoadBalancer::kRoundRobin;
    case config::LoadBalancer::kLeastRequest:
      return upstream::LoadBalancer::kLeastRequest;
    case config::LoadBalancer::kConsistentHash:
      return upstream::LoadBalancer::kConsistentHash;
  }
  return upstream::LoadBalancer::kLeastRequest;
}

routing::StickySpec make_sticky(const config::CohortRules& rules) {
  routing::StickySpec spec;
  for (const config::CohortKey& key : rules.keys) spec.sources.push_back({key.source, key.name});
  if (rules.issue_cookie) {
    const config::IssueCookie& cookie = *rules.issue_cookie;
    routing::IssueCookie issue;
    issue.name = cookie.name;
    issue.max_age = std::chrono::duration_cast<std::chrono::seconds>(cookie.max_age);
    issue.same_site = same_site_of(cookie.same_site);
    issue.secure = secure_of(cookie.secure);
    spec.issue_cookie = std::move(issue);
  }
  return spec;
}

// Of the segments that the run began with; one that a reload adds waits for the next run.
proxy::WatchRules make_watch(const analysis::Settings& settings,
                             const std::vector<std::string>& segments) {
  proxy::WatchRules rules;
  for (const analysis::Watch& watch : settings.watch) {
    proxy::WatchRule rule{watch.header, {}};
    for (const std::string& value : watch.values) {
      const auto found =
          std::find(segments.begin(), segments.end(), analysis::segment_name(watch.header, value));
      if (found == segments.end()) continue;
      rule.values.push_back({value, static_cast<std::uint8_t>(found - segments.begin())});
    }
    if (!rule.values.empty()) rules.push_back(std::move(rule));
  }
  return rules;
}

std::vector<proxy::WatchRules> make_watches(const config::Config& config,
                                            const std::vector<InForce>& in_force) {
  std::vector<proxy::WatchRules> all;
  for (std::size_t i = 0; i < config.rollouts.size(); ++i) {
    all.push_back(make_watch(config.rollouts[i].analysis, in_force[i].segments));
  }
  const bool any = std::any_of(
      all.begin(), all.end(), [](const proxy::WatchRules& rules) { return !rules.empty(); });
  if (!any) all.clear();
  return all;
}

routing::RolloutSpec make_rollout(const config::Config& config,
                                  const config::Rollout& rollout,
                                  const InForce& in_force) {
  routing::RolloutSpec spec;
  spec.name = rollout.name;
  const auto stable = config.find_upstream(in_force.stable);
  const auto canary = config.find_upstream(in_force.canary);
  const bool known = stable && canary;
  spec.stable = known ? *stable : rollout.stable;
  spec.canary = known ? *canary : rollout.canary;
  spec.traffic = traffic_of(in_force.admission);
  const bool suspended = in_force.admission == rollout::Admission::kProbeOnly;
  spec.weight = suspended ? in_force.waiting : in_force.weight;
  spec.sticky = make_sticky(rollout.cohort);
  spec.salt = rollout.cohort.salt;
  if (rollout.cohort.force) {
    spec.force.header = rollout.cohort.force->header;
    spec.force.trusted_only = rollout.cohort.force->trusted_only;
  }
  spec.follow = rollout.cohort.follow;
  spec.segments = rollout.cohort.segments;
  spec.exclude = rollout.exclude;
  spec.balances_users = std::any_of(
      config.upstreams.begin(), config.upstreams.end(), [](const config::Upstream& each) {
        return each.load_balancer == config::LoadBalancer::kConsistentHash;
      });
  spec.generation = in_force.run;
  spec.epoch = in_force.epoch;
  spec.gate = in_force.gate;
  return spec;
}

http::Method method_of(config::Method method) noexcept {
  switch (method) {
    case config::Method::kGet:
      return http::Method::kGet;
    case config::Method::kHead:
      return http::Method::kHead;
    case config::Method::kOptions:
      return http::Method::kOptions;
    case config::Method::kPut:
      return http::Method::kPut;
    case config::Method::kDelete:
      return http::Method::kDelete;
    case config::Method::kPost:
      return http::Method::kPost;
    case config::Method::kPatch:
      return http::Method::kPatch;
  }
  return http::Method::kGet;
}

proxy::FailurePolicy make_policy(const config::Rollout& rollout, const InForce& in_force) {
  const analysis::Settings& settings = rollout.analysis;
  proxy::FailurePolicy policy;
  for (const config::Method method : rollout.fallback.methods) {
    policy.fallback.add(method_of(method));
  }
  policy.fallback.body_bytes_max = rollout.fallback.max_body;
  policy.protection.circuit_failures =
      static_cast<std::uint32_t>(rollout.circuit.consecutive_failures);
  policy.protection.open_for = rollout.circuit.open_for;
  policy.protection.exposure_max = rollout.exposure.max_failed_requests;
  for (const analysis::StatusRange& range : settings.errors.status) {
    const std::size_t end =
        std::min<std::size_t>(std::size_t{range.last} + 1, policy.status.size());
    for (std::size_t code = range.first; code < end; ++code) policy.status.set(code);
  }
  for (const std::uint8_t code : settings.errors.grpc_status) policy.grpc.set(code);
  // What is given up answers for nobody, and once it is gone nobody is sent back to it.
  if (in_force.admission == rollout::Admission::kCanaryOnly) policy.fallback = {};
  if (in_force.stable_gone) policy.protection = {};
  policy.reset = settings.errors.reset;
  policy.timeout = settings.errors.timeout;
  policy.dedupe_window_seconds =
      std::chrono::duration_cast<std::chrono::seconds>(settings.dedupe_window).count();
  return policy;
}

std::shared_ptr<const telemetry::AccessPolicy> make_access(const config::Log& log) {
  if (!log.access) return nullptr;
  auto policy = std::make_shared<telemetry::AccessPolicy>();
  policy->format = log.access->format == config::AccessFormat::kCombined
                       ? telemetry::AccessFormat::kCombined
                       : telemetry::AccessFormat::kJson;
  policy->sample = log.access->sample;
  policy->exclude_paths = log.access->exclude_paths;
  return policy;
}

routing::PathKind path_kind_of(config::Match::Path kind) noexcept {
  switch (kind) {
    case config::Match::Path::kPrefix:
      return routing::PathKind::kPrefix;
    case config::Match::Path::kExact:
      return routing::PathKind::kExact;
    case config::Match::Path::kTemplate:
      return routing::PathKind::kTemplate;
  }
  return routing::PathKind::kPrefix;
}

routing::RouteSpec make_route(const config::Route& route) {
  routing::RouteSpec spec;
  spec.name = route.name;
  spec.match.host = route.match.host;
  spec.match.path_kind = path_kind_of(route.match.path_kind);
  spec.match.path = route.match.path;
  spec.match.methods = route.match.methods;
  for (const config::HeaderMatch& header : route.match.headers) {
    spec.match.headers.push_back({header.name, header.equals});
  }
  if (!route.split.empty()) {
    spec.target = route.split;
  } else if (route.rollout) {
    spec.target = *route.rollout;
  } else if (route.upstream) {
    spec.target = *route.upstream;
  } else {
    spec.target = routing::AnsweredHere{};
  }
  return spec;
}

// What a route has, each of its lanes has: the table numbers them behind the routes
// (RoutingTable::routes()). An empty list stays empty.
template <class Each>
std::vector<Each> with_lanes(const config::Config& config, std::vector<Each> all) {
  if (all.empty()) return all;
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    for (std::size_t lane = 0; lane < config.routes[i].split.size(); ++lane) {
      Each copy = all[i];
      all.push_back(std::move(copy));
    }
  }
  return all;
}

std::vector<proxy::RouteTimeouts> make_route_timeouts(const config::Config& config) {
  std::vector<proxy::RouteTimeouts> all;
  for (const config::Route& route : config.routes) {
    const config::RouteTimeouts& own = route.timeouts;
    all.push_back({own.first_byte, own.body_idle, own.request, own.per_try});
  }
  const bool any = std::any_of(
      all.begin(), all.end(), [](const proxy::RouteTimeouts& timeouts) { return timeouts.any(); });
  if (!any) all.clear();
  return with_lanes(config, std::move(all));
}

std::vector<proxy::MirrorPolicy> make_mirrors(const config::Config& config) {
  const bool any = std::any_of(config.routes.begin(),
                               config.routes.end(),
                               [](const config::Route& route) { return route.mirror.has_value(); });
  if (!any) return {};
  std::vector<proxy::MirrorPolicy> all(config.routes.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& mirror = config.routes[i].mirror;
    if (!mirror) continue;
    all[i].to = mirror->to;
    all[i].share = routing::MirrorShare(config.routes[i].name, mirror->percent);
    for (const config::Method method : mirror->methods) all[i].add(method_of(method));
    all[i].body_bytes_max = mirror->max_body;
    all[i].timeout = mirror->timeout;
  }
  return with_lanes(config, std::move(all));
}

}  // namespace

upstream::UpstreamSpec make_upstream(const config::Upstream& upstream) {
  upstream::UpstreamSpec spec;
  spec.name = upstream.name;
  for (const config::Endpoint& endpoint : upstream.endpoints) {
    spec.endpoints.emplace_back(endpoint.address, endpoint.weight);
  }
  spec.load_balancer = balancer_of(upstream.load_balancer);
  spec.timeouts = {upstream.timeouts.connect,
                   upstream.timeouts.first_byte,
                   upstream.timeouts.body_idle,
                   upstream.timeouts.request,
                   upstream.timeouts.keep_alive,
                   upstream.timeouts.per_try,
                   upstream.timeouts.tunnel_idle};
  spec.retries = {upstream.retries.attempts,
                  upstream.retries.on_connect_failure,
                  upstream.retries.on_reset_before_headers,
                  upstream.retries.budget};
  spec.tunnels = {upstream.tunnels.on_rollback == config::OnRollback::kClose,
                  upstream.tunnels.after};
  spec.health_check = upstream.health_check.has_value();
  spec.slow_start = upstream.slow_start;
  if (const auto& rule = upstream.outlier_detection) {
    spec.outlier_detection =
        upstream::OutlierDetection{rule->consecutive_failures, rule->ejection, rule->max_ejected};
  }
  if (const auto& limit = upstream.concurrency) {
    spec.concurrency = upstream::Concurrency{limit->max, limit->queue, limit->queue_timeout};
  }
  return spec;
}

std::shared_ptr<const proxy::ListenerSpec> make_listener(const config::Listener& listener) {
  auto spec = std::make_shared<proxy::ListenerSpec>();
  spec->name = listener.name;
  spec->address = listener.address;
  spec->trusted_proxies = listener.trusted_proxies;
  spec->expose_cohort = listener.expose_cohort;
  spec->targets.encoded_slash = listener.encoded_slashes;
  spec->feedback = listener.feedback;
  spec->connections_max = listener.limits.connections;
  CANARYD_ASSERT(listener.limits.header_bytes <= net::BufferPools::kLargeBytes);
  spec->head.head_bytes = static_cast<std::uint32_t>(listener.limits.header_bytes);
  spec->head.field_count = listener.limits.header_count;
  spec->head.target_bytes = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(listener.limits.target_bytes, spec->head.head_bytes));
  spec->body_bytes_max = listener.limits.body_bytes;
  spec->header_timeout = listener.timeouts.header;
  spec->body_idle_timeout = listener.timeouts.body_idle;
  spec->write_stall_timeout = listener.timeouts.write_stall;
  spec->keep_alive_timeout = listener.timeouts.keep_alive;
  return spec;
}

Result<std::shared_ptr<const proxy::Snapshot>> make_snapshot(const config::Config& config,
                                                             const std::vector<InForce>& in_force,
                                                             std::uint64_t epoch) {
  CANARYD_ASSERT(in_force.size() == config.rollouts.size());
  auto snapshot = std::make_shared<proxy::Snapshot>();
  routing::TableSpec spec;
  spec.epoch = epoch;
  for (const config::Upstream& upstream : config.upstreams) {
    spec.upstreams.push_back(upstream.name);
    snapshot->upstreams.push_back(make_upstream(upstream));
  }
  for (std::size_t i = 0; i < config.rollouts.size(); ++i) {
    spec.rollouts.push_back(make_rollout(config, config.rollouts[i], in_force[i]));
    snapshot->failures.push_back(make_policy(config.rollouts[i], in_force[i]));
    const bool split = in_force[i].admission == rollout::Admission::kSplit;
    if (in_force[i].parity.on()) snapshot->parities.resize(config.rollouts.size());
    snapshot->tags.push_back({split ? in_force[i].step + 1 : 0, in_force[i].revision});
  }
  for (std::size_t i = 0; i < snapshot->parities.size(); ++i) {
    snapshot->parities[i] = in_force[i].parity;
  }
  snapshot->access = make_access(config.log);
  snapshot->watches = make_watches(config, in_force);
  if (config.tracing) {
    snapshot->traces =
        BasisPoints(static_cast<unsigned>(std::lround(config.tracing->sample * BasisPoints::kMax)));
  }
  for (const config::Route& route : config.routes) spec.routes.push_back(make_route(route));
  snapshot->route_timeouts = make_route_timeouts(config);
  snapshot->mirrors = make_mirrors(config);
  CANARYD_TRY_ASSIGN(auto rules, make_route_rules(config));
  snapshot->rules = with_lanes(config, std::move(rules));
  CANARYD_TRY_ASSIGN(snapshot->table, routing::RoutingTable::build(std::move(spec)));
  return snapshot;
}

namespace {

std::optional<std::uint32_t> index_of(const std::vector<std::string>& names,
                                      const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<std::uint32_t>(found - names.begin());
}

telemetry::RouteLabel label_of(const config::Route& route,
                               std::optional<RolloutId> rollout,
                               const std::vector<InForce>& in_force) {
  telemetry::RouteLabel label{route.name, rollout, std::nullopt};
  if (rollout) label.own = index_of(in_force[rollout->index()].routes, route.name);
  return label;
}

}  // namespace

telemetry::TableLayout make_layout(const config::Config& config,
                                   const std::vector<InForce>& in_force,
                                   std::uint64_t epoch) {
  telemetry::TableLayout layout;
  layout.epoch = epoch;
  for (std::size_t i = 0; i < config.rollouts.size(); ++i) {
    const config::Rollout& rollout = config.rollouts[i];
    telemetry::RolloutLabel label;
    label.name = rollout.name;
    label.run = in_force[i].run;
    label.epoch = in_force[i].epoch;
    label.step = in_force[i].step;
    label.attempt = in_force[i].attempt;
    label.weight = in_force[i].weight;
    label.stable = in_force[i].stable;
    label.canary = in_force[i].canary + " " + in_force[i].revision;
    label.dedupe_window_seconds =
        std::chrono::duration_cast<std::chrono::seconds>(rollout.analysis.dedupe_window).count();
    label.latency = in_force[i].latency;
    label.routes = in_force[i].routes.size();
    label.segments = in_force[i].segments.size();
    label.known = in_force[i].known;
    layout.rollouts.push_back(std::move(label));
  }
  for (const config::Route& route : config.routes) {
    layout.routes.push_back(label_of(route, route.rollout, in_force));
  }
  for (const config::Route& route : config.routes) {
    for (const routing::Lane& lane : route.split) {
      layout.routes.push_back(label_of(route, lane.rollout, in_force));
    }
  }
  return layout;
}

}  // namespace canaryd::control
