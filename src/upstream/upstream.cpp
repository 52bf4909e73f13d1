#include "canaryd/upstream/upstream.hpp"

#include <utility>

namespace canaryd::upstream {

// ---- Connection

Connection::Connection(Endpoint& endpoint,
                       net::ReadyQueue& queue,
                       std::unique_ptr<net::Stream> stream)
    : Reaction(queue), endpoint_(&endpoint), stream_(std::move(stream)) {}

// The peer closed, or spoke out of turn: either way nobody may be given this connection.
void Connection::react() {
  endpoint_->unlink(*this);
  // The pool's links own idle connections; see Endpoint::keep.
  const std::unique_ptr<Connection> self(this);
}

// ---- Endpoint

Endpoint::Endpoint(Upstream& upstream, std::size_t index, const net::Address& address)
    : TimerNode(upstream.runtime_->wheel()),
      upstream_(&upstream),
      index_(index),
      address_(address) {}

Endpoint::~Endpoint() {
  while (newest_ != nullptr) {
    const std::unique_ptr<Connection> gone(newest_);
    unlink(*gone);
  }
}

std::unique_ptr<Connection> Endpoint::take_idle() {
  while (newest_ != nullptr) {
    std::unique_ptr<Connection> connection(newest_);
    unlink(*connection);
    net::Stream& stream = connection->stream();
    stream.set_idle_watcher(nullptr);
    connection->unschedule();
    // Its event may be raised but not yet reacted to.
    if (!stream.readable_flag() && !stream.hangup() && !stream.error()) return connection;
  }
  return nullptr;
}

void Endpoint::keep(std::unique_ptr<Connection> connection) {
  const Duration keep_alive = upstream_->spec_.timeouts.keep_alive;
  if (idle_ >= kIdleMax || keep_alive <= Duration::zero()) return;
  // The intrusive list owns it from here; unlink() gives it up again.
  Connection* const kept = connection.release();
  kept->idle_since_ = upstream_->runtime_->now();
  kept->older_ = newest_;
  kept->newer_ = nullptr;
  (newest_ != nullptr ? newest_->newer_ : oldest_) = kept;
  newest_ = kept;
  ++idle_;
  bump(upstream_->counters_->idle);
  if (!armed()) set_deadline(oldest_->idle_since_ + keep_alive);
  kept->stream_->set_idle_watcher(kept);
}

void Endpoint::unlink(Connection& connection) noexcept {
  (connection.newer_ != nullptr ? connection.newer_->older_ : newest_) = connection.older_;
  (connection.older_ != nullptr ? connection.older_->newer_ : oldest_) = connection.newer_;
  connection.newer_ = connection.older_ = nullptr;
  --idle_;
  drop(upstream_->counters_->idle);
}

void Endpoint::reap(Monotonic now) {
  const Duration keep_alive = upstream_->spec_.timeouts.keep_alive;
  while (oldest_ != nullptr && oldest_->idle_since_ + keep_alive <= now) {
    const std::unique_ptr<Connection> gone(oldest_);
    unlink(*gone);
  }
  if (oldest_ != nullptr) set_deadline(oldest_->idle_since_ + keep_alive);
}

void Endpoint::expired() {
  reap(upstream_->runtime_->now());
}

// ---- Lease

Lease::Lease(Endpoint& endpoint, std::unique_ptr<Connection> idle) noexcept
    : endpoint_(&endpoint), connection_(std::move(idle)), reused_(connection_ != nullptr) {
  ++endpoint.active_;
  UpstreamCounters& counters = *endpoint.upstream_->counters_;
  bump(counters.active_requests[endpoint.index_]);
  if (connection_ != nullptr) bump(counters.busy);
}

Lease::Lease(Lease&& other) noexcept
    : endpoint_(std::exchange(other.endpoint_, nullptr)),
      connection_(std::move(other.connection_)),
      reused_(other.reused_) {}

Lease& Lease::operator=(Lease&& other) noexcept {
  if (this != &other) {
    close();
    endpoint_ = std::exchange(other.endpoint_, nullptr);
    connection_ = std::move(other.connection_);
    reused_ = other.reused_;
  }
  return *this;
}

Result<void> Lease::connect() {
  drop_connection();
  reused_ = false;
  net::Runtime& runtime = *endpoint_->upstream_->runtime_;
  auto stream = runtime.connect(endpoint_->address_);
  if (!stream) {
    connected(false);
    return fail(std::move(stream).error());
  }
  connection_ = std::make_unique<Connection>(*endpoint_, runtime.ready(), std::move(*stream));
  bump(endpoint_->upstream_->counters_->busy);
  return {};
}

void Lease::connected(bool ok) noexcept {
  UpstreamCounters& counters = *endpoint_->upstream_->counters_;
  bump(ok ? counters.connects_ok : counters.connects_failed);
}

void Lease::give_back() {
  if (connection_ != nullptr) {
    drop(endpoint_->upstream_->counters_->busy);
    endpoint_->keep(std::move(connection_));
  }
  close();
}

void Lease::drop_connection() noexcept {
  if (connection_ == nullptr) return;
  drop(endpoint_->upstream_->counters_->busy);
  connection_.reset();
}

void Lease::close() noexcept {
  if (endpoint_ == nullptr) return;
  drop_connection();
  --endpoint_->active_;
  drop(endpoint_->upstream_->counters_->active_requests[endpoint_->index_]);
  endpoint_ = nullptr;
}

// ---- Upstream

Upstream::Upstream(net::Runtime& runtime,
                   UpstreamSpec spec,
                   std::shared_ptr<UpstreamCounters> counters)
    : runtime_(&runtime), spec_(std::move(spec)), counters_(std::move(counters)) {
  CANARYD_ASSERT(!spec_.endpoints.empty());
  CANARYD_ASSERT(counters_->active_requests.size() >= spec_.endpoints.size());
  for (const net::Address& address : spec_.endpoints) {
    endpoints_.push_back(std::make_unique<Endpoint>(*this, endpoints_.size(), address));
  }
}

Upstream::~Upstream() = default;

Lease Upstream::acquire(const Endpoint* avoid, bool fresh) {
  Endpoint& endpoint = choose(avoid);
  return Lease(endpoint, fresh ? nullptr : endpoint.take_idle());
}

Endpoint& Upstream::choose(const Endpoint* avoid) {
  const std::size_t count = endpoints_.size();
  if (count == 1) return *endpoints_.front();
  if (spec_.load_balancer == LoadBalancer::kRoundRobin) {
    next_ = (next_ + 1) % count;
    if (endpoints_[next_].get() == avoid) next_ = (next_ + 1) % count;
    return *endpoints_[next_];
  }
  // Two different ones; if one of them is to be avoided the other is taken.
  const std::size_t first = runtime_->random().below(count);
  const std::size_t second = (first + 1 + runtime_->random().below(count - 1)) % count;
  Endpoint& a = *endpoints_[first];
  Endpoint& b = *endpoints_[second];
  if (&a == avoid) return b;
  if (&b == avoid) return a;
  return b.active() < a.active() ? b : a;
}

}  // namespace canaryd::upstream
