// What threads share of an upstream: the counters of each worker, and one state of each endpoint
// and of the whole for all of them.
//
// Control makes and keeps these, and hands them out with each table. They outlive tables and
// reloads: an endpoint that stays in the configuration keeps its state, and what a worker kept for
// it (its idle connections) stays as well. The same pointer means the same endpoint.
//
// Thread rule: counters have one writing worker; an EndpointState is atomics only. Any thread reads
// both. Limit: one state an endpoint, one block of counters an endpoint and worker.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/net/address.hpp"
#include "canaryd/stats/duration_counters.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
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
  std::atomic<std::uint64_t> queue_full{0};      // Requests turned away by the concurrency limit,
  std::atomic<std::uint64_t> queue_timeout{0};   // and those that waited for it in vain.
  // From the beginning of a try, which may have to connect, to the first byte of an answer.
  stats::DurationCounters first_byte{};
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

// What control knows of an endpoint by asking it. Unknown: nobody asks, or nobody has heard yet.
enum class Health : std::uint8_t { kUnknown, kHealthy, kUnhealthy };

// One endpoint as all workers and control see it. An ejection ends by itself: whoever asks compares
// its end with the time, so nobody has to take it back.
class EndpointState {
 public:
  explicit EndpointState(const net::Address& address)
      : address_(address), text_(to_string(address)) {}

  [[nodiscard]] const net::Address& address() const noexcept { return address_; }
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

  [[nodiscard]] bool available(Monotonic now) const noexcept { return healthy() && !ejected(now); }

  // What is unknown may be used.
  [[nodiscard]] bool healthy() const noexcept { return health() != Health::kUnhealthy; }
  [[nodiscard]] Health health() const noexcept { return health_.load(std::memory_order_relaxed); }
  // Control's.
  void set_health(Health health, Monotonic now) noexcept {
    if (!healthy() && health != Health::kUnhealthy) {
      recovered_at_.store(ticks(now), std::memory_order_relaxed);
    }
    health_.store(health, std::memory_order_relaxed);
  }

  // What the workers found out by using it; see ejection.hpp.
  [[nodiscard]] bool ejected(Monotonic now) const noexcept { return now < ejected_until(); }
  [[nodiscard]] Monotonic ejected_until() const noexcept {
    return Monotonic(Duration(ejected_until_.load(std::memory_order_relaxed)));
  }
  void eject(Monotonic until) noexcept {
    ejected_until_.store(ticks(until), std::memory_order_relaxed);
    failures_.store(0, std::memory_order_relaxed);
  }
  // Under another rule: out until then at most. Never longer than it was.
  void limit_ejection(Monotonic until) noexcept {
    std::int64_t now = ejected_until_.load(std::memory_order_relaxed);
    while (ticks(until) < now &&
           !ejected_until_.compare_exchange_weak(now, ticks(until), std::memory_order_relaxed)) {
    }
  }
  // Since it came back, by whichever of the two later; the longest time there is if it never was
  // out.
  [[nodiscard]] Duration in_use_for(Monotonic now) const noexcept {
    const std::int64_t since = std::max(recovered_at_.load(std::memory_order_relaxed),
                                        ejected_until_.load(std::memory_order_relaxed));
    return since == 0 ? Duration::max() : Duration(ticks(now) - since);
  }

  // Failures in a row, of all workers. Returns how many there are now.
  std::uint32_t count_failure() noexcept {
    return failures_.fetch_add(1, std::memory_order_relaxed) + 1;
  }
  // One load, unless there were failures.
  void count_success() noexcept {
    if (failures_.load(std::memory_order_relaxed) != 0) {
      failures_.store(0, std::memory_order_relaxed);
    }
  }

 private:
  static std::int64_t ticks(Monotonic time) noexcept { return time.time_since_epoch().count(); }

  const net::Address address_;
  const std::string text_;  // Of the address, for logs.
  std::atomic<Health> health_{Health::kUnknown};
  std::atomic<std::int64_t> ejected_until_{0};
  std::atomic<std::int64_t> recovered_at_{0};
  std::atomic<std::uint32_t> failures_{0};
};

// One upstream as all workers see it.
struct UpstreamState {
  std::atomic_flag
      ejecting;  // Held by the worker that decides on an ejection; nobody waits for it.
  // Control's: the ejection that is configured, 0: none is. Requests that began under an older
  // table know an older one, and must not eject for longer.
  std::atomic<Duration> ejection_max{Duration::max()};
};

struct EndpointShare {
  std::shared_ptr<EndpointState> state;        // All workers'.
  std::shared_ptr<EndpointCounters> counters;  // This worker's.
  friend bool operator==(const EndpointShare&, const EndpointShare&) = default;
};

class ConcurrencyLimit;

// What one worker gets of an upstream.
struct UpstreamShare {
  std::shared_ptr<UpstreamCounters> counters;  // This worker's.
  std::vector<EndpointShare> endpoints;        // Index: that of UpstreamSpec::endpoints.
  std::shared_ptr<UpstreamState> state;        // All workers'.
  std::shared_ptr<ConcurrencyLimit> limit;     // All workers', lifted or not; null: none so far.
  std::size_t worker = 0;                      // This one's index there.
  friend bool operator==(const UpstreamShare&, const UpstreamShare&) = default;
};

}  // namespace canaryd::upstream
