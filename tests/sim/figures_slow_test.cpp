// The figures that the engine is held to, measured: ctest -L slow -R Figures -V prints the tables
// of docs/statistics.md. Seeds are fixed.
#include "canaryd/base/random.hpp"
#include "canaryd/stats/block.hpp"
#include "sim/figure_table.hpp"
#include "sim/scenarios.hpp"
#include "sim/traffic.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace canaryd::sim {
namespace {

constexpr double kRates[] = {5, 50, 500, 5000};
constexpr double kErrors[] = {0.0001, 0.001, 0.01, 0.05};

std::string cell_name(double rate, double errors) {
  return text("%g requests/s, %g %%", rate, 100 * errors);
}

TEST(Figures, IdenticalCanary) {
  FigureTable table("Identical canary, 2 hours; at 5 requests/s 12");
  std::uint64_t seed = 10'000;
  int all = 0;
  for (const double rate : kRates) {
    for (const double errors : kErrors) {
      Scenario scenario = steady(rate, errors, errors);
      scenario.horizon_seconds = rate == 5 ? 12 * 3600 : 2 * 3600;  // Most end within it.
      const Summary seen = run_many(scenario, seed, 300, End::kPromoted);
      all += seen.rolled_back;
      table.add({.cell = cell_name(rate, errors),
                 .runs = seen.runs,
                 .seed = seed,
                 .goal = "0 rolled back",
                 .seen = text("%d rolled back, %d promoted, median %.0f s",
                              seen.rolled_back,
                              seen.promoted,
                              seen.median_seconds),
                 .ok = seen.rolled_back == 0,
                 .known_miss = rate == 5 && errors == 0.01 && seen.rolled_back == 1
                                   ? "Four failures among the first fourteen canary requests: one "
                                     "run of this luck in a few thousand is within the promise "
                                     "of 1 % a rollout, but not within this goal."
                                   : ""});
      seed += 1000;
    }
  }
  // What is promised is 1 % a rollout, 48 here.
  EXPECT_LE(all, 2);
}

TEST(Figures, IdenticalCanaryWithoutTolerance) {
  FigureTable table("Identical canary, tolerance 0, 1 hour");
  std::uint64_t seed = 100'000;
  for (const double rate : kRates) {
    for (const double errors : kErrors) {
      Scenario scenario = steady(rate, errors, errors);
      scenario.settings.tolerance.errors = {0, 0};
      const Summary seen = run_many(scenario, seed, 1000, End::kRolledBack);
      table.add({.cell = cell_name(rate, errors),
                 .runs = seen.runs,
                 .seed = seed,
                 .goal = "at most 10 rolled back",
                 .seen = text("%d rolled back", seen.rolled_back),
                 .ok = seen.rolled_back <= 10});
      seed += 1000;
    }
  }
}

// Of 300 canaries that fail .5 %, those that within an hour have a minute in which fewer than 99 %
// succeed.
int with_a_bad_minute(double per_minute, std::uint64_t first_seed) {
  constexpr int kMinutes = 60;
  int count = 0;
  for (std::uint64_t run = 0; run < 300; ++run) {
    Random random(first_seed + run);
    bool bad = false;
    for (int minute = 0; minute < kMinutes; ++minute) {
      const auto failed = static_cast<double>(poisson(random, 0.005 * per_minute));
      const auto good = static_cast<double>(poisson(random, 0.995 * per_minute));
      bad = bad || failed > 0.01 * (failed + good);
    }
    if (bad) ++count;
  }
  return count;
}

// Beside the rule of Flagger's examples, "at least 99 % succeed", and one that ends with the first
// minute in which they do not.
TEST(Figures, IdenticalCanaryWithFewRequests) {
  FigureTable table("Identical canary, .5 % errors, so many canary requests a minute, 4 hours");
  std::uint64_t seed = 150'000;
  for (const double per_minute : {10.0, 60.0, 300.0}) {
    Scenario scenario = steady(2 * per_minute / 60, 0.005, 0.005);
    scenario.steps_percent = {50, 100};
    scenario.horizon_seconds = 4 * 3600;
    const Summary seen = run_many(scenario, seed, 300, End::kPromoted);
    scenario.rule = RuleName::kFlagger;
    const Summary fixed = run_many(scenario, seed, 300, End::kPromoted);
    table.add({.cell = text("%g requests a minute", per_minute),
               .runs = seen.runs,
               .seed = seed,
               .goal = "at most 3 rolled back",
               .seen = text("%d rolled back, %d promoted; by Flagger's rule %d, %d; with a minute "
                            "below 99 %% in an hour %d",
                            seen.rolled_back,
                            seen.promoted,
                            fixed.rolled_back,
                            fixed.promoted,
                            with_a_bad_minute(per_minute, seed)),
               .ok = seen.rolled_back <= 3});
    seed += 1000;
  }
}

TEST(Figures, CanaryOnTheEdgeOfTheTolerance) {
  FigureTable table("Canary exactly on the tolerance, 1 hour");
  std::uint64_t seed = 200'000;
  for (const double rate : {50.0, 500.0, 5000.0}) {
    for (const double errors : {0.001, 0.01, 0.05}) {
      const Scenario scenario = steady(rate, errors, 1.1 * errors + 0.001);
      const Summary seen = run_many(scenario, seed, 400, End::kOpen);
      table.add({.cell = cell_name(rate, errors),
                 .runs = seen.runs,
                 .seed = seed,
                 .goal = "at most 4 rolled back, 20 promoted",
                 .seen = text("%d rolled back, %d promoted", seen.rolled_back, seen.promoted),
                 .ok = seen.rolled_back <= 4 && seen.promoted <= 20});
      seed += 1000;
    }
  }
}

struct Weather {
  const char* name;
  Scenario (*make)(double rate, double errors);
  double most_slow;  // The share of the runs that may be rolled back at 50 requests/s.
  double most_fast;  // At 500 and more.
};

void add_weather(
    FigureTable& table, const Weather& kind, double rate, double errors, std::uint64_t seed) {
  const Summary seen = run_many(kind.make(rate, errors), seed, 300, End::kPromoted);
  const double most = rate < 500 ? kind.most_slow : kind.most_fast;
  const int most_runs = static_cast<int>(std::floor(most * seen.runs + 0.5));
  table.add({.cell = text("%s, %g requests/s, %g %% errors", kind.name, rate, 100 * errors),
             .runs = seen.runs,
             .seed = seed,
             .goal = text("at most %d rolled back", most_runs),
             .seen = text("%d rolled back, %d promoted, median %.0f s",
                          seen.rolled_back,
                          seen.promoted,
                          seen.median_seconds),
             .ok = seen.rolled_back <= most_runs});
}

// Weather that nobody may be blamed for meets every service; clusters of failures, those of the
// goal.
TEST(Figures, BadWeather) {
  FigureTable table("Identical canary in bad weather, 1 hour");
  const Weather kinds[] = {{"shared outage", shared_outage, 0, 0},
                           {"diurnal load", diurnal, 0, 0},
                           {"cold start", cold_start, 0, 0},
                           {"restarts of one instance", restarts, 0.04, 0.02},
                           {"retry storms", retry_storms, 0.04, 0.02},
                           {"broken users", broken_users, 0.04, 0.02}};
  std::uint64_t seed = 400'000;
  for (const Weather& kind : kinds) {
    for (const double rate : {50.0, 500.0, 5000.0}) {
      add_weather(table, kind, rate, 0.01, seed);
      seed += 1000;
    }
  }
  seed = 450'000;
  for (const Weather& kind : kinds) {
    if (kind.most_slow > 0) continue;
    for (const auto& [rate, errors] : {std::pair(5.0, 0.01),
                                       std::pair(50.0, 0.0001),
                                       std::pair(5000.0, 0.0001),
                                       std::pair(50.0, 0.05),
                                       std::pair(5000.0, 0.05)}) {
      add_weather(table, kind, rate, errors, seed);
      seed += 1000;
    }
  }
}

TEST(Figures, Detection) {
  FigureTable table("Worse canary, stable at 1 %, within 8 hours");
  std::uint64_t seed = 300'000;
  for (const double rate : {50.0, 500.0}) {
    for (const double factor : {1.5, 2.0, 3.0, 5.0}) {
      const double errors = 0.01;
      const double canary = factor * errors;
      Scenario scenario = steady(rate, errors, canary);
      scenario.horizon_seconds = 8 * 3600;
      const Summary seen = run_many(scenario, seed, 200, End::kRolledBack);
      const double bound = std::log(100) / information_per_request(
                                               errors, canary, scenario.settings.tolerance.errors);
      const double ratio = seen.median_canary_requests / bound;
      const bool fast = factor == 5 && rate == 500;
      table.add(
          {.cell = text("%g requests/s, %g times", rate, factor),
           .runs = seen.runs,
           .seed = seed,
           .goal = std::string("2.5 x ln(100)/KL, at most 5 % promoted") +
                   (fast ? ", 60 s, 20 failed" : ""),
           .seen = text("%.2f x, %d rolled back, %d promoted, %.0f s, %.0f requests, "
                        "%.0f failed",
                        ratio,
                        seen.rolled_back,
                        seen.promoted,
                        seen.median_seconds,
                        seen.median_canary_requests,
                        seen.median_canary_failures),
           .ok = ratio <= 2.5 && seen.promoted <= seen.runs / 20 &&
                 seen.promoted + seen.rolled_back == seen.runs &&
                 (!fast || (seen.median_seconds <= 60 && seen.median_canary_failures <= 20))});
      seed += 1000;
    }
  }
  const Summary dead = run_many(steady(500, 0.01, 1), seed, 200, End::kRolledBack);
  table.add({.cell = "500 requests/s, all fail",
             .runs = dead.runs,
             .seed = seed,
             .goal = "7 s, 40 failed",
             .seen = text("%d rolled back, %.0f s, %.0f failed",
                          dead.rolled_back,
                          dead.median_seconds,
                          dead.median_canary_failures),
             .ok = dead.rolled_back == dead.runs && dead.median_seconds <= 7 &&
                   dead.median_canary_failures <= 40});
}

struct Promotion {
  double rate = 0;
  double errors = 0;
  double absolute = 0;  // Tolerance.
  int runs = 0;
  double most_minutes = 0;
  std::vector<unsigned> steps = {1, 5, 10, 25, 100};
  std::string known_miss = {};
};

TEST(Figures, Promotion) {
  FigureTable table("Time of a good canary from 1 % to 100 %, median");
  const std::string hours =
      "The last step, whose limit is the plain tolerance, takes most of it: some 42,000 canary "
      "requests with a quarter of the traffic, 59,000 with half (need_to_accept). A step at 50 % "
      "changes little, a wider absolute tolerance all.";
  // At 5 requests/s: what a small service is told to expect, and that a wider tolerance helps.
  const std::vector<Promotion> cells = {
      {500, 0.01, 0.001, 300, 8},
      {500, 0.0001, 0.001, 300, 3},
      {5, 0.01, 0.001, 60, 540, {1, 5, 10, 25, 50, 100}, hours},
      {5, 0.01, 0.001, 60, 540, {1, 5, 10, 25, 100}, hours},
      {5, 0.01, 0.01, 300, 32},
  };
  std::uint64_t seed = 500'000;
  for (const Promotion& cell : cells) {
    Scenario scenario = steady(cell.rate, cell.errors, cell.errors);
    scenario.settings.tolerance.errors.absolute = cell.absolute;
    scenario.steps_percent = cell.steps;
    scenario.horizon_seconds = 36 * 3600;
    const Summary seen = run_many(scenario, seed, cell.runs, End::kPromoted);
    const std::string name = cell_name(cell.rate, cell.errors);
    table.add({.cell = text("%s, tolerance %g pp, %zu steps",
                            name.c_str(),
                            100 * cell.absolute,
                            cell.steps.size()),
               .runs = seen.runs,
               .seed = seed,
               .goal = text("%g min", cell.most_minutes),
               .seen = text("%.1f min, %d promoted, %d rolled back",
                            seen.median_seconds / 60,
                            seen.promoted,
                            seen.rolled_back),
               .ok = seen.rolled_back == 0 && seen.median_seconds > 0 &&
                     seen.median_seconds <= 60 * cell.most_minutes,
               // A third more, and no more than that.
               .known_miss = seen.rolled_back == 0 && seen.median_seconds <= 80 * cell.most_minutes
                                 ? cell.known_miss
                                 : ""});
    seed += 1000;
  }
}

}  // namespace
}  // namespace canaryd::sim
