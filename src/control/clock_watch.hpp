// Finds out that the wall clock was set while the daemon runs.
//
// How long something has to last is real time, but the states of rollouts have wall times, because
// they outlive the process. If the wall clock has gone further since the last look than the
// monotonic one, or less far, it was set by the difference. What is within kTolerance is a clock
// that is slewed, or a look that took a while. A machine that slept is one whose clock was set
// forward: the monotonic clock stood still, and nobody was served.
//
// Thread rule: the control thread.
#pragma once

#include "canaryd/base/clock.hpp"

#include <cstddef>
#include <deque>

namespace canaryd::control {

class ClockWatch {
 public:
  static constexpr WallTime::duration kTolerance = std::chrono::seconds(5);

  // Both clocks, read one after the other; at least once a minute or so, or what is slewed adds up.
  // By how much the wall clock was set since the last look.
  WallTime::duration look(Monotonic now, WallTime wall_now);
  // By how much since the first look.
  [[nodiscard]] WallTime::duration total() const noexcept { return total_; }
  // How long before the last look this was: in real time where it may be the time of a look, else,
  // as of what was before the process began, by what the clock says.
  [[nodiscard]] WallTime::duration since(WallTime time) const noexcept;

 private:
  // The looks between two settings of the clock.
  struct Period {
    WallTime from;
    WallTime until;
    WallTime::duration total{};
  };
  static constexpr std::size_t kPeriodsMost = 64;

  bool looked_ = false;
  Monotonic now_{};
  WallTime wall_now_{};
  WallTime::duration total_{};
  std::deque<Period> periods_;  // Oldest first.
};

}  // namespace canaryd::control
