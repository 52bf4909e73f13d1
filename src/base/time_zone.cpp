#include "canaryd/base/time_zone.hpp"

#include <date/tz.h>
#include <exception>

namespace canaryd {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kNameMax = 64;

date::sys_time<milliseconds> theirs(WallTime time) {
  return date::sys_time<milliseconds>(time.time_since_epoch());
}
date::local_time<milliseconds> theirs(LocalTime time) {
  return date::local_time<milliseconds>(time.time_since_epoch());
}

// Of a database that is there.
const date::time_zone* locate(std::string_view name) noexcept {
  try {
    return date::locate_zone(name);
  } catch (const std::exception&) {
    return nullptr;
  }
}

}  // namespace

Result<TimeZone> TimeZone::find(std::string_view name) {
  TimeZone found;
  if (name == found.name_) return found;
  if (name.empty() || name.size() > kNameMax) {
    return fail(ErrorCode::kNotFound, "not the name of a time zone");
  }
  try {
    static_cast<void>(date::get_tzdb());
    found.zone_ = locate(name);
    if (found.zone_ == nullptr) return fail(ErrorCode::kNotFound, "there is no such time zone");
    // A zone's file is read when it is first asked: what is wrong with it shows here.
    static_cast<void>(found.zone_->get_info(theirs(WallTime())));
  } catch (const std::exception& error) {
    return fail(ErrorCode::kIo,
                std::string("the time zones of this system cannot be read: ") + error.what());
  }
  found.name_ = name;
  return found;
}

LocalTime TimeZone::to_local(WallTime time) const {
  if (zone_ == nullptr) return LocalTime(time.time_since_epoch());
  return LocalTime(time.time_since_epoch() + zone_->get_info(theirs(time)).offset);
}

WallTime TimeZone::to_utc(LocalTime time, Twice twice) const {
  if (zone_ == nullptr) return WallTime(time.time_since_epoch());
  const date::local_info info = zone_->get_info(theirs(time));
  if (info.result == date::local_info::nonexistent) {
    return WallTime(std::chrono::duration_cast<milliseconds>(info.first.end.time_since_epoch()));
  }
  const bool second = info.result == date::local_info::ambiguous && twice == Twice::kLast;
  return WallTime(time.time_since_epoch() - (second ? info.second : info.first).offset);
}

}  // namespace canaryd
