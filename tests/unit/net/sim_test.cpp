// The simulated network itself: time, order, faults. stream_test.cpp holds its streams to what TCP
// does.
#include "support/sim.hpp"

#include <gtest/gtest.h>

#include <string>

namespace canaryd::test {
namespace {

using namespace std::chrono_literals;

const net::Address kAt = address("10.0.0.1:80");

class SimTest : public testing::Test {
 protected:
  SimNetwork net_;
};

TEST_F(SimTest, TimeStandsStillUntilItIsNeeded) {
  SimRuntime runtime(net_);
  int fired = 0;
  net::Timer timer(runtime.wheel(), [&] { ++fired; });
  const Monotonic start = net_.now();
  timer.set_deadline(start + 5s);
  EXPECT_TRUE(net_.run_ready());
  EXPECT_EQ(net_.now(), start);
  net_.run_for(4s);
  EXPECT_EQ(net_.now(), start + 4s);
  EXPECT_EQ(fired, 0);
  EXPECT_TRUE(net_.run_until_idle());
  EXPECT_EQ(fired, 1);
  EXPECT_LE(net_.now(), start + 5010ms);
  EXPECT_EQ(runtime.now(), net_.now());
}

TEST_F(SimTest, DelayAndOrderHoldUnderJitter) {
  net_.set_profile(kAt, {.delay = 10ms, .jitter = 30ms});
  SimServer server(net_, kAt);
  SimPeer client = net_.connect(kAt);
  const Monotonic start = net_.now();
  for (char c = 'a'; c <= 'z'; ++c) client.send(std::string(1, c));
  client.shutdown_send();
  SimPeer& served = server.accept();
  ASSERT_TRUE(net_.run_until([&] { return served.saw_fin(); }));
  EXPECT_EQ(served.received(), "abcdefghijklmnopqrstuvwxyz");
  EXPECT_GE(net_.now() - start, 30ms) << "there, back, and the bytes";
}

TEST_F(SimTest, PeersMayEndInEveryWay) {
  SimServer server(net_, kAt);
  SimPeer fin = net_.connect(kAt);
  SimPeer broken = net_.connect(kAt);
  SimPeer gone = net_.connect(kAt);
  net_.run_ready();
  fin.send("x");
  fin.close();
  broken.reset();
  gone.close();
  net_.run_ready();
  EXPECT_EQ(server.at(0).received(), "x");
  EXPECT_TRUE(server.at(0).saw_fin());
  EXPECT_TRUE(server.at(1).saw_reset());
  server.at(2).send("to nobody");
  net_.run_ready();
  EXPECT_TRUE(server.at(2).saw_reset());
}

TEST_F(SimTest, NobodyThereAndNoAnswer) {
  SimPeer refused = net_.connect(kAt);
  net_.run_ready();
  EXPECT_TRUE(refused.refused());
  net_.set_profile(kAt, {.ignore = true});
  SimServer server(net_, kAt);
  SimPeer waiting = net_.connect(kAt);
  net_.run_for(1h);
  EXPECT_FALSE(waiting.connected());
  EXPECT_FALSE(waiting.ended());
}

TEST_F(SimTest, AServerMayAnswerByItselfAndStop) {
  SimServer server(net_, kAt);
  server.on_data([](SimPeer& peer) { peer.send("re: " + peer.take()); });
  SimPeer client = net_.connect(kAt);
  client.send("hi");
  ASSERT_TRUE(net_.run_until([&] { return client.received() == "re: hi"; }));
  server.stop();
  SimPeer late = net_.connect(kAt);
  net_.run_ready();
  EXPECT_TRUE(late.refused());
  client.send("still");
  net_.run_ready();
  EXPECT_EQ(client.take(), "re: hire: still");
}

TEST_F(SimTest, ALoopInTheCodeUnderTestEndsTheRun) {
  SimRuntime runtime(net_);
  std::function<void()> again = [&] { runtime.post(again); };
  runtime.post(again);
  EXPECT_FALSE(net_.run_until([] { return false; }));
}

TEST_F(SimTest, ConnectionsAreSpreadOverSharedListeners) {
  SimRuntime one(net_);
  SimRuntime two(net_);
  int first = 0;
  int second = 0;
  const auto a = std::move(*one.listen({.address = kAt}, [&](auto) { ++first; }));
  const auto b = std::move(*two.listen({.address = kAt, .share = true}, [&](auto) { ++second; }));
  std::vector<SimPeer> clients;
  for (int i = 0; i < 40; ++i) clients.push_back(net_.connect(kAt));
  net_.run_ready();
  EXPECT_EQ(first + second, 40);
  EXPECT_GT(first, 5);
  EXPECT_GT(second, 5);
}

TEST_F(SimTest, ClosingWhileConnectingLeavesNobodyBehind) {
  net_.set_profile(kAt, {.delay = 10ms});
  SimRuntime runtime(net_);
  SimServer server(net_, kAt);
  auto stream = std::move(*runtime.connect(kAt));
  net_.run_for(15ms);
  stream.reset();
  net_.run_until_idle();
  ASSERT_EQ(server.connections(), 1U);
  EXPECT_TRUE(server.at(0).ended());
}

}  // namespace
}  // namespace canaryd::test
