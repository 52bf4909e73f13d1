#include "canaryd/simulate/run.hpp"

#include "unit/simulate/scenarios.hpp"

#include <gtest/gtest.h>

namespace canaryd::simulate {
namespace {

using namespace std::chrono_literals;

TEST(Run, AnIdenticalCanaryIsPromotedStepByStep) {
  const RunResult run = run_rollout(steady(0.001, 0.001), 1);
  EXPECT_EQ(run.outcome, Outcome::kPromoted);
  ASSERT_EQ(run.steps.size(), 5U);
  std::int64_t before = 0;
  for (const StepTime& step : run.steps) {
    ASSERT_TRUE(step.begun && step.passed);
    EXPECT_EQ(*step.begun, before);
    EXPECT_GE(*step.passed - *step.begun, 10);
    before = *step.passed;
  }
  EXPECT_EQ(before, run.seconds);
  EXPECT_EQ(run.users_exposed, 1);
}

TEST(Run, AWorseCanaryIsRolledBackByTheVerdict) {
  const RunResult run = run_rollout(steady(0.01, 0.05), 2);
  EXPECT_EQ(run.outcome, Outcome::kRolledBack);
  EXPECT_EQ(run.cause, rollout::Cause::kVerdict);
  EXPECT_LT(run.seconds, 200);
  EXPECT_EQ(run.user_failures, run.canary_failures);
  EXPECT_FALSE(run.steps[0].passed);
  EXPECT_EQ(run.users_exposed, 0.01) << "those of the first step, though they are back with stable";
}

// So much is tolerated that all traffic together says nothing: 2 % of it, of which 60 % fail.
TEST(Run, ABrokenRouteIsFoundByItsOwnTraffic) {
  Scenario scenario = steady(0.001, 0.001);
  scenario.settings.latency_quantiles = {};
  scenario.settings.tolerance.errors.absolute = 0.02;
  scenario.traffic.broken_route = BrokenRoute{1, 0.02, 0.6};
  EXPECT_EQ(run_rollout(scenario, 1).outcome, Outcome::kPromoted);
  scenario.settings.routes = {"shop", "pay"};
  const RunResult run = run_rollout(scenario, 1);
  EXPECT_EQ(run.outcome, Outcome::kRolledBack);
  EXPECT_EQ(run.cause, rollout::Cause::kVerdict);
  scenario.traffic.broken_route->canary_error_rate = 0.001;
  EXPECT_EQ(run_rollout(scenario, 1).outcome, Outcome::kPromoted);
}

TEST(Run, ASlowerCanaryIsRolledBack) {
  Scenario scenario = steady(0.001, 0.001);
  scenario.traffic.canary_latency = scenario.traffic.stable_latency.stretched(1.6);
  const RunResult run = run_rollout(scenario, 2);
  EXPECT_EQ(run.outcome, Outcome::kRolledBack);
  EXPECT_EQ(run.cause, rollout::Cause::kVerdict);
  EXPECT_GT(run.seconds, 30);
  scenario.settings.latency_quantiles = {};
  EXPECT_EQ(run_rollout(scenario, 2).outcome, Outcome::kPromoted);
}

// Both fail alike and more than the limit: nobody's fault while there is stable to see it by.
TEST(Run, LimitsJudgeWhereNobodyIsOnStable) {
  Scenario scenario = steady(0.03, 0.03);
  EXPECT_EQ(run_rollout(scenario, 1).outcome, Outcome::kPromoted);
  scenario.settings.limits.errors = 0.01;
  const RunResult run = run_rollout(scenario, 1);
  EXPECT_EQ(run.outcome, Outcome::kRolledBack);
  EXPECT_EQ(run.cause, rollout::Cause::kVerdict);
  EXPECT_TRUE(run.steps[3].passed);
  EXPECT_FALSE(run.steps[4].passed);
}

TEST(Run, LimitsOnLatencyAloneDrawLatencies) {
  Scenario scenario = steady(0.001, 0.001);
  scenario.settings.latency_quantiles = {};
  scenario.settings.limits.latency[0] = 75ms;
  EXPECT_EQ(run_rollout(scenario, 2).outcome, Outcome::kPromoted);
  scenario.traffic.canary_latency = scenario.traffic.stable_latency.stretched(2);
  EXPECT_EQ(run_rollout(scenario, 2).outcome, Outcome::kRolledBack);
}

TEST(Run, AColdStartIsForgiven) {
  Scenario scenario = steady(0.001, 0.001);
  scenario.traffic.cold_start = {.seconds = 30, .stretch = 4};
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    EXPECT_EQ(run_rollout(scenario, seed).outcome, Outcome::kPromoted) << seed;
  }
  scenario.settings.warm_up = 0s;
  EXPECT_EQ(run_rollout(scenario, 0).outcome, Outcome::kRolledBack);
}

TEST(Run, ADeadCanaryIsRolledBackByItsProbes) {
  Scenario scenario = steady(0.01, 1);
  scenario.protection.covered = 1;
  const RunResult run = run_rollout(scenario, 3);
  EXPECT_EQ(run.outcome, Outcome::kRolledBack);
  EXPECT_EQ(run.cause, rollout::Cause::kCircuit);
  EXPECT_EQ(run.canary_requests, 5U + 3U);
  EXPECT_EQ(run.user_failures, 0U);
  EXPECT_LE(run.seconds, 10);
}

TEST(Run, ACanaryThatRestartsIsSuspendedAndGoesOn) {
  Scenario scenario = steady(0.001, 0.001);
  scenario.traffic.outages = {
      {.begin = 20, .seconds = 4, .error_rate = 1, .scope = Scope::kCanary}};
  std::vector<TracePoint> trace;
  const RunResult run = run_rollout(scenario, 4, &trace);
  EXPECT_EQ(run.outcome, Outcome::kPromoted);
  bool suspended = false;
  for (const TracePoint& point : trace) suspended = suspended || point.weight == 0;
  EXPECT_TRUE(suspended);
}

TEST(Run, ASharedOutageIsNobodysFault) {
  Scenario scenario = steady(0.001, 0.001);
  scenario.traffic.outages = {{.begin = 30, .seconds = 60, .error_rate = 0.9}};
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(run_rollout(scenario, seed).outcome, Outcome::kPromoted) << seed;
  }
}

TEST(Run, TheExposureBudgetEndsIt) {
  Scenario scenario = steady(0.0001, 0.02);
  scenario.protection.max_failed_requests = 2;
  const RunResult run = run_rollout(scenario, 5);
  EXPECT_EQ(run.outcome, Outcome::kRolledBack);
  EXPECT_EQ(run.cause, rollout::Cause::kExposure);
  EXPECT_EQ(run.user_failures, 3U);
}

TEST(Run, RepetitionsOfABrokenUserCountOnce) {
  Scenario scenario = steady(0.01, 0.01);
  scenario.traffic.failures_per_user = 30;
  scenario.protection.consecutive_failures = 0;
  int rolled_back = 0;
  int rolled_back_without = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    scenario.settings.dedupe_window = 10s;
    rolled_back += run_rollout(scenario, seed).outcome == Outcome::kRolledBack ? 1 : 0;
    scenario.settings.dedupe_window = 0s;
    rolled_back_without += run_rollout(scenario, seed).outcome == Outcome::kRolledBack ? 1 : 0;
  }
  EXPECT_LE(rolled_back, 1);
  EXPECT_GE(rolled_back_without, 5);
}

TEST(Run, GatesAreApproved) {
  Scenario scenario = steady(0.0001, 0.0001);
  scenario.plan.steps[1].gate = "board";
  scenario.plan.steps[1].approvals = {2, {"anna", "bob"}, {}};
  scenario.plan.asks_before_step = true;
  scenario.plan.freeze = {{rollout::kEveryDay, {}, std::chrono::hours(23), {}}};
  EXPECT_EQ(run_rollout(scenario, 6).outcome, Outcome::kPromoted);
}

TEST(Run, ObserveIsTreatedAsEnforce) {
  Scenario scenario = steady(0.0001, 0.0001);
  scenario.plan.mode = rollout::Mode::kObserve;
  EXPECT_EQ(run_rollout(scenario, 6).outcome, Outcome::kPromoted);
}

TEST(Run, WithoutAVerdictItGoesOnAndIsHeldAtLast) {
  Scenario scenario = steady(0.01, 0.01);
  scenario.traffic.requests_per_second = 1;
  scenario.plan.steps.resize(2);
  scenario.plan.steps[0].weight = BasisPoints(1000);
  scenario.plan.steps[0].max_duration = 30min;
  scenario.plan.steps[1].weight = BasisPoints(10000);
  scenario.limit_seconds = 1700;
  EXPECT_EQ(run_rollout(scenario, 7).outcome, Outcome::kRunning);
  scenario.limit_seconds = 7200;
  const RunResult held = run_rollout(scenario, 7);
  EXPECT_EQ(held.outcome, Outcome::kHeld);
  EXPECT_EQ(held.cause, rollout::Cause::kInconclusive);
  EXPECT_EQ(held.seconds, 1800);
}

TEST(Run, AUsualErrorRateIsNoOutage) {
  Scenario scenario = steady(0.08, 0.08);
  scenario.protection.consecutive_failures = 0;
  std::vector<TracePoint> trace;
  const RunResult run = run_rollout(scenario, 9, &trace);
  EXPECT_EQ(run.outcome, Outcome::kPromoted);
  EXPECT_LT(*run.steps[0].passed, 120);
}

TEST(Run, WithoutAUserInTheCanaryThereIsNoData) {
  Scenario scenario = steady(0.01, 0.01);
  scenario.traffic.users = 1;
  scenario.limit_seconds = 7200;
  EXPECT_EQ(run_rollout(scenario, 8).outcome, Outcome::kRunning);
}

}  // namespace
}  // namespace canaryd::simulate
