// A time zone of the system's database (/usr/share/zoneinfo, Debian's tzdata), for rules that
// people write in local time.
//
// The database is read when the first zone is looked up, a zone when it is first found; what
// changes on disk afterwards is not seen until a restart. After find() everything is a pure
// function of its arguments; any thread. Known until 2037: the library (libhowardhinnant-date)
// reads the transitions that the files list, not the rule for the years after them.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/error.hpp"

#include <chrono>
#include <string>
#include <string_view>

namespace date {
class time_zone;
}  // namespace date

namespace canaryd {

using LocalTime = std::chrono::local_time<std::chrono::milliseconds>;

// Of a local time that is there twice, when clocks are put back.
enum class Twice { kFirst, kLast };

class TimeZone {
 public:
  TimeZone() = default;  // UTC, which needs no database.

  // "Europe/Berlin", "UTC". kNotFound: there is none of this name; kIo: there is no database.
  [[nodiscard]] static Result<TimeZone> find(std::string_view name);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] LocalTime to_local(WallTime time) const;
  // A local time that is skipped, when clocks are put forward, is the end of the gap.
  [[nodiscard]] WallTime to_utc(LocalTime time, Twice twice) const;

  friend bool operator==(const TimeZone& a, const TimeZone& b) noexcept {
    return a.name_ == b.name_;
  }

 private:
  std::string name_ = "UTC";
  const date::time_zone* zone_ = nullptr;  // Lives as long as the process; null: UTC.
};

}  // namespace canaryd
