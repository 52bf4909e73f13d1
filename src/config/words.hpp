// The words that stand for enumerators in the file, each list once: read, written and printed from
// here.
#pragma once

#include "canaryd/config/config.hpp"

#include <array>
#include <string_view>

namespace canaryd::config {

template <class E>
struct Word {
  std::string_view text;
  E value;
};
template <class E>
Word(std::string_view, E) -> Word<E>;  // For clang 14.

inline constexpr std::array kLoadBalancers{Word{"round_robin", LoadBalancer::kRoundRobin},
                                           Word{"least_request", LoadBalancer::kLeastRequest},
                                           Word{"consistent_hash", LoadBalancer::kConsistentHash}};
inline constexpr std::array kOnRollbacks{Word{"finish", OnRollback::kFinish},
                                         Word{"close", OnRollback::kClose}};
inline constexpr std::array kStarts{Word{"auto", rollout::StartMode::kAuto},
                                    Word{"manual", rollout::StartMode::kManual},
                                    Word{"after", rollout::StartMode::kAfter}};
inline constexpr std::array kOnFailures{Word{"rollback", rollout::OnFailure::kRollback},
                                        Word{"hold", rollout::OnFailure::kHold},
                                        Word{"step_down", rollout::OnFailure::kStepDown}};
inline constexpr std::array kOnInconclusives{Word{"hold", rollout::OnInconclusive::kHold},
                                             Word{"rollback", rollout::OnInconclusive::kRollback},
                                             Word{"promote", rollout::OnInconclusive::kPromote}};
inline constexpr std::array kOnStableDowns{Word{"hold", rollout::OnStableDown::kHold},
                                           Word{"spill", rollout::OnStableDown::kSpill}};
inline constexpr std::array kPaces{Word{"evidence", Pace::kEvidence},
                                   Word{"linear", Pace::kLinear},
                                   Word{"exponential", Pace::kExponential}};
inline constexpr std::array kHookEvents{Word{"before_step", HookOn::kBeforeStep},
                                        Word{"progressing", HookOn::kProgressing},
                                        Word{"waiting", HookOn::kWaiting},
                                        Word{"held", HookOn::kHeld},
                                        Word{"inconclusive", HookOn::kInconclusive},
                                        Word{"suspended", HookOn::kSuspended},
                                        Word{"paused", HookOn::kPaused},
                                        Word{"baking", HookOn::kBaking},
                                        Word{"promoted", HookOn::kPromoted},
                                        Word{"retiring", HookOn::kRetiring},
                                        Word{"retired", HookOn::kRetired},
                                        Word{"rolled_back", HookOn::kRolledBack},
                                        Word{"aborted", HookOn::kAborted}};
inline constexpr std::array kAnalysisModes{Word{"enforce", analysis::Mode::kEnforce},
                                           Word{"observe", analysis::Mode::kObserve}};
inline constexpr std::array kSameSites{
    Word{"lax", SameSite::kLax}, Word{"strict", SameSite::kStrict}, Word{"none", SameSite::kNone}};
inline constexpr std::array kSegmentCohorts{Word{"canary", Cohort::kCanary},
                                            Word{"stable", Cohort::kStable}};
inline constexpr std::array kCookieSecures{Word{"auto", CookieSecure::kAuto},
                                           Word{"always", CookieSecure::kAlways},
                                           Word{"never", CookieSecure::kNever}};
// RFC 9110 section 9.2.2.
inline constexpr std::array kRepeatableMethods{Word{"GET", Method::kGet},
                                               Word{"HEAD", Method::kHead},
                                               Word{"OPTIONS", Method::kOptions},
                                               Word{"PUT", Method::kPut},
                                               Word{"DELETE", Method::kDelete}};
inline constexpr std::array kMirrorMethods{Word{"GET", Method::kGet},
                                           Word{"HEAD", Method::kHead},
                                           Word{"OPTIONS", Method::kOptions},
                                           Word{"POST", Method::kPost},
                                           Word{"PUT", Method::kPut},
                                           Word{"PATCH", Method::kPatch},
                                           Word{"DELETE", Method::kDelete}};
inline constexpr std::array kLogLevels{Word{"trace", LogLevel::kTrace},
                                       Word{"debug", LogLevel::kDebug},
                                       Word{"info", LogLevel::kInfo},
                                       Word{"warn", LogLevel::kWarn},
                                       Word{"error", LogLevel::kError},
                                       Word{"off", LogLevel::kOff}};
inline constexpr std::array kLogFormats{Word{"json", LogFormat::kJson},
                                        Word{"text", LogFormat::kText}};

inline constexpr std::array kAdminRoles{Word{"viewer", AdminRole::kViewer},
                                        Word{"operator", AdminRole::kOperator},
                                        Word{"admin", AdminRole::kAdmin}};

inline constexpr std::array kPropagations{Word{"w3c", Propagation::kW3c}};

inline constexpr std::array kAccessFormats{Word{"json", AccessFormat::kJson},
                                           Word{"combined", AccessFormat::kCombined}};

template <class E, std::size_t N>
[[nodiscard]] constexpr std::string_view word_of(const std::array<Word<E>, N>& words,
                                                 E value) noexcept {
  for (const auto& word : words) {
    if (word.value == value) return word.text;
  }
  return "?";
}

}  // namespace canaryd::config
