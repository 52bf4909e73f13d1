// One transition in the making: the state before and after, and what has to be asked of the
// outside.
//
// Private to the machine. The handlers change `state` through the verbs here, then commit(), which
// counts the generation, finds the direction and puts the effects in their safe order. Pure.
#pragma once

#include "canaryd/rollout/machine.hpp"

#include <optional>
#include <string>

namespace canaryd::rollout {

struct Draft {
  Draft(const Plan& plan_in, const State& before_in, const Event& event_in, WallTime now_in);

  const Plan& plan;
  const State& before;
  const Event& event;
  WallTime now;   // Never before the last change of the state: how long something has lasted.
  WallTime date;  // What the clock says, wherever the state is: for freezes and approvals.
  State state;
  std::string gate;       // For the journal: the gate it is about,
  std::string approvals;  // and how far it is.
  std::string evidence;   // Where the event has none.

  // ---- Verbs on `state`
  // The step's clocks stand still while paused, suspended or held.
  void enter(Phase phase);
  void hold(HoldReason reason);
  // The weight and everything that follows from it; the step's clocks and accept accounts start
  // anew.
  void begin_step(BasisPoints weight);
  // Step 0 with fresh evidence.
  void begin_run(std::string revision);
  // One step up, or from the last one into the bake.
  void advance();
  void bake_from_here();
  // Everybody, for good.
  void promote();
  // Everything is fulfilled but for the freeze.
  void wait_for_thaw();
  // Nobody is sent to stable any more, and that it is back.
  void retire();
  void put_stable_back();
  // The hook is to be called once the change is durable.
  void call_hook();
  // What is suspended comes back paused.
  void pause_beneath();
  // Weight 0, for good.
  void end(Phase phase);
  // The step goes on to be judged for another next weight.
  void rejudge_step();
  // What it is bound to follows from the rest; see State::group.
  void bind(Cause cause);
  // Since when all its steps are behind it; see State::bake_turn.
  void note_bake();

  // ---- Questions
  [[nodiscard]] const Step& current_step() const;
  [[nodiscard]] Duration in_step() const;
  [[nodiscard]] Duration on_timer() const;
  // The gate of the present step is open, or there is none.
  [[nodiscard]] bool gate_open() const;
  // The end of the freeze, if there is one now; and whether the next step has to wait for it.
  [[nodiscard]] std::optional<WallTime> frozen_until() const;
  [[nodiscard]] bool must_thaw() const;
  // Stable has been idle for as long as the plan says.
  [[nodiscard]] bool is_idle(const StableUse& use) const;
  // Whether somebody else has to agree to the next step.
  [[nodiscard]] bool must_ask() const;

  // ---- Endings
  [[nodiscard]] Transition commit(Cause cause);
  [[nodiscard]] Transition unchanged() const;
  [[nodiscard]] Transition refuse(std::string why) const;
  // `what` does not happen before the freeze is over.
  [[nodiscard]] Transition refuse_frozen(WallTime until, const char* what) const;

 private:
  [[nodiscard]] Change change(Cause cause) const;
  [[nodiscard]] Direction direction() const;
  [[nodiscard]] bool stays_suspended() const noexcept;
  // Who paused it, and why, is still what keeps it paused.
  [[nodiscard]] bool stays_paused() const noexcept;
  // Those that a rise to this weight passes.
  void forget_gates_below(BasisPoints weight);

  bool fresh_ = false;
  bool step_begun_ = false;
  bool calls_hook_ = false;
};

// Untrusted text made fit for the journal: valid UTF-8, no control characters, at most `limit`
// bytes.
[[nodiscard]] std::string tidy_text(const std::string& text, std::size_t limit);

// Stable is no measure now, and nobody should change anything: no step is taken, nobody is blamed.
[[nodiscard]] bool is_degraded(const Tick& tick) noexcept;

// spill.cpp: what stable's being down leads to, if the plan says `spill`. Nothing: go on as ever.
[[nodiscard]] std::optional<Transition> spill(Draft& draft, const Tick& tick);

// readings.cpp: what the queries ask for beside keeping the step. Nothing: go on as ever.
[[nodiscard]] std::optional<Transition> heed_readings(Draft& draft, const Tick& tick);
// The same, in phase kHeld: goes on, if it was held by them and they are good.
[[nodiscard]] std::optional<Transition> recover_by_readings(Draft& draft, const Tick& tick);

// retirement.cpp: what time and use lead to in kPromoted and kRetiring.
[[nodiscard]] Transition retire_when_idle(Draft& draft, const Tick& tick);
[[nodiscard]] Transition go_on_retiring(Draft& draft, const Tick& tick);

// gradual_return.cpp: a rollback that takes its time, and its next fall.
[[nodiscard]] Transition begin_return(Draft& draft, Duration over, bool stable_up);
[[nodiscard]] Transition go_on_returning(Draft& draft);

// ---- The handlers, one per event
[[nodiscard]] Transition handle(Draft& draft, const Start& start);
[[nodiscard]] Transition handle(Draft& draft, const Retry&);
[[nodiscard]] Transition handle(Draft& draft, const Promote& promote);
[[nodiscard]] Transition handle(Draft& draft, const Pause&);
[[nodiscard]] Transition handle(Draft& draft, const Resume&);
[[nodiscard]] Transition handle(Draft& draft, const Abort&);
[[nodiscard]] Transition handle(Draft& draft, const RollBack& back);
[[nodiscard]] Transition handle(Draft& draft, const SetWeight& set);
[[nodiscard]] Transition handle(Draft& draft, const Approve& approve);
[[nodiscard]] Transition handle(Draft& draft, const Retire& retire);
[[nodiscard]] Transition handle(Draft& draft, const Unretire&);
[[nodiscard]] Transition handle(Draft& draft, const Tick& tick);
[[nodiscard]] Transition handle(Draft& draft, const CircuitOpened& opened);
[[nodiscard]] Transition handle(Draft& draft, const CircuitClosed&);
[[nodiscard]] Transition handle(Draft& draft, const ProtectionFailed& failed);
[[nodiscard]] Transition handle(Draft& draft, const HookEnded& ended);
[[nodiscard]] Transition handle(Draft& draft, const NewPlan& reload);
[[nodiscard]] Transition handle(Draft& draft, const Restart& restart);

}  // namespace canaryd::rollout
