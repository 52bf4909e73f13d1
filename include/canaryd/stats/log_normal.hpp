// Latencies as forecasts and simulations assume them: log-normal, cut into the buckets of
// stats/histogram.hpp. Pure; plain values.
#pragma once

#include "canaryd/stats/histogram.hpp"

#include <cstddef>

namespace canaryd::stats {

struct LogNormal {
  double median_ms = 50;  // Above 0.
  double p99_ms = 200;    // Not below the median.

  // The share of the latencies in buckets above this one.
  [[nodiscard]] double above(std::size_t bucket) const noexcept;
  // Each latency takes so many times as long.
  [[nodiscard]] LogNormal stretched(double times) const noexcept {
    return {.median_ms = median_ms * times, .p99_ms = p99_ms * times};
  }
  friend bool operator==(const LogNormal&, const LogNormal&) = default;
};

}  // namespace canaryd::stats
