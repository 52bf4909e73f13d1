// Files that are damaged, foreign, too new, changed by hand, or cannot be written.
#include "canaryd/base/random.hpp"
#include "state_fixture.hpp"

#include <gmock/gmock.h>

#include <set>
#include <sys/stat.h>

namespace canaryd::store {
namespace {

using namespace test;
using ::testing::AnyOf;
using ::testing::HasSubstr;

class DamageTest : public StateFixture {
 protected:
  // A file with rows, closed.
  void fill(int rows = 200) {
    auto store = open().value();
    Journalist journalist;
    for (int i = 0; i < rows; ++i) {
      Batch batch = batch_of(journalist.next());
      batch.evidence.push_back(block(static_cast<std::uint64_t>(i)));
      ASSERT_TRUE(store->write(batch).has_value());
    }
  }
  // Opening fails, names the file, and leaves it as it is.
  Error expect_refusal() {
    const std::string before = read_file(file());
    const auto result = open();
    EXPECT_FALSE(result.has_value());
    EXPECT_TRUE(read_file(file()) == before) << "the file was changed";
    if (result) return {};
    EXPECT_THAT(result.error().context, HasSubstr(file()));
    return result.error();
  }
};

TEST_F(DamageTest, OfAnEmptyFileNothingIsVerified) {
  fill(1);
  write_file(file(), "");
  std::filesystem::remove(file() + "-wal");
  const auto verified = verify_state_file(dir(), {});
  ASSERT_FALSE(verified.has_value());
  EXPECT_THAT(verified.error().context, HasSubstr("is empty: "));
}

// SQLite would take it for a new file and delete the log.
TEST_F(DamageTest, AnEmptyFileBesideALogIsRefusedAndBothAreKept) {
  fill(3);
  const std::string log = file() + "-wal";
  write_file(log, std::string(5000, 'w'));
  write_file(file(), "");
  Error error = expect_refusal();
  EXPECT_EQ(error.code, ErrorCode::kMalformed);
  EXPECT_THAT(error.context, HasSubstr("is empty beside"));
  EXPECT_THAT(error.context, HasSubstr("restore a copy, or move both away"));
  EXPECT_EQ(read_file(log).size(), 5000U);
  EXPECT_FALSE(verify_state_file(dir(), {}).has_value());
  std::filesystem::remove(file());
  const auto missing = open();
  ASSERT_FALSE(missing.has_value());
  EXPECT_THAT(missing.error().context, HasSubstr("is missing beside"));
  EXPECT_FALSE(std::filesystem::exists(file()));
  EXPECT_EQ(read_file(log).size(), 5000U);
  std::filesystem::remove(log);
  EXPECT_TRUE(open().has_value());
}

TEST_F(DamageTest, WhatIsBesideItAndCannotBeWrittenIsNamed) {
  fill(3);
  for (const char* const suffix : {"-wal", "-shm"}) {
    const std::string each = file() + suffix;
    std::filesystem::create_directory(each);
    EXPECT_THAT(expect_refusal().context, HasSubstr("cannot write " + each));
    std::filesystem::remove(each);
  }
  EXPECT_TRUE(open().has_value());
}

TEST_F(DamageTest, ATruncatedFileIsRefusedAndKept) {
  fill();
  const std::string whole = read_file(file());
  for (const std::size_t length : {whole.size() - 4096, whole.size() / 2, std::size_t{5000}}) {
    write_file(file(), whole.substr(0, length));
    const Error error = expect_refusal();
    EXPECT_EQ(error.code, ErrorCode::kMalformed);
    EXPECT_THAT(error.context, HasSubstr("move it away"));
  }
}

TEST_F(DamageTest, AFileOfSomethingElseIsRefusedAndKept) {
  std::filesystem::create_directory(dir());
  write_file(file(), std::string(8192, 'x'));
  EXPECT_EQ(expect_refusal().code, ErrorCode::kMalformed);
  std::filesystem::remove(file());
  tamper("CREATE TABLE recipes (name TEXT)");
  EXPECT_EQ(expect_refusal().code, ErrorCode::kUnsupported);
}

TEST_F(DamageTest, ALaterSchemaIsRefusedAndKept) {
  fill(3);
  tamper("PRAGMA user_version = 9");
  const Error error = expect_refusal();
  EXPECT_EQ(error.code, ErrorCode::kUnsupported);
  EXPECT_THAT(error.context, HasSubstr("later canaryd"));
}

TEST_F(DamageTest, FlippedBytesAreFoundOrHarmless) {
  fill();
  const std::string whole = read_file(file());
  Journalist journalist;
  std::vector<JournalEntry> written;
  for (int i = 0; i < 200; ++i) written.push_back(journalist.next());
  int found = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    Random random(seed);
    std::string damaged = whole;
    for (int i = 0; i < 8; ++i) {
      damaged[random.below(damaged.size())] ^= static_cast<char>(1 + random.below(255));
    }
    write_file(file(), damaged);
    auto store = open();
    if (!store) {
      ++found;
      continue;
    }
    // What can be opened either proves itself wrong or is what was written.
    const auto verification = (*store)->verify();
    const auto latest = (*store)->latest();
    if (!verification || !verification->ok() || !latest) {
      ++found;
      continue;
    }
    const auto rows = (*store)->history({"", 1000, 0});
    ASSERT_TRUE(rows.has_value()) << "seed " << seed;
    ASSERT_EQ(rows->size(), written.size()) << "seed " << seed;
    for (std::size_t i = 0; i < rows->size(); ++i) {
      ASSERT_EQ((*rows)[i].entry, written[i]) << "seed " << seed;
    }
    const auto evidence = (*store)->evidence({"checkout", 1, 0, 1000});
    if (!evidence) continue;
    for (const EvidenceRow& row : *evidence) ASSERT_EQ(row, block(row.index)) << "seed " << seed;
  }
  EXPECT_GT(found, 100);
}

TEST_F(DamageTest, ChangingAnyFieldOfAnyRowIsFound) {
  fill(4);
  const std::string whole = read_file(file());
  for (const char* change : {"rollout = 'other'",
                             "generation = 99",
                             "at_ms = at_ms + 1",
                             "actor = 'nobody'",
                             "event = 'abort'",
                             "from_state = 'idle2'",
                             "to_state = 'retired'",
                             "step = step + 1",
                             "weight_before = 77",
                             "weight_after = 77",
                             "cause = 'verdict'",
                             "reason = ''",
                             "evidence = 'none'",
                             "sentence = sentence || '.'",
                             "state = '{}'",
                             "hash = zeroblob(32)"}) {
    write_file(file(), whole);
    tamper(std::string("DROP TRIGGER journal_stays; UPDATE journal SET ") + change +
           " WHERE id = 2");
    auto store = open();
    ASSERT_TRUE(store.has_value());
    const Verification verification = (*store)->verify().value();
    EXPECT_EQ(verification.bad_id, 2U) << change;
    EXPECT_EQ(verification.rows, 1U);
  }
}

TEST_F(DamageTest, ARemovedRowIsFound) {
  fill(4);
  const std::string whole = read_file(file());
  tamper("DROP TRIGGER journal_keeps; DELETE FROM journal WHERE id = 2");
  EXPECT_EQ(open().value()->verify().value().bad_id, 2U);
  write_file(file(), whole);
  tamper("DROP TRIGGER journal_keeps; DELETE FROM journal WHERE id = 4");
  EXPECT_EQ(expect_refusal().code, ErrorCode::kMalformed);
  write_file(file(), whole);
  tamper("DELETE FROM head");
  EXPECT_EQ(expect_refusal().code, ErrorCode::kMalformed);
}

TEST_F(DamageTest, RowsInAnotherOrderAreFound) {
  fill(4);
  tamper(
      "DROP TRIGGER journal_stays; UPDATE journal SET id = 99 WHERE id = 2;"
      "UPDATE journal SET id = 2 WHERE id = 3; UPDATE journal SET id = 3 WHERE id = 99");
  const Verification verification = open().value()->verify().value();
  EXPECT_EQ(verification.bad_id, 2U);
  EXPECT_THAT(verification.problem, HasSubstr("was changed"));
}

// Whoever can write the file can end the journal earlier; what he cannot change is a head that was
// kept elsewhere.
TEST_F(DamageTest, AnEndThatIsMissingIsFoundByTheHeadThatWasKept) {
  fill(4);
  const ChainHead kept = open().value()->verify().value().head;
  tamper(
      "DROP TRIGGER journal_keeps; DELETE FROM journal WHERE id = 4;"
      "UPDATE head SET id = 3, hash = (SELECT hash FROM journal WHERE id = 3)");
  auto store = open().value();
  EXPECT_TRUE(store->verify().value().ok());
  Verification asked;
  asked.known = kept;
  Verification found = store->verify_some(asked, 100).value();
  EXPECT_EQ(found.bad_id, 4U);
  EXPECT_THAT(found.problem, HasSubstr("had 4 entries once: its end is missing"));
  // Another end in its place.
  Journalist journalist;
  for (int i = 0; i < 3; ++i) static_cast<void>(journalist.next());
  JournalEntry other = journalist.next();
  other.reason = "another story";
  ASSERT_TRUE(store->write(batch_of(other)).has_value());
  found = store->verify_some(asked, 100).value();
  EXPECT_EQ(found.bad_id, 4U);
  EXPECT_THAT(found.problem, HasSubstr("not the one that was kept"));
}

TEST_F(DamageTest, AFileIsCheckedWithoutAStore) {
  EXPECT_EQ(verify_state_file(dir(), {}).error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(dir()));
  fill(4);
  // The end and its head, which opening would refuse without saying more.
  tamper("DROP TRIGGER journal_keeps; DELETE FROM journal WHERE id = 4");
  const std::string before = read_file(file());
  Verification asked;
  asked.rollout = "checkout";
  const Verification found = verify_state_file(dir(), asked).value();
  EXPECT_EQ(found.bad_id, 4U);
  EXPECT_EQ(found.rows_of_rollout, 3U);
  EXPECT_THAT(found.problem, HasSubstr("the end of the journal is missing"));
  EXPECT_TRUE(read_file(file()) == before);
  tamper(
      "INSERT INTO journal SELECT 4, rollout, 4, at_ms, actor, event, from_state, to_state, "
      "step, weight_before, weight_after, cause, reason, evidence, sentence, state, hash FROM "
      "journal WHERE id = 3; UPDATE head SET id = 4");
  EXPECT_THAT(verify_state_file(dir(), {}).value().problem, HasSubstr("was changed"));
}

std::set<std::string> files_in(const std::string& folder) {
  std::set<std::string> names;
  for (const auto& each : std::filesystem::directory_iterator(folder)) {
    names.insert(each.path().filename().string());
  }
  return names;
}

// A lock of another user would keep the daemon from starting.
TEST_F(DamageTest, ACheckOfAFileThatWasPutBackMakesNothing) {
  fill(4);
  ASSERT_TRUE(std::filesystem::remove(dir() + "/lock"));
  const auto before = files_in(dir());
  EXPECT_EQ(before, std::set<std::string>{"state.db"});
  EXPECT_EQ(verify_state_file(dir(), {}).value().rows, 4U);
  EXPECT_EQ(files_in(dir()), before);
  EXPECT_TRUE(open().has_value());
}

// Whoever reads a pipe waits for ever.
TEST_F(DamageTest, ACheckReadsRegularFilesOnly) {
  fill(4);
  const std::string file = dir() + "/state.db";
  ASSERT_TRUE(std::filesystem::remove(dir() + "/lock"));
  ASSERT_EQ(::mkfifo((dir() + "/lock").c_str(), 0600), 0);
  EXPECT_EQ(verify_state_file(dir(), {}).value().rows, 4U);
  for (const std::string& odd : {file + "-wal", file}) {
    std::filesystem::remove(odd);
    ASSERT_EQ(::mkfifo(odd.c_str(), 0600), 0);
    EXPECT_EQ(verify_state_file(dir(), {}).error().context, odd + " is not a regular file");
  }
}

TEST_F(DamageTest, ACheckReadsTheWriteAheadLogAndLeavesIt) {
  // A name that would be a URI with parameters.
  const std::string copy = root_ + "/a?b=c#d%20";
  {
    auto store = open().value();
    Journalist journalist;
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(store->write(batch_of(journalist.next())).has_value());
    std::filesystem::create_directory(copy);
    for (const char* const name : {"/state.db", "/state.db-wal"}) {
      std::filesystem::copy_file(dir() + name, copy + name);
    }
    const auto in_use = verify_state_file(dir(), {});
    EXPECT_EQ(in_use.error().code, ErrorCode::kRefused);
    EXPECT_THAT(in_use.error().context, HasSubstr("canaryctl history --verify"));
  }
  const std::string log = read_file(copy + "/state.db-wal");
  const std::string content = read_file(copy + "/state.db");
  ASSERT_FALSE(log.empty());
  EXPECT_EQ(verify_state_file(copy, {}).value().rows, 4U);
  EXPECT_EQ(files_in(copy), (std::set<std::string>{"state.db", "state.db-wal"}));
  EXPECT_TRUE(read_file(copy + "/state.db-wal") == log);
  EXPECT_TRUE(read_file(copy + "/state.db") == content);
  std::filesystem::remove(copy + "/state.db-wal");
  static_cast<void>(verify_state_file(copy, {}));
  EXPECT_EQ(files_in(copy), std::set<std::string>{"state.db"});
}

TEST_F(DamageTest, ALockThatCannotBeWrittenIsNamed) {
  fill(1);
  std::filesystem::remove(dir() + "/lock");
  std::filesystem::create_directory(dir() + "/lock");
  EXPECT_THAT(open().error().context, HasSubstr("cannot write " + dir() + "/lock"));
}

TEST_F(DamageTest, AnOlderSchemaIsBroughtUpToDate) {
  fill(4);
  tamper(std::string(kWithoutPruned) + "PRAGMA user_version = 4");
  const std::string before = read_file(file());
  EXPECT_TRUE(verify_state_file(dir(), {}).value().ok());
  EXPECT_TRUE(read_file(file()) == before);
  auto store = open().value();
  EXPECT_EQ(store->verify().value().rows, 4U);
  EXPECT_EQ(store->history({}).value().size(), 4U);
  EXPECT_TRUE(store->prune({}, 0).has_value());
}

TEST_F(DamageTest, AStateChangedByHandIsNotTakenUp) {
  fill(4);
  tamper(
      "DROP TRIGGER journal_stays; UPDATE journal SET state = replace(state, '100', '9000')"
      " WHERE id = 4");
  const auto latest = open().value()->latest();
  ASSERT_FALSE(latest.has_value());
  EXPECT_EQ(latest.error().code, ErrorCode::kMalformed);
  EXPECT_THAT(latest.error().context, HasSubstr("row 4"));
}

TEST_F(DamageTest, ChangedEvidenceIsFound) {
  fill(4);
  tamper("UPDATE evidence SET data = CAST(x'0102' || substr(data, 3) AS BLOB) WHERE place = 2");
  auto store = open().value();
  EXPECT_EQ(store->evidence({"checkout", 1, 0, 10}).error().code, ErrorCode::kMalformed);
  EXPECT_TRUE(store->verify().value().ok());
}

TEST_F(DamageTest, TheJournalCannotBeChangedByAccident) {
  fill(2);
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(file().c_str(), &handle), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(handle, "DELETE FROM journal", nullptr, nullptr, nullptr),
            SQLITE_CONSTRAINT);
  EXPECT_EQ(sqlite3_exec(handle, "UPDATE journal SET reason = ''", nullptr, nullptr, nullptr),
            SQLITE_CONSTRAINT);
  sqlite3_close(handle);
}

TEST_F(DamageTest, AFileInPlaceOfTheDirectoryIsAClearError) {
  write_file(dir(), "");
  const auto result = open();
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(result.error().context, HasSubstr(dir() + " is not a directory"));
  const auto below = open_sqlite_store({dir() + "/deeper", 0});
  ASSERT_FALSE(below.has_value());
  EXPECT_THAT(below.error().context, HasSubstr(dir()));
}

TEST_F(DamageTest, ADirectoryThatCannotBeWrittenIsAClearError) {
  // Root may write anywhere but in the kernel's own tree.
  const auto result = open_sqlite_store({"/proc/self/canaryd", 0});
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().context, HasSubstr("/proc/self/canaryd"));
  const auto existing = open_sqlite_store({"/proc/self", 0});
  ASSERT_FALSE(existing.has_value());
  EXPECT_THAT(existing.error().code, AnyOf(ErrorCode::kPermission, ErrorCode::kIo));
}

TEST_F(DamageTest, ADirectoryInPlaceOfTheFileIsAClearError) {
  std::filesystem::create_directories(file());
  const auto result = open();
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().context, HasSubstr(file()));
}

}  // namespace
}  // namespace canaryd::store
