// How long simulated rollouts take: 1,000 of an hour each at 500 requests a second, the slowest
// kind, in which nothing is decided before the hour is over.
//
//   simulate_bench [THREADS [RUNS]]
//
// Twice: errors alone are judged, and latency as well.
#include "canaryd/base/clock.hpp"
#include "canaryd/simulate/study.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace {

canaryd::simulate::Scenario an_hour(bool latency) {
  using namespace std::chrono_literals;
  canaryd::simulate::Scenario scenario;
  scenario.plan.name = "bench";
  scenario.plan.stable = "old";
  scenario.plan.canary = "new";
  scenario.plan.steps.resize(2);
  scenario.plan.steps[0].weight = canaryd::BasisPoints(1000);
  scenario.plan.steps[0].min_duration = 2h;
  scenario.plan.steps[0].max_duration = 4h;
  scenario.plan.steps[1].weight = canaryd::BasisPoints(10000);
  scenario.traffic.requests_per_second = 500;
  scenario.limit_seconds = 3600;
  if (!latency) scenario.settings.latency_quantiles.clear();
  return scenario;
}

void measure(bool latency, const canaryd::simulate::Effort& effort) {
  const canaryd::SystemClock clock;
  const auto begin = clock.now();
  const auto runs = canaryd::simulate::run_many(an_hour(latency), effort);
  const double seconds = std::chrono::duration<double>(clock.now() - begin).count();
  double simulated = 0;
  for (const auto& run : runs) simulated += static_cast<double>(run.seconds);
  std::printf("%s: %zu rollouts, %.0f simulated seconds, %u threads: %.2f s, %.2f us of each\n",
              latency ? "errors and latency" : "errors",
              runs.size(),
              simulated,
              effort.threads,
              seconds,
              1e6 * seconds * effort.threads / simulated);
}

}  // namespace

int main(int argc, char** argv) {
  canaryd::simulate::Effort effort;
  effort.threads = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 2;
  effort.runs = argc > 2 ? static_cast<std::size_t>(std::atoi(argv[2])) : 1000;
  measure(false, effort);
  measure(true, effort);
  return 0;
}
