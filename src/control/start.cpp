// What a rollout that has not begun waits for, for people: the first thing that is missing, in the
// order in which they are looked at.
#include "canaryd/base/units.hpp"
#include "control/controller_state.hpp"

#include <optional>
#include <string>

namespace canaryd::control {
namespace {

using rollout::StartMode;

std::string both_or_one(const Runner& runner, bool stable_healthy, bool canary_healthy) {
  if (stable_healthy) return runner.canary() + " is healthy";
  if (canary_healthy) return runner.stable() + " is healthy";
  return "both versions are healthy";
}

}  // namespace

// Nothing starts by itself on what has not been looked at.
bool Controller::State::may_start_on(std::string_view upstream) const noexcept {
  return is_up(upstream) && upstreams.health(upstream).known;
}

// Of those who are asked: everything else is there.
std::optional<std::string> Controller::State::missing_consent(const Runner& runner,
                                                              const char* what) const {
  const auto agreed = ready.find(runner.config().name);
  const bool hooks_agree = agreed != ready.end() && agreed->second == runner.state().generation;
  if (asks_before_step(runner.config()) && !hooks_agree) {
    const std::string objection = objection_to(runner);
    return "every before_step hook agrees" +
           (objection.empty() ? std::string() : "; the last answer: " + objection);
  }
  if (!group_agrees(runner)) return "all of group " + runner.config().plan.group + " may " + what;
  return std::nullopt;
}

std::string Controller::State::start_sentence(const Runner& runner) const {
  const rollout::Plan& plan = runner.config().plan;
  const std::string text =
      plan.start == StartMode::kManual ? manual_start_sentence(runner) : own_start_sentence(runner);
  return text + stable_down_text(runner);
}

std::string Controller::State::manual_start_sentence(const Runner& runner) const {
  const auto frozen = rollout::frozen_until(runner.config().plan.freeze, parts.clock->wall_now());
  return "waits for `canaryctl start`" +
         (frozen ? "; frozen until " + format_time(*frozen) : std::string());
}

std::string Controller::State::own_start_sentence(const Runner& runner) const {
  const rollout::Plan& plan = runner.config().plan;
  const std::string starts = "starts by itself ";
  const std::string parity = waits_for_parity(runner) ? "once the versions answer reads alike: " +
                                                            parities.figures(runner.config())
                                                      : "";
  const auto when = [&](const std::string& what) {
    return starts + "when " + what + (parity.empty() ? "" : ", " + parity);
  };
  if (const auto frozen = rollout::frozen_until(plan.freeze, parts.clock->wall_now())) {
    return when("the freeze ends, at " + format_time(*frozen));
  }
  if (plan.start == StartMode::kAfter && !is_promoted(plan.after)) {
    return when(plan.after + " is promoted");
  }
  const bool stable_healthy = may_start_on(runner.stable());
  const bool canary_healthy = may_start_on(runner.canary());
  if (!stable_healthy || !canary_healthy) {
    return when(both_or_one(runner, stable_healthy, canary_healthy));
  }
  if (!parity.empty()) return starts + parity;
  if (const auto missing = missing_consent(runner, "begin")) return when(*missing);
  if (runner.store_failing()) return when("the journal can be written");
  return starts + "in a moment";
}

}  // namespace canaryd::control
