// The runner and its gate: what the data plane did there by itself becomes a transition, and what
// the transitions allow is lifted again.
//
// The data plane does not wait for any of this: when control looks, nobody but probes has been sent
// to the canary for a while.
#include "control/runner.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>

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

void Runner::look() {
  if (!store_failing_) save_exposure();
  // One thing at a time; the gate waits.
  if (busy_) return;
  const routing::GateState seen = gate_->state();
  if (!seen.open && !seen.spent) return;
  if (state_.phase != rollout::Phase::kSuspended) {
    if (served_ == BasisPoints(0)) return forget_circuit();
    if (!seen.spent) {
      return happened(rollout::CircuitOpened{rollout::Trip::kCircuit},
                      in_a_row(config_.circuit.consecutive_failures, "failed canary request"));
    }
    // Open as well, so that nothing but judge_exposure() ends this suspension.
    gate_->open(gate_generation_, host_->now() + config_.circuit.open_for);
    return happened(rollout::CircuitOpened{rollout::Trip::kExposure}, exposure_text());
  }
  if (seen.spent) return;  // watch() decides.
  const std::uint32_t bad = probes().bad;
  if (bad < config_.circuit.probes_failed) return;
  // All of the probes failed: stable fails as well if it does so half of the time.
  const bool stable_failing = surroundings_.stable_failures >= 0.5;
  if (stable_failing) gate_->forget_probes(gate_generation_);
  happened(rollout::ProtectionFailed{rollout::Trip::kCircuit, stable_failing},
           in_a_row(bad, "failed probe") +
               (stable_failing ? ", stable fails " + share(surroundings_.stable_failures) : ""));
}

void Runner::watch(const Surroundings& surroundings) {
  surroundings_ = surroundings;
  environment_.observe({surroundings.stable_requests,
                        surroundings.stable_failures,
                        surroundings.canary_requests,
                        surroundings.canary_failures.value_or(0)});
  if (surroundings.slow_after) gate_->set_slow_after(*surroundings.slow_after);
  settle_exposure();
  save_exposure();
  if (!busy_) judge_exposure();
  if (busy_ || state_.phase != rollout::Phase::kSuspended || !gate_->state().open) return;
  // With no weight to come back to there are no probes either.
  const bool idle = state_.weight == BasisPoints(0);
  const std::uint32_t good = probes().good;
  if (good >= kProbesToClose) {
    happened(rollout::CircuitClosed{}, in_a_row(good, "good probe"));
  } else if (idle) {
    happened(rollout::CircuitClosed{}, {});
  }
}

// ---- Exposure

// Of the same seconds, so that what hits both alike is not charged to the canary.
bool Runner::stable_fails_too() const noexcept {
  return surroundings_.stable_failures > 0 &&
         2 * surroundings_.stable_failures >= surroundings_.canary_failures.value_or(1);
}

// The shares are of whole seconds, so what is newer than the last look cannot be judged by them
// yet.
void Runner::settle_exposure() noexcept {
  const std::uint64_t used = exposure_used();
  if (stable_fails_too()) {
    if (used > exposure_settled_) gate_->give_back(gate_generation_, used - exposure_settled_);
    exposure_seen_ = exposure_settled_;
    return;
  }
  exposure_settled_ = std::max(exposure_settled_, exposure_seen_);
  exposure_seen_ = used;
}

std::string Runner::exposure_text() const {
  return std::to_string(exposure_used()) + " failures, " +
         std::to_string(config_.exposure.max_failed_requests.value_or(0)) + " allowed";
}

// The gate is shut, so there is time until the second in which it happened is over, and the shares
// say whether stable failed as well.
void Runner::judge_exposure() {
  const routing::GateState seen = gate_->state();
  if (!seen.spent) {
    spent_seconds_ = 0;
    return;
  }
  if (++spent_seconds_ < 2) return;
  spent_seconds_ = 0;
  const bool forgiven = stable_fails_too();
  std::string figures = forgiven ? "canary " + share(surroundings_.canary_failures.value_or(1)) +
                                       ", stable " + share(surroundings_.stable_failures)
                                 : exposure_text();
  if (forgiven) gate_->reprieve(seen, host_->now() + config_.circuit.open_for);
  happened(rollout::ProtectionFailed{rollout::Trip::kExposure, forgiven}, std::move(figures));
}

// Ahead of what is used, because a crash takes what is not written: so the next start knows too
// much rather than too little, unless more than that fail between two looks.
void Runner::save_exposure() {
  const std::uint64_t used = exposure_used();
  if (saving_exposure_ || used <= exposure_stored_) return;
  std::uint64_t value = used;
  if (const auto max = config_.exposure.max_failed_requests; max && used < *max) {
    value = std::min(*max, used + std::clamp<std::uint64_t>(*max / 10, 1, 100));
  }
  store::Batch batch;
  batch.exposure.push_back({config_.name, state_.run, value});
  saving_exposure_ = true;
  const auto self = shared_from_this();
  const std::uint64_t run = state_.run;
  host_->store->write(
      std::move(batch), store::Keep::kOnce, [self, run, value](const Result<void>& written) {
        self->saving_exposure_ = false;
        if (self->host_->closed) return;
        if (!written) return self->store_failed(written.error());
        self->store_works();
        if (run == self->state_.run) self->exposure_stored_ = value;
      });
}

void Runner::recall_exposure(std::uint64_t used) noexcept {
  gate_->recall(gate_generation_, used, config_.exposure.max_failed_requests);
  exposure_settled_ = exposure_seen_ = exposure_stored_ = used;
}

// ---- The gate

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
