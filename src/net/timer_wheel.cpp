#include "canaryd/net/timer_wheel.hpp"

#include "canaryd/base/error.hpp"

#include <algorithm>
#include <bit>

namespace canaryd::net {
namespace {

constexpr std::uint64_t kSlotMask = TimerWheel::kSlots - 1;
constexpr std::size_t kWords = TimerWheel::kSlots / 64;

constexpr std::int64_t ticks_down(Monotonic time) noexcept {
  return time.time_since_epoch() / TimerWheel::kTick;
}
constexpr std::int64_t ticks_up(Monotonic time) noexcept {
  const bool exact = time.time_since_epoch() % TimerWheel::kTick == Duration::zero();
  return ticks_down(time) + (exact ? 0 : 1);
}
constexpr unsigned shift_of(std::size_t level) noexcept {
  return static_cast<unsigned>(level) * TimerWheel::kLevelShift;
}
constexpr Monotonic time_of(std::int64_t tick, std::size_t level) noexcept {
  return Monotonic(TimerWheel::kTick * (tick << shift_of(level)));
}
constexpr std::size_t slot_of(std::int64_t tick) noexcept {
  return static_cast<std::size_t>(tick) & kSlotMask;
}

}  // namespace

void TimerNode::unlink() noexcept {
  if (link_ == nullptr) return;
  *link_ = next_;
  if (next_ != nullptr) next_->link_ = link_;
  next_ = nullptr;
  link_ = nullptr;
  slot_start_ = kNever;
}

TimerWheel::TimerWheel(Monotonic now) noexcept : now_(now), handled_(ticks_down(now)) {}

TimerWheel::~TimerWheel() {
  for (Level& level : levels_) {
    for (TimerNode* head : level.slots) {
      while (head != nullptr) {
        TimerNode* next = head->next_;
        head->unlink();
        head = next;
      }
    }
  }
}

void TimerWheel::link(TimerNode& node) noexcept {
  node.unlink();
  const std::int64_t now = ticks_down(now_);
  const std::int64_t due = std::max(ticks_up(node.deadline_), now + 1);

  // The finest level that reaches so far; its tick is rounded up, so that nothing fires early.
  std::size_t level = 0;
  std::int64_t tick = due;
  std::int64_t current = now;
  const auto reach = static_cast<std::int64_t>(kSlots) - 1;
  while (tick - current > reach && level + 1 < kLevels) {
    ++level;
    const std::int64_t round_up = (std::int64_t{1} << shift_of(level)) - 1;
    tick = (due + round_up) >> shift_of(level);
    current = now >> shift_of(level);
  }
  // Beyond the last level it waits as far away as possible and is linked anew from there.
  tick = std::min(tick, current + reach);

  const std::size_t slot = slot_of(tick);
  TimerNode*& head = levels_[level].slots[slot];
  node.next_ = head;
  node.link_ = &head;
  if (head != nullptr) head->link_ = &node.next_;
  head = &node;
  levels_[level].occupied[slot / 64] |= std::uint64_t{1} << (slot % 64);
  node.slot_start_ = time_of(tick - 1, level);
  next_ = std::min(next_, time_of(tick, level));
}

void TimerWheel::take_slot(Level& level, std::size_t slot) noexcept {
  const std::uint64_t bit = std::uint64_t{1} << (slot % 64);
  if ((level.occupied[slot / 64] & bit) == 0) return;
  level.occupied[slot / 64] &= ~bit;
  while (TimerNode* node = level.slots[slot]) {
    node->unlink();
    node->next_ = due_;
    node->link_ = &due_;
    if (due_ != nullptr) due_->link_ = &node->next_;
    due_ = node;
  }
}

std::size_t TimerWheel::fire_due() {
  std::size_t fired = 0;
  while (due_ != nullptr) {
    TimerNode& node = *due_;
    node.unlink();
    if (node.deadline_ == kNever) continue;
    if (node.deadline_ > now_) {
      link(node);  // It was moved back since, or lay beyond the last level.
      continue;
    }
    node.deadline_ = kNever;
    ++fired;
    node.expired();
  }
  return fired;
}

std::size_t TimerWheel::advance(Monotonic now) {
  CANARYD_ASSERT(now >= now_);
  now_ = now;
  if (now < next_) return 0;

  const std::int64_t now_tick = ticks_down(now);
  for (std::size_t level = 0; level < kLevels; ++level) {
    const std::int64_t to = now_tick >> shift_of(level);
    const std::int64_t first = (handled_ >> shift_of(level)) + 1;
    // After a long pause every slot is looked at once; what is not due yet is linked anew.
    const std::int64_t from = std::max(first, to - static_cast<std::int64_t>(kSlots) + 1);
    for (std::int64_t tick = from; tick <= to; ++tick) take_slot(levels_[level], slot_of(tick));
  }
  handled_ = now_tick;
  next_ = kNever;
  const std::size_t fired = fire_due();
  next_ = earliest();
  return fired;
}

Monotonic TimerWheel::earliest() const noexcept {
  Monotonic result = kNever;
  for (std::size_t level = 0; level < kLevels; ++level) {
    const std::int64_t current = handled_ >> shift_of(level);
    const std::size_t start = slot_of(current + 1);
    // Word by word around the ring: the first word from its start bit, and once more at the end for
    // what is before it.
    for (std::size_t i = 0; i <= kWords; ++i) {
      const std::size_t word = (start / 64 + i) % kWords;
      std::uint64_t bits = levels_[level].occupied[word];
      if (i == 0) bits &= ~std::uint64_t{0} << (start % 64);
      if (bits == 0) continue;
      const std::size_t slot = word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
      const auto distance = static_cast<std::int64_t>((slot - start) & kSlotMask);
      result = std::min(result, time_of(current + 1 + distance, level));
      break;
    }
  }
  return result;
}

}  // namespace canaryd::net
