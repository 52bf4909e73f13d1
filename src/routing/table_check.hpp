// Every invariant of a routing table, checked before it is made. Private to routing.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/routing/routing_table.hpp"

namespace canaryd::routing {

// The first thing that is wrong, with the name of the route or rollout. The configuration has been
// validated long before, with places in the file; this is the last line of defence, and what tests
// and other builders of tables meet.
[[nodiscard]] Result<void> check(const TableSpec& spec);

}  // namespace canaryd::routing
