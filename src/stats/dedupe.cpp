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
  Entry& entry = entry_of(key);
  if (entry.key != key || second - entry.counted_second >= window_seconds) {
    entry = {key, second, 0};
    return Repeat::kNone;
  }
  if (entry.repeats == kRepeatsMax) return Repeat::kBeyond;
  ++entry.repeats;
  return Repeat::kRepeated;
}

// Of the client, or the one that its set can do without best: the longest ago.
DedupeTable::Entry& DedupeTable::entry_of(std::uint64_t key) noexcept {
  const std::size_t first = key % (kEntries / kWays) * kWays;
  Entry* oldest = &(*entries_)[first];
  for (std::size_t i = first; i < first + kWays; ++i) {
    Entry& entry = (*entries_)[i];
    if (entry.key == key) return entry;
    if (entry.key == 0) return entry;
    if (entry.counted_second < oldest->counted_second) oldest = &entry;
  }
  return *oldest;
}

}  // namespace canaryd::stats
