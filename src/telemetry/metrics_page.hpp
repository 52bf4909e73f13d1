// Parts of the page of metrics that have files of their own, and what several of them share.
// Private to telemetry.
#pragma once

#include "canaryd/telemetry/metrics.hpp"
#include "telemetry/families.hpp"

namespace canaryd::telemetry {

// upstream_metrics.cpp
void write_upstreams(const MetricsSnapshot& from, Families& to);
// rollout_metrics.cpp
void write_rollouts(const MetricsSnapshot& from, Families& to);

// Refers to the traffic.
[[nodiscard]] inline Labels traffic_labels(const TrafficMetrics& traffic) {
  return {{"rollout", traffic.rollout}, {"cohort", to_string(traffic.cohort)}};
}

}  // namespace canaryd::telemetry
