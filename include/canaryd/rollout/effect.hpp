// What a transition asks of the outside, in the order in which it is to be done.
//
// The order is the safety rule "up: persist, then publish; down: publish, then persist"
// (docs/design.md section 4). Whoever performs the effects goes through the list and knows one
// thing more:
//   - Persist fails and the direction is kUp: stop there and keep the old state; nothing has risen.
//   - Persist fails otherwise: keep the new state, go on, and retry; until then it is not durable.
// So after a crash the weight is at most the last durable one. Plain values; pure; any thread.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/rollout/state.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace canaryd::rollout {

// Does the transition let more or fewer users see the canary?
enum class Direction : std::uint8_t { kSame, kUp, kDown };
[[nodiscard]] std::string_view to_string(Direction direction) noexcept;

// Why it happened: bounded, so that it can be a metric's label.
enum class Cause : std::uint8_t {
  kOperator,
  kStarted,   // start: auto.
  kAccepted,  // The verdict; or, at 100 %, time and requests.
  kVerdict,   // A bad one.
  kInconclusive,
  kNoData,
  kDataReturned,
  kEnvironmentDegraded,
  kEnvironmentRecovered,
  kGate,
  kBaked,
  kCircuit,
  kUnhealthy,
  kExposure,
  kCircuitClosed,
  kPlanChanged,
  kRestarted,
  kStableDown,  // on_stable_down: spill.
  kSpillEnded,
  kObserved,  // Mode observe: a verdict that would have acted.
  kNoReading,
  kBadReading,
  kGoodReading,  // Each query has one again.
  kFreeze,
  kFreezeEnded,
  kHook,  // Somebody does not agree to the step.
  kHookAgreed,
  kReopened,      // What a step was passed by does not hold any more.
  kIdle,          // Nobody uses the old version any more.
  kStraggler,     // Somebody still does.
  kUndoOver,      // The time in which `unretire` brings it back.
  kDecommission,  // Its hook has ended, well or not.
  kReturning,     // The next fall of a rollback that takes its time.
  kGroup,         // Another rollout of the group was rolled back or aborted.
};
[[nodiscard]] std::string_view to_string(Cause cause) noexcept;

// The transition as the journal and the log tell it.
struct Change {
  std::string rollout;
  std::uint64_t generation = 0;  // After it.
  WallTime at{};
  std::string event;
  std::string actor;
  std::string reason;    // The operator's words, or empty.
  std::string evidence;  // As given with the event.
  std::string revision;
  Phase from = Phase::kIdle;
  Phase to = Phase::kIdle;
  HoldReason hold = HoldReason::kNone;
  HoldReason hold_before = HoldReason::kNone;
  Cause cause = Cause::kOperator;
  Judgement judgement = Judgement::kHold;  // Ticks only.
  Direction direction = Direction::kSame;
  std::size_t step = 0;  // After it.
  std::size_t step_count = 0;
  BasisPoints weight_before;  // As served.
  BasisPoints weight_after;
  BasisPoints weight_set;    // After it, of the step: not served while suspended or spilling.
  std::string gate;          // kWaiting, approve: which.
  std::string approvals;     // Of it: "1 of 2"; empty where one is enough.
  std::string stable;        // The old version, by name,
  bool stable_down = false;  // and that it has no healthy endpoint, as far as the event knows.
  RetireHook retire_hook = RetireHook::kNone;
  std::optional<WallTime> until;  // Waiting for a freeze: its end.
  std::uint64_t requests = 0;     // Of the canary in the step that was left; ticks only.
  Duration elapsed{};             // In the step that was left.
  Duration return_every{};        // kReturning: after how long the weight falls again.
  friend bool operator==(const Change&, const Change&) = default;
};

// What happened in one sentence, for the log, the journal and the screen (docs/interfaces.md
// section 5): "rolled back checkout at 5 %: errors canary 4.1 % vs stable 0.2 %, tolerated 0.32 %,
// after 212 canary requests (6.1s)".
[[nodiscard]] std::string sentence(const Change& change);

// ---- The effects

// Put this into force on every worker: table and gate. Only as durable as Persist has made it.
struct Publish {
  BasisPoints weight;  // served_weight() of the new state.
  Admission admission = Admission::kStableOnly;
  friend bool operator==(const Publish&, const Publish&) = default;
};
// Write the change and the new state to the journal.
struct Persist {
  friend bool operator==(const Persist&, const Persist&) = default;
};
// New rollback accounts, exposure used 0, circuit closed: nothing of the past counts. Evidence rows
// of earlier runs may be deleted.
struct FreshEvidence {
  std::uint64_t run = 0;
  friend bool operator==(const FreshEvidence&, const FreshEvidence&) = default;
};
// New accept accounts: the evidence of a step begins.
struct BeginStep {
  std::size_t step = 0;
  BasisPoints weight;
  BasisPoints next_weight;
  friend bool operator==(const BeginStep&, const BeginStep&) = default;
};
struct Announce {
  std::string sentence;
  friend bool operator==(const Announce&, const Announce&) = default;
};

// Call the decommission hook. Only once the change is durable: a Persist that fails means that the
// old state is kept and nobody is called. The answer comes back as HookEnded.
struct Decommission {
  friend bool operator==(const Decommission&, const Decommission&) = default;
};

using Effect = std::variant<Publish, Persist, FreshEvidence, BeginStep, Decommission, Announce>;

}  // namespace canaryd::rollout
