// The same traffic judged by four rules (rules.hpp), side by side.
#pragma once

#include "sim/analysis_model.hpp"

#include <array>
#include <string>

namespace canaryd::sim {

struct Contest {
  std::string name;
  Scenario scenario;
  bool canary_is_bad = false;
};

struct ContestResult {
  RuleName rule = RuleName::kCanaryd;
  Summary summary;  // Medians: of promotions if the canary is good, of rollbacks if it is bad.
};

inline constexpr std::array kRules = {
    RuleName::kCanaryd, RuleName::kFlagger, RuleName::kArgo, RuleName::kKayenta};

[[nodiscard]] std::vector<Contest> contests();
// Prints a line for each rule.
[[nodiscard]] std::array<ContestResult, kRules.size()> hold_contest(const Contest& contest,
                                                                    std::uint64_t first_seed,
                                                                    int runs);
void print_contest_head();

}  // namespace canaryd::sim
