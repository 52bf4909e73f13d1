#include "canaryd/upstream/ejection.hpp"

#include <algorithm>
#include <cstddef>

namespace canaryd::upstream {

bool count_failure(Endpoint& endpoint,
                   std::span<const boost::local_shared_ptr<Endpoint>> all,
                   UpstreamState& upstream,
                   const OutlierDetection& rule,
                   Monotonic now) noexcept {
  EndpointState& state = endpoint.state();
  // What was under way when it was ejected is no part of the next row.
  if (state.ejected(now)) return false;
  if (state.count_failure() < rule.consecutive_failures) return false;
  if (upstream.ejecting.test_and_set(std::memory_order_acquire)) return false;
  const auto out = static_cast<std::size_t>(std::count_if(
      all.begin(), all.end(), [&](const auto& each) { return each->state().ejected(now); }));
  const bool may = (out + 1) * 100 <= rule.max_ejected_percent * all.size();
  const Duration time =
      std::min(rule.ejection, upstream.ejection_max.load(std::memory_order_relaxed));
  const bool ejects = may && time > Duration::zero() && !state.ejected(now);
  if (ejects) state.eject(now + time);
  upstream.ejecting.clear(std::memory_order_release);
  return ejects;
}

}  // namespace canaryd::upstream
