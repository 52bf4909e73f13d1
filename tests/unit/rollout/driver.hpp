// Drives the machine through events and keeps state and time, as control does.
#pragma once

#include "canaryd/rollout/machine.hpp"

#include <chrono>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace canaryd::rollout::test {

using namespace std::chrono_literals;

inline constexpr WallTime kStart{std::chrono::seconds(1'767'607'200)};

inline Plan plan_with(std::vector<unsigned> percents) {
  Plan plan;
  plan.name = "checkout";
  plan.stable = "shop-v1";
  plan.canary = "shop-v2";
  plan.revision = "2.4.0";
  plan.steps.clear();
  for (const unsigned percent : percents) {
    Step step;
    step.weight = BasisPoints(percent * 100);
    plan.steps.push_back(step);
  }
  return plan;
}

inline Tick tick(Judgement judgement, std::uint64_t requests = 1000) {
  Tick result;
  result.judgement = judgement;
  result.requests = requests;
  return result;
}

struct Driver {
  explicit Driver(Plan plan_in = plan_with({1, 5, 10, 25, 100}))
      : plan(std::move(plan_in)), state(initial_state(plan, kStart)) {}

  Transition send(Event event) {
    Transition transition = step(plan, state, event, now);
    state = transition.state;
    return transition;
  }
  template <class What>
  Transition send(What what, std::string reason = {}) {
    Event event;
    event.what = std::move(what);
    event.reason = std::move(reason);
    if (is_command(event)) event.actor = "anna";
    return send(std::move(event));
  }
  Transition reload(Plan next, bool stable_up = true) {
    const Plan old = std::exchange(plan, std::move(next));
    Transition transition = send(NewPlan{stable_up});
    if (transition.outcome == Outcome::kRefused) plan = old;
    return transition;
  }
  Driver& after(Duration time) {
    now += std::chrono::duration_cast<std::chrono::milliseconds>(time);
    return *this;
  }
  // Accepts steps until the weight is reached.
  Driver& climb_to(unsigned percent) {
    if (state.phase == Phase::kIdle) send(Start{});
    while (state.weight < BasisPoints(percent * 100)) after(1min).send(tick(Judgement::kAccept));
    return *this;
  }
  [[nodiscard]] double percent() const { return served_weight(state).percent(); }

  Plan plan;
  State state;
  WallTime now = kStart;
};

template <class T>
bool has_effect(const Transition& transition) {
  for (const Effect& effect : transition.effects) {
    if (std::holds_alternative<T>(effect)) return true;
  }
  return false;
}

template <class T>
std::size_t position_of(const Transition& transition) {
  for (std::size_t i = 0; i < transition.effects.size(); ++i) {
    if (std::holds_alternative<T>(transition.effects[i])) return i;
  }
  return transition.effects.size();
}

// Driver in each phase at 5 % or what the phase has; index into kPhases.
inline Driver in_phase(Phase phase, Plan plan = plan_with({1, 5, 10, 25, 100})) {
  Driver driver(std::move(plan));
  switch (phase) {
    case Phase::kIdle:
      break;
    case Phase::kProgressing:
      driver.climb_to(5);
      break;
    case Phase::kSuspended:
      driver.climb_to(5).send(CircuitOpened{});
      break;
    case Phase::kPaused:
      driver.climb_to(5).send(Pause{});
      break;
    case Phase::kWaiting:
      driver.plan.steps[1].gate = "owner";
      driver.climb_to(5).after(1min).send(tick(Judgement::kAccept));
      break;
    case Phase::kHeld:
      driver.climb_to(5).after(2h).send(tick(Judgement::kHold));
      break;
    case Phase::kBaking:
      driver.climb_to(5).send(Promote{true});
      break;
    case Phase::kPromoted:
    case Phase::kRetiring:
    case Phase::kRetired:
      if (phase != Phase::kPromoted) driver.plan.retire = RetirePlan{};
      driver.climb_to(5).send(Promote{true});
      driver.send(Promote{});
      driver.state.phase = phase;
      break;
    case Phase::kRolledBack:
      driver.climb_to(5).send(RollBack{});
      break;
    case Phase::kAborted:
      driver.climb_to(5).send(Abort{});
      break;
  }
  return driver;
}

}  // namespace canaryd::rollout::test
