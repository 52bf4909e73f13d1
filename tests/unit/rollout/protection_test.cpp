// The rules about the gate that control and the simulation share.
#include "canaryd/rollout/protection.hpp"

#include "canaryd/base/random.hpp"

#include <gtest/gtest.h>

namespace canaryd::rollout {
namespace {

using Order = GateDecision::Order;

const FailureShares kWell{0, 1.0};
const FailureShares kBoth{0.6, 1.0};

State in(Phase phase) {
  State state;
  state.phase = phase;
  return state;
}

// One look, with nothing known of the probes before.
std::optional<GateDecision> look_once(Phase phase,
                                      const GateLevel& level,
                                      std::uint64_t probes_failed,
                                      const FailureShares& shares) {
  FailedProbes probes;
  return look_at_gate(in(phase), level, probes_failed, shares, probes);
}

// So many failed probes in a row, all of them while stable fails so many of so many requests.
std::uint64_t needed(double stable, double requests, std::uint64_t probes_failed = 3) {
  FailedProbes probes;
  probes.observe({.open = true, .bad_probes = 1}, {stable, 1.0, requests});
  return probes.needed(probes_failed);
}

TEST(Protection, AShutGateSuspends) {
  EXPECT_FALSE(look_once(Phase::kProgressing, {}, 3, kWell));
  const auto open = look_once(Phase::kProgressing, {.open = true}, 3, kWell);
  ASSERT_TRUE(open);
  EXPECT_EQ(open->order, Order::kNone);
  EXPECT_EQ(std::get<CircuitOpened>(open->what).why, Trip::kCircuit);
  const auto spent = look_once(Phase::kPaused, {.open = true, .spent = true}, 3, kWell);
  ASSERT_TRUE(spent);
  EXPECT_EQ(spent->order, Order::kOpen) << "nothing but the exposure's decision may end it";
  EXPECT_EQ(std::get<CircuitOpened>(spent->what).why, Trip::kExposure);
}

TEST(Protection, FailedProbesRollBackUnlessStableFailsAsWell) {
  GateLevel level{.open = true, .bad_probes = 2};
  EXPECT_FALSE(look_once(Phase::kSuspended, level, 3, kWell));
  level.bad_probes = 3;
  const auto failed = look_once(Phase::kSuspended, level, 3, kWell);
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->order, Order::kNone);
  EXPECT_FALSE(std::get<ProtectionFailed>(failed->what).stable_failing);
  const auto forgiven = look_once(Phase::kSuspended, level, 3, {0.5, std::nullopt});
  ASSERT_TRUE(forgiven);
  EXPECT_EQ(forgiven->order, Order::kForgetProbes);
  EXPECT_TRUE(std::get<ProtectionFailed>(forgiven->what).stable_failing);
  level.spent = true;
  EXPECT_FALSE(look_once(Phase::kSuspended, level, 3, kWell)) << "judge() decides";
}

TEST(Protection, WhereStableFailsRarelyProbesCountAsTheySay) {
  for (const double share : {0.0, 0.01, 0.02, 0.05}) {
    EXPECT_EQ(needed(share, 100), 3U) << share;
    EXPECT_EQ(needed(share, 100, 1), 1U) << share;
  }
  EXPECT_EQ(needed(0, 1), 3U) << "it has not failed at all";
  EXPECT_EQ(needed(0, 0), 3U);
}

TEST(Protection, TheMoreStableFailsTheMoreProbesAreNeeded) {
  EXPECT_EQ(needed(0.2, 1e6), 9U);
  EXPECT_EQ(needed(0.3, 1e6), 12U);
  EXPECT_EQ(needed(0.45, 1e6), 18U);
  EXPECT_EQ(needed(0.2, 10), 14U) << "of few requests, it may well be a third";
  EXPECT_EQ(needed(0.9, 10), 20U) << "no more than this, whatever went on";
  EXPECT_EQ(needed(0.45, 1e6, 30), 30U);
}

TEST(Protection, AFewFailedProbesAreChanceWhileStableFailsToo) {
  const FailureShares shares{0.3, 0.3, 1e6};
  State state = in(Phase::kSuspended);
  FailedProbes probes;
  GateLevel level{.open = true, .bad_probes = 3};
  const auto chance = look_at_gate(state, level, 3, shares, probes);
  ASSERT_TRUE(chance);
  EXPECT_EQ(chance->order, Order::kNone) << "they go on counting";
  EXPECT_TRUE(std::get<ProtectionFailed>(chance->what).stable_failing);
  state.hold = HoldReason::kEnvironmentDegraded;
  level.bad_probes = 11;
  EXPECT_FALSE(look_at_gate(state, level, 3, shares, probes)) << "that is known";
  level.bad_probes = 12;
  const auto failed = look_at_gate(state, level, 3, shares, probes);
  ASSERT_TRUE(failed);
  EXPECT_FALSE(std::get<ProtectionFailed>(failed->what).stable_failing);
}

TEST(Protection, ProbesThatFailedInAnOutageAreJudgedByItWhenItIsOver) {
  State state = in(Phase::kSuspended);
  state.hold = HoldReason::kEnvironmentDegraded;
  FailedProbes probes;
  const FailureShares outage{0.3, 0.3, 1e6};
  EXPECT_FALSE(look_at_gate(state, {.open = true, .bad_probes = 4}, 3, outage, probes));
  EXPECT_FALSE(look_at_gate(state, {.open = true, .bad_probes = 5}, 3, kWell, probes));
  // One good probe, and they are forgotten.
  EXPECT_FALSE(look_at_gate(state, {.open = true, .good_probes = 1}, 3, kWell, probes));
  const auto failed = look_at_gate(state, {.open = true, .bad_probes = 3}, 3, kWell, probes);
  ASSERT_TRUE(failed);
  EXPECT_FALSE(std::get<ProtectionFailed>(failed->what).stable_failing);
}

// An hour of probes in an outage of both.
TEST(Protection, ACanaryAsGoodAsStableIsNotRolledBack) {
  Random random(1);
  for (const double share : {0.12, 0.2, 0.3, 0.45, 0.6}) {
    State state = in(Phase::kSuspended);
    state.hold = HoldReason::kEnvironmentDegraded;
    FailedProbes probes;
    GateLevel level{.open = true};
    for (int second = 0; second < 3600; ++second) {
      level.bad_probes = random.chance(share) ? level.bad_probes + 1 : 0;
      int failed = 0;
      for (int i = 0; i < 50; ++i) failed += random.chance(share) ? 1 : 0;
      const auto decision = look_at_gate(state, level, 3, {failed / 50.0, share, 50}, probes);
      if (!decision) continue;
      ASSERT_TRUE(std::get<ProtectionFailed>(decision->what).stable_failing) << share;
      if (decision->order == Order::kForgetProbes) level.bad_probes = 0;
    }
  }
}

TEST(Protection, TheLastOfTooManyTripsRollsBack) {
  CircuitTrips trips;
  Monotonic now{};
  const auto trip = [&](const FailureShares& shares, std::uint64_t max) {
    now += std::chrono::seconds(30);
    auto decision = *look_once(Phase::kProgressing, {.open = true}, 3, shares);
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
