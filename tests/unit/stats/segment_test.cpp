// Segments: what workers count, and the comparisons that blocks bring.
#include "canaryd/stats/block.hpp"
#include "canaryd/stats/counter_set.hpp"

#include <gtest/gtest.h>

namespace canaryd::stats {
namespace {

constexpr std::uint64_t kClient = 7;

TEST(SegmentCounters, AReadingIsACutThroughTime) {
  const std::size_t group = client_group(kClient);
  SegmentCounters counters;
  counters.count(Cohort::kCanary, true, kClient);
  counters.count(Cohort::kCanary, false, kClient);
  counters.count(Cohort::kStable, false, kClient);
  const SegmentReading before = counters.read(Cohort::kCanary, group);
  EXPECT_EQ(before.judged_since({}), 2U);
  EXPECT_EQ(before.bad_since({}), 1U);
  EXPECT_EQ(counters.read(Cohort::kStable, group).bad_since({}), 0U);
  counters.count(Cohort::kCanary, true, kClient);
  EXPECT_EQ(counters.read(Cohort::kCanary, group).judged_since(before), 1U);
  EXPECT_EQ(counters.read(Cohort::kCanary, group).bad_since(before), 1U);
  EXPECT_EQ(counters.read(Cohort::kCanary, (group + 1) % kClientGroups).judged_since({}), 0U);
}

TEST(SegmentCounters, FailuresMayGoAroundBetweenReadings) {
  constexpr std::uint64_t kAround = std::uint64_t{1} << 24;
  const SegmentReading before(kAround + 100, kAround - 2);
  const SegmentReading after(kAround + 107, kAround + 3);
  EXPECT_EQ(after.judged_since(before), 7U);
  EXPECT_EQ(after.bad_since(before), 5U);
}

TEST(SegmentCounters, ARolloutHasThoseThatItWatches) {
  CounterSet set(1, 2, {0, 3});
  EXPECT_EQ(set.segments(RolloutId(0)), 0U);
  EXPECT_EQ(set.segments(RolloutId(1)), 3U);
  EXPECT_EQ(set.segments(RolloutId(2)), 0U);
  EXPECT_EQ(set.segment(RolloutId(0), 0), nullptr);
  EXPECT_EQ(set.segment(RolloutId(1), 3), nullptr);
  EXPECT_EQ(set.segment(RolloutId(9), 0), nullptr);
  ASSERT_NE(set.segment(RolloutId(1), 2), nullptr);
  EXPECT_NE(set.segment(RolloutId(1), 2), set.segment(RolloutId(1), 1));
}

class SegmentBlockTest : public testing::Test {
 protected:
  SegmentBlockTest() { builder_.begin_run(0, 2); }

  // Of all traffic, and of a segment.
  void serve(std::size_t segment, Cohort cohort, CohortCounts counts) {
    builder_.add(cohort, counts);
    builder_.add_segment(segment, cohort, counts);
  }
  // Traffic of no segment.
  std::optional<Block> tick() {
    builder_.add(Cohort::kStable, {10, 0});
    builder_.add(Cohort::kCanary, {10, 0});
    return builder_.tick(++now_);
  }

  std::int64_t now_ = 0;
  BlockBuilder builder_{0, 1, 0};
};

TEST_F(SegmentBlockTest, AQuietOneWaitsForBothCohorts) {
  serve(0, Cohort::kStable, {5, 1});
  serve(1, Cohort::kStable, {1, 0});
  serve(1, Cohort::kCanary, {1, 1});
  std::optional<Block> block = tick();
  ASSERT_TRUE(block);
  ASSERT_EQ(block->segments.size(), 1U);
  EXPECT_EQ(block->segments[0],
            (SegmentComparison{1, {.seconds = 1, .stable = {1, 0}, .canary = {1, 1}}}));
  serve(0, Cohort::kCanary, {2, 2});
  serve(2, Cohort::kCanary, {2, 2});  // Unknown.
  block = tick();
  ASSERT_TRUE(block);
  ASSERT_EQ(block->segments.size(), 1U);
  EXPECT_EQ(block->segments[0],
            (SegmentComparison{0, {.seconds = 2, .stable = {5, 1}, .canary = {2, 2}}}));
}

TEST_F(SegmentBlockTest, AMinuteWithOneCohortIsGivenUp) {
  serve(0, Cohort::kStable, {5, 1});
  for (std::int64_t i = 0; i < BlockBuilder::kMaxOpenSeconds; ++i)
    ASSERT_TRUE(tick()->segments.empty());
  serve(0, Cohort::kCanary, {1, 1});
  EXPECT_TRUE(tick()->segments.empty());
}

TEST_F(SegmentBlockTest, DuplicatesLeaveBothCounts) {
  serve(0, Cohort::kStable, {5, 0});
  serve(0, Cohort::kCanary, {5, 3});
  builder_.add_segment_duplicates(0, Cohort::kCanary, 2);
  builder_.add_segment_duplicates(7, Cohort::kCanary, 2);
  EXPECT_EQ(tick()->segments.at(0).counts.canary, (CohortCounts{3, 1}));
}

TEST_F(SegmentBlockTest, AChangeOfWeightClosesThemAndARunBeginsAnew) {
  serve(0, Cohort::kStable, {5, 0});
  serve(0, Cohort::kCanary, {5, 3});
  serve(1, Cohort::kCanary, {1, 0});
  const std::optional<Block> block = builder_.change(0, 2, 1);
  ASSERT_TRUE(block);
  ASSERT_EQ(block->segments.size(), 1U);
  EXPECT_EQ(block->segments[0].counts.canary, (CohortCounts{5, 3}));
  serve(1, Cohort::kStable, {1, 0});
  EXPECT_TRUE(tick()->segments.empty()) << "its canary request was under another weight";
  builder_.begin_run(0, 1);
  static_cast<void>(builder_.change(now_, 3, 0));
  serve(1, Cohort::kStable, {1, 0});
  serve(1, Cohort::kCanary, {1, 0});
  EXPECT_TRUE(tick()->segments.empty()) << "the run has no such segment";
}

}  // namespace
}  // namespace canaryd::stats
