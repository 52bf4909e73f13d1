#include "canaryd/stats/dedupe.hpp"

#include <algorithm>

namespace canaryd::stats {
namespace {

// The finaliser of splitmix64: spreads rollouts that share a salt, and with it the key hash, over
// the table.
std::uint64_t mix(std::uint64_t value) noexcept {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

}  // namespace

Repeat DedupeTable::note(RolloutId rollout,
                         std::uint64_t key_hash,
                         std::int64_t second,
                         std::int64_t window_seconds) noexcept {
  if (key_hash == 0 || window_seconds <= 0) return Repeat::kNone;
  // 0 marks an empty entry.
  const std::uint64_t key =
      std::max<std::uint64_t>(1, mix(key_hash + (std::uint64_t{rollout.value()} << 32)));
  Entry& entry = (*entries_)[key % kEntries];
  if (entry.key != key || second - entry.second >= window_seconds) {
    entry = {key, 0, second};
    return Repeat::kNone;
  }
  if (entry.repeats == kRepeatsMax) return Repeat::kBeyond;
  ++entry.repeats;
  return Repeat::kRepeated;
}

}  // namespace canaryd::stats
