#include "control/feedback.hpp"

#include <gtest/gtest.h>

#include <string>

namespace canaryd::control {
namespace {

using namespace std::chrono_literals;

class FeedbackTest : public testing::Test {
 protected:
  FeedbackTest() { begin(1, 1); }

  void begin(std::uint64_t run, std::uint64_t epoch) {
    telemetry::TableLayout table;
    table.epoch = ++table_;
    table.rollouts = {{.name = "shop", .run = run, .epoch = epoch, .step = 0}};
    table.routes = {{"all", RolloutId(0)}};
    collector_.begin_table(table, second_);
    run_ = run;
    epoch_ = epoch;
  }
  VoteOutcome vote(std::uint64_t voter, unsigned score = 3, const std::string& comment = {}) {
    return feedback_.take(cast(voter, score, comment), now_, WallTime(1ms));
  }
  [[nodiscard]] CastVote cast(std::uint64_t voter,
                              unsigned score,
                              const std::string& comment) const {
    return {"shop", run_, epoch_, Cohort::kCanary, score, true, voter, comment, "browser"};
  }

  telemetry::Collector collector_;
  Feedback feedback_{collector_};
  std::uint64_t table_ = 0;
  std::uint64_t run_ = 0;
  std::uint64_t epoch_ = 0;
  std::int64_t second_ = 1000;
  Monotonic now_{1000s};
};

TEST_F(FeedbackTest, OneVoteForEachVoterAndRun) {
  EXPECT_EQ(vote(7, 5), VoteOutcome::kCounted);
  EXPECT_EQ(vote(7, 1), VoteOutcome::kDuplicate);
  EXPECT_EQ(vote(8, 1), VoteOutcome::kCounted);
  EXPECT_EQ(feedback_.totals("shop").canary, (stats::VoteCounts{2, 4}));
  begin(2, 2);
  EXPECT_EQ(vote(7, 1), VoteOutcome::kCounted);
  EXPECT_EQ(feedback_.totals("shop").outcomes[1], 1U);
  EXPECT_EQ(feedback_.totals("other").canary.n, 0U);
}

TEST_F(FeedbackTest, WhoIsNobodyMayVoteAgain) {
  EXPECT_EQ(vote(0), VoteOutcome::kCounted);
  EXPECT_EQ(vote(0), VoteOutcome::kCounted);
}

TEST_F(FeedbackTest, AVoteOfAnotherWeightIsNoEvidence) {
  CastVote late = cast(7, 1, "late");
  begin(1, 2);
  EXPECT_EQ(feedback_.take(late, now_, WallTime(1ms)), VoteOutcome::kNoEvidence);
  // It may be given again, under this one.
  EXPECT_EQ(vote(7), VoteOutcome::kCounted);
  begin(2, 3);
  EXPECT_EQ(vote(9), VoteOutcome::kCounted);
  EXPECT_EQ(feedback_.take(late, now_, WallTime(1ms)), VoteOutcome::kNoEvidence);
  EXPECT_EQ(vote(9), VoteOutcome::kDuplicate) << "a late vote must not forget the voters";
}

TEST_F(FeedbackTest, WhatWasNotDrawnByLotIsHeardOnly) {
  CastVote forced = cast(7, 1, "hello");
  forced.counts = false;
  EXPECT_EQ(feedback_.take(forced, now_, WallTime(1ms)), VoteOutcome::kNoEvidence);
  const auto comments = feedback_.take_comments();
  ASSERT_EQ(comments.size(), 1U);
  EXPECT_EQ(comments[0].text, "hello");
  EXPECT_EQ(comments[0].cohort, "canary");
  EXPECT_EQ(comments[0].score, 1U);
  EXPECT_EQ(feedback_.totals("shop").canary.n, 0U);
}

TEST_F(FeedbackTest, ASecondHasALimit) {
  std::uint64_t voter = 1;
  for (int i = 0; i < Feedback::kVotesPerSecond; ++i) {
    EXPECT_EQ(vote(voter++), VoteOutcome::kCounted);
  }
  EXPECT_EQ(vote(voter, 1, "too much"), VoteOutcome::kRateLimited);
  EXPECT_TRUE(feedback_.take_comments().empty());
  now_ += 1s;
  EXPECT_EQ(vote(voter), VoteOutcome::kCounted);
}

TEST_F(FeedbackTest, CommentsAreKeptWithinBoundsAndOnceForEachVoter) {
  for (std::uint64_t voter = 1; voter <= 3; ++voter) {
    static_cast<void>(vote(voter, 2, "first"));
    static_cast<void>(vote(voter, 2, "second"));
  }
  EXPECT_EQ(feedback_.take_comments().size(), 3U);
  for (std::uint64_t voter = 10; voter < 90; ++voter) static_cast<void>(vote(voter, 2, "x"));
  EXPECT_EQ(feedback_.take_comments().size(), Feedback::kCommentsWaiting);
}

TEST_F(FeedbackTest, AVoterIsRememberedWhileSoManyOthersVote) {
  std::uint64_t voter = 1;
  const auto crowd = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      if (i % Feedback::kVotesPerSecond == 0) now_ += 1s;
      ASSERT_EQ(vote(++voter), VoteOutcome::kCounted);
    }
  };
  EXPECT_EQ(vote(1), VoteOutcome::kCounted);
  crowd(Feedback::kVotersKept);
  now_ += 1s;
  EXPECT_EQ(vote(1), VoteOutcome::kDuplicate);
  crowd(Feedback::kVotersKept);
  now_ += 1s;
  EXPECT_EQ(vote(1), VoteOutcome::kCounted);
}

}  // namespace
}  // namespace canaryd::control
