// What threads share of an upstream: the counters of each worker, and one state of each endpoint
// for all of them.
//
// Control makes and keeps these, and hands them out with each table. They outlive tables and
// reloads: an endpoint that stays in the configuration keeps its state, and what a worker kept for
// it (its idle connections) stays as well. The same pointer means the same endpoint.
//
// Thread rule: counters have one writing worker; an EndpointState is atomics only. Any thread reads
// both. Limit: one state an endpoint, one block of counters an endpoint and worker.
#pragma once

#include "canaryd/net/address.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace canaryd::upstream {

// Written by one worker, read by any thread.
struct UpstreamCounters {
  std::atomic<std::uint64_t> connects_ok{0};
  std::atomic<std::uint64_t> connects_failed{0};
  std::atomic<std::uint64_t> retries_ok{0};
  std::atomic<std::uint64_t> retries_failed{0};
  std::atomic<std::uint64_t> retries_denied{0};  // Safe, but over the budget: not made.
  std::atomic<std::uint64_t> busy{0};            // Gauge: connections in use.
  std::atomic<std::uint64_t> idle{0};            // Gauge: connections in the pool.
};

// As above. On a cache line of its own: another worker's block must not lie beside it.
struct alignas(64) EndpointCounters {
  std::atomic<std::uint64_t> active_requests{0};  // Gauge.
};

// A counter with one writer: a plain load and store, no locked instruction.
inline void bump(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}
inline void drop(std::atomic<std::uint64_t>& counter) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
}

// One endpoint as all workers and control see it.
class EndpointState {
 public:
  explicit EndpointState(const net::Address& address) noexcept : address_(address) {}

  [[nodiscard]] const net::Address& address() const noexcept { return address_; }

  // What control found out by asking it. Nobody has asked yet: healthy.
  [[nodiscard]] bool healthy() const noexcept { return healthy_.load(std::memory_order_relaxed); }
  void set_healthy(bool healthy) noexcept { healthy_.store(healthy, std::memory_order_relaxed); }

 private:
  const net::Address address_;
  std::atomic<bool> healthy_{true};
};

struct EndpointShare {
  std::shared_ptr<EndpointState> state;        // All workers'.
  std::shared_ptr<EndpointCounters> counters;  // This worker's.
  friend bool operator==(const EndpointShare&, const EndpointShare&) = default;
};

// What one worker gets of an upstream.
struct UpstreamShare {
  std::shared_ptr<UpstreamCounters> counters;  // This worker's.
  std::vector<EndpointShare> endpoints;        // Index: that of UpstreamSpec::endpoints.
  friend bool operator==(const UpstreamShare&, const UpstreamShare&) = default;
};

}  // namespace canaryd::upstream
