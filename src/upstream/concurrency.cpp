#include "canaryd/upstream/concurrency.hpp"

#include <algorithm>
#include <utility>

// Nothing is lost between two workers because each first says what it does and then looks:
//
//   who waits        adds itself to `wanted`, then looks for a free slot;
//   who gives up     frees the slot, then looks for somebody who waits.
//
// Both in sequentially consistent order, so at least one of the two sees the other. `wanted` counts
// those of a worker to whom no slot is on its way yet, so it is never more than wait there: whoever
// hands a slot on takes one off first. Should nobody wait there any more when the slot arrives, it
// is given up anew.
namespace canaryd::upstream {
namespace {

constexpr auto kOrdered = std::memory_order_seq_cst;

// Not below 0; whether there was one to take.
bool take_one(std::atomic<std::uint32_t>& count) noexcept {
  std::uint32_t seen = count.load(kOrdered);
  while (seen > 0) {
    if (count.compare_exchange_weak(seen, seen - 1, kOrdered)) return true;
  }
  return false;
}

bool add_below(std::atomic<std::uint32_t>& count, std::uint32_t bound) noexcept {
  std::uint32_t seen = count.load(kOrdered);
  while (seen < bound) {
    if (count.compare_exchange_weak(seen, seen + 1, kOrdered)) return true;
  }
  return false;
}

}  // namespace

// On a cache line of its own: its worker writes it for each request that has to wait.
struct alignas(64) ConcurrencyLimit::Place {
  std::atomic<std::uint32_t> wanted{0};
  std::atomic<net::Runtime*> runtime{nullptr};  // Set before anybody waits there.
  ConcurrencyQueue* queue = nullptr;            // Its worker's alone.
};

// ---- ConcurrencyLimit

ConcurrencyLimit::ConcurrencyLimit(std::size_t workers, std::uint32_t max, std::uint32_t queue_max)
    : max_(max), queue_max_(queue_max), places_(workers) {}

ConcurrencyLimit::~ConcurrencyLimit() = default;

void ConcurrencyLimit::configure(std::uint32_t max, std::uint32_t queue_max) noexcept {
  max_.store(max, kOrdered);
  queue_max_.store(queue_max, kOrdered);
}

void ConcurrencyLimit::lift() noexcept {
  configure(kUnlimited, kUnlimited);
}

bool ConcurrencyLimit::take_free() noexcept {
  return add_below(active_, max_.load(kOrdered));
}

bool ConcurrencyLimit::enqueue() noexcept {
  return add_below(queued_, queue_max_.load(kOrdered));
}

void ConcurrencyLimit::dequeue() noexcept {
  queued_.fetch_sub(1, kOrdered);
}

// `own`: of the worker that calls; null where that has no queue any more.
void ConcurrencyLimit::give_up(Place* own) {
  // What is over a limit that was lowered meanwhile is not handed on.
  const bool within = active_.load(kOrdered) <= max_.load(kOrdered);
  if (within && queued_.load(kOrdered) > 0 && hand_on(own)) return;
  // Nobody wanted it: but a moment later somebody may, and find no free slot while we take this one
  // for him. So look again after each time that it was freed.
  do {
    active_.fetch_sub(1, kOrdered);
    if (queued_.load(kOrdered) == 0 || !wanted() || !take_free()) return;
  } while (!hand_on(own));
}

// To a worker that wants one, each worker in turn; false: nobody does.
bool ConcurrencyLimit::hand_on(Place* own) {
  const std::size_t first = turn_.fetch_add(1, std::memory_order_relaxed);
  for (std::size_t i = 0; i < places_.size(); ++i) {
    Place& place = places_[(first + i) % places_.size()];
    if (!take_one(place.wanted)) continue;
    if (&place == own) {
      own->queue->arrive();
      return true;
    }
    place.runtime.load(kOrdered)->post([self = shared_from_this(), where = &place] {
      if (where->queue != nullptr) {
        where->queue->arrive();
      } else {
        self->give_up(nullptr);
      }
    });
    return true;
  }
  return false;
}

bool ConcurrencyLimit::wanted() const noexcept {
  return std::any_of(places_.begin(), places_.end(), [](const Place& place) {
    return place.wanted.load(kOrdered) > 0;
  });
}

// ---- ConcurrencySlot, ConcurrencyTicket

void ConcurrencySlot::give_up() noexcept {
  ConcurrencyQueue& queue = *std::exchange(queue_, nullptr);
  queue.limit_->give_up(&queue.place_);
}

ConcurrencyTicket::~ConcurrencyTicket() {
  if (queue_ != nullptr) queue_->unlink(*this);
}

ConcurrencySlot ConcurrencyTicket::take() noexcept {
  if (queue_ != nullptr) queue_->unlink(*this);
  return std::move(slot_);
}

// ---- ConcurrencyQueue

ConcurrencyQueue::ConcurrencyQueue(net::Runtime& runtime,
                                   std::shared_ptr<ConcurrencyLimit> limit,
                                   std::size_t worker)
    : limit_(std::move(limit)), place_(limit_->places_.at(worker)) {
  CANARYD_ASSERT(place_.queue == nullptr);
  place_.queue = this;
  place_.runtime.store(&runtime, kOrdered);
}

ConcurrencyQueue::~ConcurrencyQueue() {
  CANARYD_ASSERT(size_ == 0);
  place_.queue = nullptr;
}

ConcurrencySlot ConcurrencyQueue::try_enter() noexcept {
  if (limit_->queued_.load(std::memory_order_relaxed) > 0 || !limit_->take_free()) return {};
  return ConcurrencySlot(*this);
}

bool ConcurrencyQueue::wait(ConcurrencyTicket& ticket) noexcept {
  CANARYD_ASSERT(ticket.queue_ == nullptr);
  if (!limit_->enqueue()) return false;
  ticket.queue_ = this;
  ticket.older_ = newest_;
  (newest_ != nullptr ? newest_->newer_ : oldest_) = &ticket;
  newest_ = &ticket;
  ++size_;
  place_.wanted.fetch_add(1, kOrdered);
  serve();
  return true;
}

void ConcurrencyQueue::serve() noexcept {
  while (oldest_ != nullptr && limit_->take_free()) grant_oldest();
}

// A slot that was promised here.
void ConcurrencyQueue::arrive() noexcept {
  if (oldest_ != nullptr) {
    grant_oldest();
  } else {
    limit_->give_up(&place_);
  }
}

void ConcurrencyQueue::grant_oldest() noexcept {
  ConcurrencyTicket& ticket = *oldest_;
  unlink(ticket);
  ticket.slot_ = ConcurrencySlot(*this);
  ticket.granted_.set();
}

void ConcurrencyQueue::unlink(ConcurrencyTicket& ticket) noexcept {
  (ticket.newer_ != nullptr ? ticket.newer_->older_ : newest_) = ticket.older_;
  (ticket.older_ != nullptr ? ticket.older_->newer_ : oldest_) = ticket.newer_;
  ticket.newer_ = ticket.older_ = nullptr;
  ticket.queue_ = nullptr;
  --size_;
  limit_->dequeue();
  // Only as many are wanted as wait here. Fewer, if some are on their way.
  while (place_.wanted.load(kOrdered) > size_ && take_one(place_.wanted)) {
  }
}

}  // namespace canaryd::upstream
