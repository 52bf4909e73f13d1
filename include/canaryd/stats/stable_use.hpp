// Who still uses the old version of a rollout that is to be retired: one worker tells control.
//
// Exists only while the old version is watched. Each use is counted; who it was is kept as far as
// there is room until control has read it, so that a crowd costs no more than a few.
//
// Thread rule: note() on the worker's thread, the rest on control's; lock-free. Limits: kKept uses
// between two readings, texts cut to what a BoundedText holds.
#pragma once

#include "canaryd/base/ip.hpp"
#include "canaryd/stats/spsc_queue.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace canaryd::stats {

template <std::size_t N>
struct BoundedText {
  std::array<char, N> bytes{};
  std::uint8_t size = 0;
  static_assert(N <= 255);

  BoundedText() = default;
  explicit BoundedText(std::string_view text) noexcept
      : size(static_cast<std::uint8_t>(std::min(text.size(), N))) {
    std::copy_n(text.begin(), size, bytes.begin());
  }
  [[nodiscard]] std::string_view view() const noexcept { return {bytes.data(), size}; }
};

// One request or tunnel that went to it.
struct StableUser {
  BoundedText<63> route;
  BoundedText<15> rule;  // routing::PickRule, or "fallback".
  IpAddress client;
  BoundedText<95> user_agent;  // Untrusted.
};

class StableUse {
 public:
  static constexpr std::size_t kKept = 32;

  void note(const StableUser& user) noexcept {
    users_.push(user);
    // One writer: no locked instruction.
    count_.store(count_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }

  [[nodiscard]] std::uint64_t count() const noexcept {
    return count_.load(std::memory_order_acquire);
  }
  [[nodiscard]] std::optional<StableUser> next() noexcept { return users_.pop(); }

 private:
  SpscQueue<StableUser> users_{kKept};
  std::atomic<std::uint64_t> count_{0};
};

}  // namespace canaryd::stats
