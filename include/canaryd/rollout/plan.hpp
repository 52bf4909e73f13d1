// What one rollout is meant to do: its versions, its steps, and what to do when they do not go
// well.
//
// The part of a rollout's configuration that the state machine needs; `config` makes it from the
// file (docs/interfaces.md 2.1, 2.3), and the defaults here are the ones stated there. Plain value;
// pure; any thread. Limits: kMaxSteps steps, durations up to 10,000 days, texts up to kMaxText
// bytes.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/rollout/freeze.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::rollout {

inline constexpr std::size_t kMaxSteps = 100;
inline constexpr std::size_t kMaxText = 253;
// That are kept for one gate, and so the most that it may need.
inline constexpr std::size_t kMaxApprovals = 16;

// kAuto: begins by itself as soon as both versions are healthy. kManual: waits for `start`. kAfter:
// by itself too, but not before the rollout `after` is promoted.
enum class StartMode : std::uint8_t { kAuto, kManual, kAfter };
// What a bad verdict does. kStepDown: one step down, then held until `retry`.
enum class OnFailure : std::uint8_t { kRollback, kHold, kStepDown };
// What happens at max_duration without a verdict. Never applied when there was no data.
enum class OnInconclusive : std::uint8_t { kHold, kRollback, kPromote };
// What happens while stable has no endpoint left. kSpill: everybody goes to the canary, as long as
// that answers.
enum class OnStableDown : std::uint8_t { kHold, kSpill };
// kObserve: verdicts are reported and never acted on; after the start only the operator moves the
// weight, up or down. What protects users at once (circuit, exposure) acts in both modes.
enum class Mode : std::uint8_t { kEnforce, kObserve };

[[nodiscard]] std::string_view to_string(StartMode value) noexcept;
[[nodiscard]] std::string_view to_string(OnFailure value) noexcept;
[[nodiscard]] std::string_view to_string(OnInconclusive value) noexcept;
[[nodiscard]] std::string_view to_string(OnStableDown value) noexcept;
[[nodiscard]] std::string_view to_string(Mode value) noexcept;

// Whose word opens the gate of a step.
struct Approvals {
  std::uint32_t needed = 1;     // Of as many people.
  std::vector<std::string> of;  // Only these count; empty: anybody.
  Duration expires{};           // One counts for no longer; 0: until it is used.
  friend bool operator==(const Approvals&, const Approvals&) = default;
};

// Everything named in a step is needed to leave it, and the verdict `accept` besides.
struct Step {
  BasisPoints weight;
  Duration min_duration = std::chrono::seconds(10);
  std::uint64_t min_requests = 0;  // Of the canary, within the step.
  Duration max_duration = std::chrono::hours(1);
  std::string gate;  // Empty: none. Else the step is left only after `approve`.
  Approvals approvals;
  friend bool operator==(const Step&, const Step&) = default;
};

// After the last step: stable is kept warm and rollback stays armed. holdback is the share that
// stays on stable from the last step on, so that there is something to compare with; they are kept
// back, never taken back, and follow when the bake is over.
struct Bake {
  Duration duration = std::chrono::hours(24);
  BasisPoints holdback;
  friend bool operator==(const Bake&, const Bake&) = default;
};

// When a promoted rollout gives up its old version, which is stable's.
struct RetirePlan {
  Duration idle_for = std::chrono::hours(24 * 7);  // Without a request to it.
  Duration drain = std::chrono::minutes(5);        // How long the last ones may take.
  Duration undo = std::chrono::hours(24 * 3);      // `unretire` brings it back for so long.
  bool hook = false;                               // Then somebody is called, once.
  friend bool operator==(const RetirePlan&, const RetirePlan&) = default;
};

// 1, 5, 10, 25 and 100 %.
[[nodiscard]] std::vector<Step> default_steps();

struct Plan {
  std::string name;
  std::string stable;  // Names of upstreams.
  std::string canary;
  std::string revision;  // A new value starts a new rollout with fresh evidence.
  std::string salt;      // Not used by the machine: a new salt moves users, not the weight.
  StartMode start = StartMode::kAuto;
  std::string after;  // Of kAfter: the name of another rollout.
  std::vector<Step> steps = default_steps();
  Mode mode = Mode::kEnforce;
  OnFailure on_failure = OnFailure::kRollback;
  OnInconclusive on_inconclusive = OnInconclusive::kHold;
  OnStableDown on_stable_down = OnStableDown::kHold;
  Bake bake;
  std::vector<FreezeWindow> freeze;  // While one is open, no weight rises.
  std::string group;                 // Of rollouts that go in lockstep; empty: none.
  bool asks_before_step = false;     // Somebody else has to agree before it rises by itself.
  std::optional<RetirePlan> retire;  // Not set: stable is kept for ever.
  friend bool operator==(const Plan&, const Plan&) = default;
};

struct PlanProblem {
  std::string path;  // Within the rollout: "steps[1].weight".
  std::string message;
  friend bool operator==(const PlanProblem&, const PlanProblem&) = default;
};

// Everything that is wrong with the plan; empty if it is valid. step() needs a valid plan.
[[nodiscard]] std::vector<PlanProblem> problems(const Plan& plan);

// The weight of the end: 100 % less the holdback.
[[nodiscard]] BasisPoints full_weight(const Plan& plan) noexcept;
// The weight that a step means: its own, or full_weight() if that is less.
[[nodiscard]] BasisPoints step_weight(const Plan& plan, std::size_t index) noexcept;
// The step that a weight belongs to: the last one that is not above it, else the first.
[[nodiscard]] std::size_t step_at(const Plan& plan, BasisPoints weight) noexcept;
// The first step above a weight; nothing at the last one.
[[nodiscard]] std::optional<std::size_t> step_above(const Plan& plan, BasisPoints weight) noexcept;
// The weight that accepting evidence gathered at `weight` leads to: what the analysis weighs a
// step's risk by.
[[nodiscard]] BasisPoints weight_above(const Plan& plan, BasisPoints weight) noexcept;

}  // namespace canaryd::rollout
