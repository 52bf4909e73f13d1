// The points of one rollout, gathered. Private to telemetry; the control thread's.
#pragma once

#include "canaryd/base/strong.hpp"
#include "canaryd/stats/counter_block.hpp"
#include "canaryd/telemetry/series.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace canaryd::telemetry {

class Series {
 public:
  explicit Series(std::int64_t now_second);

  // The totals begin at 0 again: what was gathered of the stretch under way is left out.
  void begin_run(std::int64_t now_second);
  // Once a second. `stable` and `canary` are totals since the run began.
  void tick(std::int64_t now_second,
            BasisPoints weight,
            const stats::CounterSnapshot& stable,
            const stats::CounterSnapshot& canary);

  // Those that end after `since`, oldest first; `grain` is an index of kSeriesGrains.
  [[nodiscard]] std::vector<SeriesPoint> points(std::size_t grain, std::int64_t since) const;

 private:
  struct Tier {
    std::int64_t began = 0;           // The stretch under way.
    stats::CounterSnapshot stable{};  // The totals as they were then.
    stats::CounterSnapshot canary{};
    std::deque<SeriesPoint> points{};
  };
  std::array<Tier, kSeriesGrains.size()> tiers_;
};

}  // namespace canaryd::telemetry
