// Where a rollout stands: everything that has to survive a restart, as one comparable value.
//
// What changes with every request (counts, evidence) is not in here; it is in the evidence rows and
// comes to the machine with each Tick. The text form is one line of JSON with a version; it comes
// back from disk and is checked like any other input. Plain value; pure; any thread.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/error.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/rollout/plan.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace canaryd::rollout {

// docs/interfaces.md 2.4.
enum class Phase : std::uint8_t {
  kIdle,
  kProgressing,
  kSuspended,  // The circuit is open: everybody is on stable, `weight` waits.
  kPaused,     // By the operator.
  kWaiting,    // For the gate of the step, or for the end of a freeze; see HoldReason.
  kHeld,       // By the machine; see HoldReason.
  kBaking,
  kPromoted,
  kRetiring,  // Nobody is sent to stable any more; see RetireHook.
  kRetired,   // Stable is gone.
  kRolledBack,
  kAborted,
};
inline constexpr std::array kPhases{Phase::kIdle,
                                    Phase::kProgressing,
                                    Phase::kSuspended,
                                    Phase::kPaused,
                                    Phase::kWaiting,
                                    Phase::kHeld,
                                    Phase::kBaking,
                                    Phase::kPromoted,
                                    Phase::kRetiring,
                                    Phase::kRetired,
                                    Phase::kRolledBack,
                                    Phase::kAborted};

enum class HoldReason : std::uint8_t {
  kNone,
  kInconclusive,         // max_duration passed without a verdict; the operator decides.
  kNoData,               // max_duration passed without enough traffic; goes on when there is some.
  kEnvironmentDegraded,  // Stable fails too; goes on when it is well again.
  kVerdict,              // A bad verdict with on_failure hold or step_down; needs `retry`.
  kNoReading,            // A query has none; goes on when each has a good one.
  kBadReading,           // A query says no; the same.
  kHook,                 // A hook does not agree to the next step; goes on when it does.
  kFreeze,               // Of kWaiting alone: a freeze window is open.
  kReturning,            // The weight falls by itself, because stable is cold; see RollBack.
};

// What the machine takes from the analysis.
enum class Judgement : std::uint8_t { kHold, kAccept, kRollback };

// Whom the data plane may send to the canary, from fewer to more. The same as in the routing table.
enum class Admission : std::uint8_t {
  kStableOnly,  // Nobody, forced or not.
  kProbeOnly,   // Single requests, to see whether it answers again.
  kForceOnly,   // Only who asks for it by the force header.
  kSplit,       // By weight; force and segments are honoured.
  kCanaryOnly,  // Everybody, forced or not: stable is given up.
};

// How far the call that ends the old version has come.
enum class RetireHook : std::uint8_t {
  kNone,     // Not called.
  kCalled,   // It may have run, or run now.
  kDone,     // It ended well.
  kFailed,   // It did not, or could not be called.
  kUnknown,  // canaryd ended while it ran: nobody knows whether it did.
  kLeftOut,  // Not called, because somebody else still needs the old version.
};

[[nodiscard]] std::string_view to_string(Phase phase) noexcept;  // "rolled_back"
[[nodiscard]] std::string_view to_string(HoldReason reason) noexcept;
[[nodiscard]] std::string_view to_string(Judgement judgement) noexcept;
[[nodiscard]] std::string_view to_string(Admission admission) noexcept;
[[nodiscard]] std::string_view to_string(RetireHook hook) noexcept;
[[nodiscard]] std::optional<Phase> parse_phase(std::string_view text) noexcept;

struct State {
  Phase phase = Phase::kIdle;
  std::size_t step = 0;          // Index of the step that `weight` belongs to.
  BasisPoints weight;            // Target; see served_weight().
  BasisPoints next_weight;       // What the evidence of this step is weighed for.
  std::uint64_t generation = 0;  // Raised by one with every change.
  std::uint64_t run = 0;         // Generation of the last start with fresh evidence; 0: none yet.
  std::string stable;            // The plan this rollout was begun with.
  std::string canary;
  std::string plan_revision;
  std::string revision;  // In force: the plan's, or the one given to `start`.
  WallTime run_since{};  // Where it is in a group: when `run` began; else not set.
  // Of the same, the turns (Event) in which that was, and since which all its steps are behind it;
  // 0: not known, or not so. A clock that steps back changes nothing in them.
  std::uint64_t run_turn = 0;
  std::uint64_t bake_turn = 0;
  WallTime since{};                     // Of the phase.
  WallTime step_since{};                // min_duration counts from here; stands still while paused.
  WallTime timer_since{};               // max_duration, or the bake, counts from here.
  HoldReason hold = HoldReason::kNone;  // In kHeld, kWaiting; in kSuspended, when stable fails too.
  Phase paused_from = Phase::kProgressing;        // kProgressing or kBaking: where `resume` leads.
  Phase suspended_from = Phase::kProgressing;     // Where the end of the suspension leads.
  HoldReason suspended_hold = HoldReason::kNone;  // Of suspended_from.
  std::string paused_reason;  // Of the pause beneath kSuspended, whose own words `reason` has.
  bool unhealthy = false;     // kSuspended because no endpoint of the canary was healthy.
  bool spilling = false;      // Stable is down and the plan sends everybody to the canary.
  bool condemned = false;  // A bad verdict stands: the weight does not rise again without `retry`.
  Judgement observed = Judgement::kHold;  // The last one reported in mode observe.
  // Gate to who has approved it, and until when that counts.
  std::map<std::string, std::map<std::string, WallTime>> approvals;
  bool keeps_stable = false;  // By `unretire`: it is not retired without `retire`.
  RetireHook retire_hook = RetireHook::kNone;
  std::string retire_said;  // What the hook has ended with.
  // Of kReturning: by how much the weight falls at a time, and after how long the next time.
  BasisPoints return_by;
  WallTime::duration return_every{};
  // Bound to it: the end of another one of this group is its own, if that comes in a later turn
  // than this. Of one that has ended: the group that ends with it, and in which turn. Empty: none.
  std::string group;
  std::uint64_t group_turn = 0;
  std::string actor;  // Of the last change.
  std::string reason;
  friend bool operator==(const State&, const State&) = default;
};

// An approval without end.
inline constexpr WallTime kForever{std::chrono::milliseconds(std::int64_t{8'000'000'000'000})};

// A rollout that nobody has started: idle, weight 0.
[[nodiscard]] State initial_state(const Plan& plan, WallTime now);

// What the data plane is to serve: `weight`; 0 while suspended, everything while spilling.
[[nodiscard]] BasisPoints served_weight(const State& state) noexcept;
// Rolled back or aborted: its canary serves nobody, and its verdict is what it ended by.
[[nodiscard]] bool has_ended(const State& state) noexcept;
// All its steps are behind it: it bakes, or has. Also while it is paused there, or suspended.
[[nodiscard]] bool is_past_all_steps(const State& state) noexcept;
// All its steps and the bake are behind it, and stable may still have everybody back.
[[nodiscard]] bool is_past_the_bake(const State& state) noexcept;
// All but a holdback, which is left on stable for comparison.
[[nodiscard]] bool has_everybody_on_canary(const State& state) noexcept;
[[nodiscard]] Admission admission(const State& state) noexcept;
// Everybody goes back to stable, a tenth at a time; suspended or not.
[[nodiscard]] bool is_returning(const State& state) noexcept;
// The end of the old version was begun or is over: nothing goes back to it by itself.
[[nodiscard]] bool stable_is_gone(const State& state) noexcept;

// One line, stable: equal states give equal texts.
[[nodiscard]] std::string serialise(const State& state);
// The text is untrusted. kMalformed says what is wrong; kUnsupported: written by a later version.
[[nodiscard]] Result<State> parse_state(std::string_view text);

}  // namespace canaryd::rollout
