// One rollout's brake: the highest weight that may be in force now, shared by all workers and by
// control.
//
// A gate outlives tables and reloads. The data plane reads it on every pick and may only lower it,
// at once and on every worker; control alone raises it, after the decision is durable and every
// worker has the table. What is in force is min(weight of the table, ceiling of the gate), so that
// it takes both to send somebody to the canary.
//
// The ceiling belongs to a generation of the rollout. begin() starts a new one; lowering or raising
// in the name of an older one does nothing, so a request that outlived its revision cannot brake
// the next one. A raise names the state it was decided on and fails if anybody lowered meanwhile.
// Only control raises and a lowering always lowers, so a state never returns by itself and one
// compare-and-swap is enough.
//
// Thread rule: state(), ceiling() and lower() from any thread; begin() and raise() from control
// only. Lock-free.
#pragma once

#include "canaryd/base/strong.hpp"

#include <atomic>
#include <cstdint>

namespace canaryd::routing {

struct GateState {
  std::uint64_t generation = 0;  // Below 2^48.
  BasisPoints ceiling;
  friend bool operator==(const GateState&, const GateState&) = default;
};

// On a cache line of its own: every worker reads it, and a neighbour that is written often would
// slow them all.
class alignas(64) CohortGate {
 public:
  // Generation 0, ceiling 0: a gate that nobody opened lets nobody through.
  CohortGate() = default;
  CohortGate(const CohortGate&) = delete;
  CohortGate& operator=(const CohortGate&) = delete;

  [[nodiscard]] GateState state() const noexcept;
  [[nodiscard]] BasisPoints ceiling() const noexcept;
  [[nodiscard]] BasisPoints effective(BasisPoints table_weight) const noexcept;

  // True if this call lowered the ceiling; false if it was as low already, or the generation is
  // another one.
  bool lower(std::uint64_t generation, BasisPoints to) noexcept;
  // True if the gate was still in the state `seen` and the ceiling is now `to`, which must not be
  // lower.
  [[nodiscard]] bool raise(GateState seen, BasisPoints to) noexcept;
  // Starts a generation, which must be a later one, with this ceiling; false if it is not later.
  bool begin(std::uint64_t generation, BasisPoints ceiling) noexcept;

 private:
  // Generation and ceiling in one word, so that they are read and changed together.
  std::atomic<std::uint64_t> word_{0};
};

}  // namespace canaryd::routing
