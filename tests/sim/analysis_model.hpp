// Whole rollouts in virtual time, as the analysis sees them: traffic second by second
// (traffic.hpp), judged by the real engine or by a model of another tool (rules.hpp), up the
// default steps. No proxy, no control: those have their own simulations. Everything follows from
// the seed.
#pragma once

#include "canaryd/analysis/analyzer.hpp"
#include "sim/rules.hpp"
#include "sim/traffic.hpp"

#include <cstdint>
#include <vector>

namespace canaryd::sim {

// The defaults, but latency is not judged: these worlds have none.
[[nodiscard]] analysis::Settings errors_only();

struct Scenario : TrafficModel {
  analysis::Settings settings = errors_only();
  std::vector<unsigned> steps_percent = {1, 5, 10, 25, 100};
  std::int64_t min_duration_seconds = 10;
  std::int64_t horizon_seconds = 3600;
  RuleName rule = RuleName::kCanaryd;
};

enum class End : std::uint8_t { kOpen, kPromoted, kRolledBack };

struct RolloutRun {
  End end = End::kOpen;
  std::uint64_t seed = 0;
  std::int64_t seconds = 0;
  std::uint64_t canary_requests = 0;
  std::uint64_t canary_failures = 0;
};

struct Summary {
  int runs = 0;
  int promoted = 0;
  int rolled_back = 0;
  // Over the runs that ended in the asked way; 0 when none did.
  double median_seconds = 0;
  double median_canary_requests = 0;
  double median_canary_failures = 0;
  // Of the first run that was rolled back, for repeating it; 0 when none was.
  std::uint64_t first_rolled_back_seed = 0;
  std::uint64_t first_promoted_seed = 0;
};

[[nodiscard]] RolloutRun run_rollout(const Scenario& scenario, std::uint64_t seed);

// Runs with the seeds first_seed, first_seed + 1, ...; medians of those that ended as `of`.
[[nodiscard]] Summary run_many(const Scenario& scenario,
                               std::uint64_t first_seed,
                               int runs,
                               End of);

// The same rates in every second.
[[nodiscard]] Scenario steady(double requests_per_second, double stable_rate, double canary_rate);

// The most information that one canary request can give about "beyond tolerance" when stable's rate
// is known, in nats.
[[nodiscard]] double information_per_request(double stable_rate,
                                             double canary_rate,
                                             analysis::Tolerance tolerance);

}  // namespace canaryd::sim
