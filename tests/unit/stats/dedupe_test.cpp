#include "canaryd/stats/dedupe.hpp"

#include "canaryd/base/random.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace canaryd::stats {
namespace {

constexpr RolloutId kRollout{1};
constexpr std::int64_t kWindow = 10;

// The seconds at which a client that fails every `every` seconds counts.
std::vector<std::int64_t> counted(std::int64_t every, std::int64_t until) {
  DedupeTable table;
  std::vector<std::int64_t> seconds;
  for (std::int64_t second = 0; second < until; second += every) {
    if (table.note(kRollout, 42, second, kWindow) == Repeat::kNone) seconds.push_back(second);
  }
  return seconds;
}

TEST(Dedupe, OneClientCountsOnceInAWindow) {
  DedupeTable table;
  EXPECT_EQ(table.note(kRollout, 42, 100, kWindow), Repeat::kNone);
  EXPECT_EQ(table.note(kRollout, 42, 100, kWindow), Repeat::kRepeated);
  EXPECT_EQ(table.note(kRollout, 42, 109, kWindow), Repeat::kRepeated);
  EXPECT_EQ(table.note(kRollout, 42, 110, kWindow), Repeat::kNone)
      << "the window is that of the failure that counted";
}

// What is bad for long goes on counting: that one client convicts nobody is not this table's to see
// to.
TEST(Dedupe, WhoeverNeverStopsFailingCountsOnceAWindow) {
  EXPECT_THAT(counted(1, 60), ::testing::ElementsAre(0, 10, 20, 30, 40, 50));
  EXPECT_EQ(counted(1, 6000).size(), 600U);
}

// At each moment whoever fails more often has counted at least as often.
TEST(Dedupe, MoreFailuresAreNotFewer) {
  for (const std::int64_t until : {15, 60, 200, 1000}) {
    std::size_t last = 0;
    for (const std::int64_t every : {40, 20, 10, 5, 1}) {
      const std::size_t now = counted(every, until).size();
      EXPECT_GE(now, last) << "a failure every " << every << " s, until " << until;
      last = now;
    }
  }
}

TEST(Dedupe, NineRepetitionsAreToldApart) {
  DedupeTable table;
  for (const std::int64_t second : {100, 110}) {
    EXPECT_EQ(table.note(kRollout, 42, second, kWindow), Repeat::kNone);
    for (std::uint32_t i = 0; i < DedupeTable::kRepeatsMax; ++i) {
      EXPECT_EQ(table.note(kRollout, 42, second + 1, kWindow), Repeat::kRepeated);
    }
    EXPECT_EQ(table.note(kRollout, 42, second + 9, kWindow), Repeat::kBeyond);
  }
}

// Two clients in one place would push each other out for ever, and each would count each time.
TEST(Dedupe, ManyClientsThatGoOnFailingAreToldApart) {
  constexpr std::uint64_t kClients = 200;
  DedupeTable table;
  std::uint64_t counted = 0;
  for (std::int64_t second = 100; second < 110; ++second) {
    for (std::uint64_t client = 1; client <= kClients; ++client) {
      const Repeat repeat = table.note(kRollout, client * 0x9E37'79B9'7F4A'7C15U, second, kWindow);
      counted += repeat == Repeat::kNone ? 1 : 0;
    }
  }
  EXPECT_EQ(counted, kClients);
}

TEST(Dedupe, OthersAreOthers) {
  DedupeTable table;
  EXPECT_EQ(table.note(kRollout, 42, 100, kWindow), Repeat::kNone);
  EXPECT_EQ(table.note(kRollout, 43, 100, kWindow), Repeat::kNone);
  EXPECT_EQ(table.note(RolloutId{2}, 42, 100, kWindow), Repeat::kNone);
  EXPECT_EQ(table.note(kRollout, 42, 101, kWindow), Repeat::kRepeated);
}

TEST(Dedupe, UnknownClientsAndNoWindowNeverRepeat) {
  DedupeTable table;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(table.note(kRollout, 0, 100, kWindow), Repeat::kNone);
    EXPECT_EQ(table.note(kRollout, 42, 100, 0), Repeat::kNone);
  }
}

TEST(Dedupe, TimeMayStepBackBetweenWorkers) {
  DedupeTable table;
  EXPECT_EQ(table.note(kRollout, 42, 105, kWindow), Repeat::kNone);
  EXPECT_EQ(table.note(kRollout, 42, 103, kWindow), Repeat::kRepeated);
  EXPECT_EQ(table.note(kRollout, 42, 114, kWindow), Repeat::kRepeated);
}

TEST(Dedupe, AFullTableForgetsButNeverInvents) {
  DedupeTable table;
  Random random(1);
  int duplicates = 0;
  for (int i = 0; i < 100'000; ++i) {
    // Each client is new, so none of them may be called a repetition.
    duplicates += table.note(kRollout, random.next(), 100, kWindow) != Repeat::kNone ? 1 : 0;
  }
  EXPECT_EQ(duplicates, 0);
}

}  // namespace
}  // namespace canaryd::stats
