#include "canaryd/base/clock.hpp"

namespace canaryd {

Monotonic SystemClock::now() const noexcept {
  return Monotonic(
      std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

WallTime SystemClock::wall_now() const noexcept {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

}  // namespace canaryd
