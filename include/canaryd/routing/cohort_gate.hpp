// One rollout's brake: the highest weight that may be in force now, shared by all workers and by
// control.
//
// A gate outlives tables and reloads. The data plane reads it on every pick and may only lower it,
// at once and on every worker; control alone raises it, after the decision is durable and every
// worker has the table. What is in force is min(weight of the table, ceiling of the gate), so that
// it takes both to send somebody to the canary.
//
// Two things bring the ceiling to 0 without control:
//   - the circuit opens: so many canary requests in a row failed (failed()). Then single requests
//     may be claimed as probes, from a time on that was set before the circuit opened;
//   - the exposure budget is spent: more canary failures reached users than allowed (exposed()).
// Either stays so until control has decided what follows.
//
// Everything belongs to a generation of the rollout. begin() starts a new one; what is done in the
// name of an older one does nothing, so a request that outlived its revision cannot brake the next
// one. A raise names the state it was decided on and fails if anybody lowered meanwhile. Only
// control raises and a lowering always lowers, so a state never returns by itself and one
// compare-and-swap is enough.
//
// Thread rule: what stands under "the data plane" from any thread; what stands under "control" from
// the control thread only. Lock-free. Limits: generations below 2^40, counts up to 2^24 - 1.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/strong.hpp"

#include <atomic>
#include <cstdint>
#include <optional>

namespace canaryd::routing {

struct GateState {
  std::uint64_t generation = 0;
  BasisPoints ceiling;
  bool open = false;   // The circuit is: nobody but probes.
  bool spent = false;  // The exposure budget is.
  friend bool operator==(const GateState&, const GateState&) = default;
};

struct ProbeCount {
  std::uint32_t good = 0;  // In a row.
  std::uint32_t bad = 0;   // In a row.
  friend bool operator==(const ProbeCount&, const ProbeCount&) = default;
};

struct FailuresInARow {
  std::uint64_t requests = 0;
  std::uint32_t probes = 0;
};

// A count that belongs to a generation, in one word: in any other generation it is 0. A change in
// the name of an older generation than the word's does nothing.
class GenerationCount {
 public:
  static constexpr std::uint64_t kMax = (std::uint64_t{1} << 24U) - 1;

  // Whatever the generation: for the question whether there is anything to forget.
  [[nodiscard]] bool any() const noexcept {
    return (word_.load(std::memory_order_relaxed) & kMax) != 0;
  }
  [[nodiscard]] std::uint64_t of(std::uint64_t generation) const noexcept;
  // Returns what it has become; stops at kMax.
  std::uint64_t add(std::uint64_t generation, std::uint64_t count) noexcept;
  void take(std::uint64_t generation, std::uint64_t count) noexcept;
  void set(std::uint64_t generation, std::uint64_t count) noexcept;

 private:
  template <class Next>
  std::uint64_t change(std::uint64_t generation, const Next& next) noexcept;

  std::atomic<std::uint64_t> word_{0};
};

// On a cache line of its own: every worker reads it, and a neighbour that is written often would
// slow them all.
class alignas(64) CohortGate {
 public:
  // Between two probes, and how long one waits for its answer at most.
  static constexpr Duration kProbeEvery = std::chrono::seconds(1);
  static constexpr Duration kProbeTime = std::chrono::seconds(2);
  // If no request that stable could answer in the canary's place came for so long, any may probe.
  static constexpr Duration kProbeAnyAfter = std::chrono::seconds(10);

  // Generation 0, ceiling 0: a gate that nobody opened lets nobody through.
  CohortGate() = default;
  CohortGate(const CohortGate&) = delete;
  CohortGate& operator=(const CohortGate&) = delete;

  [[nodiscard]] GateState state() const noexcept;
  [[nodiscard]] BasisPoints ceiling() const noexcept;
  [[nodiscard]] BasisPoints effective(BasisPoints table_weight) const noexcept;

  // ---- The data plane

  // True if this call lowered the ceiling; false if it was as low already, or the generation is
  // another one.
  bool lower(std::uint64_t generation, BasisPoints to) noexcept;
  // A request to the canary did not fail. One load and one branch, unless one has failed before.
  void succeeded(std::uint64_t generation) noexcept {
    if (failures_.any()) failures_.set(generation, 0);
  }
  // What a success would clear, and to put it back: that success has turned out to be none.
  [[nodiscard]] FailuresInARow failures_in_a_row(std::uint64_t generation) const noexcept {
    return {failures_.of(generation), probes(generation).bad};
  }
  void put_back(std::uint64_t generation, FailuresInARow cleared) noexcept;
  // One has. The `limit`-th in a row opens the circuit; true for the call that did. Probes may come
  // from `probe_from` on.
  bool failed(std::uint64_t generation, std::uint32_t limit, Monotonic probe_from) noexcept;
  // A user saw the canary fail. True for the call that has brought it over `max`.
  bool exposed(std::uint64_t generation, std::optional<std::uint64_t> max) noexcept;
  // True: this request is the next probe. `covered`: stable answers if it fails.
  [[nodiscard]] bool claim_probe(std::uint64_t generation, Monotonic now, bool covered) noexcept;
  void probed(std::uint64_t generation, bool good) noexcept;
  // Silent for longer than this a request counts as failed; 0: not known.
  [[nodiscard]] Duration slow_after() const noexcept {
    return Duration(slow_after_.load(std::memory_order_relaxed));
  }
  // Under way for longer than this a request counts as slow (stats/latency.hpp); 0: none does.
  [[nodiscard]] Duration overdue_after() const noexcept {
    return Duration(overdue_after_.load(std::memory_order_relaxed));
  }
  // Only if it has had no answer: one that takes long to be taken does not hang.
  [[nodiscard]] bool overdue_unanswered() const noexcept {
    return overdue_unanswered_.load(std::memory_order_relaxed);
  }
  // Older than this when its client leaves, without an answer, it counts as slow; 0: none does.
  [[nodiscard]] Duration abandoned_after() const noexcept {
    return Duration(abandoned_after_.load(std::memory_order_relaxed));
  }
  // By what stable's responses are told apart (a word of stats::LatencyCuts); kNoCuts: by nothing.
  static constexpr std::uint64_t kNoCuts = ~std::uint64_t{0};
  [[nodiscard]] std::uint64_t latency_cuts() const noexcept {
    return latency_cuts_.load(std::memory_order_relaxed);
  }

  // ---- Control

  // True if the gate was still in the state `seen` and the ceiling is now `to`, which must not be
  // lower. Never while the circuit is open or the budget spent.
  [[nodiscard]] bool raise(GateState seen, BasisPoints to) noexcept;
  // Starts a generation, which must be a later one, with this ceiling; false if it is not later.
  bool begin(std::uint64_t generation, BasisPoints ceiling) noexcept;
  // Opens the circuit whatever was counted: an unhealthy canary, or a restart from a suspension.
  void open(std::uint64_t generation, Monotonic probe_from) noexcept;
  // As raise(), but closes the circuit, and what was counted for it is forgotten. Not once the
  // budget is spent.
  bool close(GateState seen, BasisPoints to) noexcept;
  // The budget was spent without the canary's fault and has been given back: now only the circuit
  // is open.
  bool reprieve(GateState seen, Monotonic probe_from) noexcept;

  [[nodiscard]] ProbeCount probes(std::uint64_t generation) const noexcept;
  void forget_probes(std::uint64_t generation) noexcept { probes_.set(generation, 0); }
  [[nodiscard]] std::uint64_t exposure_used(std::uint64_t generation) const noexcept {
    return used_.of(generation);
  }
  void give_back(std::uint64_t generation, std::uint64_t count) noexcept {
    used_.take(generation, count);
  }
  // What the journal knows of this generation's use; over `max` it is spent.
  void recall(std::uint64_t generation,
              std::uint64_t used,
              std::optional<std::uint64_t> max) noexcept;
  void set_slow_after(Duration duration) noexcept;
  void set_overdue_after(Duration duration, bool unanswered = false) noexcept;
  void set_abandoned_after(Duration duration) noexcept;
  void set_latency_cuts(std::uint64_t cuts) noexcept;

 private:
  bool spend(std::uint64_t generation) noexcept;
  // Puts `next(state)` in place of the state as long as there is one; whether there was.
  template <class Next>
  bool change(const Next& next) noexcept;

  // Generation, the two flags and the ceiling in one word, so that they are read and changed
  // together. The ceiling is 0 with either flag.
  std::atomic<std::uint64_t> word_{0};
  std::atomic<std::int64_t> slow_after_{0};
  std::atomic<std::int64_t> overdue_after_{0};
  std::atomic<bool> overdue_unanswered_{false};
  std::atomic<std::int64_t> abandoned_after_{0};
  std::atomic<std::uint64_t> latency_cuts_{kNoCuts};
  // Written with failures only; apart from what every request reads.
  alignas(64) GenerationCount failures_;
  GenerationCount used_;
  GenerationCount probes_;  // Good ones times kBadLimit, plus bad ones.
  std::atomic<std::int64_t> next_probe_{0};
};

}  // namespace canaryd::routing
