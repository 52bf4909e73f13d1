#include "canaryd/stats/counter_block.hpp"

#include "canaryd/base/random.hpp"
#include "canaryd/stats/cohort_sample.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

namespace canaryd::stats {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

Outcome outcome(Judgement judgement, std::uint8_t code_class = 2) {
  Outcome result;
  result.code_class = code_class;
  result.judgement = judgement;
  result.latency = milliseconds(5);
  result.bytes_in = 10;
  result.bytes_out = 100;
  return result;
}

void run(CounterBlock& block, const Outcome& finished) {
  block.begin();
  block.finish(finished);
}

TEST(CounterBlock, CountsWhatBecameOfCopies) {
  CounterBlock block;
  for (std::size_t i = 0; i < kMirroredCount; ++i) {
    for (std::size_t n = 0; n <= i; ++n) block.count(static_cast<Mirrored>(i));
  }
  const CounterSnapshot first = block.read();
  block.count(Mirrored::kBusy);
  CounterSnapshot sum = first;
  sum += block.read().since(first);
  for (std::size_t i = 0; i < kMirroredCount; ++i) {
    EXPECT_EQ(first.mirrored[i], i + 1) << to_string(static_cast<Mirrored>(i));
  }
  EXPECT_EQ(sum.mirrored[static_cast<std::size_t>(Mirrored::kBusy)], kMirroredCount + 1);
  EXPECT_EQ(sum, block.read());
  EXPECT_EQ(sum.requests(), 0U);
}

TEST(CounterBlock, CountsWhyAVersionDidNotAnswer) {
  CounterBlock block;
  for (std::size_t i = 0; i < kUpstreamErrorCount; ++i) {
    Outcome finished = outcome(i % 2 == 0 ? Judgement::kGood : Judgement::kExcluded, 5);
    finished.error = static_cast<UpstreamError>(i);
    for (std::size_t n = 0; n <= i; ++n) run(block, finished);
  }
  const CounterSnapshot first = block.read();
  CounterSnapshot sum = first;
  sum += block.read().since(first);
  EXPECT_EQ(sum, first);
  EXPECT_EQ(first.upstream_errors[0], 0U) << "no error";
  for (std::size_t i = 1; i < kUpstreamErrorCount; ++i) {
    EXPECT_EQ(first.upstream_errors[i], i + 1) << to_string(static_cast<UpstreamError>(i));
  }
}

TEST(CounterBlock, SeparatesTrafficFromEvidence) {
  CounterBlock block;
  block.begin();
  run(block, outcome(Judgement::kGood));
  run(block, outcome(Judgement::kBad, 5));
  run(block, outcome(Judgement::kDuplicate, 5));
  run(block, outcome(Judgement::kRepeat, 5));
  run(block, outcome(Judgement::kExcluded));
  Outcome saved = outcome(Judgement::kBad, 0);
  saved.fallback = Fallback::kSaved;
  run(block, saved);

  const CounterSnapshot counts = block.read();
  EXPECT_EQ(counts.requests(), 6U);
  EXPECT_EQ(counts.judged, 3U);
  EXPECT_EQ(counts.bad, 2U);
  EXPECT_EQ(counts.deduped, 2U);
  EXPECT_EQ(counts.repeated, 1U);
  EXPECT_EQ(counts.excluded, 1U);
  EXPECT_EQ(counts.requests(), counts.judged + counts.deduped + counts.excluded);
  EXPECT_EQ(counts.saved, 1U);
  EXPECT_EQ(counts.user_failures, 3U);
  EXPECT_EQ(counts.code_class[0], 1U);
  EXPECT_EQ(counts.code_class[5], 3U);
  EXPECT_EQ(counts.bytes_in, 60U);
  EXPECT_EQ(counts.bytes_out, 600U);
  EXPECT_EQ(counts.duration_us, 30'000U);
  EXPECT_EQ(counts.active, 1);
  // Failures would make a canary that fails fast look fast.
  EXPECT_EQ(counts.latency.total(), 1U);
  EXPECT_EQ(counts.durations().total(), 6U);
}

TEST(CounterBlock, OutOfRangeInputIsCountedSomewhere) {
  CounterBlock block;
  Outcome strange = outcome(Judgement::kGood, 200);
  strange.latency = milliseconds(-1);
  run(block, strange);
  const CounterSnapshot counts = block.read();
  EXPECT_EQ(counts.code_class[0], 1U);
  EXPECT_EQ(counts.duration_us, 0U);
  EXPECT_EQ(counts.latency.bucket(0), 1U);
}

TEST(CounterSnapshot, MergeAndSince) {
  Random random(5);
  CounterBlock first;
  CounterBlock second;
  for (int i = 0; i < 500; ++i) {
    Outcome some = outcome(static_cast<Judgement>(random.below(4)));
    some.code_class = static_cast<std::uint8_t>(random.below(6));
    some.latency = microseconds(random.below(1'000'000));
    run(random.chance(0.5) ? first : second, some);
  }
  CounterSnapshot a = first.read();
  a += second.read();
  CounterSnapshot b = second.read();
  b += first.read();
  EXPECT_EQ(a, b);
  EXPECT_EQ(a.requests(), 500U);
  EXPECT_EQ(a.since(second.read()), first.read());
  EXPECT_EQ(first.read().since(a).requests(), 0U);
}

TEST(CounterBlock, MayBeReadWhileItIsWritten) {
  const auto block = std::make_unique<CounterBlock>();
  std::atomic<bool> done{false};
  constexpr std::uint64_t kRequests = 20'000;
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < kRequests; ++i) run(*block, outcome(Judgement::kBad, 5));
    done.store(true, std::memory_order_release);
  });
  std::uint64_t before = 0;
  bool monotone = true;
  do {
    const std::uint64_t now = block->read().requests();
    monotone = monotone && now >= before;
    before = now;
  } while (!done.load(std::memory_order_acquire));
  writer.join();
  EXPECT_TRUE(monotone);
  EXPECT_EQ(block->read().bad, kRequests);
  EXPECT_EQ(block->read().active, 0);
}

TEST(CohortSample, RatesAndQuantiles) {
  CounterBlock block;
  for (int i = 0; i < 96; ++i) run(block, outcome(Judgement::kGood));
  for (int i = 0; i < 4; ++i) run(block, outcome(Judgement::kBad, 5));
  const CohortSample sample = make_sample(block.read(), std::chrono::seconds(4));
  EXPECT_DOUBLE_EQ(sample.requests_per_second, 25);
  ASSERT_TRUE(sample.error_rate);
  EXPECT_DOUBLE_EQ(*sample.error_rate, 0.04);
  ASSERT_TRUE(sample.p99);
  EXPECT_NEAR(static_cast<double>(sample.p99->count()) / 5e6, 1, 0.026);
}

TEST(CohortSample, NothingIsNotZero) {
  const CohortSample sample = make_sample(CounterSnapshot{}, Duration::zero());
  EXPECT_FALSE(sample.error_rate);
  EXPECT_FALSE(sample.p50);
  EXPECT_DOUBLE_EQ(sample.requests_per_second, 0);
}

TEST(CounterBlock, ClientErrorsAreJudgedAnswersThatAreNoFailures) {
  CounterBlock counters;
  const auto finish = [&](std::uint8_t code_class, Judgement judgement) {
    counters.begin();
    Outcome outcome;
    outcome.code_class = code_class;
    outcome.judgement = judgement;
    counters.finish(outcome);
  };
  finish(4, Judgement::kGood);
  finish(2, Judgement::kGood);
  finish(4, Judgement::kBad);
  finish(4, Judgement::kExcluded);
  finish(4, Judgement::kDuplicate);
  EXPECT_EQ(counters.read().client_errors, 1U);
  EXPECT_EQ(counters.read().judged, 3U);
}

}  // namespace
}  // namespace canaryd::stats
