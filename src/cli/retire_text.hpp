// What stands between a rollout's old version and its retirement, in lines for people.
#pragma once

#include "canaryd/cli/status_screen.hpp"
#include "cli/json_view.hpp"

#include <string>

namespace canaryd::cli {

// From the answer of GET /api/v1/rollouts/NAME. Each line ends with a line feed and fits the width;
// safe for a terminal; empty without anything to say.
[[nodiscard]] std::string straggler_lines(JsonView rollout,
                                          std::size_t most,
                                          const ScreenOptions& options);

struct RetireReport {
  std::string text;
  bool blocked = true;
};
// `canaryctl retire --dry-run`.
[[nodiscard]] RetireReport report_retirement(JsonView rollout);

}  // namespace canaryd::cli
