#include "proxy/connection.hpp"

#include "canaryd/routing/client_address.hpp"
#include "proxy/exchange.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::proxy {
namespace {

// How long linger() waits for the next byte and for the last one, and how much it reads.
constexpr Duration kLingerSilence = std::chrono::seconds(1);
constexpr Duration kLingerTime = std::chrono::seconds(10);
constexpr std::size_t kLingerBytes = 16 * 1024 * 1024;
// Requests that are here already and that we answer ourselves need no wait: after so many of them
// the other connections get a turn.
constexpr int kExchangesPerTurn = 16;

}  // namespace

net::Task<void> linger(ServiceState& state, net::Stream& stream, net::Waiter& waiter) {
  stream.shutdown_send();
  const Monotonic last = state.runtime.now() + kLingerTime;
  std::size_t taken = 0;
  while (taken < kLingerBytes) {
    // Read into the worker's scratch: nobody looks at it.
    const net::IoResult got = stream.recv(state.head_scratch());
    taken += got.bytes;
    if (got.ok()) continue;
    if (!got.would_block()) co_return;
    const Monotonic by = std::min(last, state.runtime.now() + kLingerSilence);
    const net::Wake wake = co_await waiter.until(by, net::readable(stream));
    if (wake != net::Wake::kReady) co_return;
  }
}

Connection::Connection(ServiceState& state,
                       ListenerPointer listener,
                       std::unique_ptr<net::Stream> stream)
    : state_(state),
      listener_(std::move(listener)),
      stream_(std::move(stream)),
      waiter_(state.runtime, state.group),
      next_(state.connections),
      peer_(stream_->peer_address().ip.unmapped()) {
  if (next_ != nullptr) next_->previous_ = this;
  state_.connections = this;
  peer_text_size_ = static_cast<std::uint8_t>(net::write_ip(peer_, peer_text_.data()));
  follow_spec();
}

Connection::~Connection() {
  (previous_ != nullptr ? previous_->next_ : state_.connections) = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
  listener_->gauge->active.fetch_sub(1, std::memory_order_relaxed);
}

void Connection::follow_spec() noexcept {
  peer_trusted_ = routing::is_trusted(peer_, spec().trusted_proxies);
}

IpAddress Connection::client_address(const http::RequestHead& head) const noexcept {
  if (!peer_trusted_ || !head.fields.has(http::FieldId::kXForwardedFor)) return peer_;
  return routing::resolve_client(peer_, head.fields, spec().trusted_proxies);
}

net::Task<void> Connection::serve(std::unique_ptr<Connection> self) {
  Connection& connection = *self;
  ServiceState& state = connection.state_;
  Monotonic by = state.runtime.now() + connection.spec().header_timeout;
  for (;;) {
    const net::Wake wake = co_await connection.waiter_.until(
        by, net::readable(connection.stream()), net::readable(connection.stop_));
    // Told to stop, but a request has come already: that one is still served.
    if (wake != net::Wake::kReady || !connection.stream().readable_flag()) co_return;

    std::unique_ptr<Exchange> exchange;
    if (state.spare_exchanges.empty()) {
      exchange = std::make_unique<Exchange>(state);
    } else {
      exchange = std::move(state.spare_exchanges.back());
      state.spare_exchanges.pop_back();
    }
    exchange->begin(connection);
    Next next = Next::kPipelined;
    for (int served = 1; next == Next::kPipelined; ++served) {
      Step step = exchange->start();
      while (step == Step::kRelay) {
        const net::Wake moved = co_await exchange->relay_wait();
        step = exchange->woken(moved);
      }
      if (step == Step::kFinish) {
        next = exchange->finish();
      } else {
        const Next after = co_await exchange->run(step);
        next = after;
      }
      if (next == Next::kPipelined && served % kExchangesPerTurn == 0) {
        const net::Wake turn = co_await connection.waiter_.yield();
        if (turn == net::Wake::kCancelled) next = Next::kClose;
      }
      if (next != Next::kNothing) by = state.runtime.now() + connection.spec().keep_alive_timeout;
    }
    exchange->release();
    constexpr std::size_t kSparesMax = 256;
    if (state.spare_exchanges.size() < kSparesMax) {
      state.spare_exchanges.push_back(std::move(exchange));
    }
    if (next == Next::kReset) connection.stream().reset();
    if (next == Next::kLinger) {
      co_await linger(state, connection.stream(), connection.waiter());
    }
    if (next != Next::kIdle && next != Next::kNothing) co_return;
  }
}

}  // namespace canaryd::proxy
