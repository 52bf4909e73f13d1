#include "canaryd/http/date.hpp"

#include <gtest/gtest.h>

#include <array>
#include <chrono>

namespace canaryd::http {
namespace {

TEST(DateTest, Rfc9110Section5_6_7) {
  using namespace std::chrono;
  std::array<char, kDateBytes + 1> storage{};
  EXPECT_EQ(write_date(WallTime(seconds(784111777)), storage), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(write_date(WallTime(milliseconds(999)), storage), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(write_date(WallTime(sys_days(2028y / February / 29)) + hours(23), storage),
            "Tue, 29 Feb 2028 23:00:00 GMT");
}

}  // namespace
}  // namespace canaryd::http
