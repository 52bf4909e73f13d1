#include "canaryd/upstream/ejection.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace canaryd::upstream {
namespace {

std::size_t most_ejected(const EjectionScope& scope) noexcept {
  return scope.rule->max_ejected_percent * scope.endpoints.size() / 100;
}

// Workers that do this at the same time must agree on whom they take: by their order where two end
// together.
void end_surplus(const EjectionScope& scope, Monotonic now) {
  std::vector<std::pair<Monotonic, std::size_t>> out;
  for (std::size_t i = 0; i < scope.endpoints.size(); ++i) {
    const Monotonic until = scope.endpoints[i].state->ejected_until();
    if (now < until) out.emplace_back(until, i);
  }
  const std::size_t most = most_ejected(scope);
  if (out.size() <= most) return;
  std::sort(out.begin(), out.end());
  out.resize(out.size() - most);
  for (const auto& [until, index] : out) scope.endpoints[index].state->limit_ejection(now);
}

}  // namespace

bool count_failure(EndpointState& endpoint,
                   const EjectionScope& scope,
                   UpstreamState& upstream,
                   Monotonic now) noexcept {
  // What was under way when it was ejected is no part of the next row.
  if (endpoint.ejected(now)) return false;
  const std::uint32_t failures = endpoint.count_failure();
  if (!scope.rule || failures < scope.rule->consecutive_failures) return false;
  if (upstream.ejecting.test_and_set(std::memory_order_acquire)) return false;
  std::size_t out = 0;
  bool known = false;  // An older table may have one that is gone.
  for (const EndpointShare& each : scope.endpoints) {
    if (each.state->ejected(now)) ++out;
    if (each.state.get() == &endpoint) known = true;
  }
  const Duration time =
      std::min(scope.rule->ejection, upstream.ejection_max.load(std::memory_order_relaxed));
  const bool may = known && out < most_ejected(scope);
  const bool ejects = may && time > Duration::zero() && !endpoint.ejected(now);
  if (ejects) endpoint.eject(now + time);
  upstream.ejecting.clear(std::memory_order_release);
  return ejects;
}

void limit_ejections(const EjectionScope& scope, Monotonic now) {
  // Who is out has no longer to wait than whoever goes out now.
  const Monotonic until = scope.rule ? now + scope.rule->ejection : now;
  for (const EndpointShare& each : scope.endpoints) each.state->limit_ejection(until);
  if (scope.rule) end_surplus(scope, now);
}

}  // namespace canaryd::upstream
