#include "canaryd/routing/cohort_gate.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

namespace canaryd::routing {
namespace {

using namespace std::chrono_literals;

constexpr Monotonic kNow{100s};
constexpr BasisPoints kQuarter{2500};

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
  EXPECT_TRUE(gate.begin((std::uint64_t{1} << 40U) - 1, BasisPoints(3)));
  EXPECT_EQ(gate.state(), (GateState{(std::uint64_t{1} << 40U) - 1, BasisPoints(3)}));
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

// ---- The circuit

TEST(CohortGate, ARunOfFailuresOpensTheCircuit) {
  CohortGate gate;
  gate.begin(7, kQuarter);
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(gate.failed(7, 5, kNow));
  EXPECT_EQ(gate.effective(kQuarter), kQuarter);
  EXPECT_TRUE(gate.failed(7, 5, kNow));
  EXPECT_EQ(gate.state(), (GateState{7, BasisPoints(0), true, false}));
  EXPECT_EQ(gate.effective(kQuarter), BasisPoints(0));
  EXPECT_FALSE(gate.failed(7, 5, kNow)) << "it is open already";
}

TEST(CohortGate, ASuccessBetweenBeginsTheRunAnew) {
  CohortGate gate;
  gate.begin(7, kQuarter);
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 4; ++i) gate.failed(7, 5, kNow);
    gate.succeeded(7);
  }
  EXPECT_FALSE(gate.state().open);
}

TEST(CohortGate, AnotherGenerationsOutcomesCountForNothing) {
  CohortGate gate;
  gate.begin(7, kQuarter);
  for (int i = 0; i < 4; ++i) gate.failed(7, 5, kNow);
  gate.begin(8, kQuarter);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(gate.failed(7, 5, kNow));
  for (int i = 0; i < 4; ++i) gate.failed(8, 5, kNow);
  gate.succeeded(7);
  EXPECT_FALSE(gate.state().open);
  EXPECT_TRUE(gate.failed(8, 5, kNow)) << "what came from the past must not end the run either";
}

TEST(CohortGate, FailuresBeforeItWasShutDoNotOpenItAfterwards) {
  CohortGate gate;
  gate.begin(1, kQuarter);
  gate.lower(1, BasisPoints(0));
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(gate.failed(1, 5, kNow));
  EXPECT_TRUE(gate.raise(gate.state(), kQuarter));
  EXPECT_FALSE(gate.failed(1, 5, kNow));
}

// Control decided on a gate that was shut, and the circuit opened meanwhile; or it was open
// already.
TEST(CohortGate, OnlyCloseLiftsAnOpenCircuit) {
  CohortGate gate;
  gate.begin(1, kQuarter);
  const GateState seen = gate.state();
  for (int i = 0; i < 5; ++i) gate.failed(1, 5, kNow);
  EXPECT_FALSE(gate.raise(seen, BasisPoints(5000)));
  EXPECT_FALSE(gate.raise(gate.state(), BasisPoints(5000)));
  EXPECT_FALSE(gate.close(seen, kQuarter)) << "not the state it was decided on";
  gate.probed(1, false);
  EXPECT_TRUE(gate.close(gate.state(), kQuarter));
  EXPECT_EQ(gate.state(), (GateState{1, kQuarter}));
  EXPECT_EQ(gate.probes(1), (ProbeCount{}));
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(gate.failed(1, 5, kNow));
  EXPECT_TRUE(gate.failed(1, 5, kNow));
}

TEST(CohortGate, ANewGenerationIsNotOpen) {
  CohortGate gate;
  gate.begin(1, kQuarter);
  gate.open(1, kNow);
  gate.begin(2, BasisPoints(0));
  EXPECT_EQ(gate.state(), (GateState{2, BasisPoints(0)}));
  EXPECT_FALSE(gate.claim_probe(2, kNow, true));
}

TEST(CohortGate, OneProbeASecondFromTheGivenTimeOn) {
  CohortGate gate;
  gate.begin(1, kQuarter);
  EXPECT_FALSE(gate.claim_probe(1, kNow, true)) << "the circuit is closed";
  for (int i = 0; i < 5; ++i) gate.failed(1, 5, kNow + 5s);
  EXPECT_FALSE(gate.claim_probe(1, kNow + 4999ms, true));
  EXPECT_TRUE(gate.claim_probe(1, kNow + 5s, true));
  EXPECT_FALSE(gate.claim_probe(1, kNow + 5s, true));
  EXPECT_FALSE(gate.claim_probe(1, kNow + 5999ms, true));
  EXPECT_TRUE(gate.claim_probe(1, kNow + 6s, true));
  EXPECT_FALSE(gate.claim_probe(2, kNow + 60s, true));
}

TEST(CohortGate, AnyRequestProbesOnceNoCoveredOneCame) {
  CohortGate gate;
  gate.begin(1, kQuarter);
  gate.open(1, kNow);
  EXPECT_FALSE(gate.claim_probe(1, kNow + 9999ms, false));
  EXPECT_TRUE(gate.claim_probe(1, kNow + 9999ms, true));
  EXPECT_FALSE(gate.claim_probe(1, kNow + 10s, false));
  EXPECT_TRUE(gate.claim_probe(1, kNow + 21s, false));
}

TEST(CohortGate, ProbesAreCountedInARow) {
  CohortGate gate;
  gate.begin(3, kQuarter);
  gate.open(3, kNow);
  gate.probed(3, false);
  gate.probed(3, false);
  EXPECT_EQ(gate.probes(3), (ProbeCount{0, 2}));
  gate.probed(3, true);
  EXPECT_EQ(gate.probes(3), (ProbeCount{1, 0}));
  gate.probed(2, false);
  EXPECT_EQ(gate.probes(3), (ProbeCount{1, 0}));
  gate.forget_probes(3);
  EXPECT_EQ(gate.probes(3), (ProbeCount{}));
}

// ---- Exposure

TEST(CohortGate, TheFailureOverTheBudgetShutsIt) {
  CohortGate gate;
  gate.begin(4, kQuarter);
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(gate.exposed(4, 20));
  EXPECT_EQ(gate.effective(kQuarter), kQuarter);
  EXPECT_TRUE(gate.exposed(4, 20));
  EXPECT_EQ(gate.state(), (GateState{4, BasisPoints(0), false, true}));
  EXPECT_FALSE(gate.exposed(4, 20)) << "it is spent already";
  EXPECT_EQ(gate.exposure_used(4), 22U);
}

TEST(CohortGate, ABudgetOfNothingEndsWithTheFirst) {
  CohortGate gate;
  gate.begin(1, kQuarter);
  EXPECT_TRUE(gate.exposed(1, 0));
}

TEST(CohortGate, WithoutALimitItOnlyCounts) {
  CohortGate gate;
  gate.begin(1, kQuarter);
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(gate.exposed(1, std::nullopt));
  EXPECT_EQ(gate.exposure_used(1), 1000U);
  EXPECT_EQ(gate.effective(kQuarter), kQuarter);
}

TEST(CohortGate, NothingButAReprieveComesAfterSpent) {
  CohortGate gate;
  gate.begin(1, kQuarter);
  gate.exposed(1, 0);
  gate.open(1, kNow);
  EXPECT_FALSE(gate.raise(gate.state(), kQuarter));
  EXPECT_FALSE(gate.close(gate.state(), kQuarter));
  EXPECT_FALSE(gate.claim_probe(1, kNow + 60s, true));
  const GateState seen = gate.state();
  gate.give_back(1, 1);
  EXPECT_TRUE(gate.reprieve(seen, kNow));
  EXPECT_EQ(gate.state(), (GateState{1, BasisPoints(0), true, false}));
  EXPECT_EQ(gate.exposure_used(1), 0U);
  EXPECT_TRUE(gate.claim_probe(1, kNow, true));
}

TEST(CohortGate, ANewGenerationHasAllOfItsBudget) {
  CohortGate gate;
  gate.begin(1, kQuarter);
  for (int i = 0; i < 5; ++i) gate.exposed(1, 3);
  gate.begin(2, kQuarter);
  EXPECT_EQ(gate.exposure_used(2), 0U);
  EXPECT_FALSE(gate.exposed(1, 0)) << "a request of the past";
  EXPECT_FALSE(gate.exposed(2, 3));
  EXPECT_EQ(gate.exposure_used(2), 1U);
}

TEST(CohortGate, WhatIsRecalledCounts) {
  CohortGate gate;
  gate.begin(1, kQuarter);
  gate.recall(1, 20, 20);
  EXPECT_EQ(gate.effective(kQuarter), kQuarter);
  gate.recall(1, 21, 20);
  EXPECT_TRUE(gate.state().spent);
}

// The last failure is counted, and one of the threads is told that it was over the budget.
TEST(CohortGate, ManyExposeAtOnce) {
  for (int round = 0; round < 50; ++round) {
    CohortGate gate;
    gate.begin(1, kQuarter);
    std::atomic<int> spent{0};
    std::vector<std::thread> workers;
    for (unsigned w = 0; w < 4; ++w) {
      workers.emplace_back([&] {
        for (int i = 0; i < 10; ++i) spent += gate.exposed(1, 20) ? 1 : 0;
      });
    }
    for (auto& worker : workers) worker.join();
    ASSERT_EQ(spent, 1);
    ASSERT_EQ(gate.exposure_used(1), 40U);
    ASSERT_EQ(gate.ceiling(), BasisPoints(0));
  }
}

// Many workers fail at once, and then all want to probe.
TEST(CohortGate, OneOfManyOpensItAndOneProbes) {
  for (int round = 0; round < 50; ++round) {
    CohortGate gate;
    gate.begin(1, kQuarter);
    std::atomic<int> opened{0};
    std::atomic<int> claimed{0};
    std::vector<std::thread> workers;
    for (unsigned w = 0; w < 4; ++w) {
      workers.emplace_back([&] {
        for (int i = 0; i < 10; ++i) opened += gate.failed(1, 5, kNow) ? 1 : 0;
        for (int i = 0; i < 10; ++i) claimed += gate.claim_probe(1, kNow, true) ? 1 : 0;
      });
    }
    for (auto& worker : workers) worker.join();
    ASSERT_EQ(opened, 1);
    ASSERT_EQ(claimed, 1);
    ASSERT_EQ(gate.ceiling(), BasisPoints(0));
  }
}

}  // namespace
}  // namespace canaryd::routing
