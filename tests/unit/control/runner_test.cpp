// The order of things: up is persisted, then published, then let through; down is let fall, then
// published, then persisted. And what a store that fails may and may not stop.
#include "runner_rig.hpp"

namespace canaryd::control::test {
namespace {

using rollout::Judgement;
using rollout::Outcome;
using rollout::Phase;

class RunnerTest : public RunnerRig {};

TEST_F(RunnerTest, ARiseIsPersistedThenPublishedThenLetThrough) {
  begin(rollout::Start{});
  EXPECT_EQ(tables_, 0);
  EXPECT_EQ(runner_->state().phase, Phase::kIdle);
  on_table_ = [this] {
    EXPECT_EQ(durable_weight(), 10);
    EXPECT_EQ(ceiling(), 0);
  };
  loop_.settle(*store_);
  EXPECT_EQ(tables_, 1);
  EXPECT_EQ(table_.weight, BasisPoints(1000));
  EXPECT_EQ(effective(), 0) << "not every worker has the table yet";
  EXPECT_FALSE(answers_.back().has_value());
  deliver_tables();
  EXPECT_EQ(effective(), 10);
  ASSERT_TRUE(answers_.back().has_value());
  EXPECT_EQ(answers_.back()->outcome, Outcome::kChanged);
  EXPECT_TRUE(answers_.back()->durable);
}

TEST_F(RunnerTest, AFallLowersTheGateThenPublishesThenPersists) {
  climb_to(50);
  on_table_ = [this] {
    EXPECT_EQ(ceiling(), 0);
    EXPECT_EQ(durable_weight(), 50);
  };
  begin(rollout::RollBack{});
  EXPECT_EQ(effective(), 0);
  EXPECT_FALSE(answers_.back().has_value()) << "not acknowledged before it is durable";
  settle();
  EXPECT_EQ(durable_weight(), 0);
  EXPECT_EQ(phase(), Phase::kRolledBack);
  EXPECT_TRUE(answers_.back()->durable);
  EXPECT_EQ(runner_->counts().rollbacks.at("operator"), 1U);
}

TEST_F(RunnerTest, ChangesWithoutAWeightMakeNoTable) {
  climb_to(10);
  const int before = tables_;
  send(rollout::Pause{});
  EXPECT_EQ(tables_, before);
  EXPECT_EQ(effective(), 10);
}

TEST_F(RunnerTest, AStoreThatFailsLetsNothingRise) {
  disk_.fail();
  const Runner::Answer answer = send(rollout::Start{});
  EXPECT_TRUE(answer.failed);
  EXPECT_THAT(answer.refusal, ::testing::HasSubstr("disk is full"));
  EXPECT_EQ(phase(), Phase::kIdle);
  EXPECT_EQ(tables_, 0);
  EXPECT_EQ(ceiling(), 0);
}

TEST_F(RunnerTest, AStoreThatFailsIsLoggedOnceAndBurnsNoGeneration) {
  climb_to(10);
  const std::uint64_t generation = runner_->state().generation;
  disk_.fail();
  for (int second = 0; second < 20; ++second) {
    tick(Judgement::kAccept);
    settle();
    if (second % 5 == 0) runner_->save_evidence();
    settle();
  }
  EXPECT_EQ(effective(), 10);
  EXPECT_EQ(runner_->state().generation, generation);
  EXPECT_GE(disk_.failed_writes(), 20U);
  EXPECT_EQ(logged("cannot be written; no weight rises"), 1U);
  EXPECT_EQ(logged("the journal is written again"), 0U);
  disk_.work();
  tick(Judgement::kAccept);
  settle();
  EXPECT_EQ(effective(), 50);
  EXPECT_EQ(runner_->state().generation, generation + 1);
  EXPECT_EQ(logged("the journal is written again"), 1U);
}

TEST_F(RunnerTest, ARollbackDoesNotWaitForTheStore) {
  climb_to(50);
  disk_.fail();
  const Runner::Answer answer = send(rollout::RollBack{});
  EXPECT_EQ(answer.outcome, Outcome::kChanged);
  EXPECT_FALSE(answer.durable);
  EXPECT_EQ(effective(), 0);
  EXPECT_EQ(phase(), Phase::kRolledBack);
  EXPECT_FALSE(runner_->durable());

  const Runner::Answer again = send(rollout::RollBack{});
  EXPECT_EQ(again.outcome, Outcome::kUnchanged);
  EXPECT_FALSE(again.durable) << "still not acknowledged";
  for (int second = 0; second < 5; ++second) {
    tick(Judgement::kHold);
    settle();
  }
  EXPECT_FALSE(runner_->durable());
  EXPECT_EQ(logged("cannot be written; no weight rises"), 1U);

  disk_.work();
  tick(Judgement::kHold);
  settle();
  EXPECT_TRUE(runner_->durable());
  EXPECT_EQ(disk_.journal().back().entry.to, "rolled_back");
  EXPECT_EQ(logged("the journal is written again"), 1U);
  EXPECT_TRUE(send(rollout::RollBack{}).durable);
}

TEST_F(RunnerTest, AFallIsNotCalledDurableWhileItIsBeingWritten) {
  climb_to(50);
  begin(rollout::RollBack{});
  EXPECT_EQ(phase(), Phase::kRolledBack);
  EXPECT_FALSE(runner_->durable());
  tick(Judgement::kHold);
  EXPECT_FALSE(runner_->durable());
  EXPECT_FALSE(runner_->store_failing());
  settle();
  EXPECT_TRUE(runner_->durable());
  const auto rows = disk_.journal();
  EXPECT_EQ(rows.back().entry.to, "rolled_back");
  EXPECT_NE(rows.at(rows.size() - 2).entry.to, "rolled_back") << "written once";
}

// It speaks of the state before.
TEST_F(RunnerTest, ARetryUnderWaySaysNothingOfALaterFall) {
  climb_to(50);
  disk_.fail();
  EXPECT_FALSE(send(rollout::Pause{}).durable);
  disk_.work();
  tick(Judgement::kHold);
  begin(rollout::Abort{});
  loop_.run_one();
  EXPECT_FALSE(answers_.back().has_value());
  EXPECT_FALSE(runner_->durable());
  settle();
  EXPECT_TRUE(answers_.back()->durable);
  EXPECT_TRUE(runner_->durable());
}

TEST_F(RunnerTest, AWriteThatHangsIsToldOnceAndUntilItIsAnswered) {
  climb_to(50);
  for (const bool falls : {false, true}) {
    const std::size_t before = logged("the disk hangs");
    if (falls) {
      begin(rollout::RollBack{});
    } else {
      tick(Judgement::kAccept);
    }
    // Nothing of what the store answers is heard.
    for (int second = 0; second < 5; ++second) tick(Judgement::kHold);
    EXPECT_FALSE(runner_->store_failing());
    for (int second = 0; second < 10; ++second) tick(Judgement::kHold);
    EXPECT_TRUE(runner_->store_failing());
    EXPECT_EQ(runner_->durable(), !falls) << "what is in force";
    EXPECT_EQ(logged("the disk hangs"), before + 1);
    settle();
    EXPECT_FALSE(runner_->store_failing());
    EXPECT_TRUE(runner_->durable());
  }
  EXPECT_EQ(logged("the journal is written again"), 2U);
}

TEST_F(RunnerTest, WhatTheStoreGaveUpIsNotCalledDurable) {
  climb_to(50);
  disk_.fail_for_good();
  EXPECT_FALSE(send(rollout::RollBack{}).durable);
  disk_.work();
  for (int second = 0; second < 3; ++second) {
    tick(Judgement::kHold);
    settle();
  }
  EXPECT_FALSE(runner_->durable()) << "the row is nowhere";
  EXPECT_EQ(durable_weight(), 50);
  // The next transition carries the state.
  EXPECT_TRUE(send(rollout::Retry{}).durable);
  EXPECT_TRUE(runner_->durable());
  EXPECT_EQ(effective(), 10);
}

TEST_F(RunnerTest, WhatTheStoreGivesUpLaterIsNotCalledDurable) {
  climb_to(50);
  disk_.fail();
  EXPECT_FALSE(send(rollout::RollBack{}).durable);
  disk_.fail_for_good();
  tick(Judgement::kHold);
  settle();
  disk_.work();
  for (int second = 0; second < 3; ++second) {
    tick(Judgement::kHold);
    settle();
  }
  EXPECT_FALSE(runner_->durable()) << "the row is nowhere";
  EXPECT_EQ(durable_weight(), 50);
}

TEST_F(RunnerTest, WhatTheStoreGivesUpWithTheWriteOfSomebodyElseIsWrittenOnceMore) {
  climb_to(50);
  disk_.fail();
  EXPECT_FALSE(send(rollout::RollBack{}).durable);
  disk_.fail_for_good();
  store_->drop_evidence("other", 1, [](const Result<void>&) {});
  settle();
  EXPECT_EQ(store_->kept(), 0U);
  disk_.work();
  tick(Judgement::kHold);
  settle();
  EXPECT_TRUE(runner_->durable());
  EXPECT_EQ(durable_weight(), 0);
  EXPECT_EQ(disk_.journal().back().entry.to, "rolled_back");
}

TEST_F(RunnerTest, AGoodLookAtTheStoreIsNoWrite) {
  climb_to(10);
  disk_.go_missing();
  runner_->heed_store(disk_.probe());
  EXPECT_TRUE(runner_->store_failing());
  disk_.work();
  runner_->heed_store(disk_.probe());
  EXPECT_FALSE(runner_->store_failing());
  EXPECT_EQ(logged("the journal is in its place again"), 1U);
  EXPECT_EQ(logged("the journal is written again"), 0U);
}

TEST_F(RunnerTest, EvidenceOfAFailedWriteIsWrittenLaterOnce) {
  climb_to(10);
  runner_->absorb(block(1, 1));
  disk_.fail();
  runner_->save_evidence();
  runner_->absorb(block(2, 2));
  runner_->save_evidence();  // One is under way.
  settle();
  disk_.work();
  runner_->save_evidence();
  settle();
  const auto rows = disk_.evidence("shop", runner_->state().run);
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i].index, i);
  const auto replayed = Evidence::replay("shop", runner_->state().run, config_.analysis, rows);
  ASSERT_TRUE(replayed.has_value());
  EXPECT_EQ(replayed->analyzer(), runner_->evidence().analyzer());
}

TEST_F(RunnerTest, WhatComesAfterTheEndChangesNoVerdict) {
  climb_to(50);
  for (int second = 0; second < 20; ++second) runner_->absorb(block(1, 100));
  const analysis::Verdict before = runner_->evidence().verdict();
  ASSERT_EQ(before.decision, analysis::Decision::kRollback);
  send(rollout::RollBack{});
  runner_->absorb(block(1, 0));
  EXPECT_EQ(runner_->evidence().verdict(), before);
  send(rollout::Retry{});
  runner_->absorb(block(1, 0));
  EXPECT_NE(runner_->evidence().verdict(), before);
}

TEST_F(RunnerTest, CompletionsThatOutliveTheControllerDoNothing) {
  climb_to(10);
  begin(rollout::Promote{});
  host_->closed = true;
  host_->log = nullptr;
  host_->publish = nullptr;
  loop_.settle(*store_);
  EXPECT_EQ(ceiling(), 10);
  EXPECT_FALSE(answers_.back().has_value());
}

TEST_F(RunnerTest, TheOldEvidenceGoesWhenTheNewRunIsDurable) {
  climb_to(10);
  runner_->absorb(block(0, 0));
  runner_->save_evidence();
  send(rollout::RollBack{});
  const std::uint64_t old_run = runner_->state().run;
  EXPECT_FALSE(disk_.evidence("shop", old_run).empty());
  disk_.fail();
  send(rollout::Retry{});
  disk_.work();
  EXPECT_FALSE(disk_.evidence("shop", old_run).empty());
  send(rollout::Retry{});
  EXPECT_NE(runner_->state().run, old_run);
  EXPECT_TRUE(disk_.evidence("shop", old_run).empty());
}

}  // namespace
}  // namespace canaryd::control::test
