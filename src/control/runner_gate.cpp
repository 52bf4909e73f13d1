// The runner and its gate: what the data plane did there by itself becomes a transition, and what
// the transitions allow is lifted again.
//
// The data plane does not wait for any of this: when control looks, nobody but probes has been sent
// to the canary for a while.
#include "control/runner.hpp"

#include <utility>

namespace canaryd::control {

void Runner::happened(rollout::Event::What what) {
  rollout::Event event;
  event.what = std::move(what);
  handle(std::move(event), nullptr);
}

void Runner::look() {
  // One thing at a time; the gate waits.
  if (busy_) return;
  const routing::GateState seen = gate_->state();
  if (!seen.open) return;
  if (state_.phase != rollout::Phase::kSuspended) {
    if (served_ == BasisPoints(0)) return forget_circuit();
    return happened(rollout::CircuitOpened{rollout::Trip::kCircuit});
  }
  if (probes().bad < config_.circuit.probes_failed) return;
  // All of the probes failed: stable fails as well if it does so half of the time.
  const bool stable_failing = surroundings_.stable_failures >= 0.5;
  if (stable_failing) gate_->forget_probes(gate_generation_);
  happened(rollout::ProtectionFailed{rollout::Trip::kCircuit, stable_failing});
}

void Runner::watch(const Surroundings& surroundings) {
  surroundings_ = surroundings;
  if (surroundings.slow_after) gate_->set_slow_after(*surroundings.slow_after);
  if (busy_ || state_.phase != rollout::Phase::kSuspended || !gate_->state().open) return;
  // With no weight to come back to there are no probes either.
  const bool idle = state_.weight == BasisPoints(0);
  if (idle || probes().good >= kProbesToClose) happened(rollout::CircuitClosed{});
}

// Nobody is to be sent to the canary, so there is nothing to protect and nothing to probe.
void Runner::forget_circuit() noexcept {
  if (served_ > BasisPoints(0) || state_.phase == rollout::Phase::kSuspended) return;
  const routing::GateState seen = gate_->state();
  if (seen.open) gate_->close(seen, BasisPoints(0));
}

// Every worker has the table by now.
void Runner::lift_gate(const rollout::Change& change, routing::GateState seen) noexcept {
  if (braked_) return;
  const bool resumes = change.from == rollout::Phase::kSuspended;
  if (resumes) {
    gate_->close(seen, served_);
  } else if (served_ > seen.ceiling) {
    static_cast<void>(gate_->raise(seen, served_));
  }
}

}  // namespace canaryd::control
