// What the data plane knows: which request belongs to which route, and how that route's traffic is
// split now.
//
// A table is built whole from a TableSpec, checked, and never changes; a change of weight is a new
// table. Each request keeps the table it began with. The table refers to the gates of its rollouts,
// which outlive it; it names upstreams by index only.
//
// Most specific first, by rule and not by order in the file:
//   1. a route with this host before a route without host;
//   2. an exact path before a template, a template before a prefix; of templates the one with more
//      literal segments, then the one that is literal where they first differ; a longer prefix
//      before a shorter one;
//   3. a route that names methods before one that does not; 4. more header conditions before fewer;
//   5. else the one that comes first in the spec.
// A route that fits the path but not the method or the headers is passed over, and the next best
// one is tried.
//
// Prefixes are compared segment by segment, as in the Gateway API: "/api" and "/api/" both fit
// /api, /api/ and /api/x, not /apix. "/" fits everything, also the "*" of OPTIONS. Paths are
// compared byte by byte in their canonical form (http/uri.hpp).
//
// Templates are those of path_template.hpp.
//
// Thread rule: immutable, any thread. match() does not allocate; its cost is one hash of host and
// path per distinct length of prefix under that host, and per distinct shape of template with as
// many segments (which of them are variables).
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/base/hash.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/http/message.hpp"
#include "canaryd/http/uri.hpp"
#include "canaryd/routing/cohort_gate.hpp"
#include "canaryd/routing/lane.hpp"
#include "canaryd/routing/path_template.hpp"
#include "canaryd/routing/request_rule.hpp"
#include "canaryd/routing/sticky_key.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace canaryd::routing {

inline constexpr std::size_t kRoutesMax = 10000;
inline constexpr std::size_t kRolloutsMax = 1000;

enum class PathKind : std::uint8_t { kPrefix, kExact, kTemplate };

struct HeaderCondition {
  std::string name;
  std::optional<std::string>
      equals;  // Not set: the field must be present. One field line must be equal, whole.
  friend bool operator==(const HeaderCondition&, const HeaderCondition&) = default;
};

struct MatchSpec {
  std::string host{};  // Canonical: lower case, no port. Empty: any.
  PathKind path_kind = PathKind::kPrefix;
  std::string path = "/";
  std::vector<std::string> methods{};      // Empty: any. Case counts (RFC 9110, 9.1).
  std::vector<HeaderCondition> headers{};  // All of them.
};

struct AnsweredHere {};

struct RouteSpec {
  std::string name;
  MatchSpec match;
  // Plain proxying, a rollout, no upstream at all, or one of several rollouts.
  std::variant<UpstreamId, RolloutId, AnsweredHere, std::vector<Lane>> target;
};

enum class Traffic : std::uint8_t {
  kSplit,       // By weight; force and follow are honoured while the effective weight is above 0.
  kForceOnly,   // Idle: stable, but force is honoured. Weight and gate are not looked at.
  kStableOnly,  // Rolled back, aborted, weight set to 0: everybody, forced or not.
  kProbeOnly,   // Suspended: as kStableOnly, but of those whom the weight would send to the canary
                // single ones may, as probes, when the gate says so.
  kCanaryOnly,  // Stable is given up: as kSplit, but nobody is kept from the canary by force.
};

struct ForceSpec {
  std::string header{};  // Empty: none.
  std::string cookie{};  // Empty: none. The header is looked at first.
  bool trusted_only = true;
};

struct RolloutSpec {
  std::string name;
  UpstreamId stable;
  UpstreamId canary;
  Traffic traffic = Traffic::kStableOnly;
  BasisPoints weight;
  StickySpec sticky;
  std::string salt;  // Equal salt, equal users. Empty: the name.
  ForceSpec force;
  std::vector<RequestRule> exclude;  // Requests that are no evidence; at most kRequestRulesMax.
  std::vector<Segment> segments;     // At most kRequestRulesMax.
  std::string follow;  // Name of the rollout further up whose cohorts are followed. Empty: none.
  // Some upstream spreads requests by user: Pick::user_hash is wanted.
  bool balances_users = false;
  std::uint64_t generation = 0;      // Of the rollout: what lower() on the gate is called with.
  std::uint64_t epoch = 0;           // Weight epoch of the evidence.
  std::shared_ptr<CohortGate> gate;  // Required; shared with control and with other tables.
};

struct TableSpec {
  std::uint64_t epoch = 0;
  std::vector<std::string> upstreams;  // UpstreamId is an index into this, RolloutId into rollouts.
  std::vector<RolloutSpec> rollouts;
  std::vector<RouteSpec> routes;
};

// What a rollout is inside a table: its spec, and what follows from it.
struct Rollout : RolloutSpec {
  RolloutId id;
  HashKey hash_key;  // From the salt.
};

// A route, or one lane of a split route: what is kept for each RouteId, counters for example, is
// kept for each lane.
struct RouteMatch {
  struct LaneEnd {
    std::uint32_t end = 0;  // Buckets below it, which no lane before has.
    const RouteMatch* route = nullptr;
  };

  RouteId id;
  std::string_view name;
  const Rollout* rollout = nullptr;  // Null: everything goes to `upstream`, or there are lanes.
  UpstreamId upstream;               // Stable's, if there is a rollout. Means nothing, if the
                                     // route is answered here.
  std::vector<LaneEnd> lanes{};      // Of a split; their rollouts have the same stable, and find
                                     // keys the same way.
  HashKey lane_key{};                // What the key of a split is hashed with.

  [[nodiscard]] bool is_split() const noexcept { return !lanes.empty(); }
};

class RouteIndex;

class RoutingTable {
 public:
  // Checks: every reference exists, names are unique and not empty, stable is not canary, hosts and
  // paths are canonical, no two routes fit the same requests with the same rank, sticky and force
  // specs and rules are sound, lanes are all of the users and agree on stable and keys, gates are
  // there.
  [[nodiscard]] static Result<std::shared_ptr<const RoutingTable>> build(TableSpec spec);

  RoutingTable(const RoutingTable&) = delete;
  RoutingTable& operator=(const RoutingTable&) = delete;
  ~RoutingTable();

  // Null if no route fits. `target` is the canonical form of the head's target; the pointer lives
  // as long as the table.
  [[nodiscard]] const RouteMatch* match(const http::RequestHead& head,
                                        const http::Target& target) const noexcept;

  [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
  // Those of the spec, in its order, and behind them the lanes, route by route.
  [[nodiscard]] const std::vector<RouteMatch>& routes() const noexcept { return matches_; }
  [[nodiscard]] const std::vector<Rollout>& rollouts() const noexcept { return rollouts_; }
  [[nodiscard]] const std::vector<std::string>& upstreams() const noexcept { return upstreams_; }
  // Names of the header fields that conditions, sticky keys, forcing, exclusions and segments look
  // at, in any case.
  [[nodiscard]] const std::vector<std::string>& fields_read() const noexcept {
    return fields_read_;
  }
  // One of them is what a proxy says (client_address.hpp): to be taken out before match() where
  // the peer is not believed.
  [[nodiscard]] bool reads_what_proxies_say() const noexcept { return reads_what_proxies_say_; }

 private:
  explicit RoutingTable(TableSpec spec);
  RouteMatch& add_match(std::string_view name);
  void lead(RouteMatch& match, RolloutId rollout) const;
  void add_lanes(RouteMatch& route, const std::vector<Lane>& lanes);

  std::uint64_t epoch_ = 0;
  std::vector<std::string> upstreams_;
  std::vector<std::string> fields_read_;
  bool reads_what_proxies_say_ = false;
  std::vector<Rollout> rollouts_;
  std::vector<RouteSpec> routes_;
  std::vector<RouteMatch> matches_;
  std::unique_ptr<RouteIndex> index_;
};

}  // namespace canaryd::routing
