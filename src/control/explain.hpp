// Where a request would go, found out by the code that the data plane runs for it: the parser of
// its listener, the canonical form of its target, the table in force, the pick. Private to the
// room; pure but for the gates' atomics.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/control/backend.hpp"
#include "canaryd/proxy/service.hpp"
#include "canaryd/proxy/snapshot.hpp"

namespace canaryd::control {

// Fills everything but `match`, `state` and the endpoints, which are not in the table.
// kInvalidArgument: the question itself makes no request.
[[nodiscard]] Result<Explanation> explain_request(const ExplainRequest& question,
                                                  const proxy::Snapshot& snapshot,
                                                  const proxy::ListenerSpec& listener);

}  // namespace canaryd::control
