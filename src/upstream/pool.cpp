#include "canaryd/upstream/pool.hpp"

#include <chrono>
#include <span>
#include <utility>

namespace canaryd::upstream {
namespace {

// What has lain for so long may have been closed by its peer while the worker was busy with other
// events: a request that must not be sent twice would be lost there. Under load no connection lies
// for so long, and nothing is asked.
constexpr Duration kAskAfter = std::chrono::milliseconds(50);

}  // namespace

Connection::Connection(net::ReadyQueue& queue, std::unique_ptr<net::Stream> stream)
    : Reaction(queue), stream_(std::move(stream)) {}

// The peer closed, or spoke out of turn: either way nobody may be given this connection.
void Connection::react() {
  pool_->unlink(*this);
  // The pool's links own idle connections; see Pool::keep.
  const std::unique_ptr<Connection> self(this);
}

Pool::Pool(net::Runtime& runtime, std::shared_ptr<UpstreamCounters> counters)
    : TimerNode(runtime.wheel()), runtime_(&runtime), counters_(std::move(counters)) {
  runtime.idle_sockets().add(*this);
}

Pool::~Pool() {
  runtime_->idle_sockets().remove(*this);
  while (newest_ != nullptr) {
    const std::unique_ptr<Connection> gone(newest_);
    unlink(*gone);
  }
}

void Pool::set_keep_alive(Duration keep_alive) {
  keep_alive_ = keep_alive;
  reap();
}

bool Pool::is_alive(Connection& connection) const {
  net::Stream& stream = connection.stream();
  // Its event may be raised but not yet reacted to.
  if (stream.readable_flag() || stream.hangup() || stream.error()) return false;
  return runtime_->now() - connection.idle_since_ < kAskAfter || stream.is_quiet();
}

std::unique_ptr<Connection> Pool::take() {
  while (newest_ != nullptr) {
    std::unique_ptr<Connection> connection(newest_);
    unlink(*connection);
    connection->stream().set_idle_watcher(nullptr);
    connection->unschedule();
    if (is_alive(*connection)) return connection;
  }
  return nullptr;
}

void Pool::keep(std::unique_ptr<Connection> connection) {
  if (size_ >= kIdleMax || keep_alive_ <= Duration::zero()) return;
  // A read that ended where the response did, and filled its block, could not tell that the socket
  // is drained: ask, or a healthy connection would be taken for one that speaks out of turn.
  if (net::Stream& stream = connection->stream(); stream.readable_flag() && !stream.hangup()) {
    char unasked = 0;
    const net::IoResult got = stream.recv(std::span(&unasked, 1));
    if (!got.would_block()) return;
  }
  // The intrusive list owns it from here; unlink() gives it up again.
  Connection* const kept = connection.release();
  kept->pool_ = this;
  kept->idle_since_ = runtime_->now();
  kept->older_ = newest_;
  kept->newer_ = nullptr;
  (newest_ != nullptr ? newest_->newer_ : oldest_) = kept;
  newest_ = kept;
  ++size_;
  bump(counters_->idle);
  if (!armed()) set_deadline(oldest_->idle_since_ + keep_alive_);
  kept->stream_->set_idle_watcher(kept);
}

void Pool::unlink(Connection& connection) noexcept {
  (connection.newer_ != nullptr ? connection.newer_->older_ : newest_) = connection.older_;
  (connection.older_ != nullptr ? connection.older_->newer_ : oldest_) = connection.newer_;
  connection.newer_ = connection.older_ = nullptr;
  --size_;
  drop(counters_->idle);
}

Monotonic Pool::oldest_idle() const noexcept {
  return oldest_ == nullptr ? Monotonic::max() : oldest_->idle_since_;
}

void Pool::close_oldest_idle() {
  const std::unique_ptr<Connection> gone(oldest_);
  unlink(*gone);
}

void Pool::reap() {
  while (oldest_ != nullptr && oldest_->idle_since_ + keep_alive_ <= runtime_->now()) {
    close_oldest_idle();
  }
  if (oldest_ != nullptr) set_deadline(oldest_->idle_since_ + keep_alive_);
}

void Pool::expired() {
  reap();
}

}  // namespace canaryd::upstream
