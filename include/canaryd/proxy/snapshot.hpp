// What control hands to the data plane: one immutable picture of listeners, upstreams and routes,
// and for each worker the counters to write into.
//
// Thread rule: a Snapshot is shared by all workers and never changes. A WorkerSnapshot is for one
// worker.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/ip.hpp"
#include "canaryd/http/grpc.hpp"
#include "canaryd/http/h1_parser.hpp"
#include "canaryd/http/message.hpp"
#include "canaryd/http/uri.hpp"
#include "canaryd/net/address.hpp"
#include "canaryd/proxy/counters.hpp"
#include "canaryd/proxy/parity_policy.hpp"
#include "canaryd/proxy/route_rules.hpp"
#include "canaryd/proxy/watch.hpp"
#include "canaryd/routing/mirror_share.hpp"
#include "canaryd/routing/routing_table.hpp"
#include "canaryd/stats/counter_set.hpp"
#include "canaryd/stats/path_sketch.hpp"
#include "canaryd/stats/stable_use.hpp"
#include "canaryd/telemetry/access_log.hpp"
#include "canaryd/upstream/share.hpp"
#include "canaryd/upstream/spec.hpp"

#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::proxy {

// Where users vote.
inline constexpr std::string_view kFeedbackPath = "/.canaryd/feedback";

struct ListenerSpec {
  std::string name;
  net::Address address;
  std::vector<Cidr> trusted_proxies;
  bool expose_cohort = false;
  http::UriRules targets;
  bool feedback = false;                  // Takes votes: POST kFeedbackPath.
  std::uint32_t connections_max = 10000;  // All workers together.
  http::HeadLimits head;                  // Head bytes at most BufferPools::kLargeBytes.
  std::optional<std::uint64_t> body_bytes_max;
  Duration header_timeout = std::chrono::seconds(10);
  Duration body_idle_timeout = std::chrono::seconds(30);
  Duration write_stall_timeout = std::chrono::seconds(30);
  Duration keep_alive_timeout = std::chrono::seconds(60);
};

struct MethodSet {
  std::uint16_t methods = 0;  // A bit for each http::Method.

  [[nodiscard]] bool has(http::Method method) const noexcept {
    return (methods >> static_cast<unsigned>(method) & 1U) != 0;
  }
  void add(http::Method method) noexcept {
    methods = static_cast<std::uint16_t>(methods | 1U << static_cast<unsigned>(method));
  }
};

// Which requests stable answers when the canary fails them: those of the methods; none: no
// fallback.
struct FallbackPolicy : MethodSet {
  std::uint64_t body_bytes_max = 64 * 1024;
};

// Which requests of a route get a copy for its mirror: those of the methods; none: no mirror.
struct MirrorPolicy : MethodSet {
  UpstreamId to;
  routing::MirrorShare share;
  std::uint64_t body_bytes_max = 64 * 1024;  // As it is forwarded, with the framing of chunks.
  Duration timeout = std::chrono::seconds(5);
};

// What the data plane does by itself when the canary fails (routing/cohort_gate.hpp).
struct Protection {
  std::uint32_t circuit_failures = 0;  // In a row; 0: the circuit never opens.
  Duration open_for = std::chrono::seconds(5);
  std::optional<std::uint64_t> exposure_max;
};

// What of a rollout's traffic counts as a failure of the version that served it.
struct FailurePolicy {
  std::bitset<600> status;  // Index: status code.
  http::GrpcStatusSet grpc;
  bool reset = true;
  bool timeout = true;
  std::int64_t dedupe_window_seconds = 10;
  FallbackPolicy fallback;
  Protection protection;

  [[nodiscard]] bool is_failure(std::uint16_t code) const noexcept {
    return code < status.size() && status.test(code);
  }
};

// What a route puts in place of its upstream's timeouts; what is not set stays the upstream's.
struct RouteTimeouts {
  std::optional<Duration> first_byte;
  std::optional<Duration> body_idle;
  std::optional<Duration> request;
  std::optional<Duration> per_try;

  [[nodiscard]] bool any() const noexcept { return first_byte || body_idle || request || per_try; }
  [[nodiscard]] upstream::Timeouts over(upstream::Timeouts base) const noexcept {
    base.first_byte = first_byte.value_or(base.first_byte);
    base.body_idle = body_idle.value_or(base.body_idle);
    base.request = request.value_or(base.request);
    base.per_try = per_try.value_or(base.per_try);
    return base;
  }
};

// What the access log says of a rollout beside what its pick says.
struct RolloutTag {
  std::uint32_t step = 0;  // From 1; 0: no step runs.
  std::string revision;
};

struct Snapshot {
  std::shared_ptr<const routing::RoutingTable> table;
  std::vector<upstream::UpstreamSpec> upstreams;  // Index: UpstreamId.
  std::vector<FailurePolicy> failures;            // Index: RolloutId.
  std::vector<WatchRules> watches;                // The same; empty when no rollout has any.
  std::vector<RouteTimeouts> route_timeouts;      // Index: RouteId; empty when no route has any.
  std::vector<MirrorPolicy> mirrors;              // Index: RouteId; empty when no route has one.
  std::vector<ParityPolicy> parities;             // Index: RolloutId; empty when none is on.
  RouteRulesList rules;                           // Index: RouteId; empty when no route has any.
  std::vector<RolloutTag> tags;                   // Index: RolloutId; may be shorter.
  // Where a request brings no trace, one is begun, and this share of those is marked as sampled.
  std::optional<BasisPoints> traces;
  std::shared_ptr<const telemetry::AccessPolicy> access;  // Null: no access log.
};

struct WorkerSnapshot {
  std::shared_ptr<const Snapshot> shared;
  std::shared_ptr<stats::CounterSet> counters;
  std::shared_ptr<stats::PathSketch> paths;  // Of requests that no route names; null: not counted.
  std::vector<upstream::UpstreamShare> upstreams;  // Index: UpstreamId.
  // Index: RolloutId; null where nobody watches. Empty when nobody watches any.
  std::vector<std::shared_ptr<stats::StableUse>> stable_uses;
  std::shared_ptr<stats::ParityQueue> parity;  // Null when no rollout's reads are compared.
};

}  // namespace canaryd::proxy
