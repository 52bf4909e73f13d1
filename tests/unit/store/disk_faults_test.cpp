// Every call of the store to the system fails once, and in another run from then on: nothing
// acknowledged is lost, nothing is half there, and it works again as soon as the disk does.
#include "faulty_vfs.hpp"
#include "state_fixture.hpp"

#include <optional>

namespace canaryd::store {
namespace {

using namespace test;

class DiskFaultsTest : public StateFixture {
 protected:
  DiskFaultsTest() { plan = {}; }
  ~DiskFaultsTest() override { plan = {}; }

  // Writes rows while the plan is at work; a row that is refused is written again once the disk
  // works. Whether the fault has happened; nothing: there are fewer calls.
  std::optional<bool> write_through_a_fault(const FaultPlan& next) {
    std::filesystem::remove_all(dir());
    auto store = open();
    EXPECT_TRUE(store.has_value());
    Journalist journalist;
    EXPECT_TRUE((*store)->write(batch_of(journalist.next())).has_value());
    plan = next;
    std::size_t acknowledged = 1;
    for (std::uint64_t i = 0; i < 2; ++i) {
      Batch batch = batch_of(journalist.next());
      batch.evidence.push_back(block(i));
      const Result<void> written = (*store)->write(batch);
      if (!written) {
        EXPECT_EQ(written.error().retry, Retry::kSafe) << describe(written.error());
        // A refused rise is none, also for who kills the daemon and starts it again.
        expect_rows(acknowledged, acknowledged);
        plan.at = 0;
        const Result<void> again = (*store)->write(batch);
        EXPECT_TRUE(again.has_value()) << describe(again.error());
      }
      ++acknowledged;
    }
    expect_rows(acknowledged, acknowledged);
    const FaultPlan done = std::exchange(plan, FaultPlan{});
    store->reset();
    if (done.calls < next.at) return std::nullopt;
    return done.failed > 0;
  }
  // The same with three writes at a time, the middle one of which contradicts: that one fails for
  // itself, and the other two are there together or not at all.
  std::optional<bool> write_together_through_a_fault(const FaultPlan& next) {
    std::filesystem::remove_all(dir());
    auto store = open();
    EXPECT_TRUE(store.has_value());
    Journalist journalist;
    const Batch first = batch_of(journalist.next());
    EXPECT_TRUE((*store)->write(first).has_value());
    plan = next;
    std::size_t acknowledged = 1;
    for (std::uint64_t i = 0; i < 2; ++i) {
      std::vector<Batch> batches{batch_of(journalist.next()), first, batch_of(journalist.next())};
      batches[0].evidence.push_back(block(2 * i));
      batches[1].entries[0].sentence = "another";
      batches[1].evidence.push_back(block(100));
      batches[2].evidence.push_back(block(2 * i + 1));
      if (!all_but_the_middle(**store, batches)) {
        expect_rows(acknowledged, acknowledged, 2);
        plan.at = 0;
        EXPECT_EQ((*store)->history({}).value().size(), acknowledged);
        EXPECT_TRUE(all_but_the_middle(**store, batches));
      }
      acknowledged += 2;
    }
    expect_rows(acknowledged, acknowledged, 2);
    const FaultPlan done = std::exchange(plan, FaultPlan{});
    EXPECT_TRUE((*store)->verify().value().ok());
    store->reset();
    if (done.calls < next.at) return std::nullopt;
    return done.failed > 0;
  }
  // Whether they were written; else all failed.
  static bool all_but_the_middle(Store& store, const std::vector<Batch>& batches) {
    const std::vector<const Batch*> pointers{&batches[0], &batches[1], &batches[2]};
    const std::vector<Result<void>> results = store.write_each(pointers);
    EXPECT_EQ(results.size(), 3U);
    EXPECT_EQ(results[0].has_value(), results[2].has_value());
    EXPECT_FALSE(results[1].has_value());
    if (results[0]) return !results[1] && results[1].error().code == ErrorCode::kRefused;
    EXPECT_EQ(results[0].error().retry, Retry::kSafe) << describe(results[0].error());
    EXPECT_EQ(results[2].error().retry, Retry::kSafe) << describe(results[2].error());
    return false;
  }
  // Opens while the plan is at work. If that is refused, it is said why, and not that the file is
  // damaged. With a disk that works again it holds so many rows, and takes one more. False: there
  // are fewer calls.
  bool open_through_a_fault(const FaultPlan& next, Journalist& journalist, std::size_t rows) {
    plan = next;
    auto store = open();
    const FaultPlan done = std::exchange(plan, FaultPlan{});
    if (!store) {
      EXPECT_GT(done.failed, 0U) << describe(store.error());
      EXPECT_NE(store.error().code, ErrorCode::kMalformed) << describe(store.error());
      EXPECT_NE(store.error().context, "");
      store = open();
    }
    EXPECT_TRUE(store.has_value()) << describe(store.error());
    if (!store) return false;
    EXPECT_TRUE((*store)->write(batch_of(journalist.next())).has_value());
    const Verification found = (*store)->verify().value();
    EXPECT_TRUE(found.ok()) << found.problem;
    EXPECT_EQ(found.rows, rows + 1);
    return done.calls >= next.at;
  }
  // What a crash now would leave after so many, or more, were taken out: the rollout, and an
  // unbroken chain.
  void expect_whole(std::uint64_t taken_out) {
    const FaultPlan paused = std::exchange(plan, FaultPlan{});
    copy_now();
    {
      auto store = open_sqlite_store({root_ + "/copy", 0});
      ASSERT_TRUE(store.has_value()) << describe(store.error());
      const Verification found = (*store)->verify().value();
      EXPECT_TRUE(found.ok()) << found.problem;
      EXPECT_GE(found.pruned, taken_out);
      EXPECT_EQ((*store)->latest().value().at(0).entry.to, "aborted");
    }
    plan = paused;
  }
  void copy_now() {
    const std::string copy = root_ + "/copy";
    std::filesystem::remove_all(copy);
    std::filesystem::create_directory(copy);
    for (const char* name : {"/state.db", "/state.db-wal"}) {
      if (std::filesystem::exists(dir() + name)) write_file(copy + name, read_file(dir() + name));
    }
  }
  // What a crash now would leave: so many rows, whole and in their chain; of those behind the first
  // one, all that were written together.
  void expect_rows(std::size_t at_least, std::size_t at_most, std::size_t together = 1) {
    const FaultPlan paused = std::exchange(plan, FaultPlan{});
    copy_now();
    {
      auto store = open_sqlite_store({root_ + "/copy", 0});
      ASSERT_TRUE(store.has_value()) << describe(store.error());
      const Verification verification = (*store)->verify().value();
      EXPECT_TRUE(verification.ok()) << verification.problem;
      EXPECT_GE(verification.rows, at_least);
      EXPECT_LE(verification.rows, at_most);
      EXPECT_EQ((verification.rows - 1) % together, 0U);
      const auto evidence = (*store)->evidence({"checkout", 1, 0, kMaxEvidenceRows}).value();
      EXPECT_EQ(evidence.size() + 1, verification.rows) << "half a batch";
    }
    plan = paused;
  }

  FaultyVfs vfs_;
};

class EveryCall : public DiskFaultsTest, public ::testing::WithParamInterface<FaultPlan> {};

TEST_P(EveryCall, MayFail) {
  FaultPlan next = GetParam();
  int turns = 0;
  for (next.at = 1;; ++next.at) {
    SCOPED_TRACE("call " + std::to_string(next.at));
    const std::optional<bool> failed = write_through_a_fault(next);
    if (HasFailure() || !failed) break;
    if (*failed) ++turns;
  }
  EXPECT_GE(turns, 2);
}

TEST_P(EveryCall, MayFailWhereSeveralAreWrittenTogether) {
  FaultPlan next = GetParam();
  int turns = 0;
  for (next.at = 1;; ++next.at) {
    SCOPED_TRACE("call " + std::to_string(next.at));
    const std::optional<bool> failed = write_together_through_a_fault(next);
    if (HasFailure() || !failed) break;
    if (*failed) ++turns;
  }
  EXPECT_GE(turns, 2);
}

// Retention takes out all or nothing with each call, and may simply be told again.
TEST_P(EveryCall, MayFailInASweep) {
  {
    auto store = open().value();
    Journalist journalist;
    Batch batch;
    for (std::uint64_t i = 0; i < 6; ++i) {
      batch.entries.push_back(i < 5 ? journalist.next() : journalist.end());
      batch.evidence.push_back(block(i));
    }
    ASSERT_TRUE(store->write(batch).has_value());
  }
  const std::string full = read_file(file());
  FaultPlan next = GetParam();
  int turns = 0;
  for (next.at = 1;; ++next.at) {
    SCOPED_TRACE("call " + std::to_string(next.at));
    write_file(file(), full);
    auto store = open().value();
    PruneRule rule;
    rule.before = WallTime(std::chrono::seconds(2'000'000'000));
    plan = next;
    std::uint64_t entries = 0;
    std::optional<std::uint64_t> at = 0;
    while (at) {
      const auto part = store->prune(rule, *at);
      if (!part) {
        expect_whole(entries);
        plan.at = 0;
        continue;
      }
      entries += part->entries;
      at = part->next_id;
    }
    const FaultPlan done = std::exchange(plan, FaultPlan{});
    EXPECT_EQ(entries, 5U);
    EXPECT_TRUE(store->verify().value().ok());
    EXPECT_TRUE(store->evidence({"checkout", 1, 0, 10}).value().empty());
    store.reset();
    if (HasFailure() || done.calls < next.at) break;
    if (done.failed > 0) ++turns;
  }
  EXPECT_GE(turns, 2);
}

class EveryOpening : public DiskFaultsTest, public ::testing::WithParamInterface<FaultPlan> {};

TEST_P(EveryOpening, MayFailWhereThereIsNothingYet) {
  FaultPlan next = GetParam();
  for (next.at = 1;; ++next.at) {
    SCOPED_TRACE("call " + std::to_string(next.at));
    std::filesystem::remove_all(dir());
    Journalist journalist;
    if (!open_through_a_fault(next, journalist, 0) || HasFailure()) break;
  }
  EXPECT_GE(next.at, 2U);
}

class EveryRecovery : public DiskFaultsTest, public ::testing::WithParamInterface<FaultPlan> {};

// Longer than a page.
EvidenceRow long_row() {
  EvidenceRow row = block(0);
  for (std::int64_t i = 0; i < 4000; ++i) row.values.push_back(1'000'000'007 * i);
  return row;
}

// With a write-ahead log that holds all of it, as a crash leaves it. That takes no write.
TEST_P(EveryRecovery, MayFail) {
  Journalist before;
  {
    auto store = open().value();
    for (int i = 0; i < 3; ++i) {
      Batch batch = batch_of(before.next());
      if (i == 0) batch.evidence.push_back(long_row());
      ASSERT_TRUE(store->write(batch).has_value());
    }
    copy_now();
  }
  const std::string file_then = read_file(root_ + "/copy/state.db");
  const std::string log_then = read_file(root_ + "/copy/state.db-wal");
  ASSERT_NE(log_then, "");
  FaultPlan next = GetParam();
  for (next.at = 1;; ++next.at) {
    SCOPED_TRACE("call " + std::to_string(next.at));
    std::filesystem::remove_all(dir());
    std::filesystem::create_directory(dir());
    write_file(file(), file_then);
    write_file(file() + "-wal", log_then);
    Journalist journalist = before;
    if (!open_through_a_fault(next, journalist, 3) || HasFailure()) break;
  }
  EXPECT_GE(next.at, 2U);
}

const auto kReadingFaults = ::testing::Values(FaultPlan{Fault::kRead, 0, false, 0, 0},
                                              FaultPlan{Fault::kRead, 0, true, 0, 0},
                                              FaultPlan{Fault::kOpen, 0, false, 0, 0},
                                              FaultPlan{Fault::kOpen, 0, true, 0, 0},
                                              FaultPlan{Fault::kLock, 0, false, 0, 0},
                                              FaultPlan{Fault::kLock, 0, true, 0, 0},
                                              FaultPlan{Fault::kShared, 0, false, 0, 0},
                                              FaultPlan{Fault::kShared, 0, true, 0, 0});
INSTANTIATE_TEST_SUITE_P(Reading, EveryOpening, kReadingFaults);
INSTANTIATE_TEST_SUITE_P(Reading, EveryRecovery, kReadingFaults);
INSTANTIATE_TEST_SUITE_P(Writing,
                         EveryOpening,
                         ::testing::Values(FaultPlan{Fault::kFull, 0, false, 0, 0},
                                           FaultPlan{Fault::kFull, 0, true, 0, 0},
                                           FaultPlan{Fault::kIo, 0, false, 0, 0},
                                           FaultPlan{Fault::kSync, 0, false, 0, 0}));

// A full disk and one that cannot sync stay so until somebody does something; all others pass.
INSTANTIATE_TEST_SUITE_P(Faults,
                         EveryCall,
                         ::testing::Values(FaultPlan{Fault::kFull, 0, false, 0, 0},
                                           FaultPlan{Fault::kFull, 0, true, 0, 0},
                                           FaultPlan{Fault::kIo, 0, false, 0, 0},
                                           FaultPlan{Fault::kShort, 0, false, 0, 0},
                                           FaultPlan{Fault::kSync, 0, false, 0, 0},
                                           FaultPlan{Fault::kSync, 0, true, 0, 0},
                                           FaultPlan{Fault::kLock, 0, false, 0, 0},
                                           FaultPlan{Fault::kLock, 0, true, 0, 0}));

}  // namespace
}  // namespace canaryd::store
