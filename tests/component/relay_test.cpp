// The smallest data plane, a byte relay, on the simulated network: streams, tasks, waiters, timers
// and buffers together, with back-pressure, half-close, one-byte calls, and a fault at every
// operation.
#include "canaryd/net/task_group.hpp"
#include "canaryd/net/waiter.hpp"
#include "support/sim.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace canaryd::test {
namespace {

using namespace std::chrono_literals;
using net::IoResult;
using net::Stream;
using net::Task;
using net::Waiter;
using net::Wake;

const net::Address kFront = address("10.0.0.1:8080");
const net::Address kBack = address("10.0.0.2:80");

// One direction of a relay: what was read and not yet sent.
struct Pipe {
  Stream& from;
  Stream& to;
  net::Buffer block{};
  std::string_view rest{};
  bool finished = false;

  // Goes on until it must wait. False when the connection is of no use any more.
  bool pump(net::BufferPools& buffers) {
    while (!finished) {
      if (!rest.empty()) {
        const IoResult sent = to.send(rest);
        if (sent.failed()) return false;
        rest.remove_prefix(sent.bytes);
        if (!rest.empty()) return true;
        block.release();
      }
      if (!from.readable_flag()) return true;
      auto acquired = buffers.small.acquire();
      if (!acquired) return false;
      block = std::move(*acquired);
      const IoResult got = from.recv(block.span());
      rest = {block.data(), got.bytes};
      if (got.failed()) return false;
      if (got.eof()) {
        to.shutdown_send();
        finished = true;
      }
      if (!got.ok()) block.release();
      if (got.would_block()) return true;
    }
    return true;
  }
  [[nodiscard]] net::Interest next() const {
    if (finished) return {};
    return rest.empty() ? net::readable(from) : net::writable(to);
  }
};

class Relay {
 public:
  explicit Relay(net::Runtime& runtime) : runtime_(runtime), tasks_(runtime) {
    listener_ =
        std::move(*runtime.listen({.address = kFront}, [this](std::unique_ptr<Stream> client) {
          tasks_.spawn(serve(std::move(client)));
        }));
  }
  [[nodiscard]] net::TaskGroup& tasks() { return tasks_; }
  [[nodiscard]] const net::Listener& listener() const { return *listener_; }

 private:
  Task<void> serve(std::unique_ptr<Stream> client) {
    Waiter waiter(runtime_, tasks_);
    auto connecting = runtime_.connect(kBack);
    if (!connecting) {
      client->reset();
      co_return;
    }
    const std::unique_ptr<Stream> server = std::move(*connecting);
    const auto connect_deadline = runtime_.now() + 5s;
    const Wake connected = co_await waiter.until(connect_deadline, net::writable(*server));
    if (connected != Wake::kReady || server->connect_error()) {
      client->reset();
      co_return;
    }
    Pipe up{*client, *server};
    Pipe down{*server, *client};
    while (!up.finished || !down.finished) {
      if (!up.pump(runtime_.buffers()) || !down.pump(runtime_.buffers())) {
        client->reset();
        server->reset();
        co_return;
      }
      if (up.finished && down.finished) co_return;
      const auto idle_deadline = runtime_.now() + 60s;
      const Wake wake = co_await waiter.until(idle_deadline, up.next(), down.next());
      if (wake != Wake::kReady) co_return;
    }
  }

  net::Runtime& runtime_;
  net::TaskGroup tasks_;
  std::unique_ptr<net::Listener> listener_;
};

class RelayTest : public testing::Test {
 protected:
  // A request of 3,000 bytes, an answer of 5,000, then both sides finish. True when all of it
  // arrived.
  bool exchange() {
    const std::string request(3000, 'q');
    const std::string response(5000, 'a');
    SimServer upstream(net_, kBack);
    upstream.on_data([&](SimPeer& peer) {
      if (peer.received().size() != request.size()) return;
      peer.send(response);
      peer.shutdown_send();
    });
    SimPeer client = net_.connect(kFront);
    client.send(request);
    net_.run_until([&] { return client.ended(); });
    const bool whole = client.received() == response;
    client.close();
    net_.run_until_idle();
    return whole && client.saw_fin();
  }

  SimNetwork net_;
  SimRuntime runtime_{net_};
  Relay relay_{runtime_};
};

TEST_F(RelayTest, CarriesBothDirectionsAndTheEnd) {
  EXPECT_TRUE(exchange());
  EXPECT_TRUE(relay_.tasks().empty());
  EXPECT_EQ(runtime_.buffers().small.on_loan(), 0U);
}

TEST_F(RelayTest, SurvivesOneByteCallsAndDelay) {
  net_.set_default_profile({.recv_bytes_max = 1, .send_bytes_max = 1, .delay = 3ms, .jitter = 2ms});
  EXPECT_TRUE(exchange());
  EXPECT_TRUE(relay_.tasks().empty());
}

TEST_F(RelayTest, DoesNotReadWhatItCannotSend) {
  SimServer upstream(net_, kBack);
  SimPeer client = net_.connect(kFront);
  SimPeer& served = upstream.accept();
  client.stop_reading();
  served.send(std::string(1'000'000, 'x'));
  net_.run_ready();
  // Two socket buffers and one block hold the rest; everything else waits at its sender.
  EXPECT_GE(served.unsent(), 1'000'000U - 2 * 65536U - net::BufferPools::kSmallBytes);
  client.resume_reading();
  net_.run_ready();
  EXPECT_EQ(client.received().size(), 1'000'000U);
}

TEST_F(RelayTest, GivesUpConnectingAtItsDeadline) {
  net_.set_profile(kBack, {.ignore = true});
  SimPeer client = net_.connect(kFront);
  const Monotonic start = net_.now();
  ASSERT_TRUE(net_.run_until([&] { return client.ended(); }));
  EXPECT_TRUE(client.saw_reset());
  EXPECT_GE(net_.now() - start, 5s);
  EXPECT_LE(net_.now() - start, 5s + 10ms);
}

TEST_F(RelayTest, AnyOneOperationMayFail) {
  const SimProfile small_steps{.recv_bytes_max = 500, .send_bytes_max = 400};
  net_.set_default_profile(small_steps);
  ASSERT_TRUE(exchange());
  const std::uint64_t operations = net_.operations();
  ASSERT_GT(operations, 30U);
  for (std::uint64_t n = 1; n <= operations; ++n) {
    for (const SimFault fault : {SimFault::kReset, SimFault::kWouldBlock, SimFault::kLocal}) {
      SCOPED_TRACE("operation " + std::to_string(n));
      SimNetwork net;
      net.set_default_profile(small_steps);
      SimRuntime runtime{net};
      Relay relay{runtime};
      net.fail_operation(n, fault);
      SimServer upstream(net, kBack);
      upstream.on_data([](SimPeer& peer) {
        if (peer.received().size() != 3000) return;
        peer.send("done");
        peer.shutdown_send();
      });
      SimPeer client = net.connect(kFront);
      client.send(std::string(3000, 'q'));
      ASSERT_TRUE(net.run_until([&] { return client.ended(); }));
      EXPECT_TRUE(fault != SimFault::kWouldBlock || client.received() == "done");
      client.close();
      ASSERT_TRUE(net.run_until_idle());
      EXPECT_TRUE(relay.tasks().empty());
      EXPECT_EQ(runtime.buffers().small.on_loan(), 0U);
    }
  }
}

TEST_F(RelayTest, CancelEndsEverySession) {
  SimServer upstream(net_, kBack);
  SimPeer first = net_.connect(kFront);
  SimPeer second = net_.connect(kFront);
  ASSERT_TRUE(net_.run_until([&] { return upstream.connections() == 2; }));
  net_.run_ready();
  ASSERT_EQ(relay_.tasks().size(), 2U);
  relay_.tasks().cancel();
  EXPECT_EQ(relay_.tasks().size(), 2U) << "nobody is resumed inside cancel()";
  net_.run_ready();
  EXPECT_TRUE(relay_.tasks().empty());
  EXPECT_TRUE(first.saw_fin());
  EXPECT_TRUE(upstream.at(0).saw_fin());
}

TEST_F(RelayTest, SameSeedSameRun) {
  const auto trace_of = [](std::uint64_t seed) {
    SimNetwork net(seed);
    net.set_default_profile({.recv_bytes_max = 700, .delay = 5ms, .jitter = 4ms});
    net.fail_randomly(0.02, SimFault::kWouldBlock);
    SimRuntime runtime(net);
    Relay relay(runtime);
    SimServer upstream(net, kBack);
    upstream.on_data([](SimPeer& peer) { peer.send(peer.take()); });
    std::vector<SimPeer> clients;
    for (int i = 0; i < 5; ++i) {
      clients.push_back(net.connect(kFront));
      clients.back().send(std::string(10'000, 'x'));
      clients.back().shutdown_send();
    }
    net.run_for(1s);
    return net.trace();
  };
  EXPECT_EQ(trace_of(1), trace_of(1));
  EXPECT_NE(trace_of(1), trace_of(2));
}

}  // namespace
}  // namespace canaryd::test
