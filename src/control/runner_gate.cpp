// The runner and its gate: what the data plane did there by itself becomes a transition, and what
// the transitions allow is lifted again.
//
// The data plane does not wait for any of this: when control looks, nobody but probes has been sent
// to the canary for a while.
#include "canaryd/base/units.hpp"
#include "control/runner.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace canaryd::control {
namespace {

std::string in_a_row(std::uint64_t count, std::string_view what) {
  return std::to_string(count) + " " + std::string(what) + (count == 1 ? "" : "s in a row");
}

std::string share(double of_requests) {
  return std::to_string(std::lround(100 * of_requests)) + " %";
}

}  // namespace

void Runner::happened(rollout::Event::What what, std::string evidence) {
  rollout::Event event;
  event.what = std::move(what);
  event.evidence = std::move(evidence);
  handle(std::move(event), nullptr);
}

void Runner::follow(const rollout::GateDecision& decision,
                    routing::GateState seen,
                    std::string evidence) {
  const Monotonic probe_from = host_->now() + config_.circuit.open_for;
  switch (decision.order) {
    case rollout::GateDecision::Order::kOpen:
      gate_->open(gate_generation_, probe_from);
      break;
    case rollout::GateDecision::Order::kForgetProbes:
      gate_->forget_probes(gate_generation_);
      break;
    case rollout::GateDecision::Order::kReprieve:
      gate_->reprieve(seen, probe_from);
      break;
    case rollout::GateDecision::Order::kNone:
      break;
  }
  happened(decision.what, std::move(evidence));
}

rollout::GateLevel Runner::gate_level(routing::GateState seen) const noexcept {
  const routing::ProbeCount count = probes();
  return {seen.open, seen.spent, count.good, count.bad};
}

// The figures behind a decision about the circuit, before it is followed.
std::string Runner::why(const rollout::GateDecision& decision) const {
  if (const auto* opened = std::get_if<rollout::CircuitOpened>(&decision.what)) {
    return opened->why == rollout::Trip::kExposure
               ? exposure_text()
               : in_a_row(config_.circuit.consecutive_failures, "failed canary request");
  }
  const auto* failed = std::get_if<rollout::ProtectionFailed>(&decision.what);
  if (failed != nullptr && state_.phase != rollout::Phase::kSuspended) {
    return "it has opened " + std::to_string(config_.circuit.max_trips) + " times within " +
           format_duration_brief(rollout::CircuitTrips::kWindow);
  }
  std::string text = in_a_row(probes().bad, "failed probe");
  if (failed == nullptr || !failed->stable_failing) return text;
  return text + ", stable fails " + share(surroundings_.failures.stable);
}

void Runner::look() {
  if (!store_failing_) save_exposure();
  // One thing at a time; the gate waits.
  if (busy_) return;
  const routing::GateState seen = gate_->state();
  const bool suspended = state_.phase == rollout::Phase::kSuspended;
  // What it shut in its last moment with a stable version has nowhere to go back to.
  if ((seen.open || seen.spent) && rollout::stable_is_gone(state_)) return keep_open(seen);
  if ((seen.open || seen.spent) && !suspended && served_ == BasisPoints(0)) {
    return forget_circuit();
  }
  auto decision = rollout::look_at_gate(state_,
                                        gate_level(seen),
                                        config_.circuit.probes_failed,
                                        surroundings_.failures,
                                        failed_probes_);
  if (!decision) return;
  trips_.judge(*decision, surroundings_.failures, host_->now(), config_.circuit.max_trips);
  follow(*decision, seen, why(*decision));
}

bool Runner::is_compared() const noexcept {
  return state_.weight > BasisPoints(0) && !is_over();
}

void Runner::watch(const Surroundings& surroundings) {
  surroundings_ = surroundings;
  environment_.observe({surroundings.failures.stable_requests,
                        surroundings.failures.stable,
                        surroundings.canary_requests,
                        surroundings.failures.canary.value_or(0),
                        surroundings.stable_slow});
  if (surroundings.slow_after) gate_->set_slow_after(*surroundings.slow_after);
  const bool compared = is_compared();
  gate_->set_overdue_after(compared ? surroundings.overdue_after : Duration::zero());
  gate_->set_abandoned_after(compared ? surroundings.abandoned_after : Duration::zero());
  gate_->set_latency_cuts(compared ? surroundings.latency_cuts : routing::CohortGate::kNoCuts);
  settle_exposure();
  save_exposure();
  if (!busy_) judge_exposure();
  if (busy_ || state_.phase != rollout::Phase::kSuspended) return;
  const routing::GateState seen = gate_->state();
  // With no weight to come back to there are no probes either.
  if (rollout::closes_circuit(state_.phase, gate_level(seen))) {
    happened(rollout::CircuitClosed{}, in_a_row(probes().good, "good probe"));
  } else if (seen.open && state_.weight == BasisPoints(0)) {
    happened(rollout::CircuitClosed{}, {});
  }
}

// ---- Exposure

void Runner::settle_exposure() noexcept {
  const std::uint64_t back = exposure_.settle(exposure_used(), surroundings_.failures);
  if (back > 0) gate_->give_back(gate_generation_, back);
}

std::string Runner::exposure_text() const {
  return std::to_string(exposure_used()) + " failures, " +
         std::to_string(config_.exposure.max_failed_requests.value_or(0)) + " allowed";
}

// The gate is shut, so there is time to see whether stable failed as well.
void Runner::judge_exposure() {
  const routing::GateState seen = gate_->state();
  const auto decision = exposure_.judge(seen.spent, surroundings_.failures);
  if (!decision) return;
  const bool forgiven = decision->order == rollout::GateDecision::Order::kReprieve;
  follow(*decision,
         seen,
         forgiven ? "canary " + share(surroundings_.failures.canary.value_or(1)) + ", stable " +
                        share(surroundings_.failures.stable)
                  : exposure_text());
}

// Ahead of what is used, because a crash takes what is not written: so the next start knows too
// much rather than too little, unless more than that fail until the next look has been written. The
// first of it before anything has failed, but not again by restarts alone.
void Runner::save_exposure() {
  const std::uint64_t used = exposure_used();
  const auto max = config_.exposure.max_failed_requests;
  const bool first =
      exposure_stored_ == 0 && max.value_or(0) > 0 && served_ > BasisPoints(0) && !is_over();
  if (saving_exposure_ || (used <= exposure_stored_ && !first)) return;
  std::uint64_t value = used;
  if (max && used < *max) {
    value = std::min(*max, used + std::clamp<std::uint64_t>(*max / 10, 1, 100));
  }
  store::Batch batch;
  batch.exposure.push_back({config_.name, state_.run, value});
  saving_exposure_ = true;
  const auto self = shared_from_this();
  const std::uint64_t run = state_.run;
  write(std::move(batch), store::Keep::kOnce, [self, run, value](const Result<void>& written) {
    self->saving_exposure_ = false;
    if (self->host_->closed) return;
    if (!written) return self->store_failed(written.error());
    self->store_works();
    if (run == self->state_.run) self->exposure_stored_ = value;
  });
}

void Runner::recall_exposure(std::uint64_t used) noexcept {
  gate_->recall(gate_generation_, used, config_.exposure.max_failed_requests);
  exposure_.begin(used);
  exposure_stored_ = used;
}

// ---- The gate

// Nobody is to be sent to the canary, so there is nothing to protect and nothing to probe.
void Runner::forget_circuit() noexcept {
  if (served_ > BasisPoints(0) || state_.phase == rollout::Phase::kSuspended) return;
  const routing::GateState seen = gate_->state();
  if (seen.open) gate_->close(seen, BasisPoints(0));
}

void Runner::keep_open(routing::GateState seen) noexcept {
  if (seen.spent) {
    gate_->reprieve(seen, host_->now());
  } else {
    gate_->close(seen, served_);
  }
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
