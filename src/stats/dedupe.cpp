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
  const std::int64_t gap = second - entry.counted_second;
  const bool is_new = entry.key != key || gap >= (window_seconds << (kDoublingsMax + 1));
  if (is_new || gap >= (window_seconds << entry.doublings)) {
    const std::uint32_t doublings = is_new ? 0 : std::min(entry.doublings + 1, kDoublingsMax);
    entry = {key, second, second, 0, doublings};
    return Repeat::kNone;
  }
  if (second - entry.repeats_second >= window_seconds) {
    entry.repeats_second = second;
    entry.repeats = 0;
  }
  if (entry.repeats == kRepeatsMax) return Repeat::kBeyond;
  ++entry.repeats;
  return Repeat::kRepeated;
}

}  // namespace canaryd::stats
