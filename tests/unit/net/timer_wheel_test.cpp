#include "canaryd/net/timer_wheel.hpp"

#include "canaryd/base/random.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <vector>

namespace canaryd::net {
namespace {

using namespace std::chrono_literals;

constexpr Monotonic kStart{std::chrono::hours{1} + 3ms};

// What a timer set this far ahead may be late by, per the header.
Duration lateness_max(Duration ahead) {
  Duration tick = TimerWheel::kTick;
  Duration reach = tick * static_cast<std::int64_t>(TimerWheel::kSlots - 2);
  while (ahead > reach) {
    tick *= 1 << TimerWheel::kLevelShift;
    reach *= 1 << TimerWheel::kLevelShift;
  }
  return tick + TimerWheel::kTick;
}

TEST(TimerWheelTest, FiresOnceAtItsTick) {
  TimerWheel wheel(kStart);
  int fired = 0;
  Timer timer(wheel, [&] { ++fired; });
  timer.set_deadline(kStart + 25ms);
  EXPECT_EQ(wheel.advance(kStart + 24ms), 0U);
  EXPECT_EQ(wheel.next_expiry(), Monotonic(std::chrono::hours{1} + 30ms));
  EXPECT_EQ(wheel.advance(kStart + 35ms), 1U);
  EXPECT_EQ(fired, 1);
  EXPECT_FALSE(timer.armed());
  EXPECT_EQ(wheel.advance(kStart + 1h), 0U);
  EXPECT_EQ(wheel.next_expiry(), kNever);
}

TEST(TimerWheelTest, NeverEarlyAndHardlyLate) {
  Random random(20260105);
  TimerWheel wheel(kStart);
  Monotonic now = kStart;
  struct Entry {
    Monotonic set_at;
    Monotonic deadline;
    std::unique_ptr<Timer> timer;
  };
  std::deque<Entry> entries;
  int fired = 0;
  for (int i = 0; i < 3000; ++i) {
    // Spread over all magnitudes, 1 ns to about 3 days.
    const auto magnitude = random.below(48);
    const Duration ahead{
        static_cast<std::int64_t>(random.below(std::uint64_t{1} << magnitude) + 1)};
    entries.push_back({now, now + ahead, nullptr});
    Entry& entry = entries.back();
    entry.timer = std::make_unique<Timer>(wheel, [&entry, &now, &fired] {
      ++fired;
      EXPECT_GE(now, entry.deadline);
      EXPECT_LE(now, entry.deadline + lateness_max(entry.deadline - entry.set_at));
    });
    entry.timer->set_deadline(entry.deadline);
    if (i % 3 == 0) {
      // Go to the next expiry, as the worker does, so that lateness is the wheel's alone.
      const Monotonic next = wheel.next_expiry();
      now = std::max(now, std::min(next, now + 70ms));
      wheel.advance(now);
    }
  }
  while (wheel.next_expiry() != kNever) {
    ASSERT_GT(wheel.next_expiry(), now);
    now = wheel.next_expiry();
    wheel.advance(now);
  }
  EXPECT_EQ(fired, 3000);
}

TEST(TimerWheelTest, MovingADeadlineBackNeedsNoLink) {
  TimerWheel wheel(kStart);
  int fired = 0;
  Timer timer(wheel, [&] { ++fired; });
  Monotonic now = kStart;
  // As a keep-alive connection does: a new deadline for each request.
  for (int i = 0; i < 1000; ++i) {
    timer.set_deadline(now + 5s);
    now += 100ms;
    wheel.advance(now);
  }
  EXPECT_EQ(fired, 0);
  now += 4900ms;
  wheel.advance(now - 20ms);
  EXPECT_EQ(fired, 0);
  wheel.advance(now + 10ms);
  EXPECT_EQ(fired, 1);
}

TEST(TimerWheelTest, MovingADeadlineForwardCounts) {
  TimerWheel wheel(kStart);
  int fired = 0;
  Timer timer(wheel, [&] { ++fired; });
  timer.set_deadline(kStart + 1h);
  timer.set_deadline(kStart + 50ms);
  wheel.advance(kStart + 60ms);
  EXPECT_EQ(fired, 1);
}

TEST(TimerWheelTest, DisarmedDoesNotFire) {
  TimerWheel wheel(kStart);
  Timer timer(wheel, [] { FAIL(); });
  timer.set_deadline(kStart + 50ms);
  timer.disarm();
  wheel.advance(kStart + 1s);
  EXPECT_EQ(wheel.next_expiry(), kNever);
}

TEST(TimerWheelTest, ACallbackMayDestroyAndArmAnything) {
  TimerWheel wheel(kStart);
  std::vector<std::unique_ptr<Timer>> timers(3);
  int fired = 0;
  for (auto& timer : timers) {
    timer = std::make_unique<Timer>(wheel, [&] {
      ++fired;
      for (auto& each : timers) each.reset();
    });
    timer->set_deadline(kStart + 20ms);
  }
  wheel.advance(kStart + 1s);
  EXPECT_EQ(fired, 1);

  Timer periodic(wheel, [&] {
    ++fired;
    periodic.set_deadline(kStart + 1s + fired * 10ms);
  });
  periodic.set_deadline(kStart + 1s);
  wheel.advance(kStart + 1010ms);
  wheel.advance(kStart + 1040ms);
  EXPECT_EQ(fired, 3);
}

TEST(TimerWheelTest, APastDeadlineFiresAtTheNextTick) {
  TimerWheel wheel(kStart);
  int fired = 0;
  Timer timer(wheel, [&] { ++fired; });
  timer.set_deadline(kStart - 1s);
  EXPECT_LE(wheel.next_expiry(), kStart + TimerWheel::kTick);
  wheel.advance(kStart + TimerWheel::kTick);
  EXPECT_EQ(fired, 1);
}

TEST(TimerWheelTest, SurvivesAPauseLongerThanAnyLevel) {
  TimerWheel wheel(kStart);
  int fired = 0;
  Timer near(wheel, [&] { ++fired; });
  Timer far(wheel, [&] { ++fired; });
  Timer beyond(wheel, [] { FAIL(); });
  near.set_deadline(kStart + 20ms);
  far.set_deadline(kStart + 24h);
  beyond.set_deadline(kStart + 24h * 365);
  wheel.advance(kStart + 24h * 300);
  EXPECT_EQ(fired, 2);
  EXPECT_TRUE(beyond.armed());
}

TEST(TimerWheelTest, MayDieBeforeItsTimers) {
  auto wheel = std::make_unique<TimerWheel>(kStart);
  Timer timer(*wheel, [] { FAIL(); });
  timer.set_deadline(kStart + 1s);
  wheel.reset();
}

}  // namespace
}  // namespace canaryd::net
