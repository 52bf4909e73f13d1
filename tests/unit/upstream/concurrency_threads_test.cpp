// The limit under real threads: never more than it allows, and nobody is forgotten.
#include "canaryd/net/task_group.hpp"
#include "canaryd/net/waiter.hpp"
#include "canaryd/net/worker.hpp"
#include "canaryd/upstream/concurrency.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <vector>

namespace canaryd::upstream {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kMax = 3;
constexpr int kVisitors = 20;  // Of each worker.
constexpr int kVisits = 200;

struct Shared {
  std::shared_ptr<ConcurrencyLimit> limit;
  std::atomic<std::uint32_t> inside{0};
  std::atomic<std::uint32_t> most{0};
  std::atomic<int> served{0};
  std::atomic<int> left{0};
  std::atomic<int> forgotten{0};
};

// One worker's part: made, used and destroyed there.
struct Side {
  Side(net::Worker& worker_in, Shared& shared_in, std::size_t index)
      : worker(worker_in), shared(shared_in), queue(worker, shared.limit, index), group(worker) {}

  net::Worker& worker;
  Shared& shared;
  ConcurrencyQueue queue;
  net::TaskGroup group;
};

// Stays for one turn of the worker. Now and then one does not wait for its turn.
net::Task<void> visit(Side& side, int number) {
  Shared& shared = side.shared;
  net::Waiter waiter(side.worker, side.group);
  for (int i = 0; i < kVisits; ++i) {
    ConcurrencySlot slot = side.queue.try_enter();
    if (!slot) {
      ConcurrencyTicket ticket;
      if (!side.queue.wait(ticket)) {
        ++shared.forgotten;
        co_return;
      }
      if ((i + number) % 7 == 0) {
        [[maybe_unused]] const net::Wake turn = co_await waiter.yield();
      } else {
        [[maybe_unused]] const net::Wake end =
            co_await waiter.until(side.worker.now() + 60s, net::readable(ticket.granted()));
      }
      slot = ticket.take();
    }
    if (!slot) {
      const bool waited = (i + number) % 7 != 0;
      ++(waited ? shared.forgotten : shared.left);
      continue;
    }
    const std::uint32_t inside = shared.inside.fetch_add(1) + 1;
    std::uint32_t most = shared.most.load();
    while (most < inside && !shared.most.compare_exchange_weak(most, inside)) {
    }
    [[maybe_unused]] const net::Wake turn = co_await waiter.yield();
    shared.inside.fetch_sub(1);
    slot.release();
    ++shared.served;
  }
}

TEST(ConcurrencyThreadsTest, NeverMoreThanTheLimitAndNobodyIsForgotten) {
  Shared shared;
  shared.limit = std::make_shared<ConcurrencyLimit>(2, kMax, 2 * kVisitors);
  std::vector<std::unique_ptr<net::Worker>> workers;
  std::vector<std::unique_ptr<Side>> sides(2);
  std::vector<std::promise<void>> done(2);
  for (std::size_t i = 0; i < 2; ++i) {
    net::WorkerOptions options;
    options.index = i;
    options.seed = i + 1;
    auto worker = net::Worker::create(options);
    ASSERT_TRUE(worker.has_value());
    workers.push_back(std::move(*worker));
  }
  for (std::size_t i = 0; i < 2; ++i) {
    workers[i]->start();
    workers[i]->post([&, i] {
      sides[i] = std::make_unique<Side>(*workers[i], shared, i);
      sides[i]->group.on_empty([&, i] { done[i].set_value(); });
      for (int number = 0; number < kVisitors; ++number) {
        sides[i]->group.spawn(visit(*sides[i], number));
      }
    });
  }
  for (auto& each : done) each.get_future().wait();
  // Slots on their way to a worker that is through find nobody and are given up.
  for (std::size_t i = 0; i < 2; ++i) {
    std::promise<void> passed;
    workers[i]->post([&] { passed.set_value(); });
    passed.get_future().wait();
  }
  for (std::size_t i = 0; i < 2; ++i) {
    workers[i]->post([&, i] { sides[i].reset(); });
    workers[i]->stop();
  }
  for (const auto& worker : workers) worker->join();
  EXPECT_EQ(shared.forgotten.load(), 0);
  EXPECT_EQ(shared.served.load() + shared.left.load(), 2 * kVisitors * kVisits);
  EXPECT_LE(shared.most.load(), kMax);
  EXPECT_EQ(shared.limit->queued(), 0U);
  EXPECT_EQ(shared.limit->active(), 0U);
}

}  // namespace
}  // namespace canaryd::upstream
