// Rollouts that go in lockstep: each takes a step when all of its group may, so they are never more
// than one apart, and the end of one is the end of all.
#include "control/controller_state.hpp"

#include <algorithm>
#include <string>

namespace canaryd::control {
namespace {

using rollout::Phase;

// How far it has come: 0 is not begun, 1 the first step.
std::size_t place_of(const rollout::State& state, std::size_t steps) noexcept {
  if (state.phase == Phase::kIdle || has_ended(state)) return 0;
  const bool past = state.phase == Phase::kBaking || state.phase == Phase::kPromoted ||
                    state.phase == Phase::kRetiring || state.phase == Phase::kRetired;
  return past ? steps + 1 : state.step + 1;
}

std::size_t place_of(const Runner& runner) noexcept {
  return place_of(runner.state(), runner.config().plan.steps.size());
}

// Whether the end of another one of its group can be its own: under way, and with a stable version
// to go back to.
bool can_be_ended(const Runner& runner) noexcept {
  return place_of(runner) > 0 && runner.config().plan.mode == rollout::Mode::kEnforce &&
         !rollout::stable_is_gone(runner.state());
}

// Whose steps are all behind it, and the bake as well.
bool is_done(const rollout::State& state) noexcept {
  const bool suspended = state.phase == Phase::kSuspended;
  const Phase phase = suspended ? state.suspended_from : state.phase;
  return phase == Phase::kPromoted || phase == Phase::kRetiring;
}

// `ended` is of a later release: it began when `other` had all its steps behind it, so the two
// never went in lockstep. The bake, from whose begin timer_since counts, is no step.
bool came_after(const rollout::State& ended, const rollout::State& other) noexcept {
  return is_done(other) && ended.run_since > other.timer_since;
}

bool is_with(const Runner& other, const Runner& runner) noexcept {
  return &other != &runner && other.config().plan.group == runner.config().plan.group;
}

}  // namespace

bool Controller::State::group_agrees(const Runner& runner) const {
  if (runner.config().plan.group.empty()) return true;
  return std::all_of(runners.begin(), runners.end(), [&](const std::shared_ptr<Runner>& other) {
    if (!is_with(*other, runner)) return true;
    if (place_of(*other) != place_of(runner)) return place_of(*other) > place_of(runner);
    const auto found = ready.find(other->config().name);
    return found != ready.end() && found->second == other->state().generation;
  });
}

bool Controller::State::group_failed(const Runner& runner) const {
  return doomed.contains(runner.config().name);
}

void Controller::State::follow_group(const rollout::Change& change) {
  const bool ends = change.to == Phase::kRolledBack || change.to == Phase::kAborted;
  // It has ended itself, or is another attempt, or another rollout: that ends by its own group
  // only.
  const bool anew = change.to == Phase::kIdle || change.from == Phase::kIdle ||
                    change.event == "start" || change.event == "retry";
  if (ends || anew) doomed.erase(change.rollout);
  const Runner* const runner = find(change.rollout);
  if (!ends || change.from == Phase::kIdle || change.from == change.to || runner == nullptr) return;
  if (runner->config().plan.group.empty()) return;
  for (const auto& other : runners) {
    const bool bound = is_with(*other, *runner) && !came_after(runner->state(), other->state());
    if (bound && can_be_ended(*other)) doomed.insert(other->config().name);
  }
}

// The daemon may have ended between the end of one and that of the others. Who has begun a step
// since is another attempt.
void Controller::State::recall_groups() {
  for (const auto& ended : runners) {
    if (ended->config().plan.group.empty() || !has_ended(ended->state())) continue;
    for (const auto& other : runners) {
      const bool before = other->state().step_since <= ended->state().since;
      const bool ran = ended->state().run > 0;
      const bool bound = is_with(*other, *ended) && !came_after(ended->state(), other->state());
      if (bound && can_be_ended(*other) && before && ran) {
        doomed.insert(other->config().name);
      }
    }
  }
}

}  // namespace canaryd::control
