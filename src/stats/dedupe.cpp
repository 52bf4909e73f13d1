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

bool DedupeTable::is_duplicate(RolloutId rollout,
                               std::uint64_t key_hash,
                               std::int64_t second,
                               std::int64_t window_seconds) noexcept {
  if (key_hash == 0 || window_seconds <= 0) return false;
  // 0 marks an empty entry.
  const std::uint64_t key =
      std::max<std::uint64_t>(1, mix(key_hash + (std::uint64_t{rollout.value()} << 32)));
  Entry& entry = (*entries_)[key % kEntries];
  if (entry.key != key) {
    entry = {key, second};
    return false;
  }
  const bool recent = second - entry.second < window_seconds;
  entry.second = std::max(entry.second, second);
  return recent;
}

}  // namespace canaryd::stats
