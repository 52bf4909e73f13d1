// Every call of the store to the system fails once, and in another run from then on: nothing
// acknowledged is lost, nothing is half there, and it works again as soon as the disk does.
//
// Between SQLite and the system stands a VFS of ours (sqlite.org/vfs.html) that passes everything
// on but the n-th call.
#include "state_fixture.hpp"

#include <cstring>
#include <optional>

namespace canaryd::store {
namespace {

using namespace test;

enum class Fault : std::uint8_t { kFull, kIo, kShort, kSync, kRead, kOpen, kLock, kShared };
enum class Call : std::uint8_t { kWrite, kSync, kRead, kOpen, kLock, kShared };

Call failing_call(Fault fault) {
  switch (fault) {
    case Fault::kFull:
    case Fault::kIo:
    case Fault::kShort:
      return Call::kWrite;
    case Fault::kSync:
      return Call::kSync;
    case Fault::kRead:
      return Call::kRead;
    case Fault::kOpen:
      return Call::kOpen;
    case Fault::kLock:
      return Call::kLock;
    case Fault::kShared:
      return Call::kShared;
  }
  return Call::kWrite;
}

struct FaultPlan {
  Fault fault = Fault::kFull;
  std::uint64_t at = 0;  // The n-th; 0: none.
  bool stays = false;    // And all after it.
  std::uint64_t calls = 0;
  std::uint64_t failed = 0;
};
FaultPlan plan;  // Of the VFS, which SQLite holds by its name.

bool fails(Call call) {
  if (call != failing_call(plan.fault)) return false;
  ++plan.calls;
  const bool due = plan.at != 0 && (plan.stays ? plan.calls >= plan.at : plan.calls == plan.at);
  if (!due) return false;
  ++plan.failed;
  return true;
}

struct File {
  sqlite3_file base;
  sqlite3_file* real;
};
sqlite3_file* real(sqlite3_file* file) {
  return reinterpret_cast<File*>(file)->real;
}

int write_or_fail(sqlite3_file* file, const void* data, int bytes, sqlite3_int64 offset) {
  sqlite3_file* const below = real(file);
  if (!fails(Call::kWrite)) return below->pMethods->xWrite(below, data, bytes, offset);
  if (plan.fault == Fault::kShort) {
    static_cast<void>(below->pMethods->xWrite(below, data, bytes / 2, offset));
  }
  return plan.fault == Fault::kIo ? SQLITE_IOERR_WRITE : SQLITE_FULL;
}
int truncate_or_fail(sqlite3_file* file, sqlite3_int64 size) {
  if (fails(Call::kWrite)) return SQLITE_IOERR_TRUNCATE;
  return real(file)->pMethods->xTruncate(real(file), size);
}
int sync_or_fail(sqlite3_file* file, int flags) {
  if (fails(Call::kSync)) return SQLITE_IOERR_FSYNC;
  return real(file)->pMethods->xSync(real(file), flags);
}

int close_file(sqlite3_file* file) {
  sqlite3_file* const below = real(file);
  return below->pMethods->xClose(below);
}

// All others go through.
const sqlite3_io_methods& methods() {
  static const sqlite3_io_methods made = [] {
    sqlite3_io_methods m{};
    m.iVersion = 2;  // No memory mapping: every write is to be seen.
    m.xClose = close_file;
    m.xRead = [](sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
      if (fails(Call::kRead)) return SQLITE_IOERR_READ;
      return real(f)->pMethods->xRead(real(f), to, n, at);
    };
    m.xWrite = write_or_fail;
    m.xTruncate = truncate_or_fail;
    m.xSync = sync_or_fail;
    m.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) {
      return real(f)->pMethods->xFileSize(real(f), size);
    };
    m.xLock = [](sqlite3_file* f, int lock) {
      if (fails(Call::kLock)) return SQLITE_IOERR_LOCK;
      return real(f)->pMethods->xLock(real(f), lock);
    };
    m.xUnlock = [](sqlite3_file* f, int lock) { return real(f)->pMethods->xUnlock(real(f), lock); };
    m.xCheckReservedLock = [](sqlite3_file* f, int* held) {
      return real(f)->pMethods->xCheckReservedLock(real(f), held);
    };
    m.xFileControl = [](sqlite3_file* f, int op, void* argument) {
      return real(f)->pMethods->xFileControl(real(f), op, argument);
    };
    m.xSectorSize = [](sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); };
    m.xDeviceCharacteristics = [](sqlite3_file* f) {
      return real(f)->pMethods->xDeviceCharacteristics(real(f));
    };
    m.xShmMap = [](sqlite3_file* f, int page, int size, int extend, void volatile** to) {
      if (fails(Call::kShared)) return SQLITE_IOERR_SHMMAP;
      return real(f)->pMethods->xShmMap(real(f), page, size, extend, to);
    };
    m.xShmLock = [](sqlite3_file* f, int offset, int n, int flags) {
      // One that is given back always is.
      if ((flags & SQLITE_SHM_LOCK) != 0 && fails(Call::kLock)) return SQLITE_IOERR_SHMLOCK;
      return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
    };
    m.xShmBarrier = [](sqlite3_file* f) { real(f)->pMethods->xShmBarrier(real(f)); };
    m.xShmUnmap = [](sqlite3_file* f, int remove) {
      return real(f)->pMethods->xShmUnmap(real(f), remove);
    };
    return m;
  }();
  return made;
}

// For as long as it lives it is what SQLite uses.
class FaultyVfs {
 public:
  FaultyVfs() : below_(sqlite3_vfs_find(nullptr)), vfs_(*below_) {
    vfs_.pNext = nullptr;
    vfs_.zName = "faulty";
    vfs_.pAppData = below_;
    vfs_.szOsFile = static_cast<int>(sizeof(File)) + below_->szOsFile;
    vfs_.xOpen = open;
    EXPECT_EQ(sqlite3_vfs_register(&vfs_, 1), SQLITE_OK);
  }
  FaultyVfs(const FaultyVfs&) = delete;
  FaultyVfs& operator=(const FaultyVfs&) = delete;
  ~FaultyVfs() {
    sqlite3_vfs_register(below_, 1);
    sqlite3_vfs_unregister(&vfs_);
  }

 private:
  static int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
    auto* const below = static_cast<sqlite3_vfs*>(vfs->pAppData);
    auto* const made = reinterpret_cast<File*>(file);
    made->base.pMethods = nullptr;
    if (fails(Call::kOpen)) return SQLITE_CANTOPEN;
    made->real = reinterpret_cast<sqlite3_file*>(made + 1);
    const int result = below->xOpen(below, name, made->real, flags, out);
    made->base.pMethods = made->real->pMethods == nullptr ? nullptr : &methods();
    return result;
  }

  sqlite3_vfs* below_;
  sqlite3_vfs vfs_;
};

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
        expect_rows(acknowledged, acknowledged + 1);
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
  // What a crash now would leave: so many rows, whole and in their chain.
  void expect_rows(std::size_t at_least, std::size_t at_most) {
    const FaultPlan paused = std::exchange(plan, FaultPlan{});
    copy_now();
    {
      auto store = open_sqlite_store({root_ + "/copy", 0});
      ASSERT_TRUE(store.has_value()) << describe(store.error());
      const Verification verification = (*store)->verify().value();
      EXPECT_TRUE(verification.ok()) << verification.problem;
      EXPECT_GE(verification.rows, at_least);
      EXPECT_LE(verification.rows, at_most);
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
