#include "canaryd/store/async_store.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <variant>

namespace canaryd::store {
namespace {

// Of one transaction: what waits meanwhile, and how long the write-ahead log gets, has an end.
constexpr std::size_t kGroupWrites = 256;
// Rows of others that a fall's transaction takes along behind it: so few that it hardly waits
// longer for them than alone, and where rises and falls alternate they need not be a transaction
// each.
constexpr std::size_t kRowsBehindFall = 16;

std::size_t rows_of(const Batch& batch) {
  return batch.entries.size() + batch.evidence.size() + batch.exposure.size() + batch.idle.size() +
         batch.comments.size() + batch.cursors.size() + batch.readers.size() + batch.drops.size();
}

bool is_hopeless(const Result<void>& result) {
  return !result && result.error().retry == Retry::kNever;
}

}  // namespace

class AsyncStore::Impl {
 public:
  Impl(std::unique_ptr<Store> store, Executor executor, Limits limits)
      : store_(std::move(store)), executor_(std::move(executor)), limits_(limits) {
    thread_ = std::thread([this] { serve(); });
  }

  // `ask` runs on the store's thread.
  template <class T, class Ask>
  void enqueue(Done<T> done, Ask ask) {
    Job job = Operation(
        [this, done, ask = std::move(ask)]() mutable { complete<T>(std::move(done), ask()); });
    const Result<void> accepted = accept(job, limits_.queue_limit);
    if (!accepted) complete<T>(std::move(done), fail(accepted.error()));
  }

  void write(Batch batch, Keep keep, Done<void> done) {
    // What is in force already may use the queue's second half.
    const std::size_t limit = (keep == Keep::kUntilWritten ? 2 : 1) * limits_.queue_limit;
    Job job = Write{std::move(batch), keep, std::move(done)};
    const Result<void> accepted = accept(job, limit);
    if (!accepted) complete<void>(std::move(std::get<Write>(job).done), accepted);
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
  using Operation = std::function<void()>;
  struct Write {
    Batch batch;
    Keep keep;
    Done<void> done;
  };
  using Job = std::variant<Operation, Write>;

  template <class T>
  void complete(Done<T> done, Result<T> result) {
    executor_([done = std::move(done), result = std::move(result)]() mutable {
      done(std::move(result));
    });
  }

  // Takes the job, or leaves it as it is.
  Result<void> accept(Job& job, std::size_t limit) {
    const std::lock_guard lock(mutex_);
    if (stopping_) return fail(ErrorCode::kClosed, "the store is closed");
    if (jobs_.size() + in_hand_ >= limit) {
      return fail(ErrorCode::kLimit, "the store's queue is full: the disk is slow");
    }
    jobs_.push_back(std::move(job));
    wake_.notify_one();
    return {};
  }

  void serve() {
    while (true) {
      Operation operation;
      std::vector<Write> group;
      {
        std::unique_lock lock(mutex_);
        in_hand_ = 0;
        wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
        if (jobs_.empty()) break;
        if (auto* const first = std::get_if<Operation>(&jobs_.front())) {
          operation = std::move(*first);
          jobs_.pop_front();
          in_hand_ = 1;
        } else {
          group = take_writes();
          in_hand_ = group.size();
        }
      }
      if (operation) {
        operation();
      } else {
        write_group(std::move(group));
      }
    }
    // Whoever asked was told already that these are not durable; a last try is all that is left.
    store_->begin_close();
    [[maybe_unused]] const Result<void> last = write_kept();
    store_.reset();
  }

  // Success: nothing is kept any more. What can never be written (a contradiction, a damaged file)
  // would only block what comes after: it is given up, and the answer if all else was written.
  Result<void> write_kept() {
    Result<void> result;
    while (!kept_.empty()) {
      std::vector<const Batch*> batches;
      for (const Batch& batch : kept_) {
        if (batches.size() < kGroupWrites) batches.push_back(&batch);
      }
      for (const Result<void>& each : write_each(batches)) {
        if (!each && !is_hopeless(each)) return each;
        if (!each) dropped_ += rows_of(kept_.front());
        if (!each) result = each;
        kept_rows_ -= rows_of(kept_.front());
        kept_.pop_front();
      }
    }
    return result;
  }

  // The writes at the head of the queue that become durable together. Nothing is taken out of its
  // turn, so a rollout's writes stay in order, and a fall waits for no more writes before it than
  // if each were alone; what comes behind it may hold it up for next to nothing only.
  std::vector<Write> take_writes() {
    std::vector<Write> group;
    bool falls = false;
    std::size_t rows_behind = 0;
    while (!jobs_.empty() && group.size() < kGroupWrites) {
      auto* const next = std::get_if<Write>(&jobs_.front());
      if (next == nullptr) break;
      if (next->keep == Keep::kUntilWritten) {
        falls = true;
      } else if (falls) {
        rows_behind += rows_of(next->batch);
        // How much a drop takes out is not known.
        if (rows_behind > kRowsBehindFall || !next->batch.drops.empty()) break;
      }
      group.push_back(std::move(*next));
      jobs_.pop_front();
    }
    return group;
  }

  void write_group(std::vector<Write> group) {
    // What is given up of what was kept says nothing about these.
    const Result<void> before = write_kept();
    std::vector<Result<void>> results(group.size(), before);
    if (before || is_hopeless(before)) {
      std::vector<const Batch*> batches;
      for (const Write& write : group) batches.push_back(&write.batch);
      results = write_each(batches);
    }
    for (std::size_t i = 0; i < group.size(); ++i) {
      const bool kept = group[i].keep == Keep::kUntilWritten && !is_hopeless(results[i]);
      if (!results[i] && kept) keep_for_later(std::move(group[i].batch));
      complete<void>(std::move(group[i].done), std::move(results[i]));
    }
  }

  std::vector<Result<void>> write_each(const std::vector<const Batch*>& batches) {
    std::vector<Result<void>> results = store_->write_each(batches);
    CANARYD_ASSERT(results.size() == batches.size());
    for (const Result<void>& each : results) {
      if (!each) ++failures_;
    }
    return results;
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
  std::size_t in_hand_ = 0;  // Taken from the queue and not answered yet.
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
  impl_->write(std::move(batch), keep, std::move(done));
}

void AsyncStore::probe(Done<void> done) {
  Impl* impl = impl_.get();
  impl->enqueue<void>(std::move(done), [impl] { return impl->written(impl->store().probe()); });
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
  Batch batch;
  batch.drops.push_back({std::move(rollout), before_run});
  write(std::move(batch), Keep::kOnce, std::move(done));
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
