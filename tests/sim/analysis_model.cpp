#include "sim/analysis_model.hpp"

#include "canaryd/stats/block.hpp"

#include <algorithm>
#include <cmath>

namespace canaryd::sim {
namespace {

// Knuth's product of uniforms; for small means.
std::uint64_t poisson_small(Random& random, double mean) {
  const double limit = std::exp(-mean);
  std::uint64_t count = 0;
  for (double product = random.uniform(); product > limit; product *= random.uniform()) ++count;
  return count;
}

// Transformed rejection with squeeze, PTRS (Hoermann 1993); exact for means from 10 on.
std::uint64_t poisson_large(Random& random, double mean) {
  const double b = 0.931 + 2.53 * std::sqrt(mean);
  const double a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
  const double squeeze = 0.9277 - 3.6224 / (b - 2);
  while (true) {
    const double u = random.uniform() - 0.5;
    const double v = random.uniform();
    const double us = 0.5 - std::abs(u);
    const double k = std::floor((2 * a / us + b) * u + mean + 0.43);
    if (us >= 0.07 && v <= squeeze) return static_cast<std::uint64_t>(k);
    if (k < 0 || (us < 0.013 && v > us)) continue;
    const double left = std::log(v * inverse_alpha / (a / (us * us) + b));
    if (left <= k * std::log(mean) - mean - std::lgamma(k + 1))
      return static_cast<std::uint64_t>(k);
  }
}

stats::CohortCounts responses(Random& random, double mean, double bad_rate) {
  const std::uint64_t bad = poisson(random, mean * bad_rate);
  return {.n = bad + poisson(random, mean * (1 - bad_rate)), .bad = bad};
}

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

std::uint64_t poisson(Random& random, double mean) {
  if (mean <= 0) return 0;
  return mean < 10 ? poisson_small(random, mean) : poisson_large(random, mean);
}

RolloutRun run_rollout(const Scenario& scenario, std::uint64_t seed) {
  Random random(seed);
  analysis::Analyzer analyzer(scenario.settings);
  stats::BlockBuilder builder(0, 0, 0);
  std::size_t step = 0;
  std::int64_t step_began = 0;
  analyzer.begin_step({.next_weight = percent(scenario.steps_percent.at(1)), .has_control = true});

  RolloutRun run;
  run.seed = seed;
  for (std::int64_t second = 0; second < scenario.horizon_seconds; ++second) {
    const double weight = percent(scenario.steps_percent[step]).ratio();
    const World world = scenario.world(second, weight);
    const double rate = world.requests_per_second;
    const auto canary = responses(random, rate * weight, world.canary_rate);
    builder.add(Cohort::kCanary, canary);
    builder.add(Cohort::kStable, responses(random, rate * (1 - weight), world.stable_rate));
    run.canary_requests += canary.n;
    run.canary_failures += canary.bad;
    run.seconds = second + 1;

    const auto block = builder.tick(second + 1);
    if (!block) continue;
    analyzer.absorb(*block);
    const analysis::Verdict verdict = analyzer.evaluate();
    if (verdict.decision == analysis::Decision::kRollback) {
      run.end = End::kRolledBack;
      return run;
    }
    if (verdict.decision != analysis::Decision::kAccept) continue;
    if (run.seconds - step_began < scenario.min_duration_seconds) continue;
    ++step;
    if (step + 1 == scenario.steps_percent.size()) {
      run.end = End::kPromoted;
      return run;
    }
    step_began = run.seconds;
    analyzer.weight_increased();
    analyzer.begin_step(
        {.next_weight = percent(scenario.steps_percent[step + 1]), .has_control = true});
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
