// At most so many in a second, and some more at once: a token bucket. Control thread only.
#pragma once

#include "canaryd/admin/server.hpp"
#include "canaryd/base/clock.hpp"

#include <algorithm>

namespace canaryd::admin {

class RateLimiter {
 public:
  explicit RateLimiter(const Rate& rate) : rate_(rate), left_(rate.burst) {}

  // False: one too many.
  [[nodiscard]] bool take(Monotonic now) noexcept {
    if (began_) {
      const std::chrono::duration<double> passed = now - last_;
      left_ = std::min<double>(rate_.burst, left_ + passed.count() * rate_.per_second);
    }
    began_ = true;
    last_ = now;
    if (left_ < 1) return false;
    left_ -= 1;
    return true;
  }

 private:
  const Rate rate_;
  double left_;
  Monotonic last_{};
  bool began_ = false;
};

}  // namespace canaryd::admin
