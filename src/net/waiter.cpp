#include "canaryd/net/waiter.hpp"

#include <utility>

namespace canaryd::net {

Waiter::Awaiter Waiter::yield() noexcept {
  interests_ = {};
  yielding_ = true;
  return arm(kNever);
}

void Waiter::cancel() noexcept {
  cancelled_ = true;
  if (session_) schedule();
}

void Waiter::detach() noexcept {
  if (!session_) return;
  session_ = {};
  for (const Interest& interest : interests_) {
    if (interest.source != nullptr) interest.source->unwatch();
  }
  interests_ = {};
  disarm();
}

void Waiter::react() {
  if (!session_) return;
  if (std::exchange(yielding_, false)) {
    result_ = cancelled_ ? Wake::kCancelled : Wake::kReady;
  } else if (!decide()) {
    return;  // The flag has been lowered again by somebody else.
  }
  const auto session = session_;
  detach();
  session.resume();
}

void Waiter::source_gone(Readiness& source) noexcept {
  for (Interest& interest : interests_) {
    if (interest.source == &source) interest = {};
  }
}

}  // namespace canaryd::net
