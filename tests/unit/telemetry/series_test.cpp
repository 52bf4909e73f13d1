#include "telemetry/series.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace canaryd::telemetry {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t kFine = 0;
constexpr std::size_t kCoarse = 1;
constexpr BasisPoints kFive{500};

// Totals of one cohort that only grow.
struct Totals : stats::CounterSnapshot {
  void serve(std::uint64_t count, Duration each, std::uint64_t of_them_bad = 0) {
    code_class[2] += count - of_them_bad;
    code_class[5] += of_them_bad;
    judged += count;
    bad += of_them_bad;
    latency.add(each, count - of_them_bad);
  }
};

struct SeriesTest : testing::Test {
  Totals stable;
  Totals canary;
  std::int64_t now = 100;
  Series series{now};

  void pass(int seconds) {
    for (int i = 0; i < seconds; ++i) series.tick(++now, kFive, stable, canary);
  }
  SeriesPoint last(std::size_t grain = kFine) const { return series.points(grain, 0).back(); }
};

TEST_F(SeriesTest, MakesAPointOfEachFiveSecondsAndOfEachMinute) {
  pass(4);
  EXPECT_TRUE(series.points(kFine, 0).empty());
  pass(1);
  ASSERT_EQ(series.points(kFine, 0).size(), 1U);
  EXPECT_EQ(last().second, 105);
  EXPECT_EQ(last().seconds, 5U);
  EXPECT_EQ(last().weight, kFive);
  pass(54);
  EXPECT_TRUE(series.points(kCoarse, 0).empty());
  pass(1);
  EXPECT_EQ(series.points(kFine, 0).size(), 12U);
  EXPECT_EQ(series.points(kCoarse, 0).size(), 1U);
}

// No mean of means: a minute of a thousand fast requests and ten slow ones has its own quantiles.
TEST_F(SeriesTest, ShowsOnlyWhatEndedInAPointsOwnStretch) {
  stable.serve(1000, 10ms);
  canary.serve(100, 20ms, 50);
  pass(5);
  EXPECT_EQ(last().stable.requests, 1000U);
  EXPECT_EQ(last().stable.error_rate, 0);
  EXPECT_NEAR(last().stable.p99, 0.010, 0.0003);
  EXPECT_FLOAT_EQ(last().canary.error_rate, 0.5F);
  EXPECT_NEAR(last().canary.p50, 0.020, 0.0006);

  stable.serve(10, 1s);
  pass(5);
  EXPECT_EQ(last().stable.requests, 10U);
  EXPECT_NEAR(last().stable.p50, 1.0, 0.026);
  EXPECT_EQ(last().canary.requests, 0U);

  pass(50);
  EXPECT_EQ(last(kCoarse).stable.requests, 1010U);
  EXPECT_NEAR(last(kCoarse).stable.p50, 0.010, 0.0003);
  EXPECT_FLOAT_EQ(last(kCoarse).canary.error_rate, 0.5F);
}

TEST_F(SeriesTest, HasNoFiguresWhereNothingWasJudged) {
  pass(5);
  EXPECT_EQ(last().canary.requests, 0U);
  EXPECT_LT(last().canary.error_rate, 0);
  EXPECT_LT(last().canary.p50, 0);
  EXPECT_LT(last().canary.p99, 0);
}

TEST_F(SeriesTest, LeavesOutWhatARunThatHasEndedDidInTheStretch) {
  canary.serve(7, 10ms);
  pass(8);
  canary.serve(100, 10ms, 100);
  pass(1);
  series.begin_run(now);
  canary = {};
  canary.serve(3, 10ms);
  pass(5);
  const auto points = series.points(kFine, 0);
  ASSERT_EQ(points.size(), 2U);
  EXPECT_EQ(points[0].canary.requests, 7U);
  EXPECT_EQ(points[1].second, 114);
  EXPECT_EQ(points[1].canary.requests, 3U);
  EXPECT_EQ(points[1].canary.error_rate, 0);
}

TEST_F(SeriesTest, MakesOneLongPointWhenTicksWereLate) {
  pass(3);
  now += 40;
  canary.serve(86, 10ms);
  pass(1);
  ASSERT_EQ(series.points(kFine, 0).size(), 1U);
  EXPECT_EQ(last().seconds, 44U);
  EXPECT_EQ(last().canary.requests, 86U);
}

TEST_F(SeriesTest, KeepsAnHourOfFinePointsAndADayOfCoarseOnes) {
  pass(25 * 3600);
  EXPECT_EQ(series.points(kFine, 0).size(), 720U);
  EXPECT_EQ(series.points(kCoarse, 0).size(), 1440U);
  EXPECT_EQ(series.points(kFine, now - 3600).size(), 720U);
  EXPECT_EQ(series.points(kFine, now - 60).size(), 12U);
  EXPECT_EQ(series.points(kFine, now - 60).front().second, now - 55);
}

TEST_F(SeriesTest, TakesACountThatIsTooLargeForTheGreatestThatIsNot) {
  canary.serve(std::uint64_t{1} << 40U, 10ms);
  pass(5);
  EXPECT_EQ(last().canary.requests, 0xFFFFFFFFU);
}

}  // namespace
}  // namespace canaryd::telemetry
