#include "canaryd/base/units.hpp"

#include <gtest/gtest.h>

namespace canaryd {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(Duration, ParsesEachUnitAndSums) {
  EXPECT_EQ(parse_duration("250ms").value(), milliseconds(250));
  EXPECT_EQ(parse_duration("30s").value(), seconds(30));
  EXPECT_EQ(parse_duration("10m").value(), minutes(10));
  EXPECT_EQ(parse_duration("6h").value(), hours(6));
  EXPECT_EQ(parse_duration("2d").value(), hours(48));
  EXPECT_EQ(parse_duration("1h30m").value(), minutes(90));
  EXPECT_EQ(parse_duration("0s").value(), seconds(0));
}

TEST(Duration, RefusesWhatIsNotOne) {
  for (const char* text : {"",
                           "10",
                           "s",
                           "-1s",
                           "1.5s",
                           "1 s",
                           "30m1h",
                           "1s1s",
                           "99999999d",
                           "1w",
                           "18446744073709551616s"}) {
    EXPECT_FALSE(parse_duration(text).has_value()) << text;
  }
}

TEST(Duration, FormatsExactlyAndBriefly) {
  EXPECT_EQ(format_duration(minutes(90)), "1h30m");
  EXPECT_EQ(format_duration(Duration::zero()), "0s");
  EXPECT_EQ(format_duration(milliseconds(1250)), "1s250ms");
  EXPECT_EQ(format_duration_brief(seconds(190)), "3m10s");
  EXPECT_EQ(format_duration_brief(milliseconds(6120)), "6.1s");
  EXPECT_EQ(format_duration_brief(milliseconds(6000)), "6s");
  EXPECT_EQ(format_duration_brief(milliseconds(40)), "40ms");
  EXPECT_EQ(format_duration_brief(hours(49) + seconds(3)), "2d1h");
  EXPECT_EQ(format_duration_brief(hours(1) + seconds(3)), "1h");
}

TEST(Size, ParsesAndFormats) {
  EXPECT_EQ(parse_size("64KiB").value(), 65536U);
  EXPECT_EQ(parse_size("100B").value(), 100U);
  EXPECT_EQ(parse_size("100").value(), 100U);
  EXPECT_EQ(format_size(65536), "64KiB");
  EXPECT_EQ(format_size(1000), "1000B");
  EXPECT_EQ(format_size(0), "0B");
  for (const char* text : {"", "KiB", "64KB", "64 KiB", "-1", "17179869184GiB"}) {
    EXPECT_FALSE(parse_size(text).has_value()) << text;
  }
}

TEST(Percent, KeepsHundredths) {
  EXPECT_EQ(parse_percent("5").value().value(), 500);
  EXPECT_EQ(parse_percent("0.01").value().value(), 1);
  EXPECT_EQ(parse_percent("99.5").value().value(), 9950);
  EXPECT_EQ(parse_percent("100").value().value(), 10000);
  EXPECT_EQ(format_percent(BasisPoints(25)), "0.25");
  EXPECT_EQ(format_percent(BasisPoints(10)), "0.1");
  EXPECT_EQ(format_percent(BasisPoints(10000)), "100");
  for (const char* text : {"", "100.01", "101", "1.234", "1.", ".5", "-1", "5%", "1e1", "+1"}) {
    EXPECT_FALSE(parse_percent(text).has_value()) << text;
  }
}

TEST(Time, RoundTripsRfc3339) {
  const WallTime time = parse_time("2026-01-05T10:02:00Z").value();
  EXPECT_EQ(time.time_since_epoch(), seconds(1767607320));
  EXPECT_EQ(format_time(time), "2026-01-05T10:02:00Z");
  EXPECT_EQ(format_time(time + milliseconds(7)), "2026-01-05T10:02:00.007Z");
  EXPECT_EQ(parse_time("2026-01-05T10:02:00.007Z").value(), time + milliseconds(7));
  for (const char* text : {"",
                           "2026-01-05",
                           "2026-02-30T10:02:00Z",
                           "2026-01-05T24:02:00Z",
                           "2026-01-05T10:02:00",
                           "2026-01-05T10:02:00.0077Z"}) {
    EXPECT_FALSE(parse_time(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace canaryd
