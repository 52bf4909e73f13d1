// Freeze windows: hours of the week in which no weight rises (docs/interfaces.md 2.1).
//
// A window is written in local time and ends when its clock says so, whatever daylight saving does
// in between: a skipped hour counts as the end of the gap, one that is there twice is frozen both
// times. Plain values; pure; any thread.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/time_zone.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace canaryd::rollout {

inline constexpr std::size_t kMaxFreezeWindows = 20;

// A set of days of the week: bit n is that of std::chrono::weekday(n), 0 is Sunday.
using Weekdays = std::uint8_t;
inline constexpr Weekdays kEveryDay = 0x7f;

struct FreezeWindow {
  Weekdays days = kEveryDay;                         // On which it begins.
  std::chrono::minutes from{0};                      // Of the local day, below 24 h.
  std::chrono::minutes to = std::chrono::hours(24);  // Not after `from`: on the day after.
  TimeZone zone;
  friend bool operator==(const FreezeWindow&, const FreezeWindow&) = default;
};

// The moment at which the last of the windows that meet or overlap at `now` ends; nothing if none
// is open. Of windows that leave no gap within two weeks it is a moment after these.
[[nodiscard]] std::optional<WallTime> frozen_until(const std::vector<FreezeWindow>& windows,
                                                   WallTime now);

// Whether the windows leave no time at all.
[[nodiscard]] bool is_always_frozen(const std::vector<FreezeWindow>& windows);

}  // namespace canaryd::rollout
