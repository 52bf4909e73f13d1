// The promises of machine.hpp: over all phases x events x times, and over random walks.
#include "canaryd/base/random.hpp"
#include "every_event.hpp"
#include "promises.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <set>

namespace canaryd::rollout {
namespace {

using namespace test;

// Moves in a row that are all tried: fewer where each takes ten times as long.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr unsigned kDepth = 3;
#else
constexpr unsigned kDepth = 4;
#endif

// Keeps an eye on all transitions of a test, and on what becomes of each new state on disk.
class Witness {
 public:
  // False: the first failure is told.
  bool keeps(const Plan& plan,
             const State& before,
             const Event& event,
             const Transition& result,
             WallTime now) {
    ++checked_;
    const char* broken = broken_promise(plan, before, event, result, now);
    if (broken == nullptr && result.outcome == Outcome::kChanged && seen_.add(result.state, now)) {
      const auto back = parse_state(serialise(result.state));
      if (!back || !(*back == result.state)) broken = "a state comes back from its text";
    }
    if (broken == nullptr) return true;
    ADD_FAILURE() << broken << ": " << serialise(before) << "\nmeets " << name_of(event) << " ("
                  << event.what.index() << ") at " << now.time_since_epoch().count()
                  << "\nand becomes " << serialise(result.state);
    return false;
  }
  [[nodiscard]] std::size_t checked() const { return checked_; }
  [[nodiscard]] std::size_t states() const { return seen_.size(); }

 private:
  SeenStates seen_;
  std::size_t checked_ = 0;
};

TEST(MachinePropertyTest, EveryPhaseMeetsEveryEventAtEveryTime) {
  const std::vector<Plan> plans = all_plans();
  Witness witness;
  for (const State& state : one_of_each_phase()) {
    for (const Duration time : {Duration(0), Duration(10s), Duration(30h)}) {
      if (time == 10s && !has_a_clock(state.phase)) continue;
      const WallTime at = later(state.since, time);
      for (const Event& event : every_event(at)) {
        for (const Plan& plan : plans) {
          if (is_beside_the_point(plan, state, event)) continue;
          if (!witness.keeps(plan, state, event, step(plan, state, event, at), at)) return;
        }
      }
    }
  }
  EXPECT_GT(witness.checked(), 300'000U);
}

TEST(MachinePropertyTest, TimeThatGoesBackStandsStill) {
  for (const Plan& plan : {all_plans().front(), all_plans().back()}) {
    for (const State& state : one_of_each_phase()) {
      for (const Event& event : every_event(later(state.since, 1min))) {
        const Transition before = step(plan, state, event, later(state.since, -1h));
        const Transition then = step(plan, state, event, state.since);
        ASSERT_EQ(before.state, then.state) << to_string(state.phase) << " " << name_of(event);
        ASSERT_EQ(before.outcome, then.outcome);
        ASSERT_EQ(before.change, then.change);
      }
    }
  }
}

// The state's times are Monday's, the clock says Sunday.
TEST(MachinePropertyTest, AFreezeGoesByTheClockAlsoWhereTheStateIsAheadOfIt) {
  Witness witness;
  for (Plan plan : all_plans()) {
    plan.freeze = {{1U, 0h, 24h, {}}};
    for (const State& state : one_of_each_phase()) {
      const WallTime at = later(state.since, -24h);
      for (const Event& event : every_event(at)) {
        if (is_beside_the_point(plan, state, event)) continue;
        if (!witness.keeps(plan, state, event, step(plan, state, event, at), at)) return;
      }
    }
  }
}

// ---- All that can become of a rollout

// What leads somewhere: each command, each trip, a tick of each kind.
std::vector<Event> moves() {
  std::vector<Event::What> whats{Start{},
                                 Start{"9.9"},
                                 Retry{},
                                 Promote{},
                                 Promote{true},
                                 Pause{},
                                 Resume{},
                                 Abort{},
                                 RollBack{},
                                 RollBack{10s},
                                 Approve{"owner", {}, "alice"},
                                 Approve{"owner", {}, "bob"},
                                 CircuitOpened{Trip::kCircuit},
                                 CircuitClosed{},
                                 ProtectionFailed{Trip::kExposure, false},
                                 ProtectionFailed{Trip::kCircuit, true},
                                 NewPlan{true},
                                 NewPlan{true, true},
                                 Restart{true}};
  const StableUse idle{Duration(1h), false, false};
  for (const Event::What& what : std::vector<Event::What>{
           Retire{idle}, Unretire{}, HookEnded{true, "0"}, HookEnded{false, "3"}}) {
    whats.push_back(what);
  }
  for (const unsigned weight : {0U, 700U}) whats.emplace_back(SetWeight{BasisPoints(weight)});
  for (const Judgement judgement : {Judgement::kHold, Judgement::kAccept, Judgement::kRollback}) {
    for (const Consent consent : {Consent::kRefused, Consent::kGiven}) {
      Tick seen = tick(judgement, kMany);
      seen.consent = consent;
      whats.emplace_back(seen);
    }
  }
  const Tick good = tick(Judgement::kAccept, kMany);
  for (const Readings readings : {Readings::kNone, Readings::kBad, Readings::kRollback}) {
    Tick seen = good;
    seen.readings = readings;
    whats.emplace_back(seen);
  }
  for (bool Tick::*const flag : {&Tick::both_failing, &Tick::no_control, &Tick::group_failed}) {
    Tick seen = good;
    seen.*flag = true;
    whats.emplace_back(seen);
  }
  Tick unused = good;
  unused.stable_use = idle;
  whats.emplace_back(unused);
  Tick down = good;
  down.stable_up = false;
  whats.emplace_back(down);
  whats.emplace_back(tick(Judgement::kHold, 0));
  return as_events(whats);
}

struct Reached {
  State state;
  WallTime now;
  unsigned depth = 0;
};

// Breadth first: every state that so many moves lead to meets every move.
void explore(const Plan& plan, const State& start, unsigned depth_max, Witness& witness) {
  const std::vector<Event> events = moves();
  SeenStates seen;
  std::deque<Reached> open{{start, start.since}};
  while (!open.empty()) {
    const Reached from = std::move(open.front());
    open.pop_front();
    for (const Duration time : {Duration(1min), Duration(30h)}) {
      const WallTime now = later(from.now, time);
      for (const Event& event : events) {
        Transition result = step(plan, from.state, event, now);
        if (!witness.keeps(plan, from.state, event, result, now)) return;
        if (from.depth + 1 >= depth_max || !seen.add(result.state, now)) continue;
        open.push_back({std::move(result.state), now, from.depth + 1});
      }
    }
  }
}

TEST(MachinePropertyTest, WhateverComesOfItKeepsThePromises) {
  Plan climbing = plan_with({1, 5, 100});
  climbing.start = StartMode::kManual;
  Plan careful = plan_with({5, 50});
  careful.steps[0].gate = "owner";
  careful.steps[0].approvals = {2, {"alice", "bob"}, 1h};
  careful.asks_before_step = true;
  careful.on_failure = OnFailure::kStepDown;
  careful.on_stable_down = OnStableDown::kSpill;
  careful.bake.holdback = BasisPoints(1000);
  Plan bold = plan_with({5, 100});
  bold.on_failure = OnFailure::kHold;
  bold.on_inconclusive = OnInconclusive::kPromote;
  bold.freeze = {{kEveryDay, 9h, 12h, {}}};
  Witness witness;
  for (const Plan& plan : {climbing, careful, bold}) {
    explore(plan, initial_state(plan, kStart), kDepth, witness);
  }
  Plan retiring = plan_with({5, 100});
  retiring.retire = RetirePlan{1min, 5s, 1h, true};
  explore(retiring, in_phase(Phase::kPromoted, retiring).state, kDepth, witness);
  EXPECT_GT(witness.states(), 1000U);
}

TEST(MachinePropertyTest, CommandsAreIdempotent) {
  for (const Phase phase : kPhases) {
    for (const Event::What& what : all_events(kStart)) {
      Event event{what, "anna", "", ""};
      const bool goes_on = std::holds_alternative<Promote>(what) &&
                           !std::get<Promote>(what).full;  // The next step each time.
      if (!is_command(event) || goes_on) continue;
      Driver driver = in_phase(phase);
      driver.send(event);
      EXPECT_NE(driver.send(event).outcome, Outcome::kChanged)
          << to_string(phase) << " " << name_of(event);
    }
  }
}

Plan random_plan(Random& random) {
  std::set<unsigned> weights;
  const std::uint64_t count = 1 + random.below(6);
  while (weights.size() < count) weights.insert(1 + static_cast<unsigned>(random.below(100)));
  Plan plan = plan_with({weights.begin(), weights.end()});
  for (Step& step : plan.steps) {
    if (random.chance(0.2)) step.gate = "owner";
    if (!step.gate.empty() && random.chance(0.3)) step.approvals = {2, {"alice", "bob"}, 10min};
    step.min_requests = random.below(300);
  }
  plan.mode = random.chance(0.8) ? Mode::kEnforce : Mode::kObserve;
  plan.start = random.chance(0.5) ? StartMode::kAuto : StartMode::kManual;
  plan.on_failure = static_cast<OnFailure>(random.below(3));
  plan.on_inconclusive = static_cast<OnInconclusive>(random.below(3));
  plan.asks_before_step = random.chance(0.2);
  plan.bake.duration = std::chrono::hours(random.below(48));
  if (random.chance(0.7)) plan.retire = RetirePlan{1h, 1min, 1h, random.chance(0.5)};
  if (random.chance(0.3)) plan.freeze = {{kEveryDay, 20h, 6h, {}}, {0x41, 0h, 24h, {}}};
  if (random.chance(0.1)) plan.revision = "3.0." + std::to_string(random.below(3));
  if (random.chance(0.05)) plan.canary = "shop-v3";
  return plan;
}

Tick ordinary_tick(Random& random) {
  Tick result = tick(random.chance(0.4) ? Judgement::kAccept : Judgement::kHold);
  if (random.chance(0.5)) result.consent = Consent::kGiven;
  if (random.chance(0.5)) result.stable_use.idle = Duration(1h);
  return result;
}

TEST(MachinePropertyTest, RandomWalksKeepThePromises) {
  Witness witness;
  std::set<Phase> seen;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    Driver driver(random_plan(random));
    const std::vector<Event::What> events = all_events(kStart);
    std::vector<Event::What> happenings;
    for (const Event::What& what : events) {
      if (!std::holds_alternative<Tick>(what)) happenings.push_back(what);
    }
    for (int i = 0; i < 10'000; ++i) {
      // There is no way back from it.
      if (driver.state.phase == Phase::kRetired && random.chance(0.1)) {
        driver = Driver(random_plan(random));
      }
      driver.after(
          std::chrono::milliseconds(random.below(random.chance(0.05) ? 90'000'000 : 60'000)));
      if (random.chance(0.01)) driver.now = later(driver.now, -1h);
      Event event{events[random.below(events.size())], "anna", "", ""};
      // Ordinary life more often than trouble, or no rollout would get anywhere.
      if (random.chance(0.9)) {
        event.what = ordinary_tick(random);
      } else if (random.chance(0.5)) {
        event.what = happenings[random.below(happenings.size())];
      }
      const Plan before_plan = driver.plan;
      if (std::holds_alternative<NewPlan>(event.what) && random.chance(0.5)) {
        driver.plan = random_plan(random);
      }
      const State before = driver.state;
      const Transition result = driver.send(event);
      if (result.outcome == Outcome::kRefused && std::holds_alternative<NewPlan>(event.what)) {
        driver.plan = before_plan;
        continue;
      }
      if (!witness.keeps(driver.plan, before, event, result, driver.now)) return;
      seen.insert(driver.state.phase);
    }
  }
  for (const Phase phase : kPhases) {
    EXPECT_TRUE(seen.contains(phase)) << to_string(phase);
  }
}

}  // namespace
}  // namespace canaryd::rollout
