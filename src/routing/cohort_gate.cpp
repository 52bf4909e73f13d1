#include "canaryd/routing/cohort_gate.hpp"

#include "canaryd/base/error.hpp"

#include <algorithm>

namespace canaryd::routing {
namespace {

constexpr std::uint64_t kGenerationMax = (std::uint64_t{1} << 48U) - 1;

std::uint64_t pack(GateState state) noexcept {
  CANARYD_ASSERT(state.generation <= kGenerationMax);
  return state.generation << 16U | state.ceiling.value();
}

GateState unpack(std::uint64_t word) noexcept {
  return {word >> 16U, BasisPoints(static_cast<unsigned>(word & 0xffffU))};
}

}  // namespace

// Relaxed is enough everywhere: the word stands for itself, nothing else is published through it.
GateState CohortGate::state() const noexcept {
  return unpack(word_.load(std::memory_order_relaxed));
}

BasisPoints CohortGate::ceiling() const noexcept {
  return state().ceiling;
}

BasisPoints CohortGate::effective(BasisPoints table_weight) const noexcept {
  return std::min(table_weight, ceiling());
}

bool CohortGate::lower(std::uint64_t generation, BasisPoints to) noexcept {
  std::uint64_t word = word_.load(std::memory_order_relaxed);
  const std::uint64_t lowered = pack({generation, to});
  do {
    const GateState current = unpack(word);
    if (current.generation != generation || current.ceiling <= to) return false;
  } while (!word_.compare_exchange_weak(word, lowered, std::memory_order_relaxed));
  return true;
}

bool CohortGate::raise(GateState seen, BasisPoints to) noexcept {
  CANARYD_ASSERT(to >= seen.ceiling);
  std::uint64_t word = pack(seen);
  return word_.compare_exchange_strong(
      word, pack({seen.generation, to}), std::memory_order_relaxed);
}

bool CohortGate::begin(std::uint64_t generation, BasisPoints ceiling) noexcept {
  std::uint64_t word = word_.load(std::memory_order_relaxed);
  const std::uint64_t fresh = pack({generation, ceiling});
  do {
    if (generation <= unpack(word).generation) return false;
  } while (!word_.compare_exchange_weak(word, fresh, std::memory_order_relaxed));
  return true;
}

}  // namespace canaryd::routing
