// Requests that hang where latency is not judged. A hang is a failure when its time has run out,
// and by then the step that it began in may be over: so no step is accepted while more of the
// canary's hang than errors would be tolerated, beyond what hangs at stable too.
#include "canaryd/base/units.hpp"
#include "control/controller_state.hpp"

#include <algorithm>
#include <string>

namespace canaryd::control {
namespace {

double hanging_share(const telemetry::CohortRates& rates) noexcept {
  const auto all = static_cast<double>(rates.hanging_of);
  return all > 0 ? static_cast<double>(rates.hanging) / all : 0;
}

}  // namespace

std::string Controller::State::hanging_text(const Runner& runner) const {
  const auto rates = parts.collector->rates(runner.config().name);
  if (!rates || rates->canary.hanging == 0) return {};
  const analysis::Tolerance& errors = runner.evidence().analyzer().settings().tolerance.errors;
  const double stable = hanging_share(rates->stable);
  const double most = std::max(stable * (1 + errors.relative), stable + errors.absolute);
  if (hanging_share(rates->canary) <= most) return {};
  return std::to_string(rates->canary.hanging) + " requests of the canary hang for longer than " +
         format_duration_brief(stats::kHangsAfter);
}

}  // namespace canaryd::control
