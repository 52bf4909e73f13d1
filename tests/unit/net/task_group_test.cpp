#include "canaryd/net/task_group.hpp"

#include "canaryd/net/waiter.hpp"
#include "support/sim.hpp"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <vector>

namespace canaryd::net {
namespace {

class TaskGroupTest : public testing::Test {
 protected:
  struct Probe {
    explicit Probe(int& count) : alive(&count) { ++*alive; }
    Probe(const Probe&) = delete;
    Probe& operator=(const Probe&) = delete;
    ~Probe() { --*alive; }
    int* alive;
  };

  static Task<void> wait_for(TaskGroupTest& self, TaskGroup& group, Signal& signal) {
    const Probe probe(self.alive_);
    Waiter waiter(self.runtime_, group);
    const Wake wake = co_await waiter.until(kNever, readable(signal));
    self.last_ = wake;
    ++self.finished_;
  }
  static Task<void> finish_at_once(int& finished) {
    ++finished;
    co_return;
  }

  int alive_ = 0;
  int finished_ = 0;
  Wake last_ = Wake::kTimeout;
  test::SimNetwork net_;
  test::SimRuntime runtime_{net_};
};

TEST_F(TaskGroupTest, DestroysFinishedTasksAtTheEndOfTheBatch) {
  TaskGroup group(runtime_);
  Signal signal;
  group.spawn(wait_for(*this, group, signal));
  EXPECT_EQ(alive_, 1);
  signal.set();
  bool end_seen = false;
  Timer unused(runtime_.wheel(), [] {});
  runtime_.post([&] { EXPECT_EQ(group.size(), 1U); });
  net_.run_until([&] { return finished_ == 1; });
  runtime_.defer([&] { end_seen = true; });
  net_.run_ready();
  EXPECT_TRUE(end_seen);
  EXPECT_EQ(alive_, 0);
  EXPECT_TRUE(group.empty());
}

TEST_F(TaskGroupTest, ATaskThatEndsInSpawnIsStillThereUntilTheEndOfTheBatch) {
  TaskGroup group(runtime_);
  group.spawn(finish_at_once(finished_));
  EXPECT_EQ(finished_, 1);
  EXPECT_EQ(group.size(), 1U);
  net_.run_ready();
  EXPECT_EQ(group.size(), 0U);
}

TEST_F(TaskGroupTest, OnEmptyComesEachTimeAndMayDestroyTheGroup) {
  auto group = std::make_unique<TaskGroup>(runtime_);
  int empties = 0;
  group->on_empty([&] {
    if (++empties == 2) group.reset();
  });
  group->spawn(finish_at_once(finished_));
  group->spawn(finish_at_once(finished_));
  net_.run_ready();
  EXPECT_EQ(empties, 1);
  group->spawn(finish_at_once(finished_));
  net_.run_ready();
  EXPECT_EQ(empties, 2);
  EXPECT_FALSE(group);
}

TEST_F(TaskGroupTest, CancelReachesEverybodyAndLater) {
  TaskGroup group(runtime_);
  std::array<Signal, 4> signals;
  for (std::size_t i = 0; i < 3; ++i) group.spawn(wait_for(*this, group, signals[i]));
  group.cancel();
  EXPECT_EQ(finished_, 0) << "resumed only from the loop";
  net_.run_ready();
  EXPECT_EQ(finished_, 3);
  EXPECT_EQ(last_, Wake::kCancelled);
  group.spawn(wait_for(*this, group, signals[3]));
  EXPECT_EQ(finished_, 4) << "a cancelled group's waiter does not wait";
  group.cancel();
  net_.run_ready();
  EXPECT_TRUE(group.empty());
}

TEST_F(TaskGroupTest, DestroyingItDestroysWhatIsLeft) {
  std::array<Signal, 5> signals;
  {
    TaskGroup group(runtime_);
    for (Signal& signal : signals) group.spawn(wait_for(*this, group, signal));
    EXPECT_EQ(alive_, 5);
  }
  EXPECT_EQ(alive_, 0);
  for (Signal& signal : signals) signal.set();
  net_.run_ready();
  EXPECT_EQ(finished_, 0);
}

class CountingHook final : public CancelHook {
 public:
  int calls = 0;

 private:
  void on_cancel() noexcept override { ++calls; }
};

TEST_F(TaskGroupTest, HooksJoinAndLeave) {
  TaskGroup group(runtime_);
  CountingHook stays;
  CountingHook left;
  stays.join(group);
  left.join(group);
  left.leave();
  group.cancel();
  EXPECT_EQ(stays.calls, 1);
  EXPECT_EQ(left.calls, 0);
  left.join(group);
  EXPECT_EQ(left.calls, 1);
}

TEST_F(TaskGroupTest, AHookMayOutliveItsGroup) {
  CountingHook hook;
  {
    TaskGroup group(runtime_);
    hook.join(group);
  }
  hook.leave();
  EXPECT_EQ(hook.calls, 0);
}

}  // namespace
}  // namespace canaryd::net
