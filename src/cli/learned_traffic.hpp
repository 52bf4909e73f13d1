// What a daemon has seen of its rollouts' traffic in the last day: the mean rate of both versions
// and stable's error rate, for the forecast of a plan.
#pragma once

#include "canaryd/config/feasibility.hpp"
#include "cli/daemon.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::cli {

// From an answer of GET /api/v1/rollouts/NAME/series. Nothing: an answer of something else, or
// fewer requests to stable than say anything about its errors.
[[nodiscard]] std::optional<config::LearnedTraffic> learn(const std::string& rollout,
                                                          std::string_view series);

// Of those rollouts that the daemon has and has seen enough of; Failure: no daemon.
[[nodiscard]] Outcome<std::vector<config::LearnedTraffic>> learn_traffic(
    const Daemon& daemon, const config::Config& config);

}  // namespace canaryd::cli
