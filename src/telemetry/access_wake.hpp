// How a worker wakes the writer of the access log before its time: an eventfd, shared by all, so
// that it is open as long as anybody may write to it. Private to the room.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/error.hpp"

#include <memory>

namespace canaryd::telemetry {

struct AccessWake {
  [[nodiscard]] static Result<std::shared_ptr<AccessWake>> create();
  explicit AccessWake(int fd_in) noexcept : fd(fd_in) {}
  AccessWake(const AccessWake&) = delete;
  AccessWake& operator=(const AccessWake&) = delete;
  ~AccessWake();

  void wake() const noexcept;  // Any thread; never blocks.
  // Until woken, or so long.
  void wait(Duration limit) const noexcept;

  const int fd;
};

}  // namespace canaryd::telemetry
