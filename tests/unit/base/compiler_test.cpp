// The forms of co_await that this project allows, under the sanitizers, counting constructions and
// destructions.
//
// g++ 12.2 destroys some temporaries of a co_await expression twice: aggregates made in its
// arguments, captures of lambdas there, operands of ?:. The rule (docs/design.md, "Coroutines"):
// co_await stands alone, initialises a local, or is returned; lambdas with captures and aggregates
// are named locals, moved in. If a form below fails after a change of the compiler, the rule is too
// weak; it is never the test that is wrong.
#include "canaryd/net/task.hpp"
#include "canaryd/net/task_group.hpp"
#include "support/sim.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace canaryd {
namespace {

using net::Task;

// Knows its own address, so that a bitwise copy is noticed, and counts itself.
class Tracked {
 public:
  explicit Tracked(int value = 0) : value_(value) { ++alive; }
  Tracked(const Tracked& other) : value_(other.value_) { ++alive; }
  Tracked(Tracked&& other) noexcept : value_(std::exchange(other.value_, -1)) { ++alive; }
  Tracked& operator=(const Tracked&) = delete;
  Tracked& operator=(Tracked&&) = delete;
  ~Tracked() {
    EXPECT_EQ(self_, this) << "destroyed at another place than it was made, or twice";
    self_ = nullptr;
    --alive;
  }
  [[nodiscard]] int value() const { return value_; }

  static inline int alive = 0;

 private:
  int value_;
  Tracked* self_ = this;
};

struct Aggregate {
  Tracked first;
  std::string text;
  std::vector<Tracked> many;
};

// Whether the callee suspends decides which path of the awaiting code runs; both are tried.
struct Pause {
  bool suspend;
  std::vector<std::coroutine_handle<>>* paused;
  [[nodiscard]] bool await_ready() const noexcept { return !suspend; }
  void await_suspend(std::coroutine_handle<> handle) const { paused->push_back(handle); }
  void await_resume() const noexcept {}
};

class CompilerTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override { Tracked::alive = 0; }

  [[nodiscard]] Pause pause() { return {GetParam(), &paused_}; }

  Task<Tracked> by_value(Tracked in) {
    co_await pause();
    co_return Tracked(in.value() + 1);
  }
  Task<std::size_t> of_aggregate(Aggregate in) {
    co_await pause();
    co_return in.text.size() + in.many.size() + static_cast<std::size_t>(in.first.value());
  }
  Task<int> of_function(std::function<int()> function) {
    co_await pause();
    co_return function();
  }
  Task<int> of_reference(const Tracked& in) {
    co_await pause();
    co_return in.value();
  }
  Task<Result<Tracked>> result_of(int value) {
    co_await pause();
    if (value < 0)
      co_return fail(ErrorCode::kMalformed, "a context that is longer than a short string");
    co_return Tracked(value);
  }
  Task<Tracked> returned(Tracked in) { co_return co_await by_value(std::move(in)); }

  // Runs a body to its end and checks that nothing is left, and nothing was destroyed twice.
  void complete(Task<void> task) {
    {
      net::TaskGroup group(runtime_);
      group.spawn(std::move(task));
      while (!paused_.empty()) {
        const auto next = paused_.back();
        paused_.pop_back();
        next.resume();
      }
    }
    EXPECT_TRUE(finished_);
    EXPECT_EQ(Tracked::alive, 0);
  }

  test::SimNetwork net_;
  test::SimRuntime runtime_{net_};
  std::vector<std::coroutine_handle<>> paused_;
  bool finished_ = false;

  Task<void> standing_alone() {
    Tracked argument(1);
    co_await by_value(std::move(argument));
    co_await by_value(Tracked(2));
    finished_ = true;
  }
  Task<void> initialising_a_local() {
    const Tracked made = co_await by_value(Tracked(5));
    EXPECT_EQ(made.value(), 6);
    auto result = co_await result_of(7);
    EXPECT_EQ(result->value(), 7);
    const auto failed = co_await result_of(-1);
    EXPECT_EQ(failed.error().context, "a context that is longer than a short string");
    finished_ = true;
  }
  Task<void> returning() {
    const Tracked made = co_await returned(Tracked(8));
    EXPECT_EQ(made.value(), 9);
    finished_ = true;
  }
  Task<void> named_aggregate() {
    Aggregate argument{Tracked(3), std::string(100, 'x'), std::vector<Tracked>(4)};
    const std::size_t sum = co_await of_aggregate(std::move(argument));
    EXPECT_EQ(sum, 107U);
    finished_ = true;
  }
  Task<void> named_lambda() {
    const auto held = std::make_shared<Tracked>(11);
    std::function<int()> argument = [held] { return held->value(); };
    const int value = co_await of_function(std::move(argument));
    EXPECT_EQ(value, 11);
    EXPECT_EQ(held.use_count(), 1);
    finished_ = true;
  }
  Task<void> reference_to_a_local() {
    const Tracked local(12);
    const int value = co_await of_reference(local);
    EXPECT_EQ(value, 12);
    finished_ = true;
  }
  Task<void> branching_on_a_local() {
    const auto first = co_await result_of(1);
    if (!first) co_return;
    int total = 0;
    for (int i = 0; i < 3; ++i) {
      const Tracked next = co_await by_value(Tracked(i));
      if (next.value() == 2) continue;
      total += next.value();
    }
    EXPECT_EQ(total, 4);
    finished_ = true;
  }
  Task<void> named_task() {
    Task<Tracked> task = by_value(Tracked(20));
    const Tracked made = co_await task;
    EXPECT_EQ(made.value(), 21);
    finished_ = true;
  }
};

TEST_P(CompilerTest, StandingAlone) {
  complete(standing_alone());
}
TEST_P(CompilerTest, InitialisingALocal) {
  complete(initialising_a_local());
}
TEST_P(CompilerTest, Returning) {
  complete(returning());
}
TEST_P(CompilerTest, NamedAggregate) {
  complete(named_aggregate());
}
TEST_P(CompilerTest, NamedLambda) {
  complete(named_lambda());
}
TEST_P(CompilerTest, ReferenceToALocal) {
  complete(reference_to_a_local());
}
TEST_P(CompilerTest, BranchingOnALocal) {
  complete(branching_on_a_local());
}
TEST_P(CompilerTest, NamedTask) {
  complete(named_task());
}

// Destroyed in the middle: everything that was made is destroyed once.
TEST_P(CompilerTest, DestroyedWhileSuspended) {
  {
    net::TaskGroup group(runtime_);
    group.spawn(named_aggregate());
    group.spawn(initialising_a_local());
    group.spawn(returning());
  }
  EXPECT_EQ(Tracked::alive, 0);
}

INSTANTIATE_TEST_SUITE_P(Paths, CompilerTest, testing::Bool(), [](const auto& path) {
  return path.param ? "Suspending" : "Immediate";
});

}  // namespace
}  // namespace canaryd
