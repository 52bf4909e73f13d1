#include "canaryd/upstream/upstream.hpp"

#include "support/sim.hpp"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <vector>

namespace canaryd::upstream {
namespace {

using namespace std::chrono_literals;
using test::address;
using test::SimNetwork;
using test::SimPeer;
using test::SimRuntime;
using test::SimServer;

class UpstreamTest : public testing::Test {
 protected:
  UpstreamTest() {
    spec.name = "app";
    spec.endpoints = {address("10.0.0.2:80")};
    spec.timeouts.keep_alive = 30s;
  }
  void make() {
    counters = std::make_shared<UpstreamCounters>(spec.endpoints.size());
    for (const net::Address& each : spec.endpoints) {
      servers.push_back(std::make_unique<SimServer>(net, each));
    }
    app = std::make_unique<Upstream>(runtime, spec, counters);
  }
  // With a connection, fresh or from the pool.
  [[nodiscard]] Lease lease() {
    Lease result = app->acquire();
    if (result.connected()) return result;
    EXPECT_TRUE(result.connect().has_value());
    net.run_until([&] { return result.stream().writable_flag(); });
    result.connected(true);
    return result;
  }
  [[nodiscard]] std::uint64_t idle() const { return counters->idle.load(); }
  [[nodiscard]] std::uint64_t busy() const { return counters->busy.load(); }
  [[nodiscard]] std::uint64_t active(std::size_t endpoint = 0) const {
    return counters->active_requests[endpoint].load();
  }

  SimNetwork net;
  SimRuntime runtime{net};
  UpstreamSpec spec;
  std::shared_ptr<UpstreamCounters> counters;
  std::vector<std::unique_ptr<SimServer>> servers;
  std::unique_ptr<Upstream> app;
};

TEST_F(UpstreamTest, GaugesFollowALease) {
  make();
  {
    Lease one = app->acquire();
    EXPECT_TRUE(one);
    EXPECT_FALSE(one.connected());
    EXPECT_EQ(active(), 1U);
    EXPECT_EQ(busy(), 0U);
    ASSERT_TRUE(one.connect().has_value());
    EXPECT_EQ(busy(), 1U);
    EXPECT_FALSE(one.reused());
    Lease moved = std::move(one);
    EXPECT_FALSE(one);  // NOLINT(bugprone-use-after-move): that is what is tested.
    EXPECT_EQ(active(), 1U);
    moved.give_back();
    EXPECT_FALSE(moved);
    EXPECT_EQ(busy(), 0U);
    EXPECT_EQ(idle(), 1U);
    EXPECT_EQ(active(), 0U);
  }
  {
    Lease two = app->acquire();
    EXPECT_TRUE(two.connected());
    EXPECT_TRUE(two.reused());
    EXPECT_EQ(idle(), 0U);
    EXPECT_EQ(busy(), 1U);
  }
  EXPECT_EQ(busy(), 0U);
  EXPECT_EQ(idle(), 0U);
  EXPECT_EQ(active(), 0U);
}

TEST_F(UpstreamTest, ALeaseThatEndsClosesItsConnection) {
  make();
  { const Lease used = lease(); }
  net.run_ready();
  EXPECT_TRUE(servers[0]->at(0).ended());
}

TEST_F(UpstreamTest, AssigningALeaseEndsTheOldOne) {
  make();
  Lease one = lease();
  one = app->acquire();
  EXPECT_EQ(active(), 1U);
  EXPECT_EQ(busy(), 0U);
  net.run_ready();
  EXPECT_TRUE(servers[0]->at(0).ended());
}

TEST_F(UpstreamTest, TheNewestIsUsedFirst) {
  make();
  std::vector<Lease> leases;
  std::vector<net::Stream*> streams;
  for (int i = 0; i < 3; ++i) {
    leases.push_back(lease());
    streams.push_back(&leases.back().stream());
  }
  for (Lease& each : leases) each.give_back();
  leases.clear();
  EXPECT_EQ(idle(), 3U);
  Lease first = app->acquire();
  Lease second = app->acquire();
  EXPECT_EQ(&first.stream(), streams[2]);
  EXPECT_EQ(&second.stream(), streams[1]);
}

TEST_F(UpstreamTest, ADeadConnectionLeavesThePool) {
  make();
  std::vector<Lease> leases;
  for (int i = 0; i < 4; ++i) leases.push_back(lease());
  for (Lease& each : leases) each.give_back();
  // From the middle, from an end, by a close, by a reset, by bytes that nobody asked for.
  servers[0]->at(1).close();
  net.run_ready();
  EXPECT_EQ(idle(), 3U);
  servers[0]->at(3).reset();
  net.run_ready();
  EXPECT_EQ(idle(), 2U);
  servers[0]->at(0).send("HTTP/1.1 408 Request Timeout\r\n\r\n");
  net.run_ready();
  EXPECT_EQ(idle(), 1U);
  Lease last = app->acquire();
  EXPECT_TRUE(last.reused());
  EXPECT_FALSE(app->acquire().connected());
}

// The event is raised, but nobody has reacted to it yet.
TEST_F(UpstreamTest, ADyingConnectionIsNotGivenAway) {
  make();
  Lease one = lease();
  net::Stream& stream = one.stream();
  one.give_back();
  servers[0]->at(0).close();
  ASSERT_TRUE(net.run_until([&] { return idle() == 0 || stream.hangup(); }));
  const Lease next = app->acquire();
  EXPECT_FALSE(next.connected());
  EXPECT_EQ(idle(), 0U);
}

TEST_F(UpstreamTest, AConnectionThatIsGivenBackDeadIsNotKept) {
  make();
  Lease one = lease();
  servers[0]->at(0).close();
  net.run_ready();
  ASSERT_TRUE(one.stream().hangup());
  one.give_back();
  EXPECT_FALSE(app->acquire().connected());
}

TEST_F(UpstreamTest, IdleConnectionsAreReapedWhenTheirTimeHasCome) {
  make();
  Lease one = lease();
  Lease two = lease();
  one.give_back();
  net.run_for(20s);
  two.give_back();
  net.run_for(9s);
  EXPECT_EQ(idle(), 2U);
  net.run_for(2s);
  EXPECT_EQ(idle(), 1U);
  EXPECT_TRUE(servers[0]->at(0).ended());
  net.run_for(18s);
  EXPECT_EQ(idle(), 1U);
  net.run_for(2s);
  EXPECT_EQ(idle(), 0U);
  // And once more, from an empty pool.
  lease().give_back();
  net.run_for(29s);
  EXPECT_EQ(idle(), 1U);
  net.run_for(2s);
  EXPECT_EQ(idle(), 0U);
}

// Being used makes a connection young again.
TEST_F(UpstreamTest, AConnectionInUseDoesNotAge) {
  make();
  for (int i = 0; i < 10; ++i) {
    lease().give_back();
    net.run_for(20s);
  }
  EXPECT_EQ(idle(), 1U);
  EXPECT_EQ(servers[0]->connections(), 1U);
}

TEST_F(UpstreamTest, WithoutKeepAliveNothingIsKept) {
  spec.timeouts.keep_alive = 0s;
  make();
  lease().give_back();
  EXPECT_EQ(idle(), 0U);
  net.run_ready();
  EXPECT_TRUE(servers[0]->at(0).ended());
}

TEST_F(UpstreamTest, ThePoolIsBounded) {
  make();
  std::vector<Lease> leases;
  for (std::size_t i = 0; i < Endpoint::kIdleMax + 5; ++i) leases.push_back(lease());
  for (Lease& each : leases) each.give_back();
  EXPECT_EQ(idle(), Endpoint::kIdleMax);
  EXPECT_EQ(busy(), 0U);
}

TEST_F(UpstreamTest, AFreshOneIsNotFromThePool) {
  make();
  lease().give_back();
  const Lease fresh = app->acquire(nullptr, true);
  EXPECT_FALSE(fresh.connected());
  EXPECT_EQ(idle(), 1U);
}

TEST_F(UpstreamTest, AConnectInPlaceOfAReusedOneIsNotReused) {
  make();
  lease().give_back();
  Lease again = app->acquire();
  ASSERT_TRUE(again.reused());
  ASSERT_TRUE(again.connect().has_value());
  EXPECT_FALSE(again.reused());
  EXPECT_EQ(busy(), 1U);
}

TEST_F(UpstreamTest, AConnectThatFailsAtOnceIsCounted) {
  make();
  net.set_out_of_descriptors(true);
  Lease one = app->acquire();
  const auto begun = one.connect();
  ASSERT_FALSE(begun.has_value());
  EXPECT_EQ(begun.error().code, ErrorCode::kLimit);
  EXPECT_FALSE(one.connected());
  EXPECT_EQ(counters->connects_failed.load(), 1U);
  EXPECT_EQ(busy(), 0U);
}

TEST_F(UpstreamTest, DestroyingItClosesWhatIsIdle) {
  make();
  std::vector<Lease> leases;
  for (int i = 0; i < 3; ++i) leases.push_back(lease());
  for (Lease& each : leases) each.give_back();
  leases.clear();
  app.reset();
  EXPECT_EQ(idle(), 0U);
  net.run_ready();
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(servers[0]->at(i).ended());
}

// ---- The choice

class ChoiceTest : public UpstreamTest {
 protected:
  ChoiceTest() {
    spec.endpoints = {address("10.0.0.2:80"), address("10.0.0.3:80"), address("10.0.0.4:80")};
  }
  std::map<std::string, int> count(int picks, const Endpoint* avoid = nullptr) {
    std::map<std::string, int> counts;
    for (int i = 0; i < picks; ++i) {
      const Lease each = app->acquire(avoid);
      ++counts[to_string(each.endpoint()->address())];
    }
    return counts;
  }
};

TEST_F(ChoiceTest, RoundRobinTakesTurns) {
  spec.load_balancer = LoadBalancer::kRoundRobin;
  make();
  const auto counts = count(30);
  ASSERT_EQ(counts.size(), 3U);
  for (const auto& [endpoint, times] : counts) EXPECT_EQ(times, 10) << endpoint;
}

TEST_F(ChoiceTest, LeastRequestSpreads) {
  make();
  const auto counts = count(3000);
  ASSERT_EQ(counts.size(), 3U);
  for (const auto& [endpoint, times] : counts) {
    EXPECT_GT(times, 850) << endpoint;
    EXPECT_LT(times, 1150) << endpoint;
  }
}

TEST_F(ChoiceTest, LeastRequestPassesOverTheBusiest) {
  make();
  const Lease held = app->acquire();
  const Endpoint* const busiest = held.endpoint();
  // It is one of three, and always the worse of two.
  EXPECT_EQ(count(300).count(to_string(busiest->address())), 0U);
}

TEST_F(ChoiceTest, LoadStaysEven) {
  make();
  std::vector<Lease> held;
  for (int i = 0; i < 300; ++i) held.push_back(app->acquire());
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_GE(active(i), 95U);
    EXPECT_LE(active(i), 105U);
  }
}

TEST_F(ChoiceTest, ARetryGoesElsewhere) {
  for (const LoadBalancer kind : {LoadBalancer::kRoundRobin, LoadBalancer::kLeastRequest}) {
    servers.clear();
    spec.load_balancer = kind;
    make();
    const Lease failed = app->acquire();
    const auto counts = count(300, failed.endpoint());
    EXPECT_EQ(counts.count(to_string(failed.endpoint()->address())), 0U);
    EXPECT_EQ(counts.size(), 2U);
  }
}

TEST_F(ChoiceTest, WithOneEndpointThereIsNoElsewhere) {
  spec.endpoints.resize(1);
  make();
  const Lease failed = app->acquire();
  EXPECT_EQ(app->acquire(failed.endpoint()).endpoint(), failed.endpoint());
}

TEST_F(ChoiceTest, ConnectionsBelongToTheirEndpoint) {
  spec.load_balancer = LoadBalancer::kRoundRobin;
  make();
  for (int i = 0; i < 9; ++i) lease().give_back();
  for (const auto& server : servers) EXPECT_EQ(server->connections(), 1U);
  EXPECT_EQ(idle(), 3U);
}

}  // namespace
}  // namespace canaryd::upstream
