#include "canaryd/upstream/balancer.hpp"

#include "canaryd/base/error.hpp"

#include <utility>

namespace canaryd::upstream {

Balancer::Balancer(LoadBalancer kind, std::vector<Endpoint*> endpoints, Random& random)
    : kind_(kind), endpoints_(std::move(endpoints)), random_(&random) {
  CANARYD_ASSERT(!endpoints_.empty());
}

Endpoint& Balancer::choose(const Endpoint* avoid) {
  const std::size_t count = endpoints_.size();
  if (count == 1) return *endpoints_.front();
  if (kind_ == LoadBalancer::kRoundRobin) {
    next_ = (next_ + 1) % count;
    if (endpoints_[next_] == avoid) next_ = (next_ + 1) % count;
    return *endpoints_[next_];
  }
  // Two different ones; if one of them is to be avoided the other is taken.
  const std::size_t first = random_->below(count);
  const std::size_t second = (first + 1 + random_->below(count - 1)) % count;
  Endpoint& a = *endpoints_[first];
  Endpoint& b = *endpoints_[second];
  if (&a == avoid) return b;
  if (&b == avoid) return a;
  return b.active() < a.active() ? b : a;
}

}  // namespace canaryd::upstream
