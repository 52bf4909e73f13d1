// Many simulated rollouts, and the figures about them.
//
// Run i has the seed first + i, whichever thread makes it, so the figures do not depend on the
// number of threads, and any run can be made again alone. Thread rule: run_many() starts threads of
// its own and joins them before it returns; the rest is pure.
#pragma once

#include "canaryd/simulate/run.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace canaryd::simulate {

inline constexpr std::size_t kMostRuns = 1'000'000;
inline constexpr unsigned kMostThreads = 256;

struct Effort {
  std::uint64_t first_seed = 1;
  std::size_t runs = 1000;  // 1 to kMostRuns.
  unsigned threads = 1;     // 1 to kMostThreads.
  // How many runs are done; called now and then and at the end, by one thread.
  std::function<void(std::size_t done)> progress;
};

[[nodiscard]] std::vector<RunResult> run_many(const Scenario& scenario, const Effort& effort);

// How often something happened, and between which odds those of it are with 95 % confidence,
// whatever they are (Clopper, Pearson 1934).
struct Odds {
  std::size_t count = 0;
  std::size_t of = 0;
  double low = 0;
  double high = 1;
  [[nodiscard]] double share() const noexcept {
    return of == 0 ? 0 : static_cast<double>(count) / static_cast<double>(of);
  }
};
[[nodiscard]] Odds odds(std::size_t count, std::size_t of);

// The values at these shares of all, by nearest rank.
struct Spread {
  double p10 = 0;
  double median = 0;
  double p90 = 0;
};
// Nothing for no values.
[[nodiscard]] std::optional<Spread> spread(std::vector<double> values);

struct StepFigures {
  BasisPoints weight;
  std::size_t reached = 0;
  std::size_t passed = 0;
  std::optional<Spread> seconds;  // In the step, of the runs that passed it.
};

struct Study {
  std::size_t runs = 0;
  std::uint64_t first_seed = 0;
  std::array<Odds, kOutcomes.size()> outcomes;                              // By Outcome.
  std::array<std::optional<Spread>, kOutcomes.size()> seconds;              // Until it, by Outcome.
  std::array<std::map<std::string, std::size_t>, kOutcomes.size()> causes;  // Rolled back, held.
  std::optional<Spread> canary_requests;
  std::optional<Spread> canary_failures;
  std::optional<Spread> user_failures;
  std::optional<Spread> users_exposed;  // Of all users, 0 to 1.
  std::vector<StepFigures> steps;
  // The run that shows best what happens: of the most frequent outcome, the one of median length.
  std::uint64_t typical_seed = 0;
};

[[nodiscard]] Study summarise(const Scenario& scenario, const std::vector<RunResult>& runs);

}  // namespace canaryd::simulate
