// Whether a peer takes what its socket holds already, while that takes no more from us.
//
// A socket that was full says so only when much has gone (TCP_NOTSENT_LOWAT, docs/design.md section
// 12), which takes a slow peer that never pauses minutes. Until then what is unacknowledged tells
// it from one that has stopped. It is looked at now and then while a direction waits, so whoever
// does not wait pays nothing. A reader in small bites may show in steps: its system opens the
// window by a segment at a time, which over loopback is 64 KiB.
//
// Thread rule: one worker.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/net/stream.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace canaryd::proxy {

class Backlog {
 public:
  // The next time to look, if nothing has moved since `moved_at` and that may be so for `limit`
  // (0: for ever): sooner the first time, for what is to be compared with.
  [[nodiscard]] Monotonic look_at(Monotonic moved_at, Duration limit) const noexcept {
    if (looked_at_ >= moved_at) return looked_at_ + kBetween;
    return moved_at + (limit > Duration::zero() ? std::min(kFirst, limit / 2) : kFirst);
  }

  // Whether the peer has taken some since the last look.
  [[nodiscard]] bool look(const net::Stream& to, Monotonic moved_at, Monotonic now) noexcept {
    const bool first = looked_at_ < moved_at;
    looked_at_ = now;
    const std::size_t held = to.unacknowledged().value_or(held_);
    const bool taken = !first && held < held_;
    if (first || held != held_) same_since_ = now;
    held_ = held;
    return taken;
  }

  // For how long nothing had gone when it was last looked at.
  [[nodiscard]] Duration stood() const noexcept { return looked_at_ - same_since_; }

 private:
  static constexpr Duration kFirst = std::chrono::milliseconds(250);
  static constexpr Duration kBetween = std::chrono::seconds(1);

  Monotonic looked_at_ = Monotonic::min();
  Monotonic same_since_ = Monotonic::min();
  std::size_t held_ = 0;
};

}  // namespace canaryd::proxy
