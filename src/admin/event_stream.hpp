// A streaming answer: the queue between who has events and the connection that sends them, as
// server-sent events (HTML Living Standard, section 9.2).
//
// A reader that does not keep up loses events: what does not fit the queue is dropped and counted,
// and the stream says so where the gap is, in an event "dropped" with {"events": 12}. Nobody waits
// for a reader. Thread rule: the control thread.
#pragma once

#include "canaryd/control/events.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace canaryd::admin {

// One event as bytes; data of several lines has as many fields.
[[nodiscard]] std::string to_frame(const control::StreamEvent& event);

// A line that readers ignore; it shows both sides that the other is there.
inline constexpr std::string_view kHeartbeatFrame = ": still here\n\n";

class EventStream {
 public:
  explicit EventStream(std::size_t queue_bytes_max) : queue_bytes_max_(queue_bytes_max) {}

  void push(const control::StreamEvent& event);
  // What the events come from; let go of by end().
  void feed_from(std::unique_ptr<control::Subscription> source) { source_ = std::move(source); }
  // Asked before each piece that is sent, and each heartbeat: whether its reader still may.
  void while_true(std::function<bool()> allowed) { allowed_ = std::move(allowed); }
  [[nodiscard]] bool may_go_on() const { return !allowed_ || allowed_(); }
  // Called when there is something to take after there was nothing.
  void on_ready(std::function<void()> callback) { ready_ = std::move(callback); }

  [[nodiscard]] bool empty() const noexcept { return queue_.empty() && dropped_ == 0; }
  [[nodiscard]] bool ended() const noexcept { return ended_; }
  // Whole frames, and only one if it is longer than bytes_max.
  [[nodiscard]] std::string take(std::size_t bytes_max);
  // No more events, and what waits is thrown away.
  void end();

 private:
  void enqueue(std::string frame);
  // The gap, told before what comes after it. False: no room even for that.
  bool tell_dropped();

  const std::size_t queue_bytes_max_;
  std::unique_ptr<control::Subscription> source_;
  std::function<void()> ready_;
  std::function<bool()> allowed_;
  std::deque<std::string> queue_;
  std::size_t queued_bytes_ = 0;
  std::uint64_t dropped_ = 0;
  bool ended_ = false;
};

}  // namespace canaryd::admin
