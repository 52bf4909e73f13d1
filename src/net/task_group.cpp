#include "canaryd/net/task_group.hpp"

#include "canaryd/net/runtime.hpp"

namespace canaryd::net {

void CancelHook::join(TaskGroup& group) {
  leave();
  next_ = group.hooks_;
  link_ = &group.hooks_;
  if (next_ != nullptr) next_->link_ = &next_;
  group.hooks_ = this;
  if (group.cancelled_) on_cancel();
}

void CancelHook::leave() noexcept {
  if (link_ == nullptr) return;
  *link_ = next_;
  if (next_ != nullptr) next_->link_ = link_;
  next_ = nullptr;
  link_ = nullptr;
}

TaskGroup::TaskGroup(Runtime& runtime) noexcept : Reaction(runtime.batch_end()) {}

TaskGroup::~TaskGroup() {
  destroy_list(dead_);
  destroy_list(live_);
  while (hooks_ != nullptr) hooks_->leave();
}

void TaskGroup::spawn(Task<void> task) {
  const auto frame = std::exchange(task.frame_, {});
  CANARYD_ASSERT(frame && !frame.done());
  detail::PromiseBase& promise = frame.promise();
  promise.group_ = this;
  promise.next_ = live_;
  if (live_ != nullptr) live_->previous_ = &promise;
  live_ = &promise;
  ++size_;
  frame.resume();
}

void TaskGroup::cancel() noexcept {
  if (std::exchange(cancelled_, true)) return;
  // Hooks are moved one by one to a list of their own, so that each is told once, whatever the
  // others do meanwhile.
  CancelHook* waiting = std::exchange(hooks_, nullptr);
  if (waiting != nullptr) waiting->link_ = &waiting;
  while (waiting != nullptr) {
    CancelHook& hook = *waiting;
    hook.leave();
    hook.next_ = hooks_;
    hook.link_ = &hooks_;
    if (hooks_ != nullptr) hooks_->link_ = &hook.next_;
    hooks_ = &hook;
    hook.on_cancel();
  }
}

void TaskGroup::finished(detail::PromiseBase& promise) noexcept {
  if (promise.previous_ != nullptr) {
    promise.previous_->next_ = promise.next_;
  } else {
    live_ = promise.next_;
  }
  if (promise.next_ != nullptr) promise.next_->previous_ = promise.previous_;
  promise.previous_ = nullptr;
  promise.next_ = dead_;
  dead_ = &promise;
  schedule();
}

void TaskGroup::destroy_list(detail::PromiseBase*& head) noexcept {
  while (head != nullptr) {
    auto& promise = static_cast<detail::Promise<void>&>(*head);
    head = promise.next_;
    // Only a live task has neighbours that look back; destroying it may end others.
    if (head != nullptr) head->previous_ = nullptr;
    --size_;
    std::coroutine_handle<detail::Promise<void>>::from_promise(promise).destroy();
  }
}

void TaskGroup::react() {
  destroy_list(dead_);
  if (size_ != 0 || !on_empty_) return;
  const auto callback = on_empty_;  // A copy: the callback may destroy the group.
  callback();
}

}  // namespace canaryd::net
