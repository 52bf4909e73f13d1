// What read parity holds back: the first step of a rollout that has not begun.
#include "control/controller_state.hpp"

#include <string>

namespace canaryd::control {
namespace {

bool is_idle(const Runner& runner) noexcept {
  return runner.state().phase == rollout::Phase::kIdle;
}

}  // namespace

// Of what has begun nothing more is compared.
void Controller::State::ask_for_parity(std::vector<InForce>& all) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (is_idle(*runners[i])) all[i].parity = parities.policy_for(config.rollouts[i]);
  }
}

bool Controller::State::waits_for_parity(const Runner& runner) const {
  return is_idle(runner) && !parities.allows(runner.config());
}

// What the journal says of a start, whoever asks for it.
std::string Controller::State::parity_at_start(const Runner& runner) const {
  return is_idle(runner) ? parities.figures(runner.config()) : std::string();
}

void Controller::State::show_parity(const Runner& runner, RolloutView& view) const {
  view.parity = parities.view(runner.config());
  const bool by_itself = runner.config().plan.start != rollout::StartMode::kManual;
  if (!by_itself || !waits_for_parity(runner)) return;
  view.reason = "parity";
}

}  // namespace canaryd::control
