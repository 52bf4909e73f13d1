#include "canaryd/stats/block.hpp"

#include <algorithm>

namespace canaryd::stats {
namespace {

// A duplicate was counted as a request and as a failure; both go. What is not here yet stays owed.
void take_out(CohortCounts& counts, std::uint64_t& owed) noexcept {
  const std::uint64_t now = std::min({owed, counts.n, counts.bad});
  counts.n -= now;
  counts.bad -= now;
  owed -= now;
}

}  // namespace

BlockBuilder::BlockBuilder(std::int64_t now_second,
                           std::uint64_t epoch,
                           std::uint32_t step) noexcept {
  block_.start_second = now_second;
  block_.epoch = epoch;
  block_.step = step;
}

void BlockBuilder::add(Cohort cohort, CohortCounts counts) noexcept {
  if (!is_version(cohort)) return;
  CohortCounts& mine = cohort == Cohort::kCanary ? block_.canary : block_.stable;
  mine.n += counts.n;
  mine.bad += counts.bad;
}

void BlockBuilder::add_duplicates(Cohort cohort, std::uint64_t count) noexcept {
  if (!is_version(cohort)) return;
  (cohort == Cohort::kCanary ? canary_duplicates_ : stable_duplicates_) += count;
}

std::optional<Block> BlockBuilder::tick(std::int64_t now_second) noexcept {
  if (now_second <= block_.start_second) return std::nullopt;
  settle_duplicates();
  const bool too_long = now_second - block_.start_second >= kMaxOpenSeconds;
  if (!block_.comparable() && !too_long) return std::nullopt;
  return take(now_second);
}

std::optional<Block> BlockBuilder::change(std::int64_t now_second,
                                          std::uint64_t epoch,
                                          std::uint32_t step) noexcept {
  settle_duplicates();
  const Block closed = take(now_second);
  block_.epoch = epoch;
  block_.step = step;
  // They belong to requests of the old table, which are no longer evidence.
  stable_duplicates_ = 0;
  canary_duplicates_ = 0;
  if (!closed.comparable()) return std::nullopt;
  return closed;
}

void BlockBuilder::settle_duplicates() noexcept {
  take_out(block_.stable, stable_duplicates_);
  take_out(block_.canary, canary_duplicates_);
}

Block BlockBuilder::take(std::int64_t now_second) noexcept {
  Block closed = block_;
  const std::int64_t length = std::max<std::int64_t>(0, now_second - block_.start_second);
  closed.seconds = static_cast<std::uint32_t>(std::min<std::int64_t>(length, UINT32_MAX));
  block_ = Block{.start_second = std::max(now_second, block_.start_second),
                 .seconds = 0,
                 .epoch = block_.epoch,
                 .step = block_.step,
                 .stable = {},
                 .canary = {}};
  return closed;
}

}  // namespace canaryd::stats
