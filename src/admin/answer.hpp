// Answers that several parts of the API give.
#pragma once

#include "admin/message.hpp"
#include "canaryd/control/backend.hpp"

#include <boost/json/value.hpp>

#include <string_view>

namespace canaryd::admin {

[[nodiscard]] Response json_response(const boost::json::value& value);

// 404, with the name that was probably meant, or those of the rollouts that there are: it was a
// slip of the keyboard, as a rule.
[[nodiscard]] Response no_such_rollout(const Request& request,
                                       std::string_view name,
                                       const control::Backend& backend);
// The same for where the backend says so later, when it may be gone itself: made beforehand.
[[nodiscard]] Response if_no_such_rollout(const Request& request,
                                          std::string_view name,
                                          const control::Backend& backend);

}  // namespace canaryd::admin
