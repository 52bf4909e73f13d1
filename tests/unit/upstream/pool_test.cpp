#include "canaryd/upstream/pool.hpp"

#include "unit/net/worlds.hpp"
#include "unit/upstream/upstream_rig.hpp"

#include <memory>
#include <thread>

namespace canaryd::upstream {
namespace {

using PoolTest = UpstreamTest;

TEST_F(PoolTest, TheNewestIsUsedFirst) {
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

TEST_F(PoolTest, ADeadConnectionLeavesThePool) {
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
TEST_F(PoolTest, ADyingConnectionIsNotGivenAway) {
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

// Its peer has closed it while the worker was busy with something else: not even the event is
// raised.
TEST_F(PoolTest, OneThatLayForAWhileIsAskedWhetherItIsAlive) {
  net::TcpWorld world;
  std::unique_ptr<net::Stream> server;
  auto listener = world.runtime.listen({.address = world.listen_at},
                                       [&](auto stream) { server = std::move(stream); });
  ASSERT_TRUE(listener.has_value());
  auto stream = world.runtime.connect((*listener)->address());
  ASSERT_TRUE(stream.has_value());
  net::Stream& client = **stream;
  ASSERT_TRUE(world.run_until([&] { return server && client.writable_flag(); }));
  Pool pool(world.runtime, std::make_shared<UpstreamCounters>());
  pool.set_keep_alive(1h);
  pool.keep(std::make_unique<Connection>(world.runtime.ready(), std::move(*stream)));
  world.runtime.pass(60ms);
  auto kept = pool.take();
  ASSERT_NE(kept, nullptr);
  pool.keep(std::move(kept));
  world.runtime.pass(60ms);
  server.reset();
  while (client.is_quiet()) std::this_thread::yield();
  EXPECT_FALSE(client.hangup());
  EXPECT_EQ(pool.take(), nullptr);
  EXPECT_EQ(pool.size(), 0U);
}

TEST_F(PoolTest, AConnectionThatIsGivenBackDeadIsNotKept) {
  make();
  Lease one = lease();
  servers[0]->at(0).close();
  net.run_ready();
  ASSERT_TRUE(one.stream().hangup());
  one.give_back();
  EXPECT_FALSE(app->acquire().connected());
}

TEST_F(PoolTest, IdleConnectionsAreReapedWhenTheirTimeHasCome) {
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
TEST_F(PoolTest, AConnectionInUseDoesNotAge) {
  make();
  for (int i = 0; i < 10; ++i) {
    lease().give_back();
    net.run_for(20s);
  }
  EXPECT_EQ(idle(), 1U);
  EXPECT_EQ(servers[0]->connections(), 1U);
}

TEST_F(PoolTest, WithoutKeepAliveNothingIsKept) {
  spec.timeouts.keep_alive = 0s;
  make();
  lease().give_back();
  EXPECT_EQ(idle(), 0U);
  net.run_ready();
  EXPECT_TRUE(servers[0]->at(0).ended());
}

TEST_F(PoolTest, ThePoolIsBounded) {
  make();
  std::vector<Lease> leases;
  for (std::size_t i = 0; i < Pool::kIdleMax + 5; ++i) leases.push_back(lease());
  for (Lease& each : leases) each.give_back();
  EXPECT_EQ(idle(), Pool::kIdleMax);
  EXPECT_EQ(busy(), 0U);
}

TEST_F(PoolTest, DestroyingItClosesWhatIsIdle) {
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

}  // namespace
}  // namespace canaryd::upstream
