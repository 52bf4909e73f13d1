#include "canaryd/upstream/endpoint.hpp"

#include "unit/upstream/upstream_rig.hpp"

namespace canaryd::upstream {
namespace {

using LeaseTest = UpstreamTest;

TEST_F(LeaseTest, GaugesFollowALease) {
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

TEST_F(LeaseTest, ALeaseThatEndsClosesItsConnection) {
  make();
  { const Lease used = lease(); }
  net.run_ready();
  EXPECT_TRUE(servers[0]->at(0).ended());
}

TEST_F(LeaseTest, AssigningALeaseEndsTheOldOne) {
  make();
  Lease one = lease();
  one = app->acquire();
  EXPECT_EQ(active(), 1U);
  EXPECT_EQ(busy(), 0U);
  net.run_ready();
  EXPECT_TRUE(servers[0]->at(0).ended());
}

TEST_F(LeaseTest, AFreshOneIsNotFromThePool) {
  make();
  lease().give_back();
  const Lease fresh = app->acquire(nullptr, true);
  EXPECT_FALSE(fresh.connected());
  EXPECT_EQ(idle(), 1U);
}

TEST_F(LeaseTest, AConnectInPlaceOfAReusedOneIsNotReused) {
  make();
  lease().give_back();
  Lease again = app->acquire();
  ASSERT_TRUE(again.reused());
  ASSERT_TRUE(again.connect().has_value());
  EXPECT_FALSE(again.reused());
  EXPECT_EQ(busy(), 1U);
}

TEST_F(LeaseTest, AConnectThatFailsAtOnceIsCounted) {
  make();
  net.set_out_of_descriptors(true);
  Lease one = app->acquire();
  const auto begun = one.connect();
  ASSERT_FALSE(begun.has_value());
  EXPECT_EQ(begun.error().code, ErrorCode::kLimit);
  EXPECT_FALSE(one.connected());
  EXPECT_EQ(share.counters->connects_failed.load(), 1U);
  EXPECT_EQ(busy(), 0U);
}

// What is idle makes way, the oldest of all endpoints first; what is in use does not.
TEST_F(LeaseTest, IdleConnectionsMakeWayForOneThatIsNeeded) {
  spec.load_balancer = LoadBalancer::kRoundRobin;
  spec.endpoints = {address("10.0.0.2:80"), address("10.0.0.3:80")};
  make();
  net.set_connections_max(2);
  Lease first = lease();
  Lease second = lease();
  Lease third = app->acquire();
  EXPECT_EQ(third.connect().error().code, ErrorCode::kLimit);
  SimServer& served = *servers[first.endpoint()->address() == address("10.0.0.2:80") ? 0 : 1];
  first.give_back();
  // It is not sockets that are short.
  EXPECT_FALSE(third.connect().has_value());
  EXPECT_EQ(idle(), 1U);
  net.set_short_of_sockets(true);
  EXPECT_TRUE(third.connect().has_value());
  EXPECT_EQ(idle(), 0U);
  net.run_ready();
  EXPECT_TRUE(served.at(0).ended());
  EXPECT_EQ(busy(), 2U);
  Lease fourth = app->acquire();
  EXPECT_FALSE(fourth.connect().has_value());
  // A pool that is gone has nothing to give.
  third.close();
  fourth.close();
  second.give_back();
  app.reset();
  EXPECT_FALSE(runtime.idle_sockets().close_oldest());
}

}  // namespace
}  // namespace canaryd::upstream
