// A canary that is broken for 3 % of the users only: how soon segments find it, and that those of a
// healthy one raise no more alarms than promised. Part of ctest -L slow -R Figures -V.
#include "canaryd/analysis/analyzer.hpp"
#include "canaryd/base/draw.hpp"
#include "canaryd/base/random.hpp"
#include "sim/analysis_model.hpp"
#include "sim/figure_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace canaryd::sim {
namespace {

constexpr double kRate = 500;  // Requests a second,
constexpr double kWeight = 0.1;
constexpr double kErrors = 0.01;
constexpr double kShare = 0.03;  // of which so many are of each segment.
constexpr std::uint32_t kBroken = 0;

analysis::Settings watching(std::uint32_t segments) {
  analysis::Settings settings = errors_only();
  for (std::uint32_t i = 0; i < segments; ++i) {
    settings.segments.push_back(analysis::segment_name("X-Tenant", std::to_string(i)));
  }
  return settings;
}

stats::CohortCounts draw(Random& random, double mean, double errors) {
  const std::uint64_t bad = draw_poisson(random, mean * errors);
  return {bad + draw_poisson(random, mean * (1 - errors)), bad};
}

void add(stats::CohortCounts& to, const stats::CohortCounts& counts) {
  to.n += counts.n;
  to.bad += counts.bad;
}

// What a segment has in a second without requests of one version is left out.
stats::Block a_second(Random& random, std::uint32_t segments, double broken_errors) {
  stats::Block block;
  block.seconds = 1;
  const double others = 1 - kShare * segments;
  block.stable = draw(random, kRate * (1 - kWeight) * others, kErrors);
  block.canary = draw(random, kRate * kWeight * others, kErrors);
  for (std::uint32_t i = 0; i < segments; ++i) {
    stats::SegmentComparison one;
    one.segment = i;
    one.counts.seconds = 1;
    one.counts.stable = draw(random, kRate * (1 - kWeight) * kShare, kErrors);
    one.counts.canary =
        draw(random, kRate * kWeight * kShare, i == kBroken ? broken_errors : kErrors);
    add(block.stable, one.counts.stable);
    add(block.canary, one.counts.canary);
    if (one.counts.comparable()) block.segments.push_back(one);
  }
  return block;
}

struct Found {
  int rolled_back = 0;
  int named = 0;
  std::vector<int> seconds;

  [[nodiscard]] int median() {
    if (seconds.empty()) return 0;
    std::sort(seconds.begin(), seconds.end());
    return seconds[seconds.size() / 2];
  }
};

// The traffic has sixteen segments, however many are watched.
Found find(
    const analysis::Settings& settings, double errors, int runs, int most, std::uint64_t seed) {
  Found found;
  for (int run = 0; run < runs; ++run) {
    Random random(seed + static_cast<std::uint64_t>(run));
    analysis::Analyzer analyzer(settings);
    analyzer.begin_step({.next_weight = BasisPoints(2500), .has_control = true});
    for (int second = 1; second <= most; ++second) {
      analyzer.absorb(a_second(random, 16, errors));
      if (analyzer.decision() != analysis::Decision::kRollback) continue;
      ++found.rolled_back;
      found.seconds.push_back(second);
      const auto segment = analyzer.evaluate().segment;
      if (segment && segment->name == "X-Tenant=0") ++found.named;
      break;
    }
  }
  return found;
}

TEST(Figures, ABrokenSegment) {
  FigureTable table("Canary broken for 3 % of the requests, 500 requests/s, weight 10 %, 20 min");
  std::uint64_t seed = 600'000;
  for (const double errors : {1.0, 0.5, 0.2}) {
    for (const std::uint32_t segments : {0U, 1U, 16U, 64U}) {
      Found found = find(watching(segments), errors, 100, 1200, seed);
      table.add(
          {.cell = text("%g %% fail there, %u values watched", 100 * errors, segments),
           .runs = 100,
           .seed = seed,
           .goal = segments == 0 ? "(for comparison)" : "all found, 95 named",
           .seen = text(
               "%d found, %d named, median %d s", found.rolled_back, found.named, found.median()),
           .ok = segments == 0 || (found.rolled_back == 100 && found.named >= 95)});
      seed += 1000;
    }
  }
}

TEST(Figures, HealthySegments) {
  FigureTable table("Identical canary, tolerance 0, 16 segments, 10 min");
  analysis::Settings settings = watching(16);
  settings.tolerance.errors = {0, 0};
  const Found found = find(settings, kErrors, 1000, 600, 700'000);
  table.add({.cell = "1 % errors everywhere",
             .runs = 1000,
             .seed = 700'000,
             .goal = "at most 10 rolled back",
             .seen = text("%d rolled back", found.rolled_back),
             .ok = found.rolled_back <= 10});
}

}  // namespace
}  // namespace canaryd::sim
