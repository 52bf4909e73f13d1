#include "canaryd/telemetry/collector.hpp"
#include "canaryd/telemetry/metrics.hpp"

#include <map>
#include <utility>

namespace canaryd::telemetry {

void add_traffic(const Collector& collector, MetricsSnapshot& snapshot) {
  std::map<std::pair<std::string_view, Cohort>, TrafficMetrics> sums;
  collector.visit_routes([&](std::string_view route,
                             std::string_view rollout,
                             Cohort cohort,
                             const stats::CounterSnapshot& counts) {
    snapshot.routes.push_back(
        {std::string(route), std::string(rollout), cohort, counts.code_class, counts.mirrored});
    TrafficMetrics& sum = sums[{rollout, cohort}];
    sum.rollout = rollout;
    sum.cohort = cohort;
    sum.duration.histogram += counts.durations();
    sum.duration.sum_seconds += static_cast<double>(counts.duration_us) / 1e6;
    sum.active += counts.active;
    sum.tunnels += counts.tunnels;
    sum.request_body_bytes += counts.bytes_in;
    sum.response_body_bytes += counts.bytes_out;
    sum.user_failures += counts.user_failures;
    sum.fallbacks_saved += counts.saved;
    sum.fallbacks_failed += counts.fallback_failed;
    sum.withheld_cookies += counts.withheld_cookies;
    for (std::size_t i = 0; i < sum.upstream_errors.size(); ++i) {
      sum.upstream_errors[i] += counts.upstream_errors[i];
    }
  });
  for (auto& [key, sum] : sums) snapshot.traffic.push_back(std::move(sum));
}

}  // namespace canaryd::telemetry
