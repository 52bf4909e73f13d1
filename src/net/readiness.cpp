#include "canaryd/net/readiness.hpp"

namespace canaryd::net {

ReadyQueue::~ReadyQueue() {
  while (!empty()) head_.next_->unschedule();
}

bool ReadyQueue::run_once(std::size_t most) {
  if (empty()) return false;
  // A second sentinel marks where today's reactions end. Any reaction may be unlinked meanwhile,
  // also the one before it.
  Sentinel end(*this);
  append(end);
  for (; most > 0 && head_.next_ != &end; --most) {
    Reaction& reaction = *head_.next_;
    reaction.unschedule();
    reaction.react();
  }
  return true;
}

}  // namespace canaryd::net
