// `canaryctl history --verify`: whether the chain of the history is unbroken, in sentences.
#pragma once

#include "canaryd/base/error.hpp"

#include <string>
#include <string_view>

namespace canaryd::cli {

// From the answer of GET /api/v1/history/verification; safe for a terminal. `rollout`: as asked.
[[nodiscard]] Result<std::string> render_history_check(std::string_view answer,
                                                       const std::string& rollout);
// Whether it says that the history is whole.
[[nodiscard]] bool is_whole(std::string_view answer);

}  // namespace canaryd::cli
