#include "canaryd/rollout/protection.hpp"

#include <algorithm>
#include <variant>

namespace canaryd::rollout {
namespace {

// All of the probes failed; stable fails as well if it does so half of the time.
constexpr double kStableFailing = 0.5;

}  // namespace

bool stable_fails_too(const FailureShares& shares) noexcept {
  return shares.stable > 0 && 2 * shares.stable >= shares.canary.value_or(1);
}

std::optional<GateDecision> look_at_gate(Phase phase,
                                         const GateLevel& level,
                                         std::uint64_t probes_failed,
                                         const FailureShares& shares) noexcept {
  using Order = GateDecision::Order;
  if (!level.open && !level.spent) return std::nullopt;
  if (phase != Phase::kSuspended) {
    if (level.spent) return GateDecision{Order::kOpen, CircuitOpened{Trip::kExposure}};
    return GateDecision{Order::kNone, CircuitOpened{Trip::kCircuit}};
  }
  if (level.spent || level.bad_probes < probes_failed) return std::nullopt;
  const bool stable_failing = shares.stable >= kStableFailing;
  return GateDecision{stable_failing ? Order::kForgetProbes : Order::kNone,
                      ProtectionFailed{Trip::kCircuit, stable_failing}};
}

void CircuitTrips::judge(GateDecision& decision,
                         const FailureShares& shares,
                         Monotonic now,
                         std::uint64_t max) {
  const auto* const opened = std::get_if<CircuitOpened>(&decision.what);
  if (opened == nullptr || opened->why != Trip::kCircuit || max == 0) return;
  if (stable_fails_too(shares)) return;
  times_.push_back(now);
  while (times_.size() > max || now - times_.front() > kWindow) times_.pop_front();
  if (times_.size() >= max) decision.what = ProtectionFailed{Trip::kCircuit, false};
}

bool closes_circuit(Phase phase, const GateLevel& level) noexcept {
  return phase == Phase::kSuspended && level.open && !level.spent &&
         level.good_probes >= kProbesToClose;
}

std::uint64_t ExposureSettling::settle(std::uint64_t used, const FailureShares& shares) noexcept {
  if (stable_fails_too(shares)) {
    seen_ = settled_;
    return used > settled_ ? used - settled_ : 0;
  }
  settled_ = std::max(settled_, seen_);
  seen_ = used;
  return 0;
}

std::optional<GateDecision> ExposureSettling::judge(bool spent,
                                                    const FailureShares& shares) noexcept {
  if (!spent) {
    spent_seconds_ = 0;
    return std::nullopt;
  }
  if (++spent_seconds_ < 2) return std::nullopt;
  spent_seconds_ = 0;
  const bool forgiven = stable_fails_too(shares);
  return GateDecision{forgiven ? GateDecision::Order::kReprieve : GateDecision::Order::kNone,
                      ProtectionFailed{Trip::kExposure, forgiven}};
}

}  // namespace canaryd::rollout
