#include "canaryd/rollout/machine.hpp"

#include "canaryd/base/error.hpp"
#include "rollout/draft.hpp"

#include <algorithm>
#include <variant>

namespace canaryd::rollout {
namespace {

// A suspended rollout serves nobody, whatever its weight: beginning anew there sends users to a
// version that none of them has seen. What comes back by itself has been in force before.
bool rises(const Event& event, const State& before, const State& after) {
  return after.weight > before.weight ||
         (is_command(event) && served_weight(after) > served_weight(before));
}

}  // namespace

Transition step(const Plan& plan, const State& state, const Event& event, WallTime now) {
  CANARYD_ASSERT(!plan.steps.empty());
  Draft draft(plan, state, event, now);
  Transition result =
      std::visit([&draft](const auto& what) { return handle(draft, what); }, event.what);
  if (result.outcome == Outcome::kChanged && rises(event, state, result.state)) {
    if (const auto until = draft.frozen_until()) {
      return draft.refuse_frozen(
          *until, "no weight rises before that; `abort` and `rollback` work as ever");
    }
  }
  return result;
}

std::size_t approvals_given(const Step& step, const State& state, WallTime now) {
  const auto found = state.approvals.find(step.gate);
  if (found == state.approvals.end()) return 0;
  const std::vector<std::string>& of = step.approvals.of;
  const auto counts = [&](const auto& approval) {
    const bool may = of.empty() || std::find(of.begin(), of.end(), approval.first) != of.end();
    return may && approval.second > now;
  };
  return static_cast<std::size_t>(
      std::count_if(found->second.begin(), found->second.end(), counts));
}

StepNeeds step_needs(const Plan& plan, const State& state, std::uint64_t requests, WallTime now) {
  CANARYD_ASSERT(!plan.steps.empty());
  const Step& step = plan.steps[step_at(plan, state.weight)];
  const Duration elapsed = now - state.step_since;
  const std::uint64_t wanted = std::max<std::uint64_t>(step.min_requests, 1);
  StepNeeds needs;
  needs.time = std::max(Duration::zero(), step.min_duration - std::max(Duration::zero(), elapsed));
  needs.requests = requests < wanted ? wanted - requests : 0;
  if (approvals_given(step, state, now) < step.approvals.needed) needs.gate = step.gate;
  if (state.weight < full_weight(plan)) {
    needs.frozen_until = frozen_until(plan.freeze, now);
  }
  return needs;
}

}  // namespace canaryd::rollout
