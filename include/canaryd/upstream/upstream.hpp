// One named service version as one worker sees it: its endpoints, their idle connections, and the
// choice among them.
//
// It does not change: a table with other endpoints or other settings brings another Upstream, which
// takes over the endpoints (their pools, their load) that both have. An endpoint that is gone lives
// as long as the last table that knows it, so requests under way end in peace.
//
// Connections are kept per worker and endpoint and never shared across upstreams, so never across
// cohorts.
//
// Thread rule: one worker.
#pragma once

#include "canaryd/net/runtime.hpp"
#include "canaryd/upstream/balancer.hpp"
#include "canaryd/upstream/concurrency.hpp"
#include "canaryd/upstream/ejection.hpp"
#include "canaryd/upstream/endpoint.hpp"
#include "canaryd/upstream/retry_budget.hpp"
#include "canaryd/upstream/share.hpp"
#include "canaryd/upstream/spec.hpp"

#include <boost/smart_ptr/local_shared_ptr.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace canaryd::upstream {

class Upstream {
 public:
  // `before`: the one whose place it takes, if there was one.
  Upstream(net::Runtime& runtime,
           UpstreamSpec spec,
           UpstreamShare share,
           const Upstream* before = nullptr);
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;
  ~Upstream();

  [[nodiscard]] const UpstreamSpec& spec() const noexcept { return spec_; }
  [[nodiscard]] const UpstreamShare& share() const noexcept { return share_; }
  [[nodiscard]] UpstreamCounters& counters() const noexcept { return *share_.counters; }

  [[nodiscard]] RetryBudget& retry_budget() noexcept { return retry_budget_; }
  [[nodiscard]] const RetryBudget& retry_budget() const noexcept { return retry_budget_; }

  // Where requests take their slot before anything else; null: there has been no limit. One that
  // was lifted is not in spec(): nobody waits there, and what is in flight stays counted.
  [[nodiscard]] ConcurrencyQueue* concurrency() const noexcept { return concurrency_.get(); }

  // An endpoint, with an idle connection if it has one; else, or if it must be `fresh`, connect()
  // comes next. Those of `tried` are passed over while there is another: a retry goes elsewhere.
  // `key` is the hash of what requests that belong together have in common; see needs_key(). Empty:
  // no endpoint may be used.
  [[nodiscard]] Lease acquire(const Tried& tried = {}, bool fresh = false, std::uint64_t key = 0);
  // Whether the choice depends on the key.
  [[nodiscard]] bool needs_key() const noexcept {
    return spec_.load_balancer == LoadBalancer::kConsistentHash;
  }

  // Whether how a try ends matters to what follows; then one of the two is to be called with it.
  [[nodiscard]] bool detects_outliers() const noexcept {
    return spec_.outlier_detection.has_value();
  }
  void count_success(Endpoint& endpoint) const noexcept { endpoint.state().count_success(); }
  void count_failure(Endpoint& endpoint) const noexcept;

 private:
  void keep_queue(net::Runtime& runtime, const Upstream* before);
  void set_ejections(boost::local_shared_ptr<EjectionScope> before);

  net::Runtime* runtime_;
  UpstreamSpec spec_;
  UpstreamShare share_;
  RetryBudget retry_budget_;
  boost::local_shared_ptr<ConcurrencyQueue> concurrency_;
  boost::local_shared_ptr<EjectionScope> ejections_;  // Of it and of those whose place it took.
  std::vector<boost::local_shared_ptr<Endpoint>> endpoints_;
  std::unique_ptr<Balancer> balancer_;
};

}  // namespace canaryd::upstream
