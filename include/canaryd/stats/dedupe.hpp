// Has this client failed a moment ago? The client is the unit of assignment, so it must be the unit
// of evidence too: one broken user who retries fifty times is one failure (docs/statistics.md).
//
// A window begins with the failure that counts and is not moved by those that do not: else a client
// that asks often, and fails often enough, would count once for ever, and the worse version would
// have the fewer failures. All windows are alike, because what is bad for long must go on counting:
// that a client which never stops failing does not convict a version is seen to by how far apart
// clients are (client_groups.hpp). What a window hides is what the repetitions are for: nine of a
// client and window are told apart from the rest, and a version is accepted only if it is as good
// with them (analysis/analyzer.hpp).
//
// A table of 4096 entries in sets of four: the client of a set that counted longest ago is pushed
// out by another one, and counts again, which costs a little of the protection and nothing else.
// Only failures touch it. Used by each worker for its own failures, and once more by the collector
// for all of them. 96 KiB. Thread rule: one owner.
#pragma once

#include "canaryd/base/strong.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace canaryd::stats {

enum class Repeat : std::uint8_t {
  kNone,      // The first in its window.
  kRepeated,  // Another one.
  kBeyond,    // The same, and its client had as many in this window as are told apart.
};

class DedupeTable {
 public:
  static constexpr std::size_t kEntries = 4096;
  static constexpr std::uint32_t kRepeatsMax = 9;

  DedupeTable() : entries_(std::make_unique<std::array<Entry, kEntries>>()) {}

  // Notes the failure, and tells whether the same client of the same rollout had one that counted
  // less than `window_seconds` before. With a window of 0, or of an unknown client (key_hash 0),
  // none is a repetition. `second` may step back (workers are drained one after the other).
  [[nodiscard]] Repeat note(RolloutId rollout,
                            std::uint64_t key_hash,
                            std::int64_t second,
                            std::int64_t window_seconds) noexcept;

 private:
  struct Entry {
    std::uint64_t key = 0;
    std::int64_t counted_second = 0;
    std::uint32_t repeats = 0;
  };
  static constexpr std::size_t kWays = 4;

  [[nodiscard]] Entry& entry_of(std::uint64_t key) noexcept;

  std::unique_ptr<std::array<Entry, kEntries>> entries_;
};

}  // namespace canaryd::stats
