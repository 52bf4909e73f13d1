// Which rollout, where a route has several, and stable or canary: the decision for one request.
//
// A key falls into one of 10,000 buckets: bucket = (SipHash(key; salt) * 10000) >> 64. The canary
// takes the buckets below the weight, so a growing weight only adds users and never sends one back;
// the bucket depends on nothing but key and salt, so every worker, host, version and restart
// agrees. Never change the formula: it would move every user (tests/unit/routing/golden_buckets.inc
// holds it still).
//
// In order:
//   1. Safety. Traffic::kStableOnly or kProbeOnly, or an effective weight of 0 while splitting:
//   everybody to stable, forced or not.
//   2. Force. "always" or "never" in the force header or cookie, if the peer may use it. Left out
//   of the analysis. Under Traffic::kCanaryOnly "never" leads to the canary as well.
//   3. Follow. The cohort that a canaryd further up has told the service before this one, if the
//   peer is trusted and the rollout is the one to follow: who was canary there is canary here. Who
//   was stable there stays stable until everybody is canary. Left out of the analysis.
//   4. Segments, only while splitting: the first that counts at the effective weight and fits
//   (request_rule.hpp). Left out of the analysis. Its failures are the gate's business, as those
//   of who follows are: these are users, and not tests.
//   5. Weight. bucket < min(weight, gate's ceiling). A request without a key has the last bucket:
//   it moves only at
//      100 %, and is left out of the analysis, because nobody drew its cohort by lot.
//
// A split (RouteMatch::lanes) gives each of its rollouts a lane of the users for good: whose key,
// hashed with a key that is the same for all splits and no rollout's, falls into the lane's
// buckets. So a user has the same lane on every route and host, whatever the rollouts in it are
// called, and their weights move nobody from one to another. A request that follows a rollout of a
// lane is of that lane; one without a key has the last bucket.
//
// Pure but for the gate's atomic load; no allocation; any thread with its own Random.
#pragma once

#include "canaryd/base/hash.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/routing/key_memo.hpp"
#include "canaryd/routing/request_rule.hpp"
#include "canaryd/routing/sticky_key.hpp"

#include <cstdint>
#include <string_view>

namespace canaryd::routing {

struct Rollout;
struct RouteMatch;

inline constexpr std::uint16_t kBuckets = BasisPoints::kMax;

// Which of the rules above decided.
enum class PickRule : std::uint8_t {
  kWeight,
  kNoKey,  // By weight too, but nobody drew the cohort by lot.
  kForce,
  kFollow,
  kSegment,
  kSafety,    // Weight 0 while splitting, or stable only; forced or not.
  kIdle,      // Stable: the rollout has not begun.
  kExcluded,  // By weight, key or not, follow or segment; but an exclusion leaves it out of the
              // analysis.
};

// Lower-case word for logs: "weight", "no_key".
[[nodiscard]] std::string_view to_string(PickRule rule) noexcept;

struct Pick {
  Cohort cohort = Cohort::kStable;
  PickRule rule = PickRule::kWeight;
  KeySource key_source = KeySource::kNone;
  bool forced = false;  // A force header or cookie was honoured, or overruled by safety.
  bool counts_for_analysis = true;  // The cohort was drawn by lot.
  bool issue_cookie = false;        // The response should set `fresh_id` as the cookie.
  bool may_probe = false;           // Stable's now, but of the canary's users: see kProbeOnly.
  std::uint8_t segment = 0;         // From 1, with kSegment.
  std::uint16_t bucket = 0;         // Below kBuckets.
  BasisPoints weight;               // What was in force: min(table, gate); 0 unless splitting.
  UpstreamId upstream;
  std::uint64_t key_hash = 0;  // Of key and salt; what the analysis dedupes by. 0: no key.
  // Of the key alone, the same for every rollout, if the rollout `balances_users`; else 0. Of an
  // address it is 0, too: whoever balances by that needs no rollout for it; and of a key that the
  // next request will not bring.
  std::uint64_t user_hash = 0;
  FreshId fresh_id;  // Meaningful only if `issue_cookie`.

  // Its failure is no reason to protect users: it was asked for, or no user sees it.
  [[nodiscard]] bool spares_gate() const noexcept { return forced || rule == PickRule::kExcluded; }
};

struct PickInput {
  const http::FieldList& fields;
  std::string_view query;     // http::Target::query.
  const IpAddress& client;    // Trust already resolved (client_address.hpp).
  bool peer_trusted = false;  // The connection comes from a trusted network.
  Random& random;             // The worker's own.
  std::string_view path{};    // http::Target::path; segments may look at it.
  KeyMemo* memo = nullptr;    // Of the connection; null: none.

  [[nodiscard]] RequestFacts facts() const noexcept { return {fields, query, path, client}; }
};

[[nodiscard]] Pick pick_cohort(const Rollout& rollout, const PickInput& input) noexcept;

// Of a route that splits its users: `route` becomes that of the lane, whose rollout picks.
[[nodiscard]] Pick pick_lane(const RouteMatch*& route, const PickInput& input) noexcept;

// The key of every split's hash.
[[nodiscard]] HashKey lane_hash_key() noexcept;

// An exclusion of the rollout fits the request (request_rule.hpp): its cohort stays, but it is no
// evidence, no probe, and its failure means nothing to the gate.
void exclude(Pick& pick) noexcept;

[[nodiscard]] constexpr std::uint16_t bucket_of(std::uint64_t key_hash) noexcept {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint16_t>((static_cast<Wide>(key_hash) * kBuckets) >> 64U);
}

// The bucket that a key has under a salt.
[[nodiscard]] inline std::uint16_t bucket_of(const HashKey& salt_key,
                                             std::string_view key) noexcept {
  return bucket_of(siphash(salt_key, key));
}

}  // namespace canaryd::routing
