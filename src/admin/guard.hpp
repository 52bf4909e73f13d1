// Keeps web pages away from the admin API, although a browser on this machine can reach it.
//
// A page can make its own name resolve to 127.0.0.1 (DNS rebinding): then the browser sends that
// name in Host, so only names and addresses of the loopback are accepted there. A page can also
// send requests to us by our real name; then the browser says so in Origin or Sec-Fetch-Site.
// Programs send neither. Reading is refused as well: a page cannot see the answer, but a stream
// that it opens would take one of the few there are.
//
// And keeps clients of the proxy away: what a canaryd has forwarded says so in Via, whichever
// upstream somebody took this address for.
#pragma once

#include "admin/message.hpp"
#include "admin/problem.hpp"

#include <optional>

namespace canaryd::admin {

// What is wrong with where the request comes from; nothing when it may pass. is_local: only who is
// on this machine can connect; else any name may be ours, and it is tokens that keep pages out.
// `is_page`: the dashboard itself, to which a link may lead from anywhere.
[[nodiscard]] std::optional<Problem> check_source(const Request& request,
                                                  bool is_local,
                                                  bool is_page = false);

}  // namespace canaryd::admin
