#include "simulate/gatekeeper.hpp"

#include <algorithm>

namespace canaryd::simulate {
namespace {

constexpr std::uint64_t kGeneration = 1;
constexpr BasisPoints kOpen{BasisPoints::kMax};
constexpr int kLearnedSeconds = 1800;

Monotonic time_of(std::int64_t second) noexcept {
  return Monotonic(std::chrono::seconds(second));
}

std::optional<double> share_of(const stats::TrafficWindow::Sum& sum) noexcept {
  if (sum.requests == 0) return std::nullopt;
  return static_cast<double>(sum.failures) / static_cast<double>(sum.requests);
}

}  // namespace

Gatekeeper::Gatekeeper(const Protection& protection, Random& random)
    : protection_(protection), random_(random) {
  gate_.begin(kGeneration, kOpen);
}

void Gatekeeper::learn(double requests_per_second, double error_rate) noexcept {
  analysis::Environment::Window usual;
  usual.stable_requests = requests_per_second * static_cast<double>(rollout::kShareSeconds);
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

void Gatekeeper::note(std::int64_t second, const Second& sent, bool stable_slow) {
  stable_.add(second, sent.stable.requests, sent.stable.failures);
  canary_.add(second, sent.canary.requests, sent.canary.failures);
  const stats::TrafficWindow::Sum stable = stable_.last(rollout::kShareSeconds, second + 1);
  const stats::TrafficWindow::Sum canary = canary_.last(rollout::kShareSeconds, second + 1);
  shares_ = {share_of(stable).value_or(0), share_of(canary), static_cast<double>(stable.requests)};
  window_ = {shares_.stable_requests,
             shares_.stable,
             static_cast<double>(canary.requests),
             shares_.canary.value_or(0),
             stable_slow};
}

rollout::GateLevel Gatekeeper::level() const noexcept {
  const routing::GateState seen = gate_.state();
  if (!seen.open && !seen.spent) return {};
  const routing::ProbeCount probes = gate_.probes(kGeneration);
  return {seen.open, seen.spent, probes.good, probes.bad};
}

rollout::Event::What Gatekeeper::act(const rollout::GateDecision& decision, std::int64_t second) {
  const Monotonic probe_from = time_of(second) + protection_.open_for;
  switch (decision.order) {
    case rollout::GateDecision::Order::kOpen:
      gate_.open(kGeneration, probe_from);
      break;
    case rollout::GateDecision::Order::kForgetProbes:
      gate_.forget_probes(kGeneration);
      break;
    case rollout::GateDecision::Order::kReprieve:
      gate_.reprieve(gate_.state(), probe_from);
      break;
    case rollout::GateDecision::Order::kNone:
      break;
  }
  return decision.what;
}

std::optional<rollout::Event::What> Gatekeeper::look(const rollout::State& state,
                                                     std::int64_t second) {
  auto decision =
      rollout::look_at_gate(state, level(), protection_.probes_failed, shares_, failed_probes_);
  if (!decision) return std::nullopt;
  trips_.judge(*decision, shares_, time_of(second), protection_.max_trips);
  return act(*decision, second);
}

std::optional<rollout::Event::What> Gatekeeper::watch(const rollout::State& state,
                                                      std::int64_t second) {
  environment_.observe(window_);
  const std::uint64_t back = exposure_.settle(gate_.exposure_used(kGeneration), shares_);
  if (back > 0) gate_.give_back(kGeneration, back);
  if (const auto decision = exposure_.judge(gate_.state().spent, shares_)) {
    return act(*decision, second);
  }
  if (!rollout::closes_circuit(state.phase, level())) return std::nullopt;
  return rollout::CircuitClosed{};
}

void Gatekeeper::follow(const rollout::State& state) noexcept {
  const routing::GateState seen = gate_.state();
  if (seen.open && !seen.spent && state.phase != rollout::Phase::kSuspended) {
    gate_.close(seen, kOpen);
  }
}

}  // namespace canaryd::simulate
