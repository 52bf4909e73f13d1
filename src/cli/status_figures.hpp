// The table of the status screen: both versions side by side, and the evidence.
#pragma once

#include "canaryd/cli/status_screen.hpp"
#include "cli/json_view.hpp"

#include <cstddef>
#include <string>

namespace canaryd::cli {

// Of a rollout's analysis; whatever a server sends beyond them is not shown.
inline constexpr std::size_t kMetricsOfScreen = 50;

// rollout: the answer of GET /api/v1/rollouts/{name}.
[[nodiscard]] std::string figures_table(JsonView rollout, const ScreenOptions& options);

}  // namespace canaryd::cli
