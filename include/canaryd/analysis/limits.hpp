// Absolute bounds on what the canary does, whatever stable does (docs/statistics.md, "Limits").
// They are what still judges where nobody is left on stable to compare it with.
//
// Each is a claim about one response: it is bad with odds of at most p. A bet with ratio r pays r
// for a bad response and is divided by D = 1 + p (r - 1) for every one, so a block moves it by
//
//     gain = bad ln r - n ln D
//
// and if the odds are q <= p, whatever they are and however they change, the bet is worth on
// average
//
//     q r / D + (1 - q) / D = (1 + q (r - 1)) / D <= 1
//
// times what it was, response by response: a capital of 100 is reached with odds of at most 1/100
// (Ville). That is account R whose stable is the canary's own good responses, expected (1 - p) to
// p: against_limit() in metric.hpp. Plain values; pure.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/stats/latency.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace canaryd::analysis {

struct Limits {
  std::optional<double> errors;  // So much of the requests may fail; a fraction in (0, 1).
  // By stats::LatencyQuantile: it may be so long, at most 20 minutes. Not below 1 ms; told apart in
  // steps of 5 %, to the canary's advantage.
  std::array<std::optional<Duration>, stats::kLatencyQuantiles> latency{};

  [[nodiscard]] bool of_latency() const noexcept {
    return std::any_of(
        latency.begin(), latency.end(), [](const auto& limit) { return limit.has_value(); });
  }
  [[nodiscard]] bool any() const noexcept { return errors || of_latency(); }
  friend bool operator==(const Limits&, const Limits&) = default;
};

}  // namespace canaryd::analysis
