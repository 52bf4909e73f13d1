// Latency histogram with 340 logarithmic buckets, 5 % wide, from 0.1 ms to 26 minutes.
//
// Bucket k holds latencies from 0.1 ms * 1.05^k (inclusive) to 0.1 ms * 1.05^(k+1); everything
// below the first edge is in bucket 0, everything above the last in bucket 339. The bucket is found
// through a table: the position of the highest bit and the five bits below it name a cell at most
// 1/32 (3.1 %) wide, which holds at most one edge, so one comparison finishes the search. No
// logarithm a request.
//
// Error: a quantile is reported as the geometric middle of its bucket, at most 2.5 % off (outside
// the range: clamped). Thread rule: a plain value; the atomic form is in counter_block.hpp.
#pragma once

#include "canaryd/base/clock.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace canaryd::stats {

inline constexpr std::size_t kLatencyBuckets = 340;
inline constexpr double kLatencyGrowth = 1.05;

namespace detail {

struct LatencyTable {
  static constexpr unsigned kLowestBits = 17;   // 100,000 ns, the first edge, has 17 bits.
  static constexpr unsigned kHighestBits = 41;  // The last edge, 1.5e12 ns, has 41.
  static constexpr std::size_t kCells = (kHighestBits - kLowestBits + 1) * std::size_t{32};

  // edges[k] is the first nanosecond of bucket k; one more, never reached, ends the table.
  std::array<std::uint64_t, kLatencyBuckets + 1> edges{};
  // The bucket of the first nanosecond of each cell.
  std::array<std::uint16_t, kCells> cells{};
};

constexpr LatencyTable make_latency_table() {
  LatencyTable table;
  double edge = 100'000.0;
  for (std::size_t k = 0; k < kLatencyBuckets; ++k) {
    const auto whole = static_cast<std::uint64_t>(edge);
    table.edges[k] = whole + (static_cast<double>(whole) < edge ? 1 : 0);
    edge *= kLatencyGrowth;
  }
  table.edges[kLatencyBuckets] = UINT64_MAX;
  std::size_t bucket = 0;
  for (std::size_t cell = 0; cell < LatencyTable::kCells; ++cell) {
    const unsigned shift = LatencyTable::kLowestBits - 6 + static_cast<unsigned>(cell / 32);
    const std::uint64_t first = (std::uint64_t{32} + cell % 32) << shift;
    while (first >= table.edges[bucket + 1]) ++bucket;
    table.cells[cell] = static_cast<std::uint16_t>(bucket);
  }
  return table;
}

inline constexpr LatencyTable kLatencyTable = make_latency_table();

}  // namespace detail

// The bucket of a latency; negative ones count as zero.
[[nodiscard]] constexpr std::size_t latency_bucket(Duration latency) noexcept {
  using Table = detail::LatencyTable;
  const auto& table = detail::kLatencyTable;
  if (latency.count() < 0 || static_cast<std::uint64_t>(latency.count()) < table.edges[0]) return 0;
  const auto nanoseconds = static_cast<std::uint64_t>(latency.count());
  if (nanoseconds >= table.edges[kLatencyBuckets - 1]) return kLatencyBuckets - 1;
  const auto bits = static_cast<unsigned>(std::bit_width(nanoseconds));
  const std::size_t cell =
      (bits - Table::kLowestBits) * std::size_t{32} + ((nanoseconds >> (bits - 6)) & 31U);
  const std::size_t bucket = table.cells[cell];
  return bucket + (nanoseconds >= table.edges[bucket + 1] ? 1U : 0U);
}

// The first latency that falls into the bucket (bucket 0 also takes all that is shorter).
[[nodiscard]] Duration latency_bucket_start(std::size_t bucket);
// The latency that stands for a bucket: the geometric middle of its edges.
[[nodiscard]] Duration latency_bucket_middle(std::size_t bucket);

class Histogram {
 public:
  void add(Duration latency, std::uint64_t count = 1) noexcept {
    buckets_[latency_bucket(latency)] += count;
  }
  void add_bucket(std::size_t bucket, std::uint64_t count) noexcept {
    buckets_[std::min(bucket, kLatencyBuckets - 1)] += count;
  }

  [[nodiscard]] std::uint64_t bucket(std::size_t index) const { return buckets_[index]; }
  [[nodiscard]] std::uint64_t total() const noexcept;

  // q in (0, 1]; nothing when the histogram is empty.
  [[nodiscard]] std::optional<std::size_t> quantile_bucket(double q) const;
  [[nodiscard]] std::optional<Duration> quantile(double q) const;

  // How many took at most this long, for Prometheus' cumulative buckets with bounds of the user's
  // choice. A latency within 2.5 % of the bound may be counted on the wrong side of it.
  [[nodiscard]] std::uint64_t at_most(Duration bound) const;

  Histogram& operator+=(const Histogram& other) noexcept;
  // What came since an earlier reading of the same counters; a bucket never goes below 0.
  [[nodiscard]] Histogram since(const Histogram& earlier) const noexcept;

  friend bool operator==(const Histogram&, const Histogram&) = default;

 private:
  std::array<std::uint64_t, kLatencyBuckets> buckets_{};
};

// A histogram added up once, for whoever asks it often: each answer then takes no pass over it.
class CumulativeHistogram {
 public:
  explicit CumulativeHistogram(const Histogram& of) noexcept;

  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }
  // How many are in buckets above this one; what the latency metrics call slow.
  [[nodiscard]] std::uint64_t above(std::size_t bucket) const noexcept {
    return bucket < kLatencyBuckets ? above_[bucket] : 0;
  }
  // As of the histogram.
  [[nodiscard]] std::optional<std::size_t> quantile_bucket(double q) const;

 private:
  std::uint64_t total_ = 0;
  std::array<std::uint64_t, kLatencyBuckets> above_;  // By bucket; set in the constructor.
};

}  // namespace canaryd::stats
