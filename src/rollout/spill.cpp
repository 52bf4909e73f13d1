// Stable has no endpoint left, the canary has: `on_stable_down: spill` sends everybody there until
// stable is back. The weight, the step and the evidence wait meanwhile.
#include "rollout/draft.hpp"

#include <optional>

namespace canaryd::rollout {
namespace {

// A pause stops the plan, not what keeps users from a stable that is down: nor does it matter
// whether it came before or after that, or whether the canary was down meanwhile.
bool can_spill(Phase phase) noexcept {
  return phase == Phase::kProgressing || phase == Phase::kWaiting || phase == Phase::kHeld ||
         phase == Phase::kBaking || phase == Phase::kPaused;
}

// Nobody is sent to a canary that was found worse, or that nobody has been sent to yet.
bool should_spill(const Draft& draft, const Tick& tick) noexcept {
  const bool asked =
      draft.plan.on_stable_down == OnStableDown::kSpill && draft.plan.mode == Mode::kEnforce;
  const State& state = draft.state;
  return asked && !tick.stable_up && tick.canary_up && can_spill(state.phase) && !state.condemned &&
         state.weight.value() > 0 && state.weight.value() < BasisPoints::kMax;
}

}  // namespace

std::optional<Transition> spill(Draft& draft, const Tick& tick) {
  State& state = draft.state;
  // After a restart: it ends when somebody has seen that stable is well.
  if (state.spilling && tick.stable_up && !tick.stable_known) return draft.unchanged();
  const bool wanted = should_spill(draft, tick);
  if (state.spilling == wanted) return wanted ? std::optional(draft.unchanged()) : std::nullopt;
  if (!wanted) {
    // Held for this alone, it goes on with the same transition.
    const bool well = tick.stable_up && !tick.both_failing;
    if (state.hold == HoldReason::kEnvironmentDegraded && well) return std::nullopt;
    state.spilling = false;
    return draft.commit(Cause::kSpillEnded);
  }
  if (state.phase == Phase::kProgressing || state.phase == Phase::kWaiting) {
    draft.hold(HoldReason::kEnvironmentDegraded);
  }
  state.spilling = true;
  return draft.commit(Cause::kStableDown);
}

}  // namespace canaryd::rollout
