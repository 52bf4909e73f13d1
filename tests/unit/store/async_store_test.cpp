#include "canaryd/store/async_store.hpp"

#include "state_fixture.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <numeric>
#include <span>
#include <thread>

namespace canaryd::store {
namespace {

using namespace test;

// Stands for control's thread: collects completions and runs them when asked.
class Loop {
 public:
  AsyncStore::Executor executor() {
    return [this](std::function<void()> job) {
      const std::lock_guard lock(mutex_);
      jobs_.push_back(std::move(job));
      wake_.notify_one();
    };
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
  std::size_t waiting() {
    const std::lock_guard lock(mutex_);
    return jobs_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
};

// A store that fails, or blocks, as the test says.
struct Disk {
  std::atomic<int> failing{0};  // An ErrorCode + 1, or 0.
  std::atomic<Retry> retry{Retry::kSafe};
  std::mutex mutex;
  std::condition_variable wake;
  bool blocked = false;
  std::vector<std::uint64_t> generations;
  std::size_t evidence_rows = 0;
  std::vector<std::size_t> groups;  // How many were written together, each time.
  bool closed = false;

  void block(bool on) {
    const std::lock_guard lock(mutex);
    blocked = on;
    wake.notify_all();
  }
  void wait_for_group() {
    std::unique_lock lock(mutex);
    wake.wait(lock, [this] { return !groups.empty(); });
  }
};

class FakeStore final : public Store {
 public:
  explicit FakeStore(Disk& disk) : disk_(disk) {}
  ~FakeStore() override { disk_.closed = true; }
  Result<void> write(const Batch& batch) override {
    std::unique_lock lock(disk_.mutex);
    disk_.wake.wait(lock, [this] { return !disk_.blocked; });
    if (disk_.failing != 0) {
      Error error;
      error.code = ErrorCode::kIo;
      error.retry = disk_.retry;
      return fail(std::move(error));
    }
    for (const JournalEntry& entry : batch.entries) disk_.generations.push_back(entry.generation);
    disk_.evidence_rows += batch.evidence.size();
    return {};
  }
  std::vector<Result<void>> write_each(std::span<const Batch* const> batches) override {
    {
      const std::lock_guard lock(disk_.mutex);
      disk_.groups.push_back(batches.size());
      disk_.wake.notify_all();
    }
    return Store::write_each(batches);
  }
  Result<std::vector<JournalRow>> latest() override { return std::vector<JournalRow>{}; }
  Result<std::vector<JournalRow>> history(const HistoryQuery&) override { return latest(); }
  Result<std::vector<EvidenceRow>> evidence(const EvidenceQuery&) override {
    return std::vector<EvidenceRow>{};
  }
  Result<std::uint64_t> exposure_used(const std::string&, std::uint64_t) override { return 0; }
  Result<std::uint64_t> stable_idle(const std::string&, std::uint64_t) override { return 0; }
  Result<std::vector<Comment>> comments(const std::string&, std::size_t) override {
    return std::vector<Comment>{};
  }
  Result<std::uint64_t> open_cursor(const std::string&) override { return 0; }
  Result<Verification> verify_some(Verification so_far, std::size_t /*rows*/) override {
    so_far.done = true;
    return so_far;
  }
  Result<Pruned> prune(const PruneRule& /*rule*/, std::uint64_t /*from_id*/) override {
    return Pruned{};
  }

 private:
  Disk& disk_;
};

class AsyncStoreTest : public StateFixture {
 protected:
  Result<void> write(AsyncStore& store, Batch batch, Keep keep) {
    Result<void> answer = fail(ErrorCode::kInternal, "never called");
    store.write(std::move(batch), keep, [&](Result<void> result) { answer = std::move(result); });
    loop_.run_one();
    return answer;
  }
  // What is kept goes before it.
  Result<void> write_nothing(AsyncStore& store) { return write(store, {}, Keep::kOnce); }

  // What is asked of the store meanwhile waits together; how it was written.
  std::vector<std::size_t> groups_of(const std::function<void(AsyncStore&)>& ask) {
    AsyncStore store(std::make_unique<FakeStore>(disk_), loop_.executor());
    disk_.block(true);
    store.write(batch_of(journalist_.next()), Keep::kOnce, [](const Result<void>&) {});
    disk_.wait_for_group();
    ask(store);
    disk_.block(false);
    store.stop();
    return disk_.groups;
  }
  void write_many(AsyncStore& store, int count, Keep keep) {
    for (int i = 0; i < count; ++i) {
      store.write(batch_of(journalist_.next()), keep, [](const Result<void>&) {});
    }
  }

  Loop loop_;
  Disk disk_;
  Journalist journalist_;
};

TEST_F(AsyncStoreTest, EverythingGoesThroughTheRealStore) {
  AsyncStore store(open().value(), loop_.executor());
  Batch batch = batch_of(journalist_.next());
  batch.evidence.push_back(block(1));
  batch.exposure.push_back({"checkout", 1, 3});
  ASSERT_TRUE(write(store, batch, Keep::kOnce).has_value());
  const std::thread::id here = std::this_thread::get_id();
  std::size_t answers = 0;
  store.latest([&](auto result) {
    EXPECT_EQ(std::this_thread::get_id(), here);
    EXPECT_EQ(result.value().size(), 1U);
    ++answers;
  });
  store.history({}, [&](auto result) { answers += result.value().size(); });
  store.evidence({"checkout", 1, 0, 10}, [&](auto result) { answers += result.value().size(); });
  store.exposure_used(
      "checkout", 1, [&](auto result) { answers += result.value() == 3 ? 1U : 0U; });
  store.verify_some({}, 1, [&](auto result) { answers += result.value().ok() ? 1U : 0U; });
  store.drop_evidence("checkout", 2, [&](auto result) { answers += result ? 1U : 0U; });
  for (int i = 0; i < 6; ++i) loop_.run_one();
  EXPECT_EQ(answers, 6U);
}

TEST_F(AsyncStoreTest, AFailedRiseIsForgottenAFailedFallIsWrittenLater) {
  AsyncStore store(std::make_unique<FakeStore>(disk_), loop_.executor());
  ASSERT_TRUE(write(store, batch_of(journalist_.next()), Keep::kOnce).has_value());
  disk_.failing = 1;
  EXPECT_FALSE(write(store, batch_of(journalist_.next()), Keep::kUntilWritten).has_value());
  EXPECT_FALSE(write(store, batch_of(journalist_.next()), Keep::kUntilWritten).has_value());
  JournalEntry rise = journalist_.next();
  EXPECT_FALSE(write(store, batch_of(rise), Keep::kOnce).has_value());
  EXPECT_EQ(store.kept(), 2U);
  EXPECT_FALSE(write_nothing(store).has_value());
  disk_.failing = 0;
  EXPECT_TRUE(write_nothing(store).has_value());
  EXPECT_EQ(store.kept(), 0U);
  EXPECT_EQ(disk_.generations, (std::vector<std::uint64_t>{1, 2, 3}));
}

TEST_F(AsyncStoreTest, WhatIsKeptGoesBeforeTheNextWrite) {
  AsyncStore store(std::make_unique<FakeStore>(disk_), loop_.executor());
  disk_.failing = 1;
  EXPECT_FALSE(write(store, batch_of(journalist_.next()), Keep::kUntilWritten).has_value());
  disk_.failing = 0;
  EXPECT_TRUE(write(store, batch_of(journalist_.next()), Keep::kOnce).has_value());
  EXPECT_EQ(disk_.generations, (std::vector<std::uint64_t>{1, 2}));
}

TEST_F(AsyncStoreTest, WhatCanNeverBeWrittenDoesNotBlockTheRest) {
  AsyncStore store(std::make_unique<FakeStore>(disk_), loop_.executor());
  disk_.failing = 1;
  disk_.retry = Retry::kNever;
  EXPECT_FALSE(write(store, batch_of(journalist_.next()), Keep::kUntilWritten).has_value());
  EXPECT_EQ(store.kept(), 0U);
  disk_.failing = 0;
  EXPECT_TRUE(write(store, batch_of(journalist_.next()), Keep::kOnce).has_value());
}

TEST_F(AsyncStoreTest, KeptRowsAreBoundedAndDecisionsOutliveEvidence) {
  AsyncStore::Limits limits;
  limits.kept_limit = 10;
  AsyncStore store(std::make_unique<FakeStore>(disk_), loop_.executor(), limits);
  disk_.failing = 1;
  for (int i = 0; i < 4; ++i) {
    Batch batch = batch_of(journalist_.next());
    for (std::uint64_t k = 0; k < 4; ++k) batch.evidence.push_back(block(k));
    EXPECT_FALSE(write(store, std::move(batch), Keep::kUntilWritten).has_value());
    EXPECT_LE(store.kept(), 10U);
  }
  EXPECT_GT(store.dropped(), 0U);
  disk_.failing = 0;
  EXPECT_TRUE(write_nothing(store).has_value());
  EXPECT_EQ(disk_.generations, (std::vector<std::uint64_t>{1, 2, 3, 4}));
}

TEST_F(AsyncStoreTest, AFullQueueRefusesButLeavesRoomForWhatIsInForce) {
  AsyncStore::Limits limits;
  limits.queue_limit = 4;
  AsyncStore store(std::make_unique<FakeStore>(disk_), loop_.executor(), limits);
  disk_.block(true);
  int done = 0;
  int refused = 0;
  const auto count = [&](Result<void> result) {
    if (result) {
      ++done;
    } else {
      EXPECT_EQ(result.error().code, ErrorCode::kLimit);
      ++refused;
    }
  };
  for (int i = 0; i < 10; ++i) store.write(batch_of(journalist_.next()), Keep::kOnce, count);
  const std::size_t refused_at_once = loop_.waiting();
  EXPECT_GE(refused_at_once, 5U);
  store.write(batch_of(journalist_.next()), Keep::kUntilWritten, count);
  EXPECT_EQ(loop_.waiting(), refused_at_once);
  disk_.block(false);
  for (int i = 0; i < 11; ++i) loop_.run_one();
  EXPECT_EQ(done + refused, 11);
  EXPECT_EQ(refused, static_cast<int>(refused_at_once));
  EXPECT_EQ(disk_.generations.back(), 11U);
}

using Sizes = std::vector<std::size_t>;

TEST_F(AsyncStoreTest, WritesThatWaitGoTogetherUpToABound) {
  EXPECT_EQ(groups_of([&](AsyncStore& store) { write_many(store, 300, Keep::kOnce); }),
            (Sizes{1, 256, 44}));
  std::vector<std::uint64_t> in_order(301);
  std::iota(in_order.begin(), in_order.end(), 1U);
  EXPECT_EQ(disk_.generations, in_order);
}

TEST_F(AsyncStoreTest, AQuestionIsAnsweredBetweenTheWritesItStandsBetween) {
  EXPECT_EQ(groups_of([&](AsyncStore& store) {
              write_many(store, 3, Keep::kOnce);
              store.latest([](const auto&) {});
              write_many(store, 2, Keep::kOnce);
            }),
            (Sizes{1, 3, 2}));
}

TEST_F(AsyncStoreTest, LittleIsTakenAlongBehindAFall) {
  EXPECT_EQ(groups_of([&](AsyncStore& store) {
              write_many(store, 3, Keep::kOnce);
              write_many(store, 2, Keep::kUntilWritten);
              write_many(store, 40, Keep::kOnce);
              write_many(store, 1, Keep::kUntilWritten);
              write_many(store, 100, Keep::kOnce);
            }),
            (Sizes{1, 3 + 2 + 16, 24 + 1 + 16, 84}));
}

TEST_F(AsyncStoreTest, NothingOfUnknownLengthIsTakenAlongBehindAFall) {
  EXPECT_EQ(groups_of([&](AsyncStore& store) {
              write_many(store, 2, Keep::kUntilWritten);
              store.drop_evidence("checkout", 2, [](const Result<void>&) {});
              write_many(store, 3, Keep::kUntilWritten);
            }),
            (Sizes{1, 2, 4}));
}

TEST_F(AsyncStoreTest, WhatIsKeptIsWrittenTogetherToo) {
  AsyncStore store(std::make_unique<FakeStore>(disk_), loop_.executor());
  disk_.failing = 1;
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(write(store, batch_of(journalist_.next()), Keep::kUntilWritten).has_value());
  }
  disk_.failing = 0;
  disk_.groups.clear();
  EXPECT_TRUE(write_nothing(store).has_value());
  EXPECT_EQ(disk_.groups, (Sizes{5, 1}));
  EXPECT_EQ(disk_.generations, (std::vector<std::uint64_t>{1, 2, 3, 4, 5}));
}

TEST_F(AsyncStoreTest, StopFinishesWhatIsQueuedAndClosesTheStore) {
  AsyncStore store(std::make_unique<FakeStore>(disk_), loop_.executor());
  disk_.failing = 1;
  EXPECT_FALSE(write(store, batch_of(journalist_.next()), Keep::kUntilWritten).has_value());
  disk_.block(true);
  std::vector<bool> answers;
  store.write(batch_of(journalist_.next()), Keep::kOnce, [&](auto r) { answers.push_back(!!r); });
  store.write({}, Keep::kOnce, [&](auto r) { answers.push_back(!!r); });
  disk_.failing = 0;
  disk_.block(false);
  store.stop();
  EXPECT_TRUE(disk_.closed);
  store.write(batch_of(journalist_.next()), Keep::kOnce, [&](auto result) {
    EXPECT_EQ(result.error().code, ErrorCode::kClosed);
    answers.push_back(false);
  });
  for (int i = 0; i < 3; ++i) loop_.run_one();
  EXPECT_EQ(answers, (std::vector<bool>{true, true, false}));
  EXPECT_EQ(disk_.generations, (std::vector<std::uint64_t>{1, 2}));
}

TEST_F(AsyncStoreTest, ManyThreadsMayAsk) {
  AsyncStore store(std::make_unique<FakeStore>(disk_), loop_.executor());
  std::atomic<int> answers{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) store.verify_some({}, 1, [&](auto) { ++answers; });
      });
    }
  }
  for (int i = 0; i < 200; ++i) loop_.run_one();
  EXPECT_EQ(answers, 200);
}

}  // namespace
}  // namespace canaryd::store
