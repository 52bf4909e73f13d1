// Writes that wait become durable together: one fsync, an answer each, and all or nothing where the
// disk fails.
#include "canaryd/store/async_store.hpp"
#include "faulty_vfs.hpp"
#include "state_fixture.hpp"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>

namespace canaryd::store {
namespace {

using namespace test;

// Stands for control's thread. While it is held the store's thread waits with its next answer, and
// requests gather behind it.
class HeldLoop {
 public:
  AsyncStore::Executor executor() {
    return [this](std::function<void()> job) {
      std::unique_lock lock(mutex_);
      jobs_.push_back(std::move(job));
      moves_.notify_all();
      moves_.wait(lock, [this] { return !held_; });
    };
  }
  void hold(bool on) {
    const std::lock_guard lock(mutex_);
    held_ = on;
    moves_.notify_all();
  }
  void wait_for(std::size_t answers) {
    std::unique_lock lock(mutex_);
    moves_.wait(lock, [&] { return jobs_.size() >= answers; });
  }
  void run(std::size_t answers) {
    wait_for(answers);
    for (std::size_t i = 0; i < answers; ++i) {
      std::function<void()> job;
      {
        const std::lock_guard lock(mutex_);
        job = std::move(jobs_.front());
        jobs_.pop_front();
      }
      job();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable moves_;
  std::deque<std::function<void()>> jobs_;
  bool held_ = false;
};

class GroupTest : public StateFixture {
 protected:
  GroupTest() { plan = {}; }
  ~GroupTest() override { plan = {}; }

  // Its writes gather until they are let go.
  void begin() {
    auto store = open().value();
    // A log that is begun syncs its header, too.
    Batch first;
    first.cursors.push_back({"reader", 1});
    ASSERT_TRUE(store->write(first).has_value());
    store_.emplace(std::move(store), loop_.executor());
    loop_.hold(true);
    store_->latest([](const Result<std::vector<JournalRow>>&) {});
    loop_.wait_for(1);
    plan = {Fault::kSync, 0, false, 0, 0};
  }
  void write(Batch batch, Keep keep = Keep::kOnce) {
    const std::size_t place = asked_++;
    store_->write(std::move(batch), keep, [this, place](Result<void> result) {
      EXPECT_EQ(place, answers_.size()) << "not in their order";
      answers_.push_back(std::move(result));
    });
  }
  void let_go() {
    loop_.hold(false);
    loop_.run(1 + asked_);
  }
  // Of what is there once the store is closed.
  std::size_t rows_in_an_unbroken_chain() {
    store_.reset();
    plan = {};
    auto store = open().value();
    const Verification found = store->verify().value();
    EXPECT_TRUE(found.ok()) << found.problem;
    return found.rows;
  }

  FaultyVfs vfs_;
  HeldLoop loop_;
  std::size_t asked_ = 0;
  std::vector<Result<void>> answers_;
  std::optional<AsyncStore> store_;
};

TEST_F(GroupTest, ManyThatWaitCostOneSync) {
  begin();
  for (int i = 0; i < 100; ++i) write(batch_of(Journalist("r" + std::to_string(i)).next()));
  let_go();
  EXPECT_EQ(plan.calls, 1U);
  for (const Result<void>& each : answers_) EXPECT_TRUE(each.has_value());
  EXPECT_EQ(rows_in_an_unbroken_chain(), 100U);
}

TEST_F(GroupTest, NoneIsAnsweredBeforeItIsDurable) {
  begin();
  std::vector<std::uint64_t> syncs;
  for (int i = 0; i < 3; ++i) {
    store_->write(batch_of(Journalist("r" + std::to_string(i)).next()),
                  Keep::kOnce,
                  [&](const Result<void>&) { syncs.push_back(plan.calls); });
  }
  asked_ = 3;
  let_go();
  EXPECT_EQ(syncs, (std::vector<std::uint64_t>{1, 1, 1}));
}

TEST_F(GroupTest, WhatAsksForEvidenceToGoIsAmongThem) {
  {
    auto store = open().value();
    Batch batch;
    for (std::uint64_t i = 0; i < 5; ++i) batch.evidence.push_back(block(i, i));
    ASSERT_TRUE(store->write(batch).has_value());
  }
  begin();
  Journalist journalist;
  write(batch_of(journalist.next()));
  for (std::uint64_t run = 1; run <= 3; ++run) {
    ++asked_;
    store_->drop_evidence(
        "checkout", run, [&](Result<void> result) { answers_.push_back(std::move(result)); });
  }
  write(batch_of(journalist.next()));
  let_go();
  EXPECT_EQ(plan.calls, 1U);
  EXPECT_EQ(rows_in_an_unbroken_chain(), 2U);
  auto store = open().value();
  EXPECT_TRUE(store->evidence({"checkout", 2, 0, 10}).value().empty());
  EXPECT_EQ(store->evidence({"checkout", 3, 0, 10}).value().size(), 1U);
}

TEST_F(GroupTest, OneThatContradictsFailsAloneAndLeavesNothing) {
  Journalist journalist;
  const Batch first = batch_of(journalist.next());
  const Batch second = batch_of(journalist.next());
  Batch stale = first;
  stale.entries[0].sentence = "another";
  stale.exposure.push_back({"checkout", 1, 7});
  Batch half = batch_of(Journalist("other").next());
  half.evidence.push_back(block(1));
  half.evidence.push_back(block(1));
  half.evidence.back().values = {0};
  Batch long_one = batch_of(Journalist("long").next());
  long_one.entries[0].reason = std::string(kMaxTextBytes + 1, 'x');
  begin();
  for (const Batch& batch : {first, stale, half, long_one, second, second}) write(batch);
  let_go();
  ASSERT_EQ(answers_.size(), 6U);
  EXPECT_TRUE(answers_[0].has_value());
  EXPECT_EQ(answers_[1].error().code, ErrorCode::kRefused);
  EXPECT_EQ(answers_[2].error().code, ErrorCode::kRefused);
  EXPECT_EQ(answers_[3].error().code, ErrorCode::kLimit);
  EXPECT_TRUE(answers_[4].has_value());
  EXPECT_TRUE(answers_[5].has_value()) << "the same again is no error";
  EXPECT_EQ(plan.calls, 1U);
  EXPECT_EQ(store_->failures(), 3U);
  EXPECT_EQ(rows_in_an_unbroken_chain(), 2U);
  auto store = open().value();
  EXPECT_TRUE(store->evidence({"checkout", 1, 0, 10}).value().empty());
  EXPECT_EQ(store->exposure_used("checkout", 1).value(), 0U);
}

TEST_F(GroupTest, ACommitThatFailsFailsAllAndTheChainGoesOn) {
  {
    auto store = open().value();
    ASSERT_TRUE(store->write(batch_of(Journalist("before").next())).has_value());
  }
  Journalist journalist;
  begin();
  plan.at = 1;
  Batch stale = batch_of(Journalist("before").next());
  stale.entries[0].sentence = "another";
  write(batch_of(journalist.next()));
  write(stale);
  for (int i = 0; i < 3; ++i) write(batch_of(Journalist("r" + std::to_string(i)).next()));
  let_go();
  EXPECT_EQ(plan.failed, 1U);
  for (std::size_t i = 0; i < answers_.size(); ++i) {
    ASSERT_FALSE(answers_[i].has_value()) << i;
    EXPECT_EQ(answers_[i].error().code, i == 1 ? ErrorCode::kRefused : ErrorCode::kIo);
  }
  std::size_t there = 0;
  bool good = false;
  store_->history({}, [&](const auto& rows) { there = rows.value().size(); });
  store_->write(batch_of(Journalist("after").next()), Keep::kOnce, [&](const Result<void>& result) {
    good = result.has_value();
  });
  loop_.run(2);
  EXPECT_EQ(there, 1U) << "what was reported as failed is in the journal";
  EXPECT_TRUE(good);
  EXPECT_EQ(rows_in_an_unbroken_chain(), 2U);
}

TEST_F(GroupTest, AFallWhoseCommitFailsIsKeptAndGoesBeforeWhatComesNext) {
  Journalist journalist;
  begin();
  plan.at = 1;
  write(batch_of(Journalist("rise").next()));
  write(batch_of(journalist.next()), Keep::kUntilWritten);
  write(batch_of(journalist.next()), Keep::kUntilWritten);
  let_go();
  for (const Result<void>& each : answers_) EXPECT_FALSE(each.has_value());
  EXPECT_EQ(store_->kept(), 2U);
  store_->write(batch_of(Journalist("later").next()), Keep::kOnce, [](const Result<void>& result) {
    EXPECT_TRUE(result.has_value());
  });
  loop_.run(1);
  EXPECT_EQ(store_->kept(), 0U);
  EXPECT_EQ(rows_in_an_unbroken_chain(), 3U);
  const std::vector<JournalRow> rows = open().value()->history({}).value();
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].entry.rollout, "checkout");
  EXPECT_EQ(rows[1].entry.rollout, "checkout");
  EXPECT_EQ(rows[2].entry.rollout, "later");
}

}  // namespace
}  // namespace canaryd::store
