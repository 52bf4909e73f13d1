// Whether there is enough traffic for a rollout's plan: what `validate` says of rollouts with
// expected_rps, or whose traffic a daemon has seen, and warns of.
//
// Pure. forecast() takes some ten milliseconds for a step; so only the first kMostForecasts steps
// of a file are looked at.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/config/config.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace canaryd::config {

inline constexpr std::size_t kMostForecasts = 100;
// Without expected_error_rate.
inline constexpr double kUsualErrorRate = 0.01;

// What a running daemon has seen of a rollout's traffic. It counts for more than what the file
// expects.
struct LearnedTraffic {
  std::string rollout;
  double requests_per_second = 0;  // Of both versions, above 0.
  double error_rate = 0;           // Of stable, a fraction.
  Duration over{};                 // So long it was watched.
};

struct StepForecast {
  BasisPoints weight;
  Duration max_duration{};
  // Until the step is passed, for a canary as good as stable: half of them take longer. Nothing:
  // the evidence never suffices.
  std::optional<Duration> time;
  // A canary with so many errors or more, a fraction, or that takes so many times as long or
  // longer, is likely to be found before the step ends: within max_duration, and before it is
  // accepted. Nothing: no canary is, or there is nothing to compare it with.
  std::optional<double> detects;
  std::optional<double> detects_stretch;
  // Of the last step under bake.holdback, if that leaves too few users on stable for it to be
  // passed within max_duration: the least that does, in whole percent. Nothing: none would.
  std::optional<unsigned> holdback;
  // Where feedback is required: the votes of the canary's users that the step waits for besides, by
  // analysis::votes_to_accept(). How long they take is not known, and no part of `time`.
  std::optional<double> votes;
};

struct RolloutForecast {
  std::string rollout;
  double requests_per_second = 0;
  double error_rate = 0;                 // A fraction.
  std::optional<Duration> learned_over;  // Both are what was seen for so long.
  std::vector<StepForecast> steps;
  std::optional<Duration> time;  // Of all steps; nothing if one never ends.
};

// Of the rollouts that say how many requests they expect, or of which it was learned, in the order
// of the file.
[[nodiscard]] std::vector<RolloutForecast> forecast(
    const Config& config, const std::vector<LearnedTraffic>& learned = {});

// A table for people; empty for no forecasts.
[[nodiscard]] std::string render_forecasts(const std::vector<RolloutForecast>& forecasts);

}  // namespace canaryd::config
