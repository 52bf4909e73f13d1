// The JSON bodies of POST requests: strict, so that a misspelt member is an error and not ignored.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/control/backend.hpp"

#include <string>
#include <string_view>

namespace canaryd::admin {

inline constexpr std::size_t kReasonBytesMax = 1024;

// Reads {"reason"} and what the action takes besides into request. An empty body is {}.
[[nodiscard]] Result<void> read_action_body(std::string_view body, control::ActionRequest& request);
// {"cohort": "canary", "score": 4}, and perhaps id, comment and reason.
[[nodiscard]] Result<control::FeedbackRequest> read_feedback_body(std::string_view body);
// {"level": "debug", "reason"?}.
[[nodiscard]] Result<std::string> read_log_level_body(std::string_view body);
// {"method", "url", "headers"?: {NAME: VALUE or [VALUE, ...]}, "listener"?, "client"?}.
[[nodiscard]] Result<control::ExplainRequest> read_explain_body(std::string_view body);
// Only {"reason"?}.
[[nodiscard]] Result<std::string> read_plain_body(std::string_view body);
// The reason in the body of any change; empty if there is none that can be read.
[[nodiscard]] std::string reason_in(std::string_view body);

}  // namespace canaryd::admin
