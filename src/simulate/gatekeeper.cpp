#include "simulate/gatekeeper.hpp"

#include <algorithm>

namespace canaryd::simulate {
namespace {

constexpr std::uint64_t kGeneration = 1;
constexpr BasisPoints kOpen{BasisPoints::kMax};
// As control has them: kProbesToClose, and the window of the failure shares.
constexpr std::uint32_t kProbesToClose = 5;
constexpr std::int64_t kShareSeconds = 10;
constexpr double kStableFailing = 0.5;
constexpr int kLearnedSeconds = 1800;

Monotonic time_of(std::int64_t second) noexcept {
  return Monotonic(std::chrono::seconds(second));
}

double share_of(const stats::TrafficWindow::Sum& sum) noexcept {
  if (sum.requests == 0) return 0;
  return static_cast<double>(sum.failures) / static_cast<double>(sum.requests);
}

}  // namespace

Gatekeeper::Gatekeeper(const Protection& protection, Random& random)
    : protection_(protection), random_(random) {
  gate_.begin(kGeneration, kOpen);
}

void Gatekeeper::learn(double requests_per_second, double error_rate) noexcept {
  analysis::Environment::Window usual;
  usual.stable_requests = requests_per_second * static_cast<double>(kShareSeconds);
  usual.stable_failures = error_rate;
  for (int second = 0; second < kLearnedSeconds; ++second) environment_.observe(usual);
}

void Gatekeeper::count_failure(Monotonic now, Sent& sent) {
  ++sent.counts.failures;
  if (protection_.consecutive_failures > 0) {
    gate_.failed(kGeneration,
                 static_cast<std::uint32_t>(protection_.consecutive_failures),
                 now + protection_.open_for);
  }
  if (random_.chance(protection_.covered)) return;
  ++sent.user_failures;
  gate_.exposed(kGeneration, protection_.max_failed_requests);
}

Sent Gatekeeper::send(const CohortSecond& planned, std::int64_t second) {
  Sent sent;
  std::uint64_t left = planned.requests;
  std::uint64_t failing = planned.failures;
  while (failing > 0 && gate_.ceiling() > BasisPoints(0)) {
    // The next one fails with the odds that a draw without putting back gives.
    const bool fails = random_.below(left) < failing;
    --left;
    ++sent.counts.requests;
    if (fails) {
      --failing;
      count_failure(time_of(second), sent);
    } else {
      gate_.succeeded(kGeneration);
    }
  }
  if (gate_.ceiling() > BasisPoints(0)) {
    sent.counts.requests += left;
    if (left > 0) gate_.succeeded(kGeneration);
  }
  sent.counts.repeated = std::min(planned.repeated, sent.counts.failures);
  return sent;
}

Sent Gatekeeper::probe(double error_rate, std::int64_t second) {
  Sent sent;
  if (!gate_.state().open) return sent;
  const bool covered = random_.chance(protection_.covered);
  if (!gate_.claim_probe(kGeneration, time_of(second), covered)) return sent;
  const bool fails = random_.chance(error_rate);
  gate_.probed(kGeneration, !fails);
  sent.counts.requests = 1;
  sent.counts.failures = fails ? 1 : 0;
  if (!fails || covered) return sent;
  sent.user_failures = 1;
  gate_.exposed(kGeneration, protection_.max_failed_requests);
  return sent;
}

void Gatekeeper::note(std::int64_t second, const Second& sent) {
  stable_.add(second, sent.stable.requests, sent.stable.failures);
  canary_.add(second, sent.canary.requests, sent.canary.failures);
}

bool Gatekeeper::stable_fails_too(std::int64_t second) const noexcept {
  const double stable = stable_.failure_share(kShareSeconds, second + 1).value_or(0);
  const double canary = canary_.failure_share(kShareSeconds, second + 1).value_or(1);
  return stable > 0 && 2 * stable >= canary;
}

void Gatekeeper::settle_exposure(std::int64_t second) noexcept {
  const std::uint64_t used = gate_.exposure_used(kGeneration);
  if (used != exposure_settled_ && stable_fails_too(second)) {
    gate_.give_back(kGeneration, used - exposure_settled_);
    exposure_seen_ = exposure_settled_;
    return;
  }
  exposure_settled_ = std::max(exposure_settled_, exposure_seen_);
  exposure_seen_ = used;
}

std::optional<rollout::Event::What> Gatekeeper::look(const rollout::State& state,
                                                     std::int64_t second) {
  const routing::GateState seen = gate_.state();
  if (!seen.open && !seen.spent) return std::nullopt;
  if (state.phase != rollout::Phase::kSuspended) {
    if (!seen.spent) return rollout::CircuitOpened{rollout::Trip::kCircuit};
    gate_.open(kGeneration, time_of(second) + protection_.open_for);
    return rollout::CircuitOpened{rollout::Trip::kExposure};
  }
  if (seen.spent || gate_.probes(kGeneration).bad < protection_.probes_failed) return std::nullopt;
  const bool stable_failing =
      stable_.failure_share(kShareSeconds, second + 1).value_or(0) >= kStableFailing;
  if (stable_failing) gate_.forget_probes(kGeneration);
  return rollout::ProtectionFailed{rollout::Trip::kCircuit, stable_failing};
}

std::optional<rollout::Event::What> Gatekeeper::watch(const rollout::State& state,
                                                      std::int64_t second) {
  const stats::TrafficWindow::Sum stable = stable_.last(kShareSeconds, second + 1);
  const stats::TrafficWindow::Sum canary = canary_.last(kShareSeconds, second + 1);
  environment_.observe({static_cast<double>(stable.requests),
                        share_of(stable),
                        static_cast<double>(canary.requests),
                        share_of(canary)});
  settle_exposure(second);
  const routing::GateState seen = gate_.state();
  if (seen.spent) {
    // The second in which it happened must be over, so that the shares tell of it.
    if (++spent_seconds_ < 2) return std::nullopt;
    spent_seconds_ = 0;
    const bool forgiven = stable_fails_too(second);
    if (forgiven) gate_.reprieve(seen, time_of(second) + protection_.open_for);
    return rollout::ProtectionFailed{rollout::Trip::kExposure, forgiven};
  }
  if (state.phase != rollout::Phase::kSuspended || !seen.open) return std::nullopt;
  if (gate_.probes(kGeneration).good < kProbesToClose) return std::nullopt;
  return rollout::CircuitClosed{};
}

void Gatekeeper::follow(const rollout::State& state) noexcept {
  const routing::GateState seen = gate_.state();
  if (seen.open && !seen.spent && state.phase != rollout::Phase::kSuspended) {
    gate_.close(seen, kOpen);
  }
}

}  // namespace canaryd::simulate
