// What was acknowledged survives: a writer that is killed, and a log that was cut anywhere.
#include "state_fixture.hpp"

#include <array>
#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

namespace canaryd::store {
namespace {

using namespace test;
using CrashTest = StateFixture;

constexpr int kRowsPerWriter = 400;

// Writes rows until it is killed; one byte to the pipe for each row that was acknowledged.
[[noreturn]] void write_until_killed(const std::string& dir, int acknowledged) {
  auto store = open_sqlite_store({dir, 0});
  if (!store) ::_exit(3);
  Journalist journalist;
  for (int i = 0; i < kRowsPerWriter; ++i) {
    Batch batch = batch_of(journalist.next());
    batch.evidence.push_back(block(static_cast<std::uint64_t>(i)));
    if (!(*store)->write(batch)) ::_exit(4);
    if (::write(acknowledged, "x", 1) != 1) ::_exit(5);
  }
  // Ends without closing, like a crash.
  ::_exit(0);
}

constexpr std::size_t kTogether = 5;

// The same, several rows at a time; one byte for each of them.
[[noreturn]] void write_together_until_killed(const std::string& dir, int acknowledged) {
  auto store = open_sqlite_store({dir, 0});
  if (!store) ::_exit(3);
  Journalist journalist;
  std::uint64_t place = 0;
  while (place < kRowsPerWriter) {
    std::array<Batch, kTogether> batches;
    std::vector<const Batch*> pointers;
    for (Batch& batch : batches) {
      batch = batch_of(journalist.next());
      batch.evidence.push_back(block(place++));
      pointers.push_back(&batch);
    }
    for (const Result<void>& each : (*store)->write_each(pointers)) {
      if (!each) ::_exit(4);
    }
    if (::write(acknowledged, "xxxxx", kTogether) != kTogether) ::_exit(5);
  }
  ::_exit(0);
}

// Reads `until` acknowledgements, kills the writer, and reads what else it got out before it died.
std::size_t run_and_kill(const std::string& dir,
                         std::size_t until,
                         void (*writer)(const std::string&, int) = write_until_killed) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe(ends.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    writer(dir, ends[1]);
  }
  ::close(ends[1]);
  std::size_t count = 0;
  char byte = 0;
  while (count < until && ::read(ends[0], &byte, 1) == 1) ++count;
  EXPECT_EQ(::kill(child, SIGKILL), 0);
  while (::read(ends[0], &byte, 1) == 1) ++count;
  ::close(ends[0]);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0) << WEXITSTATUS(status);
  return count;
}

void expect_prefix(const std::string& dir, std::size_t at_least) {
  auto store = open_sqlite_store({dir, 0});
  ASSERT_TRUE(store.has_value()) << store.error().context;
  const Verification verification = (*store)->verify().value();
  EXPECT_TRUE(verification.ok()) << verification.problem;
  EXPECT_GE(verification.rows, at_least);
  const auto rows = (*store)->history({"", kMaxHistoryRows, 0}).value();
  const auto evidence = (*store)->evidence({"checkout", 1, 0, kMaxEvidenceRows}).value();
  ASSERT_EQ(rows.size(), verification.rows);
  EXPECT_EQ(evidence.size(), rows.size()) << "half a batch";
  Journalist journalist;
  for (const JournalRow& row : rows) ASSERT_EQ(row.entry, journalist.next());
}

TEST_F(CrashTest, WhatWasWrittenTogetherSurvivesAKillTogether) {
  for (std::size_t until = 0; until < 60; until += 6) {
    SCOPED_TRACE("killed after " + std::to_string(until) + " rows");
    const std::string state = root_ + "/together" + std::to_string(until);
    const std::size_t acknowledged = run_and_kill(state, until, write_together_until_killed);
    expect_prefix(state, acknowledged);
    EXPECT_EQ(open_sqlite_store({state, 0}).value()->verify().value().rows % kTogether, 0U);
    if (HasFailure()) return;
  }
}

TEST_F(CrashTest, EveryAcknowledgedRowSurvivesAKill) {
  for (std::size_t until = 0; until < 60; until += until < 8 ? 1 : 4) {
    SCOPED_TRACE("killed after " + std::to_string(until) + " rows");
    const std::string state = root_ + "/killed" + std::to_string(until);
    const std::size_t acknowledged = run_and_kill(state, until);
    EXPECT_GE(acknowledged, until);
    expect_prefix(state, acknowledged);
    if (HasFailure()) return;
  }
}

// The same, and takes out what is old after each row.
[[noreturn]] void prune_until_killed(const std::string& dir, int acknowledged) {
  auto store = open_sqlite_store({dir, 0});
  if (!store) ::_exit(3);
  Journalist journalist;
  for (int i = 0; i < kRowsPerWriter; ++i) {
    if (!(*store)->write(batch_of(i % 4 == 3 ? journalist.end() : journalist.next()))) ::_exit(4);
    PruneRule rule;
    rule.newest = 5;
    if (!(*store)->prune(rule, 0)) ::_exit(6);
    if (::write(acknowledged, "x", 1) != 1) ::_exit(5);
  }
  ::_exit(0);
}

TEST_F(CrashTest, TheChainSurvivesAKillInASweep) {
  for (std::size_t until = 12; until < 60; until += 9) {
    SCOPED_TRACE("killed after " + std::to_string(until) + " rows");
    const std::string state = root_ + "/pruned" + std::to_string(until);
    const std::size_t acknowledged = run_and_kill(state, until, prune_until_killed);
    auto store = open_sqlite_store({state, 0});
    ASSERT_TRUE(store.has_value()) << store.error().context;
    const Verification verification = (*store)->verify().value();
    EXPECT_TRUE(verification.ok()) << verification.problem;
    EXPECT_GE((*store)->latest().value().at(0).entry.generation, acknowledged);
    EXPECT_GT(verification.pruned, 0U);
    if (HasFailure()) return;
  }
}

TEST_F(CrashTest, ALogThatWasCutAnywhereGivesAPrefix) {
  const std::string source = root_ + "/source";
  const std::size_t acknowledged = run_and_kill(source, 40);
  ASSERT_GE(acknowledged, 40U);
  const std::string database = read_file(source + "/state.db");
  const std::string log = read_file(source + "/state.db-wal");
  ASSERT_GT(log.size(), 100'000U);
  // The schema must be there; from then on every length is a possible end.
  const std::size_t first = 60'000;
  std::size_t last_rows = 0;
  for (std::size_t length = first; length <= log.size(); length += 9001) {
    SCOPED_TRACE("cut at " + std::to_string(length));
    const std::string state = root_ + "/cut";
    std::filesystem::remove_all(state);
    std::filesystem::create_directory(state);
    write_file(state + "/state.db", database);
    write_file(state + "/state.db-wal", log.substr(0, length));
    expect_prefix(state, last_rows);
    if (HasFailure()) return;
    last_rows = open_sqlite_store({state, 0}).value()->verify().value().rows;
  }
  EXPECT_GT(last_rows, 10U);
}

}  // namespace
}  // namespace canaryd::store
