#include "canaryd/base/draw.hpp"
#include "canaryd/simulate/traffic.hpp"

#include <algorithm>

namespace canaryd::simulate {
namespace {

constexpr double kEmpty = 1e-9;

}  // namespace

LatencyDraw::LatencyDraw(const stats::LogNormal& latency) {
  double above = 1;
  for (std::size_t k = 0; k < stats::kLatencyBuckets; ++k) {
    const double next = latency.above(k);
    const double share = above - next;
    above = next;
    if (share > kEmpty) buckets_.push_back({.index = k, .share = share, .below = 1 - next});
  }
  buckets_.back().below = 1;
}

void LatencyDraw::add_singly(Random& random, std::uint64_t count, stats::Histogram& to) const {
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto found = std::upper_bound(
        buckets_.begin(), buckets_.end() - 1, random.uniform(), [](double at, const Bucket& each) {
          return at < each.below;
        });
    to.add_bucket(found->index, 1);
  }
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
  if (count < 2 * buckets_.size()) {
    add_singly(random, count, to);
  } else {
    add_together(random, count, to);
  }
}

}  // namespace canaryd::simulate
