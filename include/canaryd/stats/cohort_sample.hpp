// What status, dashboard and reports show of one cohort. Derived from a reading of the counters;
// nothing here decides. Thread rule: a plain value.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/stats/counter_block.hpp"

#include <cstdint>
#include <optional>

namespace canaryd::stats {

struct CohortSample {
  std::uint64_t requests = 0;
  std::uint64_t judged = 0;
  std::uint64_t bad = 0;
  std::uint64_t saved = 0;
  std::uint64_t user_failures = 0;
  std::int64_t active = 0;
  double requests_per_second = 0;
  // Of the judged requests; nothing without one.
  std::optional<double> error_rate;
  // Of the judged requests that did not fail, within 2.5 %.
  std::optional<Duration> p50;
  std::optional<Duration> p90;
  std::optional<Duration> p99;
  std::optional<Duration> p999;
  friend bool operator==(const CohortSample&, const CohortSample&) = default;
};

// `over`: the time in which the counts came together, for the rate; 0 gives a rate of 0.
[[nodiscard]] CohortSample make_sample(const CounterSnapshot& counts, Duration over);

}  // namespace canaryd::stats
