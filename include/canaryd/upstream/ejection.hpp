// Passive ejection: an endpoint on which requests fail in a row gets none for a while.
//
// Counted over all workers: failed connects, resets, answers that are not HTTP, timeouts, and the
// statuses by which a server says that it cannot serve (502, 503, 504). Any other answer ends the
// row. What the client did, and our own limits, count for nothing.
//
// At most max_ejected percent of the endpoints are out at the same time, rounded down: of one
// endpoint none. That holds across the workers, because one of them decides at a time. Nobody waits
// for it: the others' next failure asks again. After its time an endpoint is in use again and
// begins a new row. A reload holds for who is out already: a shorter time from then on, and without
// the rule nobody is out any more. Nor does a request of an older table eject by what held before.
//
// Thread rule: one worker, which shares the states with the others. No lock, no allocation.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/upstream/endpoint.hpp"
#include "canaryd/upstream/share.hpp"
#include "canaryd/upstream/spec.hpp"

#include <boost/smart_ptr/local_shared_ptr.hpp>

#include <span>

namespace canaryd::upstream {

// One more failure of an endpoint of this upstream. True if that ejects it.
bool count_failure(Endpoint& endpoint,
                   std::span<const boost::local_shared_ptr<Endpoint>> all,
                   UpstreamState& upstream,
                   const OutlierDetection& rule,
                   Monotonic now) noexcept;

}  // namespace canaryd::upstream
