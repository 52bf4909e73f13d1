#include "canaryd/stats/duration_counters.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace canaryd::stats {
namespace {

using namespace std::chrono_literals;

TEST(DurationCounters, SumWhatWasAdded) {
  DurationCounters counters;
  counters.add(2ms);
  counters.add(30ms);
  counters.add(-1ms);
  const DurationReading reading = counters.read();
  EXPECT_EQ(reading.histogram.total(), 3U);
  EXPECT_EQ(reading.histogram.at_most(10ms), 2U);
  EXPECT_EQ(reading.sum_us, 32'000U);
}

TEST(DurationCounters, ReadingsOfThreadsAddUp) {
  DurationCounters one;
  DurationCounters other;
  one.add(2ms);
  other.add(30ms);
  DurationReading both = one.read();
  both += other.read();
  EXPECT_EQ(both.histogram.total(), 2U);
  EXPECT_EQ(both.sum_us, 32'000U);
}

}  // namespace
}  // namespace canaryd::stats
