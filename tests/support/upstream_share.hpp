// The counters and endpoint states that control would hand out, for tests of the data plane.
#pragma once

#include "canaryd/upstream/concurrency.hpp"
#include "canaryd/upstream/share.hpp"
#include "canaryd/upstream/spec.hpp"

#include <memory>

namespace canaryd::test {

// Fresh ones; what `before` has of the same endpoints is kept.
[[nodiscard]] inline upstream::UpstreamShare make_share(
    const upstream::UpstreamSpec& spec, const upstream::UpstreamShare& before = {}) {
  upstream::UpstreamShare share;
  share.counters =
      before.counters != nullptr ? before.counters : std::make_shared<upstream::UpstreamCounters>();
  share.state =
      before.state != nullptr ? before.state : std::make_shared<upstream::UpstreamState>();
  for (const upstream::EndpointSpec& endpoint : spec.endpoints) {
    upstream::EndpointShare each;
    for (const upstream::EndpointShare& old : before.endpoints) {
      if (old.state->address() == endpoint.address) each = old;
    }
    if (each.state == nullptr) {
      each = {std::make_shared<upstream::EndpointState>(endpoint.address),
              std::make_shared<upstream::EndpointCounters>()};
    }
    share.endpoints.push_back(std::move(each));
  }
  if (spec.concurrency) {
    const auto& [max, queue, timeout] = *spec.concurrency;
    share.limit = before.limit != nullptr
                      ? before.limit
                      : std::make_shared<upstream::ConcurrencyLimit>(1, max, queue);
    share.limit->configure(max, queue);
  } else if (before.limit != nullptr) {
    share.limit = before.limit;
    share.limit->lift();
  }
  return share;
}

}  // namespace canaryd::test
