// Task<T>: the coroutine of the data plane.
//
// Lazy: the body starts when the task is awaited, or spawned in a TaskGroup. Owned: the Task object
// owns the frame, and destroying it destroys the frame; nothing is detached. Frames come from a
// per-thread free list by size class, so a sub-coroutine costs about 20 ns and no malloc. No
// exception crosses: one that escapes a body ends the process.
//
//   net::Task<Result<void>> connect_upstream(Session& session);
//   auto connected = co_await connect_upstream(session);
//
// A callee that finishes without suspending returns into the caller without another stack frame,
// and one that finishes later resumes its caller by symmetric transfer; so loops do not grow the
// stack, not even where the compiler does not turn symmetric transfer into a jump (g++ at -O0 and
// under sanitizers).
//
// g++ 12.2 destroys some temporaries of a co_await expression twice. So co_await stands alone,
// initialises a local, or is returned; lambdas with captures and aggregates are named locals, moved
// in (docs/design.md section 6).
//
// Thread rule: a frame lives and dies on one worker.
#pragma once

#include "canaryd/base/error.hpp"

#include <coroutine>
#include <cstddef>
#include <optional>
#include <utility>

namespace canaryd::net {

class TaskGroup;
template <class T>
class Task;

namespace detail {

[[nodiscard]] void* allocate_frame(std::size_t bytes);
void free_frame(void* frame, std::size_t bytes) noexcept;

class PromiseBase {
 public:
  // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): the frame allocator itself.
  static void* operator new(std::size_t bytes) { return allocate_frame(bytes); }
  static void operator delete(void* frame, std::size_t bytes) noexcept { free_frame(frame, bytes); }

  [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
  // What runs next when the body has ended.
  struct Final {
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) const noexcept {
      return self.promise().finish();
    }
    void await_resume() const noexcept {}
  };
  [[nodiscard]] Final final_suspend() const noexcept { return {}; }
  [[noreturn]] void unhandled_exception() const noexcept {
    assertion_failed("no exception crosses the data plane", __FILE__, __LINE__);
  }

 private:
  friend class net::TaskGroup;
  template <class T>
  friend class net::Task;

  [[nodiscard]] std::coroutine_handle<> finish() noexcept;

  std::coroutine_handle<> caller_;
  TaskGroup* group_ = nullptr;  // Set for a task that was spawned; links it into the group.
  PromiseBase* next_ = nullptr;
  PromiseBase* previous_ = nullptr;
  bool starting_ = false;  // The caller is still inside await_suspend.
};

template <class T>
class Promise final : public PromiseBase {
 public:
  [[nodiscard]] Task<T> get_return_object() noexcept;
  template <class U>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  [[nodiscard]] T take() { return std::move(*value_); }

 private:
  std::optional<T> value_;
};

template <>
class Promise<void> final : public PromiseBase {
 public:
  [[nodiscard]] Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const noexcept {}
};

}  // namespace detail

template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;

  Task() noexcept = default;
  Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, {})) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      destroy();
      frame_ = std::exchange(other.frame_, {});
    }
    return *this;
  }
  ~Task() { destroy(); }

  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(frame_); }
  [[nodiscard]] bool done() const noexcept { return frame_ && frame_.done(); }

  struct Awaiter {
    std::coroutine_handle<promise_type> frame;

    [[nodiscard]] bool await_ready() const noexcept { return false; }
    // False when the body ended without suspending: the caller just goes on.
    bool await_suspend(std::coroutine_handle<> caller) const {
      detail::PromiseBase& promise = frame.promise();
      promise.caller_ = caller;
      promise.starting_ = true;
      frame.resume();
      promise.starting_ = false;
      return !frame.done();
    }
    T await_resume() const { return frame.promise().take(); }
  };
  // Awaited once; the Task keeps the frame until it is destroyed.
  [[nodiscard]] Awaiter operator co_await() const noexcept {
    CANARYD_ASSERT(frame_ && !frame_.done());
    return Awaiter{frame_};
  }

 private:
  friend class TaskGroup;
  friend promise_type;
  explicit Task(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}
  // Idempotent on purpose: see the compiler bug above.
  void destroy() noexcept {
    if (auto frame = std::exchange(frame_, {})) frame.destroy();
  }

  std::coroutine_handle<promise_type> frame_;
};

template <class T>
Task<T> detail::Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> detail::Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

}  // namespace canaryd::net
