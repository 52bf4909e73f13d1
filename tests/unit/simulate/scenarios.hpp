// Scenarios that several tests use.
#pragma once

#include "canaryd/simulate/run.hpp"

namespace canaryd::simulate {

// The default plan and settings, at 500 requests a second.
inline Scenario steady(double stable_rate, double canary_rate) {
  Scenario scenario;
  scenario.plan.name = "checkout";
  scenario.plan.stable = "v1";
  scenario.plan.canary = "v2";
  scenario.traffic.requests_per_second = 500;
  scenario.traffic.stable_error_rate = stable_rate;
  scenario.traffic.canary_error_rate = canary_rate;
  scenario.limit_seconds = 3600;
  return scenario;
}

}  // namespace canaryd::simulate
