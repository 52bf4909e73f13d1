// The read parity of a rollout in words, for `explain`.
#pragma once

#include "cli/json_view.hpp"

#include <string>
#include <vector>

namespace canaryd::cli {

// What has been compared, where the canary differs, and what is left out as noise; empty for a
// rollout without `parity`. Untrusted text: paths are the services'.
[[nodiscard]] std::vector<std::string> parity_lines(JsonView rollout);

}  // namespace canaryd::cli
