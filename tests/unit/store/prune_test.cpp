// What retention takes out, what it may not, and that the chain goes on over it.
#include "state_fixture.hpp"

#include <gmock/gmock.h>

namespace canaryd::store {
namespace {

using namespace test;
using ::testing::HasSubstr;

constexpr WallTime kFarAway{std::chrono::seconds(2'000'000'000)};

class PruneTest : public StateFixture {
 protected:
  void write(Store& store, Journalist& journalist, int rows) {
    for (int i = 0; i < rows; ++i) {
      ASSERT_TRUE(store.write(batch_of(journalist.next())).has_value());
    }
  }
  static PruneRule everything() {
    PruneRule rule;
    rule.before = kFarAway;
    rule.now = kFarAway;
    return rule;
  }
  // A whole sweep.
  static Pruned sweep(Store& store, const PruneRule& rule) {
    Pruned all;
    std::optional<std::uint64_t> at = 0;
    while (at) {
      const auto part = store.prune(rule, *at);
      EXPECT_TRUE(part.has_value()) << describe(part.error());
      if (!part) break;
      all.entries += part->entries;
      all.evidence += part->evidence;
      at = part->next_id;
    }
    return all;
  }
  static std::vector<std::uint64_t> ids(Store& store, const std::string& rollout) {
    std::vector<std::uint64_t> found;
    const auto rows = store.history({rollout, kMaxHistoryRows, 0});
    for (const JournalRow& row : rows.value()) found.push_back(row.id);
    return found;
  }
  static void expect_whole(Store& store, std::uint64_t pruned) {
    const Verification found = store.verify().value();
    EXPECT_TRUE(found.ok()) << *found.bad_id << ": " << found.problem;
    EXPECT_EQ(found.pruned, pruned);
  }
};

TEST_F(PruneTest, OnlyWhatIsOverGoesAndItsLastRowStays) {
  auto store = open().value();
  Journalist over("over");
  Journalist live("live");
  write(*store, over, 5);
  write(*store, live, 3);
  ASSERT_TRUE(store->write(batch_of(over.end())).has_value());  // Row 9.
  EXPECT_EQ(sweep(*store, everything()).entries, 5U);
  EXPECT_EQ(ids(*store, "over"), (std::vector<std::uint64_t>{9}));
  EXPECT_EQ(ids(*store, "live"), (std::vector<std::uint64_t>{6, 7, 8}));
  expect_whole(*store, 5);
  const auto latest = store->latest().value();
  ASSERT_EQ(latest.size(), 2U);
  EXPECT_EQ(latest[1].entry.to, "aborted");
  const auto all = store->history({}).value();
  EXPECT_THAT(all.back().entry.sentence, HasSubstr("retention took out 5 entries, 5 in all"));
  EXPECT_EQ(all.back().entry.at, kFarAway);
}

TEST_F(PruneTest, OfWhatRunsAgainStayTheRowsSinceItWasOver) {
  auto store = open().value();
  Journalist journalist;
  write(*store, journalist, 4);
  ASSERT_TRUE(store->write(batch_of(journalist.end())).has_value());  // Row 5.
  write(*store, journalist, 3);                                       // 6 to 8.
  EXPECT_EQ(sweep(*store, everything()).entries, 5U);
  EXPECT_EQ(ids(*store, "checkout"), (std::vector<std::uint64_t>{6, 7, 8}));
  expect_whole(*store, 5);
}

TEST_F(PruneTest, TheJournalGoesOnAfterARestart) {
  Journalist journalist;
  {
    auto store = open().value();
    write(*store, journalist, 9);
    ASSERT_TRUE(store->write(batch_of(journalist.end())).has_value());
    EXPECT_EQ(sweep(*store, everything()).entries, 9U);
  }
  auto store = open().value();
  EXPECT_EQ(rollout::parse_state(store->latest().value().at(0).entry.state).value(),
            journalist.state());
  write(*store, journalist, 2);
  expect_whole(*store, 9);
}

TEST_F(PruneTest, LaterSweepsTakeOutWhatHadToStay) {
  auto store = open().value();
  Journalist a("a");
  Journalist b("b");
  for (int i = 0; i < 3; ++i) {
    write(*store, a, 2);
    write(*store, b, 2);
  }
  ASSERT_TRUE(store->write(batch_of(b.end())).has_value());  // Row 13.
  EXPECT_EQ(sweep(*store, everything()).entries, 6U);
  EXPECT_EQ(ids(*store, "a"), (std::vector<std::uint64_t>{1, 2, 5, 6, 9, 10}));
  expect_whole(*store, 6);
  ASSERT_TRUE(store->write(batch_of(a.end())).has_value());  // Row 15, after that of the sweep.
  EXPECT_EQ(sweep(*store, everything()).entries, 6U);
  EXPECT_EQ(ids(*store, ""), (std::vector<std::uint64_t>{13, 14, 15, 16}));
  expect_whole(*store, 12);
  // What retention has said itself goes with others only.
  const ChainHead head = store->verify().value().head;
  EXPECT_EQ(sweep(*store, everything()).entries, 0U);
  EXPECT_EQ(store->verify().value().head, head);
}

TEST_F(PruneTest, WhatIsYoungOrAmongTheNewestStays) {
  auto store = open().value();
  Journalist journalist;
  write(*store, journalist, 20);
  ASSERT_TRUE(store->write(batch_of(journalist.end())).has_value());
  const auto rows = store->history({}).value();
  PruneRule rule;
  rule.before = rows[3].entry.at;
  EXPECT_EQ(sweep(*store, rule).entries, 3U);
  rule = {};
  rule.newest = 12;  // The row by which the first sweep told is one of them.
  EXPECT_EQ(sweep(*store, rule).entries, 7U);
  EXPECT_EQ(ids(*store, "").size(), 13U);
  EXPECT_EQ(sweep(*store, PruneRule{}).entries, 0U);
  expect_whole(*store, 10);
}

TEST_F(PruneTest, WhatSomebodyHasStillToReadStays) {
  auto store = open().value();
  Journalist told("told");
  Journalist other("other");
  write(*store, told, 2);
  EXPECT_EQ(store->open_cursor("told http://hook"), 2U);
  write(*store, other, 2);
  write(*store, told, 2);  // 5, 6: not told yet.
  ASSERT_TRUE(store->write(batch_of(told.end())).has_value());
  ASSERT_TRUE(store->write(batch_of(other.end())).has_value());
  PruneRule rule = everything();
  rule.readers = {{"told", "told http://hook"}, {"told", "nobody"}};
  EXPECT_EQ(sweep(*store, rule).entries, 4U);
  EXPECT_EQ(ids(*store, "told"), (std::vector<std::uint64_t>{5, 6, 7}));
  Batch read;
  read.cursors = {{"told http://hook", 7}};
  ASSERT_TRUE(store->write(read).has_value());
  sweep(*store, rule);
  EXPECT_EQ(ids(*store, "told"), (std::vector<std::uint64_t>{7}));
}

TEST_F(PruneTest, ASweepIsDoneInParts) {
  auto store = open().value();
  Journalist journalist;
  write(*store, journalist, 30);
  ASSERT_TRUE(store->write(batch_of(journalist.end())).has_value());
  PruneRule rule = everything();
  rule.journal_rows = 7;
  const Pruned first = store->prune(rule, 0).value();
  EXPECT_EQ(first.entries, 7U);
  EXPECT_EQ(first.next_id, 7U);
  expect_whole(*store, 7);
  EXPECT_GE(sweep(*store, rule).entries, 23U);
  EXPECT_EQ(ids(*store, "checkout").size(), 1U);
}

TEST_F(PruneTest, ACheckUnderWayBearsASweep) {
  auto store = open().value();
  Journalist journalist;
  write(*store, journalist, 30);
  ASSERT_TRUE(store->write(batch_of(journalist.end())).has_value());
  PruneRule rule = everything();
  rule.journal_rows = 5;
  Verification so_far;
  std::optional<std::uint64_t> at = 0;
  while (!so_far.done) {
    so_far = store->verify_some(std::move(so_far), 3).value();
    EXPECT_TRUE(so_far.ok()) << so_far.problem;
    if (at) at = store->prune(rule, *at).value().next_id;
  }
  EXPECT_GT(so_far.pruned, 0U);
  EXPECT_GT(so_far.rows, 3U);
}

TEST_F(PruneTest, EvidenceOfWhatHasEndedGoesFromItsEnd) {
  auto store = open().value();
  Journalist journalist;
  Batch batch = batch_of(journalist.next());
  for (std::uint64_t i = 0; i < 50; ++i) batch.evidence.push_back(block(i));
  ASSERT_TRUE(store->write(batch).has_value());
  EXPECT_EQ(sweep(*store, everything()).evidence, 0U);
  ASSERT_TRUE(store->write(batch_of(journalist.end())).has_value());
  PruneRule rule = everything();
  rule.evidence_rows = 20;
  EXPECT_EQ(store->prune(rule, 0).value().evidence, 20U);
  const auto left = store->evidence({"checkout", 1, 0, 100}).value();
  ASSERT_EQ(left.size(), 30U);
  EXPECT_EQ(left.back().index, 29U);
  EXPECT_EQ(sweep(*store, rule).evidence, 30U);
  rule.before = WallTime{};
  EXPECT_EQ(sweep(*store, rule).evidence, 0U);
}

TEST_F(PruneTest, WhatSomebodyElseTakesOutIsFound) {
  {
    auto store = open().value();
    Journalist over("over");
    Journalist live("live");
    write(*store, over, 3);
    write(*store, live, 3);  // 4 to 6.
    ASSERT_TRUE(store->write(batch_of(over.end())).has_value());
    ASSERT_EQ(sweep(*store, everything()).entries, 3U);
  }
  const std::string whole = read_file(file());
  const auto problem_after = [&](const std::string& sql) {
    write_file(file(), whole);
    tamper(sql);
    return open().value()->verify().value().problem;
  };
  EXPECT_THAT(problem_after("UPDATE pruned SET last_id = 4, hash = (SELECT hash FROM journal WHERE "
                            "id = 4); DELETE FROM journal WHERE id = 4"),
              HasSubstr("says that 3 were taken out, but there are 4 less"));
  EXPECT_THAT(problem_after("UPDATE pruned SET hash = zeroblob(32)"), HasSubstr("was changed"));
  EXPECT_THAT(problem_after("DELETE FROM pruned"), HasSubstr("it is missing"));
  EXPECT_THAT(problem_after("INSERT INTO pruned VALUES (5, 5, zeroblob(32)); DELETE FROM journal "
                            "WHERE id = 5"),
              HasSubstr("was changed"));
}

TEST_F(PruneTest, AHeadThatWasKeptMayHaveBeenTakenOut) {
  auto store = open().value();
  Journalist journalist;
  write(*store, journalist, 4);
  const ChainHead early = store->verify().value().head;
  write(*store, journalist, 4);
  ASSERT_TRUE(store->write(batch_of(journalist.end())).has_value());
  const ChainHead late = store->verify().value().head;
  ASSERT_EQ(sweep(*store, everything()).entries, 8U);
  Verification found;
  found.known = early;
  found = store->verify_some(found, 100).value();
  EXPECT_TRUE(found.ok());
  EXPECT_TRUE(found.known_pruned);
  found = {};
  found.known = late;
  found = store->verify_some(found, 100).value();
  EXPECT_TRUE(found.ok());
  EXPECT_FALSE(found.known_pruned);
}

}  // namespace
}  // namespace canaryd::store
