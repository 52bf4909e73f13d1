// Which kinds of paths are asked for most, in bounded memory: the Space-Saving algorithm (Metwally,
// Agrawal, El Abbadi 2005) over path shapes, in sets of a few slots each, so that counting costs a
// look at one set.
//
// A shape is a path in which what looks like an id is "{id}": /orders/4711/items becomes
// /orders/{id}/items. While a set has room its counts are exact. A shape that finds its set full
// takes the place of the rarest one and inherits its count, which is then its error: the true count
// lies between requests - error and requests. The sum of all counts is always the number of calls.
//
// Thread rule: one thread counts, any may read meanwhile; neither waits for the other. Bounds:
// kSlots shapes of kShapeBytesMax bytes, about 90 KiB.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::stats {

inline constexpr std::size_t kShapeSegmentsMax = 4;  // What lies deeper is "*".
inline constexpr std::size_t kShapeSegmentBytesMax = 32;
inline constexpr std::size_t kShapeBytesMax = 136;

// An id is a segment with three digits or more, or of digits only (up to its first dot), or longer
// than kShapeSegmentBytesMax, or with other characters than letters, digits, '-', '_', '.' and '~':
// what a user may have typed is not kept.
[[nodiscard]] bool looks_like_id(std::string_view segment) noexcept;
// The path with "{id}" for each id.
[[nodiscard]] std::string_view shape_of_path(std::string_view path,
                                             std::span<char, kShapeBytesMax> out) noexcept;

struct PathCount {
  std::string shape;
  bool routed = false;
  std::uint64_t requests = 0;
  std::uint64_t error = 0;
};

class PathSketch {
 public:
  static constexpr std::size_t kSets = 64;
  static constexpr std::size_t kWays = 8;
  static constexpr std::size_t kSlots = kSets * kWays;

  PathSketch() : slots_(kSlots) {}
  PathSketch(const PathSketch&) = delete;
  PathSketch& operator=(const PathSketch&) = delete;

  // A canonical path. `routed`: some route takes it, if only one for everything.
  void count(std::string_view path, bool routed) noexcept;

  // In no order.
  [[nodiscard]] std::vector<PathCount> read() const;

 private:
  static constexpr std::size_t kWords = (kShapeBytesMax + 7) / 8;

  // The text is read as a sequence lock: an odd version is being written, another one than before
  // means to read again. Its words are atomics with release and acquire, which order them against
  // the version.
  struct Slot {
    std::atomic<std::uint64_t> requests{0};  // 0: free.
    std::atomic<std::uint64_t> error{0};
    std::atomic<std::uint32_t> version{0};
    std::atomic<std::uint32_t> size{0};  // Of the text; the highest bit: routed.
    std::uint64_t hash = 0;              // The counting thread's.
    std::array<std::atomic<std::uint64_t>, kWords> text{};
  };

  static void replace(Slot& slot, std::string_view shape, bool routed, std::uint64_t hash) noexcept;
  static bool read(const Slot& slot, PathCount& out);

  std::vector<Slot> slots_;
};

// Counts of several sketches, the same shapes added up, the most frequent first; at most `most` of
// them.
[[nodiscard]] std::vector<PathCount> merge_paths(std::vector<PathCount> counts, std::size_t most);

}  // namespace canaryd::stats
