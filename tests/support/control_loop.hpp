// Stands for control's thread: completions of the store wait here until the test runs them.
#pragma once

#include "canaryd/store/async_store.hpp"

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>

namespace canaryd::test {

class ControlLoop {
 public:
  [[nodiscard]] store::AsyncStore::Executor executor() {
    return [this](std::function<void()> job) { post(std::move(job)); };
  }
  void post(std::function<void()> job) {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
    wake_.notify_one();
  }
  // Waits for one completion and runs it here.
  void run_one() {
    std::function<void()> job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return !jobs_.empty(); });
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
  // Until everything asked of the store so far has happened, and what that led to. The store works
  // in order, so a request of ours that has come back shows that all before it have.
  void settle(store::AsyncStore& store) {
    for (bool quiet = false; !quiet;) {
      bool back = false;
      std::size_t others = 0;
      store.verify_some({}, 1, [&back](const Result<store::Verification>&) { back = true; });
      while (!back) {
        run_one();
        ++others;
      }
      quiet = others == 1 && empty();
    }
  }
  [[nodiscard]] bool empty() {
    const std::lock_guard lock(mutex_);
    return jobs_.empty();
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    jobs_.clear();
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
};

}  // namespace canaryd::test
