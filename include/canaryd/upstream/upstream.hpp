// One named service version as one worker sees it: its endpoints, their idle connections, and the
// choice among them.
//
// Connections are kept per worker and endpoint and never shared across upstreams, so never across
// cohorts. An idle connection is watched: when the peer closes it, or sends bytes that nobody asked
// for, it leaves the pool at once. The newest is reused first, so that the surplus grows old and is
// reaped after `timeouts.keep_alive`.
//
// Choice: round robin, or the less loaded of two random endpoints (Mitzenmacher 2001) by requests
// of this worker.
//
// Thread rule: one worker, except UpstreamCounters, which any thread may read. Limit: kIdleMax idle
// connections an endpoint and worker.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/net/address.hpp"
#include "canaryd/net/runtime.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace canaryd::upstream {

enum class LoadBalancer : std::uint8_t { kRoundRobin, kLeastRequest };

// A duration of 0 means none, but for connect, which is always bounded.
struct Timeouts {
  Duration connect = std::chrono::seconds(1);
  Duration first_byte = std::chrono::seconds(15);
  Duration body_idle = std::chrono::seconds(30);
  Duration request{};
  Duration keep_alive = std::chrono::seconds(30);
  friend bool operator==(const Timeouts&, const Timeouts&) = default;
};

struct Retries {
  std::uint8_t attempts = 1;  // Beyond the first try.
  bool on_connect_failure = true;
  bool on_reset_before_headers = true;
  friend bool operator==(const Retries&, const Retries&) = default;
};

struct UpstreamSpec {
  std::string name;
  std::vector<net::Address> endpoints;  // Not empty.
  LoadBalancer load_balancer = LoadBalancer::kLeastRequest;
  Timeouts timeouts;
  Retries retries;
  friend bool operator==(const UpstreamSpec&, const UpstreamSpec&) = default;
};

// Written by one worker, read by any thread.
struct UpstreamCounters {
  explicit UpstreamCounters(std::size_t endpoints) : active_requests(endpoints) {}

  std::atomic<std::uint64_t> connects_ok{0};
  std::atomic<std::uint64_t> connects_failed{0};
  std::atomic<std::uint64_t> retries_ok{0};
  std::atomic<std::uint64_t> retries_failed{0};
  std::atomic<std::uint64_t> busy{0};                       // Gauge: connections in use.
  std::atomic<std::uint64_t> idle{0};                       // Gauge: connections in the pool.
  std::vector<std::atomic<std::uint64_t>> active_requests;  // Gauge, one an endpoint.
};

// A counter with one writer: a plain load and store, no locked instruction.
inline void bump(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}
inline void drop(std::atomic<std::uint64_t>& counter) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
}

class Upstream;
class Endpoint;

// One connection to an endpoint. While it is idle it reacts to its own death.
class Connection final : private net::Reaction {
 public:
  Connection(Endpoint& endpoint, net::ReadyQueue& queue, std::unique_ptr<net::Stream> stream);

  [[nodiscard]] net::Stream& stream() noexcept { return *stream_; }

 private:
  friend class Endpoint;
  void react() override;

  Endpoint* endpoint_;
  std::unique_ptr<net::Stream> stream_;
  Monotonic idle_since_{};
  Connection* newer_ = nullptr;  // Links of the pool, set only while idle.
  Connection* older_ = nullptr;
};

class Endpoint final : private net::TimerNode {
 public:
  static constexpr std::size_t kIdleMax = 256;

  Endpoint(Upstream& upstream, std::size_t index, const net::Address& address);
  ~Endpoint() override;

  [[nodiscard]] const net::Address& address() const noexcept { return address_; }
  // Requests of this worker that hold a lease on it.
  [[nodiscard]] std::size_t active() const noexcept { return active_; }
  [[nodiscard]] std::size_t idle() const noexcept { return idle_; }

 private:
  friend class Connection;
  friend class Lease;
  friend class Upstream;

  [[nodiscard]] std::unique_ptr<Connection> take_idle();
  void keep(std::unique_ptr<Connection> connection);
  void unlink(Connection& connection) noexcept;
  void reap(Monotonic now);
  void expired() override;

  Upstream* upstream_;
  std::size_t index_;
  net::Address address_;
  Connection* newest_ = nullptr;
  Connection* oldest_ = nullptr;
  std::size_t idle_ = 0;
  std::size_t active_ = 0;
};

// One request's use of one endpoint; counts it as active until it ends. Ending without give_back()
// closes the connection. The upstream must outlive it: the exchange pins the table that owns the
// upstream.
class Lease {
 public:
  Lease() noexcept = default;
  Lease(Lease&& other) noexcept;
  Lease& operator=(Lease&& other) noexcept;
  ~Lease() { close(); }

  [[nodiscard]] explicit operator bool() const noexcept { return endpoint_ != nullptr; }
  [[nodiscard]] Endpoint* endpoint() const noexcept { return endpoint_; }
  [[nodiscard]] bool connected() const noexcept { return connection_ != nullptr; }
  [[nodiscard]] net::Stream& stream() noexcept { return connection_->stream(); }
  // The connection came from the pool: its peer may have closed it before our bytes arrived.
  [[nodiscard]] bool reused() const noexcept { return reused_; }

  // Starts a fresh connection in place of what there was; see Runtime::connect. The caller waits
  // for it, then tells.
  [[nodiscard]] Result<void> connect();
  void connected(bool ok) noexcept;

  // The exchange is through and the connection is clean: it goes back to the pool.
  void give_back();
  void close() noexcept;

 private:
  friend class Upstream;
  Lease(Endpoint& endpoint, std::unique_ptr<Connection> idle) noexcept;

  void drop_connection() noexcept;

  Endpoint* endpoint_ = nullptr;
  std::unique_ptr<Connection> connection_;
  bool reused_ = false;
};

class Upstream {
 public:
  Upstream(net::Runtime& runtime, UpstreamSpec spec, std::shared_ptr<UpstreamCounters> counters);
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;
  ~Upstream();

  [[nodiscard]] const UpstreamSpec& spec() const noexcept { return spec_; }
  [[nodiscard]] UpstreamCounters& counters() const noexcept { return *counters_; }
  [[nodiscard]] const std::shared_ptr<UpstreamCounters>& shared_counters() const noexcept {
    return counters_;
  }

  // An endpoint, with an idle connection if it has one; else, or if it must be `fresh`, connect()
  // comes next. `avoid` is passed over while there is another: a retry goes elsewhere.
  [[nodiscard]] Lease acquire(const Endpoint* avoid = nullptr, bool fresh = false);

 private:
  friend class Endpoint;
  friend class Lease;

  [[nodiscard]] Endpoint& choose(const Endpoint* avoid);

  net::Runtime* runtime_;
  UpstreamSpec spec_;
  std::shared_ptr<UpstreamCounters> counters_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  std::size_t next_ = 0;
};

}  // namespace canaryd::upstream
