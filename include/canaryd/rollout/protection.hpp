// What follows for a rollout from what its gate did by itself (routing/cohort_gate.hpp): the
// circuit opened, the exposure budget was spent, probes came back. Control asks this about the live
// gate, the simulation about its own.
//
// Levels in, an event and what to do with the gate out. Pure; any thread; ExposureSettling has one
// owner.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/rollout/event.hpp"
#include "canaryd/rollout/state.hpp"

#include <cstdint>
#include <deque>
#include <optional>

namespace canaryd::rollout {

// Good probes in a row that close the circuit.
inline constexpr std::uint32_t kProbesToClose = 5;
// The failure shares are of the last so many seconds.
inline constexpr std::int64_t kShareSeconds = 10;

// Which share of their requests each version failed.
struct FailureShares {
  double stable = 0;
  std::optional<double> canary;  // Not set: it had no request.
  double stable_requests = 0;    // What `stable` is the share of.
};

// So much that the canary is not charged for what hits both.
[[nodiscard]] bool stable_fails_too(const FailureShares& shares) noexcept;

struct GateLevel {
  bool open = false;
  bool spent = false;
  std::uint32_t good_probes = 0;  // In a row, each.
  std::uint32_t bad_probes = 0;
};

struct GateDecision {
  // To be done before the event: open the circuit as well, so that only the exposure's own decision
  // ends the suspension; count no failed probe so far; take the budget back, the circuit stays
  // open.
  enum class Order : std::uint8_t { kNone, kOpen, kForgetProbes, kReprieve };
  Order order = Order::kNone;
  Event::What what;
};

// How many failed probes in a row tell a canary that is ill from one that is as good as stable:
// where stable fails many of its requests, a few in a row are chance.
class FailedProbes {
 public:
  void observe(const GateLevel& level, const FailureShares& shares) noexcept;
  // `probes_failed`, or more.
  [[nodiscard]] std::uint64_t needed(std::uint64_t probes_failed) const noexcept;

 private:
  double stable_share_ = 0;  // The largest since these probes began to fail.
};

// Several times a second, while users are to be sent to the canary. Nothing: nothing follows.
[[nodiscard]] std::optional<GateDecision> look_at_gate(const State& state,
                                                       const GateLevel& level,
                                                       std::uint64_t probes_failed,
                                                       const FailureShares& shares,
                                                       FailedProbes& probes) noexcept;
// How often the circuit has opened of late. A canary that fails only under load answers its probes
// well, comes back, and fails again: without an end, where no verdict may end it.
class CircuitTrips {
 public:
  static constexpr Duration kWindow = std::chrono::minutes(10);

  // A new run.
  void begin() noexcept { times_.clear(); }
  // What look_at_gate() has come to. The `max`-th trip within kWindow rolls back instead of
  // suspending; 0: none does. Trips while stable fails as well are not the canary's.
  void judge(GateDecision& decision, const FailureShares& shares, Monotonic now, std::uint64_t max);

 private:
  std::deque<Monotonic> times_;  // Not more than `max` of them, the oldest first.
};

// Once a second, after ExposureSettling::judge(): enough probes were good.
[[nodiscard]] bool closes_circuit(Phase phase, const GateLevel& level) noexcept;

// Which of the failures that users saw are the canary's. The shares are of whole seconds, so what
// is newer than the last call cannot be judged by them yet.
class ExposureSettling {
 public:
  // What an earlier daemon has settled, or 0 for a new run.
  void begin(std::uint64_t used) noexcept { settled_ = seen_ = used; }
  // Once a second: how many of `used` to give back.
  [[nodiscard]] std::uint64_t settle(std::uint64_t used, const FailureShares& shares) noexcept;
  // Once a second: what a spent budget leads to, once the second in which it was spent is over.
  [[nodiscard]] std::optional<GateDecision> judge(bool spent, const FailureShares& shares) noexcept;

 private:
  std::uint64_t settled_ = 0;  // For good.
  std::uint64_t seen_ = 0;     // A second ago.
  int spent_seconds_ = 0;
};

}  // namespace canaryd::rollout
