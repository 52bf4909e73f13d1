#include "canaryd/routing/cohort_gate.hpp"

#include "canaryd/base/error.hpp"

#include <algorithm>

namespace canaryd::routing {
namespace {

constexpr std::uint64_t kGenerationMax = (std::uint64_t{1} << 40U) - 1;
constexpr std::uint64_t kCeilingMask = 0x3fff;
constexpr std::uint64_t kOpen = 0x4000;
constexpr std::uint64_t kSpent = 0x8000;
static_assert(BasisPoints::kMax <= kCeilingMask);

std::uint64_t pack(const GateState& state) noexcept {
  CANARYD_ASSERT(state.generation <= kGenerationMax);
  return state.generation << 16U | (state.spent ? kSpent : 0) | (state.open ? kOpen : 0) |
         state.ceiling.value();
}

GateState unpack(std::uint64_t word) noexcept {
  return {word >> 16U,
          BasisPoints(static_cast<unsigned>(word & kCeilingMask)),
          (word & kOpen) != 0,
          (word & kSpent) != 0};
}

// Good and bad probes share a count of 24 bits.
constexpr std::uint64_t kBadLimit = 4096;

ProbeCount probes_of(std::uint64_t count) noexcept {
  return {static_cast<std::uint32_t>(count / kBadLimit),
          static_cast<std::uint32_t>(count % kBadLimit)};
}

constexpr std::uint64_t kCountBits = 24;

std::uint64_t generation_in(std::uint64_t count_word) noexcept {
  return count_word >> kCountBits;
}

std::int64_t ticks(Monotonic time) noexcept {
  return time.time_since_epoch().count();
}

// Only ever later: who was late to open the circuit must not bring back a probe that has been
// claimed meanwhile.
void put_off(std::atomic<std::int64_t>& probe, Monotonic until) noexcept {
  std::int64_t due = probe.load(std::memory_order_relaxed);
  while (due < ticks(until) &&
         !probe.compare_exchange_weak(due, ticks(until), std::memory_order_relaxed)) {
  }
}

}  // namespace

// ---- GenerationCount

std::uint64_t GenerationCount::of(std::uint64_t generation) const noexcept {
  const std::uint64_t word = word_.load(std::memory_order_relaxed);
  return generation_in(word) == generation ? word & kMax : 0;
}

template <class Next>
std::uint64_t GenerationCount::change(std::uint64_t generation, const Next& next) noexcept {
  std::uint64_t word = word_.load(std::memory_order_relaxed);
  std::uint64_t count = 0;
  do {
    if (generation_in(word) > generation) return 0;
    count = std::min(next(generation_in(word) == generation ? word & kMax : 0), kMax);
  } while (!word_.compare_exchange_weak(
      word, generation << kCountBits | count, std::memory_order_relaxed));
  return count;
}

std::uint64_t GenerationCount::add(std::uint64_t generation, std::uint64_t count) noexcept {
  return change(generation, [count](std::uint64_t was) { return was + count; });
}

void GenerationCount::take(std::uint64_t generation, std::uint64_t count) noexcept {
  change(generation, [count](std::uint64_t was) { return was - std::min(was, count); });
}

void GenerationCount::set(std::uint64_t generation, std::uint64_t count) noexcept {
  change(generation, [count](std::uint64_t) { return count; });
}

// ---- CohortGate

// Relaxed is enough for the word itself: nothing is published through it but the time of the first
// probe, see open() and claim_probe().
GateState CohortGate::state() const noexcept {
  return unpack(word_.load(std::memory_order_relaxed));
}

BasisPoints CohortGate::ceiling() const noexcept {
  return state().ceiling;
}

BasisPoints CohortGate::effective(BasisPoints table_weight) const noexcept {
  return std::min(table_weight, ceiling());
}

template <class Next>
bool CohortGate::change(const Next& next) noexcept {
  std::uint64_t word = word_.load(std::memory_order_relaxed);
  std::optional<GateState> to;
  do {
    to = next(unpack(word));
    if (!to) return false;
  } while (!word_.compare_exchange_weak(
      word, pack(*to), std::memory_order_release, std::memory_order_relaxed));
  return true;
}

// ---- The data plane

bool CohortGate::lower(std::uint64_t generation, BasisPoints to) noexcept {
  return change([&](GateState now) -> std::optional<GateState> {
    if (now.generation != generation || now.ceiling <= to) return std::nullopt;
    now.ceiling = to;
    return now;
  });
}

bool CohortGate::failed(std::uint64_t generation,
                        std::uint32_t limit,
                        Monotonic probe_from) noexcept {
  const GateState seen = state();
  if (seen.generation != generation) return false;
  if (failures_.add(generation, 1) < limit) return false;
  // Shut for any reason it needs no other; and who is late must not put off the first probe.
  if (seen.ceiling == BasisPoints(0)) return false;
  put_off(next_probe_, probe_from);
  return change([&](GateState now) -> std::optional<GateState> {
    if (now.generation != generation || now.ceiling == BasisPoints(0)) return std::nullopt;
    return GateState{generation, BasisPoints(0), true, now.spent};
  });
}

bool CohortGate::exposed(std::uint64_t generation, std::optional<std::uint64_t> max) noexcept {
  if (state().generation != generation) return false;
  const std::uint64_t used = used_.add(generation, 1);
  return max && used > *max && spend(generation);
}

bool CohortGate::spend(std::uint64_t generation) noexcept {
  return change([&](const GateState& now) -> std::optional<GateState> {
    if (now.generation != generation || now.spent) return std::nullopt;
    return GateState{generation, BasisPoints(0), now.open, true};
  });
}

bool CohortGate::claim_probe(std::uint64_t generation, Monotonic now, bool covered) noexcept {
  const GateState seen = unpack(word_.load(std::memory_order_acquire));
  if (seen.generation != generation || !seen.open || seen.spent) return false;
  std::int64_t due = next_probe_.load(std::memory_order_relaxed);
  const Duration wait = covered ? Duration::zero() : kProbeAnyAfter;
  if (now < Monotonic(Duration(due)) + wait) return false;
  return next_probe_.compare_exchange_strong(
      due, ticks(now + kProbeEvery), std::memory_order_relaxed);
}

void CohortGate::probed(std::uint64_t generation, bool good) noexcept {
  const ProbeCount count = probes(generation);
  // At most one a second: two that end at once may count as one, which only delays.
  const std::uint64_t next =
      good ? std::min<std::uint64_t>(count.good + 1, kBadLimit - 1) * kBadLimit
           : std::min<std::uint64_t>(count.bad + 1, kBadLimit - 1);
  probes_.set(generation, next);
}

void CohortGate::put_back(std::uint64_t generation, FailuresInARow cleared) noexcept {
  if (cleared.requests > 0) failures_.add(generation, cleared.requests);
  if (cleared.probes > 0) {
    probes_.set(generation, std::min<std::uint64_t>(cleared.probes, kBadLimit - 1));
  }
}

// ---- Control

bool CohortGate::raise(GateState seen, BasisPoints to) noexcept {
  CANARYD_ASSERT(to >= seen.ceiling);
  if (seen.open || seen.spent) return false;
  // What failed while nobody was sent there says nothing about what comes now.
  if (seen.ceiling == BasisPoints(0)) failures_.set(seen.generation, 0);
  std::uint64_t word = pack(seen);
  return word_.compare_exchange_strong(
      word, pack({seen.generation, to}), std::memory_order_relaxed);
}

bool CohortGate::begin(std::uint64_t generation, BasisPoints ceiling) noexcept {
  return change([&](const GateState& now) -> std::optional<GateState> {
    if (generation <= now.generation) return std::nullopt;
    return GateState{generation, ceiling};
  });
}

void CohortGate::open(std::uint64_t generation, Monotonic probe_from) noexcept {
  if (state().open) return;
  put_off(next_probe_, probe_from);
  change([&](const GateState& now) -> std::optional<GateState> {
    if (now.generation != generation) return std::nullopt;
    return GateState{generation, BasisPoints(0), true, now.spent};
  });
}

bool CohortGate::close(GateState seen, BasisPoints to) noexcept {
  if (seen.spent) return false;
  failures_.set(seen.generation, 0);
  probes_.set(seen.generation, 0);
  std::uint64_t word = pack(seen);
  return word_.compare_exchange_strong(
      word, pack({seen.generation, to}), std::memory_order_relaxed);
}

bool CohortGate::reprieve(GateState seen, Monotonic probe_from) noexcept {
  put_off(next_probe_, probe_from);
  std::uint64_t word = pack(seen);
  return word_.compare_exchange_strong(
      word, pack({seen.generation, BasisPoints(0), true, false}), std::memory_order_release);
}

void CohortGate::recall(std::uint64_t generation,
                        std::uint64_t used,
                        std::optional<std::uint64_t> max) noexcept {
  used_.set(generation, used);
  if (max && used > *max) spend(generation);
}

ProbeCount CohortGate::probes(std::uint64_t generation) const noexcept {
  return probes_of(probes_.of(generation));
}

void CohortGate::set_slow_after(Duration duration) noexcept {
  if (slow_after() != duration) slow_after_.store(duration.count(), std::memory_order_relaxed);
}

void CohortGate::set_overdue_after(Duration duration, bool unanswered) noexcept {
  if (overdue_unanswered() != unanswered) {
    overdue_unanswered_.store(unanswered, std::memory_order_relaxed);
  }
  if (overdue_after() == duration) return;
  overdue_after_.store(duration.count(), std::memory_order_relaxed);
}

void CohortGate::set_abandoned_after(Duration duration) noexcept {
  if (abandoned_after() == duration) return;
  abandoned_after_.store(duration.count(), std::memory_order_relaxed);
}

void CohortGate::set_latency_cuts(std::uint64_t cuts) noexcept {
  if (latency_cuts() == cuts) return;
  latency_cuts_.store(cuts, std::memory_order_relaxed);
}

}  // namespace canaryd::routing
