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

// Why a rollout that is promoted, or retiring, will not be retired unless somebody does something,
// and what to do; empty: it goes on by itself. One line without a line feed, safe for a terminal.
[[nodiscard]] std::string stuck_retirement(JsonView rollout);

// The same of any that has no `retire`, in whatever state: it is never retired.
[[nodiscard]] std::string without_retirement(JsonView rollout);

// The same of one that has begun: what became of its hook. Also of a retired one whose hook was
// left out for others that need the old version no more.
[[nodiscard]] std::string unfinished_retirement(JsonView rollout);

struct RetireReport {
  std::string text;
  bool blocked = true;
};
// `canaryctl retire --dry-run`.
[[nodiscard]] RetireReport report_retirement(JsonView rollout);

}  // namespace canaryd::cli
