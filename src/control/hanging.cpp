// Requests that hang. One is a failure when its time has run out, and by then the step that it
// began in may be over; and one that its client gives up is none at all. So no step is accepted
// while more of the canary's hang than errors would be tolerated, beyond what hangs at stable too:
// whatever the step is judged by, for what quantiles and limits tolerate is no measure of that.
#include "canaryd/base/units.hpp"
#include "control/controller_state.hpp"

#include <algorithm>
#include <cmath>
#include <string>

namespace canaryd::control {
namespace {

// Where requests hang at stable as well, as those that wait for news do, an equal canary has more
// of them half of the time, by the luck of its draw.
constexpr double kHangDeviations = 3;

double hanging_share(const telemetry::CohortRates& rates) noexcept {
  const auto all = static_cast<double>(rates.hanging_of);
  return all > 0 ? static_cast<double>(rates.hanging) / all : 0;
}

// How far the canary's share is from stable's by chance. Of what hangs at the canary alone nothing
// is chance.
double by_chance(const telemetry::RolloutRates& rates) noexcept {
  const auto stable = static_cast<double>(rates.stable.hanging_of);
  const auto canary = static_cast<double>(rates.canary.hanging_of);
  if (stable <= 0 || canary <= 0) return 0;
  const double share = hanging_share(rates.stable);
  return kHangDeviations * std::sqrt(share * (1 - share) * (1 / stable + 1 / canary));
}

}  // namespace

std::string Controller::State::hanging_text(const Runner& runner) const {
  const auto rates = parts.collector->rates(runner.config().name);
  if (!rates || rates->canary.hanging == 0) return {};
  const analysis::Tolerance& errors = runner.evidence().analyzer().settings().tolerance.errors;
  const double stable = hanging_share(rates->stable);
  const double most = std::max(stable * (1 + errors.relative), stable + errors.absolute);
  if (hanging_share(rates->canary) <= most + by_chance(*rates)) return {};
  return std::to_string(rates->canary.hanging) + " requests of the canary hang for longer than " +
         format_duration_brief(runner.hangs_after());
}

}  // namespace canaryd::control
