// What a second of a rollout costs the control thread: one block closed and absorbed, and
// the verdict made.
//
//   analyzer_bench [seconds=200000]
//
// Prints microseconds of CPU time a block. The goal is 50; run it optimised.
#include "canaryd/analysis/analyzer.hpp"
#include "canaryd/base/random.hpp"
#include "canaryd/stats/block.hpp"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>

int main(int argc, char** argv) {
  using namespace canaryd;
  const long wanted = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 200'000;
  Random random(1);
  const analysis::Settings settings = [] {
    analysis::Settings made;
    made.false_rollback = 1e-9;  // So that it does not end.
    return made;
  }();
  const auto responses = [&random](int count) {
    stats::Histogram made;
    for (int i = 0; i < count; ++i) {
      made.add(std::chrono::microseconds(10'000 + random.below(90'000)));
    }
    return made;
  };
  const stats::Histogram stable = responses(500);
  const stats::Histogram canary = responses(5);
  stats::BlockBuilder builder(0, 0, 0);
  builder.set_latency_rules(analysis::latency_rules(settings, BasisPoints(500)));
  analysis::Analyzer analyzer(settings);
  analyzer.begin_step({.next_weight = BasisPoints(500), .has_control = true});
  double sum = 0;
  const std::clock_t begin = std::clock();
  for (long second = 0; second < wanted; ++second) {
    builder.add(Cohort::kStable, {500, random.below(6)}, stable);
    builder.add(Cohort::kCanary, {5, random.below(2)}, canary);
    if (const auto block = builder.tick(second + 1)) analyzer.absorb(*block);
    sum += analyzer.evaluate().ln_total;
  }
  // A tick is a microsecond (POSIX).
  const auto took = static_cast<double>(std::clock() - begin);
  std::printf("%zu metrics: %.2f us a block (sum %g)\n",
              analyzer.metrics().size(),
              took / static_cast<double>(wanted),
              sum);
  return 0;
}
