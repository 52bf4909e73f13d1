// Requests of a recording, as the tests write them.
#pragma once

#include "canaryd/replay/replay.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

namespace canaryd::replay {

inline constexpr std::int64_t kStartMs = 1'767'607'320'000;  // 2026-01-05T10:02:00Z.

// Most of these recordings have no latency worth judging.
inline analysis::Settings errors_only() {
  analysis::Settings settings;
  settings.latency_quantiles.clear();
  return settings;
}

struct Rates {
  int stable = 0;  // A second.
  int stable_bad = 0;
  int canary = 0;
  int canary_bad = 0;
};

inline RecordedRequest request_at(std::int64_t ms,
                                  Cohort cohort,
                                  bool bad,
                                  std::optional<unsigned> percent) {
  RecordedRequest request;
  request.ended_ms = ms;
  request.started_ms = ms - 10;
  request.latency = std::chrono::milliseconds(10);
  request.cohort = cohort;
  request.bad = bad;
  if (percent) request.weight = BasisPoints(*percent * 100);
  return request;
}

// `seconds` seconds of the same rates, from a second of the recording on, spread evenly.
inline void append(std::vector<RecordedRequest>& to,
                   int from_second,
                   int seconds,
                   const Rates& rates,
                   std::optional<unsigned> percent) {
  for (int second = from_second; second < from_second + seconds; ++second) {
    const std::int64_t begin = kStartMs + std::int64_t{second} * 1000;
    const int all = rates.stable + rates.canary;
    for (int i = 0; i < all; ++i) {
      const bool canary = i < rates.canary;
      const bool bad = canary ? i < rates.canary_bad : i - rates.canary < rates.stable_bad;
      to.push_back(request_at(
          begin + 20 + i * 900 / all, canary ? Cohort::kCanary : Cohort::kStable, bad, percent));
    }
  }
}

}  // namespace canaryd::replay
