#include "canaryd/rollout/plan.hpp"

#include "driver.hpp"

#include <gmock/gmock.h>

namespace canaryd::rollout {
namespace {

using test::plan_with;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;

std::vector<std::string> paths(const Plan& plan) {
  std::vector<std::string> result;
  for (const PlanProblem& problem : problems(plan)) result.push_back(problem.path);
  return result;
}

TEST(PlanTest, DefaultsAreThoseOfTheContract) {
  Plan plan = plan_with({1});
  plan.steps = default_steps();
  EXPECT_TRUE(problems(plan).empty());
  std::vector<double> weights;
  for (const Step& step : plan.steps) weights.push_back(step.weight.percent());
  EXPECT_THAT(weights, ElementsAre(1, 5, 10, 25, 100));
  EXPECT_EQ(plan.steps[0].min_duration, std::chrono::seconds(10));
  EXPECT_EQ(plan.steps[0].max_duration, std::chrono::hours(1));
  EXPECT_EQ(plan.bake.duration, std::chrono::hours(24));
  EXPECT_EQ(plan.on_failure, OnFailure::kRollback);
  EXPECT_EQ(plan.on_inconclusive, OnInconclusive::kHold);
}

TEST(PlanTest, WeightsMustRiseStrictlyFromAboveZero) {
  EXPECT_THAT(paths(plan_with({0, 5})), ElementsAre("steps[0].weight"));
  EXPECT_THAT(paths(plan_with({5, 5, 10})), ElementsAre("steps[1].weight"));
  EXPECT_THAT(paths(plan_with({10, 5, 7})), ElementsAre("steps[1].weight"));
  EXPECT_TRUE(problems(plan_with({100})).empty());
  EXPECT_TRUE(problems(plan_with({1, 50})).empty());
}

TEST(PlanTest, EmptyAndOverlongPlansAreProblems) {
  EXPECT_THAT(paths(plan_with({})), ElementsAre("steps"));
  Plan plan = plan_with({});
  plan.steps.resize(kMaxSteps + 1);
  EXPECT_THAT(paths(plan), ElementsAre("steps"));
}

TEST(PlanTest, AllProblemsAreReportedAtOnce) {
  Plan plan = plan_with({1, 5});
  plan.name = "Check out";
  plan.canary = plan.stable;
  plan.steps[0].min_duration = std::chrono::hours(2);
  plan.steps[1].gate = "-";
  plan.steps[1].max_duration = Duration::zero();
  plan.steps[1].min_duration = Duration::zero();
  plan.bake.holdback = BasisPoints(10000);
  EXPECT_THAT(paths(plan),
              ElementsAre("name",
                          "canary",
                          "steps[0].max_duration",
                          "steps[1].weight",
                          "steps[1].max_duration",
                          "steps[1].gate",
                          "bake.holdback"));
}

TEST(PlanTest, HoldbackBoundsTheWeightAndMustLeaveEachStepReachable) {
  Plan plan = plan_with({10, 95, 100});
  plan.bake.holdback = BasisPoints(500);
  EXPECT_THAT(problems(plan),
              ElementsAre(Field(&PlanProblem::message, HasSubstr("cannot be reached"))));
  plan = plan_with({10, 90, 100});
  plan.bake.holdback = BasisPoints(500);
  EXPECT_TRUE(problems(plan).empty());
  EXPECT_EQ(step_weight(plan, 2), BasisPoints(9500));
  EXPECT_EQ(full_weight(plan), BasisPoints(9500));
  EXPECT_EQ(weight_above(plan, BasisPoints(9000)), BasisPoints(9500));
  EXPECT_EQ(weight_above(plan, BasisPoints(9500)), BasisPoints(10000)) << "after the bake";
}

TEST(PlanTest, WeightsBetweenTheStepsBelongToTheStepBelow) {
  const Plan plan = plan_with({1, 5, 10});
  EXPECT_EQ(step_at(plan, BasisPoints(0)), 0U);
  EXPECT_EQ(step_at(plan, BasisPoints(700)), 1U);
  EXPECT_EQ(step_at(plan, BasisPoints(10000)), 2U);
  EXPECT_EQ(step_above(plan, BasisPoints(0)), 0U);
  EXPECT_EQ(step_above(plan, BasisPoints(700)), 2U);
  EXPECT_EQ(step_above(plan, BasisPoints(1000)), std::nullopt);
  EXPECT_EQ(weight_above(plan, BasisPoints(1000)), BasisPoints(10000));
}

}  // namespace
}  // namespace canaryd::rollout
