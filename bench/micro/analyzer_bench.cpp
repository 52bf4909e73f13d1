// What a second costs the control thread: for each rollout one block closed and absorbed, and the
// verdict made.
//
//   analyzer_bench [blocks=200000] [rollouts=1000] [ticks=60]
//
// Prints microseconds of CPU time a block, of one rollout alone, so with everything in the cache
// (the goal is 50); then milliseconds of a tick in which so many rollouts have theirs one after the
// other, the median and the longest (the goal is 50). Run it optimised.
#include "canaryd/analysis/analyzer.hpp"
#include "canaryd/base/random.hpp"
#include "canaryd/stats/block.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

namespace {

using namespace canaryd;  // NOLINT(google-build-using-namespace): a program, not a header.

analysis::Settings endless() {
  analysis::Settings settings;
  settings.false_rollback = 1e-9;  // So that it does not end.
  return settings;
}

stats::Histogram responses(Random& random, int count) {
  stats::Histogram made;
  for (int i = 0; i < count; ++i) {
    made.add(std::chrono::microseconds(10'000 + random.below(90'000)));
  }
  return made;
}

// 505 requests a second, 1 % of them to the canary.
struct Rollout {
  explicit Rollout(const analysis::Settings& settings) : analyzer(settings) {
    builder.set_latency_rules(analysis::latency_rules(settings, BasisPoints(500)));
    analyzer.begin_step({.next_weight = BasisPoints(500), .has_control = true});
  }
  double tick(Random& random,
              const stats::Histogram& stable,
              const stats::Histogram& canary,
              std::int64_t second) {
    builder.add(Cohort::kStable, {500, random.below(6)}, stable);
    builder.add(Cohort::kCanary, {5, random.below(2)}, canary);
    if (const auto block = builder.tick(second)) analyzer.absorb(*block);
    return analyzer.evaluate().ln_total;
  }

  stats::BlockBuilder builder{0, 0, 0};
  analysis::Analyzer analyzer;
};

// A tick of the clock is a microsecond (POSIX).
double microseconds_since(std::clock_t begin) {
  return static_cast<double>(std::clock() - begin);
}

long argument(int argc, char** argv, int index, long otherwise) {
  return index < argc ? std::max(1L, std::strtol(argv[index], nullptr, 10)) : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  const long blocks = argument(argc, argv, 1, 200'000);
  const long rollouts = argument(argc, argv, 2, 1000);
  const long ticks = argument(argc, argv, 3, 60);
  Random random(1);
  const analysis::Settings settings = endless();
  const stats::Histogram stable = responses(random, 500);
  const stats::Histogram canary = responses(random, 5);
  double sum = 0;

  Rollout one(settings);
  const std::clock_t begin = std::clock();
  for (long second = 1; second <= blocks; ++second) {
    sum += one.tick(random, stable, canary, second);
  }
  const double each = microseconds_since(begin) / static_cast<double>(blocks);

  std::vector<Rollout> all(static_cast<std::size_t>(rollouts), Rollout(settings));
  // Until every quantile is known and judged.
  constexpr long kBefore = 60;
  std::vector<double> took;
  for (long second = 1; second <= kBefore + ticks; ++second) {
    const std::clock_t from = std::clock();
    for (Rollout& rollout : all) sum += rollout.tick(random, stable, canary, second);
    if (second > kBefore) took.push_back(microseconds_since(from) / 1000);
  }
  std::sort(took.begin(), took.end());
  std::printf("%zu metrics: %.2f us a block\n", one.analyzer.metrics().size(), each);
  std::printf("%ld rollouts: median %.1f ms a tick, longest %.1f ms (sum %g)\n",
              rollouts,
              took[took.size() / 2],
              took.back(),
              sum);
  return 0;
}
