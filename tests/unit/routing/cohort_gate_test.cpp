#include "canaryd/routing/cohort_gate.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace canaryd::routing {
namespace {

TEST(CohortGate, LetsNobodyThroughUntilItIsOpened) {
  CohortGate gate;
  EXPECT_EQ(gate.effective(BasisPoints(10000)), BasisPoints(0));
  EXPECT_TRUE(gate.begin(1, BasisPoints(100)));
  EXPECT_EQ(gate.effective(BasisPoints(10000)), BasisPoints(100));
  EXPECT_EQ(gate.effective(BasisPoints(50)), BasisPoints(50));
}

TEST(CohortGate, LoweringNeverRaises) {
  CohortGate gate;
  gate.begin(1, BasisPoints(500));
  EXPECT_FALSE(gate.lower(1, BasisPoints(501)));
  EXPECT_FALSE(gate.lower(1, BasisPoints(500)));
  EXPECT_TRUE(gate.lower(1, BasisPoints(0)));
  EXPECT_FALSE(gate.lower(1, BasisPoints(100)));
  EXPECT_EQ(gate.ceiling(), BasisPoints(0));
}

TEST(CohortGate, IgnoresTheNameOfAnotherGeneration) {
  CohortGate gate;
  gate.begin(7, BasisPoints(500));
  EXPECT_FALSE(gate.lower(6, BasisPoints(0)));
  EXPECT_FALSE(gate.lower(8, BasisPoints(0)));
  EXPECT_FALSE(gate.raise({6, BasisPoints(500)}, BasisPoints(1000)));
  EXPECT_EQ(gate.state(), (GateState{7, BasisPoints(500)}));
}

TEST(CohortGate, GenerationsOnlyGrow) {
  CohortGate gate;
  EXPECT_TRUE(gate.begin(7, BasisPoints(500)));
  EXPECT_FALSE(gate.begin(7, BasisPoints(10000)));
  EXPECT_FALSE(gate.begin(6, BasisPoints(10000)));
  EXPECT_TRUE(gate.begin((std::uint64_t{1} << 48U) - 1, BasisPoints(3)));
  EXPECT_EQ(gate.state(), (GateState{(std::uint64_t{1} << 48U) - 1, BasisPoints(3)}));
}

// Control decided on what it saw; a worker was faster.
TEST(CohortGate, RaisingDoesNotUndoALoweringItHasNotSeen) {
  CohortGate gate;
  gate.begin(1, BasisPoints(500));
  const GateState seen = gate.state();
  EXPECT_TRUE(gate.lower(1, BasisPoints(0)));
  EXPECT_FALSE(gate.raise(seen, BasisPoints(1000)));
  EXPECT_EQ(gate.ceiling(), BasisPoints(0));
  EXPECT_TRUE(gate.raise(gate.state(), BasisPoints(500)));
  EXPECT_EQ(gate.ceiling(), BasisPoints(500));
}

// Many lower at once: the lowest wins, and every value is lowered to by at most one thread.
TEST(CohortGate, TheLowestOfManyWins) {
  CohortGate gate;
  gate.begin(1, BasisPoints(10000));
  std::vector<int> won(4, 0);
  std::vector<std::thread> workers;
  for (unsigned w = 0; w < 4; ++w) {
    workers.emplace_back([&gate, &won, w] {
      for (unsigned to = 9999; to > 100; --to) won[w] += gate.lower(1, BasisPoints(to)) ? 1 : 0;
    });
  }
  for (auto& worker : workers) worker.join();
  EXPECT_EQ(gate.ceiling(), BasisPoints(101));
  EXPECT_LE(won[0] + won[1] + won[2] + won[3], 9999 - 100);
}

}  // namespace
}  // namespace canaryd::routing
