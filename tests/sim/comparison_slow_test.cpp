// ctest -L slow -R Comparison -V prints the table of docs/statistics.md. What is asserted is ours:
// what the models of other tools do is shown, not judged.
#include "sim/comparison.hpp"

#include <gtest/gtest.h>

namespace canaryd::sim {
namespace {

TEST(Comparison, TheSameTrafficJudgedByFourRules) {
  constexpr int kRuns = 200;
  print_contest_head();
  std::uint64_t seed = 600'000;
  for (const Contest& contest : contests()) {
    const Summary ours = hold_contest(contest, seed, kRuns).front().summary;
    const int wrong = contest.canary_is_bad ? ours.promoted : ours.rolled_back;
    EXPECT_LE(wrong, contest.canary_is_bad ? kRuns / 20 : kRuns / 50)
        << contest.name << ", seeds from " << seed;
    seed += 1000;
  }
}

}  // namespace
}  // namespace canaryd::sim
