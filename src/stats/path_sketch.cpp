#include "canaryd/stats/path_sketch.hpp"

#include "canaryd/base/hash.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <tuple>
#include <utility>

namespace canaryd::stats {
namespace {

constexpr std::uint32_t kRouted = std::uint32_t{1} << 31U;

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

bool is_plain(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
         c == '.' || c == '~';
}

}  // namespace

bool looks_like_id(std::string_view segment) noexcept {
  constexpr std::ptrdiff_t kDigitsMax = 2;
  if (segment.size() > kShapeSegmentBytesMax) return true;
  if (!std::all_of(segment.begin(), segment.end(), is_plain)) return true;
  const auto digits = std::count_if(segment.begin(), segment.end(), is_digit);
  if (digits > kDigitsMax) return true;
  const std::string_view name = segment.substr(0, segment.find('.'));
  return !name.empty() && std::all_of(name.begin(), name.end(), is_digit);
}

std::string_view shape_of_path(std::string_view path,
                               std::span<char, kShapeBytesMax> out) noexcept {
  char* end = out.data();
  const auto put = [&end](std::string_view text) {
    end = std::copy(text.begin(), text.end(), end);
  };
  static_assert(kShapeSegmentsMax * (kShapeSegmentBytesMax + 1) + 2 <= kShapeBytesMax);
  if (!path.starts_with('/')) return path.substr(0, kShapeBytesMax);  // "*".
  for (std::size_t segments = 0; !path.empty(); ++segments) {
    path.remove_prefix(1);
    const std::string_view segment = path.substr(0, path.find('/'));
    put("/");
    path.remove_prefix(segment.size());
    if (segments == kShapeSegmentsMax) {
      put("*");
      break;
    }
    put(looks_like_id(segment) ? "{id}" : segment);
  }
  return {out.data(), static_cast<std::size_t>(end - out.data())};
}

void PathSketch::count(std::string_view path, bool routed) noexcept {
  std::array<char, kShapeBytesMax> text;
  const std::string_view shape = shape_of_path(path, text);
  const std::uint64_t hash = siphash({}, shape) << 1U | (routed ? 1U : 0U);
  Slot* const set = slots_.data() + (hash >> 32U) % kSets * kWays;
  Slot* rarest = set;
  for (Slot* slot = set; slot != set + kWays; ++slot) {
    const std::uint64_t requests = slot->requests.load(std::memory_order_relaxed);
    if (requests != 0 && slot->hash == hash) {
      slot->requests.store(requests + 1, std::memory_order_relaxed);
      return;
    }
    if (requests < rarest->requests.load(std::memory_order_relaxed)) rarest = slot;
  }
  replace(*rarest, shape, routed, hash);
}

void PathSketch::replace(Slot& slot,
                         std::string_view shape,
                         bool routed,
                         std::uint64_t hash) noexcept {
  const std::uint32_t version = slot.version.load(std::memory_order_relaxed);
  const std::uint64_t before = slot.requests.load(std::memory_order_relaxed);
  slot.version.store(version + 1, std::memory_order_relaxed);
  slot.size.store(static_cast<std::uint32_t>(shape.size()) | (routed ? kRouted : 0),
                  std::memory_order_release);
  for (std::size_t i = 0; i * 8 < shape.size(); ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, shape.data() + i * 8, std::min<std::size_t>(8, shape.size() - i * 8));
    slot.text[i].store(word, std::memory_order_release);
  }
  slot.hash = hash;
  slot.error.store(before, std::memory_order_release);
  slot.requests.store(before + 1, std::memory_order_release);
  slot.version.store(version + 2, std::memory_order_release);
}

// False: it is being written. The next count is as good as this one.
bool PathSketch::read(const Slot& slot, PathCount& out) {
  const std::uint32_t version = slot.version.load(std::memory_order_acquire);
  if (version % 2 != 0) return false;
  const std::uint32_t size = slot.size.load(std::memory_order_acquire);
  std::array<char, kWords * 8> text;
  for (std::size_t i = 0; i < kWords; ++i) {
    const std::uint64_t word = slot.text[i].load(std::memory_order_acquire);
    std::memcpy(text.data() + i * 8, &word, 8);
  }
  out.error = slot.error.load(std::memory_order_acquire);
  out.requests = slot.requests.load(std::memory_order_acquire);
  if (slot.version.load(std::memory_order_relaxed) != version) return false;
  out.routed = (size & kRouted) != 0;
  out.shape.assign(text.data(), std::min<std::size_t>(size & ~kRouted, kShapeBytesMax));
  return true;
}

std::vector<PathCount> PathSketch::read() const {
  std::vector<PathCount> counts;
  for (const Slot& slot : slots_) {
    if (slot.requests.load(std::memory_order_acquire) == 0) continue;
    PathCount count;
    // Writing one takes some nanoseconds, and its writer does not wait for us.
    while (!read(slot, count)) {
    }
    counts.push_back(std::move(count));
  }
  return counts;
}

std::vector<PathCount> merge_paths(std::vector<PathCount> counts, std::size_t most) {
  std::map<std::pair<std::string, bool>, PathCount> merged;
  for (PathCount& each : counts) {
    PathCount& sum = merged[{each.shape, each.routed}];
    sum.requests += each.requests;
    sum.error += each.error;
    sum.routed = each.routed;
    sum.shape = std::move(each.shape);
  }
  std::vector<PathCount> all;
  all.reserve(merged.size());
  for (auto& [key, count] : merged) all.push_back(std::move(count));
  std::sort(all.begin(), all.end(), [](const PathCount& a, const PathCount& b) {
    return std::tie(b.requests, a.shape, a.routed) < std::tie(a.requests, b.shape, b.routed);
  });
  if (all.size() > most) all.resize(most);
  return all;
}

}  // namespace canaryd::stats
