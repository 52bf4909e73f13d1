// Waiter: the one thing a session waits with. Up to three interests and a deadline in one co_await,
// so that a relay pumps both directions in one coroutine, and a timeout needs no second one.
//
//   Waiter waiter{runtime, group};
//   const Wake wake = co_await waiter.until(deadline, readable(client), writable(upstream));
//
// It returns without suspending when a flag is up already. When it resumes, look at the flags of
// all streams, not at who woke you. The result is, in this order: cancelled, ready, timeout.
//
// The resumption always comes from the loop, never from inside another session's call. The deadline
// costs one store (timer_wheel.hpp); kNever for none.
//
// Thread rule: one worker; one session waits with it, once at a time. It may die before or after
// the streams.
#pragma once

#include "canaryd/net/readiness.hpp"
#include "canaryd/net/runtime.hpp"
#include "canaryd/net/task_group.hpp"
#include "canaryd/net/timer_wheel.hpp"

#include <array>
#include <coroutine>
#include <cstdint>

namespace canaryd::net {

enum class Wake : std::uint8_t { kReady, kTimeout, kCancelled };

class Waiter final : private Reaction, private TimerNode, private CancelHook {
 public:
  explicit Waiter(Runtime& runtime) noexcept
      : Reaction(runtime.ready()), TimerNode(runtime.wheel()), runtime_(&runtime) {}
  // Cancelled together with the group.
  Waiter(Runtime& runtime, TaskGroup& group) : Waiter(runtime) { join(group); }
  ~Waiter() override { detach(); }

  struct Awaiter {
    Waiter* waiter;
    [[nodiscard]] bool await_ready() const noexcept { return waiter->decide(); }
    void await_suspend(std::coroutine_handle<> session) const noexcept { waiter->suspend(session); }
    [[nodiscard]] Wake await_resume() const noexcept { return waiter->result_; }
  };

  // Until one interest is met, or the deadline has passed, or somebody cancels.
  [[nodiscard]] Awaiter until(Monotonic deadline,
                              Interest a,
                              Interest b = {},
                              Interest c = {}) noexcept {
    interests_ = {a, b, c};
    return arm(deadline);
  }
  // kTimeout when the time has come, or kCancelled.
  [[nodiscard]] Awaiter sleep_until(Monotonic deadline) noexcept {
    interests_ = {};
    return arm(deadline);
  }
  // Lets everybody else have a turn: for a session that moves a lot of bytes without ever having to
  // wait (Runtime::bulk). kReady or kCancelled.
  [[nodiscard]] Awaiter yield() noexcept;

  // Ends the pending wait and all later ones with kCancelled. Safe to call from anywhere on the
  // worker.
  void cancel() noexcept;
  [[nodiscard]] bool cancelled() const noexcept { return cancelled_; }
  [[nodiscard]] Runtime& runtime() const noexcept { return *runtime_; }

 private:
  [[nodiscard]] Awaiter arm(Monotonic deadline) noexcept {
    CANARYD_ASSERT(!session_);
    wait_deadline_ = deadline;
    return Awaiter{this};
  }
  // Whether the wait is over; then result_ says how.
  [[nodiscard]] bool decide() noexcept;
  void suspend(std::coroutine_handle<> session) noexcept;
  void detach() noexcept;

  void react() override;
  void source_gone(Readiness& source) noexcept override;
  void expired() override { schedule(); }
  void on_cancel() noexcept override { cancel(); }

  Runtime* runtime_;
  std::coroutine_handle<> session_;
  std::array<Interest, 3> interests_{};
  Monotonic wait_deadline_ = kNever;
  Wake result_ = Wake::kReady;
  bool cancelled_ = false;
  bool yielding_ = false;
};

inline bool Waiter::decide() noexcept {
  if (cancelled_) {
    yielding_ = false;
    result_ = Wake::kCancelled;
    return true;
  }
  for (const Interest& interest : interests_) {
    if (!interest.met()) continue;
    result_ = Wake::kReady;
    return true;
  }
  if (wait_deadline_ <= runtime_->now()) {
    result_ = Wake::kTimeout;
    return true;
  }
  return false;
}

inline void Waiter::suspend(std::coroutine_handle<> session) noexcept {
  session_ = session;
  for (const Interest& interest : interests_) {
    if (interest.source != nullptr) interest.source->watch(*this, interest.events);
  }
  set_deadline(wait_deadline_);
  if (yielding_) schedule_in(runtime_->bulk());
}

}  // namespace canaryd::net
