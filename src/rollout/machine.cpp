#include "canaryd/rollout/machine.hpp"

#include "canaryd/base/error.hpp"
#include "rollout/draft.hpp"

#include <algorithm>
#include <variant>

namespace canaryd::rollout {

Transition step(const Plan& plan, const State& state, const Event& event, WallTime now) {
  CANARYD_ASSERT(!plan.steps.empty());
  Draft draft(plan, state, event, now);
  return std::visit([&draft](const auto& what) { return handle(draft, what); }, event.what);
}

StepNeeds step_needs(const Plan& plan, const State& state, std::uint64_t requests, WallTime now) {
  CANARYD_ASSERT(!plan.steps.empty());
  const Step& step = plan.steps[step_at(plan, state.weight)];
  const Duration elapsed = now - state.step_since;
  const std::uint64_t wanted = std::max<std::uint64_t>(step.min_requests, 1);
  StepNeeds needs;
  needs.time = std::max(Duration::zero(), step.min_duration - std::max(Duration::zero(), elapsed));
  needs.requests = requests < wanted ? wanted - requests : 0;
  const auto approval = state.approvals.find(step.gate);
  const bool open = approval != state.approvals.end() && approval->second > now;
  if (!open) needs.gate = step.gate;
  return needs;
}

}  // namespace canaryd::rollout
