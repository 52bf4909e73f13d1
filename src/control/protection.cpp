// What protects users before any verdict, as control sees it: how stable fares meanwhile, and a
// look at the gates.
#include "control/controller_state.hpp"

#include <algorithm>

namespace canaryd::control {
namespace {

// A request to the canary that is silent for so much longer than nearly all answers of stable take.
constexpr int kSlowFactor = 3;
constexpr Duration kSlowAtLeast = std::chrono::seconds(1);
constexpr std::uint64_t kQuantileTicks = 5;

}  // namespace

void Controller::State::watch(Runner& runner, std::size_t index) const {
  const std::string& name = runner.config().name;
  Runner::Surroundings surroundings;
  if (const auto traffic = parts.collector->rates(name)) {
    // The collector's rates and failure shares are of as many.
    constexpr auto kSeconds = static_cast<double>(rollout::kShareSeconds);
    surroundings.failures.stable = traffic->stable.failure_share.value_or(0);
    surroundings.failures.canary = traffic->canary.failure_share;
    surroundings.failures.stable_requests = traffic->stable.requests_per_second * kSeconds;
    surroundings.canary_requests = traffic->canary.requests_per_second * kSeconds;
    surroundings.stable_slow = traffic->stable_slow;
  }
  // Quantiles move slowly and are not cheap: each rollout has its turn.
  if ((ticks + index) % kQuantileTicks == 1) {
    const auto traffic = parts.collector->traffic(name);
    if (traffic && traffic->stable.recent.p999) {
      surroundings.slow_after = std::max(kSlowAtLeast, *traffic->stable.recent.p999 * kSlowFactor);
    }
  }
  surroundings.overdue_after = parts.collector->overdue_after(name).value_or(Duration::zero());
  surroundings.abandoned_after = parts.collector->abandoned_after(name).value_or(Duration::zero());
  surroundings.latency_cuts = parts.collector->latency_cuts(name).word();
  runner.watch(surroundings);
}

void Controller::State::count_overdue() const {
  const bool any = std::any_of(runners.begin(), runners.end(), [](const auto& runner) {
    return runner->counts_overdue() || runner->counts_silence();
  });
  if (any) parts.data_plane->count_overdue();
}

bool Controller::State::is_up(std::string_view upstream) const noexcept {
  const UpstreamEntry* const entry = upstreams.find(upstream);
  if (entry == nullptr) return true;  // Before the first table.
  const Monotonic now = parts.clock->now();
  return std::any_of(entry->endpoints.begin(),
                     entry->endpoints.end(),
                     [now](const EndpointEntry& each) { return each.state->available(now); });
}

void Controller::look() {
  state_->discovery.look(state_->config);
  state_->taps.drain(state_->parts.clock->now());
  state_->receive_votes();
  state_->parities.look();
  // A transition may complete at once and publish; the list stays.
  for (const auto& runner : State::Runners(state_->runners)) runner->look();
}

}  // namespace canaryd::control
