#include "canaryd/base/draw.hpp"
#include "canaryd/base/error.hpp"
#include "canaryd/simulate/traffic.hpp"

namespace canaryd::simulate {
namespace {

constexpr double kEmpty = 1e-9;
// So many latencies a bucket, and drawing them bucket by bucket is cheaper than one by one.
constexpr std::size_t kManyABucket = 16;

}  // namespace

LatencyDraw::LatencyDraw(const stats::LogNormal& latency) {
  double above = 1;
  for (std::size_t k = 0; k < stats::kLatencyBuckets; ++k) {
    const double next = latency.above(k);
    if (above - next > kEmpty) buckets_.push_back({.index = k, .share = above - next});
    above = next;
  }
  CANARYD_ASSERT(!buckets_.empty());
  make_columns();
}

// As many columns as buckets, all as high as the average share. A bucket that is lower is filled up
// by one that is higher, which goes on with the rest of its share.
void LatencyDraw::make_columns() {
  double all = 0;
  for (const Bucket& bucket : buckets_) all += bucket.share;
  const double scale = static_cast<double>(buckets_.size()) / all;
  std::vector<double> height;
  std::vector<std::size_t> low;
  std::vector<std::size_t> high;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    height.push_back(buckets_[i].share * scale);
    (height[i] < 1 ? low : high).push_back(i);
    const auto index = static_cast<std::uint16_t>(buckets_[i].index);
    columns_.push_back({.kept = UINT32_MAX, .indices = {index, index}});
  }
  // What is left over at the end is full but for rounding.
  while (!low.empty() && !high.empty()) {
    const std::size_t filled = low.back();
    const std::size_t filler = high.back();
    low.pop_back();
    columns_[filled].kept = static_cast<std::uint32_t>(height[filled] * 0x1.0p32);
    columns_[filled].indices[1] = static_cast<std::uint16_t>(buckets_[filler].index);
    height[filler] -= 1 - height[filled];
    if (height[filler] >= 1) continue;
    high.pop_back();
    low.push_back(filler);
  }
}

// The number of the column, and below it where in the column.
std::size_t LatencyDraw::bucket_at(std::uint32_t number) const noexcept {
  const std::uint64_t at = number * std::uint64_t{columns_.size()};
  const Column& column = columns_[at >> 32U];
  return column.indices[static_cast<std::uint32_t>(at) < column.kept ? 0 : 1];
}

// A random number is enough for two: one is off by no more than 2^-32.
void LatencyDraw::add_singly(Random& random, std::uint64_t count, stats::Histogram& to) const {
  for (std::uint64_t i = 0; i < count / 2; ++i) {
    const std::uint64_t number = random.next();
    to.add_bucket(bucket_at(static_cast<std::uint32_t>(number)), 1);
    to.add_bucket(bucket_at(static_cast<std::uint32_t>(number >> 32U)), 1);
  }
  if (count % 2 == 1) to.add_bucket(bucket_at(static_cast<std::uint32_t>(random.next())), 1);
}

// Bucket by bucket: how many of those that are left fall into this one.
void LatencyDraw::add_together(Random& random, std::uint64_t count, stats::Histogram& to) const {
  double left_share = 1;
  for (const Bucket& bucket : buckets_) {
    if (count == 0) return;
    const bool last = &bucket == &buckets_.back();
    const std::uint64_t here =
        last ? count : draw_binomial(random, count, bucket.share / left_share);
    to.add_bucket(bucket.index, here);
    count -= here;
    left_share -= bucket.share;
  }
}

void LatencyDraw::add(Random& random, std::uint64_t count, stats::Histogram& to) const {
  if (count < kManyABucket * buckets_.size()) {
    add_singly(random, count, to);
  } else {
    add_together(random, count, to);
  }
}

}  // namespace canaryd::simulate
