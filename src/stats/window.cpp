#include "canaryd/stats/window.hpp"

#include <algorithm>

namespace canaryd::stats {

std::size_t TrafficWindow::slot_of(std::int64_t second) noexcept {
  constexpr auto kCount = static_cast<std::int64_t>(kSlots);
  return static_cast<std::size_t>((second % kCount + kCount) % kCount);
}

void TrafficWindow::add(std::int64_t second,
                        std::uint64_t requests,
                        std::uint64_t failures) noexcept {
  Slot& slot = slots_[slot_of(second)];
  if (slot.second > second) return;
  if (slot.second < second) slot = {second, {}};
  slot.sum.requests += requests;
  slot.sum.failures += failures;
}

TrafficWindow::Sum TrafficWindow::last(std::int64_t seconds, std::int64_t now) const noexcept {
  Sum sum;
  for (std::int64_t back = 1; back <= std::min(seconds, kSeconds); ++back) {
    const Slot& slot = slots_[slot_of(now - back)];
    if (slot.second != now - back) continue;
    sum.requests += slot.sum.requests;
    sum.failures += slot.sum.failures;
  }
  return sum;
}

double TrafficWindow::requests_per_second(std::int64_t seconds, std::int64_t now) const noexcept {
  const std::int64_t asked = std::clamp<std::int64_t>(seconds, 1, kSeconds);
  return static_cast<double>(last(asked, now).requests) / static_cast<double>(asked);
}

std::optional<double> TrafficWindow::failure_share(std::int64_t seconds,
                                                   std::int64_t now) const noexcept {
  const Sum sum = last(seconds, now);
  if (sum.requests == 0) return std::nullopt;
  return static_cast<double>(sum.failures) / static_cast<double>(sum.requests);
}

}  // namespace canaryd::stats
