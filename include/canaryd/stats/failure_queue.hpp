// The failures of one worker on their way to the collector, which removes duplicates across
// workers.
//
// The worker finishes the exchange in its counter block first and pushes here second; the collector
// drains the queue first and reads the counters second. Then every failure it has popped is in the
// counters it reads. Thread rule: see spsc_queue.hpp. A full queue only costs the second dedupe,
// never a count.
#pragma once

#include "canaryd/base/segment_set.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/stats/spsc_queue.hpp"

#include <cstddef>
#include <cstdint>

namespace canaryd::stats {

// A failure with Judgement::kBad; those the worker found to be duplicates are not sent.
struct Failure {
  RolloutId rollout;
  RouteId route;
  Cohort cohort = Cohort::kNone;
  SegmentSet segments{};
  std::uint64_t key_hash = 0;  // 0: the client is unknown.
  std::int64_t second = 0;
  std::uint64_t epoch = 0;
};

using FailureQueue = SpscQueue<Failure>;

inline constexpr std::size_t kFailureQueueCapacity = 4096;

}  // namespace canaryd::stats
