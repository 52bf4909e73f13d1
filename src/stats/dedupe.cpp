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

// 0 marks an empty entry.
std::uint64_t key_of(RolloutId rollout, std::uint64_t key_hash) noexcept {
  return std::max<std::uint64_t>(1, mix(key_hash + (std::uint64_t{rollout.value()} << 32)));
}

std::uint16_t low_bits(RouteId route) noexcept {
  return static_cast<std::uint16_t>(route.value());
}

// Where the client is, or the first of its set if it is not there.
template <class Entries>
auto* find(Entries& entries, std::uint64_t key, std::size_t ways) noexcept {
  auto* const first = &entries[key % (entries.size() / ways) * ways];
  auto* const end = first + ways;
  auto* const found = std::find_if(first, end, [&](const auto& entry) { return entry.key == key; });
  return found == end ? first : found;
}

}  // namespace

Repeat DedupeTable::note(RolloutId rollout,
                         std::uint64_t key_hash,
                         RouteId route,
                         std::int64_t second,
                         std::int64_t window_seconds) noexcept {
  if (key_hash == 0 || window_seconds <= 0) return Repeat::kNone;
  const std::uint64_t key = key_of(rollout, key_hash);
  Entry* entry = find(*entries_, key, kWays);
  const bool known = entry->key == key && second - entry->counted_second < window_seconds;
  if (known && !entry->answered) {
    if (entry->repeats == kRepeatsMax) return Repeat::kBeyond;
    ++entry->repeats;
    return Repeat::kRepeated;
  }
  // Whom its set can do without best: nobody, or the longest ago.
  if (entry->key != key) {
    entry = std::ranges::min_element(entry, entry + kWays, {}, [](const Entry& other) {
      return other.key == 0 ? std::numeric_limits<std::int64_t>::min() : other.counted_second;
    });
  }
  *entry = {key, second, low_bits(route), 0, false};
  open_until_ = std::max(open_until_, second + window_seconds);
  return known ? Repeat::kRenewed : Repeat::kNone;
}

void DedupeTable::renew(RolloutId rollout, std::uint64_t key_hash, RouteId route) noexcept {
  const std::uint64_t key = key_of(rollout, key_hash);
  Entry* const entry = find(*entries_, key, kWays);
  if (entry->key == key && entry->route == low_bits(route)) entry->answered = true;
}

bool DedupeTable::has(RolloutId rollout,
                      std::uint64_t key_hash,
                      std::int64_t second) const noexcept {
  if (second >= open_until_) return false;
  const std::uint64_t key = key_of(rollout, key_hash);
  return find(*entries_, key, kWays)->key == key;
}

}  // namespace canaryd::stats
