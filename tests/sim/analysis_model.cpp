#include "sim/analysis_model.hpp"

#include <algorithm>
#include <cmath>

namespace canaryd::sim {
namespace {

BasisPoints percent(unsigned value) {
  return BasisPoints(value * 100);
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

analysis::Settings errors_only() {
  analysis::Settings settings;
  settings.latency_quantiles.clear();
  return settings;
}

RolloutRun run_rollout(const Scenario& scenario, std::uint64_t seed) {
  Traffic traffic(scenario, seed);
  const auto rule = make_rule(scenario.rule, {scenario.settings, scenario.min_duration_seconds});
  std::size_t step = 0;
  rule->begin_step(percent(scenario.steps_percent.at(1)));

  RolloutRun run;
  run.seed = seed;
  for (std::int64_t second = 0; second < scenario.horizon_seconds; ++second) {
    const SecondCounts counts =
        traffic.second(second, percent(scenario.steps_percent[step]).ratio());
    run.canary_requests += counts.canary.n;
    run.canary_failures += counts.canary.bad;
    run.seconds = second + 1;

    const Ruling ruling = rule->judge(second, counts);
    if (ruling == Ruling::kHold) continue;
    if (ruling == Ruling::kRollback) {
      run.end = End::kRolledBack;
      return run;
    }
    ++step;
    if (step + 1 == scenario.steps_percent.size()) {
      run.end = End::kPromoted;
      return run;
    }
    rule->begin_step(percent(scenario.steps_percent[step + 1]));
  }
  return run;
}

Summary run_many(const Scenario& scenario, std::uint64_t first_seed, int runs, End of) {
  Summary summary;
  summary.runs = runs;
  std::vector<double> seconds;
  std::vector<double> requests;
  std::vector<double> failures;
  for (int i = 0; i < runs; ++i) {
    const RolloutRun run = run_rollout(scenario, first_seed + static_cast<std::uint64_t>(i));
    if (run.end == End::kPromoted && summary.promoted++ == 0)
      summary.first_promoted_seed = run.seed;
    if (run.end == End::kRolledBack && summary.rolled_back++ == 0) {
      summary.first_rolled_back_seed = run.seed;
    }
    if (run.end != of) continue;
    seconds.push_back(static_cast<double>(run.seconds));
    requests.push_back(static_cast<double>(run.canary_requests));
    failures.push_back(static_cast<double>(run.canary_failures));
  }
  summary.median_seconds = median(std::move(seconds));
  summary.median_canary_requests = median(std::move(requests));
  summary.median_canary_failures = median(std::move(failures));
  return summary;
}

Scenario steady(double requests_per_second, double stable_rate, double canary_rate) {
  Scenario scenario;
  const World world{requests_per_second, stable_rate, canary_rate};
  scenario.world = [world](std::int64_t, double) { return world; };
  return scenario;
}

double information_per_request(double stable_rate,
                               double canary_rate,
                               analysis::Tolerance tolerance) {
  const double tolerated = (1 + tolerance.relative) * stable_rate + tolerance.absolute;
  return canary_rate * std::log(canary_rate / tolerated) - canary_rate + tolerated;
}

}  // namespace canaryd::sim
