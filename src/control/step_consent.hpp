// The before_step hooks of one rollout: all of them have to agree before its weight rises.
//
// They are asked one after the other, when everything else is fulfilled; who does not agree, or
// does not answer, is asked again later and later. Nothing waits for them: until there is an answer
// the rollout stays where it is, and everything that lowers its weight goes on.
//
// Thread rule: the control thread. Held by shared_ptr: answers may come after it was dropped.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/log.hpp"
#include "canaryd/config/config.hpp"
#include "canaryd/rollout/event.hpp"
#include "control/hook_call.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace canaryd::control {

// Whether one of its hooks is.
[[nodiscard]] bool asks_before_step(const config::Rollout& rollout) noexcept;

class StepConsent : public std::enable_shared_from_this<StepConsent> {
 public:
  // Which step it is about, and of which versions: before the first step a run has no number of its
  // own. Another one, or other hooks, is another question, and the old answer is none.
  struct Step {
    std::uint64_t run = 0;
    BasisPoints from;
    BasisPoints to;
    std::string stable;
    std::string canary;
    std::string revision;
    friend bool operator==(const Step&, const Step&) = default;
  };

  StepConsent(HookCaller& caller, Log& log, HookTally& tally)
      : caller_(caller), log_(log), tally_(tally) {}

  // Asks, if it is time to, and says what is known. `body` is what the hooks are sent.
  [[nodiscard]] rollout::Consent look(const config::Rollout& rollout,
                                      const Step& step,
                                      const std::string& body,
                                      Monotonic now);
  // Nothing is to be taken now.
  void forget() noexcept;
  // Why the last one did not agree; empty if all did, or nobody was asked.
  [[nodiscard]] const std::string& objection() const noexcept { return objection_; }

 private:
  void ask_next();
  void answered(const Result<void>& answer);

  HookCaller& caller_;
  Log& log_;
  HookTally& tally_;
  std::optional<Step> step_;
  std::uint64_t question_ = 0;  // Answers to an older one are void.
  std::string rollout_;
  std::string body_;
  std::vector<config::Hook> hooks_;  // Who is asked about step_.
  std::size_t next_ = 0;
  bool asking_ = false;
  bool agreed_ = false;
  std::uint32_t refusals_ = 0;  // In a row.
  Monotonic now_{};             // Of the last look().
  Monotonic agreed_at_{};
  Monotonic ask_again_{};
  std::string objection_;
};

}  // namespace canaryd::control
