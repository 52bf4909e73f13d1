#include "control/clock_watch.hpp"

#include <algorithm>

namespace canaryd::control {

WallTime::duration ClockWatch::look(Monotonic now, WallTime wall_now) {
  WallTime::duration step{};
  if (looked_) {
    const auto real = std::chrono::duration_cast<WallTime::duration>(now - now_);
    const WallTime::duration difference = (wall_now - wall_now_) - real;
    if (std::chrono::abs(difference) > kTolerance) step = difference;
  }
  looked_ = true;
  now_ = now;
  wall_now_ = wall_now;
  total_ += step;
  if (periods_.empty() || step != WallTime::duration::zero()) {
    periods_.push_back({wall_now, wall_now, total_});
    if (periods_.size() > kPeriodsMost) periods_.pop_front();
  }
  // A clock that is slewed back within a period takes nothing from it.
  periods_.back().until = std::max(periods_.back().until, wall_now);
  return step;
}

// Where the clock was set back, a time may be of two periods: then of the later one.
WallTime::duration ClockWatch::since(WallTime time) const noexcept {
  const WallTime::duration by_clock = wall_now_ - time;
  const auto period = std::find_if(periods_.rbegin(), periods_.rend(), [&](const Period& each) {
    return each.from <= time && time <= each.until;
  });
  return period == periods_.rend() ? by_clock : by_clock - (total_ - period->total);
}

}  // namespace canaryd::control
