// A canary that is broken for a small part of the traffic only, a segment of its users or one of
// its routes: how soon accounts of parts find it, and that those of a healthy one raise no more
// alarms than promised. Part of ctest -L slow -R Figures -V.
#include "canaryd/analysis/analyzer.hpp"
#include "canaryd/base/draw.hpp"
#include "canaryd/base/random.hpp"
#include "sim/analysis_model.hpp"
#include "sim/figure_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace canaryd::sim {
namespace {

constexpr double kRate = 500;  // Requests a second,
constexpr double kWeight = 0.1;
constexpr double kErrors = 0.01;
constexpr std::uint32_t kBroken = 0;

enum class Kind : std::uint8_t { kSegments, kRoutes };

// The traffic has so many parts of one share, whether they are watched or not.
struct Parts {
  Kind kind = Kind::kSegments;
  std::uint32_t count = 0;
  double share = 0;
};
constexpr Parts kTenants{Kind::kSegments, 16, 0.03};
constexpr Parts kRoutes{Kind::kRoutes, 50, 0.02};

std::string name_of(Kind kind, std::uint32_t part) {
  if (kind == Kind::kRoutes) return "route-" + std::to_string(part);
  return analysis::segment_name("X-Tenant", std::to_string(part));
}

analysis::Settings watching(Kind kind, std::uint32_t count) {
  analysis::Settings settings = errors_only();
  for (std::uint32_t i = 0; i < count; ++i) {
    (kind == Kind::kRoutes ? settings.routes : settings.segments).push_back(name_of(kind, i));
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

void put(stats::Block& block, Kind kind, std::uint32_t part, const stats::Comparison& counts) {
  if (kind == Kind::kRoutes) {
    block.routes.push_back({part, counts});
  } else {
    block.segments.push_back({part, counts});
  }
}

// What a part has in a second without requests of one version is left out.
stats::Block a_second(Random& random, const Parts& parts, double broken_errors) {
  stats::Block block;
  block.seconds = 1;
  const double others = std::max(0.0, 1 - parts.share * parts.count);
  block.stable = draw(random, kRate * (1 - kWeight) * others, kErrors);
  block.canary = draw(random, kRate * kWeight * others, kErrors);
  for (std::uint32_t i = 0; i < parts.count; ++i) {
    stats::Comparison counts;
    counts.seconds = 1;
    counts.stable = draw(random, kRate * (1 - kWeight) * parts.share, kErrors);
    counts.canary =
        draw(random, kRate * kWeight * parts.share, i == kBroken ? broken_errors : kErrors);
    add(block.stable, counts.stable);
    add(block.canary, counts.canary);
    if (counts.comparable()) put(block, parts.kind, i, counts);
  }
  return block;
}

bool names_the_broken(const analysis::Verdict& verdict, Kind kind) {
  const auto& part = kind == Kind::kRoutes ? verdict.route : verdict.segment;
  return part && part->name == name_of(kind, kBroken);
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

struct Runs {
  int count = 100;
  int seconds = 1200;  // At most, each.
  std::uint64_t seed = 0;
};

Found find(const analysis::Settings& settings,
           const Parts& parts,
           double errors,
           const Runs& runs) {
  Found found;
  for (int run = 0; run < runs.count; ++run) {
    Random random(runs.seed + static_cast<std::uint64_t>(run));
    analysis::Analyzer analyzer(settings);
    analyzer.begin_step({.next_weight = BasisPoints(2500), .has_control = true});
    for (int second = 1; second <= runs.seconds; ++second) {
      analyzer.absorb(a_second(random, parts, errors));
      if (analyzer.decision() != analysis::Decision::kRollback) continue;
      ++found.rolled_back;
      found.seconds.push_back(second);
      if (names_the_broken(analyzer.evaluate(), parts.kind)) ++found.named;
      break;
    }
  }
  return found;
}

void add_broken(FigureTable& table,
                const Parts& parts,
                std::uint32_t watched,
                double errors,
                const Runs& runs) {
  Found found = find(watching(parts.kind, watched), parts, errors, runs);
  table.add({.cell = text("%g %% fail there, %u watched", 100 * errors, watched),
             .runs = runs.count,
             .seed = runs.seed,
             .goal = watched == 0 ? "(for comparison)" : "all found, 95 named",
             .seen = text(
                 "%d found, %d named, median %d s", found.rolled_back, found.named, found.median()),
             .ok = watched == 0 || (found.rolled_back == runs.count && found.named >= 95)});
}

// Of a thousand healthy canaries at most `most` may be rolled back.
void add_healthy(FigureTable& table, const Parts& parts, int most, const Runs& runs) {
  analysis::Settings settings = watching(parts.kind, parts.count);
  settings.tolerance.errors = {0, 0};
  const Found found = find(settings, parts, kErrors, runs);
  table.add({.cell = "1 % errors everywhere",
             .runs = runs.count,
             .seed = runs.seed,
             .goal = text("at most %d rolled back", most),
             .seen = text("%d rolled back", found.rolled_back),
             .ok = found.rolled_back <= most});
}

TEST(Figures, ABrokenSegment) {
  FigureTable table("Canary broken for 3 % of the requests, 500 requests/s, weight 10 %, 20 min");
  std::uint64_t seed = 600'000;
  for (const double errors : {1.0, 0.5, 0.2}) {
    for (const std::uint32_t segments : {0U, 1U, 16U, 64U}) {
      add_broken(table, kTenants, segments, errors, {.seed = seed});
      seed += 1000;
    }
  }
}

TEST(Figures, HealthySegments) {
  FigureTable table("Identical canary, tolerance 0, 16 segments, 10 min");
  add_healthy(table, kTenants, 10, {.count = 1000, .seconds = 600, .seed = 700'000});
}

TEST(Figures, ABrokenRoute) {
  FigureTable table("Canary broken on one of 50 routes, 500 requests/s, weight 10 %, 20 min");
  std::uint64_t seed = 800'000;
  for (const double errors : {1.0, 0.5, 0.2}) {
    for (const std::uint32_t routes : {0U, 50U}) {
      add_broken(table, kRoutes, routes, errors, {.seed = seed});
      seed += 1000;
    }
  }
}

TEST(Figures, HealthyRoutes) {
  FigureTable table("Identical canary, tolerance 0, 50 routes, 10 min");
  add_healthy(table, kRoutes, 10, {.count = 1000, .seconds = 600, .seed = 900'000});
}

}  // namespace
}  // namespace canaryd::sim
