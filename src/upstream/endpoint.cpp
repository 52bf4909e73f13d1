#include "canaryd/upstream/endpoint.hpp"

#include <utility>

namespace canaryd::upstream {
namespace {

// As many idle connections make way for one that is needed: other workers may be quicker to take
// what the first one left.
constexpr int kMakeWayMost = 3;

Result<std::unique_ptr<net::Stream>> connect_to(net::Runtime& runtime, const net::Address& to) {
  auto stream = runtime.connect(to);
  for (int i = 0; i < kMakeWayMost && !stream && stream.error().code == ErrorCode::kLimit; ++i) {
    // Where it is local ports that have run out, connections to others would end for nothing.
    if (!runtime.short_of_sockets() || !runtime.idle_sockets().close_oldest()) break;
    stream = runtime.connect(to);
  }
  return stream;
}

}  // namespace

Endpoint::Endpoint(net::Runtime& runtime,
                   std::shared_ptr<UpstreamCounters> counters,
                   EndpointShare share)
    : runtime_(&runtime),
      counters_(std::move(counters)),
      share_(std::move(share)),
      pool_(runtime, counters_) {}

Lease::Lease(Endpoint& endpoint, std::unique_ptr<Connection> idle) noexcept
    : endpoint_(&endpoint), connection_(std::move(idle)), reused_(connection_ != nullptr) {
  ++endpoint.active_;
  bump(endpoint.share_.counters->active_requests);
  if (connection_ != nullptr) bump(endpoint.counters_->busy);
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
  net::Runtime& runtime = *endpoint_->runtime_;
  auto stream = connect_to(runtime, endpoint_->address());
  if (!stream) {
    connected(false);
    return fail(std::move(stream).error());
  }
  connection_ = std::make_unique<Connection>(runtime.ready(), std::move(*stream));
  bump(endpoint_->counters_->busy);
  return {};
}

void Lease::connected(bool ok) noexcept {
  UpstreamCounters& counters = *endpoint_->counters_;
  bump(ok ? counters.connects_ok : counters.connects_failed);
}

void Lease::give_back() {
  if (connection_ != nullptr) {
    drop(endpoint_->counters_->busy);
    endpoint_->pool_.keep(std::move(connection_));
  }
  close();
}

void Lease::drop_connection() noexcept {
  if (connection_ == nullptr) return;
  drop(endpoint_->counters_->busy);
  connection_.reset();
}

void Lease::close() noexcept {
  if (endpoint_ == nullptr) return;
  drop_connection();
  --endpoint_->active_;
  drop(endpoint_->share_.counters->active_requests);
  endpoint_ = nullptr;
}

}  // namespace canaryd::upstream
