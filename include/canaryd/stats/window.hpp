// The last minute of traffic, second by second: requests a second, and the failure share of the
// last ten seconds that decides between a bad canary and a bad environment (docs/statistics.md).
// Time is an argument; seconds of any one line. Thread rule: a plain value.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace canaryd::stats {

class TrafficWindow {
 public:
  static constexpr std::int64_t kSeconds = 60;

  struct Sum {
    std::uint64_t requests = 0;
    std::uint64_t failures = 0;
    friend bool operator==(const Sum&, const Sum&) = default;
  };

  // What happened in this second; a second older than the window is ignored.
  void add(std::int64_t second, std::uint64_t requests, std::uint64_t failures) noexcept;

  // The `seconds` full seconds before `now` (the current second is still filling and left out); at
  // most 60.
  [[nodiscard]] Sum last(std::int64_t seconds, std::int64_t now) const noexcept;
  [[nodiscard]] double requests_per_second(std::int64_t seconds, std::int64_t now) const noexcept;
  // Nothing when there was no request.
  [[nodiscard]] std::optional<double> failure_share(std::int64_t seconds,
                                                    std::int64_t now) const noexcept;

 private:
  struct Slot {
    std::int64_t second = INT64_MIN;
    Sum sum;
  };
  // One slot more than can be asked for, so that the filling second does not push out the oldest.
  static constexpr std::size_t kSlots = kSeconds + 1;
  static std::size_t slot_of(std::int64_t second) noexcept;

  std::array<Slot, kSlots> slots_{};
};

}  // namespace canaryd::stats
