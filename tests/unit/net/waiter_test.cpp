#include "canaryd/net/waiter.hpp"

#include "support/sim.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace canaryd::net {
namespace {

using namespace std::chrono_literals;

class WaiterTest : public testing::Test {
 protected:
  // Waits once for both signals; what came out is in wakes_.
  Task<void> wait_both(Waiter& waiter, Monotonic deadline) {
    const Wake wake = co_await waiter.until(deadline, readable(a_), readable(b_));
    wakes_.push_back(wake);
  }
  Task<void> rest(Waiter& waiter, Monotonic deadline) {
    const Wake wake = co_await waiter.sleep_until(deadline);
    wakes_.push_back(wake);
  }

  test::SimNetwork net_;
  test::SimRuntime runtime_{net_};
  Signal a_;
  Signal b_;
  std::vector<Wake> wakes_;
  TaskGroup group_{runtime_};
  Waiter waiter_{runtime_};
};

TEST_F(WaiterTest, DoesNotSuspendWhenAFlagIsUp) {
  b_.set();
  group_.spawn(wait_both(waiter_, kNever));
  EXPECT_EQ(wakes_, std::vector{Wake::kReady});
}

TEST_F(WaiterTest, AReadyFlagBeatsAPassedDeadline) {
  a_.set();
  group_.spawn(wait_both(waiter_, runtime_.now() - 1s));
  a_.clear();
  group_.spawn(wait_both(waiter_, runtime_.now() - 1s));
  EXPECT_EQ(wakes_, (std::vector{Wake::kReady, Wake::kTimeout}));
}

TEST_F(WaiterTest, WakesForEitherInterestFromTheLoop) {
  group_.spawn(wait_both(waiter_, kNever));
  b_.set();
  EXPECT_TRUE(wakes_.empty()) << "never inline";
  net_.run_ready();
  EXPECT_EQ(wakes_, std::vector{Wake::kReady});
  a_.set();  // Nobody watches any more.
  net_.run_ready();
  EXPECT_EQ(wakes_.size(), 1U);
}

TEST_F(WaiterTest, TimesOutWithinATick) {
  const Monotonic start = net_.now();
  group_.spawn(wait_both(waiter_, start + 123ms));
  ASSERT_TRUE(net_.run_until([&] { return !wakes_.empty(); }));
  EXPECT_EQ(wakes_, std::vector{Wake::kTimeout});
  EXPECT_GE(net_.now() - start, 123ms);
  EXPECT_LE(net_.now() - start, 133ms);
}

TEST_F(WaiterTest, AWaitThatEndedDoesNotTimeOutLater) {
  group_.spawn(wait_both(waiter_, net_.now() + 1s));
  a_.set();
  net_.run_ready();
  a_.clear();
  group_.spawn(wait_both(waiter_, kNever));
  net_.run_for(10s);
  EXPECT_EQ(wakes_, std::vector{Wake::kReady});
}

TEST_F(WaiterTest, AFlagThatWasLoweredAgainDoesNotWake) {
  group_.spawn(wait_both(waiter_, kNever));
  a_.set();
  a_.clear();
  net_.run_ready();
  EXPECT_TRUE(wakes_.empty());
  a_.set();
  net_.run_ready();
  EXPECT_EQ(wakes_, std::vector{Wake::kReady});
}

TEST_F(WaiterTest, CancelEndsThePendingWaitAndAllLaterOnes) {
  group_.spawn(wait_both(waiter_, kNever));
  waiter_.cancel();
  EXPECT_TRUE(wakes_.empty());
  net_.run_ready();
  a_.set();
  group_.spawn(wait_both(waiter_, kNever));
  group_.spawn(rest(waiter_, net_.now() + 1s));
  EXPECT_EQ(wakes_, (std::vector{Wake::kCancelled, Wake::kCancelled, Wake::kCancelled}));
}

TEST_F(WaiterTest, CancelWinsOverReadinessOfTheSameBatch) {
  group_.spawn(wait_both(waiter_, kNever));
  a_.set();
  waiter_.cancel();
  net_.run_ready();
  EXPECT_EQ(wakes_, std::vector{Wake::kCancelled});
}

TEST_F(WaiterTest, SleepsUntilTheTime) {
  group_.spawn(rest(waiter_, net_.now() + 2h));
  net_.run_for(2h - 1ms);
  EXPECT_TRUE(wakes_.empty());
  net_.run_for(3min);
  EXPECT_EQ(wakes_, std::vector{Wake::kTimeout});
}

TEST_F(WaiterTest, MayDieWhileItsTaskIsSuspended) {
  auto waiter = std::make_unique<Waiter>(runtime_);
  {
    TaskGroup group(runtime_);
    group.spawn(wait_both(*waiter, net_.now() + 1s));
    waiter.reset();
    a_.set();
    net_.run_for(2s);
  }
  EXPECT_TRUE(wakes_.empty());
}

TEST_F(WaiterTest, ASourceMayDieWhileItIsWaitedFor) {
  auto gone = std::make_unique<Signal>();
  const auto body = [](Waiter& waiter, Signal& first, Signal& second, bool& done) -> Task<void> {
    const Wake wake = co_await waiter.until(kNever, readable(first), readable(second));
    done = wake == Wake::kReady;
  };
  bool done = false;
  group_.spawn(body(waiter_, *gone, a_, done));
  gone->set();
  gone.reset();
  net_.run_ready();
  EXPECT_FALSE(done);
  a_.set();
  net_.run_ready();
  EXPECT_TRUE(done);
}

TEST_F(WaiterTest, BothDirectionsOfOneStreamInOneWait) {
  const auto at = test::address("10.0.0.1:80");
  std::unique_ptr<Stream> stream;
  auto listener = runtime_.listen(
      {.address = at}, [&](std::unique_ptr<Stream> accepted) { stream = std::move(accepted); });
  test::SimPeer peer = net_.connect(at);
  net_.run_ready();
  ASSERT_TRUE(stream);
  const auto body = [](Waiter& waiter, Stream& on, std::vector<Wake>& wakes) -> Task<void> {
    const Wake wake = co_await waiter.until(kNever, readable(on), hung_up(on));
    wakes.push_back(wake);
  };
  group_.spawn(body(waiter_, *stream, wakes_));
  peer.shutdown_send();
  net_.run_ready();
  EXPECT_EQ(wakes_, std::vector{Wake::kReady});
  EXPECT_TRUE(stream->hangup());
}

TEST_F(WaiterTest, YieldGivesOthersATurn) {
  std::vector<int> order;
  const auto body = [](Waiter& waiter, int number, std::vector<int>& log) -> Task<void> {
    for (int i = 0; i < 3; ++i) {
      log.push_back(number);
      const Wake wake = co_await waiter.yield();
      if (wake == Wake::kCancelled) co_return;
    }
  };
  Waiter other(runtime_);
  group_.spawn(body(waiter_, 1, order));
  group_.spawn(body(other, 2, order));
  net_.run_ready();
  EXPECT_EQ(order, (std::vector{1, 2, 1, 2, 1, 2}));
  EXPECT_TRUE(group_.empty());
}

class Ticker final : public Reaction {
 public:
  Ticker(ReadyQueue& queue, std::function<bool()> tick) : Reaction(queue), tick_(std::move(tick)) {
    schedule();
  }

 private:
  void react() override {
    if (tick_()) schedule();
  }
  std::function<bool()> tick_;
};

// Who waits for an event is not behind all who move bytes.
TEST_F(WaiterTest, FewOfThoseWhoYieldRunInABatch) {
  constexpr int kSessions = 100;
  std::deque<Waiter> waiters;
  int turns = 0;
  const auto body = [](Waiter& waiter, int& count) -> Task<void> {
    for (int i = 0; i < 3; ++i) {
      const Wake wake = co_await waiter.yield();
      if (wake == Wake::kCancelled) co_return;
      ++count;
    }
  };
  for (int i = 0; i < kSessions; ++i) group_.spawn(body(waiters.emplace_back(runtime_), turns));
  int seen = 0;
  int most = 0;
  const Ticker ticker(runtime_.ready(), [&] {
    most = std::max(most, turns - std::exchange(seen, turns));
    return turns < 3 * kSessions;
  });
  net_.run_ready();
  EXPECT_EQ(turns, 3 * kSessions);
  EXPECT_LE(most, 8);
  EXPECT_GT(most, 1);
  EXPECT_TRUE(group_.empty());
}

TEST_F(WaiterTest, ACancelledWaiterDoesNotYield) {
  waiter_.cancel();
  const auto body = [](Waiter& waiter, std::vector<Wake>& wakes) -> Task<void> {
    const Wake yielded = co_await waiter.yield();
    wakes.push_back(yielded);
    const Wake slept = co_await waiter.sleep_until(kNever);
    wakes.push_back(slept);
  };
  group_.spawn(body(waiter_, wakes_));
  EXPECT_EQ(wakes_, (std::vector{Wake::kCancelled, Wake::kCancelled}));
}

}  // namespace
}  // namespace canaryd::net
