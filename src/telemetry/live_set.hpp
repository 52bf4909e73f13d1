// One worker's counters of one routing table, and what was read of them last. Private to telemetry;
// the control thread's.
#pragma once

#include "canaryd/stats/counter_block.hpp"
#include "canaryd/stats/counter_set.hpp"
#include "canaryd/telemetry/collector.hpp"
#include "telemetry/rollout_meter.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace canaryd::telemetry {

inline constexpr std::array kCohorts{
    Cohort::kStable, Cohort::kCanary, Cohort::kNone, Cohort::kShadow};
static_assert(kCohorts.size() == kCohortCount);

struct RouteTotals {
  // Made with the first request: most routes of a large file see one cohort only, or none.
  std::array<std::unique_ptr<stats::CounterSnapshot>, kCohortCount> cohorts;
};

// A layout whose names are resolved. Totals and meters live as long as a layout names them.
struct Layout {
  TableLayout table;
  std::vector<std::shared_ptr<RouteTotals>> totals;   // Index: RouteId.
  std::vector<std::shared_ptr<RolloutMeter>> meters;  // Index: RolloutId.
};

struct LiveSet {
  std::shared_ptr<stats::CounterSet> set;
  std::shared_ptr<const Layout> layout;
  // What was read last; made with the first request.
  std::vector<std::array<std::unique_ptr<stats::CounterSnapshot>, kCohortCount>> seen;
  // By rollout and segment.
  using SegmentReadings = std::array<stats::SegmentReading, stats::kClientGroups>;
  std::vector<std::vector<std::array<SegmentReadings, 2>>> seen_segments;
  // Made as `seen` is.
  using SeenClients = std::array<std::unique_ptr<stats::ClientGroups>, 2>;
  std::vector<SeenClients> seen_clients;        // By rollout.
  std::vector<SeenClients> seen_route_clients;  // By route.
};

// Adds what came since the last reading to the totals and to the meters, but for the gauges: those
// are sums over all sets.
void read_set(LiveSet& live, std::int64_t now_second);

}  // namespace canaryd::telemetry
