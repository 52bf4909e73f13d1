// What the controller does with hooks: asks before a step, and tells afterwards.
#include "canaryd/base/text.hpp"
#include "canaryd/base/units.hpp"
#include "control/controller_state.hpp"

#include <memory>
#include <string>
#include <utility>

namespace canaryd::control {
namespace {

std::string question_of(const config::Rollout& rollout,
                        const rollout::State& now,
                        const rollout::State& next) {
  std::string out = "{\"event\": \"before_step\"";
  const auto add = [&out](std::string_view key, std::string_view text) {
    out.append(", \"").append(key).append("\": ");
    append_json_string(out, text);
  };
  add("rollout", rollout.name);
  add("revision", next.revision);
  add("stable", next.stable);
  add("canary", next.canary);
  add("state", rollout::to_string(now.phase));
  out += ", \"step\": " + std::to_string(next.step + 1);
  out += ", \"steps\": " + std::to_string(rollout.plan.steps.size());
  out += ", \"weight\": " + format_percent(now.weight);
  out += ", \"next_weight\": " + format_percent(next.weight);
  return out + "}";
}

}  // namespace

// The machine itself says whether consent is all that is missing.
rollout::Consent Controller::State::consent_for(const Runner& runner, rollout::Tick tick) {
  const config::Rollout& rollout = runner.config();
  if (!rollout.plan.asks_before_step || runner.busy()) return rollout::Consent::kUnknown;
  tick.consent = rollout::Consent::kGiven;
  rollout::Event event;
  event.what = tick;
  const rollout::State& now = runner.state();
  const rollout::Transition would =
      rollout::step(rollout.plan, now, event, parts.clock->wall_now());
  ready.erase(rollout.name);
  std::shared_ptr<StepConsent>& consent = consents[rollout.name];
  if (consent == nullptr)
    consent = std::make_shared<StepConsent>(hook_caller, *parts.log, hook_tally);
  if (would.outcome != rollout::Outcome::kChanged || would.state.weight <= now.weight) {
    consent->forget();
    return rollout::Consent::kUnknown;
  }
  if (waits_for_parity(runner)) {
    consent->forget();
    return rollout::Consent::kUnknown;
  }
  const StepConsent::Step step{now.run,
                               now.weight,
                               would.state.weight,
                               would.state.stable,
                               would.state.canary,
                               would.state.revision};
  const rollout::Consent said =
      consent->look(rollout, step, question_of(rollout, now, would.state), parts.clock->now());
  if (said != rollout::Consent::kGiven) return said;
  ready[rollout.name] = now.generation;
  return group_agrees(runner) ? said : rollout::Consent::kUnknown;
}

std::string Controller::State::objection_to(const Runner& runner) const {
  const auto found = consents.find(runner.config().name);
  return found == consents.end() ? std::string() : found->second->objection();
}

}  // namespace canaryd::control
