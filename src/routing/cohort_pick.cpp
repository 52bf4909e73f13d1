#include "canaryd/routing/cohort_pick.hpp"

#include "canaryd/http/cookie.hpp"
#include "canaryd/routing/routing_table.hpp"

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

// The cohort of this user at the rollout to follow, as the service between passed it on.
std::optional<Cohort> followed_cohort(const Rollout& rollout, const PickInput& input) noexcept {
  const http::FieldList& fields = input.fields;
  if (rollout.follow.empty() || rollout.traffic != Traffic::kSplit || !input.peer_trusted ||
      fields.count(http::FieldId::kXCanarydRollout) != 1 ||
      fields.count(http::FieldId::kXCanarydCohort) != 1 ||
      fields.value(http::FieldId::kXCanarydRollout) != rollout.follow) {
    return std::nullopt;
  }
  const std::string_view word = fields.value(http::FieldId::kXCanarydCohort);
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
void draw(Pick& pick, const Rollout& rollout, const StickyKey& key) noexcept {
  pick.key_source = key.source;
  if (key.source == KeySource::kNone) {
    pick.bucket = kBuckets - 1;
    pick.rule = PickRule::kNoKey;
    pick.counts_for_analysis = false;
  } else {
    pick.key_hash = siphash(rollout.hash_key, key.text);
    pick.bucket = bucket_of(pick.key_hash);
  }
  pick.cohort = pick.bucket < pick.weight.value() ? Cohort::kCanary : Cohort::kStable;
  pick.may_probe = rollout.traffic == Traffic::kProbeOnly && pick.bucket < rollout.weight.value();
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
                       pick.rule == PickRule::kFollow;
  if (by_rule) pick.rule = PickRule::kExcluded;
}

Pick pick_cohort(const Rollout& rollout, const PickInput& input) noexcept {
  Pick pick;
  pick.weight = weight_in_force(rollout);
  StickyScratch scratch;
  const StickyKey key = find_sticky_key(
      rollout.sticky, {input.fields, input.query, input.client, input.random}, scratch);
  draw(pick, rollout, key);
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
  } else if (key.fresh && pick.weight > BasisPoints(0)) {
    // While nobody is split nobody needs a cookie, and a response without one can be cached.
    pick.issue_cookie = true;
    pick.fresh_id = scratch.fresh;
  }
  if (evicted) pick.rule = PickRule::kSafety;
  pick.upstream = pick.cohort == Cohort::kCanary ? rollout.canary : rollout.stable;
  return pick;
}

}  // namespace canaryd::routing
