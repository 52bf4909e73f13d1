// One endpoint of an upstream as one worker sees it: its pool, its load, and the lease by which a
// request uses it.
//
// Thread rule: one worker; what other threads may see is in EndpointShare.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/net/runtime.hpp"
#include "canaryd/upstream/pool.hpp"
#include "canaryd/upstream/share.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>

namespace canaryd::upstream {

class Endpoint {
 public:
  Endpoint(net::Runtime& runtime, std::shared_ptr<UpstreamCounters> counters, EndpointShare share);
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  [[nodiscard]] const net::Address& address() const noexcept { return share_.state->address(); }
  [[nodiscard]] EndpointState& state() const noexcept { return *share_.state; }
  [[nodiscard]] const EndpointShare& share() const noexcept { return share_; }
  [[nodiscard]] Pool& pool() noexcept { return pool_; }
  // Requests of this worker that hold a lease on it.
  [[nodiscard]] std::size_t active() const noexcept { return active_; }

 private:
  friend class Lease;

  net::Runtime* runtime_;
  std::shared_ptr<UpstreamCounters> counters_;
  EndpointShare share_;
  Pool pool_;
  std::size_t active_ = 0;
};

// The endpoints that one request has tried: the first few and the last one. They are compared,
// never used. From one pointer, where that is all; null: none.
class Tried {
 public:
  Tried() noexcept = default;
  Tried(const Endpoint* endpoint) noexcept {  // NOLINT(google-explicit-constructor)
    if (endpoint != nullptr) add(endpoint);
  }

  void add(const Endpoint* endpoint) noexcept {
    if (size_ < endpoints_.size()) ++size_;
    endpoints_[size_ - 1] = endpoint;
  }
  void clear() noexcept { size_ = 0; }
  [[nodiscard]] bool has(const Endpoint* endpoint) const noexcept {
    const auto end = endpoints_.begin() + static_cast<std::ptrdiff_t>(size_);
    return std::find(endpoints_.begin(), end, endpoint) != end;
  }
  [[nodiscard]] const Endpoint* last() const noexcept {
    return size_ == 0 ? nullptr : endpoints_[size_ - 1];
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::array<const Endpoint*, 8> endpoints_{};
  std::size_t size_ = 0;
};

// One request's use of one endpoint; counts it as active until it ends. Ending without give_back()
// closes the connection. The endpoint must outlive it: the exchange pins the table that owns the
// upstream.
class Lease {
 public:
  Lease() noexcept = default;
  // With an idle connection, or without one.
  Lease(Endpoint& endpoint, std::unique_ptr<Connection> idle) noexcept;
  Lease(Lease&& other) noexcept;
  Lease& operator=(Lease&& other) noexcept;
  ~Lease() { close(); }

  [[nodiscard]] explicit operator bool() const noexcept { return endpoint_ != nullptr; }
  [[nodiscard]] Endpoint* endpoint() const noexcept { return endpoint_; }
  [[nodiscard]] bool connected() const noexcept { return connection_ != nullptr; }
  [[nodiscard]] net::Stream& stream() noexcept { return connection_->stream(); }
  [[nodiscard]] const net::Stream& stream() const noexcept { return connection_->stream(); }
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
  void drop_connection() noexcept;

  Endpoint* endpoint_ = nullptr;
  std::unique_ptr<Connection> connection_;
  bool reused_ = false;
};

}  // namespace canaryd::upstream
