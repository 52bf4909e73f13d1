// What `validate` says of a plan must be what `simulate` finds, within 20 % of what the median may
// be by few rollouts. tests/sim/forecast_slow_test.cpp is the same with many, of more services.
#include "sim/detection_case.hpp"
#include "sim/forecast_case.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <vector>

namespace canaryd::sim {
namespace {

TEST(Feasibility, AgreesWithSimulation) {
  simulate::Effort effort;
  effort.runs = 41;
  for (const ForecastCase& each : {ForecastCase{500, 0.01, 0.001},
                                   ForecastCase{500, 0.0001, 0.001},
                                   ForecastCase{5000, 0.01, 0.001},
                                   ForecastCase{100, 0.001, 0.001},
                                   ForecastCase{20, 0.001, 0.01},
                                   ForecastCase{500, 0.001, 0.001, true}}) {
    for (const ForecastStep& step : compare(each, effort).steps) {
      std::printf(
          "%5.0f/s %5.2f %% at %5.1f %%: forecast %6.0f s, simulated %6.0f s (%.0f to %.0f)\n",
          each.requests_per_second,
          100 * each.error_rate,
          step.weight.percent(),
          step.forecast,
          step.found,
          step.found_low,
          step.found_high);
      ASSERT_GT(step.forecast, 0);
      // Whole seconds are counted; that is more than 20 % of a few.
      EXPECT_GE(step.forecast, std::min(0.8 * step.found_low, step.found_low - 2));
      EXPECT_LE(step.forecast, std::max(1.2 * step.found_high, step.found_high + 2));
    }
  }
}

TEST(Feasibility, WhatAStepIsLikelyToFindIsFoundThereMoreOftenThanNot) {
  simulate::Effort effort;
  effort.runs = 41;
  print_detection_head();
  const std::vector<DetectionCase> cases {
// Sanitized each takes ten times as long.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    {500, 0.01, 1, 5}, {500, 0.001, 25, 100},
#endif
    {
      50, 0.01, 10, 25
    }
  };
  for (const DetectionCase& each : cases) {
    const Detected found = detect(each, effort);
    ASSERT_TRUE(found.errors && found.latency);
    EXPECT_GE(*found.errors, 0.5);
    EXPECT_GE(*found.latency, 0.5);
  }
}

}  // namespace
}  // namespace canaryd::sim
