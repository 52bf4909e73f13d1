// Time. Everything that needs it takes a Clock& or a time as an argument; only SystemClock asks the
// machine.
//
// Two kinds, never mixed: Monotonic for deadlines and durations inside one process, WallTime for
// what is shown to people and what outlives the process.
#pragma once

#include <chrono>

namespace canaryd {

using Duration = std::chrono::nanoseconds;

// Tag of the monotonic time line; has no now(), so that nobody can ask it behind a test's back.
struct MonotonicLine {
  using rep = Duration::rep;
  using period = Duration::period;
  using duration = Duration;
  static constexpr bool is_steady = true;
};

using Monotonic = std::chrono::time_point<MonotonicLine, Duration>;
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

// Thread rule: now() and wall_now() may be called from any thread.
class Clock {
 public:
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock() = default;

  [[nodiscard]] virtual Monotonic now() const noexcept = 0;
  [[nodiscard]] virtual WallTime wall_now() const noexcept = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] Monotonic now() const noexcept override;
  [[nodiscard]] WallTime wall_now() const noexcept override;
};

}  // namespace canaryd
