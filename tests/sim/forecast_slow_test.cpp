// How far the forecast of `validate` is from what `simulate` finds, step by step: the figures of
// docs/statistics.md.
#include "sim/detection_case.hpp"
#include "sim/forecast_case.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace canaryd::sim {
namespace {

// The median of so many is known to about 3 %.
constexpr std::size_t kRuns = 1000;

// Whole seconds are counted; that is more than a fifth of a few.
void expect_near(const ForecastStep& step) {
  std::printf(" %.0f / %.0f |", step.forecast, step.found);
  EXPECT_NEAR(step.forecast, step.found, std::max(2.0, 0.2 * step.found));
}

void show(const ForecastCase& each) {
  simulate::Effort effort;
  effort.runs = kRuns;
  effort.threads = 2;
  const Comparison found = compare(each, effort);
  std::printf("| %g | %g %% | %g pp | %s |",
              each.requests_per_second,
              100 * each.error_rate,
              100 * each.absolute_tolerance,
              each.latency ? "yes" : "no");
  double worst = 0;
  for (const ForecastStep& step : found.steps) {
    expect_near(step);
    if (step.found >= 20) worst = std::max(worst, std::abs(step.forecast / step.found - 1));
  }
  expect_near(found.whole);
  std::printf(" %.0f %% |\n", 100 * worst);
  std::fflush(stdout);
}

void print_head() {
  std::printf("\nForecast / found, seconds, %zu rollouts a row, seeds from 1\n\n", kRuns);
  std::printf("| requests/s | errors | tolerance | latency | 1 %% | 5 %% | 10 %% | 25 %% | all ");
  std::printf("| worst step |\n|---|---|---|---|---|---|---|---|---|---|\n");
}

TEST(ForecastFigures, ErrorsAlone) {
  print_head();
  for (const double rate : {20.0, 50.0, 100.0, 200.0, 500.0, 5000.0}) {
    for (const double errors : {0.0001, 0.001, 0.01, 0.05}) show({rate, errors});
  }
}

TEST(ForecastFigures, LittleTrafficAndAWideTolerance) {
  print_head();
  for (const double rate : {5.0, 20.0}) {
    for (const double errors : {0.001, 0.01}) show({rate, errors, 0.01});
  }
}

TEST(ForecastFigures, LatencyToo) {
  print_head();
  for (const double rate : {20.0, 100.0, 500.0}) show({rate, 0.001, 0.001, true});
}

TEST(ForecastFigures, WhatAStepIsLikelyToFind) {
  simulate::Effort effort;
  effort.runs = 200;
  effort.threads = 2;
  print_detection_head();
  for (const double rate : {20.0, 100.0, 500.0, 5000.0}) {
    for (const double errors : {0.001, 0.01}) {
      for (const auto& [percent, next] :
           {std::pair(1U, 5U), std::pair(10U, 25U), std::pair(25U, 100U)}) {
        const Detected found = detect({rate, errors, percent, next}, effort);
        EXPECT_GE(found.errors.value_or(1), 0.5);
        EXPECT_GE(found.latency.value_or(1), 0.5);
      }
    }
  }
}

}  // namespace
}  // namespace canaryd::sim
