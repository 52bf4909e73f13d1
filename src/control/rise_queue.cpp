#include "control/rise_queue.hpp"

#include <utility>

namespace canaryd::control {

void RiseQueue::publish_all() {
  under_way_ = true;
  const auto rises = std::make_shared<std::vector<Rise>>(std::exchange(waiting_, {}));
  for (const Rise& rise : *rises) rise.commit();
  // The workers may have the table before publish() returns; what comes next in a rollout's queue
  // must find the evidence of its step begun all the same.
  const auto missing = std::make_shared<int>(2);
  const auto arrived = [queue = weak_from_this(), rises, missing] {
    const auto self = queue.lock();
    if (self == nullptr || --*missing > 0) return;
    for (const Rise& rise : *rises) rise.arrived();
    self->under_way_ = false;
    if (!self->waiting_.empty()) self->publish_all();
  };
  publish_(arrived);
  for (const Rise& rise : *rises) rise.begin_evidence();
  arrived();
}

}  // namespace canaryd::control
