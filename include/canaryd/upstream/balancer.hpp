// The choice among the endpoints of an upstream. Every kind honours the weights.
//
// - Round robin: in turn, and smoothly: 5:1:1 is a a b a c a a, not five times a in a row.
// - Least request: of two different endpoints drawn by weight, the one with fewer requests of this
//   worker for its weight (Mitzenmacher 2001).
// - Consistent hash: the endpoint with the highest score for the key (rendezvous hashing: Thaler,
//   Ravishankar 1998; weights: Schindelhauer, Schomaker 2005). Scores come from key, address and
//   weight alone, so the choice is the same on every worker and host and after every restart. An
//   endpoint that goes moves its own keys only, one that comes or gains weight only draws keys to
//   itself.
//
// With slow start an endpoint that is back in use counts with a part of its weight, which grows in
// step with time.
//
// Endpoints that are unhealthy or ejected are left out, and the others share their part in the same
// manner; consistent hash moves their keys only. Where nothing can take an endpoint out, nothing is
// looked at.
//
// Thread rule: one worker. Cost: a fixed time, but for consistent hash, for unequal weights, for
// slow start, and for round robin where endpoints may be out: these look at every endpoint. No
// allocation in choose().
#pragma once

#include "canaryd/net/runtime.hpp"
#include "canaryd/upstream/endpoint.hpp"
#include "canaryd/upstream/spec.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace canaryd::upstream {

class Balancer {
 public:
  struct Candidate {
    Endpoint* endpoint = nullptr;
    std::uint16_t weight = 1;
  };

  // The endpoints outlive it; not empty, no weight is 0.
  Balancer(const UpstreamSpec& spec,
           const std::vector<Candidate>& candidates,
           net::Runtime& runtime);

  // Those of `tried` are passed over while there is another: a retry goes elsewhere, and not to the
  // last one again. `key` is for consistent hash only. Null: none may be used.
  [[nodiscard]] Endpoint* choose(const Tried& tried, std::uint64_t key);

 private:
  struct Choice {
    Endpoint* endpoint;
    std::int64_t weight;  // In thousandths with slow start, so that a small part of 1 is not 0.
    std::int64_t credit;  // Round robin: what it has coming.
    std::uint64_t seed;   // Consistent hash: of its address.
  };

  [[nodiscard]] Endpoint* pick(const Tried& tried, std::uint64_t key);
  // What counts of it now.
  [[nodiscard]] std::int64_t weight(const Choice& choice) const noexcept;
  [[nodiscard]] bool in_use(const Choice& choice) const noexcept {
    return !guarded_ || choice.endpoint->state().available(runtime_->now());
  }
  // Neither tried nor out of use.
  [[nodiscard]] bool usable(const Choice& choice, const Tried& tried) const noexcept {
    return !tried.has(choice.endpoint) && in_use(choice);
  }
  [[nodiscard]] Endpoint* in_turn(const Tried& tried);
  [[nodiscard]] Endpoint* by_credit(const Tried& tried);
  [[nodiscard]] Endpoint* less_loaded(const Tried& tried);
  [[nodiscard]] Endpoint* less_loaded_by_weight(const Tried& tried);
  [[nodiscard]] const Choice* draw(const Tried& tried, const Choice* other);
  [[nodiscard]] Endpoint* by_key(const Tried& tried, std::uint64_t key) const;

  LoadBalancer kind_;
  net::Runtime* runtime_;
  std::vector<Choice> choices_;
  bool guarded_;         // An endpoint may be out of use.
  Duration slow_start_;  // 0: none.
  bool equal_ = true;    // All weights are.
  std::size_t next_ = 0;
};

}  // namespace canaryd::upstream
