// A clock that stands still until the test moves it. Thread rule: any thread may read, one moves.
#pragma once

#include "canaryd/base/clock.hpp"

#include <atomic>

namespace canaryd::test {

class ManualClock final : public Clock {
 public:
  // Starts at monotonic 1 h and wall 2026-01-05T10:00:00Z, so that "an hour ago" is a valid time.
  ManualClock() = default;

  [[nodiscard]] Monotonic now() const noexcept override {
    return Monotonic(std::chrono::hours(1) + Duration(elapsed_.load()));
  }
  [[nodiscard]] WallTime wall_now() const noexcept override {
    return WallTime(std::chrono::seconds(1767607200)) +
           std::chrono::duration_cast<std::chrono::milliseconds>(Duration(elapsed_.load()));
  }
  void advance(Duration by) { elapsed_ += by.count(); }

 private:
  std::atomic<Duration::rep> elapsed_{0};
};

}  // namespace canaryd::test
