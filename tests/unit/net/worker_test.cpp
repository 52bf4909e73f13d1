#include "canaryd/net/worker.hpp"

#include "canaryd/net/waiter.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace canaryd::net {
namespace {

using namespace std::chrono_literals;

// Counts how often the loop comes round: it reads the clock once for each batch.
class CountingClock final : public Clock {
 public:
  [[nodiscard]] Monotonic now() const noexcept override {
    reads_.fetch_add(1, std::memory_order_relaxed);
    return system_.now();
  }
  [[nodiscard]] WallTime wall_now() const noexcept override { return system_.wall_now(); }
  [[nodiscard]] int reads() const noexcept { return reads_.load(std::memory_order_relaxed); }

 private:
  SystemClock system_;
  mutable std::atomic<int> reads_{0};
};

class WorkerTest : public testing::Test {
 protected:
  void SetUp() override {
    worker_ = std::move(*Worker::create({.seed = 1, .clock = &clock_}));
    worker_->start();
  }
  void TearDown() override {
    worker_->stop();
    worker_->join();
  }
  // Runs the function on the worker and waits for its result.
  template <class Function>
  auto on_worker(Function function) {
    std::promise<decltype(function())> result;
    worker_->post([&] {
      if constexpr (std::is_void_v<decltype(function())>) {
        function();
        result.set_value();
      } else {
        result.set_value(function());
      }
    });
    return result.get_future().get();
  }

  CountingClock clock_;
  std::unique_ptr<Worker> worker_;
};

TEST_F(WorkerTest, RunsWhatManyThreadsPostInEachThreadsOrder) {
  constexpr int kThreads = 4;
  constexpr int kEach = 2000;
  std::vector<std::vector<int>> seen(kThreads);  // Touched by the worker alone.
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        worker_->post([&seen, t, i] { seen[t].push_back(i); });
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(on_worker([&] { return worker_->on_worker_thread(); }));
  for (const auto& each : seen) {
    ASSERT_EQ(each.size(), static_cast<std::size_t>(kEach));
    for (int i = 0; i < kEach; ++i) ASSERT_EQ(each[static_cast<std::size_t>(i)], i);
  }
}

TEST_F(WorkerTest, WhatWasPostedBeforeStopRuns) {
  std::atomic<int> ran{0};
  for (int i = 0; i < 100; ++i) {
    worker_->post([&] { ++ran; });
  }
  worker_->stop();
  worker_->stop();
  worker_->join();
  EXPECT_EQ(ran, 100);
  const auto held = std::make_shared<int>(1);
  worker_->post([held] { FAIL(); });
  EXPECT_EQ(held.use_count(), 1) << "destroyed without having run";
}

TEST_F(WorkerTest, APostFromTheWorkerItselfRunsLater) {
  std::promise<std::string> result;
  auto order = std::make_shared<std::string>();
  worker_->post([&, order] {
    worker_->post([&, order] { result.set_value(*order + "b"); });
    *order += 'a';
  });
  EXPECT_EQ(result.get_future().get(), "ab");
}

TEST_F(WorkerTest, SleepsUntilTheNextTimer) {
  std::promise<int> batches;
  std::unique_ptr<Timer> timer;
  on_worker([&] {
    timer = std::make_unique<Timer>(worker_->wheel(), [&] { batches.set_value(clock_.reads()); });
    timer->set_deadline(worker_->now() + 150ms);
  });
  const int before = clock_.reads();
  const Monotonic start = clock_.now();
  const int after = batches.get_future().get();
  EXPECT_GE(clock_.now() - start, 100ms);
  // Asleep in between: a loop that spins would come round thousands of times.
  EXPECT_LE(after - before, 10);
  on_worker([&] { timer.reset(); });
}

// A service as the proxy will be: made, used and destroyed on the worker.
class Echo {
 public:
  explicit Echo(Worker& worker) : worker_(worker), tasks_(worker) {
    listener_ = std::move(*worker.listen(
        {.address = loopback_v4(0)},
        [this](std::unique_ptr<Stream> stream) { tasks_.spawn(serve(std::move(stream))); }));
  }
  [[nodiscard]] Address address() const { return listener_->address(); }

 private:
  Task<void> serve(std::unique_ptr<Stream> stream) {
    Waiter waiter(worker_, tasks_);
    for (;;) {
      const Wake wake = co_await waiter.until(kNever, readable(*stream));
      if (wake != Wake::kReady) co_return;
      auto block = worker_.buffers().small.acquire();
      const IoResult got = stream->recv(block->span());
      if (got.would_block()) continue;
      if (!got.ok()) co_return;
      if (!stream->send({block->data(), got.bytes}).ok()) co_return;
    }
  }

  Worker& worker_;
  TaskGroup tasks_;
  std::unique_ptr<Listener> listener_;
};

TEST_F(WorkerTest, TwoWorkersTalkToEachOther) {
  std::unique_ptr<Echo> echo;
  const Address at = on_worker([&] {
    echo = std::make_unique<Echo>(*worker_);
    return echo->address();
  });

  auto other = std::move(*Worker::create({.index = 1, .seed = 2}));
  other->start();
  std::promise<std::string> answer;
  std::unique_ptr<TaskGroup> group;
  const auto ask = [](Worker& worker, Address to, std::promise<std::string>& result) -> Task<void> {
    Waiter waiter(worker);
    const auto stream = std::move(*worker.connect(to));
    const Wake connected = co_await waiter.until(kNever, writable(*stream));
    EXPECT_EQ(connected, Wake::kReady);
    std::string all;
    for (int i = 0; i < 100; ++i) {
      if (!stream->send("ping ").ok()) break;
      const Wake wake = co_await waiter.until(worker.now() + 10s, readable(*stream));
      if (wake != Wake::kReady) break;
      std::array<char, 64> block{};
      all.append(block.data(), stream->recv(block).bytes);
    }
    result.set_value(all);
  };
  other->post([&] {
    group = std::make_unique<TaskGroup>(*other);
    group->spawn(ask(*other, at, answer));
  });
  EXPECT_EQ(answer.get_future().get().size(), 500U);
  other->post([&] { group.reset(); });
  other->stop();
  other->join();
  on_worker([&] { echo.reset(); });
}

}  // namespace
}  // namespace canaryd::net
