#include "net/acceptor.hpp"

#include <utility>

namespace canaryd::net {

Acceptor::Acceptor(Runtime& runtime, AcceptHandler on_accept)
    : Reaction(runtime.ready()),
      TimerNode(runtime.wheel()),
      runtime_(runtime),
      on_accept_(std::move(on_accept)) {}

Acceptor::~Acceptor() {
  if (destroyed_ != nullptr) *destroyed_ = true;
}

void Acceptor::pause() {
  paused_ = true;
  disarm();
}

void Acceptor::resume() {
  paused_ = false;
  wake();
}

void Acceptor::wake() noexcept {
  if (!paused_ && !closed_) schedule();
}

void Acceptor::close() {
  if (closed_) return;
  // The clients in the kernel's queue believe that they are connected. Bounded: whoever connects
  // faster than we accept must not keep us here.
  constexpr std::size_t kQueuedMax = 65536;
  paused_ = false;
  if (accept_some(kQueuedMax) == End::kStopped) return;
  closed_ = true;
  disarm();
  unschedule();
  close_socket();
}

void Acceptor::react() {
  if (paused_ || closed_ || armed()) return;  // Armed: backing off.
  if (accept_some(kAcceptsPerBatch) == End::kBound) wake();
}

// kStopped: this was closed or destroyed by a handler, so nothing of it may be touched.
Acceptor::End Acceptor::accept_some(std::size_t bound) {
  for (std::size_t i = 0; i < bound; ++i) {
    Accepted accepted = accept_one();
    switch (accepted.outcome) {
      case Outcome::kWouldBlock:
        return End::kDrained;
      case Outcome::kFailed:
        ++counters_.failed;
        continue;
      case Outcome::kExhausted:
        ++counters_.back_offs;
        set_deadline(runtime_.now() + kBackOff);
        return End::kDrained;
      case Outcome::kAccepted:
        break;
    }
    ++counters_.accepted;
    bool destroyed = false;
    bool* outer = std::exchange(destroyed_, &destroyed);
    on_accept_(std::move(accepted.stream));
    if (destroyed) {
      if (outer != nullptr) *outer = true;
      return End::kStopped;
    }
    destroyed_ = outer;
    if (closed_) return End::kStopped;
    if (paused_) return End::kDrained;
  }
  return End::kBound;
}

}  // namespace canaryd::net
