// The configuration as the daemon uses it. Only load() (load.hpp) makes one, so holding a Config
// means that it is valid: names are unique, references are resolved to indices, ranges hold,
// addresses are literals.
//
// Vectors are in the order of the file, and an element's index is its id:
// upstreams[UpstreamId::index()]. Defaults are the initialisers below and nowhere else;
// docs/config.md is printed from them. Shares and tolerances are ratios (0.01 is 1 %), weights are
// BasisPoints, a duration of 0 means "none" where the field says so. Plain values: copy freely,
// share as const between threads.
#pragma once

#include "canaryd/analysis/settings.hpp"
#include "canaryd/base/clock.hpp"
#include "canaryd/base/ip.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/config/admin.hpp"
#include "canaryd/config/hook.hpp"
#include "canaryd/config/parity.hpp"
#include "canaryd/config/query.hpp"
#include "canaryd/config/route_rules.hpp"
#include "canaryd/rollout/plan.hpp"
#include "canaryd/routing/lane.hpp"
#include "canaryd/routing/request_rule.hpp"
#include "canaryd/routing/sticky_key.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::config {

using namespace std::chrono_literals;

// ---------------------------------------------------------------- listeners

struct ListenerLimits {
  std::uint32_t connections = 10000;  // Per listener, all workers together.
  std::uint64_t header_bytes = 64 * 1024;
  std::uint32_t header_count = 256;
  std::uint64_t target_bytes = 16 * 1024;
  std::optional<std::uint64_t> body_bytes;  // nullopt: unlimited.
  friend bool operator==(const ListenerLimits&, const ListenerLimits&) = default;
};

struct ListenerTimeouts {
  Duration header = 10s;  // From the first byte of a request (or accept) to the end of its head.
  Duration body_idle = 30s;
  Duration write_stall = 30s;
  Duration keep_alive = 60s;
  friend bool operator==(const ListenerTimeouts&, const ListenerTimeouts&) = default;
};

struct Listener {
  std::string name;
  SocketAddress address;  // Port 0: the system chooses.
  std::vector<Cidr> trusted_proxies;
  bool expose_cohort = false;
  bool encoded_slashes = false;  // Takes %2F in paths; else it is refused.
  bool feedback = false;         // Takes the votes of users itself.
  ListenerLimits limits;
  ListenerTimeouts timeouts;
  friend bool operator==(const Listener&, const Listener&) = default;
};

// ---------------------------------------------------------------- upstreams

enum class LoadBalancer : std::uint8_t { kRoundRobin, kLeastRequest, kConsistentHash };

struct Endpoint {
  SocketAddress address;
  std::uint16_t weight = 1;  // 1 to 1000.
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

struct UpstreamTimeouts {
  Duration connect = 1s;
  Duration first_byte = 15s;  // From the request's last byte to the response's first; 0: none.
  Duration body_idle = 30s;   // 0: none.
  Duration request = 0s;      // The whole exchange, tries included; 0: none.
  Duration keep_alive = 30s;  // An idle connection is closed after this; 0: never reused.
  Duration per_try = 0s;      // One try, while another may follow it; 0: none.
  Duration tunnel_idle = 1h;  // Without a byte either way; 0: none.
  friend bool operator==(const UpstreamTimeouts&, const UpstreamTimeouts&) = default;
};

struct Retries {
  std::uint8_t attempts = 1;  // Beyond the first try.
  bool on_connect_failure = true;
  bool on_reset_before_headers = true;
  std::uint8_t budget = 20;  // Percent of the requests.
  friend bool operator==(const Retries&, const Retries&) = default;
};

enum class OnRollback : std::uint8_t { kFinish, kClose };

struct Tunnels {
  OnRollback on_rollback = OnRollback::kClose;
  Duration after = 30s;
  friend bool operator==(const Tunnels&, const Tunnels&) = default;
};

struct HealthCheck {
  std::string path = "/healthz";
  Duration interval = 5s;
  Duration timeout = 1s;      // No longer than the interval.
  std::uint16_t healthy = 2;  // Checks in a row.
  std::uint16_t unhealthy = 3;
  friend bool operator==(const HealthCheck&, const HealthCheck&) = default;
};

struct OutlierDetection {
  std::uint16_t consecutive_failures = 5;
  Duration ejection = 30s;
  std::uint8_t max_ejected = 50;  // Percent of the endpoints, at the same time.
  friend bool operator==(const OutlierDetection&, const OutlierDetection&) = default;
};

// Requests in flight to an upstream, over all workers; more wait, and more than that are answered
// 503.
struct Concurrency {
  std::uint32_t max = 1024;
  std::uint32_t queue = 1024;
  Duration queue_timeout = 1s;
  friend bool operator==(const Concurrency&, const Concurrency&) = default;
};

inline constexpr std::size_t kEndpointsMax = 1000;

// Where the endpoints of an upstream come from, if they are not listed: a file, or a name.
struct Discovery {
  std::string file;  // As written: relative to the folder of the configuration. Empty: a name.
  std::string host;
  std::uint16_t port = 0;
  Duration refresh = 30s;  // Of a name.

  [[nodiscard]] bool by_file() const noexcept { return !file.empty(); }
  friend bool operator==(const Discovery&, const Discovery&) = default;
};

struct Upstream {
  std::string name;
  // No duplicates. With `discovery` those that are known so far; else at least one.
  std::vector<Endpoint> endpoints;
  std::optional<Discovery> discovery;
  LoadBalancer load_balancer = LoadBalancer::kLeastRequest;
  UpstreamTimeouts timeouts;
  Retries retries;
  Tunnels tunnels;
  std::optional<HealthCheck> health_check;
  std::optional<OutlierDetection> outlier_detection;
  std::optional<Concurrency> concurrency;  // nullopt: unlimited.
  Duration slow_start = 0s;                // 0: none.
  friend bool operator==(const Upstream&, const Upstream&) = default;
};

// ---------------------------------------------------------------- rollouts

using routing::KeySource;

// Where a request's sticky key comes from: kHeader to kPerRequest.
struct CohortKey {
  KeySource source = KeySource::kClientIp;
  std::string name;  // Of the header, cookie or query parameter; else empty.
  friend bool operator==(const CohortKey&, const CohortKey&) = default;
};

enum class SameSite : std::uint8_t { kLax, kStrict, kNone };
enum class CookieSecure : std::uint8_t { kAuto, kAlways, kNever };  // kAuto: as the connection is.

struct IssueCookie {
  std::string name;
  Duration max_age = std::chrono::hours(24 * 30);
  SameSite same_site = SameSite::kLax;
  CookieSecure secure = CookieSecure::kAuto;
  friend bool operator==(const IssueCookie&, const IssueCookie&) = default;
};

struct Force {
  std::string header;        // Its value: "always" or "never".
  bool trusted_only = true;  // Believed from trusted_proxies only.
  friend bool operator==(const Force&, const Force&) = default;
};

struct CohortRules {
  std::vector<CohortKey> keys{CohortKey{}};  // The first that a request has, wins.
  std::optional<IssueCookie> issue_cookie;
  std::string salt;  // Never empty in a loaded Config: the rollout's name by default.
  std::optional<Force> force;
  std::string follow;  // Name of a rollout, here or elsewhere; empty: none.
  std::vector<routing::Segment> segments;
  friend bool operator==(const CohortRules&, const CohortRules&) = default;
};

// Methods whose requests may be sent twice, one way or another; which of them, the key says.
enum class Method : std::uint8_t { kGet, kHead, kOptions, kPut, kDelete, kPost, kPatch };

// Stable answers what the canary fails, where that is safe.
struct Fallback {
  std::vector<Method> methods{Method::kGet, Method::kHead, Method::kOptions};  // Empty: off.
  std::uint64_t max_body = std::uint64_t{64} * 1024;
  friend bool operator==(const Fallback&, const Fallback&) = default;
};

// A run of failures takes the canary out of use before any verdict; probes bring it back.
struct Circuit {
  std::uint64_t consecutive_failures = 5;  // 0: off.
  Duration open_for = 5s;
  std::uint64_t probes_failed = 3;
  std::uint64_t max_trips = 5;  // 0: any number.
  friend bool operator==(const Circuit&, const Circuit&) = default;
};

// How many canary failures users may see, over the whole rollout.
struct Exposure {
  std::optional<std::uint64_t> max_failed_requests;  // nullopt: no limit. 0: the first one ends it.
  friend bool operator==(const Exposure&, const Exposure&) = default;
};

// When stable is retired after the bake; rollout::RetirePlan says what the times mean.
struct Retire {
  Duration idle_for = rollout::RetirePlan{}.idle_for;
  Duration drain = rollout::RetirePlan{}.drain;
  Duration undo = rollout::RetirePlan{}.undo;
  std::optional<Hook> hook;  // Its `on` is empty.
  friend bool operator==(const Retire&, const Retire&) = default;
};

// Which steps there are between those that are listed: none; as many as a line, or doubling, has.
enum class Pace : std::uint8_t { kEvidence, kLinear, kExponential };

struct Rollout {
  std::string name;
  UpstreamId stable;
  UpstreamId canary;
  CohortRules cohort;
  Fallback fallback;
  Circuit circuit;
  Exposure exposure;
  std::optional<RolloutId> after;  // Of start: after; there are no circles.
  std::vector<Hook> hooks;
  std::optional<Retire> retire;
  std::optional<Parity> parity;  // nullopt: it may begin without.
  Pace pace = Pace::kEvidence;   // plan.steps has its steps.
  // What the state machine follows; passes rollout::problems(). Its name, stable, canary, salt,
  // mode, after, retire and asks_before_step repeat what stands beside it.
  rollout::Plan plan;
  analysis::Settings analysis;
  std::vector<routing::RequestRule> exclude;  // In the file under analysis.
  std::vector<Query> queries;                 // As well.
  // What is known of the traffic before it comes: of both versions together, and of stable.
  std::optional<double> expected_rps;
  std::optional<double> expected_error_rate;  // A fraction.
  friend bool operator==(const Rollout&, const Rollout&) = default;
};

// ---------------------------------------------------------------- routes

struct HeaderMatch {
  std::string name;
  std::optional<std::string> equals;  // nullopt: present is enough.
  friend bool operator==(const HeaderMatch&, const HeaderMatch&) = default;
};

struct Match {
  enum class Path : std::uint8_t { kPrefix, kExact, kTemplate };
  std::string host;  // Lower case, without port; empty: any.
  Path path_kind = Path::kPrefix;
  std::string path = "/";
  std::vector<std::string> methods;  // Empty: any.
  std::vector<HeaderMatch> headers;  // All must hold.
  friend bool operator==(const Match&, const Match&) = default;
};

// What is set replaces the upstream's; 0: none.
struct RouteTimeouts {
  std::optional<Duration> first_byte;
  std::optional<Duration> body_idle;
  std::optional<Duration> request;
  std::optional<Duration> per_try;
  friend bool operator==(const RouteTimeouts&, const RouteTimeouts&) = default;
};

// Another upstream gets copies of a share of the requests, and its answers are thrown away.
struct Mirror {
  UpstreamId to;
  BasisPoints percent{BasisPoints::kMax};  // Of the keys, or of the request ids.
  std::vector<Method> methods{Method::kGet, Method::kHead, Method::kOptions};
  std::uint64_t max_body = std::uint64_t{64} * 1024;
  Duration timeout = 5s;
  friend bool operator==(const Mirror&, const Mirror&) = default;
};

// Goes to a rollout, to several, straight to an upstream, or is answered here; exactly one of the
// four is set.
struct Route {
  std::string name;
  Match match;
  std::optional<RolloutId> rollout;
  std::vector<routing::Lane> split;  // All of the users, together.
  std::optional<UpstreamId> upstream;
  std::optional<Respond> respond;
  RouteTimeouts timeouts;
  std::optional<Mirror> mirror;  // nullopt: none.
  std::optional<Rewrite> rewrite;
  std::optional<Deprecation> deprecation;

  // The one, or those of the split, in its order.
  [[nodiscard]] std::vector<RolloutId> rollouts() const;
  friend bool operator==(const Route&, const Route&) = default;
};

// ---------------------------------------------------------------- the rest

// The names that parse_log_level() knows.
enum class LogLevel : std::uint8_t { kTrace, kDebug, kInfo, kWarn, kError, kOff };
enum class LogFormat : std::uint8_t { kJson, kText };

enum class AccessFormat : std::uint8_t { kJson, kCombined };

struct AccessLog {
  BasisPoints sample{BasisPoints::kMax};   // Share of the keys, or of the request ids.
  std::vector<std::string> exclude_paths;  // Whole paths.
  std::optional<std::string> file;         // nullopt: standard output.
  AccessFormat format = AccessFormat::kJson;
  friend bool operator==(const AccessLog&, const AccessLog&) = default;
};

struct Log {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kJson;
  std::optional<std::string> file;  // nullopt: standard output.
  std::optional<AccessLog> access;  // nullopt: no access log.
  friend bool operator==(const Log&, const Log&) = default;
};

enum class Propagation : std::uint8_t { kW3c };

struct Tracing {
  std::vector<Propagation> propagate{Propagation::kW3c};
  double sample = 1;  // 0..1, of the traces begun here.
  friend bool operator==(const Tracing&, const Tracing&) = default;
};

struct Metrics {
  // Upper bounds in seconds, strictly rising.
  std::vector<double> latency_buckets{
      0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
  friend bool operator==(const Metrics&, const Metrics&) = default;
};

// How long the journal keeps what is over (store/prune.hpp). Neither is set: for good.
struct Retention {
  std::optional<Duration> keep;
  std::optional<std::uint64_t> max_entries;
  [[nodiscard]] bool any() const noexcept { return keep || max_entries; }
  friend bool operator==(const Retention&, const Retention&) = default;
};

struct State {
  std::string dir = "/var/lib/canaryd";
  Retention retention;
  friend bool operator==(const State&, const State&) = default;
};

// What the map of the migration looks at beside the routes.
struct Migration {
  std::vector<UpstreamId> from;  // What is to be left; empty: what rollouts lead away from.
  bool watch_paths = true;       // Finds out what requests that only a catch-all takes ask for.
  friend bool operator==(const Migration&, const Migration&) = default;
};

struct Drain {
  Duration timeout = 30s;
  Duration delay = 5s;
  friend bool operator==(const Drain&, const Drain&) = default;
};

struct Config {
  std::uint32_t workers = 0;  // 0: auto, one per core.
  std::vector<Listener> listeners;
  Admin admin;
  std::vector<Upstream> upstreams;  // Index: UpstreamId.
  std::vector<Rollout> rollouts;    // Index: RolloutId.
  std::vector<Route> routes;        // Index: RouteId.
  Log log;
  Metrics metrics;
  std::optional<Tracing> tracing;      // nullopt: no trace is begun.
  std::optional<Migration> migration;  // nullopt: paths are not watched.
  State state;
  Drain drain;

  [[nodiscard]] const Upstream& upstream(UpstreamId id) const { return upstreams.at(id.index()); }
  [[nodiscard]] const Rollout& rollout(RolloutId id) const { return rollouts.at(id.index()); }
  [[nodiscard]] std::optional<UpstreamId> find_upstream(std::string_view name) const noexcept;
  [[nodiscard]] std::optional<RolloutId> find_rollout(std::string_view name) const noexcept;
  friend bool operator==(const Config&, const Config&) = default;
};

// The words of the file: "round_robin", "step_down".
[[nodiscard]] std::string_view to_string(LoadBalancer value) noexcept;
[[nodiscard]] std::string_view to_string(HookOn value) noexcept;
[[nodiscard]] std::string_view to_string(LogLevel value) noexcept;
[[nodiscard]] std::string_view to_string(LogFormat value) noexcept;

}  // namespace canaryd::config
