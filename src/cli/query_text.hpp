// A query of a rollout in words, for `status` and `explain`.
#pragma once

#include "cli/json_view.hpp"

#include <string>

namespace canaryd::cli {

// "query refunds is 0.031, above 0.01 (2 in a row of 3); good is up to 0.01". Empty for a metric
// that is no query.
[[nodiscard]] std::string query_text(JsonView metric);

}  // namespace canaryd::cli
