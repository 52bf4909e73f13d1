#include "canaryd/stats/dedupe.hpp"

#include "canaryd/base/random.hpp"

#include <gtest/gtest.h>

namespace canaryd::stats {
namespace {

constexpr RolloutId kRollout{1};
constexpr std::int64_t kWindow = 10;

TEST(Dedupe, OneClientCountsOnceInAWindow) {
  DedupeTable table;
  EXPECT_EQ(table.note(kRollout, 42, 100, kWindow), Repeat::kNone);
  EXPECT_EQ(table.note(kRollout, 42, 100, kWindow), Repeat::kRepeated);
  EXPECT_EQ(table.note(kRollout, 42, 109, kWindow), Repeat::kRepeated);
  EXPECT_EQ(table.note(kRollout, 42, 110, kWindow), Repeat::kNone)
      << "the window is that of the failure that counted";
  EXPECT_EQ(table.note(kRollout, 42, 119, kWindow), Repeat::kRepeated);
}

// Whoever fails more often never counts more seldom.
TEST(Dedupe, MoreFailuresAreNotFewer) {
  int last = 0;
  for (const int every : {20, 10, 5, 2, 1}) {
    DedupeTable table;
    int counted = 0;
    for (std::int64_t second = 0; second < 1000; second += every) {
      counted += table.note(kRollout, 42, second, kWindow) == Repeat::kNone ? 1 : 0;
    }
    EXPECT_GE(counted, last) << "a failure every " << every << " s";
    last = counted;
  }
  EXPECT_EQ(last, 100);
}

TEST(Dedupe, NineRepetitionsAreToldApart) {
  DedupeTable table;
  EXPECT_EQ(table.note(kRollout, 42, 100, kWindow), Repeat::kNone);
  for (std::uint32_t i = 0; i < DedupeTable::kRepeatsMax; ++i) {
    EXPECT_EQ(table.note(kRollout, 42, 101, kWindow), Repeat::kRepeated);
  }
  EXPECT_EQ(table.note(kRollout, 42, 102, kWindow), Repeat::kBeyond);
  EXPECT_EQ(table.note(kRollout, 42, 110, kWindow), Repeat::kNone);
  EXPECT_EQ(table.note(kRollout, 42, 111, kWindow), Repeat::kRepeated);
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
