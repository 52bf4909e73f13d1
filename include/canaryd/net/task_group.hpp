// TaskGroup: the owner of the tasks that nobody awaits, such as one session for each client
// connection.
//
// A task that ends is destroyed at the end of the event batch, never under the feet of whoever
// resumed it. cancel() tells every registered CancelHook (a Waiter is one) and is for good: what is
// spawned or registered later is cancelled at once. A group does not wait: its destructor destroys
// what is left, and whoever wants an orderly end cancels and waits for on_empty.
//
// Thread rule: one worker.
#pragma once

#include "canaryd/net/readiness.hpp"
#include "canaryd/net/task.hpp"

#include <cstddef>
#include <functional>

namespace canaryd::net {

class Runtime;

// Told when its group is cancelled. It leaves the group when it is destroyed.
class CancelHook {
 public:
  // A hook without a group is only cancelled by its owner.
  CancelHook() noexcept = default;
  CancelHook(const CancelHook&) = delete;
  CancelHook& operator=(const CancelHook&) = delete;
  virtual ~CancelHook() { leave(); }

  void join(TaskGroup& group);
  void leave() noexcept;

 private:
  friend class TaskGroup;
  // Runs inside TaskGroup::cancel() or join(). It must not resume anybody.
  virtual void on_cancel() noexcept = 0;

  CancelHook* next_ = nullptr;
  CancelHook** link_ = nullptr;  // The pointer that points here.
};

class TaskGroup final : private Reaction {
 public:
  explicit TaskGroup(Runtime& runtime) noexcept;
  ~TaskGroup() override;

  // Runs the task at once, on this stack, up to its first suspension.
  void spawn(Task<void> task);
  void cancel() noexcept;
  [[nodiscard]] bool cancelled() const noexcept { return cancelled_; }

  // Tasks spawned and not yet destroyed.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  // Called each time the last task has been destroyed, at the end of a batch. It may destroy the
  // group.
  void on_empty(std::function<void()> callback) { on_empty_ = std::move(callback); }

 private:
  friend class CancelHook;
  friend class detail::PromiseBase;

  void react() override;
  void finished(detail::PromiseBase& promise) noexcept;
  void destroy_list(detail::PromiseBase*& head) noexcept;

  detail::PromiseBase* live_ = nullptr;
  detail::PromiseBase* dead_ = nullptr;
  CancelHook* hooks_ = nullptr;
  std::size_t size_ = 0;
  bool cancelled_ = false;
  std::function<void()> on_empty_;
};

}  // namespace canaryd::net
