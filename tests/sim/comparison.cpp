#include "sim/comparison.hpp"

#include "sim/figure_table.hpp"
#include "sim/scenarios.hpp"

#include <cstdio>
#include <utility>

namespace canaryd::sim {
namespace {

constexpr double kRate = 500;

Contest contest(std::string name, Scenario scenario, bool canary_is_bad) {
  // Long enough for the slowest of the rules, and for a hold to be a hold.
  scenario.horizon_seconds = 2 * 3600;
  return {std::move(name), std::move(scenario), canary_is_bad};
}

Scenario turns_bad() {
  Scenario scenario;
  scenario.world = [](std::int64_t second, double) {
    return World{kRate, 0.001, second < 60 ? 0.001 : 0.03};
  };
  return scenario;
}

double percent_of(int part, int all) {
  return 100.0 * part / all;
}

}  // namespace

std::vector<Contest> contests() {
  return {contest("identical, .1 %", steady(kRate, 0.001, 0.001), false),
          contest("identical, 1 %", steady(kRate, 0.01, 0.01), false),
          contest("identical, 2 %", steady(kRate, 0.02, 0.02), false),
          contest("identical, 1 %, shared outage", shared_outage(kRate, 0.01), false),
          contest("identical, .5 %, restarts", restarts(kRate, 0.005), false),
          contest("identical, 1 %, broken users", broken_users(kRate, 0.01), false),
          contest(".1 % against .5 %", steady(kRate, 0.001, 0.005), true),
          contest(".1 % against 2 %", steady(kRate, 0.001, 0.02), true),
          contest("1 % against 2 %", steady(kRate, 0.01, 0.02), true),
          contest("1 % against 5 %", steady(kRate, 0.01, 0.05), true),
          contest("1 % against 100 %", steady(kRate, 0.01, 1), true),
          contest(".1 %, after 60 s 3 %", turns_bad(), true)};
}

void print_contest_head() {
  std::printf(
      "\n| traffic | rule | rolled back | promoted | held | median time | canary requests failed "
      "|\n"
      "|---|---|---|---|---|---|---|\n");
}

std::array<ContestResult, kRules.size()> hold_contest(const Contest& contest,
                                                      std::uint64_t first_seed,
                                                      int runs) {
  std::array<ContestResult, kRules.size()> results;
  for (std::size_t i = 0; i < kRules.size(); ++i) {
    Scenario scenario = contest.scenario;
    scenario.rule = kRules[i];
    const End of = contest.canary_is_bad ? End::kRolledBack : End::kPromoted;
    results[i] = {kRules[i], run_many(scenario, first_seed, runs, of)};
    const Summary& seen = results[i].summary;
    const bool any = (contest.canary_is_bad ? seen.rolled_back : seen.promoted) > 0;
    std::printf("| %s | %s | %.1f %% | %.1f %% | %.1f %% | %s | %s |\n",
                contest.name.c_str(),
                std::string(to_string(kRules[i])).c_str(),
                percent_of(seen.rolled_back, runs),
                percent_of(seen.promoted, runs),
                percent_of(runs - seen.rolled_back - seen.promoted, runs),
                any ? text("%.0f s", seen.median_seconds).c_str() : "-",
                any ? text("%.0f", seen.median_canary_failures).c_str() : "-");
    std::fflush(stdout);
  }
  return results;
}

}  // namespace canaryd::sim
