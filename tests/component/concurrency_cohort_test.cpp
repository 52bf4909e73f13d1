// Concurrency limits and cohorts: overload is nobody's fault, and a fallback takes a slot like any
// request.
#include "component/concurrency_world.hpp"

namespace canaryd::test {
namespace {

class ConcurrencyCohortTest : public ConcurrencyTest {};

TEST_F(ConcurrencyCohortTest, AnOverloadedCanaryIsNotCharged) {
  world.split(10000);
  for (const auto method : {http::Method::kGet, http::Method::kHead}) {
    world.failures.fallback.add(method);
  }
  allow(1, 0, 1s, 1);
  world.start();
  SimServer stable(world.net, kStable);
  SimServer canary(world.net, kCanary);
  Client& first = ask("/1", "X-User: a\r\n");
  expect_overloaded(ask("/2", "X-User: b\r\n").read());
  canary.accept().send(ok("1"));
  EXPECT_EQ(first.read().body, "1");
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 0U);
  EXPECT_EQ(world.counters(Cohort::kCanary).judged, 1U);
  EXPECT_EQ(world.counters(Cohort::kCanary).excluded, 1U);
  EXPECT_EQ(world.counters(Cohort::kCanary).user_failures, 0U);
  // Stable is not asked: what is too much for one is not sent to the other.
  EXPECT_EQ(stable.connections(), 0U);
}

TEST_F(ConcurrencyCohortTest, AFallbackGivesTheCanarysSlotBackAndTakesOneOfStables) {
  world.split(10000);
  world.failures.fallback.add(http::Method::kGet);
  allow(1, 10, 10s, 0);
  allow(1, 10, 10s, 1);
  world.start();
  SimServer stable(world.net, kStable);
  SimServer canary(world.net, kCanary);
  Client& first = ask("/1", "X-User: a\r\n");
  canary.accept().reset();
  SimPeer& saving = stable.accept();
  world.net.run_ready();
  EXPECT_EQ(world.limit("canary").active(), 0U);
  EXPECT_EQ(active(), 1U);
  // The next one waits for stable's slot after the canary has failed it.
  Client& second = ask("/2", "X-User: b\r\n");
  canary.accept().reset();
  world.net.run_ready();
  EXPECT_EQ(queued(), 1U);
  EXPECT_EQ(world.limit("canary").active(), 0U);
  saving.send(ok("stable 1"));
  EXPECT_EQ(first.read().body, "stable 1");
  world.net.run_ready();
  saving.send(ok("stable 2"));
  EXPECT_EQ(second.read().body, "stable 2");
  EXPECT_EQ(world.counters(Cohort::kCanary).saved, 2U);
}

// The user saw it fail, so it is not called saved.
TEST_F(ConcurrencyCohortTest, AFallbackThatStableHasNoRoomForHasFailed) {
  world.split(10000);
  world.failures.fallback.add(http::Method::kGet);
  allow(1, 0);
  world.start();
  SimServer stable(world.net, kStable);
  SimServer canary(world.net, kCanary);
  Client& first = ask("/1", "X-User: a\r\n");
  canary.accept().reset();
  SimPeer& saving = stable.accept();
  Client& second = ask("/2", "X-User: b\r\n");
  canary.accept().reset();
  expect_overloaded(second.read());
  saving.send(ok("stable 1"));
  EXPECT_EQ(first.read().body, "stable 1");
  EXPECT_EQ(world.counters(Cohort::kCanary).saved, 1U);
  EXPECT_EQ(world.counters(Cohort::kCanary).fallback_failed, 1U);
  EXPECT_EQ(world.counters(Cohort::kCanary).user_failures, 1U);
  EXPECT_EQ(world.counters(Cohort::kCanary).bad, 2U);
}

// It is a request under way, as if it had been sent already: it keeps its table.
TEST_F(ConcurrencyCohortTest, ARollbackLeavesTheQueueAsItIs) {
  world.split(10000);
  allow(1, 10, 1s, 1);
  world.start();
  SimServer canary(world.net, kCanary);
  Backend stable(world, kStable, ok("stable"));
  Client& first = ask("/1", "X-User: a\r\n");
  Client& second = ask("/2", "X-User: b\r\n");
  SimPeer& served = canary.accept();
  world.rollout().traffic = routing::Traffic::kStableOnly;
  world.gate->lower(1, BasisPoints(0));
  world.publish();
  EXPECT_EQ(ask("/3", "X-User: c\r\n").read().body, "stable");
  served.send(ok("canary 1"));
  EXPECT_EQ(first.read().body, "canary 1");
  world.net.run_ready();
  served.send(ok("canary 2"));
  EXPECT_EQ(second.read().body, "canary 2");
}

}  // namespace
}  // namespace canaryd::test
