#include "canaryd/routing/cohort_pick.hpp"

#include "canaryd/http/cookie.hpp"
#include "canaryd/routing/routing_table.hpp"

#include <algorithm>
#include <optional>

namespace canaryd::routing {
namespace {

// The cohort that the request asks for, if it may ask and says one of the two words.
std::optional<Cohort> forced_cohort(const ForceSpec& force, const PickInput& input) noexcept {
  if (force.trusted_only && !input.peer_trusted) return std::nullopt;
  std::string_view word;
  if (!force.header.empty()) {
    const http::Field* field = input.fields.find(force.header);
    if (field != nullptr) word = field->value;
  }
  if (word.empty() && !force.cookie.empty()) word = http::find_cookie(input.fields, force.cookie);
  if (word == "always") return Cohort::kCanary;
  if (word == "never") return Cohort::kStable;
  return std::nullopt;
}

// Whom the rollout follows has seen this user, and the service between has passed it on.
bool is_followed(const Rollout& rollout, const PickInput& input) noexcept {
  const http::FieldList& fields = input.fields;
  return !rollout.follow.empty() && input.peer_trusted &&
         fields.count(http::FieldId::kXCanarydRollout) == 1 &&
         fields.count(http::FieldId::kXCanarydCohort) == 1 &&
         fields.value(http::FieldId::kXCanarydRollout) == rollout.follow;
}

// The cohort of this user at the rollout to follow.
std::optional<Cohort> followed_cohort(const Rollout& rollout, const PickInput& input) noexcept {
  if (rollout.traffic != Traffic::kSplit || !is_followed(rollout, input)) return std::nullopt;
  const std::string_view word = input.fields.value(http::FieldId::kXCanarydCohort);
  if (word == to_string(Cohort::kCanary)) return Cohort::kCanary;
  if (word == to_string(Cohort::kStable)) return Cohort::kStable;
  return std::nullopt;
}

BasisPoints weight_in_force(const Rollout& rollout) noexcept {
  const bool splits = rollout.traffic == Traffic::kSplit || rollout.traffic == Traffic::kCanaryOnly;
  if (!splits) return BasisPoints(0);
  return rollout.gate->effective(rollout.weight);
}

// Who has no key moves last: at 100 %, like the last bucket.
void draw(Pick& pick, const Rollout& rollout, const StickyKey& key, KeyMemo* memo) noexcept {
  pick.key_source = key.source;
  if (key.source == KeySource::kNone) {
    pick.bucket = kBuckets - 1;
    pick.rule = PickRule::kNoKey;
    pick.counts_for_analysis = false;
  } else {
    pick.key_hash = memo != nullptr ? memo->hash(rollout.hash_key, key.text)
                                    : siphash(rollout.hash_key, key.text);
    pick.bucket = bucket_of(pick.key_hash);
  }
  pick.cohort = pick.bucket < pick.weight.value() ? Cohort::kCanary : Cohort::kStable;
  pick.may_probe = rollout.traffic == Traffic::kProbeOnly && pick.bucket < rollout.weight.value();
}

// Who is in a segment is no probe either: the weight would not send him.
void draw_segment(Pick& pick, const Rollout& rollout, const PickInput& input) noexcept {
  // A suspended rollout keeps its weight in the table, and nothing is in force.
  const bool suspended = rollout.traffic == Traffic::kProbeOnly;
  const BasisPoints weight = suspended ? rollout.weight : pick.weight;
  if (weight == BasisPoints(0)) return;
  const RequestFacts facts = input.facts();
  for (std::size_t i = 0; i < rollout.segments.size(); ++i) {
    const Segment& segment = rollout.segments[i];
    if (!segment.counts_at(weight) || !fits(segment.users, facts)) continue;
    pick.rule = PickRule::kSegment;
    pick.segment = static_cast<std::uint8_t>(i + 1);
    pick.may_probe = false;
    pick.counts_for_analysis = false;
    pick.cohort = suspended ? Cohort::kStable : segment.cohort;
    return;
  }
}

struct FoundKey {
  FoundKey(const StickySpec& spec, const PickInput& input) noexcept
      : key(find_sticky_key(
            spec, {input.fields, input.query, input.client, input.random}, scratch)) {}
  FoundKey(const FoundKey&) = delete;
  FoundKey& operator=(const FoundKey&) = delete;

  StickyScratch scratch;
  StickyKey key;  // May point into the scratch.
};

// While nobody is split nobody needs a cookie, and a response without one can be cached. Where
// lanes are split it is what keeps a user in his own, also in one whose rollout sends nobody to the
// canary: else he would be drawn again with each request, until another lane keeps him. Who forces
// his cohort needs it for the lane alone, whatever the weights; who is followed needs none.
bool needs_cookie(const Pick& pick, const RouteMatch* split) noexcept {
  if (pick.rule == PickRule::kFollow) return false;
  if (pick.forced) return split != nullptr;
  if (pick.weight > BasisPoints(0)) return true;
  return split != nullptr &&
         std::any_of(split->lanes.begin(), split->lanes.end(), [](const auto& lane) {
           return weight_in_force(*lane.route->rollout) > BasisPoints(0);
         });
}

// 0: none, the address tells who it is. A client whose key is the address is balanced by that also
// where there is no rollout; a key that will not come again would send each request elsewhere.
std::uint64_t user_hash_of(const StickyKey& key, bool issued) noexcept {
  const bool none = key.source == KeySource::kNone || key.source == KeySource::kClientIp;
  const bool once = key.source == KeySource::kPerRequest || (key.fresh && !issued);
  return none || once ? 0 : siphash({}, key.text);
}

// `split`: the route, if the lane of this rollout was drawn for the key; else null.
Pick pick_by(const FoundKey& found,
             const Rollout& rollout,
             const PickInput& input,
             const RouteMatch* split) noexcept {
  Pick pick;
  pick.weight = weight_in_force(rollout);
  draw(pick, rollout, found.key, input.memo);
  if (rollout.traffic == Traffic::kForceOnly) pick.rule = PickRule::kIdle;

  const bool evicted = rollout.traffic != Traffic::kForceOnly && pick.weight == BasisPoints(0);
  if (const auto forced = forced_cohort(rollout.force, input)) {
    pick.forced = true;
    pick.counts_for_analysis = false;
    pick.may_probe = false;
    pick.rule = PickRule::kForce;
    pick.cohort = evicted ? Cohort::kStable : *forced;
    if (!evicted && rollout.traffic == Traffic::kCanaryOnly) pick.cohort = Cohort::kCanary;
  } else if (const auto followed = followed_cohort(rollout, input)) {
    pick.rule = PickRule::kFollow;
    pick.may_probe = false;
    pick.counts_for_analysis = false;
    if (pick.weight != BasisPoints(BasisPoints::kMax)) {
      pick.cohort = evicted ? Cohort::kStable : *followed;
    }
  } else if (!rollout.segments.empty()) {
    draw_segment(pick, rollout, input);
  }
  if (found.key.fresh && needs_cookie(pick, split)) {
    pick.issue_cookie = true;
    pick.fresh_id = found.scratch.fresh;
  }
  if (evicted) pick.rule = PickRule::kSafety;
  if (rollout.balances_users) [[unlikely]]
    pick.user_hash = user_hash_of(found.key, pick.issue_cookie);
  pick.upstream = pick.cohort == Cohort::kCanary ? rollout.canary : rollout.stable;
  return pick;
}

const RouteMatch* followed_lane(const RouteMatch& route, const PickInput& input) noexcept {
  for (const RouteMatch::LaneEnd& lane : route.lanes) {
    if (is_followed(*lane.route->rollout, input)) return lane.route;
  }
  return nullptr;
}

const RouteMatch* lane_of(const RouteMatch& route, const StickyKey& key) noexcept {
  const bool known = key.source != KeySource::kNone;
  const std::uint16_t bucket =
      known ? bucket_of(route.lane_key, key.text) : static_cast<std::uint16_t>(kBuckets - 1);
  for (const RouteMatch::LaneEnd& lane : route.lanes) {
    if (bucket < lane.end) return lane.route;
  }
  return route.lanes.back().route;
}

}  // namespace

std::string_view to_string(PickRule rule) noexcept {
  switch (rule) {
    case PickRule::kWeight:
      return "weight";
    case PickRule::kNoKey:
      return "no_key";
    case PickRule::kForce:
      return "force";
    case PickRule::kFollow:
      return "follow";
    case PickRule::kSegment:
      return "segment";
    case PickRule::kSafety:
      return "safety";
    case PickRule::kIdle:
      return "idle";
    case PickRule::kExcluded:
      return "excluded";
  }
  return "weight";
}

void exclude(Pick& pick) noexcept {
  pick.counts_for_analysis = false;
  pick.may_probe = false;
  const bool by_rule = pick.rule == PickRule::kWeight || pick.rule == PickRule::kNoKey ||
                       pick.rule == PickRule::kFollow || pick.rule == PickRule::kSegment;
  if (by_rule) pick.rule = PickRule::kExcluded;
}

Pick pick_cohort(const Rollout& rollout, const PickInput& input) noexcept {
  const FoundKey found(rollout.sticky, input);
  return pick_by(found, rollout, input, nullptr);
}

// The line feed keeps it apart from the salts of rollouts, which have none.
HashKey lane_hash_key() noexcept {
  return key_from_salt("split\n");
}

// Its rollouts find the key the same way, so it is looked for once.
Pick pick_lane(const RouteMatch*& route, const PickInput& input) noexcept {
  const RouteMatch& split = *route;
  const FoundKey found(split.lanes.front().route->rollout->sticky, input);
  route = followed_lane(split, input);
  const bool drawn = route == nullptr;
  if (drawn) route = lane_of(split, found.key);
  return pick_by(found, *route->rollout, input, drawn ? &split : nullptr);
}

}  // namespace canaryd::routing
