#include "canaryd/upstream/upstream.hpp"

#include <boost/smart_ptr/make_local_shared.hpp>

#include <utility>

namespace canaryd::upstream {

Upstream::Upstream(net::Runtime& runtime,
                   UpstreamSpec spec,
                   UpstreamShare share,
                   const Upstream* before)
    : runtime_(&runtime),
      spec_(std::move(spec)),
      share_(std::move(share)),
      retry_budget_(spec_.retries.budget_percent) {
  CANARYD_ASSERT(share_.endpoints.size() == spec_.endpoints.size());
  const bool same = before != nullptr && before->share_.counters == share_.counters;
  if (same) {
    retry_budget_ = before->retry_budget_;
    retry_budget_.set_percent(spec_.retries.budget_percent);
  }
  keep_queue(runtime, before);
  set_ejections(same ? before->ejections_ : nullptr);
  std::vector<Balancer::Candidate> candidates;
  for (std::size_t i = 0; i < share_.endpoints.size(); ++i) {
    const EndpointShare& each = share_.endpoints[i];
    boost::local_shared_ptr<Endpoint> endpoint;
    if (same) {
      for (const auto& candidate : before->endpoints_) {
        if (candidate->share() == each) endpoint = candidate;
      }
    }
    if (endpoint == nullptr) {
      endpoint = boost::make_local_shared<Endpoint>(runtime, share_.counters, each);
    }
    endpoint->pool().set_keep_alive(spec_.timeouts.keep_alive);
    candidates.push_back({endpoint.get(), spec_.endpoints[i].weight});
    endpoints_.push_back(std::move(endpoint));
  }
  if (candidates.empty()) return;  // None is known yet.
  balancer_ = std::make_unique<Balancer>(spec_, candidates, runtime);
}

Upstream::~Upstream() = default;

// Whoever waits in the old one's queue hears of the new limit.
void Upstream::keep_queue(net::Runtime& runtime, const Upstream* before) {
  ConcurrencyQueue* const old = before != nullptr ? before->concurrency() : nullptr;
  if (old != nullptr && old->limit() == share_.limit) {
    concurrency_ = before->concurrency_;
  } else if (share_.limit != nullptr) {
    concurrency_ = boost::make_local_shared<ConcurrencyQueue>(runtime, share_.limit, share_.worker);
  }
  if (old != nullptr) old->serve();
}

// Requests under way have the old one, and eject by what holds now as well.
void Upstream::set_ejections(boost::local_shared_ptr<EjectionScope> before) {
  ejections_ = before != nullptr ? std::move(before) : boost::make_local_shared<EjectionScope>();
  *ejections_ = {share_.endpoints, spec_.outlier_detection};
  limit_ejections(*ejections_, runtime_->now());
}

Lease Upstream::acquire(const Tried& tried, bool fresh, std::uint64_t key) {
  Endpoint* const endpoint = balancer_ != nullptr ? balancer_->choose(tried, key) : nullptr;
  if (endpoint == nullptr) return {};
  return {*endpoint, fresh ? nullptr : endpoint->pool().take()};
}

void Upstream::count_failure(Endpoint& endpoint) const noexcept {
  upstream::count_failure(endpoint.state(), *ejections_, *share_.state, runtime_->now());
}

}  // namespace canaryd::upstream
