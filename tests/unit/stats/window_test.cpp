#include "canaryd/stats/window.hpp"

#include <gtest/gtest.h>

namespace canaryd::stats {
namespace {

TEST(TrafficWindow, LeavesTheFillingSecondOut) {
  TrafficWindow window;
  for (std::int64_t second = 1000; second < 1100; ++second) window.add(second, 50, 5);
  window.add(1100, 7, 7);
  EXPECT_EQ(window.last(10, 1100), (TrafficWindow::Sum{500, 50}));
  EXPECT_EQ(window.last(60, 1100), (TrafficWindow::Sum{3000, 300}));
  EXPECT_EQ(window.last(1'000'000, 1100), (TrafficWindow::Sum{3000, 300}));
  EXPECT_DOUBLE_EQ(window.requests_per_second(10, 1100), 50);
  EXPECT_DOUBLE_EQ(window.failure_share(10, 1100).value(), 0.1);
}

TEST(TrafficWindow, ForgetsWhatIsTooOld) {
  TrafficWindow window;
  window.add(1000, 50, 5);
  window.add(1001, 10, 0);
  EXPECT_EQ(window.last(10, 1011), (TrafficWindow::Sum{10, 0}));
  EXPECT_FALSE(window.failure_share(10, 1012));
  EXPECT_FALSE(window.failure_share(10, 999'999));
  // A late report of a second that has been replaced changes nothing.
  window.add(1061, 1, 0);
  window.add(1000, 99, 99);
  EXPECT_EQ(window.last(60, 1062), (TrafficWindow::Sum{1, 0}));
}

TEST(TrafficWindow, WorksBeforeTheEpochAndWithStrangeArguments) {
  TrafficWindow window;
  window.add(-3, 4, 1);
  EXPECT_EQ(window.last(5, 0), (TrafficWindow::Sum{4, 1}));
  EXPECT_EQ(window.last(-5, 0), (TrafficWindow::Sum{0, 0}));
  EXPECT_DOUBLE_EQ(window.requests_per_second(0, -2), 4);
}

}  // namespace
}  // namespace canaryd::stats
