#include "canaryd/http/date.hpp"

#include <array>
#include <chrono>
#include <cstdio>

namespace canaryd::http {

std::string_view write_date(WallTime time, std::span<char, kDateBytes + 1> storage) noexcept {
  constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths{
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto day = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(seconds - day);
  std::snprintf(storage.data(),
                storage.size(),
                "%s, %02u %s %04u %02u:%02u:%02u GMT",
                kDays[std::chrono::weekday(day).c_encoding()],
                static_cast<unsigned>(date.day()) % 100,
                kMonths[static_cast<unsigned>(date.month()) - 1],
                static_cast<unsigned>(static_cast<int>(date.year())) % 10000,
                static_cast<unsigned>(clock.hours().count()) % 100,
                static_cast<unsigned>(clock.minutes().count()) % 100,
                static_cast<unsigned>(clock.seconds().count()) % 100);
  return {storage.data(), kDateBytes};
}

}  // namespace canaryd::http
