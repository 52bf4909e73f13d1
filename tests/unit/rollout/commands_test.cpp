#include "driver.hpp"

#include <gmock/gmock.h>

namespace canaryd::rollout {
namespace {

using namespace test;
using ::testing::HasSubstr;

struct Row {
  Phase phase;
  Outcome outcome;
  Phase to;
  double percent;  // Served after it.
};

template <class What>
void expect_table(What what, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    Driver driver = in_phase(row.phase);
    ASSERT_EQ(driver.state.phase, row.phase);
    const State before = driver.state;
    const Transition transition = driver.after(1s).send(what);
    const auto label = to_string(row.phase);
    EXPECT_EQ(transition.outcome, row.outcome) << label << ": " << transition.refusal;
    EXPECT_EQ(driver.state.phase, row.to) << label;
    EXPECT_EQ(driver.percent(), row.percent) << label;
    EXPECT_EQ(transition.refusal.empty(), row.outcome != Outcome::kRefused) << label;
    if (row.outcome != Outcome::kChanged) {
      EXPECT_EQ(driver.state, before) << label;
      EXPECT_TRUE(transition.effects.empty()) << label;
    }
  }
}

constexpr Outcome kYes = Outcome::kChanged;
constexpr Outcome kSame = Outcome::kUnchanged;
constexpr Outcome kNo = Outcome::kRefused;

TEST(CommandsTest, Start) {
  expect_table(Start{},
               {{Phase::kIdle, kYes, Phase::kProgressing, 1},
                {Phase::kProgressing, kSame, Phase::kProgressing, 5},
                {Phase::kSuspended, kSame, Phase::kSuspended, 0},
                {Phase::kPaused, kSame, Phase::kPaused, 5},
                {Phase::kWaiting, kSame, Phase::kWaiting, 5},
                {Phase::kHeld, kSame, Phase::kHeld, 5},
                {Phase::kBaking, kSame, Phase::kBaking, 100},
                {Phase::kPromoted, kSame, Phase::kPromoted, 100},
                {Phase::kRetiring, kNo, Phase::kRetiring, 100},
                {Phase::kRetired, kNo, Phase::kRetired, 100},
                {Phase::kRolledBack, kNo, Phase::kRolledBack, 0},
                {Phase::kAborted, kNo, Phase::kAborted, 0}});
}

TEST(CommandsTest, StartWithAnotherRevisionBeginsAnew) {
  expect_table(Start{"2.5.0"},
               {{Phase::kIdle, kYes, Phase::kProgressing, 1},
                {Phase::kProgressing, kYes, Phase::kProgressing, 1},
                {Phase::kHeld, kYes, Phase::kProgressing, 1},
                {Phase::kPromoted, kYes, Phase::kProgressing, 1},
                {Phase::kRetired, kNo, Phase::kRetired, 100},
                {Phase::kRolledBack, kYes, Phase::kProgressing, 1}});
  Driver driver = in_phase(Phase::kPromoted);
  EXPECT_EQ(driver.send(Start{"2.5.0", false}).outcome, Outcome::kRefused);
  EXPECT_EQ(driver.send(Start{std::string("a\nb")}).outcome, Outcome::kRefused);
  EXPECT_EQ(driver.send(Start{std::string()}).outcome, Outcome::kRefused);
}

TEST(CommandsTest, StartedRevisionSurvivesAReloadOfTheSameFile) {
  Driver driver;
  driver.send(Start{"2.5.0"});
  EXPECT_EQ(driver.state.revision, "2.5.0");
  EXPECT_EQ(driver.reload(driver.plan).outcome, Outcome::kUnchanged);
  EXPECT_EQ(driver.state.revision, "2.5.0");
}

TEST(CommandsTest, Retry) {
  expect_table(Retry{},
               {{Phase::kIdle, kNo, Phase::kIdle, 0},
                {Phase::kProgressing, kNo, Phase::kProgressing, 5},
                {Phase::kSuspended, kNo, Phase::kSuspended, 0},
                {Phase::kPaused, kNo, Phase::kPaused, 5},
                {Phase::kWaiting, kNo, Phase::kWaiting, 5},
                {Phase::kHeld, kYes, Phase::kProgressing, 1},
                {Phase::kBaking, kNo, Phase::kBaking, 100},
                {Phase::kPromoted, kNo, Phase::kPromoted, 100},
                {Phase::kRetiring, kNo, Phase::kRetiring, 100},
                {Phase::kRetired, kNo, Phase::kRetired, 100},
                {Phase::kRolledBack, kYes, Phase::kProgressing, 1},
                {Phase::kAborted, kYes, Phase::kProgressing, 1}});
}

TEST(CommandsTest, RetryStartsWithFreshEvidence) {
  Driver driver = in_phase(Phase::kRolledBack);
  const std::uint64_t run = driver.state.run;
  const Transition transition = driver.send(Retry{});
  EXPECT_TRUE(has_effect<FreshEvidence>(transition));
  EXPECT_GT(driver.state.run, run);
  EXPECT_EQ(driver.state.run, driver.state.generation);
  EXPECT_EQ(driver.state.step, 0U);
}

// After a restart the plan is the file's already, while the state is that of the rollout in force.
TEST(CommandsTest, RetryBeginsNoOtherRolloutUnderItsName) {
  for (const Phase phase : {Phase::kHeld, Phase::kRolledBack}) {
    Driver driver = in_phase(phase);
    driver.plan.canary = "shop-v3";
    driver.plan.revision = "3";
    const State before = driver.state;
    EXPECT_THAT(driver.send(Retry{}).refusal, HasSubstr("is not what the configuration names"));
    EXPECT_EQ(driver.state, before);
  }
}

TEST(CommandsTest, RetrySendsNobodyToAStableThatIsDownWhileAllAreOnTheCanary) {
  Driver driver = in_phase(Phase::kHeld);
  EXPECT_EQ(Driver(driver).send(Retry{.stable_up = false}).outcome, Outcome::kChanged)
      << "most are there already";
  driver.send(SetWeight{BasisPoints(BasisPoints::kMax)});
  driver.state.phase = Phase::kHeld;
  driver.state.hold = HoldReason::kNoData;
  EXPECT_THAT(driver.send(Retry{.stable_up = false}).refusal, HasSubstr("is down"));
  EXPECT_EQ(driver.percent(), 100);
  EXPECT_EQ(driver.send(Retry{}).outcome, Outcome::kChanged);
  EXPECT_EQ(driver.percent(), 1);
}

// Who paused it, and why, is what keeps it paused.
TEST(CommandsTest, WhyItIsPausedStaysWithItWhateverComes) {
  Plan plan = plan_with({1, 5, 10, 25, 100});
  plan.steps[1].gate = "owner";
  Driver driver = in_phase(Phase::kProgressing, plan);
  driver.send(Pause{}, "incident 42");
  const Transition approved = driver.send(Approve{"owner", {}, "bob"}, "looks good");
  EXPECT_EQ(approved.change.reason, "looks good");
  EXPECT_EQ(driver.state.reason, "incident 42");
  driver.plan.steps[1].weight = BasisPoints(700);
  Event restarted;
  restarted.what = Restart{true};
  restarted.reason = "daemon started";
  EXPECT_EQ(driver.send(restarted).outcome, Outcome::kChanged);
  EXPECT_EQ(driver.state.reason, "incident 42");
  driver.plan.mode = Mode::kObserve;
  EXPECT_EQ(driver.send(tick(Judgement::kRollback)).outcome, Outcome::kChanged);
  EXPECT_EQ(driver.state.reason, "incident 42");
  driver.send(SetWeight{BasisPoints(300)}, "try less");
  EXPECT_EQ(driver.state.reason, "try less");
}

TEST(CommandsTest, Promote) {
  expect_table(Promote{},
               {{Phase::kIdle, kNo, Phase::kIdle, 0},
                {Phase::kProgressing, kYes, Phase::kProgressing, 10},
                {Phase::kSuspended, kNo, Phase::kSuspended, 0},
                {Phase::kPaused, kYes, Phase::kProgressing, 10},
                {Phase::kWaiting, kYes, Phase::kProgressing, 10},
                {Phase::kHeld, kYes, Phase::kProgressing, 10},
                {Phase::kBaking, kYes, Phase::kPromoted, 100},
                {Phase::kPromoted, kSame, Phase::kPromoted, 100},
                {Phase::kRetiring, kNo, Phase::kRetiring, 100},
                {Phase::kRetired, kNo, Phase::kRetired, 100},
                {Phase::kRolledBack, kNo, Phase::kRolledBack, 0},
                {Phase::kAborted, kNo, Phase::kAborted, 0}});
}

TEST(CommandsTest, PromoteFull) {
  expect_table(Promote{true},
               {{Phase::kIdle, kNo, Phase::kIdle, 0},
                {Phase::kProgressing, kYes, Phase::kBaking, 100},
                {Phase::kSuspended, kNo, Phase::kSuspended, 0},
                {Phase::kPaused, kYes, Phase::kBaking, 100},
                {Phase::kWaiting, kYes, Phase::kBaking, 100},
                {Phase::kHeld, kYes, Phase::kBaking, 100},
                {Phase::kBaking, kSame, Phase::kBaking, 100},
                {Phase::kPromoted, kSame, Phase::kPromoted, 100},
                {Phase::kRolledBack, kNo, Phase::kRolledBack, 0}});
}

TEST(CommandsTest, Pause) {
  expect_table(Pause{},
               {{Phase::kIdle, kNo, Phase::kIdle, 0},
                {Phase::kProgressing, kYes, Phase::kPaused, 5},
                {Phase::kSuspended, kYes, Phase::kSuspended, 0},
                {Phase::kPaused, kSame, Phase::kPaused, 5},
                {Phase::kWaiting, kYes, Phase::kPaused, 5},
                {Phase::kHeld, kYes, Phase::kPaused, 5},
                {Phase::kBaking, kYes, Phase::kPaused, 100},
                {Phase::kPromoted, kNo, Phase::kPromoted, 100},
                {Phase::kRetiring, kNo, Phase::kRetiring, 100},
                {Phase::kRetired, kNo, Phase::kRetired, 100},
                {Phase::kRolledBack, kNo, Phase::kRolledBack, 0},
                {Phase::kAborted, kNo, Phase::kAborted, 0}});
}

TEST(CommandsTest, Resume) {
  expect_table(Resume{},
               {{Phase::kIdle, kNo, Phase::kIdle, 0},
                {Phase::kProgressing, kSame, Phase::kProgressing, 5},
                {Phase::kSuspended, kNo, Phase::kSuspended, 0},
                {Phase::kPaused, kYes, Phase::kProgressing, 5},
                {Phase::kWaiting, kNo, Phase::kWaiting, 5},
                {Phase::kHeld, kYes, Phase::kProgressing, 5},
                {Phase::kBaking, kSame, Phase::kBaking, 100},
                {Phase::kPromoted, kSame, Phase::kPromoted, 100},
                {Phase::kRetired, kNo, Phase::kRetired, 100},
                {Phase::kRolledBack, kNo, Phase::kRolledBack, 0},
                {Phase::kAborted, kNo, Phase::kAborted, 0}});
}

TEST(CommandsTest, Abort) {
  std::vector<Row> rows;
  for (const Phase phase : kPhases) rows.push_back({phase, kYes, Phase::kAborted, 0});
  for (Row& row : rows) {
    if (row.phase == Phase::kRetired) row = {row.phase, kNo, row.phase, 100};
    if (row.phase == Phase::kRolledBack) row = {row.phase, kSame, row.phase, 0};
    if (row.phase == Phase::kAborted) row = {row.phase, kSame, row.phase, 0};
  }
  expect_table(Abort{}, rows);
}

TEST(CommandsTest, RollBack) {
  std::vector<Row> rows;
  for (const Phase phase : kPhases) rows.push_back({phase, kYes, Phase::kRolledBack, 0});
  for (Row& row : rows) {
    if (row.phase == Phase::kIdle) row = {row.phase, kNo, row.phase, 0};
    if (row.phase == Phase::kRetired) row = {row.phase, kNo, row.phase, 100};
    if (row.phase == Phase::kRolledBack) row = {row.phase, kSame, row.phase, 0};
    if (row.phase == Phase::kAborted) row = {row.phase, kSame, row.phase, 0};
  }
  expect_table(RollBack{}, rows);
}

TEST(CommandsTest, SetWeightUpPausesThere) {
  expect_table(SetWeight{BasisPoints(700)},
               {{Phase::kIdle, kNo, Phase::kIdle, 0},
                {Phase::kProgressing, kYes, Phase::kPaused, 7},
                {Phase::kSuspended, kNo, Phase::kSuspended, 0},
                {Phase::kPaused, kYes, Phase::kPaused, 7},
                {Phase::kWaiting, kYes, Phase::kPaused, 7},
                {Phase::kHeld, kYes, Phase::kPaused, 7},
                {Phase::kBaking, kYes, Phase::kPaused, 7},
                {Phase::kPromoted, kYes, Phase::kPaused, 7},
                {Phase::kRetiring, kNo, Phase::kRetiring, 100},
                {Phase::kRetired, kNo, Phase::kRetired, 100},
                {Phase::kRolledBack, kNo, Phase::kRolledBack, 0},
                {Phase::kAborted, kNo, Phase::kAborted, 0}});
}

TEST(CommandsTest, SetWeightOrdersItsEffectsByDirection) {
  Driver driver = in_phase(Phase::kProgressing);
  Transition up = driver.send(SetWeight{BasisPoints(2000)});
  EXPECT_EQ(up.change.direction, Direction::kUp);
  EXPECT_LT(position_of<Persist>(up), position_of<Publish>(up));
  EXPECT_LT(position_of<BeginStep>(up), position_of<Publish>(up));
  Transition down = driver.send(SetWeight{BasisPoints(100)});
  EXPECT_EQ(down.change.direction, Direction::kDown);
  EXPECT_LT(position_of<Publish>(down), position_of<Persist>(down));
  EXPECT_EQ(driver.send(SetWeight{BasisPoints(100)}).outcome, Outcome::kUnchanged);
}

TEST(CommandsTest, WeightZeroByHandKeepsEverybodyOffUntilResumed) {
  Driver driver = in_phase(Phase::kProgressing);
  const Transition down = driver.send(SetWeight{BasisPoints(0)});
  EXPECT_EQ(std::get<Publish>(down.effects[0]), (Publish{BasisPoints(0), Admission::kStableOnly}));
  EXPECT_EQ(driver.state.phase, Phase::kPaused);
  const Transition up = driver.send(Resume{});
  EXPECT_EQ(up.change.direction, Direction::kUp);
  EXPECT_EQ(driver.percent(), 1);
  EXPECT_EQ(driver.state.phase, Phase::kProgressing);
}

TEST(CommandsTest, AWeightBetweenStepsGoesOnWithTheNextStepAbove) {
  Driver driver = in_phase(Phase::kProgressing);
  driver.send(SetWeight{BasisPoints(700)});
  driver.send(Resume{});
  EXPECT_EQ(driver.state.next_weight, BasisPoints(1000));
  driver.after(1min).send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.percent(), 10);
}

TEST(CommandsTest, PausedBakeGoesOnWhereItStopped) {
  Driver driver = in_phase(Phase::kBaking);
  driver.after(20h).send(Pause{});
  driver.after(100h).send(tick(Judgement::kHold));
  EXPECT_EQ(driver.state.phase, Phase::kPaused);
  driver.send(Resume{});
  EXPECT_EQ(driver.state.phase, Phase::kBaking);
  driver.after(3h).send(tick(Judgement::kHold));
  EXPECT_EQ(driver.state.phase, Phase::kBaking);
  driver.after(1h).send(tick(Judgement::kHold));
  EXPECT_EQ(driver.state.phase, Phase::kPromoted);
}

TEST(CommandsTest, TimeInAPauseIsNoTimeInTheStepEvenIfSuspendedMeanwhile) {
  Driver driver(plan_with({1, 5}));
  driver.plan.steps[0].min_duration = 10min;
  driver.send(Start{});
  driver.after(4min).send(Pause{});
  driver.after(1h).send(CircuitOpened{});
  driver.after(1h).send(CircuitClosed{});
  EXPECT_EQ(driver.state.phase, Phase::kPaused);
  driver.after(1h).send(Resume{});
  driver.after(5min).send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.percent(), 1);
  driver.after(1min).send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.percent(), 5);
}

TEST(CommandsTest, ApproveWhileWaitingLetsTheNextTickTakeTheStep) {
  Driver driver = in_phase(Phase::kWaiting);
  const Transition approved = driver.send(Approve{"owner", {}});
  EXPECT_EQ(approved.change.cause, Cause::kOperator);
  EXPECT_EQ(approved.change.direction, Direction::kSame);
  EXPECT_EQ(driver.state.phase, Phase::kWaiting);
  EXPECT_EQ(driver.percent(), 5);
  const Transition transition = driver.after(1s).send(tick(Judgement::kAccept));
  EXPECT_EQ(transition.change.cause, Cause::kGate);
  EXPECT_EQ(transition.change.direction, Direction::kUp);
  EXPECT_EQ(driver.percent(), 10);
  EXPECT_TRUE(driver.state.approvals.empty());
}

TEST(CommandsTest, ApproveAheadOfTimeExpires) {
  Driver driver = in_phase(Phase::kProgressing);
  driver.plan.steps[1].gate = "owner";
  driver.send(Approve{"owner", driver.now + 30s});
  EXPECT_EQ(driver.send(Approve{"owner", driver.now + 30s}).outcome, Outcome::kUnchanged);
  driver.after(1min).send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.state.phase, Phase::kWaiting);

  driver = in_phase(Phase::kProgressing);
  driver.plan.steps[1].gate = "owner";
  driver.send(Approve{"owner", driver.now + 2min});
  driver.after(1min).send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.percent(), 10);
}

TEST(CommandsTest, ApprovalGivenDuringAPauseOpensTheGateLater) {
  Driver driver = in_phase(Phase::kWaiting);
  driver.send(Pause{});
  driver.send(Approve{"owner", {}});
  EXPECT_EQ(driver.state.phase, Phase::kPaused);
  driver.send(Resume{});
  driver.after(1min).send(tick(Judgement::kAccept));
  EXPECT_EQ(driver.percent(), 10);
}

TEST(CommandsTest, ApproveIsRefusedForGatesThatAreUnknownPassedOrExpired) {
  Driver driver = in_phase(Phase::kWaiting);
  EXPECT_THAT(driver.send(Approve{"boss", {}}).refusal, HasSubstr("it has owner"));
  EXPECT_THAT(driver.send(Approve{"", {}}).refusal, HasSubstr("no gate"));
  EXPECT_THAT(driver.send(Approve{"owner", driver.now - 1s}).refusal, HasSubstr("expired"));
  driver.send(Promote{});
  EXPECT_THAT(driver.send(Approve{"owner", {}}).refusal, HasSubstr("passed"));
  driver.send(Abort{});
  EXPECT_THAT(driver.send(Approve{"owner", {}}).refusal, HasSubstr("retry"));
}

TEST(CommandsTest, ACondemnedCanaryRisesOnlyByRetry) {
  Plan plan = plan_with({1, 5, 10});
  plan.on_failure = OnFailure::kHold;
  Driver driver = in_phase(Phase::kProgressing, plan);
  driver.send(tick(Judgement::kRollback));
  ASSERT_EQ(driver.state.hold, HoldReason::kVerdict);
  EXPECT_THAT(driver.send(Resume{}).refusal, HasSubstr("retry"));
  EXPECT_THAT(driver.send(Promote{}).refusal, HasSubstr("retry"));
  EXPECT_THAT(driver.send(Promote{true}).refusal, HasSubstr("retry"));
  EXPECT_THAT(driver.send(SetWeight{BasisPoints(600)}).refusal, HasSubstr("retry"));
  EXPECT_EQ(driver.send(SetWeight{BasisPoints(200)}).outcome, Outcome::kChanged);
  EXPECT_THAT(driver.send(Resume{}).refusal, HasSubstr("retry"));
  EXPECT_EQ(driver.send(Retry{}).outcome, Outcome::kChanged);
  EXPECT_FALSE(driver.state.condemned);
  EXPECT_EQ(driver.percent(), 1);
}

TEST(CommandsTest, WhoAndWhyAreKeptAndCleaned) {
  Driver driver;
  Event event{Start{}, "anna", std::string("go\x1b[2J \xff") + std::string(3000, 'x'), ""};
  const Transition transition = driver.send(event);
  EXPECT_EQ(transition.change.actor, "anna");
  EXPECT_LE(transition.change.reason.size(), 1024U);
  EXPECT_EQ(transition.change.reason.find('\x1b'), std::string::npos);
  EXPECT_TRUE(parse_state(serialise(driver.state)).has_value());
}

TEST(CommandsTest, APauseIsNotWhyItIsSuspended) {
  Driver driver;
  driver.climb_to(5).send(CircuitOpened{Trip::kUnhealthy}, "no healthy endpoint");
  const Transition paused = driver.after(1s).send(Pause{}, "looks odd");
  EXPECT_THAT(sentence(paused.change), HasSubstr("looks odd (by anna)"));
  EXPECT_EQ(driver.state.phase, Phase::kSuspended);
  EXPECT_EQ(driver.state.reason, "no healthy endpoint");
  EXPECT_EQ(driver.state.actor, "canaryd");
  driver.after(1s).send(CircuitClosed{});
  EXPECT_EQ(driver.state.phase, Phase::kPaused);
  EXPECT_EQ(driver.state.reason, "looks odd");
  // The same the other way round.
  driver.after(1s).send(CircuitOpened{Trip::kCircuit}, "3 failures");
  EXPECT_EQ(driver.state.reason, "3 failures");
  driver.after(1s).send(CircuitClosed{});
  EXPECT_EQ(driver.state.reason, "looks odd");
  driver.send(Resume{});
  EXPECT_EQ(driver.state.paused_reason, "");
}

}  // namespace
}  // namespace canaryd::rollout
