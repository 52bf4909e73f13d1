// The votes of users, from wherever they come: which of them are evidence, and what is kept of what
// they say.
//
// One vote for each voter and run, the first: a later one changes nothing. A voter is remembered
// until kVotersKept others have voted after it, and until the daemon ends. A vote is heard without
// being evidence when nobody drew the voter's cohort by lot, or the weight has changed since.
//
// Thread rule: the control thread. Limits: kVotesPerSecond votes of a rollout, kCommentsWaiting
// comments between two writes, about 3 MB for the voters of a rollout.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/store/store.hpp"
#include "canaryd/telemetry/collector.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace canaryd::control {

enum class VoteOutcome : std::uint8_t { kCounted, kDuplicate, kNoEvidence, kRateLimited };
inline constexpr std::size_t kVoteOutcomes = 4;
// The word in the API and in metrics: "counted", "duplicate", "no_evidence", "rate_limited".
[[nodiscard]] std::string_view to_string(VoteOutcome outcome) noexcept;

struct CastVote {
  std::string rollout;
  std::uint64_t run = 0;    // What was in force when it was given.
  std::uint64_t epoch = 0;  // The same.
  Cohort cohort = Cohort::kNone;
  unsigned score = 0;       // 1 to 5.
  bool counts = true;       // The cohort was drawn by lot.
  std::uint64_t voter = 0;  // Hash of the sticky key; 0: nobody that could be told again.
  std::string comment;      // Untrusted text, at most stats::kCommentBytesMax.
  std::string actor;        // "browser", or who asked the API.
};

class Feedback {
 public:
  static constexpr std::size_t kVotersKept = 32 * 1024;
  static constexpr int kVotesPerSecond = 100;
  static constexpr std::size_t kCommentsWaiting = 64;

  // Counted since the daemon started.
  struct Totals {
    stats::VoteCounts stable;
    stats::VoteCounts canary;
    std::uint64_t outcomes[kVoteOutcomes] = {};  // Index: VoteOutcome.
  };

  explicit Feedback(telemetry::Collector& collector) : collector_(collector) {}

  [[nodiscard]] VoteOutcome take(CastVote vote, Monotonic now, WallTime wall_now);
  // Those that wait to be written; they do not wait any more.
  [[nodiscard]] std::vector<store::Comment> take_comments() { return std::exchange(comments_, {}); }
  // All zero for a rollout without a vote.
  [[nodiscard]] Totals totals(std::string_view rollout) const;

 private:
  struct Known {
    Totals totals;
    std::uint64_t run = 0;
    // Who voted in this run: those of late, and those before them.
    std::unordered_set<std::uint64_t> voters;
    std::unordered_set<std::uint64_t> earlier;
    Monotonic second{};  // When `in_second` began.
    int in_second = 0;
  };

  [[nodiscard]] VoteOutcome judge(Known& known, const CastVote& vote, Monotonic now);
  void keep_comment(CastVote vote, WallTime now);

  telemetry::Collector& collector_;
  std::map<std::string, Known, std::less<>> rollouts_;
  std::vector<store::Comment> comments_;
  std::uint64_t next_place_ = 0;
};

}  // namespace canaryd::control
