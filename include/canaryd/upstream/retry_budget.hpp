// How many retries an upstream may get from one worker, so that trying again cannot become the load
// that keeps a failing upstream down.
//
// Each request deposits `percent` hundredths of a retry; each retry takes a whole one. What is
// saved is at most kBurst retries, so a healthy hour pays for no storm. When nothing is saved there
// is a reserve of kReserve retries, which refills by one a second: low traffic may retry, and full
// failure costs the upstream no more than (100 + percent) % of its requests, and one more a second.
// A retry that is free (retry.hpp: the pooled connection was dead) is not counted.
//
// Pure; time is an argument. Thread rule: one worker.
#pragma once

#include "canaryd/base/clock.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace canaryd::upstream {

class RetryBudget {
 public:
  static constexpr std::uint32_t kBurst = 10;
  static constexpr std::uint32_t kReserve = 3;

  explicit RetryBudget(std::uint8_t percent) noexcept : percent_(percent) {}
  // After a change of the settings; what is saved stays.
  void set_percent(std::uint8_t percent) noexcept { percent_ = percent; }

  // A request begins.
  void deposit() noexcept { saved_ = std::min(saved_ + percent_, kBurst * kOneRetry); }
  [[nodiscard]] bool available(Monotonic now) const noexcept {
    return saved_ >= kOneRetry || reserve(now) > 0;
  }
  // A retry, if there may be one.
  [[nodiscard]] bool withdraw(Monotonic now) noexcept {
    if (saved_ >= kOneRetry) {
      saved_ -= kOneRetry;
      return true;
    }
    const std::int64_t left = reserve(now);
    if (left == 0) return false;
    if (left == kReserve) reserve_empty_at_ = now - std::chrono::seconds(kReserve);
    reserve_empty_at_ += std::chrono::seconds(1);
    return true;
  }

 private:
  static constexpr std::uint32_t kOneRetry = 100;

  // It grows by one a second from the moment at which it was empty.
  [[nodiscard]] std::int64_t reserve(Monotonic now) const noexcept {
    const std::int64_t seconds =
        std::chrono::duration_cast<std::chrono::seconds>(now - reserve_empty_at_).count();
    return std::clamp<std::int64_t>(seconds, 0, kReserve);
  }

  std::uint32_t saved_ = 0;  // In hundredths of a retry.
  std::uint8_t percent_;
  Monotonic reserve_empty_at_{};
};

}  // namespace canaryd::upstream
