// Answers that several parts of the API give.
#pragma once

#include "admin/message.hpp"
#include "canaryd/control/backend.hpp"

#include <boost/json/value.hpp>

namespace canaryd::admin {

[[nodiscard]] Response json_response(const boost::json::value& value);

// 404, with the names of those rollouts that there are: it was probably a slip of the keyboard.
[[nodiscard]] Response no_such_rollout(const Request& request, const control::Backend& backend);

}  // namespace canaryd::admin
