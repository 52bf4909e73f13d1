// The text form of a state: one JSON object with every key, in a fixed order, and a version. The
// reader takes exactly that: a missing, unknown or mistyped key means that the text is not ours,
// and a rollout must not go on from a guess. Some keys are only there when they say something,
// `spilling`, `unhealthy`, `run_since`, `run_turn`, `bake_turn`, `paused_reason`, and `group` with
// `group_turn`, so that an older canaryd reads everything but that. Version 2 is written where
// version 1 has no words for the state: it names who has approved a gate, and knows freezes and
// hooks. Version 3 has three keys more, and is written where something is known of a retirement;
// version 4 has two more, and is written on the way back to stable.
#include "canaryd/rollout/state.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace canaryd::rollout {
namespace {

namespace json = boost::json;

constexpr std::int64_t kVersion = 4;
constexpr std::size_t kMaxStateBytes = 64 * 1024;
constexpr std::size_t kKeys = 22;
constexpr std::size_t kRetireKeys = 3;  // Since version 3.
constexpr std::size_t kReturnKeys = 2;  // Since version 4.
constexpr std::size_t kGroupKeys = 2;   // Of one that is bound to a group.
constexpr std::int64_t kMaxCount = std::numeric_limits<std::int64_t>::max() - 1;

constexpr std::array kHoldReasons{HoldReason::kNone,
                                  HoldReason::kInconclusive,
                                  HoldReason::kNoData,
                                  HoldReason::kEnvironmentDegraded,
                                  HoldReason::kVerdict,
                                  HoldReason::kNoReading,
                                  HoldReason::kBadReading,
                                  HoldReason::kHook,
                                  HoldReason::kFreeze,
                                  HoldReason::kReturning};
constexpr std::array kRetireHooks{RetireHook::kNone,
                                  RetireHook::kCalled,
                                  RetireHook::kDone,
                                  RetireHook::kFailed,
                                  RetireHook::kUnknown,
                                  RetireHook::kLeftOut};
constexpr std::array kJudgements{Judgement::kHold, Judgement::kAccept, Judgement::kRollback};

std::int64_t to_milliseconds(WallTime time) noexcept {
  return time.time_since_epoch().count();
}

// Takes typed members out of an object and remembers the first thing that was wrong.
class Reader {
 public:
  explicit Reader(const json::object& object) : object_(object) {}

  std::int64_t integer(const char* key, std::int64_t low, std::int64_t high) {
    const json::value* value = find(key);
    if (value == nullptr) return low;
    const std::int64_t* number = value->if_int64();
    if (number == nullptr || *number < low || *number > high) {
      note(key, "is not a number in range");
      return low;
    }
    return *number;
  }
  std::string text(const char* key, std::size_t limit) {
    const json::value* value = find(key);
    if (value == nullptr) return {};
    const json::string* found = value->if_string();
    if (found == nullptr || found->size() > limit) {
      note(key, "is not a text of at most " + std::to_string(limit) + " bytes");
      return {};
    }
    return std::string(found->data(), found->size());
  }
  bool boolean(const char* key) {
    const json::value* value = find(key);
    if (value == nullptr) return false;
    if (const bool* found = value->if_bool()) return *found;
    note(key, "is not true or false");
    return false;
  }
  template <class Words>
  auto word(const char* key, const Words& words) {
    const std::string found = text(key, 32);
    for (const auto candidate : words) {
      if (to_string(candidate) == found) return candidate;
    }
    note(key, "is not a word this version knows");
    return words.front();
  }
  WallTime time(const char* key) {
    return WallTime(std::chrono::milliseconds(integer(key, 0, to_milliseconds(kForever))));
  }
  std::map<std::string, std::map<std::string, WallTime>> approvals(const char* key,
                                                                   bool anonymous) {
    std::map<std::string, std::map<std::string, WallTime>> result;
    const json::value* value = find(key);
    if (value == nullptr) return result;
    const json::object* found = value->if_object();
    if (found == nullptr || found->size() > kMaxSteps) {
      note(key, "is not an object of at most " + std::to_string(kMaxSteps) + " gates");
      return result;
    }
    Reader inner(*found);
    for (const auto& member : *found) {
      const std::string gate(member.key());
      if (gate.size() > kMaxText) note(key, "has a gate with an overlong name");
      if (anonymous) {
        result[gate]["unknown"] = inner.time(gate.c_str());
      } else {
        result[gate] = inner.people(gate.c_str());
      }
    }
    if (!inner.problem().empty()) note(key, "has a gate without a time");
    return result;
  }
  std::map<std::string, WallTime> people(const char* key) {
    std::map<std::string, WallTime> result;
    const json::value* value = find(key);
    const json::object* found = value == nullptr ? nullptr : value->if_object();
    if (found == nullptr || found->size() > kMaxApprovals) {
      note(key, "is not an object of at most " + std::to_string(kMaxApprovals) + " people");
      return result;
    }
    Reader inner(*found);
    for (const auto& member : *found) {
      const std::string who(member.key());
      if (who.size() > kMaxText) note(key, "has somebody with an overlong name");
      result[who] = inner.time(who.c_str());
    }
    if (!inner.problem().empty()) note(key, "has somebody without a time");
    return result;
  }
  void note(std::string_view key, std::string_view what) {
    if (!problem_.empty()) return;
    problem_.append(key).append(" ").append(what);
  }
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

 private:
  const json::value* find(const char* key) {
    const json::value* value = object_.if_contains(key);
    if (value == nullptr) note(key, "is missing");
    return value;
  }

  const json::object& object_;
  std::string problem_;
};

tl::unexpected<Error> malformed(std::string_view what) {
  return fail(ErrorCode::kMalformed, "rollout state: " + std::string(what));
}

// What each value alone cannot show. The machine relies on these.
void check_whole(const State& state, Reader& reader) {
  if (state.run > state.generation) reader.note("run", "is above the generation");
  const bool begun = state.phase != Phase::kIdle && state.phase != Phase::kAborted;
  if (begun && state.run == 0) reader.note("run", "is 0 in a rollout that was started");
  const bool ended = state.phase == Phase::kIdle || state.phase == Phase::kRolledBack ||
                     state.phase == Phase::kAborted;
  if (ended && state.weight.value() != 0) reader.note("weight", "is not 0 in a phase that ended");
  if (state.phase == Phase::kHeld && state.hold == HoldReason::kNone) {
    reader.note("hold", "is none in phase held");
  }
  const auto froze = [](Phase phase, HoldReason hold) {
    return hold == HoldReason::kFreeze && phase != Phase::kWaiting;
  };
  if (froze(state.phase, state.hold) || froze(state.suspended_from, state.suspended_hold)) {
    reader.note("hold", "is freeze in a phase that does not wait");
  }
  const bool returns = state.return_by.value() > 0 && state.return_every.count() > 0;
  if (is_returning(state) != returns) reader.note("return_by", "does not fit the reason");
  const bool spills =
      state.phase == Phase::kHeld || state.phase == Phase::kBaking || state.phase == Phase::kPaused;
  if (state.spilling && !spills) {
    reader.note("spilling", "is true in a phase that cannot spill");
  }
  if (state.unhealthy && state.phase != Phase::kSuspended) {
    reader.note("unhealthy", "is true in a phase that is not suspended");
  }
  if (state.bake_turn > 0 && !is_past_all_steps(state)) {
    reader.note("bake_turn", "is there although steps are ahead");
  }
  const bool paused_beneath =
      state.phase == Phase::kSuspended && state.suspended_from == Phase::kPaused;
  if (!state.paused_reason.empty() && !paused_beneath) {
    reader.note("paused_reason", "is there although nothing is paused beneath");
  }
  const bool retires = state.phase == Phase::kRetiring || state.phase == Phase::kRetired;
  if (retires && state.weight.value() == 0) reader.note("weight", "is 0 without a stable version");
  if (state.retire_hook != RetireHook::kNone && !retires) {
    reader.note("retire_hook", "is not none in a phase that keeps stable");
  }
  if (state.paused_from != Phase::kProgressing && state.paused_from != Phase::kBaking) {
    reader.note("paused_from", "is not progressing or baking");
  }
  constexpr std::array kSuspendable{Phase::kProgressing,
                                    Phase::kPaused,
                                    Phase::kWaiting,
                                    Phase::kHeld,
                                    Phase::kBaking,
                                    Phase::kPromoted};
  if (std::find(kSuspendable.begin(), kSuspendable.end(), state.suspended_from) ==
      kSuspendable.end()) {
    reader.note("suspended_from", "is not a phase that can be suspended");
  }
  if (state.suspended_from == Phase::kHeld && state.suspended_hold == HoldReason::kNone) {
    reader.note("suspended_hold", "is none although suspended from held");
  }
}

State read_state(Reader& reader, std::int64_t version) {
  const auto weight = [&](const char* key) {
    return BasisPoints(static_cast<unsigned>(reader.integer(key, 0, BasisPoints::kMax)));
  };
  State state;
  state.phase = reader.word("phase", kPhases);
  state.step = static_cast<std::size_t>(reader.integer("step", 0, kMaxSteps - 1));
  state.weight = weight("weight");
  state.next_weight = weight("next_weight");
  state.generation = static_cast<std::uint64_t>(reader.integer("generation", 0, kMaxCount));
  state.run = static_cast<std::uint64_t>(reader.integer("run", 0, kMaxCount));
  state.stable = reader.text("stable", kMaxText);
  state.canary = reader.text("canary", kMaxText);
  state.plan_revision = reader.text("plan_revision", kMaxText);
  state.revision = reader.text("revision", kMaxText);
  state.since = reader.time("since");
  state.step_since = reader.time("step_since");
  state.timer_since = reader.time("timer_since");
  state.hold = reader.word("hold", kHoldReasons);
  state.paused_from = reader.word("paused_from", kPhases);
  state.suspended_from = reader.word("suspended_from", kPhases);
  state.suspended_hold = reader.word("suspended_hold", kHoldReasons);
  state.condemned = reader.boolean("condemned");
  state.observed = reader.word("observed", kJudgements);
  state.approvals = reader.approvals("approvals", version == 1);
  if (version >= 3) {
    state.keeps_stable = reader.boolean("keeps_stable");
    state.retire_hook = reader.word("retire_hook", kRetireHooks);
    state.retire_said = reader.text("retire_said", kMaxText);
  }
  if (version >= 4) {
    constexpr std::int64_t kDay = 24 * 60 * 60 * 1000;
    state.return_by = weight("return_by");
    state.return_every = std::chrono::milliseconds(reader.integer("return_every", 0, kDay));
  }
  state.actor = reader.text("actor", 1024);
  state.reason = reader.text("reason", 1024);
  return state;
}

// The keys that are only there when they say something. How many may be: one that says nothing is
// not ours.
std::size_t read_what_is_said(const json::object& object, Reader& reader, State& state) {
  const auto turn = [&](const char* key) {
    if (!object.contains(key)) return std::uint64_t{0};
    return static_cast<std::uint64_t>(reader.integer(key, 0, kMaxCount));
  };
  state.spilling = object.contains("spilling") && reader.boolean("spilling");
  state.unhealthy = object.contains("unhealthy") && reader.boolean("unhealthy");
  if (object.contains("run_since")) state.run_since = reader.time("run_since");
  state.run_turn = turn("run_turn");
  state.bake_turn = turn("bake_turn");
  if (object.contains("paused_reason")) state.paused_reason = reader.text("paused_reason", 1024);
  if (object.contains("group")) {
    state.group = reader.text("group", kMaxText);
    state.group_turn = static_cast<std::uint64_t>(reader.integer("group_turn", 0, kMaxCount));
  }
  const std::array said{state.spilling,
                        state.unhealthy,
                        state.run_since > WallTime(),
                        state.run_turn > 0,
                        state.bake_turn > 0,
                        !state.paused_reason.empty()};
  return static_cast<std::size_t>(std::count(said.begin(), said.end(), true)) +
         (state.group.empty() ? 0 : kGroupKeys);
}

std::int64_t version_of(const State& state) noexcept {
  const auto is_new = [](HoldReason hold) {
    return hold == HoldReason::kFreeze || hold == HoldReason::kHook;
  };
  const bool retires = state.phase == Phase::kRetiring || state.phase == Phase::kRetired;
  if (is_returning(state)) return kVersion;
  if (retires || state.keeps_stable) return 3;
  const bool holds_anew = is_new(state.hold) || is_new(state.suspended_hold);
  return holds_anew || !state.approvals.empty() ? 2 : 1;
}

}  // namespace

std::string serialise(const State& state) {
  json::object approvals;
  for (const auto& [gate, people] : state.approvals) {
    json::object given;
    for (const auto& [who, until] : people) given[who] = to_milliseconds(until);
    approvals[gate] = std::move(given);
  }
  json::object object;
  object["version"] = version_of(state);
  object["phase"] = to_string(state.phase);
  object["step"] = static_cast<std::int64_t>(state.step);
  object["weight"] = static_cast<std::int64_t>(state.weight.value());
  object["next_weight"] = static_cast<std::int64_t>(state.next_weight.value());
  object["generation"] = static_cast<std::int64_t>(state.generation);
  object["run"] = static_cast<std::int64_t>(state.run);
  object["stable"] = state.stable;
  object["canary"] = state.canary;
  object["plan_revision"] = state.plan_revision;
  object["revision"] = state.revision;
  object["since"] = to_milliseconds(state.since);
  object["step_since"] = to_milliseconds(state.step_since);
  object["timer_since"] = to_milliseconds(state.timer_since);
  object["hold"] = to_string(state.hold);
  object["paused_from"] = to_string(state.paused_from);
  object["suspended_from"] = to_string(state.suspended_from);
  object["suspended_hold"] = to_string(state.suspended_hold);
  object["condemned"] = state.condemned;
  object["observed"] = to_string(state.observed);
  object["approvals"] = std::move(approvals);
  object["actor"] = state.actor;
  object["reason"] = state.reason;
  if (state.spilling) object["spilling"] = true;
  if (state.unhealthy) object["unhealthy"] = true;
  if (state.run_since > WallTime()) object["run_since"] = to_milliseconds(state.run_since);
  if (state.run_turn > 0) object["run_turn"] = static_cast<std::int64_t>(state.run_turn);
  if (state.bake_turn > 0) object["bake_turn"] = static_cast<std::int64_t>(state.bake_turn);
  if (!state.paused_reason.empty()) object["paused_reason"] = state.paused_reason;
  if (!state.group.empty()) {
    object["group"] = state.group;
    object["group_turn"] = static_cast<std::int64_t>(state.group_turn);
  }
  if (is_returning(state)) {
    object["return_by"] = static_cast<std::int64_t>(state.return_by.value());
    object["return_every"] = state.return_every.count();
  }
  if (version_of(state) >= 3) {
    object["keeps_stable"] = state.keeps_stable;
    object["retire_hook"] = to_string(state.retire_hook);
    object["retire_said"] = state.retire_said;
  }
  return json::serialize(object);
}

Result<State> parse_state(std::string_view text) {
  if (text.size() > kMaxStateBytes) return malformed("longer than any state");
  boost::system::error_code error;
  json::parse_options options;
  options.max_depth = 5;
  const json::value value =
      json::parse(json::string_view(text.data(), text.size()), error, {}, options);
  if (error) return malformed("not JSON: " + error.message());
  const json::object* object = value.if_object();
  if (object == nullptr) return malformed("not an object");

  Reader reader(*object);
  const std::int64_t version =
      reader.integer("version", 1, std::numeric_limits<std::int64_t>::max());
  if (!reader.problem().empty()) return malformed(reader.problem());
  if (version > kVersion) {
    return fail(ErrorCode::kUnsupported,
                "rollout state: version " + std::to_string(version) +
                    " was written by a later canaryd; this one knows " + std::to_string(kVersion));
  }
  State state = read_state(reader, version);
  const std::size_t known = kKeys + 1 + read_what_is_said(*object, reader, state) +
                            (version >= 3 ? kRetireKeys : 0) + (version >= 4 ? kReturnKeys : 0);
  if (object->size() != known) reader.note("object", "has keys this version does not know");
  check_whole(state, reader);
  if (!reader.problem().empty()) return malformed(reader.problem());
  return state;
}

}  // namespace canaryd::rollout
