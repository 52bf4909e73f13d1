// The kinds of bad weather in which an identical canary must not be blamed (docs/statistics.md). In
// each of them both versions are the same program on equal machines.
#pragma once

#include "sim/analysis_model.hpp"

namespace canaryd::sim {

// Half of all responses fail for a minute, and four fifths of the requests stay away.
[[nodiscard]] Scenario shared_outage(double requests_per_second, double error_rate);
// Load swings by a factor of nine and the error rate with it, a day in 20 minutes.
[[nodiscard]] Scenario diurnal(double requests_per_second, double error_rate);
// The canary takes five times as long in its first 30 s; all metrics are judged.
[[nodiscard]] Scenario cold_start(double requests_per_second, double error_rate);
// Eight instances of each version; each restarts once an hour and fails all it gets for 1 to 3 s.
[[nodiscard]] Scenario restarts(double requests_per_second, double error_rate);
// All failures come from clients who try again at once: 5 failures a client in the mean, within 3
// s.
[[nodiscard]] Scenario retry_storms(double requests_per_second, double error_rate);
// Half of all failures come from users who fail 30 times in a row within half a minute.
[[nodiscard]] Scenario broken_users(double requests_per_second, double error_rate);

}  // namespace canaryd::sim
