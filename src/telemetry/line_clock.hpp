// The times of a line: a record has those of its worker's monotonic clock, a line says the wall
// clock's. Thread rule: one owner. Private to the room.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/telemetry/access_log.hpp"
#include "telemetry/access_format.hpp"

#include <array>
#include <cstdint>

namespace canaryd::telemetry {

class LineClock {
 public:
  explicit LineClock(const Clock& clock) noexcept : clock_(clock) {}

  // Valid until the next call.
  [[nodiscard]] LineTimes times(const AccessRecord& record, AccessFormat format) noexcept;

 private:
  [[nodiscard]] std::int64_t wall_microseconds(Monotonic at) noexcept;

  const Clock& clock_;
  // Wall clock minus monotonic clock, compared once a second.
  Duration offset_{};
  Monotonic compared_at_{};
  bool compared_ = false;
  // Kept from one line to the next: the calendar is asked once a second.
  std::int64_t second_ = -1;
  AccessFormat format_ = AccessFormat::kJson;
  std::array<char, 32> text_{};
};

}  // namespace canaryd::telemetry
