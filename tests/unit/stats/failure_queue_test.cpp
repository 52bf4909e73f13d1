#include "canaryd/stats/failure_queue.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace canaryd::stats {
namespace {

Failure failure(std::uint64_t key_hash) {
  Failure result;
  result.key_hash = key_hash;
  return result;
}

TEST(FailureQueue, KeepsOrderAcrossTheEndOfTheRing) {
  FailureQueue queue(3);
  EXPECT_EQ(queue.capacity(), 4U);
  std::uint64_t next = 0;
  for (std::uint64_t round = 0; round < 10; ++round) {
    for (std::uint64_t i = 0; i < 3; ++i) EXPECT_TRUE(queue.push(failure(round * 3 + i)));
    while (const auto popped = queue.pop()) EXPECT_EQ(popped->key_hash, next++);
  }
  EXPECT_EQ(next, 30U);
  EXPECT_EQ(queue.dropped(), 0U);
}

TEST(FailureQueue, DropsAndCountsWhenFull) {
  FailureQueue queue(4);
  for (std::uint64_t i = 0; i < 10; ++i) EXPECT_EQ(queue.push(failure(i)), i < 4);
  EXPECT_EQ(queue.dropped(), 6U);
  EXPECT_EQ(queue.pop()->key_hash, 0U);
  EXPECT_TRUE(queue.push(failure(10)));
  EXPECT_EQ(queue.dropped(), 6U);
}

TEST(FailureQueue, TwoThreadsLoseNothingButTheDropped) {
  FailureQueue queue(64);
  constexpr std::uint64_t kPushes = 50'000;
  std::thread pusher([&] {
    for (std::uint64_t i = 1; i <= kPushes; ++i) {
      Failure one = failure(i);
      one.epoch = ~i;  // A record read half-written would not match.
      queue.push(one);
    }
  });
  std::uint64_t popped = 0;
  std::uint64_t last = 0;
  std::uint64_t wrong = 0;
  const auto drain = [&] {
    while (const auto one = queue.pop()) {
      wrong += one->key_hash <= last || one->epoch != ~one->key_hash ? 1U : 0U;
      last = one->key_hash;
      ++popped;
    }
  };
  for (int i = 0; i < 1000; ++i) drain();
  pusher.join();
  drain();
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(popped + queue.dropped(), kPushes);
}

}  // namespace
}  // namespace canaryd::stats
