#include "cli/figures.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace canaryd::cli {
namespace {

TEST(Figures, HaveThreeDigitsThatMatter) {
  EXPECT_EQ(format_rate(51.2), "51.2");
  EXPECT_EQ(format_rate(2.7), "2.70");
  EXPECT_EQ(format_rate(9.999), "10.0");
  EXPECT_EQ(format_rate(99.96), "100");
  EXPECT_EQ(format_rate(12345.6), "12346");
  EXPECT_EQ(format_ratio(0.0021), "0.21 %");
  EXPECT_EQ(format_ratio(1.0), "100 %");
  EXPECT_EQ(format_latency(0.041), "41.0 ms");
  EXPECT_EQ(format_latency(0.0005), "0.50 ms");
  EXPECT_EQ(format_latency(0.9996), "1.00 s");
  EXPECT_EQ(format_latency(12.0), "12.0 s");
}

TEST(Figures, HaveAllOfAWeight) {
  EXPECT_EQ(format_share(0.0), "0");
  EXPECT_EQ(format_share(0.01), "0.01");
  EXPECT_EQ(format_share(5.0), "5");
  EXPECT_EQ(format_share(10.0), "10");
  EXPECT_EQ(format_share(12.5), "12.5");
  EXPECT_EQ(format_share(33.33), "33.33");
  EXPECT_EQ(format_share(99.96), "99.96");
  EXPECT_EQ(format_share(99.99), "99.99");
  EXPECT_EQ(format_share(100.0), "100");
  EXPECT_EQ(format_share(1e300), "huge");
}

TEST(Figures, SayWhenThereIsNone) {
  EXPECT_EQ(format_rate({}), "-");
  EXPECT_EQ(format_ratio({}), "-");
  EXPECT_EQ(format_share({}), "-");
  EXPECT_EQ(format_latency({}), "-");
  EXPECT_EQ(format_count({}), "-");
}

TEST(Figures, StayShortWhateverTheServerSends) {
  for (const double value : {1e300, -1e300, std::numeric_limits<double>::infinity()}) {
    EXPECT_EQ(format_rate(value), "huge");
    EXPECT_EQ(format_count(value), "huge");
  }
}

TEST(States, HaveWords) {
  EXPECT_EQ(state_text("rolled_back"), "Rolled back");
  EXPECT_EQ(state_text("levitating"), "levitating");
  EXPECT_EQ(state_text(""), "-");
}

}  // namespace
}  // namespace canaryd::cli
