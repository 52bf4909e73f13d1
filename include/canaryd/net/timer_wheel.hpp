// Deadlines of one worker: a wheel of 10 ms ticks with coarser levels above 10 s (after Varghese
// and Lauck 1987).
//
// A timer never fires early. It fires at most one tick late: 10 ms for deadlines up to 10 s away,
// and about 1 % of the distance beyond (level n has ticks of 10 ms * 8^n, 1024 of them). Nothing
// cascades: a node waits in the slot where it will fire.
//
// Setting a deadline is one store: a node that is linked early enough stays where it is, and is
// linked anew when its slot comes up and the deadline is found to lie ahead. So moving a deadline
// back and forth per request costs nothing, at the price of a wake-up now and then that finds
// nothing to do.
//
// Thread rule: one worker. Intrusive: no allocation.
#pragma once

#include "canaryd/base/clock.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

namespace canaryd::net {

// The deadline that never comes.
inline constexpr Monotonic kNever = Monotonic::max();

class TimerWheel;

// Embedded in whatever has deadlines. Destroying it disarms it.
class TimerNode {
 public:
  explicit TimerNode(TimerWheel& wheel) noexcept : wheel_(&wheel) {}
  TimerNode(const TimerNode&) = delete;
  TimerNode& operator=(const TimerNode&) = delete;
  virtual ~TimerNode() { unlink(); }

  // A deadline that has passed fires at the next tick. kNever disarms.
  inline void set_deadline(Monotonic deadline) noexcept;
  void disarm() noexcept { deadline_ = kNever; }
  [[nodiscard]] Monotonic deadline() const noexcept { return deadline_; }
  [[nodiscard]] bool armed() const noexcept { return deadline_ != kNever; }

 private:
  friend class TimerWheel;

  // Called by advance(), disarmed. It may set a deadline, and destroy itself and any other node.
  virtual void expired() = 0;
  void unlink() noexcept;

  TimerWheel* wheel_;
  Monotonic deadline_ = kNever;
  Monotonic slot_start_ =
      kNever;  // Where its slot begins, one tick before it comes up; kNever while not linked.
  TimerNode* next_ = nullptr;
  TimerNode** link_ = nullptr;  // The pointer that points here.
};

class TimerWheel {
 public:
  static constexpr Duration kTick = std::chrono::milliseconds{10};
  static constexpr std::size_t kLevels = 5;
  static constexpr std::size_t kSlots = 1024;
  static constexpr unsigned kLevelShift = 3;  // Each level's tick is eight times the one before.

  explicit TimerWheel(Monotonic now) noexcept;
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;
  // Nodes may outlive the wheel, but must not be armed any more.
  ~TimerWheel();

  // Fires what is due. `now` never goes back. Returns how many fired.
  std::size_t advance(Monotonic now);
  // The earliest time at which advance() may have something to do; kNever when nothing is linked.
  // May be early (see the lazy nodes above), never late.
  [[nodiscard]] Monotonic next_expiry() const noexcept { return next_; }

 private:
  friend class TimerNode;
  struct Level {
    std::array<TimerNode*, kSlots> slots{};
    // A bit for each slot that may hold something; nodes that leave do not clear it.
    std::array<std::uint64_t, kSlots / 64> occupied{};
  };

  void link(TimerNode& node) noexcept;
  void take_slot(Level& level, std::size_t slot) noexcept;
  std::size_t fire_due();
  [[nodiscard]] Monotonic earliest() const noexcept;

  Monotonic now_;
  Monotonic next_ = kNever;  // Nothing can be due before.
  std::int64_t handled_;     // The last tick of the finest level whose slot was taken.
  std::array<Level, kLevels> levels_;
  TimerNode* due_ = nullptr;
};

inline void TimerNode::set_deadline(Monotonic deadline) noexcept {
  deadline_ = deadline;
  if (deadline < slot_start_) wheel_->link(*this);
}

// A timer with a callback, for where an allocation at set-up does not matter.
class Timer final : public TimerNode {
 public:
  Timer(TimerWheel& wheel, std::function<void()> callback)
      : TimerNode(wheel), callback_(std::move(callback)) {}

 private:
  void expired() override { callback_(); }
  std::function<void()> callback_;
};

}  // namespace canaryd::net
