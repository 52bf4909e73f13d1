// Error answers: application/problem+json (RFC 9457).
#pragma once

#include "admin/message.hpp"
#include "canaryd/base/error.hpp"

#include <boost/json/object.hpp>

#include <string>
#include <string_view>

namespace canaryd::admin {

struct Problem {
  int status = 500;
  std::string_view kind;  // Last part of the type: "not-found".
  std::string detail;     // A sentence; says what to do when that is known.
};

// extra: further members, such as the rollout as it is.
[[nodiscard]] Response to_response(const Problem& problem,
                                   std::string_view path,
                                   boost::json::object extra = {});

// 429; in a second there is room again.
[[nodiscard]] Response too_many(std::string_view detail, std::string_view path);

// 400, because of what it asks for.
[[nodiscard]] Response invalid(const Request& request, const Error& error);

}  // namespace canaryd::admin
