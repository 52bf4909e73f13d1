// Who needs an upstream, beside one rollout that is about to give it up.
//
// Pure; any thread.
#pragma once

#include "canaryd/config/config.hpp"

#include <functional>
#include <string>
#include <vector>

namespace canaryd::config {

// "route reports", "the mirror of route shop", "rollout catalog": whatever leads to the stable
// version of rollouts[giver] and is not that rollout. Rollouts for which `gave_up` is true do not
// need their own stable version any more.
[[nodiscard]] std::vector<std::string> others_that_need_stable(
    const Config& config, std::size_t giver, const std::function<bool(const Rollout&)>& gave_up);

}  // namespace canaryd::config
