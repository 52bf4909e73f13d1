#include "control/upstream_registry.hpp"

#include "canaryd/base/error.hpp"
#include "canaryd/upstream/concurrency.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::control {

std::uint64_t EndpointEntry::active_requests() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& each : counters) sum += each->active_requests.load(std::memory_order_relaxed);
  return sum;
}

bool UpstreamEntry::has(const upstream::EndpointState& endpoint) const noexcept {
  return std::any_of(endpoints.begin(), endpoints.end(), [&](const EndpointEntry& each) {
    return each.state.get() == &endpoint;
  });
}

void UpstreamRegistry::update(const std::vector<upstream::UpstreamSpec>& specs) {
  std::map<std::string, UpstreamEntry, std::less<>> next;
  for (const upstream::UpstreamSpec& spec : specs) {
    UpstreamEntry entry;
    UpstreamEntry& old = upstreams_[spec.name];
    entry.counters = std::move(old.counters);
    entry.state =
        old.state != nullptr ? std::move(old.state) : std::make_shared<upstream::UpstreamState>();
    while (entry.counters.size() < workers_) {
      entry.counters.push_back(std::make_shared<upstream::UpstreamCounters>());
    }
    entry.checked = spec.health_check;
    const auto& outliers = spec.outlier_detection;
    entry.state->ejection_max.store(outliers ? outliers->ejection : Duration::zero(),
                                    std::memory_order_relaxed);
    for (const upstream::EndpointSpec& endpoint : spec.endpoints) {
      const auto kept = std::find_if(
          old.endpoints.begin(), old.endpoints.end(), [&](const EndpointEntry& candidate) {
            return candidate.state->address() == endpoint.address;
          });
      entry.endpoints.push_back(kept != old.endpoints.end() ? *kept : make_endpoint(endpoint));
    }
    entry.limit = keep_limit(spec, std::move(old.limit));
    next.emplace(spec.name, std::move(entry));
  }
  upstreams_ = std::move(next);
}

// A limit that changes is the same one, so that what is in flight stays counted; also one that is
// taken away, for it may come back.
std::shared_ptr<upstream::ConcurrencyLimit> UpstreamRegistry::keep_limit(
    const upstream::UpstreamSpec& spec, std::shared_ptr<upstream::ConcurrencyLimit> old) const {
  if (!spec.concurrency) {
    if (old != nullptr) old->lift();
    return old;
  }
  const auto& [max, queue, timeout] = *spec.concurrency;
  if (old == nullptr) {
    return std::make_shared<upstream::ConcurrencyLimit>(workers_, max, queue);
  }
  old->configure(max, queue);
  return old;
}

EndpointEntry UpstreamRegistry::make_endpoint(const upstream::EndpointSpec& spec) const {
  EndpointEntry entry;
  entry.state = std::make_shared<upstream::EndpointState>(spec.address);
  for (std::size_t i = 0; i < workers_; ++i) {
    entry.counters.push_back(std::make_shared<upstream::EndpointCounters>());
  }
  return entry;
}

upstream::UpstreamShare UpstreamRegistry::share(const upstream::UpstreamSpec& spec,
                                                std::size_t worker) const {
  const UpstreamEntry* const entry = find(spec.name);
  CANARYD_ASSERT(entry != nullptr && entry->endpoints.size() == spec.endpoints.size());
  upstream::UpstreamShare share;
  share.counters = entry->counters[worker];
  share.state = entry->state;
  share.limit = entry->limit;
  share.worker = worker;
  for (const EndpointEntry& endpoint : entry->endpoints) {
    share.endpoints.push_back({endpoint.state, endpoint.counters[worker]});
  }
  return share;
}

const UpstreamEntry* UpstreamRegistry::find(std::string_view name) const noexcept {
  const auto found = upstreams_.find(name);
  return found == upstreams_.end() ? nullptr : &found->second;
}

std::vector<EjectionChange> UpstreamRegistry::ejection_changes(Monotonic now) {
  std::vector<EjectionChange> changes;
  for (auto& [name, upstream] : upstreams_) {
    for (EndpointEntry& each : upstream.endpoints) {
      const bool ejected = each.state->ejected(now);
      if (ejected == each.seen_ejected) continue;
      each.seen_ejected = ejected;
      changes.push_back({name, each.state->address(), ejected});
    }
  }
  return changes;
}

UpstreamHealth UpstreamRegistry::health(std::string_view name) const noexcept {
  UpstreamHealth health;
  const UpstreamEntry* const entry = find(name);
  if (entry == nullptr) return health;
  health.endpoints = entry->endpoints.size();
  for (const EndpointEntry& each : entry->endpoints) {
    const upstream::Health found = each.state->health();
    if (found != upstream::Health::kUnhealthy) ++health.usable;
    if (found == upstream::Health::kHealthy || !entry->checked) ++health.proven;
    if (found == upstream::Health::kUnknown && entry->checked) health.known = false;
  }
  return health;
}

}  // namespace canaryd::control
