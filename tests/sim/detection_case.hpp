// What `validate` says that a step is likely to find, beside how often simulated rollouts find it
// there, for tests of the one by the other.
#pragma once

#include "canaryd/config/feasibility.hpp"
#include "canaryd/simulate/study.hpp"

#include <chrono>
#include <cstdio>
#include <optional>
#include <vector>

namespace canaryd::sim {

struct DetectionCase {
  double requests_per_second = 0;
  double error_rate = 0;
  unsigned percent = 0;       // Of the step,
  unsigned next_percent = 0;  // and of the one after it.
};

// Two steps, judged by errors and latency.
inline config::Rollout rollout_of(const DetectionCase& each) {
  config::Rollout rollout;
  rollout.name = rollout.plan.name = "checkout";
  rollout.plan.stable = "v1";
  rollout.plan.canary = "v2";
  rollout.plan.steps.resize(2);
  rollout.plan.steps[0].weight = BasisPoints(each.percent * 100);
  rollout.plan.steps[1].weight = BasisPoints(each.next_percent * 100);
  for (rollout::Step& step : rollout.plan.steps) {
    step.min_duration = std::chrono::seconds(1);
    step.max_duration = std::chrono::hours(2);
  }
  rollout.analysis.tolerance.errors.absolute = 0.001;
  rollout.analysis.warm_up = Duration::zero();
  rollout.expected_rps = each.requests_per_second;
  rollout.expected_error_rate = each.error_rate;
  return rollout;
}

inline config::StepForecast detection_forecast(const DetectionCase& each) {
  config::Config config;
  config.rollouts.push_back(rollout_of(each));
  return config::forecast(config).at(0).steps.at(0);
}

// The share of canaries like this that are rolled back within the step.
inline double found_within_step(const DetectionCase& each,
                                double canary_error_rate,
                                double stretch,
                                const simulate::Effort& effort) {
  const config::Rollout rollout = rollout_of(each);
  simulate::Scenario scenario;
  scenario.plan = rollout.plan;
  scenario.settings = rollout.analysis;
  scenario.protection.consecutive_failures = 0;
  scenario.traffic.requests_per_second = each.requests_per_second;
  scenario.traffic.stable_error_rate = each.error_rate;
  scenario.traffic.canary_error_rate = canary_error_rate;
  scenario.traffic.canary_latency = scenario.traffic.stable_latency.stretched(stretch);
  scenario.limit_seconds = 3 * 3600;
  std::size_t found = 0;
  for (const simulate::RunResult& run : simulate::run_many(scenario, effort)) {
    found += run.outcome == simulate::Outcome::kRolledBack && !run.steps[0].passed;
  }
  return static_cast<double>(found) / static_cast<double>(effort.runs);
}

struct Detected {
  std::optional<double> errors;   // The share of canaries with the told error rate that are found,
  std::optional<double> latency;  // and of those that are as slow as told.
};

// Prints a row of a table as well.
inline Detected detect(const DetectionCase& each, const simulate::Effort& effort) {
  const config::StepForecast told = detection_forecast(each);
  Detected result;
  std::printf("| %g | %g %% | %u %% | %u %% |",
              each.requests_per_second,
              100 * each.error_rate,
              each.percent,
              each.next_percent);
  if (told.detects) {
    result.errors = found_within_step(each, *told.detects, 1, effort);
    std::printf(" %.3g %%: %.0f %% |", 100 * *told.detects, 100 * *result.errors);
  } else {
    std::printf(" - |");
  }
  if (told.detects_stretch) {
    result.latency = found_within_step(each, each.error_rate, *told.detects_stretch, effort);
    std::printf(" %.3gx: %.0f %% |\n", *told.detects_stretch, 100 * *result.latency);
  } else {
    std::printf(" - |\n");
  }
  std::fflush(stdout);
  return result;
}

inline void print_detection_head() {
  std::printf(
      "\n| requests/s | errors | step | next | finds errors of | finds latency of |\n"
      "| --- | --- | --- | --- | --- | --- |\n");
}

}  // namespace canaryd::sim
