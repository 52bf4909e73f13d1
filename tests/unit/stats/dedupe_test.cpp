#include "canaryd/stats/dedupe.hpp"

#include "canaryd/base/random.hpp"

#include <gtest/gtest.h>

namespace canaryd::stats {
namespace {

constexpr RolloutId kRollout{1};
constexpr std::int64_t kWindow = 10;

TEST(Dedupe, OneClientCountsOnceWhileItKeepsFailing) {
  DedupeTable table;
  EXPECT_FALSE(table.is_duplicate(kRollout, 42, 100, kWindow));
  EXPECT_TRUE(table.is_duplicate(kRollout, 42, 100, kWindow));
  // Every failure starts the window anew.
  for (std::int64_t second = 109; second < 200; second += 9) {
    EXPECT_TRUE(table.is_duplicate(kRollout, 42, second, kWindow)) << second;
  }
  EXPECT_FALSE(table.is_duplicate(kRollout, 42, 218, kWindow));
}

TEST(Dedupe, OthersAreOthers) {
  DedupeTable table;
  EXPECT_FALSE(table.is_duplicate(kRollout, 42, 100, kWindow));
  EXPECT_FALSE(table.is_duplicate(kRollout, 43, 100, kWindow));
  EXPECT_FALSE(table.is_duplicate(RolloutId{2}, 42, 100, kWindow));
  EXPECT_TRUE(table.is_duplicate(kRollout, 42, 101, kWindow));
}

TEST(Dedupe, UnknownClientsAndNoWindowAreNeverDuplicates) {
  DedupeTable table;
  EXPECT_FALSE(table.is_duplicate(kRollout, 0, 100, kWindow));
  EXPECT_FALSE(table.is_duplicate(kRollout, 0, 100, kWindow));
  EXPECT_FALSE(table.is_duplicate(kRollout, 42, 100, 0));
  EXPECT_FALSE(table.is_duplicate(kRollout, 42, 100, 0));
}

TEST(Dedupe, TimeMayStepBackBetweenWorkers) {
  DedupeTable table;
  EXPECT_FALSE(table.is_duplicate(kRollout, 42, 105, kWindow));
  EXPECT_TRUE(table.is_duplicate(kRollout, 42, 103, kWindow));
  EXPECT_TRUE(table.is_duplicate(kRollout, 42, 114, kWindow));
}

TEST(Dedupe, AFullTableForgetsButNeverInvents) {
  DedupeTable table;
  Random random(1);
  int duplicates = 0;
  for (int i = 0; i < 100'000; ++i) {
    // Each client is new, so none of them may be called a duplicate.
    duplicates += table.is_duplicate(kRollout, random.next(), 100, kWindow) ? 1 : 0;
  }
  EXPECT_EQ(duplicates, 0);
}

}  // namespace
}  // namespace canaryd::stats
