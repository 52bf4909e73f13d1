#include "canaryd/store/sqlite_store.hpp"

#include "state_fixture.hpp"

#include <gmock/gmock.h>

#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace canaryd::store {
namespace {

using namespace test;
using ::testing::HasSubstr;
using SqliteStoreTest = StateFixture;

TEST_F(SqliteStoreTest, RowsAreThereAfterARestart) {
  Journalist journalist;
  std::vector<JournalEntry> written;
  {
    auto store = open().value();
    for (int i = 0; i < 20; ++i) {
      written.push_back(journalist.next());
      ASSERT_TRUE(store->write(batch_of(written.back())).has_value());
    }
  }
  auto store = open().value();
  const auto latest = store->latest().value();
  ASSERT_EQ(latest.size(), 1U);
  EXPECT_EQ(latest[0].entry, written.back());
  EXPECT_EQ(rollout::parse_state(latest[0].entry.state).value(), journalist.state());
  const auto rows = store->history({}).value();
  ASSERT_EQ(rows.size(), written.size());
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i].entry, written[i]);
  const Verification verification = store->verify().value();
  EXPECT_TRUE(verification.ok()) << verification.problem;
  EXPECT_EQ(verification.rows, written.size());
  EXPECT_EQ(verification.head, (ChainHead{rows.back().id, rows.back().hash}));
  EXPECT_EQ(verification.first, written.front().at);
  EXPECT_EQ(verification.last, written.back().at);
}

TEST_F(SqliteStoreTest, TheRowSaysWhatHappened) {
  const JournalEntry entry = Journalist().next();
  EXPECT_EQ(entry.event, "start");
  EXPECT_EQ(entry.from, "idle");
  EXPECT_EQ(entry.to, "progressing");
  EXPECT_EQ(entry.cause, "operator");
  EXPECT_EQ(entry.weight_after, BasisPoints(100));
  EXPECT_THAT(entry.sentence, HasSubstr("started checkout at 1 %"));
}

TEST_F(SqliteStoreTest, FilesBelongToTheirOwnerOnly) {
  auto store = open().value();
  struct stat status {};
  ASSERT_EQ(::stat(dir().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
  ASSERT_EQ(::stat(file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(SqliteStoreTest, LatestIsByRolloutAndHistoryCanBePaged) {
  auto store = open().value();
  Journalist a("a");
  Journalist b("b");
  for (int i = 0; i < 5; ++i) {
    Batch batch = batch_of(a.next());
    batch.entries.push_back(b.next());
    ASSERT_TRUE(store->write(batch).has_value());
  }
  const auto latest = store->latest().value();
  ASSERT_EQ(latest.size(), 2U);
  EXPECT_EQ(latest[0].entry.rollout, "a");
  EXPECT_EQ(latest[1].entry.generation, 5U);

  HistoryQuery query{"b", 2, std::nullopt};
  auto rows = store->history(query).value();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].entry.generation, 4U);
  EXPECT_EQ(rows[1].entry.generation, 5U);
  query.after = 0;
  rows = store->history(query).value();
  EXPECT_EQ(rows[0].entry.generation, 1U);
  query.after = rows[1].id;
  EXPECT_EQ(store->history(query).value()[0].entry.generation, 3U);
  query.after = ~std::uint64_t{0};
  EXPECT_TRUE(store->history(query).value().empty());
  query = {"", 100'000, std::nullopt};
  EXPECT_EQ(store->history(query).value().size(), 10U);
  EXPECT_TRUE(store->history({"nobody", 10, {}}).value().empty());
}

TEST_F(SqliteStoreTest, WritingTheSameAgainChangesNothing) {
  auto store = open().value();
  Batch batch = batch_of(Journalist().next());
  batch.evidence = {block(1), block(2)};
  batch.exposure = {{"checkout", 1, 4}};
  ASSERT_TRUE(store->write(batch).has_value());
  const ChainHead head = store->verify().value().head;
  ASSERT_TRUE(store->write(batch).has_value());
  EXPECT_EQ(store->verify().value().head, head);
  EXPECT_EQ(store->evidence({"checkout", 1, 0, 10}).value().size(), 2U);
}

TEST_F(SqliteStoreTest, ContradictionsAreRefusedAndLeaveNothingBehind) {
  auto store = open().value();
  Journalist journalist;
  const JournalEntry first = journalist.next();
  const JournalEntry second = journalist.next();
  ASSERT_TRUE(store->write(batch_of(first)).has_value());
  ASSERT_TRUE(store->write(batch_of(second)).has_value());
  JournalEntry other = second;
  other.reason = "another story";
  EXPECT_EQ(store->write(batch_of(other)).error().code, ErrorCode::kRefused);
  other = first;
  other.generation = 0;
  EXPECT_EQ(store->write(batch_of(other)).error().code, ErrorCode::kRefused);

  Batch half = batch_of(journalist.next());
  half.evidence = {block(1), block(1)};
  half.evidence[1].values = {99};
  const auto refused = store->write(half);
  EXPECT_EQ(refused.error().code, ErrorCode::kRefused);
  EXPECT_EQ(refused.error().retry, Retry::kNever);
  EXPECT_EQ(store->history({}).value().size(), 2U);
  EXPECT_TRUE(store->evidence({"checkout", 1, 0, 10}).value().empty());
  EXPECT_TRUE(store->verify().value().ok());
}

TEST_F(SqliteStoreTest, EvidenceIsReplayedInOrderByRunAndCanBeDropped) {
  auto store = open().value();
  Batch batch;
  for (const std::uint64_t index : {3U, 1U, 2U, 10U}) batch.evidence.push_back(block(index));
  batch.evidence.push_back(block(1, 7));
  batch.evidence[0].kind = EvidenceKind::kStep;
  batch.exposure = {{"checkout", 1, 4}, {"checkout", 7, 2}};
  ASSERT_TRUE(store->write(batch).has_value());
  auto rows = store->evidence({"checkout", 1, 2, 2}).value();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0], block(2));
  EXPECT_EQ(rows[1].kind, EvidenceKind::kStep);

  ASSERT_TRUE(store->drop_evidence("checkout", 7).has_value());
  EXPECT_TRUE(store->evidence({"checkout", 1, 0, 10}).value().empty());
  EXPECT_EQ(store->evidence({"checkout", 7, 0, 10}).value().size(), 1U);
  EXPECT_EQ(store->exposure_used("checkout", 1).value(), 0U);
  EXPECT_EQ(store->exposure_used("checkout", 7).value(), 2U);
}

TEST_F(SqliteStoreTest, ExposureNeverFalls) {
  auto store = open().value();
  for (const std::uint64_t used : {3U, 9U, 5U}) {
    Batch batch;
    batch.exposure = {{"checkout", 1, used}};
    ASSERT_TRUE(store->write(batch).has_value());
  }
  EXPECT_EQ(store->exposure_used("checkout", 1).value(), 9U);
}

TEST_F(SqliteStoreTest, IdleTimeIsWhatWasWrittenLast) {
  auto store = open().value();
  EXPECT_EQ(store->stable_idle("checkout", 1).value(), 0U);
  for (const std::uint64_t idle : {60'000U, 120'000U, 0U, 60'000U}) {
    Batch batch;
    batch.idle = {{"checkout", 1, idle}, {"checkout", 2, 7}};
    ASSERT_TRUE(store->write(batch).has_value());
    EXPECT_EQ(store->stable_idle("checkout", 1).value(), idle);
  }
  ASSERT_TRUE(store->drop_evidence("checkout", 2).has_value());
  EXPECT_EQ(store->stable_idle("checkout", 1).value(), 0U);
  EXPECT_EQ(store->stable_idle("checkout", 2).value(), 7U);
}

TEST_F(SqliteStoreTest, WhatIsTooLongOrTooLargeIsRefused) {
  auto store = open().value();
  JournalEntry entry = Journalist().next();
  entry.reason.assign(kMaxTextBytes + 1, 'x');
  EXPECT_EQ(store->write(batch_of(entry)).error().code, ErrorCode::kLimit);
  entry.reason = std::string("zero\0byte", 9);
  entry.generation = ~std::uint64_t{0};
  EXPECT_EQ(store->write(batch_of(entry)).error().code, ErrorCode::kInvalidArgument);
  entry.generation = 1;
  ASSERT_TRUE(store->write(batch_of(entry)).has_value());
  EXPECT_EQ(store->latest().value()[0].entry, entry);
}

TEST_F(SqliteStoreTest, ASecondOpenerIsRefusedUntilTheFirstIsGone) {
  auto first = open().value();
  const auto second = open();
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::kRefused);
  EXPECT_THAT(second.error().context, HasSubstr(dir()));
  EXPECT_THAT(second.error().context, HasSubstr("process " + std::to_string(::getpid())));
  first.reset();
  EXPECT_TRUE(open().has_value());
}

TEST_F(SqliteStoreTest, AFullDiskIsReportedAndTheStoreGoesOnWhenThereIsSpace) {
  auto store = open(20).value();
  Journalist journalist;
  std::vector<JournalEntry> written;
  Result<void> result;
  JournalEntry entry;
  for (int i = 0; i < 1000 && result; ++i) {
    entry = journalist.next();
    result = store->write(batch_of(entry));
    if (result) written.push_back(entry);
  }
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kIo);
  EXPECT_EQ(result.error().retry, Retry::kSafe);
  EXPECT_THAT(result.error().context, HasSubstr("full"));
  EXPECT_THAT(result.error().context, HasSubstr(file()));
  EXPECT_EQ(store->history({}).value().size(), written.size());
  store.reset();

  store = open().value();
  ASSERT_TRUE(store->write(batch_of(entry)).has_value());
  EXPECT_EQ(store->latest().value()[0].entry, entry);
  EXPECT_TRUE(store->verify().value().ok());
}

void expect_missing(Store& store, const JournalEntry& entry, const std::string& path) {
  const auto result = store.write(batch_of(entry));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().retry, Retry::kSafe) << "it may be put back";
  EXPECT_THAT(result.error().context,
              HasSubstr(path + " has been removed or replaced under the daemon"));
  EXPECT_FALSE(store.probe().has_value());
  EXPECT_FALSE(store.prune({}, 0).has_value());
}

TEST_F(SqliteStoreTest, NothingIsWrittenIntoAFileThatIsNotThereAnyMore) {
  auto store = open().value();
  Journalist journalist;
  ASSERT_TRUE(store->write(batch_of(journalist.next())).has_value());
  EXPECT_TRUE(store->probe().has_value());
  const JournalEntry entry = journalist.next();
  const std::string elsewhere = dir() + "/elsewhere.db";
  std::filesystem::rename(file(), elsewhere);
  expect_missing(*store, entry, file());
  write_file(file(), "of somebody else");
  expect_missing(*store, entry, file());
  EXPECT_EQ(store->history({}).value().size(), 1U) << "it can be read";
  EXPECT_EQ(read_file(file()), "of somebody else");

  std::filesystem::rename(elsewhere, file());
  EXPECT_TRUE(store->probe().has_value());
  EXPECT_TRUE(store->write(batch_of(entry)).has_value());
  store.reset();
  EXPECT_EQ(open().value()->history({}).value().size(), 2U);
}

TEST_F(SqliteStoreTest, WhatIsPutInItsPlaceIsLeftAlone) {
  auto store = open().value();
  Journalist journalist;
  ASSERT_TRUE(store->write(batch_of(journalist.next())).has_value());
  for (const auto& each : std::filesystem::directory_iterator(dir())) {
    std::filesystem::remove(each.path());
  }
  write_file(file(), "a copy");
  write_file(file() + "-wal", "what a copy has not in it yet");
  expect_missing(*store, journalist.next(), file());
  store.reset();
  EXPECT_EQ(read_file(file()), "a copy");
  EXPECT_EQ(read_file(file() + "-wal"), "what a copy has not in it yet");
}

// Its content is in nobody's hands but ours: the close still finds it.
TEST_F(SqliteStoreTest, ALogThatIsRemovedIsSavedByTheNextStop) {
  Journalist journalist;
  Journalist other("other");
  for (const char* const suffix : {"-wal", "-shm"}) {
    auto store = open().value();
    ASSERT_TRUE(store->write(batch_of(journalist.next())).has_value());
    ASSERT_TRUE(std::filesystem::remove(file() + suffix));
    const JournalEntry kept = other.next();
    expect_missing(*store, kept, file() + suffix);
    EXPECT_THAT(store->probe().error().context, HasSubstr("in the ordinary way"));
    // What was decided since is written at the end, and found.
    store->begin_close();
    EXPECT_TRUE(store->write(batch_of(kept)).has_value());
    store.reset();
  }
  EXPECT_EQ(open().value()->history({}).value().size(), 4U);
}

TEST_F(SqliteStoreTest, ALockThatIsRemovedIsTakenAgain) {
  auto store = open().value();
  Journalist journalist;
  const std::string path = dir() + "/lock";
  ASSERT_TRUE(std::filesystem::remove(path));
  EXPECT_TRUE(store->probe().has_value());
  EXPECT_EQ(open().error().code, ErrorCode::kRefused);
  EXPECT_EQ(read_file(path), std::to_string(::getpid()) + "\n");

  // Somebody else was faster.
  ASSERT_TRUE(std::filesystem::remove(path));
  write_file(path, "");
  const int other = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::flock(other, LOCK_EX | LOCK_NB), 0);
  const JournalEntry entry = journalist.next();
  const auto refused = store->write(batch_of(entry));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().retry, Retry::kSafe);
  EXPECT_THAT(refused.error().context, HasSubstr("is in use by"));
  ::close(other);
  EXPECT_TRUE(store->write(batch_of(entry)).has_value());
  EXPECT_EQ(open().error().code, ErrorCode::kRefused);
}

Comment comment(std::uint64_t place, std::string text, std::string rollout = "checkout") {
  return {std::move(rollout),
          WallTime(std::chrono::seconds(1)),
          place,
          "canary",
          2,
          "browser",
          std::move(text)};
}

TEST_F(SqliteStoreTest, TheNewestCommentsAreKept) {
  Batch batch;
  for (std::uint64_t i = 0; i < kMaxComments + 5; ++i) batch.comments.push_back(comment(i, "x"));
  batch.comments.push_back(comment(7, "of another", "pay"));
  {
    auto store = open().value();
    ASSERT_TRUE(store->write(batch).has_value());
    ASSERT_TRUE(store->write(batch).has_value()) << "the same again changes nothing";
  }
  auto store = open().value();
  const auto kept = store->comments("checkout", 100'000).value();
  ASSERT_EQ(kept.size(), kMaxComments);
  EXPECT_EQ(kept.front(), comment(5, "x"));
  EXPECT_EQ(kept.back(), comment(kMaxComments + 4, "x"));
  EXPECT_EQ(store->comments("checkout", 2).value().size(), 2U);
  EXPECT_EQ(store->comments("checkout", 2).value().back(), kept.back());
  EXPECT_EQ(store->comments("pay", 10).value(), std::vector{comment(7, "of another", "pay")});
  EXPECT_TRUE(store->comments("nobody", 10).value().empty());
}

TEST_F(SqliteStoreTest, AStateOfTheFirstSchemaIsBroughtUpToDate) {
  Journalist journalist;
  ASSERT_TRUE(open().value()->write(batch_of(journalist.next())).has_value());
  tamper(std::string(kWithoutPruned) +
         "DROP TABLE stable_idle; DROP TABLE reader; DROP TABLE comments; PRAGMA user_version = 1");
  auto store = open().value();
  Batch batch = batch_of(journalist.next());
  batch.comments = {comment(1, "hello")};
  ASSERT_TRUE(store->write(batch).has_value());
  EXPECT_EQ(store->history({}).value().size(), 2U);
  EXPECT_EQ(store->comments("checkout", 10).value().size(), 1U);
}

}  // namespace
}  // namespace canaryd::store
