// One rollout in virtual time: the plan of a configuration against a traffic model, judged by the
// code that judges live ones (analysis::Analyzer, rollout::step, routing::CohortGate).
//
// What differs from a daemon: time jumps from second to second, nothing crashes, stable is always
// up, clients are alike but for how much they ask (so stats::ClientSpread has nothing to find: that
// would take users with requests of their own), gates of the plan are approved at once, mode
// observe is treated as enforce, and the bake is not waited for: a rollout that has passed its last
// step is promoted.
//
// Pure: the same scenario and seed give the same run, on any thread.
#pragma once

#include "canaryd/analysis/settings.hpp"
#include "canaryd/rollout/effect.hpp"
#include "canaryd/rollout/plan.hpp"
#include "canaryd/simulate/traffic.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace canaryd::simulate {

// What takes a failing canary away before any verdict, and what users see of its failures.
struct Protection {
  // Of circuit and exposure, as in the configuration.
  std::uint64_t consecutive_failures = 5;  // 0: no circuit.
  Duration open_for = std::chrono::seconds(5);
  std::uint64_t probes_failed = 3;
  std::uint64_t max_trips = 5;  // 0: any number.
  std::optional<std::uint64_t> max_failed_requests;
  // The share of the requests that stable answers if the canary fails them.
  double covered = 0;
  friend bool operator==(const Protection&, const Protection&) = default;
};

struct Scenario {
  rollout::Plan plan;  // Without problems().
  analysis::Settings settings;
  Protection protection;
  Traffic traffic;
  std::int64_t limit_seconds = 6 * 3600;  // At most kMostSeconds.
};

inline constexpr std::int64_t kMostSeconds = std::int64_t{86400} * 400;

enum class Outcome : std::uint8_t { kPromoted, kRolledBack, kHeld, kRunning };
inline constexpr std::array kOutcomes{
    Outcome::kPromoted, Outcome::kRolledBack, Outcome::kHeld, Outcome::kRunning};
// "promoted", "rolled_back", "held", "running".
[[nodiscard]] std::string_view to_string(Outcome outcome) noexcept;

// Seconds of the rollout.
struct StepTime {
  std::optional<std::int64_t> begun;
  std::optional<std::int64_t> passed;
};

struct RunResult {
  Outcome outcome = Outcome::kRunning;
  // Of the last transition: why it was rolled back or held.
  rollout::Cause cause = rollout::Cause::kStarted;
  std::uint64_t seed = 0;
  std::int64_t seconds = 0;
  std::uint64_t canary_requests = 0;
  std::uint64_t canary_failures = 0;
  std::uint64_t user_failures = 0;  // Of the canary, and not answered by stable instead.
  // Users whom the canary served at some time, of all of them (0 to 1): those below the greatest
  // weight in force.
  double users_exposed = 0;
  std::vector<StepTime> steps;  // As many as the plan has.
};

// One second of a run, for its picture.
struct TracePoint {
  std::int64_t second = 0;
  double weight = 0;             // Served, 0 to 1.
  double rollback_evidence = 0;  // 0 to 1, the boundary.
  double accept_evidence = 0;
  std::uint64_t user_failures = 0;  // So far.
};

// `trace`, if there is one, is filled with every second.
[[nodiscard]] RunResult run_rollout(const Scenario& scenario,
                                    std::uint64_t seed,
                                    std::vector<TracePoint>* trace = nullptr);

}  // namespace canaryd::simulate
