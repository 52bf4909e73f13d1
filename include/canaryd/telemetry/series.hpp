// Points for charts: what the two cohorts of a rollout did, one stretch of time after the other.
//
// There are two grains: fine points for an hour, coarse ones for a day. Each point is of the
// requests that finished in its own stretch, so its quantiles are those of a histogram of them and
// no mean of means. A run that begins anew begins a new stretch; the points before it stay. Nothing
// is kept over a restart of the daemon.
//
// Thread rule: plain values. Limits: 56 bytes a point; 145 KB a rollout that has run for a day.
#pragma once

#include "canaryd/base/strong.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace canaryd::telemetry {

struct SeriesGrain {
  std::int64_t seconds;  // Of one point.
  std::size_t kept;      // So many points; the oldest go first.
};

inline constexpr std::array<SeriesGrain, 2> kSeriesGrains{{{5, 720}, {60, 1440}}};

struct SeriesPoint {
  // A negative figure: there is none, for nothing was judged.
  struct Figures {
    std::uint32_t requests = 0;
    float error_rate = -1;  // 0..1.
    float p50 = -1;         // Seconds, within 2.5 %.
    float p90 = -1;
    float p99 = -1;
  };

  std::int64_t second = 0;    // Where its stretch ends.
  std::uint32_t seconds = 0;  // How long that was: longer than the grain if ticks came late.
  BasisPoints weight;         // In force at its end.
  Figures stable{};
  Figures canary{};
};

}  // namespace canaryd::telemetry
