#include "canaryd/rollout/freeze.hpp"

namespace canaryd::rollout {
namespace {

using std::chrono::days;
using std::chrono::local_days;

bool begins_on(const FreezeWindow& window, local_days day) noexcept {
  return ((window.days >> std::chrono::weekday(day).c_encoding()) & 1U) != 0;
}

// When the window of this day ends, if it is open at `now`.
std::optional<WallTime> end_if_open(const FreezeWindow& window, local_days day, WallTime now) {
  if (!begins_on(window, day)) return std::nullopt;
  const local_days last = window.to > window.from ? day : day + days(1);
  const WallTime from = window.zone.to_utc(LocalTime(day) + window.from, Twice::kFirst);
  const WallTime to = window.zone.to_utc(LocalTime(last) + window.to, Twice::kLast);
  if (from > now || to <= now) return std::nullopt;
  return to;
}

std::optional<WallTime> open_until(const std::vector<FreezeWindow>& windows, WallTime now) {
  std::optional<WallTime> latest;
  for (const FreezeWindow& window : windows) {
    const auto today = std::chrono::floor<days>(window.zone.to_local(now));
    // One that began yesterday may go past midnight.
    for (const local_days day : {today - days(1), today}) {
      const auto end = end_if_open(window, day, now);
      if (end && (!latest || *end > *latest)) latest = end;
    }
  }
  return latest;
}

}  // namespace

std::optional<WallTime> frozen_until(const std::vector<FreezeWindow>& windows, WallTime now) {
  const WallTime horizon = now + days(15);
  std::optional<WallTime> until = open_until(windows, now);
  while (until && *until < horizon) {
    const auto further = open_until(windows, *until);
    if (!further) break;
    until = further;
  }
  return until;
}

bool is_always_frozen(const std::vector<FreezeWindow>& windows) {
  // A week without a change of clocks anywhere.
  constexpr WallTime kMonday{std::chrono::sys_days(std::chrono::year(2024) / 1 / 8)};
  const auto until = frozen_until(windows, kMonday);
  return until && *until - kMonday > days(14);
}

}  // namespace canaryd::rollout
