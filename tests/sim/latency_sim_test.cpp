// Latency verdicts under random traffic: through the real block builder and the real analyzer, from
// fixed seeds. Response times are log-logistic: median 40 ms, p90 2.1 times, p99 4.6 times and
// p99.9 10 times as long, as heavy a tail as services have.
#include "canaryd/analysis/analyzer.hpp"
#include "canaryd/base/random.hpp"
#include "canaryd/stats/block.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace canaryd::sim {
namespace {

constexpr std::uint64_t kFirstSeed = 4000;
constexpr int kRuns = 20;

// Response times by rank, so that a draw costs no logarithm.
class Times {
 public:
  Times() : ms_(kRanks) {
    for (std::size_t i = 0; i < kRanks; ++i) {
      const double u = (static_cast<double>(i) + 0.5) / kRanks;
      ms_[i] = 40 * std::cbrt(u / (1 - u));
    }
  }
  [[nodiscard]] double draw(Random& random) const { return ms_[random.below(kRanks)]; }

 private:
  static constexpr std::size_t kRanks = 1 << 16;
  std::vector<double> ms_;
};

Duration milliseconds(double ms) {
  return Duration(static_cast<Duration::rep>(ms * 1e6));
}

struct World {
  std::uint64_t requests_per_second = 400;
  BasisPoints weight{1000};
  BasisPoints next_weight{2500};
  std::int64_t seconds = 300;
  // What makes the canary's time of stable's.
  std::function<double(Random&, std::int64_t second, double ms)> canary =
      [](Random&, std::int64_t, double ms) { return ms; };
  // What hits both.
  std::function<double(std::int64_t second)> load = [](std::int64_t) { return 1.0; };
};

struct End {
  analysis::Decision decision = analysis::Decision::kHold;
  std::string metric;
  std::int64_t second = 0;
};

// Until the verdict is no hold any more, or `until_rollback`, a rollback.
End run(const World& world, std::uint64_t seed, bool until_rollback) {
  static const Times times;
  Random random(seed);
  const analysis::Settings settings;
  analysis::Analyzer analyzer(settings);
  stats::BlockBuilder builder(0, 0, 0);
  builder.set_latency_rules(analysis::latency_rules(settings, world.next_weight));
  stats::Histogram before;
  for (int i = 0; i < 25'000; ++i) before.add(milliseconds(times.draw(random)));
  builder.add_past(before);
  static_cast<void>(builder.change(0, 1, 0));
  analyzer.begin_step({.next_weight = world.next_weight, .has_control = true});
  End end;
  for (std::int64_t second = 0; second < world.seconds; ++second) {
    stats::Histogram stable;
    stats::Histogram canary;
    const double load = world.load(second);
    for (std::uint64_t i = 0; i < world.requests_per_second; ++i) {
      const double ms = times.draw(random) * load;
      if (random.chance(world.weight.ratio())) {
        canary.add(milliseconds(world.canary(random, second, ms)));
      } else {
        stable.add(milliseconds(ms));
      }
    }
    builder.add(Cohort::kStable, {stable.total(), 0}, stable);
    builder.add(Cohort::kCanary, {canary.total(), 0}, canary);
    const auto block = builder.tick(second + 1);
    if (!block) continue;
    analyzer.absorb(*block);
    const analysis::Verdict verdict = analyzer.evaluate();
    end = {verdict.decision, std::string(verdict.metrics[verdict.deciding].name), second + 1};
    if (end.decision == analysis::Decision::kRollback) return end;
    if (end.decision == analysis::Decision::kAccept && !until_rollback) return end;
  }
  return end;
}

struct Outcome {
  int rolled_back = 0;
  int accepted = 0;
  std::int64_t slowest = 0;      // Seconds to the end of the run that took longest.
  std::uint64_t first_seed = 0;  // That was rolled back.
  std::vector<std::string> metrics;
};

Outcome run_all(const char* what, const World& world, bool until_rollback) {
  Outcome outcome;
  for (int i = 0; i < kRuns; ++i) {
    const std::uint64_t seed = kFirstSeed + static_cast<std::uint64_t>(i);
    const End end = run(world, seed, until_rollback);
    outcome.slowest = std::max(outcome.slowest, end.second);
    if (end.decision == analysis::Decision::kAccept) ++outcome.accepted;
    if (end.decision != analysis::Decision::kRollback) continue;
    if (outcome.rolled_back++ == 0) outcome.first_seed = seed;
    outcome.metrics.push_back(end.metric);
  }
  std::printf("%s: %d rolled back, %d accepted of %d, the last after %lld s\n",
              what,
              outcome.rolled_back,
              outcome.accepted,
              kRuns,
              static_cast<long long>(outcome.slowest));
  return outcome;
}

TEST(LatencySim, EqualHeavyTailsAreNotFlagged) {
  for (const unsigned weight : {100U, 1000U, 5000U}) {
    World world;
    world.weight = BasisPoints(weight);
    const Outcome outcome = run_all("equal", world, true);
    EXPECT_EQ(outcome.rolled_back, 0) << "weight " << weight << ", seed " << outcome.first_seed;
  }
}

TEST(LatencySim, EqualIsAccepted) {
  const Outcome outcome = run_all("equal", {}, false);
  EXPECT_EQ(outcome.accepted, kRuns);
  EXPECT_LT(outcome.slowest, 240);
}

TEST(LatencySim, HalfAsLongAgainIsFound) {
  World world;
  world.canary = [](Random&, std::int64_t, double ms) { return 1.5 * ms; };
  const Outcome outcome = run_all("half as long again", world, false);
  EXPECT_EQ(outcome.rolled_back, kRuns);
  EXPECT_LT(outcome.slowest, 90);
}

TEST(LatencySim, AFifthLongerIsFound) {
  World world;
  world.weight = BasisPoints(5000);
  world.next_weight = BasisPoints(10000);
  world.canary = [](Random&, std::int64_t, double ms) { return 1.2 * ms; };
  const Outcome outcome = run_all("a fifth longer, at 50 %", world, false);
  EXPECT_EQ(outcome.rolled_back, kRuns);
  EXPECT_LT(outcome.slowest, 240);
}

TEST(LatencySim, SlowInTheTailOnlyIsFound) {
  World world;
  world.canary = [](Random& random, std::int64_t, double ms) {
    return random.chance(0.03) ? 2000 : ms;
  };
  const Outcome outcome = run_all("3 % of them take 2 s", world, false);
  EXPECT_EQ(outcome.rolled_back, kRuns);
  EXPECT_LT(outcome.slowest, 120);
  for (const std::string& metric : outcome.metrics) {
    EXPECT_TRUE(metric == "latency_p99" || metric == "latency_p99.9") << metric;
  }
}

TEST(LatencySim, AColdStartWithinTheWarmUpIsNotFlagged) {
  World world;
  world.canary = [](Random&, std::int64_t second, double ms) { return second < 30 ? 3 * ms : ms; };
  const Outcome outcome = run_all("three times as long for 30 s", world, true);
  EXPECT_EQ(outcome.rolled_back, 0) << "seed " << outcome.first_seed;
}

TEST(LatencySim, WhatSlowsBothIsNotFlagged) {
  World world;
  world.load = [](std::int64_t second) { return second >= 60 && second < 120 ? 4.0 : 1.0; };
  const Outcome outcome = run_all("both four times as long for a minute", world, true);
  EXPECT_EQ(outcome.rolled_back, 0) << "seed " << outcome.first_seed;
}

// Everything of both is slow, so nothing is tolerated and nothing is shown: no step meanwhile.
TEST(LatencySim, NothingIsAcceptedWhileBothAreSlow) {
  World world;
  world.seconds = 200;
  world.load = [](std::int64_t second) { return second >= 5 ? 4.0 : 1.0; };
  const Outcome outcome = run_all("both four times as long from the start", world, false);
  EXPECT_EQ(outcome.accepted, 0);
  EXPECT_EQ(outcome.rolled_back, 0) << "seed " << outcome.first_seed;
}

// Slower by a tenth is what the tolerance allows.
TEST(LatencySim, WithinTheStretchIsNotFlagged) {
  World world;
  world.canary = [](Random&, std::int64_t, double ms) { return 1.08 * ms; };
  const Outcome outcome = run_all("8 % longer", world, true);
  EXPECT_EQ(outcome.rolled_back, 0) << "seed " << outcome.first_seed;
}

}  // namespace
}  // namespace canaryd::sim
