// How long `validate` says that the steps of a plan take, beside how long they take in simulated
// rollouts, for tests of the one by the other.
#pragma once

#include "canaryd/analysis/feasibility.hpp"
#include "canaryd/simulate/study.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

namespace canaryd::sim {

struct ForecastCase {
  double requests_per_second = 0;
  double error_rate = 0;
  double absolute_tolerance = 0.001;
  bool latency = false;
};

// Medians, in seconds; 0 when there is none.
struct ForecastStep {
  BasisPoints weight;
  double forecast = 0;
  double found = 0;
  // The median of all rollouts there could be is between these with odds of 99.7 %.
  double found_low = 0;
  double found_high = 0;
};

struct Comparison {
  std::vector<ForecastStep> steps;  // But the last, where nobody is left to compare with.
  ForecastStep whole;               // The sum of the medians, and the median of the sums.
};

// The default steps, a canary as good as stable, and nothing to wait for but evidence.
inline simulate::Scenario scenario_of(const ForecastCase& each) {
  simulate::Scenario scenario;
  scenario.plan.name = "checkout";
  scenario.plan.stable = "v1";
  scenario.plan.canary = "v2";
  for (rollout::Step& step : scenario.plan.steps) {
    step.min_duration = std::chrono::seconds(1);
    step.max_duration = std::chrono::hours(1000);
  }
  scenario.traffic.requests_per_second = each.requests_per_second;
  scenario.traffic.stable_error_rate = scenario.traffic.canary_error_rate = each.error_rate;
  scenario.settings.tolerance.errors.absolute = each.absolute_tolerance;
  if (!each.latency) scenario.settings.latency_quantiles = {};
  scenario.settings.warm_up = Duration::zero();
  scenario.protection.consecutive_failures = 0;
  scenario.limit_seconds = 200'000;
  return scenario;
}

// Order statistics three standard deviations of the rank on either side of the median.
inline void find(std::vector<double> seconds, ForecastStep& step) {
  if (seconds.empty()) return;
  std::sort(seconds.begin(), seconds.end());
  const double middle = static_cast<double>(seconds.size() - 1) / 2;
  const double aside = 1.5 * std::sqrt(static_cast<double>(seconds.size()));
  const auto at = [&](double rank) {
    const double bounded = std::clamp(rank, 0.0, static_cast<double>(seconds.size() - 1));
    return seconds[static_cast<std::size_t>(bounded)];
  };
  step.found = at(middle);
  step.found_low = at(std::floor(middle - aside));
  step.found_high = at(std::ceil(middle + aside));
}

inline Comparison compare(const ForecastCase& each, const simulate::Effort& effort) {
  const simulate::Scenario scenario = scenario_of(each);
  const std::vector<simulate::RunResult> runs = simulate::run_many(scenario, effort);
  const analysis::Traffic traffic{each.requests_per_second, each.error_rate};
  Comparison result;
  for (std::size_t i = 0; i + 1 < scenario.plan.steps.size(); ++i) {
    ForecastStep step{rollout::step_weight(scenario.plan, i)};
    const auto need = analysis::need_to_accept(
        scenario.settings, traffic, step.weight, rollout::step_weight(scenario.plan, i + 1));
    if (need) step.forecast = std::chrono::duration<double>(need->time).count();
    std::vector<double> seconds;
    for (const simulate::RunResult& run : runs) {
      const simulate::StepTime& time = run.steps[i];
      if (time.passed) seconds.push_back(static_cast<double>(*time.passed - *time.begun));
    }
    find(std::move(seconds), step);
    result.whole.forecast += step.forecast;
    result.steps.push_back(step);
  }
  std::vector<double> seconds;
  for (const simulate::RunResult& run : runs) {
    if (run.outcome == simulate::Outcome::kPromoted) {
      seconds.push_back(static_cast<double>(run.seconds));
    }
  }
  find(std::move(seconds), result.whole);
  return result;
}

}  // namespace canaryd::sim
