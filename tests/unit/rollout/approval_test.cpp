// Gates that several people open, for a while; and rollouts that wait for another one.
#include "driver.hpp"

#include <gmock/gmock.h>

namespace canaryd::rollout {
namespace {

using namespace test;
using ::testing::HasSubstr;

// Waits at 5 % for two of three.
Driver two_of_three(Duration expires = {}) {
  Driver driver(plan_with({1, 5, 10, 100}));
  driver.plan.steps[1].gate = "owner";
  driver.plan.steps[1].approvals = {2, {"alice", "bob", "carol"}, expires};
  driver.climb_to(5).after(1min).send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.state.phase, Phase::kWaiting);
  return driver;
}

Approve by(std::string who, std::optional<WallTime> until = std::nullopt) {
  return Approve{"owner", until, std::move(who)};
}

TEST(ApprovalTest, AsManyPeopleAsTheGateNeeds) {
  Driver driver = two_of_three();
  const Transition first = driver.send(by("alice"));
  EXPECT_EQ(driver.state.phase, Phase::kWaiting);
  EXPECT_THAT(sentence(first.change), HasSubstr("approved gate owner of checkout (1 of 2)"));
  EXPECT_EQ(driver.send(by("alice")).outcome, Outcome::kUnchanged) << "the same person again";
  EXPECT_EQ(driver.percent(), 5);
  const Transition second = driver.send(by("carol"));
  EXPECT_THAT(sentence(second.change), HasSubstr("approved gate owner of checkout (2 of 2)"));
  EXPECT_EQ(driver.percent(), 5) << "an approval alone raises nothing";
  EXPECT_EQ(driver.send(tick(Judgement::kAccept)).change.cause, Cause::kGate);
  EXPECT_EQ(driver.percent(), 10);
  EXPECT_TRUE(driver.state.approvals.empty()) << "used up by the passage";
}

TEST(ApprovalTest, OnlyThePeopleOfTheList) {
  Driver driver = two_of_three();
  EXPECT_THAT(driver.send(by("mallory")).refusal,
              HasSubstr("from alice, bob, carol, not from mallory"));
  EXPECT_THAT(driver.send(by("")).refusal, HasSubstr("not from anna")) << "the actor";
  EXPECT_TRUE(driver.state.approvals.empty());
}

TEST(ApprovalTest, OneEndsByTheClockAlsoWhereTheStateIsAheadOfIt) {
  Driver driver = two_of_three(2h);
  driver.state.since = driver.now + 24h;
  driver.send(by("alice"));
  EXPECT_EQ(driver.state.approvals.at("owner").at("alice"), driver.now + 2h);
  EXPECT_EQ(driver.send(by("bob", driver.now + 1h)).outcome, Outcome::kChanged);
  driver.after(90min).send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.percent(), 5) << "bob's has expired";
}

TEST(ApprovalTest, OneExpiresByTheRuleOfTheGate) {
  Driver driver = two_of_three(2h);
  driver.send(by("alice"));
  driver.after(2h).send(by("bob"));
  driver.send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.percent(), 5) << "alice's has expired";
  EXPECT_EQ(driver.state.approvals.at("owner").size(), 1U) << "and is not kept";
  driver.after(1h).send(by("alice"));
  driver.send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.percent(), 10);
}

TEST(ApprovalTest, OneMayExpireSoonerNotLater) {
  Driver driver = two_of_three(2h);
  driver.send(by("alice", driver.now + 10h));
  EXPECT_EQ(driver.state.approvals.at("owner").at("alice"), driver.now + 2h);
  driver.send(by("alice", driver.now + 1min));
  EXPECT_EQ(driver.state.approvals.at("owner").at("alice"), driver.now + 1min);
  driver.after(2min).send(by("bob"));
  driver.send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.percent(), 5);
}

TEST(ApprovalTest, GivenAheadOfTimeAndKeptOverARestart) {
  Driver driver(plan_with({1, 5, 10, 100}));
  driver.plan.steps[1].gate = "owner";
  driver.plan.steps[1].approvals.needed = 2;
  driver.climb_to(5);
  driver.send(by("alice"));
  driver.send(by("bob"));
  driver.state = parse_state(serialise(driver.state)).value();
  driver.send(Restart{});
  driver.after(1min).send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.percent(), 10);
}

// ---- Passed without the gate: what was given is used up all the same

// At 5 %, which has gate `owner` at its end, as 10 % has `sre`; both are approved ahead of time.
Driver approved_ahead() {
  Driver driver(plan_with({1, 5, 10, 100}));
  driver.plan.steps[1].gate = "owner";
  driver.plan.steps[2].gate = "sre";
  driver.climb_to(5);
  driver.send(by("alice"));
  driver.send(Approve{"sre", {}, "alice"});
  EXPECT_EQ(driver.state.approvals.size(), 2U);
  return driver;
}

// Back at 5 % nothing is left of it.
void expect_it_waits_again(Driver& driver) {
  driver.send(SetWeight{BasisPoints(500)});
  driver.send(Resume{});
  driver.after(1min).send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.state.phase, Phase::kWaiting);
  EXPECT_EQ(driver.state.hold, HoldReason::kNone);
  EXPECT_EQ(driver.percent(), 5);
}

TEST(ApprovalTest, APromotionToTheEndUsesAllOfThemUp) {
  Driver driver = approved_ahead();
  driver.send(Promote{true});
  EXPECT_EQ(driver.state.phase, Phase::kBaking);
  EXPECT_TRUE(driver.state.approvals.empty());
  expect_it_waits_again(driver);
}

TEST(ApprovalTest, AWeightByHandUsesThoseUpThatItPasses) {
  Driver driver = approved_ahead();
  driver.send(SetWeight{BasisPoints(700)});
  EXPECT_EQ(driver.state.approvals.size(), 2U) << "still the step of 5 %";
  driver.send(SetWeight{BasisPoints(1000)});
  EXPECT_FALSE(driver.state.approvals.contains("owner"));
  EXPECT_TRUE(driver.state.approvals.contains("sre")) << "the gate ahead";
  expect_it_waits_again(driver);
  driver = approved_ahead();
  driver.send(SetWeight{BasisPoints(10000)});
  EXPECT_TRUE(driver.state.approvals.empty()) << "two steps at once";
  expect_it_waits_again(driver);
}

TEST(ApprovalTest, APromotionByOneStepUsesOneUp) {
  Driver driver = approved_ahead();
  driver.send(Promote{});
  EXPECT_EQ(driver.percent(), 10);
  EXPECT_FALSE(driver.state.approvals.contains("owner"));
  EXPECT_TRUE(driver.state.approvals.contains("sre"));
}

TEST(ApprovalTest, OnTheWayDownAndBackToTheFirstStepNothingIsPassed) {
  Driver driver(plan_with({1, 5, 100}));
  driver.plan.steps[0].gate = "owner";
  driver.climb_to(1);
  driver.send(by("alice"));
  driver.send(SetWeight{BasisPoints(0)});
  driver.send(Resume{});
  EXPECT_EQ(driver.percent(), 1);
  EXPECT_EQ(driver.state.approvals.count("owner"), 1U);
  driver.after(1min).send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.percent(), 5) << "it opens the gate that it was given for";
}

TEST(ApprovalTest, TheLastStepsGateIsBehindTheBake) {
  Driver driver(plan_with({5, 100}));
  driver.plan.steps[1].gate = "owner";
  driver.climb_to(100);
  driver.send(by("alice"));
  driver.after(1min).send(tick(Judgement::kAccept));
  ASSERT_EQ(driver.state.phase, Phase::kBaking);
  EXPECT_TRUE(driver.state.approvals.empty());
  driver.send(Pause{});
  EXPECT_THAT(driver.send(by("alice")).refusal, HasSubstr("has passed gate owner already"));
  driver.send(CircuitOpened{});
  EXPECT_THAT(driver.send(by("alice")).refusal, HasSubstr("has passed gate owner already"));
  driver.send(CircuitClosed{});
  driver.send(Resume{});
  EXPECT_EQ(driver.state.phase, Phase::kBaking);
  // Lower than that it is a step again, and its gate one that is ahead.
  driver.send(SetWeight{BasisPoints(500)});
  EXPECT_EQ(driver.send(by("alice")).outcome, Outcome::kChanged);
}

TEST(ApprovalTest, WhoLeavesTheListHasNotApproved) {
  Driver driver = two_of_three();
  driver.send(by("alice"));
  Plan next = driver.plan;
  next.steps[1].approvals.of = {"bob", "carol"};
  driver.reload(next);
  driver.send(by("bob"));
  driver.send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.percent(), 5);
  driver.send(by("carol"));
  driver.send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.percent(), 10);
}

// What passed the step may be gone when the last person says yes.
TEST(ApprovalTest, OpensTheGateToNobodyWhoIsNotAcceptedAnyMore) {
  for (const bool ahead : {false, true}) {
    Driver driver = in_phase(Phase::kWaiting);
    driver.after(3h);
    if (ahead) driver.send(tick(Judgement::kHold));
    driver.send(Approve{"owner", {}});
    EXPECT_EQ(driver.percent(), 5);
    const Transition reopened = driver.send(tick(Judgement::kHold));
    EXPECT_EQ(reopened.change.cause, Cause::kReopened);
    EXPECT_EQ(reopened.change.direction, Direction::kSame);
    EXPECT_THAT(sentence(reopened.change), HasSubstr("went on with the step of checkout at 5 %"));
    EXPECT_EQ(driver.state.phase, Phase::kProgressing);
    EXPECT_TRUE(driver.state.approvals.contains("owner")) << "until the passage";
    driver.after(59min).send(tick(Judgement::kHold));
    EXPECT_EQ(driver.state.phase, Phase::kProgressing) << "max_duration begins again";
    EXPECT_EQ(driver.send(tick(Judgement::kAccept)).change.cause, Cause::kAccepted);
    EXPECT_EQ(driver.percent(), 10);
    EXPECT_TRUE(driver.state.approvals.empty());
  }
}

TEST(ApprovalTest, AStepThatIsOutOfTimeIsStillPromotedByThePlan) {
  Driver driver(plan_with({1, 5, 10, 100}));
  driver.plan.steps[1].gate = "owner";
  driver.plan.on_inconclusive = OnInconclusive::kPromote;
  driver.climb_to(5).after(1h).send(tick(Judgement::kHold));
  ASSERT_EQ(driver.state.phase, Phase::kWaiting);
  // Whatever it goes through meanwhile.
  driver.after(1h).send(CircuitOpened{});
  driver.after(1h).send(CircuitClosed{});
  driver.state = parse_state(serialise(driver.state)).value();
  driver.send(Restart{});
  ASSERT_EQ(driver.state.phase, Phase::kWaiting);
  Driver silent = driver;
  driver.after(5h).send(Approve{"owner", {}});
  EXPECT_EQ(driver.send(tick(Judgement::kHold)).change.cause, Cause::kGate);
  EXPECT_EQ(driver.percent(), 10);

  Tick no_data = tick(Judgement::kHold);
  no_data.no_data = true;
  silent.after(5h).send(Approve{"owner", {}});
  EXPECT_EQ(silent.send(no_data).change.cause, Cause::kReopened) << "never without data";
  EXPECT_EQ(silent.percent(), 5);
}

TEST(ApprovalTest, TimeSpentWaitingIsNoTimeWithoutAVerdict) {
  Driver driver = in_phase(Phase::kWaiting);
  driver.plan.on_inconclusive = OnInconclusive::kPromote;
  driver.after(100h).send(tick(Judgement::kHold));
  driver.send(Approve{"owner", {}});
  EXPECT_EQ(driver.send(tick(Judgement::kHold)).change.cause, Cause::kReopened);
  EXPECT_EQ(driver.percent(), 5);
}

TEST(ApprovalTest, TheLastStepWithoutControlNeedsNoVerdict) {
  Driver driver(plan_with({1, 100}));
  driver.plan.steps[1].gate = "owner";
  driver.climb_to(100);
  Tick uncontrolled = tick(Judgement::kHold);
  uncontrolled.no_control = true;
  driver.after(1min).send(uncontrolled);
  ASSERT_EQ(driver.state.phase, Phase::kWaiting);
  driver.send(Approve{"owner", {}});
  driver.send(uncontrolled);
  EXPECT_EQ(driver.state.phase, Phase::kBaking);
}

TEST(ApprovalTest, ResumeAsksForNoApprovalThatIsThere) {
  Driver driver = two_of_three();
  driver.send(by("alice"));
  EXPECT_EQ(driver.send(Resume{}).refusal, "checkout waits for approval: `approve` gate owner");
  driver.send(by("bob"));
  EXPECT_EQ(driver.send(Resume{}).refusal,
            "checkout has gate owner approved, and takes the step by itself when nothing else "
            "holds it up");
  driver.plan.mode = Mode::kObserve;
  driver.send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.state.phase, Phase::kWaiting);
  EXPECT_EQ(
      driver.send(Resume{}).refusal,
      "checkout has gate owner approved, and is under mode observe: `promote` takes the step");
  driver.send(Promote{});
  EXPECT_EQ(driver.percent(), 10);
}

TEST(ApprovalTest, MoreThanAreKeptAreRefused) {
  Driver driver = two_of_three();
  driver.plan.steps[1].approvals = {static_cast<std::uint32_t>(kMaxApprovals), {}, {}};
  driver.send(Pause{});
  for (std::size_t i = 0; i < kMaxApprovals; ++i) driver.send(by("user" + std::to_string(i)));
  EXPECT_THAT(driver.send(by("late")).refusal, HasSubstr("as many approvals"));
  driver.send(Resume{});
  driver.after(1min).send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.percent(), 10);
}

TEST(ApprovalTest, RulesThatNobodyCanFulfilAreWrong) {
  const auto problem = [](Approvals rule, const char* gate = "owner") {
    Plan plan = plan_with({1, 100});
    plan.steps[0].gate = gate;
    plan.steps[0].approvals = std::move(rule);
    const auto found = problems(plan);
    return found.empty() ? std::string() : found.front().message;
  };
  EXPECT_EQ(problem({2, {"alice", "bob"}, 1h}), "");
  EXPECT_EQ(problem({2, {}, {}}), "");
  EXPECT_THAT(problem({2, {"alice"}, {}}), HasSubstr("only 1 people"));
  EXPECT_THAT(problem({0, {}, {}}), HasSubstr("1 to 16"));
  EXPECT_THAT(problem({17, {}, {}}), HasSubstr("1 to 16"));
  EXPECT_THAT(problem({2, {}, {}}, ""), HasSubstr("gate with a name"));
}

// ---- start: after

TEST(AfterTest, StartsWhenTheOtherIsPromoted) {
  Driver driver;
  driver.plan.start = StartMode::kAfter;
  driver.plan.after = "other";
  EXPECT_EQ(driver.send(tick(Judgement::kHold)).outcome, Outcome::kUnchanged);
  Tick promoted = tick(Judgement::kHold);
  promoted.after_promoted = true;
  promoted.canary_up = false;
  EXPECT_EQ(driver.send(promoted).outcome, Outcome::kUnchanged) << "not on what is down";
  promoted.canary_up = true;
  EXPECT_EQ(driver.send(promoted).change.cause, Cause::kStarted);
  EXPECT_EQ(driver.percent(), 1);
}

TEST(AfterTest, TheOperatorNeedNotWait) {
  Driver driver;
  driver.plan.start = StartMode::kAfter;
  driver.plan.after = "other";
  driver.send(Start{});
  EXPECT_EQ(driver.percent(), 1);
}

TEST(AfterTest, ItSaysWhomItWaitsFor) {
  Plan plan = plan_with({1, 100});
  plan.start = StartMode::kAfter;
  EXPECT_EQ(problems(plan).at(0).path, "start");
  plan.after = plan.name;
  EXPECT_EQ(problems(plan).at(0).path, "after");
  plan.after = "other";
  EXPECT_TRUE(problems(plan).empty());
  plan.start = StartMode::kAuto;
  EXPECT_EQ(problems(plan).at(0).path, "after");
}

TEST(ApprovalTest, WhoMayGiveNoneAnyMoreIsAskedAnewShouldHeBeAgain) {
  Plan plan = plan_with({1, 5, 100});
  plan.steps[0].gate = "owner";
  plan.steps[0].approvals = {.needed = 1, .of = {"alice", "bob"}};
  Driver driver(plan);
  driver.climb_to(1);
  driver.send(by("alice"));
  ASSERT_EQ(driver.state.approvals.count("owner"), 1U);
  Plan without = plan;
  without.steps[0].approvals.of = {"bob", "carol"};
  driver.reload(without);
  driver.reload(plan);
  EXPECT_TRUE(driver.state.approvals.empty());
}

}  // namespace
}  // namespace canaryd::rollout
