#include "canaryd/net/task.hpp"

#include "canaryd/net/task_group.hpp"
#include "support/sim.hpp"

#include <gtest/gtest.h>

#include <coroutine>
#include <memory>
#include <string>
#include <utility>

namespace canaryd::net {
namespace {

// Suspends until the test resumes it.
struct Gate {
  std::coroutine_handle<> waiting;
  struct Awaiter {
    Gate* gate;
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) const noexcept { gate->waiting = handle; }
    void await_resume() const noexcept {}
  };
  Awaiter operator co_await() noexcept { return {this}; }
  void open() { std::exchange(waiting, {}).resume(); }
};

struct Canary {
  explicit Canary(int& alive) : alive_(&alive) { ++*alive_; }
  Canary(const Canary&) = delete;
  Canary& operator=(const Canary&) = delete;
  ~Canary() { --*alive_; }
  int* alive_;
};

class TaskTest : public testing::Test {
 protected:
  test::SimNetwork net_;
  test::SimRuntime runtime_{net_};
  TaskGroup group_{runtime_};
};

Task<int> add_later(Gate& gate, int a, int b) {
  co_await gate;
  co_return a + b;
}

Task<std::unique_ptr<int>> move_only(int value) {
  co_return std::make_unique<int>(value);
}

Task<Result<int>> refuse() {
  co_return fail(ErrorCode::kRefused);
}

TEST_F(TaskTest, IsLazy) {
  bool ran = false;
  const auto body = [](bool& flag) -> Task<void> {
    flag = true;
    co_return;
  };
  {
    const Task<void> task = body(ran);
    EXPECT_FALSE(task.done());
  }
  EXPECT_FALSE(ran);
}

TEST_F(TaskTest, ResumesItsCallerWithTheValue) {
  Gate gate;
  int result = 0;
  const auto body = [](Gate& at, int& out) -> Task<void> {
    const int first = co_await add_later(at, 1, 2);
    const int second = co_await add_later(at, first, 10);
    out = second;
  };
  group_.spawn(body(gate, result));
  gate.open();
  EXPECT_EQ(result, 0);
  gate.open();
  EXPECT_EQ(result, 13);
}

TEST_F(TaskTest, CarriesMoveOnlyValuesAndErrors) {
  int value = 0;
  ErrorCode code{};
  const auto body = [](int& out, ErrorCode& error) -> Task<void> {
    const auto pointer = co_await move_only(7);
    out = *pointer;
    const auto refused = co_await refuse();
    error = refused.error().code;
  };
  group_.spawn(body(value, code));
  EXPECT_EQ(value, 7);
  EXPECT_EQ(code, ErrorCode::kRefused);
}

Task<int> immediate(int value) {
  co_return value;
}

Task<void> sum(int count, std::int64_t& total) {
  for (int i = 0; i < count; ++i) {
    const int value = co_await immediate(i);
    total += value;
  }
}

TEST_F(TaskTest, ALoopOfFinishedTasksDoesNotGrowTheStack) {
  std::int64_t total = 0;
  group_.spawn(sum(300'000, total));
  EXPECT_EQ(total, 300'000LL * 299'999 / 2);
}

Task<void> tick_through(Gate& gate, int count, int& done) {
  for (int i = 0; i < count; ++i) {
    const int value = co_await add_later(gate, i, 0);
    done = value + 1;
  }
}

TEST_F(TaskTest, ALoopOfSuspendedTasksDoesNotGrowTheStack) {
  Gate gate;
  int done = 0;
  group_.spawn(tick_through(gate, 100'000, done));
  while (gate.waiting) gate.open();
  EXPECT_EQ(done, 100'000);
}

Task<void> hold(Gate& gate, int& alive) {
  const Canary canary(alive);
  co_await gate;
}
Task<void> hold_two(Gate& gate, int& alive) {
  const Canary canary(alive);
  co_await hold(gate, alive);
}

TEST_F(TaskTest, DestroyingASuspendedTaskDestroysWhatItAwaits) {
  Gate gate;
  int alive = 0;
  {
    TaskGroup group(runtime_);
    group.spawn(hold_two(gate, alive));
    EXPECT_EQ(alive, 2);
  }
  EXPECT_EQ(alive, 0);
}

TEST_F(TaskTest, ANeverStartedTaskDestroysItsParameters) {
  int alive = 0;
  {
    const auto body = [](std::unique_ptr<Canary>) -> Task<void> { co_return; };
    auto canary = std::make_unique<Canary>(alive);
    Task<void> task = body(std::move(canary));
    EXPECT_EQ(alive, 1);
    Task<void> moved = std::move(task);
    EXPECT_TRUE(static_cast<bool>(moved));
  }
  EXPECT_EQ(alive, 0);
}

Task<void> throwing() {
  throw 1;
  co_return;
}

TEST_F(TaskTest, AnExceptionEndsTheProcess) {
  EXPECT_DEATH(group_.spawn(throwing()), "no exception crosses");
}

}  // namespace
}  // namespace canaryd::net
