// Keeps web pages away from the admin API, although a browser on this machine can reach it.
//
// A page can make its own name resolve to 127.0.0.1 (DNS rebinding): then the browser sends that
// name in Host, so only names and addresses of the loopback are accepted there. A page can also
// send requests to us by our real name; then the browser says so in Origin or Sec-Fetch-Site.
// Programs send neither.
#pragma once

#include "admin/message.hpp"
#include "admin/problem.hpp"

#include <optional>

namespace canaryd::admin {

// What is wrong with where the request comes from; nothing when it may pass.
[[nodiscard]] std::optional<Problem> check_source(const Request& request);

}  // namespace canaryd::admin
