// Which of its rollout's segments (`analysis.watch`) a request is of: at most one for each rule.
// The numbers are those of the run: its first segment is 0.
//
// A plain value.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace canaryd {

class SegmentSet {
 public:
  static constexpr std::size_t kMost = 4;  // Rules of a rollout.

  // Room for kMost.
  void add(std::uint8_t segment) noexcept {
    if (size_ < kMost) segments_[size_++] = segment;
  }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] const std::uint8_t* begin() const noexcept { return segments_.data(); }
  [[nodiscard]] const std::uint8_t* end() const noexcept { return segments_.data() + size_; }
  friend bool operator==(const SegmentSet&, const SegmentSet&) = default;

 private:
  std::array<std::uint8_t, kMost> segments_{};
  std::uint8_t size_ = 0;
};

}  // namespace canaryd
