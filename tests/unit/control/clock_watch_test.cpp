#include "control/clock_watch.hpp"

#include <gtest/gtest.h>

namespace canaryd::control {
namespace {

using namespace std::chrono_literals;

constexpr Monotonic kNow{1h};
constexpr WallTime kWallNow{std::chrono::seconds(1'767'607'200)};

TEST(ClockWatchTest, ClocksThatGoTogetherWereNotSet) {
  ClockWatch watch;
  EXPECT_EQ(watch.look(kNow, kWallNow), 0ms) << "there is nothing to compare with yet";
  EXPECT_EQ(watch.look(kNow + 1s, kWallNow + 1s), 0ms);
  EXPECT_EQ(watch.look(kNow + 30h, kWallNow + 30h), 0ms) << "however long nobody looked";
  EXPECT_EQ(watch.look(kNow + 30h + 999'999ns, kWallNow + 30h), 0ms);
  EXPECT_EQ(watch.total(), 0ms);
}

TEST(ClockWatchTest, ItTellsTheSizeOfEachStepOnce) {
  ClockWatch watch;
  watch.look(kNow, kWallNow);
  EXPECT_EQ(watch.look(kNow + 1s, kWallNow + 1s + 72h), 72h);
  EXPECT_EQ(watch.look(kNow + 2s, kWallNow + 2s + 72h), 0ms);
  EXPECT_EQ(watch.look(kNow + 9s, kWallNow + 9s + 70h), -2h);
  EXPECT_EQ(watch.look(kNow + 10s, kWallNow + 10s + 70h), 0ms);
  EXPECT_EQ(watch.total(), 70h);
}

TEST(ClockWatchTest, AClockThatIsSlewedIsNotSet) {
  ClockWatch watch;
  watch.look(kNow, kWallNow);
  EXPECT_EQ(watch.look(kNow + 1s, kWallNow + 1s + ClockWatch::kTolerance), 0ms);
  EXPECT_EQ(watch.look(kNow + 2s, kWallNow + 2s), 0ms);
  // An hour at half a millisecond a second, which is the most that Linux slews by.
  for (int second = 3; second < 3603; ++second) {
    const auto ahead = std::chrono::milliseconds(second / 2);
    EXPECT_EQ(watch.look(kNow + second * 1s, kWallNow + second * 1s + ahead), 0ms);
  }
  EXPECT_EQ(watch.total(), 0ms);
  watch.look(kNow + 3603s, kWallNow + 3603s);
  EXPECT_EQ(watch.look(kNow + 3604s, kWallNow + 3604s + ClockWatch::kTolerance + 1ms), 5001ms);
}

TEST(ClockWatchTest, HowLongAgoALookWasIsRealTime) {
  ClockWatch watch;
  watch.look(kNow, kWallNow);
  watch.look(kNow + 10s, kWallNow + 10s);
  EXPECT_EQ(watch.since(kWallNow), 10s);
  watch.look(kNow + 12s, kWallNow + 12s + 48h);
  EXPECT_EQ(watch.since(kWallNow + 10s), 2s) << "the clock was set forward";
  EXPECT_EQ(watch.since(kWallNow + 12s + 48h), 0s);
  EXPECT_EQ(watch.since(kWallNow - 1s), 48h + 13s) << "before the process: by the clock";
  watch.look(kNow + 20s, kWallNow + 20s);
  EXPECT_EQ(watch.since(kWallNow + 12s + 48h), 8s) << "and back again";
  EXPECT_EQ(watch.since(kWallNow + 10s), 10s);
}

TEST(ClockWatchTest, OfManySettingsTheLastOnesAreKnown) {
  ClockWatch watch;
  watch.look(kNow, kWallNow);
  for (int i = 1; i <= 100; ++i) watch.look(kNow + i * 1s, kWallNow + i * 1s + i * 1h);
  EXPECT_EQ(watch.since(kWallNow + 90 * 1s + 90 * 1h), 10s);
  EXPECT_EQ(watch.since(kWallNow), 100h + 100s) << "by the clock";
}

}  // namespace
}  // namespace canaryd::control
