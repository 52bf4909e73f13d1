// Passive ejection: an endpoint on which requests fail in a row gets none for a while.
//
// Counted over all workers: failed connects, resets, answers that are not HTTP, timeouts, and the
// statuses by which a server says that it cannot serve (502, 503, 504). Any other answer ends the
// row. What the client did, and our own limits, count for nothing.
//
// At most max_ejected percent of the endpoints are out at the same time, rounded down: of one
// endpoint none. That holds across the workers, because one of them decides at a time. Nobody waits
// for it: the others' next failure asks again. After its time an endpoint is in use again and
// begins a new row.
//
// A new table holds for who is out already: a shorter time from then on, and without the rule
// nobody is out any more. Where endpoints have gone, or fewer may be out, those whose time is over
// soonest are back at once. Nor does a request of an older table eject by what held before.
//
// Thread rule: one worker, which shares the states with the others. No lock; no allocation to count
// a failure.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/upstream/share.hpp"
#include "canaryd/upstream/spec.hpp"

#include <optional>
#include <vector>

namespace canaryd::upstream {

// Who may be ejected and how, by the newest table that this worker has.
struct EjectionScope {
  std::vector<EndpointShare> endpoints;
  std::optional<OutlierDetection> rule;  // Not set: nobody.
};

// One more failure of an endpoint of this upstream. True if that ejects it.
bool count_failure(EndpointState& endpoint,
                   const EjectionScope& scope,
                   UpstreamState& upstream,
                   Monotonic now) noexcept;

// Applies a scope that is new to who is out already. Each worker does so for itself: for the second
// one there is nothing left to do, but for what it ejected by the scope it had before.
void limit_ejections(const EjectionScope& scope, Monotonic now);

}  // namespace canaryd::upstream
