#include "canaryd/upstream/concurrency.hpp"

#include "support/sim.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

namespace canaryd::upstream {
namespace {

// Two workers.
class ConcurrencyTest : public testing::Test {
 protected:
  explicit ConcurrencyTest(std::uint32_t max = 2, std::uint32_t queue = 3)
      : limit(std::make_shared<ConcurrencyLimit>(2, max, queue)), first(a, limit, 0) {}

  // Takes all slots of the limit on the first worker.
  void fill() {
    while (ConcurrencySlot slot = first.try_enter()) held.push_back(std::move(slot));
  }
  bool granted(ConcurrencyTicket& ticket) {
    net.run_ready();
    return ticket.granted().is_set();
  }
  void release_one() {
    held.pop_front();
    net.run_ready();
  }

  test::SimNetwork net;
  test::SimRuntime a{net};
  test::SimRuntime b{net};
  std::shared_ptr<ConcurrencyLimit> limit;
  ConcurrencyQueue first;
  ConcurrencyQueue second{b, limit, 1};
  std::deque<ConcurrencySlot> held;
};

TEST_F(ConcurrencyTest, AsManyAsTheLimitEnterAtOnce) {
  fill();
  EXPECT_EQ(held.size(), 2U);
  EXPECT_EQ(limit->active(), 2U);
  EXPECT_FALSE(second.try_enter());
  release_one();
  EXPECT_EQ(limit->active(), 1U);
  EXPECT_TRUE(second.try_enter());
  EXPECT_EQ(limit->active(), 1U);  // It was let go at once.
}

TEST_F(ConcurrencyTest, ASlotMovesWithItsOwner) {
  ConcurrencySlot slot = first.try_enter();
  ConcurrencySlot moved = std::move(slot);
  EXPECT_FALSE(slot);  // NOLINT(bugprone-use-after-move)
  EXPECT_TRUE(moved);
  moved = ConcurrencySlot();
  EXPECT_EQ(limit->active(), 0U);
  moved.release();
  EXPECT_EQ(limit->active(), 0U);
}

TEST_F(ConcurrencyTest, TheQueueIsServedInItsOrder) {
  fill();
  std::deque<ConcurrencyTicket> tickets(3);
  for (ConcurrencyTicket& ticket : tickets) EXPECT_TRUE(first.wait(ticket));
  for (ConcurrencyTicket& ticket : tickets) {
    EXPECT_FALSE(granted(ticket));
    release_one();
    EXPECT_TRUE(granted(ticket));
    held.push_back(ticket.take());
    EXPECT_EQ(limit->active(), 2U);
  }
}

TEST_F(ConcurrencyTest, TheQueueIsBoundedOverAllWorkers) {
  fill();
  std::deque<ConcurrencyTicket> tickets(4);
  EXPECT_TRUE(first.wait(tickets[0]));
  EXPECT_TRUE(second.wait(tickets[1]));
  EXPECT_TRUE(second.wait(tickets[2]));
  EXPECT_FALSE(first.wait(tickets[3]));
  EXPECT_FALSE(second.wait(tickets[3]));
  EXPECT_EQ(limit->queued(), 3U);
  // Who leaves makes room.
  EXPECT_FALSE(tickets[1].take());
  EXPECT_EQ(limit->queued(), 2U);
  EXPECT_TRUE(first.wait(tickets[3]));
}

TEST_F(ConcurrencyTest, WithoutAQueueNobodyWaits) {
  limit->configure(2, 0);
  fill();
  ConcurrencyTicket ticket;
  EXPECT_FALSE(first.wait(ticket));
  EXPECT_FALSE(ticket.take());
}

// Who comes later does not overtake, on any worker.
TEST_F(ConcurrencyTest, NobodyOvertakesThoseWhoWait) {
  fill();
  ConcurrencyTicket ticket;
  ASSERT_TRUE(first.wait(ticket));
  limit->configure(3, 3);
  EXPECT_FALSE(first.try_enter());
  EXPECT_FALSE(second.try_enter());
  first.serve();
  EXPECT_TRUE(granted(ticket));
}

TEST_F(ConcurrencyTest, WorkersAreServedInTurn) {
  limit->configure(2, 8);
  fill();
  std::deque<ConcurrencyTicket> here(4);
  std::deque<ConcurrencyTicket> there(4);
  for (auto& ticket : here) ASSERT_TRUE(first.wait(ticket));
  for (auto& ticket : there) ASSERT_TRUE(second.wait(ticket));
  std::vector<ConcurrencySlot> taken;
  for (int i = 0; i < 4; ++i) {
    release_one();
    for (auto* tickets : {&here, &there}) {
      for (auto& ticket : *tickets) {
        if (!granted(ticket)) continue;
        if (ConcurrencySlot slot = ticket.take()) held.push_back(std::move(slot));
      }
    }
  }
  EXPECT_EQ(limit->queued(), 4U);
  int left_here = 0;
  for (auto& ticket : here) left_here += granted(ticket) ? 0 : 1;
  EXPECT_EQ(left_here, 2);
}

TEST_F(ConcurrencyTest, ASlotThatNobodyTakesGoesOn) {
  fill();
  auto leaving = std::make_unique<ConcurrencyTicket>();
  ConcurrencyTicket staying;
  ASSERT_TRUE(first.wait(*leaving));
  ASSERT_TRUE(first.wait(staying));
  release_one();
  EXPECT_TRUE(granted(*leaving));
  EXPECT_FALSE(granted(staying));
  leaving.reset();
  EXPECT_TRUE(granted(staying));
  EXPECT_EQ(limit->active(), 2U);
}

// It was on its way to the other worker when he left.
TEST_F(ConcurrencyTest, ASlotThatFindsNobodyGoesOn) {
  fill();
  auto there = std::make_unique<ConcurrencyTicket>();
  ConcurrencyTicket here;
  ASSERT_TRUE(second.wait(*there));
  held.pop_front();  // Posted, not run.
  ASSERT_TRUE(first.wait(here));
  there.reset();
  EXPECT_FALSE(here.granted().is_set());
  EXPECT_TRUE(granted(here));
  EXPECT_EQ(limit->queued(), 0U);
  EXPECT_EQ(limit->active(), 2U);
}

// The slot was promised to one who left, and serves the one who came meanwhile.
TEST_F(ConcurrencyTest, ASlotOnItsWayServesWhoeverWaits) {
  fill();
  auto leaving = std::make_unique<ConcurrencyTicket>();
  ConcurrencyTicket coming;
  ASSERT_TRUE(second.wait(*leaving));
  held.pop_front();
  leaving.reset();
  ASSERT_TRUE(second.wait(coming));
  EXPECT_TRUE(granted(coming));
  // And nothing is promised to nobody.
  held.clear();
  net.run_ready();
  EXPECT_EQ(limit->active(), 1U);
}

TEST_F(ConcurrencyTest, ARaisedLimitServesThoseWhoWait) {
  fill();
  std::deque<ConcurrencyTicket> tickets(3);
  for (auto& ticket : tickets) ASSERT_TRUE(first.wait(ticket));
  limit->configure(4, 3);
  first.serve();
  EXPECT_TRUE(granted(tickets[0]));
  EXPECT_TRUE(granted(tickets[1]));
  EXPECT_FALSE(granted(tickets[2]));
  limit->lift();
  first.serve();
  EXPECT_TRUE(granted(tickets[2]));
}

TEST_F(ConcurrencyTest, ALoweredLimitRunsOut) {
  limit->configure(4, 3);
  fill();
  ConcurrencyTicket ticket;
  ASSERT_TRUE(second.wait(ticket));
  limit->configure(2, 3);
  release_one();
  release_one();
  EXPECT_FALSE(granted(ticket));
  EXPECT_EQ(limit->active(), 2U);
  release_one();
  EXPECT_TRUE(granted(ticket));
  EXPECT_EQ(limit->active(), 2U);
}

TEST_F(ConcurrencyTest, ASlotForAQueueThatIsGoneGoesOn) {
  auto other = std::make_shared<ConcurrencyLimit>(2, 1, 2);
  ConcurrencyQueue mine(a, other, 0);
  auto theirs = std::make_unique<ConcurrencyQueue>(b, other, 1);
  ConcurrencySlot slot = mine.try_enter();
  auto ticket = std::make_unique<ConcurrencyTicket>();
  ASSERT_TRUE(theirs->wait(*ticket));
  slot.release();
  ticket.reset();
  theirs.reset();
  net.run_ready();
  EXPECT_EQ(other->active(), 0U);
}

}  // namespace
}  // namespace canaryd::upstream
