#include "canaryd/analysis/environment.hpp"

#include <algorithm>

namespace canaryd::analysis {
namespace {

// It begins at five failures in a hundred, and at three times what is usual; it ends at half of
// that, so that it does not flutter.
constexpr double kShare = 0.05;
constexpr double kTimesUsual = 3;
constexpr double kEnd = 0.5;
// Fewer failures of stable are chance.
constexpr double kLeastFailures = 5;
// A canary that fails less than half as often as stable, with so many requests, is well.
constexpr double kTellingRequests = 20;
constexpr double kMemorySeconds = 1800;
// At first nothing is known; this much of failing from the start on is taken for an outage.
constexpr double kTrustedSeconds = 60;
// From then on it is known what is usual, and an outage does not change it: however long it lasts,
// no step is taken.
constexpr double kKnownSeconds = 300;
// A pause of a second or two is none; nor is one over with its first good second.
constexpr int kSlowSeconds = 3;
constexpr int kWellSeconds = 10;

}  // namespace

void Environment::observe(const Window& window) noexcept {
  observed_ = std::min(observed_ + 1, kWindowSeconds);
  observe_slowness(window.stable_slow);
  // Nothing is no good news.
  if (window.stable_requests <= 0) return;
  const double least = std::max(kShare, kTimesUsual * usual_) * (both_failing_ ? kEnd : 1);
  const bool as_bad = 2 * window.canary_failures >= window.stable_failures;
  // Seen to fail it must be to begin with; to end it, seen to be well.
  const bool canary_fails = both_failing_ ? as_bad || window.canary_requests < kTellingRequests
                                          : as_bad && window.canary_failures > 0;
  both_failing_ = window.stable_failures >= least && canary_fails &&
                  window.stable_failures * window.stable_requests >= kLeastFailures;
  if (both_failing_ && seconds_ >= kKnownSeconds) return;
  seconds_ = std::min(seconds_ + 1, kMemorySeconds);
  usual_ +=
      (window.stable_failures - usual_) / std::min(seconds_ + kTrustedSeconds, kMemorySeconds);
}

void Environment::observe_slowness(bool stable_slow) noexcept {
  turning_ = stable_slow == stable_slow_ ? 0 : turning_ + 1;
  if (turning_ < (stable_slow_ ? kWellSeconds : kSlowSeconds)) return;
  stable_slow_ = stable_slow;
  turning_ = 0;
}

}  // namespace canaryd::analysis
