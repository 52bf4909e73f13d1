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

// `ended` is of a later release: it began when `other` had all its steps behind it, so the two
// never went in lockstep. By their turns, as a clock may have been set between the two; by time
// where one of them joined later, or was written by an older version. The bake, from whose begin
// timer_since counts, is no step.
bool came_after(const rollout::State& ended, const rollout::State& other) noexcept {
  if (!is_past_the_bake(other)) return false;
  if (ended.run_turn > 0 && other.bake_turn > 0) return ended.run_turn > other.bake_turn;
  return ended.run_since > other.timer_since;
}

bool is_with(const Runner& other, const Runner& runner) noexcept {
  return &other != &runner && other.config().plan.group == runner.config().plan.group;
}

// By what the journal knows of both, so that neither a restart nor a reload between the two ends
// saves it, and none invents an end.
bool is_ended_by(const rollout::State& state, const rollout::State& ended) noexcept {
  if (has_ended(state) || !has_ended(ended)) return false;
  if (state.group.empty() || state.group != ended.group) return false;
  return state.group_turn < ended.group_turn && !came_after(ended, state);
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

// Another attempt is bound since another turn.
const std::string* Controller::State::group_failed(const Runner& runner) const {
  const auto found = doomed.find(runner.config().name);
  const bool fails = found != doomed.end() && found->second.turn == runner.state().group_turn;
  return fails ? &found->second.ended : nullptr;
}

void Controller::State::doom(const Runner& runner, const Runner& ended) {
  if (!is_ended_by(runner.state(), ended.state())) return;
  doomed[runner.config().name] = {runner.state().group_turn, ended.config().name};
}

// What began in this change was on its way into the journal, when another one may have ended.
void Controller::State::follow_group(const rollout::Change& change) {
  const Runner* const runner = find_kept(change.rollout);
  if (runner == nullptr || runner->state().group.empty()) return;
  const bool begins = runner->state().run == change.generation;
  for (const Runners* some : {&runners, &parked}) {
    for (const auto& other : *some) {
      doom(*other, *runner);
      if (begins) doom(*runner, *other);
    }
  }
}

// The daemon may have ended between the end of one and that of the others.
void Controller::State::recall_groups() {
  for (const auto& ended : runners) {
    if (!has_ended(ended->state())) continue;
    for (const auto& other : runners) doom(*other, *ended);
  }
}

}  // namespace canaryd::control
