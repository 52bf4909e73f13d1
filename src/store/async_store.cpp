#include "canaryd/store/async_store.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace canaryd::store {
namespace {

std::size_t rows_of(const Batch& batch) {
  return batch.entries.size() + batch.evidence.size() + batch.exposure.size() + batch.idle.size() +
         batch.comments.size() + batch.cursors.size();
}

}  // namespace

class AsyncStore::Impl {
 public:
  Impl(std::unique_ptr<Store> store, Executor executor, Limits limits)
      : store_(std::move(store)), executor_(std::move(executor)), limits_(limits) {
    thread_ = std::thread([this] { serve(); });
  }

  // `operation` runs on the store's thread. An urgent one may use the queue's second half.
  template <class T, class Operation>
  void enqueue(Done<T> done, Operation operation, bool urgent = false) {
    Job job = [this, done, operation = std::move(operation)]() mutable {
      complete<T>(std::move(done), operation());
    };
    ErrorCode refusal = ErrorCode::kClosed;
    {
      const std::lock_guard lock(mutex_);
      const std::size_t limit = urgent ? 2 * limits_.queue_limit : limits_.queue_limit;
      if (!stopping_ && jobs_.size() < limit) {
        jobs_.push_back(std::move(job));
        wake_.notify_one();
        return;
      }
      if (!stopping_) refusal = ErrorCode::kLimit;
    }
    const char* why = refusal == ErrorCode::kLimit ? "the store's queue is full: the disk is slow"
                                                   : "the store is closed";
    complete<T>(std::move(done), fail(refusal, why));
  }

  Result<void> write(Batch batch, Keep keep) {
    Result<void> result = write_kept();
    // What can never be written (a contradiction, a damaged file) would only block what comes
    // after: it is dropped, and that says nothing about this batch.
    while (!result && result.error().retry == Retry::kNever) result = write_kept();
    if (result) result = written(store_->write(batch));
    const bool hopeless = !result && result.error().retry == Retry::kNever;
    if (!result && keep == Keep::kUntilWritten && !hopeless) keep_for_later(std::move(batch));
    return result;
  }

  Result<void> write_kept() {
    while (!kept_.empty()) {
      const Result<void> result = written(store_->write(kept_.front()));
      if (!result && result.error().retry != Retry::kNever) return result;
      if (!result) dropped_ += rows_of(kept_.front());
      kept_rows_ -= rows_of(kept_.front());
      kept_.pop_front();
      if (!result) return result;
    }
    return {};
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      wake_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
  }

  template <class T>
  Result<T> written(Result<T> result) {
    if (!result) ++failures_;
    return result;
  }

  [[nodiscard]] Store& store() { return *store_; }
  [[nodiscard]] std::size_t kept() const noexcept { return kept_rows_; }
  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_; }
  [[nodiscard]] std::uint64_t failures() const noexcept { return failures_; }

 private:
  using Job = std::function<void()>;

  template <class T>
  void complete(Done<T> done, Result<T> result) {
    executor_([done = std::move(done), result = std::move(result)]() mutable {
      done(std::move(result));
    });
  }

  void serve() {
    while (true) {
      Job job;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
        if (jobs_.empty()) break;
        job = std::move(jobs_.front());
        jobs_.pop_front();
      }
      job();
    }
    // Whoever asked was told already that these are not durable; a last try is all that is left.
    [[maybe_unused]] const Result<void> last = write_kept();
    store_.reset();
  }

  void keep_for_later(Batch batch) {
    kept_rows_ += rows_of(batch);
    kept_.push_back(std::move(batch));
    // Decisions matter more than the evidence that will come again.
    for (Batch& old : kept_) {
      if (kept_rows_ <= limits_.kept_limit) return;
      give_up(old.evidence);
    }
    while (kept_rows_ > limits_.kept_limit) {
      Batch& oldest = kept_.front();
      kept_rows_ -= rows_of(oldest);
      dropped_ += rows_of(oldest);
      kept_.pop_front();
    }
  }

  void give_up(std::vector<EvidenceRow>& rows) {
    kept_rows_ -= rows.size();
    dropped_ += rows.size();
    rows.clear();
  }

  std::unique_ptr<Store> store_;  // Of the thread, from its start to its end.
  Executor executor_;
  Limits limits_;
  std::deque<Batch> kept_;  // Of the thread.
  std::atomic<std::size_t> kept_rows_{0};
  std::atomic<std::uint64_t> dropped_{0};
  std::atomic<std::uint64_t> failures_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool stopping_ = false;
  std::thread thread_;
};

AsyncStore::AsyncStore(std::unique_ptr<Store> store, Executor executor)
    : AsyncStore(std::move(store), std::move(executor), Limits{}) {}

AsyncStore::AsyncStore(std::unique_ptr<Store> store, Executor executor, Limits limits)
    : impl_(std::make_unique<Impl>(std::move(store), std::move(executor), limits)) {}

AsyncStore::~AsyncStore() {
  stop();
}

void AsyncStore::write(Batch batch, Keep keep, Done<void> done) {
  Impl* impl = impl_.get();
  impl->enqueue<void>(
      std::move(done),
      [impl, batch = std::move(batch), keep]() mutable {
        return impl->write(std::move(batch), keep);
      },
      keep == Keep::kUntilWritten);
}

void AsyncStore::flush(Done<void> done) {
  Impl* impl = impl_.get();
  impl->enqueue<void>(std::move(done), [impl] { return impl->write_kept(); });
}

void AsyncStore::latest(Done<std::vector<JournalRow>> done) {
  Impl* impl = impl_.get();
  impl->enqueue<std::vector<JournalRow>>(std::move(done),
                                         [impl] { return impl->store().latest(); });
}

void AsyncStore::history(HistoryQuery query, Done<std::vector<JournalRow>> done) {
  Impl* impl = impl_.get();
  impl->enqueue<std::vector<JournalRow>>(
      std::move(done), [impl, query = std::move(query)] { return impl->store().history(query); });
}

void AsyncStore::evidence(EvidenceQuery query, Done<std::vector<EvidenceRow>> done) {
  Impl* impl = impl_.get();
  impl->enqueue<std::vector<EvidenceRow>>(
      std::move(done), [impl, query = std::move(query)] { return impl->store().evidence(query); });
}

void AsyncStore::exposure_used(std::string rollout, std::uint64_t run, Done<std::uint64_t> done) {
  Impl* impl = impl_.get();
  impl->enqueue<std::uint64_t>(std::move(done), [impl, rollout = std::move(rollout), run] {
    return impl->store().exposure_used(rollout, run);
  });
}

void AsyncStore::comments(std::string rollout, std::size_t limit, Done<std::vector<Comment>> done) {
  Impl* impl = impl_.get();
  impl->enqueue<std::vector<Comment>>(std::move(done), [impl, rollout = std::move(rollout), limit] {
    return impl->store().comments(rollout, limit);
  });
}

void AsyncStore::open_cursor(std::string reader, Done<std::uint64_t> done) {
  Impl* impl = impl_.get();
  impl->enqueue<std::uint64_t>(std::move(done), [impl, reader = std::move(reader)] {
    return impl->store().open_cursor(reader);
  });
}

void AsyncStore::verify_some(Verification so_far, std::size_t rows, Done<Verification> done) {
  Impl* impl = impl_.get();
  impl->enqueue<Verification>(std::move(done), [impl, so_far = std::move(so_far), rows]() mutable {
    return impl->store().verify_some(std::move(so_far), rows);
  });
}

void AsyncStore::drop_evidence(std::string rollout, std::uint64_t before_run, Done<void> done) {
  Impl* impl = impl_.get();
  impl->enqueue<void>(std::move(done), [impl, rollout = std::move(rollout), before_run] {
    return impl->store().drop_evidence(rollout, before_run);
  });
}

void AsyncStore::prune(PruneRule rule, std::uint64_t from_id, Done<Pruned> done) {
  Impl* impl = impl_.get();
  impl->enqueue<Pruned>(std::move(done), [impl, rule = std::move(rule), from_id] {
    return impl->written(impl->store().prune(rule, from_id));
  });
}

void AsyncStore::stop() {
  impl_->stop();
}

std::size_t AsyncStore::kept() const noexcept {
  return impl_->kept();
}

std::uint64_t AsyncStore::dropped() const noexcept {
  return impl_->dropped();
}

std::uint64_t AsyncStore::failures() const noexcept {
  return impl_->failures();
}

}  // namespace canaryd::store
