// The state machine of a rollout: step(plan, state, event, now) -> Transition.
//
// Total: every phase meets every event, and the answer is a change, no change, or a refusal that
// says why. It changes one thing at a time: at most one step up, one generation, one journal row.
// Promises (tests/unit/rollout/machine_property_test.cpp):
//   - `abort` gives weight 0 in one transition from every phase but kRetired; so does a bad verdict
//     under enforce and on_failure: rollback. Rollback stays armed while paused, waiting, held,
//     baking, promoted, and retiring until Decommission: after that nothing goes back to stable by
//     itself.
//   - Stable is given up only when it has been idle for as long as the plan says, and Decommission
//     is asked for once by itself, with the change that says so; again only by `retire`.
//   - What users see of the canary grows only in a transition whose direction is kUp.
//   - A rise by itself needs an accepting verdict at that moment, however long ago the step began
//   to
//     wait for people, the calendar or a hook (at 100 % without holdback: time and requests; at the
//     end of a bake with holdback as well; under on_inconclusive: promote data, once max_duration
//     is over), and good readings of all queries, and never happens under mode: observe after the
//     start. An approval alone raises nothing.
//   - While a freeze window is open, `weight` does not rise, whoever asks.
// Pure: values in, values out; any thread. `now` may go backwards, or be behind the state: what has
// to last then stands still, what has a date (freezes, approvals) goes by `now` all the same.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/rollout/effect.hpp"
#include "canaryd/rollout/event.hpp"
#include "canaryd/rollout/plan.hpp"
#include "canaryd/rollout/state.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace canaryd::rollout {

enum class Outcome : std::uint8_t { kChanged, kUnchanged, kRefused };

struct Transition {
  State state;  // The new one; the old one unless kChanged.
  Outcome outcome = Outcome::kUnchanged;
  std::string refusal;          // kRefused: a sentence that says why and what can be done.
  Change change;                // kChanged only.
  std::vector<Effect> effects;  // In order; see effect.hpp. kChanged only.
};

// `plan` must have no problems(). With NewPlan or Restart it is the new plan; a refusal then means
// that the rollout goes on under the old one.
[[nodiscard]] Transition step(const Plan& plan,
                              const State& state,
                              const Event& event,
                              WallTime now);

// Whether the plan names other versions or another revision than those the state is of: NewPlan and
// Restart then begin anew, and until they have, the state's weight must not be served under it.
[[nodiscard]] bool is_another_rollout(const Plan& plan, const State& state) noexcept;
// Why that one cannot begin now, for people; null: it can, or it is the same. It would put
// everybody on plan.stable, which after a promotion is a step back in time if it is the old version
// still.
[[nodiscard]] const char* why_not_anew(const Plan& plan,
                                       const State& state,
                                       bool stable_up) noexcept;
// The versions that it is about: those that the state is of, whatever the plan says meanwhile; of
// one that has not begun, those that it would begin with.
[[nodiscard]] const std::string& stable_of(const Plan& plan, const State& state) noexcept;
[[nodiscard]] const std::string& canary_of(const Plan& plan, const State& state) noexcept;

// How many of the people who may open the gate of this step have approved it, as of `now`.
[[nodiscard]] std::size_t approvals_given(const Step& step, const State& state, WallTime now);

// What has to happen before the next step is taken, for status screens.
struct StepNeeds {
  Duration time{};             // Of min_duration.
  std::uint64_t requests = 0;  // Canary requests still missing.
  std::string gate;            // Closed gate at the end of the step, or empty.
  std::optional<WallTime> frozen_until{};
  friend bool operator==(const StepNeeds&, const StepNeeds&) = default;
};
[[nodiscard]] StepNeeds step_needs(const Plan& plan,
                                   const State& state,
                                   std::uint64_t requests,
                                   WallTime now);

}  // namespace canaryd::rollout
