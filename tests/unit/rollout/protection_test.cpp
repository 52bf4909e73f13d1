// The rules about the gate that control and the simulation share.
#include "canaryd/rollout/protection.hpp"

#include <gtest/gtest.h>

namespace canaryd::rollout {
namespace {

using Order = GateDecision::Order;

const FailureShares kWell{0, 1.0};
const FailureShares kBoth{0.6, 1.0};

TEST(Protection, AShutGateSuspends) {
  EXPECT_FALSE(look_at_gate(Phase::kProgressing, {}, 3, kWell));
  const auto open = look_at_gate(Phase::kProgressing, {.open = true}, 3, kWell);
  ASSERT_TRUE(open);
  EXPECT_EQ(open->order, Order::kNone);
  EXPECT_EQ(std::get<CircuitOpened>(open->what).why, Trip::kCircuit);
  const auto spent = look_at_gate(Phase::kPaused, {.open = true, .spent = true}, 3, kWell);
  ASSERT_TRUE(spent);
  EXPECT_EQ(spent->order, Order::kOpen) << "nothing but the exposure's decision may end it";
  EXPECT_EQ(std::get<CircuitOpened>(spent->what).why, Trip::kExposure);
}

TEST(Protection, FailedProbesRollBackUnlessStableFailsAsWell) {
  GateLevel level{.open = true, .bad_probes = 2};
  EXPECT_FALSE(look_at_gate(Phase::kSuspended, level, 3, kWell));
  level.bad_probes = 3;
  const auto failed = look_at_gate(Phase::kSuspended, level, 3, kWell);
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->order, Order::kNone);
  EXPECT_FALSE(std::get<ProtectionFailed>(failed->what).stable_failing);
  const auto forgiven = look_at_gate(Phase::kSuspended, level, 3, {0.5, std::nullopt});
  ASSERT_TRUE(forgiven);
  EXPECT_EQ(forgiven->order, Order::kForgetProbes);
  EXPECT_TRUE(std::get<ProtectionFailed>(forgiven->what).stable_failing);
  level.spent = true;
  EXPECT_FALSE(look_at_gate(Phase::kSuspended, level, 3, kWell)) << "judge() decides";
}

TEST(Protection, TheLastOfTooManyTripsRollsBack) {
  CircuitTrips trips;
  Monotonic now{};
  const auto trip = [&](const FailureShares& shares, std::uint64_t max) {
    now += std::chrono::seconds(30);
    auto decision = *look_at_gate(Phase::kProgressing, {.open = true}, 3, shares);
    trips.judge(decision, shares, now, max);
    return std::holds_alternative<ProtectionFailed>(decision.what);
  };
  EXPECT_FALSE(trip(kWell, 3));
  EXPECT_FALSE(trip(kWell, 3));
  EXPECT_FALSE(trip(kBoth, 3)) << "stable fails as well";
  EXPECT_TRUE(trip(kWell, 3));
  trips.begin();
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(trip(kWell, 3));
  now += CircuitTrips::kWindow;
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(trip(kWell, 3)) << "the others are long ago";
  EXPECT_TRUE(trip(kWell, 3));
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(trip(kWell, 0));
  // What is no trip is left alone.
  GateDecision spent{Order::kOpen, CircuitOpened{Trip::kExposure}};
  trips.judge(spent, kWell, now, 1);
  EXPECT_TRUE(std::holds_alternative<CircuitOpened>(spent.what));
}

TEST(Protection, GoodProbesCloseTheCircuit) {
  GateLevel level{.open = true, .good_probes = kProbesToClose};
  EXPECT_TRUE(closes_circuit(Phase::kSuspended, level));
  EXPECT_FALSE(closes_circuit(Phase::kProgressing, level));
  level.spent = true;
  EXPECT_FALSE(closes_circuit(Phase::kSuspended, level));
  EXPECT_FALSE(closes_circuit(Phase::kSuspended, {.open = true, .good_probes = 4}));
}

TEST(Protection, StableFailsTooFromHalfTheCanarysShareOn) {
  EXPECT_FALSE(stable_fails_too({0, 0.0}));
  EXPECT_FALSE(stable_fails_too({0.1, 0.3}));
  EXPECT_TRUE(stable_fails_too({0.1, 0.2}));
  EXPECT_FALSE(stable_fails_too({0.4, std::nullopt})) << "as if all of the canary's had failed";
  EXPECT_TRUE(stable_fails_too({0.5, std::nullopt}));
}

TEST(Protection, WhatIsOlderThanTheTroubleOfBothIsTheCanarys) {
  ExposureSettling settling;
  EXPECT_EQ(settling.settle(3, kWell), 0U);
  EXPECT_EQ(settling.settle(5, kWell), 0U);  // 3 are settled now.
  EXPECT_EQ(settling.settle(9, kBoth), 6U);  // The 2 of the last second may be of both.
  EXPECT_EQ(settling.settle(3, kBoth), 0U);
  EXPECT_EQ(settling.settle(4, kWell), 0U);
  EXPECT_EQ(settling.settle(4, kWell), 0U);
  EXPECT_EQ(settling.settle(4, kBoth), 0U) << "4 are settled";
  settling.begin(10);
  EXPECT_EQ(settling.settle(12, kBoth), 2U);
}

TEST(Protection, ASpentBudgetIsJudgedWhenItsSecondIsOver) {
  ExposureSettling settling;
  EXPECT_FALSE(settling.judge(true, kWell));
  EXPECT_FALSE(settling.judge(false, kWell));
  EXPECT_FALSE(settling.judge(true, kWell)) << "counted anew";
  const auto failed = settling.judge(true, kWell);
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->order, Order::kNone);
  EXPECT_FALSE(std::get<ProtectionFailed>(failed->what).stable_failing);
  EXPECT_FALSE(settling.judge(true, kBoth));
  const auto forgiven = settling.judge(true, kBoth);
  ASSERT_TRUE(forgiven);
  EXPECT_EQ(forgiven->order, Order::kReprieve);
  EXPECT_TRUE(std::get<ProtectionFailed>(forgiven->what).stable_failing);
}

}  // namespace
}  // namespace canaryd::rollout
