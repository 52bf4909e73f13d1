// A metric: something of which a response is good or bad, judged by comparing the cohorts. Errors
// today; latency quantiles (bad: slower than a threshold) and feedback (bad: the share of a vote)
// are further rows of the same table and need no other code in this room than how they read a
// block. Pure; plain values.
#pragma once

#include "canaryd/analysis/settings.hpp"
#include "canaryd/stats/block.hpp"

#include <string_view>
#include <vector>

namespace canaryd::analysis {

// What a metric takes from a block. Doubles, because a vote may be half bad; whole numbers stay
// exact.
struct MetricCounts {
  double stable_n = 0;
  double canary_n = 0;
  double stable_bad = 0;
  double canary_bad = 0;
  // The same canary responses by the wider limit of the next step; equal to canary_bad unless the
  // metric has one.
  double canary_bad_next = 0;

  // A silent metric moves no account.
  [[nodiscard]] bool silent() const noexcept { return stable_n <= 0 || canary_n <= 0; }
  friend bool operator==(const MetricCounts&, const MetricCounts&) = default;
};

struct Metric {
  std::string_view name;  // Static text: "errors".
  // Share of the capital that bets on this metric. The weights sum to at most 1; what no metric
  // holds stays as it is.
  double weight = 0;
  Tolerance tolerance;
  // A step is accepted only when every required metric accepts; the others can only roll back.
  bool required = true;
  MetricCounts (*take)(const stats::Block& block) = nullptr;
  friend bool operator==(const Metric&, const Metric&) = default;
};

// Half of the capital is for errors, the other half is for latency.
inline constexpr double kErrorsWeight = 0.5;

[[nodiscard]] std::vector<Metric> make_metrics(const Settings& settings);

}  // namespace canaryd::analysis
