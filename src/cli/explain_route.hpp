// `canaryctl explain-route`: the question, and the answer for people.
#pragma once

#include "canaryd/base/error.hpp"
#include "cli/options.hpp"

#include <string>
#include <string_view>

namespace canaryd::cli {

// The body of POST /api/v1/explain. An error: a header that is not "Name: value".
[[nodiscard]] Result<std::string> explain_body(const Options& options);

// From the answer; safe for a terminal.
[[nodiscard]] Result<std::string> render_explanation(std::string_view body);

}  // namespace canaryd::cli
