// What surrounds the evidence of a simulated rollout: the live gate, fed with the canary's requests
// of a second one after the other, what control does about it once a second
// (rollout/protection.hpp), and whether stable fails as well, or is
// slow.
//
// Thread rule: that of the run.
#pragma once

#include "canaryd/analysis/environment.hpp"
#include "canaryd/base/random.hpp"
#include "canaryd/rollout/event.hpp"
#include "canaryd/rollout/protection.hpp"
#include "canaryd/routing/cohort_gate.hpp"
#include "canaryd/simulate/run.hpp"
#include "canaryd/stats/window.hpp"

#include <cstdint>
#include <optional>

namespace canaryd::simulate {

// What reached the canary, and what users saw of its failures.
struct Sent {
  CohortSecond counts;
  std::uint64_t user_failures = 0;
};

class Gatekeeper {
 public:
  Gatekeeper(const Protection& protection, Random& random);

  // What was usual before the rollout began, for half an hour.
  void learn(double requests_per_second, double error_rate) noexcept;

  [[nodiscard]] BasisPoints effective(BasisPoints served) const noexcept {
    return gate_.effective(served);
  }
  // Sends them in random order, until the gate shuts; the rest goes to stable.
  [[nodiscard]] Sent send(const CohortSecond& planned, std::int64_t second);
  // While the circuit is open: a request that looks whether the canary is well again, if one is
  // due. Not evidence.
  [[nodiscard]] Sent probe(double error_rate, std::int64_t second);

  // What follows for the rollout. At the end of each second, after note(), in this order.
  void note(std::int64_t second, const Second& sent, bool stable_slow = false);
  [[nodiscard]] std::optional<rollout::Event::What> look(const rollout::State& state,
                                                         std::int64_t second);
  [[nodiscard]] std::optional<rollout::Event::What> watch(const rollout::State& state,
                                                          std::int64_t second);
  [[nodiscard]] bool degraded() const noexcept { return environment_.degraded(); }
  // After a transition: a rollout that is not suspended has its gate open.
  void follow(const rollout::State& state) noexcept;

 private:
  void count_failure(Monotonic now, Sent& sent);
  [[nodiscard]] rollout::GateLevel level() const noexcept;
  [[nodiscard]] rollout::Event::What act(const rollout::GateDecision& decision,
                                         std::int64_t second);

  const Protection& protection_;
  Random& random_;
  routing::CohortGate gate_;
  stats::TrafficWindow stable_;
  stats::TrafficWindow canary_;
  analysis::Environment environment_;
  // Of the last seconds, as of the last note().
  rollout::FailureShares shares_;
  analysis::Environment::Window window_;
  rollout::ExposureSettling exposure_;
  rollout::CircuitTrips trips_;
  rollout::FailedProbes failed_probes_;
};

}  // namespace canaryd::simulate
