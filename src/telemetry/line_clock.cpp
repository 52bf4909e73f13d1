#include "telemetry/line_clock.hpp"

#include "telemetry/line_writer.hpp"

#include <algorithm>
#include <chrono>

namespace canaryd::telemetry {
namespace {

constexpr std::int64_t kMillion = 1'000'000;
constexpr Duration kCompareEvery = std::chrono::seconds(1);

// "2026-01-05T10:02:00." or "05/Jan/2026:10:02:00 +0000".
void write_second(char* to, std::int64_t second, AccessFormat format) noexcept {
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const std::chrono::sys_seconds at{std::chrono::seconds(second)};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(at - day);
  const auto month = static_cast<unsigned>(date.month());
  LineWriter out(to);
  const auto two = [&out](auto value) { out.digits(static_cast<std::uint64_t>(value), 2); };
  const auto year = static_cast<std::uint64_t>(std::clamp(static_cast<int>(date.year()), 0, 9999));
  if (format == AccessFormat::kJson) {
    out.digits(year, 4);
    out.character('-');
    two(month);
    out.character('-');
    two(static_cast<unsigned>(date.day()));
    out.character('T');
  } else {
    two(static_cast<unsigned>(date.day()));
    out.character('/');
    out.plain(kMonths.substr(3 * (month - 1), 3), 3);
    out.character('/');
    out.digits(year, 4);
    out.character(':');
  }
  two(clock.hours().count());
  out.character(':');
  two(clock.minutes().count());
  out.character(':');
  two(clock.seconds().count());
  if (format == AccessFormat::kJson) {
    out.character('.');
  } else {
    out.literal(" +0000");
  }
}

constexpr std::size_t kIsoSecondBytes = 20;  // Milliseconds and 'Z' follow.
constexpr std::size_t kApacheBytes = 26;

}  // namespace

// The two clocks may drift apart, and the wall clock may be set: a second later it is noticed.
std::int64_t LineClock::wall_microseconds(Monotonic at) noexcept {
  if (!compared_ || at - compared_at_ >= kCompareEvery) {
    offset_ = clock_.wall_now().time_since_epoch() - at.time_since_epoch();
    compared_at_ = at;
    compared_ = true;
  }
  const Duration wall = at.time_since_epoch() + offset_;
  return std::chrono::duration_cast<std::chrono::microseconds>(wall).count();
}

LineTimes LineClock::times(const AccessRecord& record, AccessFormat format) noexcept {
  const std::int64_t ended = wall_microseconds(record.ended_at);
  const auto total =
      std::chrono::duration_cast<std::chrono::microseconds>(record.ended_at - record.started_at);
  const std::int64_t started = ended - total.count();
  if (started / kMillion != second_ || format != format_) {
    second_ = started / kMillion;
    format_ = format;
    write_second(text_.data(), second_, format);
  }
  LineTimes times;
  times.ended_at_us = ended;
  times.started = {text_.data(), kApacheBytes};
  if (format == AccessFormat::kJson) {
    LineWriter fraction(text_.data() + kIsoSecondBytes);
    fraction.digits(static_cast<std::uint64_t>(started % kMillion / 1000), 3);
    fraction.character('Z');
    times.started = {text_.data(), kIsoSecondBytes + 4};
  }
  return times;
}

}  // namespace canaryd::telemetry
