// Whole lines from one thread to one other, without a copy: the writer formats into the ring, the
// reader hands its memory to write().
//
// A line is always written in one piece, if need be past the end of the ring into a slack of one
// line; what lies there is then copied to the front, where the positions say it is. The reader
// takes a line that crosses the end from the slack as well, so it sees whole lines only. The slack
// cannot be overwritten before that: the next line to cross the end comes a whole ring later.
//
// Thread rule: one writing thread, one reading thread; dropped() from any.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace canaryd::telemetry {

class ByteRing {
 public:
  // A line has at most line_max bytes, its newline included. The capacity is rounded up to a power
  // of two and is at least two lines.
  ByteRing(std::size_t capacity, std::size_t line_max)
      : capacity_(std::bit_ceil(std::max(capacity, 2 * line_max))),
        line_max_(line_max),
        bytes_(std::make_unique_for_overwrite<char[]>(capacity_ + line_max)) {}

  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

  // Room for one line, or null when there is none; then one more is dropped.
  [[nodiscard]] char* begin_line() noexcept {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    if (capacity_ - (tail - head_seen_) < line_max_) {
      head_seen_ = head_.load(std::memory_order_acquire);
      if (capacity_ - (tail - head_seen_) < line_max_) {
        dropped_.store(dropped_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        return nullptr;
      }
    }
    return bytes_.get() + (tail & (capacity_ - 1));
  }
  // The line begun last ends before `end`, with a newline. Returns its size.
  std::size_t end_line(const char* end) noexcept {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    const std::size_t at = tail & (capacity_ - 1);
    const auto size = static_cast<std::size_t>(end - (bytes_.get() + at));
    if (at + size > capacity_) {
      std::memcpy(bytes_.get(), bytes_.get() + capacity_, at + size - capacity_);
    }
    tail_.store(tail + size, std::memory_order_release);
    return size;
  }

  // Lines that lie in one piece, possibly not all there are; empty: nothing to read.
  [[nodiscard]] std::string_view readable() const noexcept {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    const std::size_t size = tail_.load(std::memory_order_acquire) - head;
    const std::size_t at = head & (capacity_ - 1);
    const char* const begin = bytes_.get() + at;
    if (at + size <= capacity_ || size == 0) return {begin, size};
    const char* end = bytes_.get() + capacity_;
    if (end[-1] != '\n') {
      end = static_cast<const char*>(std::memchr(end, '\n', line_max_)) + 1;
    }
    return {begin, static_cast<std::size_t>(end - begin)};
  }
  void consume(std::size_t size) noexcept {
    head_.store(head_.load(std::memory_order_relaxed) + size, std::memory_order_release);
  }

  [[nodiscard]] std::uint64_t dropped() const noexcept {
    return dropped_.load(std::memory_order_relaxed);
  }

 private:
  const std::size_t capacity_;
  const std::size_t line_max_;
  // Not cleared: pages that no line has reached stay untouched.
  const std::unique_ptr<char[]> bytes_;
  alignas(64) std::atomic<std::size_t> head_{0};  // The reading thread's line.
  alignas(64) std::atomic<std::size_t> tail_{0};  // The writing thread's line.
  std::size_t head_seen_ = 0;
  std::atomic<std::uint64_t> dropped_{0};
};

}  // namespace canaryd::telemetry
