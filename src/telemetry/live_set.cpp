#include "telemetry/live_set.hpp"

#include <algorithm>
#include <cstddef>

namespace canaryd::telemetry {
namespace {

bool any_judged(const stats::ClientGroups& came) noexcept {
  return std::any_of(came.groups.begin(), came.groups.end(), [](const stats::GroupCounts& group) {
    return group.judged > 0;
  });
}

// Since the last reading.
stats::ClientGroups came_to(const stats::SegmentCounters& counters,
                            Cohort cohort,
                            LiveSet::SegmentReadings& seen) {
  stats::ClientGroups came;
  for (std::size_t group = 0; group < seen.size(); ++group) {
    const stats::SegmentReading now = counters.read(cohort, group);
    came.add(group, now.judged_since(seen[group]), now.bad_since(seen[group]));
    seen[group] = now;
  }
  return came;
}

// What came to the segments since the last reading.
void read_segments(LiveSet& live) {
  const std::vector<RolloutLabel>& labels = live.layout->table.rollouts;
  for (std::size_t rollout = 0; rollout < live.seen_segments.size(); ++rollout) {
    for (std::size_t i = 0; i < live.seen_segments[rollout].size(); ++i) {
      const auto* counters = live.set->segment(RolloutId(static_cast<std::uint32_t>(rollout)), i);
      for (const Cohort cohort : {Cohort::kStable, Cohort::kCanary}) {
        const stats::ClientGroups came = came_to(
            *counters, cohort, live.seen_segments[rollout][i][static_cast<std::size_t>(cohort)]);
        if (!any_judged(came)) continue;
        live.layout->meters[rollout]->add_segment(labels[rollout], i, cohort, came);
      }
    }
  }
}

stats::ClientGroups came_to(const stats::ClientGroupCounters& counters,
                            std::unique_ptr<stats::ClientGroups>& seen) {
  if (seen == nullptr) seen = std::make_unique<stats::ClientGroups>();
  const stats::ClientGroups now = counters.read();
  const stats::ClientGroups came = now.since(*seen);
  *seen = now;
  return came;
}

// The same of clients.
void read_clients(LiveSet& live) {
  const std::vector<RolloutLabel>& labels = live.layout->table.rollouts;
  for (std::size_t rollout = 0; rollout < live.seen_clients.size(); ++rollout) {
    const RolloutId id(static_cast<std::uint32_t>(rollout));
    for (const Cohort cohort : {Cohort::kStable, Cohort::kCanary}) {
      const auto* counters = live.set->find_client_groups(id, cohort);
      if (counters == nullptr) continue;
      auto& seen = live.seen_clients[rollout][static_cast<std::size_t>(cohort)];
      const stats::ClientGroups came = came_to(*counters, seen);
      live.layout->meters[rollout]->add_client_groups(labels[rollout], cohort, came);
    }
  }
}

// And of those of a route, whose counters learn by what it cuts its latencies.
void read_route_clients(LiveSet& live) {
  const TableLayout& table = live.layout->table;
  for (std::size_t i = 0; i < table.routes.size(); ++i) {
    const RouteLabel& route = table.routes[i];
    if (!route.own || !route.rollout) continue;
    const RolloutLabel& label = table.rollouts[route.rollout->index()];
    RolloutMeter& meter = *live.layout->meters[route.rollout->index()];
    for (const Cohort cohort : {Cohort::kStable, Cohort::kCanary}) {
      const RouteId id(static_cast<std::uint32_t>(i));
      auto* const counters = live.set->find_route_groups(id, cohort);
      if (counters == nullptr) continue;
      auto& seen = live.seen_route_clients[i][static_cast<std::size_t>(cohort)];
      meter.add_route_groups(label, *route.own, cohort, came_to(*counters, seen));
      counters->set_cuts(meter.route_latency_cuts(*route.own));
    }
  }
}

}  // namespace

void read_set(LiveSet& live, std::int64_t now_second) {
  for (std::size_t i = 0; i < live.seen.size(); ++i) {
    const RouteLabel& route = live.layout->table.routes[i];
    for (const Cohort cohort : kCohorts) {
      const auto* block = live.set->find(RouteId(static_cast<std::uint32_t>(i)), cohort);
      if (block == nullptr) continue;
      auto& seen = live.seen[i][static_cast<std::size_t>(cohort)];
      if (seen == nullptr) seen = std::make_unique<stats::CounterSnapshot>();
      const stats::CounterSnapshot now = block->read();
      stats::CounterSnapshot delta = now.since(*seen);
      *seen = now;
      delta.active = delta.tunnels = 0;  // Gauges.

      auto& total = live.layout->totals[i]->cohorts[static_cast<std::size_t>(cohort)];
      if (total == nullptr) total = std::make_unique<stats::CounterSnapshot>();
      *total += delta;
      if (!route.rollout) continue;
      const std::size_t rollout = route.rollout->index();
      live.layout->meters[rollout]->add(
          live.layout->table.rollouts[rollout], route.own, cohort, delta, now_second);
    }
  }
  read_segments(live);
  read_clients(live);
  read_route_clients(live);
}

}  // namespace canaryd::telemetry
