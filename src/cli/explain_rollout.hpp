// `canaryctl explain`: what is known about a rollout's versions, how far that is from a decision,
// and what it waits for, in sentences.
#pragma once

#include "canaryd/base/error.hpp"

#include <string>
#include <string_view>

namespace canaryd::cli {

// From the answers of GET /api/v1/rollouts/NAME and its history (may be empty); safe for a
// terminal.
[[nodiscard]] Result<std::string> render_reasons(std::string_view rollout,
                                                 std::string_view history);

// From the answer of .../verification; the same.
[[nodiscard]] Result<std::string> render_verification(std::string_view verification);
// Whether it says that the verdict is the recorded one.
[[nodiscard]] bool is_same_verdict(std::string_view verification);

}  // namespace canaryd::cli
