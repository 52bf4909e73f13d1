#include "canaryd/base/units.hpp"

#include <array>
#include <charconv>
#include <cstdio>

namespace canaryd {
namespace {

using std::chrono::milliseconds;

struct Unit {
  std::string_view suffix;
  std::uint64_t size;
};

constexpr std::array<Unit, 5> kDurations{
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};
constexpr std::array<Unit, 4> kSizes{
    {{"GiB", 1ULL << 30U}, {"MiB", 1ULL << 20U}, {"KiB", 1ULL << 10U}, {"B", 1}}};
constexpr std::uint64_t kMaxDurationMs = 10'000ULL * 86'400'000ULL;

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

// Takes digits off the front of text; false when there are none or they do not fit.
bool take_number(std::string_view& text, std::uint64_t& value) noexcept {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

std::string_view take_letters(std::string_view& text) noexcept {
  std::size_t count = 0;
  while (count < text.size() && !is_digit(text[count])) ++count;
  const std::string_view letters = text.substr(0, count);
  text.remove_prefix(count);
  return letters;
}

const char* const kDurationHelp = "expected a duration such as 250ms, 30s, 10m, 6h or 2d";
const char* const kSizeHelp = "expected a size such as 100B, 64KiB, 10MiB or 2GiB";
const char* const kPercentHelp = "expected a percentage from 0 to 100 with at most two decimals";
const char* const kTimeHelp = "expected a time such as 2026-01-05T10:02:00Z";

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  if (text.empty()) return fail(ErrorCode::kInvalidArgument, kDurationHelp);
  std::uint64_t total = 0;
  std::size_t next_unit = 0;
  while (!text.empty()) {
    std::uint64_t count = 0;
    if (!take_number(text, count)) return fail(ErrorCode::kInvalidArgument, kDurationHelp);
    const std::string_view suffix = take_letters(text);
    while (next_unit < kDurations.size() && kDurations[next_unit].suffix != suffix) ++next_unit;
    if (next_unit == kDurations.size()) return fail(ErrorCode::kInvalidArgument, kDurationHelp);
    const std::uint64_t size = kDurations[next_unit++].size;
    if (count > kMaxDurationMs / size || total + count * size > kMaxDurationMs) {
      return fail(ErrorCode::kInvalidArgument, "a duration is at most 10000d");
    }
    total += count * size;
  }
  return Duration(milliseconds(total));
}

std::string format_duration(Duration duration) {
  auto rest =
      static_cast<std::uint64_t>(std::chrono::duration_cast<milliseconds>(duration).count());
  if (rest == 0) return "0s";
  std::string text;
  for (const Unit& unit : kDurations) {
    if (rest < unit.size) continue;
    text += std::to_string(rest / unit.size);
    text += unit.suffix;
    rest %= unit.size;
  }
  return text;
}

std::string format_duration_brief(Duration duration) {
  const auto ms = std::chrono::duration_cast<milliseconds>(duration).count();
  if (ms < 1000) return std::to_string(ms < 0 ? 0 : ms) + "ms";
  if (ms < 10'000) {
    const auto tenths = ms / 100;
    return std::to_string(tenths / 10) +
           (tenths % 10 == 0 ? "" : "." + std::to_string(tenths % 10)) + "s";
  }
  auto rest = static_cast<std::uint64_t>(ms);
  std::string text;
  int shown = 0;
  for (const Unit& unit : kDurations) {
    if (unit.size < 1000 || shown == 2) break;
    if (rest < unit.size) {
      if (shown == 1) break;
      continue;
    }
    text += std::to_string(rest / unit.size);
    text += unit.suffix;
    rest %= unit.size;
    ++shown;
  }
  return text;
}

Result<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t count = 0;
  if (text.empty() || !take_number(text, count)) {
    return fail(ErrorCode::kInvalidArgument, kSizeHelp);
  }
  if (text.empty()) return count;
  for (const Unit& unit : kSizes) {
    if (unit.suffix != text) continue;
    if (count > UINT64_MAX / unit.size) {
      return fail(ErrorCode::kInvalidArgument, "the size does not fit into 64 bits");
    }
    return count * unit.size;
  }
  return fail(ErrorCode::kInvalidArgument, kSizeHelp);
}

std::string format_size(std::uint64_t bytes) {
  for (const Unit& unit : kSizes) {
    if (bytes >= unit.size && bytes % unit.size == 0) {
      return std::to_string(bytes / unit.size) + std::string(unit.suffix);
    }
  }
  return "0B";
}

Result<BasisPoints> parse_percent(std::string_view text) {
  std::uint64_t whole = 0;
  if (text.empty() || !is_digit(text.front()) || !take_number(text, whole) || whole > 100) {
    return fail(ErrorCode::kInvalidArgument, kPercentHelp);
  }
  std::uint64_t hundredths = 0;
  if (!text.empty()) {
    if (text.front() != '.' || text.size() < 2 || text.size() > 3) {
      return fail(ErrorCode::kInvalidArgument, kPercentHelp);
    }
    for (std::size_t i = 1; i < 3; ++i) {
      const char digit = i < text.size() ? text[i] : '0';
      if (!is_digit(digit)) return fail(ErrorCode::kInvalidArgument, kPercentHelp);
      hundredths = hundredths * 10 + static_cast<std::uint64_t>(digit - '0');
    }
  }
  const std::uint64_t points = whole * 100 + hundredths;
  if (points > BasisPoints::kMax) return fail(ErrorCode::kInvalidArgument, kPercentHelp);
  return BasisPoints(static_cast<unsigned>(points));
}

std::string format_percent(BasisPoints weight) {
  const unsigned points = weight.value();
  std::string text = std::to_string(points / 100);
  const unsigned hundredths = points % 100;
  if (hundredths == 0) return text;
  text += '.';
  text += static_cast<char>('0' + hundredths / 10);
  if (hundredths % 10 != 0) text += static_cast<char>('0' + hundredths % 10);
  return text;
}

std::string format_time(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  std::array<char, 48> text{};
  const int used = std::snprintf(text.data(),
                                 text.size(),
                                 "%04d-%02u-%02uT%02d:%02d:%02d",
                                 static_cast<int>(date.year()),
                                 static_cast<unsigned>(date.month()),
                                 static_cast<unsigned>(date.day()),
                                 static_cast<int>(clock.hours().count()),
                                 static_cast<int>(clock.minutes().count()),
                                 static_cast<int>(clock.seconds().count()));
  std::string result(text.data(), static_cast<std::size_t>(used));
  if (const auto ms = clock.subseconds().count(); ms != 0) {
    std::snprintf(text.data(), text.size(), ".%03d", static_cast<int>(ms));
    result += text.data();
  }
  return result + "Z";
}

Result<WallTime> parse_time(std::string_view text) {
  const std::string owned(text);
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int used = 0;
  // NOLINTNEXTLINE(cert-err34-c): the count of matched fields is checked, and each field's range
  // below.
  const int fields = std::sscanf(owned.c_str(),
                                 "%4d-%2u-%2uT%2d:%2d:%2d%n",
                                 &year,
                                 &month,
                                 &day,
                                 &hour,
                                 &minute,
                                 &second,
                                 &used);
  if (fields != 6 || used != 19) return fail(ErrorCode::kInvalidArgument, kTimeHelp);
  int ms = 0;
  std::string_view rest = text.substr(19);
  if (rest.size() == 5 && rest[0] == '.') {
    for (std::size_t i = 1; i < 4; ++i) {
      if (!is_digit(rest[i])) return fail(ErrorCode::kInvalidArgument, kTimeHelp);
      ms = ms * 10 + (rest[i] - '0');
    }
    rest = rest.substr(4);
  }
  const std::chrono::year_month_day date{
      std::chrono::year(year), std::chrono::month(month), std::chrono::day(day)};
  if (rest != "Z" || !date.ok() || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 59) {
    return fail(ErrorCode::kInvalidArgument, kTimeHelp);
  }
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(hour) +
         std::chrono::minutes(minute) + std::chrono::seconds(second) + milliseconds(ms);
}

}  // namespace canaryd
