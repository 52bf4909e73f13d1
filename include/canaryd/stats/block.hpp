// The unit of evidence: what both cohorts did in the same second (docs/statistics.md).
//
// A Block is integers only; every closed one is a row of the journal, and the verdict is a function
// of the rows. BlockBuilder fills blocks from the collector's readings. When a block closes depends
// on counts and time, never on outcomes: else a run of luck could choose its own end, and the error
// promise would be void.
//
// Units: seconds of the journal's time line, whole requests. Thread rule: plain values.
#pragma once

#include "canaryd/base/strong.hpp"

#include <cstdint>
#include <optional>

namespace canaryd::stats {

struct CohortCounts {
  std::uint64_t n = 0;    // Judged requests.
  std::uint64_t bad = 0;  // Charged failures among them.
  friend bool operator==(const CohortCounts&, const CohortCounts&) = default;
};

// Later metrics (slow requests per latency threshold) become further members; a row without them
// reads as silent.
struct Block {
  std::int64_t start_second = 0;
  std::uint32_t seconds = 0;  // 0: closed by a change of weight within its first second.
  std::uint64_t epoch = 0;    // Of the routing table all its requests were routed by.
  std::uint32_t step = 0;
  CohortCounts stable;
  CohortCounts canary;

  // Both cohorts had traffic. A block that is not comparable moves no account; it only says what
  // was missing.
  [[nodiscard]] bool comparable() const noexcept { return stable.n > 0 && canary.n > 0; }
  friend bool operator==(const Block&, const Block&) = default;
};

class BlockBuilder {
 public:
  // A block that lacks one cohort is kept open this long, then given up.
  static constexpr std::int64_t kMaxOpenSeconds = 60;

  BlockBuilder(std::int64_t now_second, std::uint64_t epoch, std::uint32_t step) noexcept;

  // What came since the last reading, of this builder's epoch only.
  void add(Cohort cohort, CohortCounts counts) noexcept;
  // Failures that the collector found to be duplicates: each takes one request and one failure out
  // of the evidence. What is not in the open block yet (or was in the last one) is taken from the
  // next failures.
  void add_duplicates(Cohort cohort, std::uint64_t count) noexcept;

  // Call once a second, after add(). Gives a block to absorb when one is complete: comparable, or,
  // after kMaxOpenSeconds, one that is not.
  [[nodiscard]] std::optional<Block> tick(std::int64_t now_second) noexcept;

  // A change of weight (a new table) closes the block; what is not comparable is given up. The next
  // block begins.
  [[nodiscard]] std::optional<Block> change(std::int64_t now_second,
                                            std::uint64_t epoch,
                                            std::uint32_t step) noexcept;

  // The open block as it stands, for reports.
  [[nodiscard]] const Block& open() const noexcept { return block_; }

 private:
  void settle_duplicates() noexcept;
  Block take(std::int64_t now_second) noexcept;

  Block block_;
  std::uint64_t stable_duplicates_ = 0;
  std::uint64_t canary_duplicates_ = 0;
};

}  // namespace canaryd::stats
