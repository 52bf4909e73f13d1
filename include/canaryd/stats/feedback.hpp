// What users say of a version: votes from 1 (bad) to 5 (good), and one worker's way of sending them
// to control.
//
// A vote is bad by (5 - score) / 4. Sums are kept in quarters, so that a block of evidence stays
// whole numbers and is replayed bit by bit (docs/statistics.md, "Feedback").
//
// Thread rule: plain values; the queue as in spsc_queue.hpp. Limits: kVoteQueueCapacity votes wait
// for control, each with a comment of at most kCommentBytesMax.
#pragma once

#include "canaryd/base/strong.hpp"
#include "canaryd/stats/spsc_queue.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace canaryd::stats {

inline constexpr unsigned kScoreMin = 1;
inline constexpr unsigned kScoreMax = 5;
inline constexpr std::size_t kCommentBytesMax = 500;
inline constexpr std::size_t kVoteQueueCapacity = 128;

struct VoteCounts {
  std::uint64_t n = 0;
  std::uint64_t quarters = 0;  // Sum of 5 - score; at most 4 n.

  void add(unsigned score) noexcept {
    ++n;
    quarters += kScoreMax - score;
  }
  friend bool operator==(const VoteCounts&, const VoteCounts&) = default;
};

// Votes of both cohorts that came in the same time, which may have begun before the block that they
// are in.
struct FeedbackCounts {
  std::uint32_t seconds = 0;
  VoteCounts stable;
  VoteCounts canary;

  [[nodiscard]] bool comparable() const noexcept { return stable.n > 0 && canary.n > 0; }
  friend bool operator==(const FeedbackCounts&, const FeedbackCounts&) = default;
};

// One vote on its way from a worker.
struct Vote {
  RolloutId rollout;
  std::uint64_t epoch = 0;  // Of the routing table.
  Cohort cohort = Cohort::kNone;
  // False: nobody drew the cohort of this user by lot, or nobody knows who it is. It is heard, but
  // no evidence.
  bool counts = false;
  std::uint8_t score = 0;
  std::uint16_t comment_size = 0;
  std::uint64_t key_hash = 0;  // Of the sticky key; who it is.
  std::array<char, kCommentBytesMax> comment{};

  [[nodiscard]] std::string_view text() const noexcept { return {comment.data(), comment_size}; }
};

using VoteQueue = SpscQueue<Vote>;

}  // namespace canaryd::stats
