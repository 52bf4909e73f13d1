// Bounded queue from one thread to one other, which drops and counts when it is full: a slow reader
// must never hold up traffic. Lamport's ring: each side owns one index and keeps a copy of the
// other's, so that an uncontended push or pop touches one shared cache line.
//
// Thread rule: exactly one pushing thread, exactly one popping thread; dropped() from any.
// A record pushed carries with it everything its pusher wrote before (release/acquire).
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <vector>

namespace canaryd::stats {

template <class T>
class SpscQueue {
  static_assert(std::is_trivially_copyable_v<T>, "records are copied by value");

 public:
  // The capacity is rounded up to a power of two.
  explicit SpscQueue(std::size_t capacity)
      : slots_(std::bit_ceil(capacity < 2 ? std::size_t{2} : capacity)), mask_(slots_.size() - 1) {}
  SpscQueue(const SpscQueue&) = delete;
  SpscQueue& operator=(const SpscQueue&) = delete;

  // False, and one more dropped, when the queue is full.
  bool push(const T& value) noexcept {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_seen_ == slots_.size()) {
      head_seen_ = head_.load(std::memory_order_acquire);
      if (tail - head_seen_ == slots_.size()) {
        dropped_.store(dropped_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        return false;
      }
    }
    slots_[tail & mask_] = value;
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  [[nodiscard]] std::optional<T> pop() noexcept {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_seen_) {
      tail_seen_ = tail_.load(std::memory_order_acquire);
      if (head == tail_seen_) return std::nullopt;
    }
    const T value = slots_[head & mask_];
    head_.store(head + 1, std::memory_order_release);
    return value;
  }

  [[nodiscard]] std::size_t capacity() const noexcept { return slots_.size(); }
  [[nodiscard]] std::uint64_t dropped() const noexcept {
    return dropped_.load(std::memory_order_relaxed);
  }

 private:
  std::vector<T> slots_;
  std::size_t mask_;
  // The popping thread's line.
  alignas(64) std::atomic<std::size_t> head_{0};
  std::size_t tail_seen_ = 0;
  // The pushing thread's line.
  alignas(64) std::atomic<std::size_t> tail_{0};
  std::size_t head_seen_ = 0;
  std::atomic<std::uint64_t> dropped_{0};
};

}  // namespace canaryd::stats
