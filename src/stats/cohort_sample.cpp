#include "canaryd/stats/cohort_sample.hpp"

#include "canaryd/stats/histogram.hpp"

#include <optional>

namespace canaryd::stats {

CohortSample make_sample(const CounterSnapshot& counts, Duration over) {
  CohortSample sample;
  sample.requests = counts.requests();
  sample.judged = counts.judged;
  sample.bad = counts.bad;
  sample.saved = counts.saved;
  sample.user_failures = counts.user_failures;
  sample.active = counts.active;
  const double seconds = std::chrono::duration<double>(over).count();
  if (seconds > 0) sample.requests_per_second = static_cast<double>(sample.requests) / seconds;
  // Those of a client that failed a moment ago, too: this is what happened, and no evidence.
  const std::uint64_t all = counts.judged + counts.deduped;
  if (all > 0) {
    sample.error_rate = static_cast<double>(counts.bad + counts.deduped) / static_cast<double>(all);
  }
  // Added up once for all four.
  const CumulativeHistogram latency(counts.latency);
  const auto quantile = [&latency](double q) -> std::optional<Duration> {
    const auto bucket = latency.quantile_bucket(q);
    if (!bucket) return std::nullopt;
    return latency_bucket_middle(*bucket);
  };
  sample.p50 = quantile(0.50);
  sample.p90 = quantile(0.90);
  sample.p99 = quantile(0.99);
  sample.p999 = quantile(0.999);
  return sample;
}

}  // namespace canaryd::stats
