#include "sim/scenarios.hpp"

#include <cmath>

namespace canaryd::sim {

Scenario shared_outage(double requests_per_second, double error_rate) {
  Scenario scenario;
  scenario.world = [=](std::int64_t second, double) {
    if (second < 60 || second >= 120) return World{requests_per_second, error_rate, error_rate};
    return World{requests_per_second / 5, 0.5, 0.5};
  };
  return scenario;
}

Scenario diurnal(double requests_per_second, double error_rate) {
  Scenario scenario;
  scenario.world = [=](std::int64_t second, double) {
    constexpr double kDay = 1200;
    constexpr double kTwoPi = 6.283185307179586;
    const double load = 1 + 0.8 * std::sin(kTwoPi * static_cast<double>(second) / kDay);
    return World{requests_per_second * load, error_rate * load, error_rate * load};
  };
  return scenario;
}

Scenario cold_start(double requests_per_second, double error_rate) {
  Scenario scenario = steady(requests_per_second, error_rate, error_rate);
  scenario.settings = analysis::Settings{};
  scenario.times.median_ms = 40;
  scenario.times.canary_factor = [](std::int64_t second) { return second < 30 ? 5.0 : 1.0; };
  return scenario;
}

Scenario restarts(double requests_per_second, double error_rate) {
  Scenario scenario = steady(requests_per_second, error_rate, error_rate);
  scenario.restarts.per_instance_hour = 1;
  return scenario;
}

Scenario retry_storms(double requests_per_second, double error_rate) {
  Scenario scenario = steady(requests_per_second, 0, 0);
  scenario.clusters = {.per_request = error_rate / 5, .size = 5, .varies = true, .seconds = 3};
  return scenario;
}

Scenario broken_users(double requests_per_second, double error_rate) {
  Scenario scenario = steady(requests_per_second, error_rate / 2, error_rate / 2);
  scenario.clusters = {.per_request = error_rate / 2 / 30, .size = 30, .seconds = 30};
  return scenario;
}

}  // namespace canaryd::sim
