// The whole numbers of a row of evidence, and what its two kinds, settings and blocks, have in
// common (evidence_rows.hpp). Pure.
#pragma once

#include "canaryd/stats/latency.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace canaryd::control {

// Doubles go into the rows bit by bit, so that a replay computes with the same numbers.
inline std::int64_t bits(double value) noexcept {
  return std::bit_cast<std::int64_t>(value);
}
inline double number(std::int64_t value) noexcept {
  return std::bit_cast<double>(value);
}

inline std::int64_t whole(std::uint64_t value) noexcept {
  return static_cast<std::int64_t>(value);
}

// Takes one value after the other. Past the end, or out of bounds, it is not good() any more.
class Values {
 public:
  explicit Values(std::span<const std::int64_t> values) : left_(values) {}

  [[nodiscard]] bool empty() const noexcept { return left_.empty(); }
  [[nodiscard]] bool good() const noexcept { return good_; }

  std::int64_t next() noexcept {
    if (left_.empty()) {
      good_ = false;
      return 0;
    }
    const std::int64_t value = left_.front();
    left_ = left_.subspan(1);
    return value;
  }
  double next_double() noexcept { return number(next()); }
  std::uint64_t next_up_to(std::int64_t most) noexcept {
    const std::int64_t value = next();
    if (value >= 0 && value <= most) return static_cast<std::uint64_t>(value);
    good_ = false;
    return 0;
  }
  std::uint64_t next_count() noexcept { return next_up_to(INT64_MAX); }
  template <class Small>
  Small next_small(std::int64_t most) noexcept {
    return static_cast<Small>(next_up_to(most));
  }
  void fail_unless(bool fine) noexcept { good_ = good_ && fine; }

 private:
  std::span<const std::int64_t> left_;
  bool good_ = true;
};

inline constexpr std::int64_t kAllQuantiles = (1 << stats::kLatencyQuantiles) - 1;

// What came later than routes follows in parts, each with its number; a part that says nothing is
// left out. Numbers are never used again.
enum class Part : std::int64_t {
  kLimits = 1,
  kFeedback = 2,
  kClientErrors = 3,
  kSegments = 4,
  kRepeats = 5,
  kClients = 6,
  kClientsFailing = 7,
  kRouteClients = 8,
  kSegmentClients = 9
};

// The number of the part that follows; each is there at most once, which `seen` knows.
inline Part next_part(Values& values, std::uint64_t& seen) noexcept {
  const std::uint64_t part = values.next_up_to(63);
  values.fail_unless(((seen >> part) & 1U) == 0);
  seen |= std::uint64_t{1} << part;
  return static_cast<Part>(part);
}

}  // namespace canaryd::control
