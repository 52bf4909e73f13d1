// The choice among the endpoints of an upstream.
//
// Round robin, or the less loaded of two random endpoints (Mitzenmacher 2001) by requests of this
// worker.
//
// Thread rule: one worker.
#pragma once

#include "canaryd/base/random.hpp"
#include "canaryd/upstream/endpoint.hpp"
#include "canaryd/upstream/spec.hpp"

#include <cstddef>
#include <vector>

namespace canaryd::upstream {

class Balancer {
 public:
  // The endpoints outlive it; not empty.
  Balancer(LoadBalancer kind, std::vector<Endpoint*> endpoints, Random& random);

  // `avoid` is passed over while there is another: a retry goes elsewhere.
  [[nodiscard]] Endpoint& choose(const Endpoint* avoid);

 private:
  LoadBalancer kind_;
  std::vector<Endpoint*> endpoints_;
  Random* random_;
  std::size_t next_ = 0;
};

}  // namespace canaryd::upstream
