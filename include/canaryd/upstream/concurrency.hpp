// How many requests an upstream may have in flight, over all workers, and who waits beyond that.
//
// A request enters by taking a slot, or waits for one in the queue of its worker, first come first
// served, or is turned away: the queue is bounded over all workers as well. A slot that is given up
// goes straight to somebody who waits, worker after worker in turn, so nobody overtakes him; only
// when nobody waits is it free.
//
//   ConcurrencySlot slot = queue.try_enter();
//   if (!slot) {
//     ConcurrencyTicket ticket;
//     if (!queue.wait(ticket)) ...;                    // Full.
//     ... co_await waiter.until(deadline, readable(ticket.granted()));
//     slot = ticket.take();                            // Empty: it was not granted in time.
//   }
//
// Thread rule: a ConcurrencyLimit is shared by all workers and made of atomics, control may
// configure and read it; the rest belongs to one worker. A slot for another worker travels by
// Runtime::post. The runtimes of all workers outlive the limit's last slot. Bounds: those of
// configure(). Lowering them takes nothing from anybody: what is over the new limit runs out.
#pragma once

#include "canaryd/net/readiness.hpp"
#include "canaryd/net/runtime.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

namespace canaryd::upstream {

class ConcurrencyQueue;
class ConcurrencySlot;

class ConcurrencyLimit : public std::enable_shared_from_this<ConcurrencyLimit> {
 public:
  ConcurrencyLimit(std::size_t workers, std::uint32_t max, std::uint32_t queue_max);
  ConcurrencyLimit(const ConcurrencyLimit&) = delete;
  ConcurrencyLimit& operator=(const ConcurrencyLimit&) = delete;
  ~ConcurrencyLimit();

  // In force at once. Those who wait hear of a higher `max` by ConcurrencyQueue::serve() on their
  // worker, or with the next slot that is given up.
  void configure(std::uint32_t max, std::uint32_t queue_max) noexcept;
  // No limit any more. It goes on counting, so that one that comes back knows what is in flight.
  void lift() noexcept;
  [[nodiscard]] bool lifted() const noexcept { return max() == kUnlimited; }

  // Gauges, of all workers.
  [[nodiscard]] std::uint32_t max() const noexcept { return max_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t active() const noexcept {
    return active_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint32_t queued() const noexcept {
    return queued_.load(std::memory_order_relaxed);
  }

 private:
  friend class ConcurrencyQueue;
  friend class ConcurrencySlot;
  struct Place;
  static constexpr std::uint32_t kUnlimited = std::numeric_limits<std::uint32_t>::max();

  [[nodiscard]] bool take_free() noexcept;
  [[nodiscard]] bool enqueue() noexcept;
  void dequeue() noexcept;
  void give_up(Place* own);
  [[nodiscard]] bool hand_on(Place* own);
  [[nodiscard]] bool wanted() const noexcept;

  std::atomic<std::uint32_t> max_;
  std::atomic<std::uint32_t> queue_max_;
  std::atomic<std::uint32_t> active_{0};
  std::atomic<std::uint32_t> queued_{0};
  std::atomic<std::size_t> turn_{0};  // The worker that is asked first.
  std::vector<Place> places_;         // One a worker.
};

// One request's place in flight. Destroying it gives it up. The queue it came from outlives it: the
// exchange pins the table that owns the upstream.
class ConcurrencySlot {
 public:
  ConcurrencySlot() noexcept = default;
  ConcurrencySlot(ConcurrencySlot&& other) noexcept : queue_(other.queue_) {
    other.queue_ = nullptr;
  }
  ConcurrencySlot& operator=(ConcurrencySlot&& other) noexcept {
    if (this != &other) {
      release();
      queue_ = other.queue_;
      other.queue_ = nullptr;
    }
    return *this;
  }
  ~ConcurrencySlot() { release(); }

  [[nodiscard]] explicit operator bool() const noexcept { return queue_ != nullptr; }
  void release() noexcept {
    if (queue_ != nullptr) give_up();
  }

 private:
  friend class ConcurrencyQueue;
  explicit ConcurrencySlot(ConcurrencyQueue& queue) noexcept : queue_(&queue) {}
  void give_up() noexcept;

  ConcurrencyQueue* queue_ = nullptr;
};

// One request's place in a queue, on the stack of who waits. Leaves the queue when it is destroyed,
// and gives up a slot that was granted and not taken.
class ConcurrencyTicket {
 public:
  ConcurrencyTicket() noexcept = default;
  ConcurrencyTicket(const ConcurrencyTicket&) = delete;
  ConcurrencyTicket& operator=(const ConcurrencyTicket&) = delete;
  ~ConcurrencyTicket();

  // Becomes readable when there is a slot for it.
  [[nodiscard]] net::Signal& granted() noexcept { return granted_; }
  // The slot, or none. Either way it waits no more.
  [[nodiscard]] ConcurrencySlot take() noexcept;

 private:
  friend class ConcurrencyQueue;

  net::Signal granted_;
  ConcurrencySlot slot_;
  ConcurrencyQueue* queue_ = nullptr;  // With the links: set while it waits.
  ConcurrencyTicket* newer_ = nullptr;
  ConcurrencyTicket* older_ = nullptr;
};

// The requests of one worker that wait for a slot. Tables with the same limit share it.
class ConcurrencyQueue {
 public:
  // `worker`: its index, from 0. One queue for each worker and limit at a time.
  ConcurrencyQueue(net::Runtime& runtime,
                   std::shared_ptr<ConcurrencyLimit> limit,
                   std::size_t worker);
  ConcurrencyQueue(const ConcurrencyQueue&) = delete;
  ConcurrencyQueue& operator=(const ConcurrencyQueue&) = delete;
  // Nobody waits and no slot is out by then.
  ~ConcurrencyQueue();

  // A slot, if one is free and nobody waits for it.
  [[nodiscard]] ConcurrencySlot try_enter() noexcept;
  // Puts it behind the others. False: the queue is full.
  [[nodiscard]] bool wait(ConcurrencyTicket& ticket) noexcept;
  // Grants what is free: after the limit has been raised.
  void serve() noexcept;

  [[nodiscard]] const std::shared_ptr<ConcurrencyLimit>& limit() const noexcept { return limit_; }

 private:
  friend class ConcurrencyLimit;
  friend class ConcurrencySlot;
  friend class ConcurrencyTicket;

  void arrive() noexcept;
  void grant_oldest() noexcept;
  void unlink(ConcurrencyTicket& ticket) noexcept;

  std::shared_ptr<ConcurrencyLimit> limit_;
  ConcurrencyLimit::Place& place_;
  ConcurrencyTicket* newest_ = nullptr;
  ConcurrencyTicket* oldest_ = nullptr;
  std::uint32_t size_ = 0;
};

}  // namespace canaryd::upstream
