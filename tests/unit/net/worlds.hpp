// Two worlds with one shape, so that a test runs on real sockets and on simulated ones, and the
// simulation is held to what the kernel does.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/net/runtime.hpp"
#include "net/reactor.hpp"
#include "net/tcp_listener.hpp"
#include "net/tcp_stream.hpp"
#include "support/sim.hpp"

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <utility>

namespace canaryd::net {

// The product's reactor and sockets on the test's own thread.
class TcpRuntime final : public Runtime {
 public:
  TcpRuntime() : TcpRuntime(SystemClock().now()) {}

  [[nodiscard]] Result<std::unique_ptr<Stream>> connect(const Address& peer) override {
    return TcpStream::connect(reactor_, peer);
  }
  [[nodiscard]] Result<std::unique_ptr<Listener>> listen(const ListenOptions& options,
                                                         AcceptHandler on_accept) override {
    return TcpListener::open(*this, reactor_, options, std::move(on_accept));
  }
  void post(std::function<void()> function) override { defer(std::move(function)); }

  // Without looking for events.
  void pass(Duration time) { set_now(now() + time); }

  // False when the condition does not come true for ten seconds.
  bool run_until(const std::function<bool()>& condition) {
    const Monotonic limit = clock_.now() + std::chrono::seconds{10};
    while (!condition()) {
      reactor_.wait(pending() ? 0 : 10);
      set_now(clock_.now());
      run_batch();
      if (now() > limit) return false;
    }
    return true;
  }

 private:
  explicit TcpRuntime(Monotonic now)
      : Runtime({.now = now, .seed = 1, .buffers = {}}), reactor_(std::move(*Reactor::create())) {}

  SystemClock clock_;
  Reactor reactor_;
};

struct TcpWorld {
  TcpRuntime runtime;
  Address listen_at = loopback_v4(0);

  bool run_until(const std::function<bool()>& condition) { return runtime.run_until(condition); }
  // A port that was ours a moment ago, so that nobody listens there.
  Address nobody() {
    auto listener = runtime.listen({.address = loopback_v4(0)}, [](auto) {});
    return (*listener)->address();
  }
};

struct SimWorld {
  test::SimNetwork network{42};
  test::SimRuntime runtime{network};
  Address listen_at = test::address("10.0.0.1:80");

  bool run_until(const std::function<bool()>& condition) { return network.run_until(condition); }
  static Address nobody() { return test::address("10.9.9.9:9"); }
};

}  // namespace canaryd::net
