#include "canaryd/upstream/upstream.hpp"

#include "unit/upstream/upstream_rig.hpp"

namespace canaryd::upstream {
namespace {

TEST_F(UpstreamTest, ConnectionsBelongToTheirEndpoint) {
  spec.endpoints = {address("10.0.0.2:80"), address("10.0.0.3:80"), address("10.0.0.4:80")};
  spec.load_balancer = LoadBalancer::kRoundRobin;
  make();
  for (int i = 0; i < 9; ++i) lease().give_back();
  for (const auto& server : servers) EXPECT_EQ(server->connections(), 1U);
  EXPECT_EQ(idle(), 3U);
}

// ---- A new table

TEST_F(UpstreamTest, EndpointsThatStayKeepTheirConnections) {
  spec.load_balancer = LoadBalancer::kRoundRobin;
  spec.endpoints = {address("10.0.0.2:80"), address("10.0.0.3:80")};
  make();
  lease().give_back();
  lease().give_back();
  ASSERT_EQ(idle(), 2U);
  const EndpointState* const stays = share.endpoints[1].state.get();

  UpstreamSpec next = spec;
  next.endpoints = {address("10.0.0.3:80"), address("10.0.0.4:80")};
  const UpstreamShare next_share = test::make_share(next, share);
  EXPECT_EQ(next_share.endpoints[0].state.get(), stays);
  Upstream after(runtime, next, next_share, app.get());
  app.reset();
  EXPECT_EQ(idle(), 1U);
  net.run_ready();
  EXPECT_TRUE(servers[0]->at(0).ended());
  EXPECT_FALSE(servers[1]->at(0).ended());
  int reused = 0;
  for (int i = 0; i < 2; ++i) reused += after.acquire().reused() ? 1 : 0;
  EXPECT_EQ(reused, 1);
}

TEST_F(UpstreamTest, ARequestUnderWayKeepsAnEndpointThatIsGone) {
  spec.endpoints = {address("10.0.0.2:80"), address("10.0.0.3:80")};
  make();
  Lease under_way = lease();
  UpstreamSpec next = spec;
  next.endpoints = {under_way.endpoint()->address() == address("10.0.0.2:80")
                        ? address("10.0.0.3:80")
                        : address("10.0.0.2:80")};
  const Upstream after(runtime, next, test::make_share(next, share), app.get());
  EXPECT_EQ(under_way.endpoint()->active(), 1U);
  EXPECT_FALSE(under_way.stream().hangup());
  under_way.give_back();
  EXPECT_EQ(busy(), 0U);
}

// What a worker kept for one upstream is never another's, even at the same address.
TEST_F(UpstreamTest, AnotherUpstreamTakesNothingOver) {
  make();
  lease().give_back();
  const UpstreamShare other = test::make_share(spec);
  Upstream after(runtime, spec, other, app.get());
  EXPECT_FALSE(after.acquire().connected());
  EXPECT_EQ(idle(), 1U);
}

TEST_F(UpstreamTest, AnotherKeepAliveHoldsForWhatIsIdle) {
  make();
  lease().give_back();
  net.run_for(10s);
  spec.timeouts.keep_alive = 5s;
  const Upstream after(runtime, spec, share, app.get());
  EXPECT_EQ(idle(), 0U);
}

}  // namespace
}  // namespace canaryd::upstream
