#include "canaryd/stats/feedback.hpp"

#include "canaryd/stats/block.hpp"

#include <gtest/gtest.h>

namespace canaryd::stats {
namespace {

// A second with requests of both cohorts.
std::optional<Block> second(BlockBuilder& builder, std::int64_t now) {
  builder.add(Cohort::kStable, {90, 0});
  builder.add(Cohort::kCanary, {10, 0});
  return builder.tick(now);
}

TEST(Votes, AreSummedInQuarters) {
  VoteCounts votes;
  for (const unsigned score : {5U, 4U, 1U}) votes.add(score);
  EXPECT_EQ(votes, (VoteCounts{3, 0 + 1 + 4}));
}

TEST(Votes, WaitForBothCohorts) {
  BlockBuilder builder(0, 1, 0);
  builder.add_vote(Cohort::kStable, 5);
  builder.add_vote(Cohort::kNone, 1);
  EXPECT_EQ(second(builder, 1)->feedback, FeedbackCounts{});
  builder.add_vote(Cohort::kStable, 4);
  EXPECT_EQ(second(builder, 2)->feedback, FeedbackCounts{});
  builder.add_vote(Cohort::kCanary, 1);
  EXPECT_EQ(second(builder, 3)->feedback, (FeedbackCounts{3, {2, 1}, {1, 4}}));
  // They come once.
  EXPECT_EQ(second(builder, 4)->feedback, FeedbackCounts{});
}

TEST(Votes, ComeWithABlockThatIsEvidence) {
  BlockBuilder builder(0, 1, 0);
  builder.add_vote(Cohort::kStable, 5);
  builder.add_vote(Cohort::kCanary, 5);
  builder.add(Cohort::kStable, {10, 0});
  const auto given_up = builder.tick(60);
  ASSERT_TRUE(given_up);
  EXPECT_FALSE(given_up->comparable());
  EXPECT_EQ(given_up->feedback, FeedbackCounts{});
  EXPECT_EQ(second(builder, 61)->feedback, (FeedbackCounts{61, {1, 0}, {1, 0}}));
}

TEST(Votes, OfAnotherWeightAreNotKept) {
  BlockBuilder builder(0, 1, 0);
  builder.add_vote(Cohort::kStable, 5);
  static_cast<void>(builder.change(5, 2, 1));
  builder.add_vote(Cohort::kCanary, 1);
  EXPECT_EQ(second(builder, 6)->feedback, FeedbackCounts{});
  builder.add_vote(Cohort::kStable, 3);
  EXPECT_EQ(second(builder, 7)->feedback, (FeedbackCounts{2, {1, 2}, {1, 4}}));
}

TEST(Votes, AreGivenUpAfterAnHour) {
  BlockBuilder builder(0, 1, 0);
  builder.add_vote(Cohort::kStable, 5);
  static_cast<void>(second(builder, BlockBuilder::kMaxVotesOpenSeconds));
  builder.add_vote(Cohort::kCanary, 1);
  EXPECT_EQ(second(builder, 3601)->feedback, FeedbackCounts{});
}

}  // namespace
}  // namespace canaryd::stats
