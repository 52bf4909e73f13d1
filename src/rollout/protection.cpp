#include "canaryd/rollout/protection.hpp"

#include <algorithm>
#include <cmath>
#include <variant>

namespace canaryd::rollout {
namespace {

// All of the probes failed; stable fails as well if it does so half of the time.
constexpr double kStableFailing = 0.5;
// While stable fails no more than this, `probes_failed` is the operator's word.
constexpr double kStableWell = 0.1;
// Beyond it, how likely so many failed probes in a row may be for a canary that fails as often as
// stable. An outage may last for hours, with a probe in each second.
constexpr double kChance = 1e-6;

// The upper end of Wilson's interval of one standard deviation: few requests show little. A stable
// that failed none of them excuses nothing.
double upper_share(const FailureShares& shares) noexcept {
  if (shares.stable <= 0) return 0;
  const double n = std::max(shares.stable_requests, 1.0);
  const double p = std::min(shares.stable, 1.0);
  const double deviation = std::sqrt(p * (1 - p) / n + 1 / (4 * n * n));
  return (p + 1 / (2 * n) + deviation) / (1 + 1 / n);
}

}  // namespace

bool stable_fails_too(const FailureShares& shares) noexcept {
  return shares.stable > 0 && 2 * shares.stable >= shares.canary.value_or(1);
}

// The largest, because the shares of the last seconds lag behind the end of an outage in which the
// probes failed, and probes may be seconds apart. Not above what is forgiven altogether: a canary
// that is dead is found so after the outage.
void FailedProbes::observe(const GateLevel& level, const FailureShares& shares) noexcept {
  const double share = std::min(upper_share(shares), kStableFailing);
  stable_share_ = level.bad_probes == 0 ? 0 : std::max(stable_share_, share);
}

std::uint64_t FailedProbes::needed(std::uint64_t probes_failed) const noexcept {
  if (stable_share_ <= kStableWell) return probes_failed;
  const double enough = std::ceil(std::log(kChance) / std::log(stable_share_));
  return std::max(probes_failed, static_cast<std::uint64_t>(enough));
}

std::optional<GateDecision> look_at_gate(const State& state,
                                         const GateLevel& level,
                                         std::uint64_t probes_failed,
                                         const FailureShares& shares,
                                         FailedProbes& probes) noexcept {
  using Order = GateDecision::Order;
  probes.observe(level, shares);
  if (!level.open && !level.spent) return std::nullopt;
  if (state.phase != Phase::kSuspended) {
    if (level.spent) return GateDecision{Order::kOpen, CircuitOpened{Trip::kExposure}};
    return GateDecision{Order::kNone, CircuitOpened{Trip::kCircuit}};
  }
  if (level.spent || level.bad_probes < probes_failed) return std::nullopt;
  if (shares.stable >= kStableFailing) {
    probes = {};
    return GateDecision{Order::kForgetProbes, ProtectionFailed{Trip::kCircuit, true}};
  }
  const bool chance = level.bad_probes < probes.needed(probes_failed);
  if (chance && state.hold == HoldReason::kEnvironmentDegraded) return std::nullopt;
  return GateDecision{Order::kNone, ProtectionFailed{Trip::kCircuit, chance}};
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
