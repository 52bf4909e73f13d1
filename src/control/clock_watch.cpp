#include "control/clock_watch.hpp"

namespace canaryd::control {

WallTime::duration ClockWatch::look(Monotonic now, WallTime wall_now) noexcept {
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
  return step;
}

}  // namespace canaryd::control
