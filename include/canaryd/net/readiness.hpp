// Who is told when something becomes ready: flags that rise, one watcher per set of flags, and the
// queue of reactions.
//
// An event only raises flags and queues reactions; user code runs afterwards, from the queue, with
// nobody else's frame below it on the stack. So all flags of one batch are up to date before the
// first session runs, and no event can reach a connection that was deleted earlier in the same
// batch.
//
// Thread rule: everything here belongs to one worker. No allocation, no lock.
#pragma once

#include "canaryd/base/error.hpp"

#include <cstddef>
#include <cstdint>

namespace canaryd::net {

class Reactor;
class Readiness;
class ReadyQueue;

// Bits of a Readiness. kHangup: the peer sent its FIN, or both directions are closed; there may
// still be bytes to read. kBroken: the connection failed; it raises all other bits too, so that
// every wait ends and the next call says why.
using Events = std::uint8_t;
inline constexpr Events kReadable = 1;
inline constexpr Events kWritable = 2;
inline constexpr Events kHangup = 4;
inline constexpr Events kBroken = 8;
inline constexpr Events kAllEvents = kReadable | kWritable | kHangup | kBroken;

// Something to run soon, from the loop. An intrusive node: scheduling is two stores, scheduling
// twice is once, and destroying it takes it out of the queue.
class Reaction {
 public:
  explicit Reaction(ReadyQueue& queue) noexcept : queue_(&queue) {}
  Reaction(const Reaction&) = delete;
  Reaction& operator=(const Reaction&) = delete;
  virtual ~Reaction() { unschedule(); }

  inline void schedule() noexcept;
  // In another queue than its own, this time.
  inline void schedule_in(ReadyQueue& queue) noexcept;
  inline void unschedule() noexcept;
  [[nodiscard]] bool scheduled() const noexcept { return next_ != nullptr; }

 private:
  friend class ReadyQueue;
  friend class Readiness;

  // Runs from the queue. It may destroy itself and any other reaction.
  virtual void react() = 0;
  // The Readiness that this one watches is being destroyed.
  virtual void source_gone(Readiness&) noexcept {}

  ReadyQueue* queue_;
  Reaction* next_ = nullptr;
  Reaction* previous_ = nullptr;
};

// First in, first out. A ring through a sentinel, so that unlinking needs no case.
class ReadyQueue {
 public:
  ReadyQueue() noexcept : head_(*this) { head_.next_ = head_.previous_ = &head_; }
  ReadyQueue(const ReadyQueue&) = delete;
  ReadyQueue& operator=(const ReadyQueue&) = delete;
  // Reactions that outlive their queue must not be scheduled any more.
  ~ReadyQueue();

  [[nodiscard]] bool empty() const noexcept { return head_.next_ == &head_; }
  // Runs what is queued now, or so many of it; what these reactions schedule waits for the next
  // call. Returns whether anything ran.
  bool run_once(std::size_t most = SIZE_MAX);

 private:
  friend class Reaction;
  class Sentinel final : public Reaction {
   public:
    using Reaction::Reaction;

   private:
    void react() override {}
  };
  void append(Reaction& reaction) noexcept {
    reaction.previous_ = head_.previous_;
    reaction.next_ = &head_;
    head_.previous_->next_ = &reaction;
    head_.previous_ = &reaction;
  }
  Sentinel head_;
};

inline void Reaction::schedule() noexcept {
  schedule_in(*queue_);
}

inline void Reaction::schedule_in(ReadyQueue& queue) noexcept {
  if (next_ == nullptr) queue.append(*this);
}

inline void Reaction::unschedule() noexcept {
  if (next_ == nullptr) return;
  next_->previous_ = previous_;
  previous_->next_ = next_;
  next_ = previous_ = nullptr;
}

// Flags and the one reaction that wants to hear of some of them. Base of every stream and of
// Signal.
class Readiness {
 public:
  Readiness(const Readiness&) = delete;
  Readiness& operator=(const Readiness&) = delete;

  [[nodiscard]] Events flags() const noexcept { return flags_; }
  [[nodiscard]] bool any(Events events) const noexcept { return (flags_ & events) != 0; }

  // At most one watcher at a time. Tells it of rises only: look at the flags first.
  void watch(Reaction& reaction, Events events) noexcept {
    CANARYD_ASSERT(watcher_ == nullptr || watcher_ == &reaction);
    watcher_ = &reaction;
    watched_ = static_cast<Events>(watched_ | events);
  }
  void unwatch() noexcept {
    watcher_ = nullptr;
    watched_ = 0;
  }

 protected:
  explicit Readiness(Events initial) noexcept : flags_(initial) {}
  ~Readiness() {
    if (watcher_ != nullptr) watcher_->source_gone(*this);
  }

  void raise(Events events) noexcept {
    if ((events & kBroken) != 0) events = kAllEvents;
    flags_ = static_cast<Events>(flags_ | events);
    if ((watched_ & events) != 0) watcher_->schedule();
  }
  void lower(Events events) noexcept { flags_ = static_cast<Events>(flags_ & ~events); }

 private:
  friend class Reactor;

  Reaction* watcher_ = nullptr;
  Events watched_ = 0;
  Events flags_;
};

// A flag that our own code raises, waited for like a socket: a free place in a pool, a finished
// lookup.
class Signal final : public Readiness {
 public:
  Signal() noexcept : Readiness(0) {}
  void set() noexcept { raise(kReadable); }
  void clear() noexcept { lower(kReadable); }
  [[nodiscard]] bool is_set() const noexcept { return any(kReadable); }
};

// One thing to wait for. Made by the functions below, which read well inside a co_await and need no
// braces there.
struct Interest {
  Readiness* source = nullptr;
  Events events = 0;

  [[nodiscard]] bool met() const noexcept { return source != nullptr && source->any(events); }
};
[[nodiscard]] inline Interest readable(Readiness& source) noexcept {
  return {&source, kReadable};
}
[[nodiscard]] inline Interest writable(Readiness& source) noexcept {
  return {&source, kWritable};
}
[[nodiscard]] inline Interest hung_up(Readiness& source) noexcept {
  return {&source, kHangup};
}
[[nodiscard]] inline Interest broken(Readiness& source) noexcept {
  return {&source, kBroken};
}
[[nodiscard]] inline Interest when(Readiness& source, Events events) noexcept {
  return {&source, events};
}

}  // namespace canaryd::net
