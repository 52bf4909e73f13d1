// Has this client failed a moment ago? The client is the unit of assignment, so it must be the unit
// of evidence too: one broken user who retries fifty times is one failure (docs/statistics.md).
//
// A direct-mapped table of 4096 entries: a client that is pushed out by another counts again, which
// costs a little of the protection and nothing else. Only failures touch it. Used by each worker
// for its own failures, and once more by the collector for all of them. 64 KiB. Thread rule: one
// owner.
#pragma once

#include "canaryd/base/strong.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace canaryd::stats {

class DedupeTable {
 public:
  static constexpr std::size_t kEntries = 4096;

  DedupeTable() : entries_(std::make_unique<std::array<Entry, kEntries>>()) {}

  // Notes the failure, and tells whether the same client of the same rollout had one less than
  // `window_seconds` before. Each failure starts the window anew. A window of 0, or an unknown
  // client (key_hash 0), is never a duplicate. `second` may step back (workers are drained one
  // after the other); the later one is kept.
  [[nodiscard]] bool is_duplicate(RolloutId rollout,
                                  std::uint64_t key_hash,
                                  std::int64_t second,
                                  std::int64_t window_seconds) noexcept;

 private:
  struct Entry {
    std::uint64_t key = 0;
    std::int64_t second = 0;
  };
  std::unique_ptr<std::array<Entry, kEntries>> entries_;
};

}  // namespace canaryd::stats
