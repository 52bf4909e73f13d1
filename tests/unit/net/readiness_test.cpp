#include "canaryd/net/readiness.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

namespace canaryd::net {
namespace {

class Callback final : public Reaction {
 public:
  Callback(ReadyQueue& queue, std::function<void()> function)
      : Reaction(queue), function_(std::move(function)) {}

 private:
  void react() override { function_(); }
  std::function<void()> function_;
};

TEST(ReadyQueueTest, RunsInOrderAndOnce) {
  ReadyQueue queue;
  std::string order;
  Callback a(queue, [&] { order += 'a'; });
  Callback b(queue, [&] { order += 'b'; });
  b.schedule();
  a.schedule();
  b.schedule();
  EXPECT_TRUE(queue.run_once());
  EXPECT_EQ(order, "ba");
  EXPECT_FALSE(queue.run_once());
}

TEST(ReadyQueueTest, WhatIsScheduledMeanwhileWaitsForTheNextRun) {
  ReadyQueue queue;
  int runs = 0;
  Callback again(queue, [&] {
    ++runs;
    again.schedule();
  });
  again.schedule();
  queue.run_once();
  EXPECT_EQ(runs, 1);
  EXPECT_FALSE(queue.empty());
  queue.run_once();
  EXPECT_EQ(runs, 2);
}

TEST(ReadyQueueTest, RunsSoManyAndKeepsTheOthersInOrder) {
  ReadyQueue queue;
  std::string order;
  Callback a(queue, [&] { order += 'a'; });
  Callback b(queue, [&] { order += 'b'; });
  Callback c(queue, [&] { order += 'c'; });
  for (Callback* each : {&a, &b, &c}) each->schedule();
  EXPECT_TRUE(queue.run_once(2));
  EXPECT_EQ(order, "ab");
  a.schedule();
  queue.run_once(2);
  EXPECT_EQ(order, "abca");
  EXPECT_TRUE(queue.empty());
}

TEST(ReadyQueueTest, AReactionMayBeInAnotherQueueThisTime) {
  ReadyQueue own;
  ReadyQueue other;
  int runs = 0;
  Callback a(own, [&] { ++runs; });
  a.schedule_in(other);
  a.schedule();
  EXPECT_FALSE(own.run_once());
  EXPECT_TRUE(other.run_once());
  EXPECT_EQ(runs, 1);
  a.schedule();
  EXPECT_TRUE(own.run_once());
}

TEST(ReadyQueueTest, AReactionMayDestroyItselfAndOthers) {
  ReadyQueue queue;
  std::string order;
  std::unique_ptr<Callback> first;
  std::unique_ptr<Callback> second;
  std::unique_ptr<Callback> third;
  first = std::make_unique<Callback>(queue, [&] {
    order += '1';
    second.reset();
    first.reset();
  });
  second = std::make_unique<Callback>(queue, [&] { order += '2'; });
  third = std::make_unique<Callback>(queue, [&] { order += '3'; });
  first->schedule();
  second->schedule();
  third->schedule();
  queue.run_once();
  EXPECT_EQ(order, "13");
}

TEST(ReadyQueueTest, MayDieBeforeItsReactions) {
  auto queue = std::make_unique<ReadyQueue>();
  Callback late(*queue, [] { FAIL(); });
  late.schedule();
  queue.reset();
  EXPECT_FALSE(late.scheduled());
}

TEST(ReadinessTest, TellsItsWatcherOfTheEventsItWants) {
  ReadyQueue queue;
  int told = 0;
  Callback watcher(queue, [&] { ++told; });
  Signal signal;
  signal.watch(watcher, kWritable);
  signal.set();
  EXPECT_FALSE(queue.run_once());
  signal.watch(watcher, kReadable);
  signal.set();
  queue.run_once();
  EXPECT_EQ(told, 1);
  signal.unwatch();
  signal.set();
  EXPECT_FALSE(queue.run_once());
}

TEST(ReadinessTest, InterestOfNobodyIsNeverMet) {
  Signal signal;
  EXPECT_FALSE(Interest{}.met());
  EXPECT_FALSE(readable(signal).met());
  signal.set();
  EXPECT_TRUE(readable(signal).met());
  EXPECT_FALSE(hung_up(signal).met());
  signal.clear();
  EXPECT_FALSE(readable(signal).met());
}

}  // namespace
}  // namespace canaryd::net
