#include "control/step_consent.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::control {
namespace {

// An answer is for the step that is due, not for one that something else delays.
constexpr Duration kAgreementLasts = std::chrono::seconds(10);
constexpr Duration kAskAgainMost = std::chrono::minutes(1);

std::vector<config::Hook> asked_by(const config::Rollout& rollout) {
  std::vector<config::Hook> asked;
  for (const config::Hook& hook : rollout.hooks) {
    if (hook.has(config::HookOn::kBeforeStep)) asked.push_back(hook);
  }
  return asked;
}

}  // namespace

bool asks_before_step(const config::Rollout& rollout) noexcept {
  return std::any_of(rollout.hooks.begin(), rollout.hooks.end(), [](const config::Hook& hook) {
    return hook.has(config::HookOn::kBeforeStep);
  });
}

void StepConsent::forget() noexcept {
  step_.reset();
  ++question_;
  asking_ = agreed_ = false;
  refusals_ = 0;
  ask_again_ = Monotonic();
  objection_.clear();
}

rollout::Consent StepConsent::look(const config::Rollout& rollout,
                                   const Step& step,
                                   const std::string& body,
                                   Monotonic now) {
  std::vector<config::Hook> hooks = asked_by(rollout);
  if (step_ != step || hooks_ != hooks) {
    forget();
    step_ = step;
    hooks_ = std::move(hooks);
  }
  now_ = now;
  if (hooks_.empty()) return rollout::Consent::kGiven;
  if (agreed_ && now - agreed_at_ <= kAgreementLasts) return rollout::Consent::kGiven;
  agreed_ = false;
  if (!asking_ && now >= ask_again_) {
    rollout_ = rollout.name;
    body_ = body;
    next_ = 0;
    asking_ = true;
    ask_next();
  }
  return refusals_ > 0 ? rollout::Consent::kRefused : rollout::Consent::kUnknown;
}

void StepConsent::ask_next() {
  if (next_ == hooks_.size()) {
    asking_ = false;
    agreed_ = true;
    agreed_at_ = now_;
    refusals_ = 0;
    objection_.clear();
    return;
  }
  const auto still = weak_from_this();
  caller_.call(
      hooks_[next_], rollout_, body_, [still, question = question_](const Result<void>& answer) {
        const auto self = still.lock();
        if (self != nullptr && self->question_ == question) self->answered(answer);
      });
}

void StepConsent::answered(const Result<void>& answer) {
  if (answer) {
    ++tally_[rollout_].ok;
    ++next_;
    return ask_next();
  }
  ++tally_[rollout_].failed;
  asking_ = false;
  objection_ = answer.error().context.empty() ? std::string(to_string(answer.error().code))
                                              : answer.error().context;
  ask_again_ = now_ + back_off(++refusals_, kAskAgainMost);
  if (refusals_ > 1) return;
  log_.warn(log_event::kHookFailed,
            shown_target(hooks_[next_]) + " does not agree to the next step of " + rollout_ + ": " +
                objection_ + "; it is asked again",
            {{"rollout", rollout_}});
}

}  // namespace canaryd::control
