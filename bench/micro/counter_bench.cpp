// What counting a request costs a worker: begin() and finish() of a CounterBlock, latencies of 10
// to 100 ms.
//
//   counter_bench [requests=20000000]
//
// Prints nanoseconds of CPU time a request, the median of seven rounds: of one thread alone, and of
// two, each on a block of its own, which lie side by side in memory. If the two figures are alike
// the blocks share no cache line. Run it optimised, on two cores that have nothing else to do.
#include "canaryd/base/random.hpp"
#include "canaryd/stats/counter_block.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <thread>

namespace {

using namespace canaryd;  // NOLINT(google-build-using-namespace): a program, not a header.

constexpr std::size_t kLatencies = 1024;
constexpr std::size_t kRounds = 7;

std::array<Duration, kLatencies> make_latencies() {
  Random random(1);
  std::array<Duration, kLatencies> made{};
  for (Duration& each : made) each = std::chrono::microseconds(10'000 + random.below(90'000));
  return made;
}

// Of this thread alone.
double cpu_nanoseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

double count(stats::CounterBlock& block, std::uint64_t requests) {
  static const auto latencies = make_latencies();
  stats::Outcome outcome;
  outcome.code_class = 2;
  outcome.judgement = stats::Judgement::kGood;
  outcome.bytes_in = 300;
  outcome.bytes_out = 1000;
  const double begin = cpu_nanoseconds();
  for (std::uint64_t i = 0; i < requests; ++i) {
    block.begin();
    outcome.latency = latencies[i % kLatencies];
    block.finish(outcome);
  }
  return (cpu_nanoseconds() - begin) / static_cast<double>(requests);
}

double median(std::array<double, kRounds> values) {
  std::sort(values.begin(), values.end());
  return values[kRounds / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t requests = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 20'000'000;
  static std::array<stats::CounterBlock, 2> blocks;
  std::array<double, kRounds> alone{};
  std::array<double, kRounds> beside{};
  for (std::size_t round = 0; round < kRounds; ++round) {
    alone[round] = count(blocks[0], requests);
    std::atomic<bool> stop{false};
    std::atomic<bool> counts{false};
    std::thread neighbour([&] {
      while (!stop.load(std::memory_order_relaxed)) {
        static_cast<void>(count(blocks[1], 10'000));
        counts.store(true, std::memory_order_release);
      }
    });
    while (!counts.load(std::memory_order_acquire)) std::this_thread::yield();
    beside[round] = count(blocks[0], requests);
    stop.store(true, std::memory_order_relaxed);
    neighbour.join();
  }
  std::printf("%.1f ns a request, %.1f ns beside a thread that counts as well\n",
              median(alone),
              median(beside));
  return 0;
}
