// What happens while something else is under way: safety does not queue, everything else does.
#include "runner_rig.hpp"

namespace canaryd::control::test {
namespace {

using rollout::Judgement;
using rollout::Outcome;
using rollout::Phase;

class RunnerBusyTest : public RunnerRig {
 protected:
  // Runs what is under way one piece at a time; nobody may be on the canary after any of them.
  void settle_with_nobody_on_the_canary() {
    for (bool quiet = false; !quiet;) {
      bool back = false;
      store_->verify_some({}, 1, [&back](const Result<store::Verification>&) { back = true; });
      while (!back) {
        loop_.run_one();
        EXPECT_EQ(ceiling(), 0);
      }
      quiet = waiting_tables_.empty() && loop_.empty() && !runner_->busy();
      for (const auto& done : std::exchange(waiting_tables_, {})) {
        done();
        EXPECT_EQ(ceiling(), 0);
      }
    }
  }
};

TEST_F(RunnerBusyTest, AnAbortWhileARiseIsBeingWrittenActsAtOnce) {
  climb_to(10);
  tick(Judgement::kAccept);
  ASSERT_TRUE(runner_->busy());
  begin(rollout::Abort{});
  EXPECT_EQ(ceiling(), 0);
  settle_with_nobody_on_the_canary();
  EXPECT_EQ(phase(), Phase::kAborted);
  EXPECT_TRUE(answers_.back()->durable);
  EXPECT_EQ(disk_.journal().back().entry.to, "aborted");
}

TEST_F(RunnerBusyTest, AnAbortWhileARiseIsBeingPublishedActsAtOnce) {
  climb_to(10);
  tick(Judgement::kAccept);
  loop_.settle(*store_);
  ASSERT_EQ(waiting_tables_.size(), 1U);
  begin(rollout::Abort{});
  EXPECT_EQ(ceiling(), 0);
  settle_with_nobody_on_the_canary();
  EXPECT_EQ(phase(), Phase::kAborted);
}

TEST_F(RunnerBusyTest, AnAbortOfAStartUnderWayLeavesNobodyThere) {
  begin(rollout::Start{});
  begin(rollout::Abort{});
  settle_with_nobody_on_the_canary();
  EXPECT_EQ(phase(), Phase::kAborted);
}

TEST_F(RunnerBusyTest, AnAbortBehindARiseThatFailsStillAborts) {
  climb_to(10);
  disk_.fail();
  tick(Judgement::kAccept);
  begin(rollout::Abort{});
  settle_with_nobody_on_the_canary();
  EXPECT_EQ(phase(), Phase::kAborted);
  EXPECT_FALSE(answers_.back()->durable);
}

TEST_F(RunnerBusyTest, ABadVerdictDoesNotWaitForARise) {
  climb_to(10);
  tick(Judgement::kAccept);
  ASSERT_TRUE(runner_->busy());
  tick(Judgement::kRollback);
  EXPECT_EQ(ceiling(), 0);
  tick(Judgement::kRollback);
  settle_with_nobody_on_the_canary();
  EXPECT_EQ(phase(), Phase::kRolledBack);
  EXPECT_EQ(runner_->counts().rollbacks.at("verdict"), 1U);
}

TEST_F(RunnerBusyTest, AVerdictInModeObserveBrakesNothing) {
  config_.plan.mode = rollout::Mode::kObserve;
  crash();
  send(rollout::Start{});
  begin(rollout::Pause{});
  tick(Judgement::kRollback);
  EXPECT_EQ(ceiling(), 10);
  settle();
  EXPECT_EQ(effective(), 10);
}

// `retry` begins with fresh evidence, but while it is being written the ticks still speak of the
// old.
TEST_F(RunnerBusyTest, AVerdictOnTheRunBeforeDoesNotEndTheNewOne) {
  climb_to(10);
  tick(Judgement::kRollback);
  settle();
  ASSERT_EQ(phase(), Phase::kRolledBack);
  begin(rollout::Retry{});
  ASSERT_TRUE(runner_->busy());
  tick(Judgement::kRollback);
  settle();
  EXPECT_EQ(phase(), Phase::kProgressing);
  EXPECT_EQ(effective(), 10);
}

TEST_F(RunnerBusyTest, CommandsAreIdempotent) {
  climb_to(10);
  EXPECT_EQ(send(rollout::Abort{}).outcome, Outcome::kChanged);
  const std::uint64_t generation = runner_->state().generation;
  const std::size_t rows = disk_.journal().size();
  EXPECT_EQ(send(rollout::Abort{}).outcome, Outcome::kUnchanged);
  begin(rollout::Abort{});
  begin(rollout::Abort{});
  settle();
  EXPECT_EQ(runner_->state().generation, generation);
  EXPECT_EQ(disk_.journal().size(), rows);
}

TEST_F(RunnerBusyTest, IfMatchIsLookedAtWhenItsTurnHasCome) {
  climb_to(10);
  const std::uint64_t generation = runner_->state().generation;
  tick(Judgement::kAccept);
  // Asked for by somebody who saw 10 %; by now it is 50 %.
  begin(rollout::Promote{}, generation);
  settle();
  EXPECT_TRUE(answers_.back()->stale);
  EXPECT_EQ(effective(), 50);
  begin(rollout::Promote{}, generation + 1);
  settle();
  EXPECT_FALSE(answers_.back()->stale);
  EXPECT_EQ(effective(), 100);
}

TEST_F(RunnerBusyTest, AStaleEndTakesNobodyOffTheCanary) {
  climb_to(10);
  begin(rollout::Pause{});
  ASSERT_TRUE(runner_->busy());
  begin(rollout::Abort{}, std::uint64_t{1});
  EXPECT_EQ(ceiling(), 10);
  begin(rollout::RollBack{}, std::uint64_t{1});
  EXPECT_EQ(ceiling(), 10);
  settle();
  for (std::size_t i = answers_.size() - 2; i < answers_.size(); ++i) {
    EXPECT_TRUE(answers_[i]->stale);
  }
  EXPECT_EQ(phase(), Phase::kPaused);
  EXPECT_EQ(effective(), 10);
}

// The generation moves when the rise is in force; who ends what he sees is not told to look again.
TEST_F(RunnerBusyTest, AnEndOfWhatIsInForceNowActsAtOnceAndStays) {
  for (const bool aborts : {true, false}) {
    climb_to(10);
    const std::uint64_t generation = runner_->state().generation;
    tick(Judgement::kAccept);
    ASSERT_TRUE(runner_->busy());
    ASSERT_EQ(runner_->state().generation, generation);
    begin(aborts ? rollout::Event::What(rollout::Abort{}) : rollout::RollBack{}, generation);
    EXPECT_EQ(ceiling(), 0);
    settle_with_nobody_on_the_canary();
    ASSERT_TRUE(answers_.back().has_value());
    EXPECT_FALSE(answers_.back()->stale);
    EXPECT_TRUE(answers_.back()->durable);
    EXPECT_EQ(phase(), aborts ? Phase::kAborted : Phase::kRolledBack);
    EXPECT_EQ(runner_->state().generation, generation + 2);
    send(rollout::Retry{});
  }
}

// The table is on its way, so the weight that the abort was about is the one before.
TEST_F(RunnerBusyTest, AnEndOfWhatIsNoLongerInForceIsStale) {
  climb_to(10);
  const std::uint64_t generation = runner_->state().generation;
  tick(Judgement::kAccept);
  loop_.settle(*store_);
  ASSERT_TRUE(runner_->busy());
  ASSERT_EQ(runner_->state().generation, generation + 1);
  begin(rollout::Abort{}, generation);
  EXPECT_EQ(ceiling(), 10) << "it waits for the workers, as before";
  settle();
  EXPECT_TRUE(answers_.back()->stale);
  EXPECT_EQ(effective(), 50);
  EXPECT_EQ(phase(), Phase::kProgressing);
}

TEST_F(RunnerBusyTest, TablesThatComeAtOnceKeepTheOrderOfTheEvidence) {
  tables_at_once_ = true;
  begin(rollout::Start{});
  begin(rollout::Promote{});
  begin(rollout::Promote{});
  settle();
  EXPECT_EQ(effective(), 100);
  EXPECT_EQ(runner_->evidence().weight(), BasisPoints(10000));
  runner_->save_evidence();
  settle();
  const auto rows = disk_.evidence("shop", runner_->state().run);
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[0].kind, store::EvidenceKind::kSettings);
  for (std::size_t i = 1; i < 4; ++i) EXPECT_EQ(rows[i].kind, store::EvidenceKind::kStep);
  EXPECT_EQ(rows[1].values[0], 1000);
  EXPECT_EQ(rows[2].values[0], 5000);
  EXPECT_EQ(rows[3].values[0], 10000);
}

// The call is journalled before it is made; until then whoever ends the rollout comes first.
TEST_F(RunnerBusyTest, AnAbortBeforeTheHookIsCalledKeepsTheOldVersion) {
  config_.plan.retire = rollout::RetirePlan{1s, 2s, 3s, true};
  crash();
  int called = 0;
  host_->decommission = [&called](const std::string&) { ++called; };
  for (const rollout::Event::What& what : {rollout::Event::What(rollout::Start{}),
                                           rollout::Event::What(rollout::Promote{true}),
                                           rollout::Event::What(rollout::Promote{})}) {
    send(what);
  }
  rollout::Tick idle = verdict(Judgement::kHold);
  idle.stable_use.idle = 1h;
  send(idle);
  ASSERT_EQ(phase(), Phase::kRetiring);
  clock_.advance(10s);
  begin(idle);
  ASSERT_TRUE(runner_->busy());
  begin(rollout::Abort{});
  settle();
  EXPECT_EQ(called, 0);
  EXPECT_EQ(phase(), Phase::kAborted);
  EXPECT_EQ(ceiling(), 0);
  EXPECT_EQ(disk_.journal().back().entry.sentence, "aborted shop at 100 % (by anna)");
}

}  // namespace
}  // namespace canaryd::control::test
