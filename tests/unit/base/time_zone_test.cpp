#include "canaryd/base/time_zone.hpp"

#include "canaryd/base/units.hpp"

#include <gtest/gtest.h>

namespace canaryd {
namespace {

using namespace std::chrono_literals;
using std::chrono::local_days;
using std::chrono::year;

TimeZone zone(std::string_view name) {
  const auto found = TimeZone::find(name);
  EXPECT_TRUE(found.has_value()) << name;
  return found.value_or(TimeZone());
}

std::string utc(const TimeZone& in, LocalTime time, Twice twice = Twice::kFirst) {
  return format_time(in.to_utc(time, twice));
}

TEST(TimeZone, UtcNeedsNoDatabase) {
  const WallTime now = parse_time("2026-07-01T12:00:00Z").value();
  EXPECT_EQ(TimeZone().to_local(now).time_since_epoch(), now.time_since_epoch());
  EXPECT_EQ(TimeZone().to_utc(TimeZone().to_local(now), Twice::kLast), now);
  EXPECT_EQ(zone("UTC"), TimeZone());
}

TEST(TimeZone, KnowsSummerAndWinter) {
  const TimeZone berlin = zone("Europe/Berlin");
  EXPECT_EQ(utc(berlin, local_days(year(2026) / 1 / 15) + 12h), "2026-01-15T11:00:00Z");
  EXPECT_EQ(utc(berlin, local_days(year(2026) / 7 / 15) + 12h), "2026-07-15T10:00:00Z");
  const WallTime noon = parse_time("2026-07-15T10:00:00Z").value();
  EXPECT_EQ(berlin.to_local(noon), local_days(year(2026) / 7 / 15) + 12h);
}

// 2026-03-29, 02:00 becomes 03:00 in Berlin.
TEST(TimeZone, ASkippedHourIsTheEndOfTheGap) {
  const TimeZone berlin = zone("Europe/Berlin");
  const auto day = local_days(year(2026) / 3 / 29);
  EXPECT_EQ(utc(berlin, day + 1h + 59min), "2026-03-29T00:59:00Z");
  EXPECT_EQ(utc(berlin, day + 2h + 30min), "2026-03-29T01:00:00Z");
  EXPECT_EQ(utc(berlin, day + 2h + 30min, Twice::kLast), "2026-03-29T01:00:00Z");
  EXPECT_EQ(utc(berlin, day + 3h), "2026-03-29T01:00:00Z");
}

// 2026-10-25, 03:00 becomes 02:00 in Berlin.
TEST(TimeZone, AnHourThatIsThereTwiceIsOneOfTheTwo) {
  const TimeZone berlin = zone("Europe/Berlin");
  const auto day = local_days(year(2026) / 10 / 25);
  EXPECT_EQ(utc(berlin, day + 2h + 30min, Twice::kFirst), "2026-10-25T00:30:00Z");
  EXPECT_EQ(utc(berlin, day + 2h + 30min, Twice::kLast), "2026-10-25T01:30:00Z");
}

TEST(TimeZone, UnevenOffsetsWorkAsWell) {
  const TimeZone kathmandu = zone("Asia/Kathmandu");
  EXPECT_EQ(utc(kathmandu, local_days(year(2026) / 1 / 2)), "2026-01-01T18:15:00Z");
}

TEST(TimeZone, AnUnknownNameIsNotFound) {
  for (const std::string_view name :
       {"Europe/Atlantis", "", "europe/berlin", "../../etc/passwd", "Europe", "posixrules\n"}) {
    const auto found = TimeZone::find(name);
    ASSERT_FALSE(found.has_value()) << name;
    EXPECT_EQ(found.error().code, ErrorCode::kNotFound) << name << describe(found.error());
  }
  EXPECT_FALSE(TimeZone::find(std::string(100'000, 'x')).has_value());
}

}  // namespace
}  // namespace canaryd
