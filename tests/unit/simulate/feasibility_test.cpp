// What `validate` says of a plan must be what `simulate` finds: the same median times within 20 %.
#include "canaryd/analysis/feasibility.hpp"

#include "canaryd/simulate/study.hpp"
#include "unit/simulate/scenarios.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

namespace canaryd::simulate {
namespace {

struct Case {
  double requests_per_second = 0;
  double error_rate = 0;
  double absolute_tolerance = 0.001;
  bool latency = false;
};

Study study_of(const Case& each, Scenario& scenario) {
  scenario = steady(each.error_rate, each.error_rate);
  scenario.traffic.requests_per_second = each.requests_per_second;
  scenario.settings.tolerance.errors.absolute = each.absolute_tolerance;
  if (!each.latency) scenario.settings.latency_quantiles = {};
  scenario.settings.warm_up = Duration::zero();
  scenario.protection.consecutive_failures = 0;
  scenario.limit_seconds = 30'000;
  for (rollout::Step& step : scenario.plan.steps) {
    step.min_duration = std::chrono::seconds(1);
    step.max_duration = std::chrono::hours(100);
  }
  Effort effort;
  effort.runs = 41;
  effort.threads = 2;
  return summarise(scenario, run_many(scenario, effort));
}

TEST(Feasibility, AgreesWithSimulation) {
  for (const Case& each : {Case{500, 0.01, 0.001},
                           Case{500, 0.0001, 0.001},
                           Case{5000, 0.01, 0.001},
                           Case{500, 0.001, 0.001, true}}) {
    Scenario scenario;
    const Study study = study_of(each, scenario);
    for (std::size_t i = 0; i + 1 < study.steps.size(); ++i) {
      const BasisPoints weight = study.steps[i].weight;
      const auto need = analysis::need_to_accept(scenario.settings,
                                                 {each.requests_per_second, each.error_rate},
                                                 weight,
                                                 study.steps[i + 1].weight);
      ASSERT_TRUE(need && study.steps[i].seconds);
      const double forecast = std::chrono::duration<double>(need->time).count();
      const double found = study.steps[i].seconds->median;
      std::printf("%5.0f/s %5.2f %% at %5.1f %%: forecast %6.0f s, simulated %6.0f s\n",
                  each.requests_per_second,
                  100 * each.error_rate,
                  weight.percent(),
                  forecast,
                  found);
      // Whole seconds are counted; that is more than 20 % of a few.
      EXPECT_NEAR(forecast, found, std::max(2.0, 0.2 * found));
    }
  }
}

}  // namespace
}  // namespace canaryd::simulate
