// Durations that one thread counts and any other reads, without a lock.
//
// Thread rule: one writer, which only loads and stores (no read-modify-write); any thread may read.
// A reading is not a cut through time: what is being added may show in part, the rest of it in the
// next one. Size: 2.8 KB.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/stats/histogram.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace canaryd::stats {

// A reading: plain values, which add up over threads.
struct DurationReading {
  Histogram histogram;
  std::uint64_t sum_us = 0;

  DurationReading& operator+=(const DurationReading& other) noexcept {
    histogram += other.histogram;
    sum_us += other.sum_us;
    return *this;
  }
  friend bool operator==(const DurationReading&, const DurationReading&) = default;
};

class alignas(64) DurationCounters {
 public:
  DurationCounters() = default;
  DurationCounters(const DurationCounters&) = delete;
  DurationCounters& operator=(const DurationCounters&) = delete;

  // Negative ones count as zero.
  void add(Duration duration) noexcept {
    bump(buckets_[latency_bucket(duration)], 1);
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
    bump(sum_us_, us > 0 ? static_cast<std::uint64_t>(us) : 0);
  }

  [[nodiscard]] DurationReading read() const noexcept {
    DurationReading reading;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      reading.histogram.add_bucket(i, buckets_[i].load(std::memory_order_relaxed));
    }
    reading.sum_us = sum_us_.load(std::memory_order_relaxed);
    return reading;
  }

 private:
  using Counter = std::atomic<std::uint64_t>;

  static void bump(Counter& counter, std::uint64_t by) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }

  Counter sum_us_{0};
  std::array<Counter, kLatencyBuckets> buckets_{};
};

}  // namespace canaryd::stats
