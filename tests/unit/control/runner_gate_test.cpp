// What the data plane did by itself, and what control makes of it.
#include "runner_rig.hpp"

namespace canaryd::control::test {
namespace {

using rollout::Admission;
using rollout::HoldReason;
using rollout::Judgement;
using rollout::Phase;

class RunnerGateTest : public RunnerRig {
 protected:
  [[nodiscard]] routing::CohortGate& gate() { return *table_.gate; }
  void fail(int times) {
    for (int i = 0; i < times; ++i) {
      gate().failed(table_.run, 5, clock_.now() + config_.circuit.open_for);
    }
  }
  void look() {
    runner_->look();
    settle();
  }
  void watch(double stable_failures = 0, double canary_failures = 1) {
    Runner::Surroundings surroundings;
    surroundings.failures = {stable_failures, canary_failures, 1000};
    runner_->watch(surroundings);
    settle();
  }
  void probe(bool good, int times) {
    for (int i = 0; i < times; ++i) gate().probed(table_.run, good);
  }
  void expose(int times) {
    for (int i = 0; i < times; ++i) {
      gate().exposed(table_.run, config_.exposure.max_failed_requests);
    }
  }
  [[nodiscard]] std::uint64_t stored() { return disk_.exposure_used("shop", runner_->state().run); }
  [[nodiscard]] std::string told() { return disk_.journal().back().entry.sentence; }
  void suspend_at(unsigned percent) {
    climb_to(percent);
    fail(5);
    look();
    ASSERT_EQ(phase(), Phase::kSuspended);
  }
};

TEST_F(RunnerGateTest, ControlFollowsAnOpenCircuit) {
  climb_to(50);
  fail(4);
  look();
  EXPECT_EQ(phase(), Phase::kProgressing);
  on_table_ = [this] { EXPECT_EQ(durable_weight(), 50) << "down: publish, then persist"; };
  fail(1);
  EXPECT_EQ(effective(), 0) << "before control knows";
  look();
  EXPECT_EQ(phase(), Phase::kSuspended);
  EXPECT_EQ(disk_.journal().back().entry.cause, "circuit");
  EXPECT_EQ(durable_weight(), 0);
  EXPECT_EQ(table_.admission, Admission::kProbeOnly);
  EXPECT_EQ(table_.weight, BasisPoints(0));
  EXPECT_EQ(table_.waiting, BasisPoints(5000));
  const std::size_t rows = disk_.journal().size();
  look();
  watch();
  EXPECT_EQ(disk_.journal().size(), rows);
}

TEST_F(RunnerGateTest, GoodProbesResumeTheSameWeight) {
  suspend_at(50);
  probe(true, 4);
  watch();
  EXPECT_EQ(phase(), Phase::kSuspended);
  probe(true, 1);
  on_table_ = [this] {
    EXPECT_EQ(durable_weight(), 50) << "up: persist, then publish";
    EXPECT_EQ(ceiling(), 0);
  };
  watch();
  EXPECT_EQ(phase(), Phase::kProgressing);
  EXPECT_EQ(effective(), 50);
  EXPECT_FALSE(runner_->circuit_open());
  EXPECT_EQ(disk_.journal().back().entry.cause, "circuit_closed");
  // And it protects as before.
  fail(5);
  EXPECT_EQ(effective(), 0);
}

// It fails under load, so its probes are fine each time. Under `observe` no verdict ends that.
TEST_F(RunnerGateTest, ACanaryThatFailsUnderLoadDoesNotComeAndGoForEver) {
  config_.plan.mode = rollout::Mode::kObserve;
  runner_->replan({config_}, true);
  settle();
  send(rollout::Start{});
  send(rollout::SetWeight{BasisPoints(5000)});
  int trips = 0;
  while (phase() != Phase::kRolledBack && trips < 100) {
    ++trips;
    fail(5);
    EXPECT_EQ(effective(), 0);
    look();
    clock_.advance(10s);
    probe(true, 5);
    watch();
  }
  EXPECT_EQ(trips, 5);
  EXPECT_EQ(told(),
            "rolled back shop at 50 %: the canary does not come back (circuit), it has opened "
            "5 times within 10m");
  EXPECT_EQ(effective(), 0);
  EXPECT_FALSE(runner_->circuit_open());
  send(rollout::Retry{});
  fail(5);
  look();
  EXPECT_EQ(phase(), Phase::kSuspended) << "another run begins anew";
}

TEST_F(RunnerGateTest, ASentenceNamesTheFigures) {
  suspend_at(50);
  EXPECT_EQ(told(), "suspended shop at 50 %: circuit, 5 failed canary requests in a row");
  probe(true, 5);
  watch();
  EXPECT_EQ(told(), "resumed shop at 50 %: the circuit is closed, 5 good probes in a row");
  fail(5);
  look();
  probe(false, 3);
  watch(0.75);
  look();
  EXPECT_EQ(told(),
            "shop stays suspended: stable fails as well, 3 failed probes in a row, stable fails "
            "75 %");
  probe(false, 3);
  watch(0);
  look();
  EXPECT_EQ(told(),
            "rolled back shop while suspended: the canary does not come back (circuit), 3 failed "
            "probes in "
            "a row");
}

TEST_F(RunnerGateTest, NothingResumesThatCannotBeStored) {
  suspend_at(50);
  probe(true, 5);
  disk_.fail();
  for (int i = 0; i < 3; ++i) watch();
  EXPECT_EQ(phase(), Phase::kSuspended);
  EXPECT_EQ(effective(), 0);
  EXPECT_TRUE(runner_->circuit_open());
  disk_.work();
  watch();
  EXPECT_EQ(effective(), 50);
}

TEST_F(RunnerGateTest, ASuspensionDoesNotWaitForTheStore) {
  climb_to(50);
  disk_.fail();
  fail(5);
  look();
  EXPECT_EQ(phase(), Phase::kSuspended);
  EXPECT_FALSE(runner_->durable());
  EXPECT_EQ(table_.admission, Admission::kProbeOnly);
}

TEST_F(RunnerGateTest, BadProbesRollBack) {
  suspend_at(50);
  probe(false, 2);
  look();
  EXPECT_EQ(phase(), Phase::kSuspended);
  probe(false, 1);
  look();
  EXPECT_EQ(phase(), Phase::kRolledBack);
  EXPECT_EQ(disk_.journal().back().entry.cause, "circuit");
  EXPECT_EQ(runner_->counts().rollbacks.at("circuit"), 1U);
  EXPECT_EQ(effective(), 0);
  EXPECT_FALSE(runner_->circuit_open()) << "there is nothing left to probe";
  const std::size_t rows = disk_.journal().size();
  look();
  EXPECT_EQ(disk_.journal().size(), rows);
  send(rollout::Retry{});
  EXPECT_EQ(effective(), 10);
}

TEST_F(RunnerGateTest, ACanaryIsNotBlamedWhileStableFailsToo) {
  suspend_at(50);
  for (int round = 0; round < 3; ++round) {
    probe(false, 3);
    watch(0.5);
    look();
    EXPECT_EQ(phase(), Phase::kSuspended);
    EXPECT_EQ(runner_->state().hold, HoldReason::kEnvironmentDegraded);
  }
  EXPECT_EQ(disk_.journal().back().entry.cause, "environment_degraded");
  probe(true, 5);
  watch(0);
  EXPECT_EQ(phase(), Phase::kProgressing);
  EXPECT_EQ(effective(), 50);
  EXPECT_EQ(runner_->state().hold, HoldReason::kNone);
}

TEST_F(RunnerGateTest, WhileBothFailAtRandomItTakesMoreProbesThanChanceGives) {
  suspend_at(50);
  EXPECT_EQ(runner_->probes_needed(), 3U);
  probe(false, 3);
  watch(0.3, 0.3);
  look();
  EXPECT_EQ(phase(), Phase::kSuspended);
  EXPECT_EQ(runner_->state().hold, HoldReason::kEnvironmentDegraded);
  EXPECT_EQ(told(),
            "shop stays suspended: stable fails as well, 3 failed probes in a row, stable fails "
            "30 %");
  EXPECT_EQ(runner_->probes_needed(), 12U);
  const std::size_t rows = disk_.journal().size();
  probe(false, 8);
  look();
  EXPECT_EQ(disk_.journal().size(), rows) << "said once";
  probe(false, 1);
  look();
  EXPECT_EQ(phase(), Phase::kRolledBack) << "a canary that is dead all the same";
}

TEST_F(RunnerGateTest, AfterAnOutageOfBothGoodProbesResume) {
  suspend_at(50);
  probe(false, 5);
  watch(0.45, 0.45);
  look();
  watch(0.01, 0);
  look();
  EXPECT_EQ(phase(), Phase::kSuspended);
  probe(true, 5);
  watch(0.01, 0);
  EXPECT_EQ(phase(), Phase::kProgressing);
  EXPECT_EQ(effective(), 50);
}

TEST_F(RunnerGateTest, ARestartComesBackSuspended) {
  suspend_at(50);
  crash();
  EXPECT_EQ(phase(), Phase::kSuspended);
  EXPECT_EQ(effective(), 0);
  EXPECT_TRUE(runner_->circuit_open());
  EXPECT_EQ(table_.admission, Admission::kProbeOnly);
  EXPECT_FALSE(gate().claim_probe(table_.run, clock_.now() + 4999ms, true));
  EXPECT_TRUE(gate().claim_probe(table_.run, clock_.now() + 5s, true));
  probe(true, 5);
  watch();
  EXPECT_EQ(effective(), 50);
}

// The gate was lifted for a decision that is older than the failures.
TEST_F(RunnerGateTest, ARiseThatIsUnderWayDoesNotUndoIt) {
  climb_to(10);
  tick(Judgement::kAccept);
  loop_.settle(*store_);
  ASSERT_EQ(table_.weight, BasisPoints(5000)) << "published, but not on every worker yet";
  fail(5);
  deliver_tables();
  EXPECT_EQ(effective(), 0);
  look();
  EXPECT_EQ(phase(), Phase::kSuspended);
  EXPECT_EQ(table_.waiting, BasisPoints(5000));
}

TEST_F(RunnerGateTest, ABrakeThatIsReleasedDoesNotUndoIt) {
  climb_to(50);
  send(rollout::Promote{true});
  send(rollout::Promote{});
  ASSERT_EQ(phase(), Phase::kPromoted);
  config::Rollout next = config_;
  next.plan.revision = "2";
  // Refused while stable is down, so the brake is released.
  const auto reload = [&] {
    runner_->replan({next}, false);
    settle();
  };
  runner_->prepare(next.plan);
  EXPECT_EQ(effective(), 0);
  fail(5);
  reload();
  EXPECT_EQ(effective(), 100) << "it was braked already, so nothing opened";
  fail(5);
  runner_->prepare(next.plan);
  reload();
  EXPECT_EQ(effective(), 0);
  look();
  EXPECT_EQ(phase(), Phase::kSuspended);
}

TEST_F(RunnerGateTest, TheOperatorEndsASuspension) {
  suspend_at(50);
  send(rollout::Abort{});
  EXPECT_EQ(phase(), Phase::kAborted);
  EXPECT_EQ(table_.admission, Admission::kStableOnly);
  EXPECT_EQ(effective(), 0);
  EXPECT_FALSE(runner_->circuit_open());
}

TEST_F(RunnerGateTest, AWeightOfZeroEndsItToo) {
  suspend_at(50);
  send(rollout::SetWeight{BasisPoints(0)});
  EXPECT_EQ(phase(), Phase::kSuspended);
  EXPECT_EQ(table_.admission, Admission::kStableOnly);
  watch();
  EXPECT_EQ(phase(), Phase::kPaused);
  EXPECT_FALSE(runner_->circuit_open());
  send(rollout::SetWeight{BasisPoints(2000)});
  EXPECT_EQ(effective(), 20);
}

TEST_F(RunnerGateTest, ALowerWeightIsWhatComesBack) {
  suspend_at(50);
  send(rollout::SetWeight{BasisPoints(2000)});
  EXPECT_EQ(table_.waiting, BasisPoints(2000));
  EXPECT_EQ(effective(), 0);
  probe(true, 5);
  watch();
  EXPECT_EQ(phase(), Phase::kPaused);
  EXPECT_EQ(effective(), 20);
}

// ---- Exposure

class RunnerExposureTest : public RunnerGateTest {
 protected:
  RunnerExposureTest() {
    config_.exposure.max_failed_requests = 20;
    boot();
  }
};

TEST_F(RunnerExposureTest, ASpentBudgetSuspendsAtOnceAndThenRollsBack) {
  climb_to(50);
  expose(20);
  look();
  EXPECT_EQ(effective(), 50);
  expose(1);
  EXPECT_EQ(effective(), 0) << "before control knows";
  look();
  EXPECT_EQ(phase(), Phase::kSuspended);
  EXPECT_EQ(disk_.journal().back().entry.cause, "exposure");
  EXPECT_EQ(told(), "suspended shop at 50 %: exposure, 21 failures, 20 allowed");
  EXPECT_EQ(gate().state(), (routing::GateState{table_.run, BasisPoints(0), true, true}));
  EXPECT_FALSE(runner_->circuit_open()) << "there are no probes";
  runner_->follow_health(true, true);
  settle();
  EXPECT_EQ(phase(), Phase::kSuspended) << "that it is well does not give the budget back";
  EXPECT_FALSE(gate().claim_probe(table_.run, clock_.now() + 1h, true));
  watch();
  watch();
  EXPECT_EQ(phase(), Phase::kRolledBack);
  EXPECT_EQ(runner_->counts().rollbacks.at("exposure"), 1U);
  EXPECT_EQ(
      told(),
      "rolled back shop while suspended: more failures reached users than exposure allows, 21 "
      "failures, 20 allowed");
  const std::size_t rows = disk_.journal().size();
  for (int i = 0; i < 5; ++i) {
    look();
    watch();
  }
  EXPECT_EQ(disk_.journal().size(), rows);
  EXPECT_EQ(stored(), 21U);
  send(rollout::Retry{});
  EXPECT_EQ(effective(), 10);
  EXPECT_EQ(runner_->exposure_used(), 0U);
}

TEST_F(RunnerExposureTest, TheUseOutlivesTheDaemon) {
  climb_to(50);
  expose(7);
  look();
  EXPECT_EQ(stored(), 9U) << "a tenth of the budget ahead";
  crash();
  EXPECT_EQ(effective(), 50);
  EXPECT_EQ(runner_->exposure_used(), 9U);
  for (int i = 0; i < 3; ++i) crash();
  EXPECT_EQ(runner_->exposure_used(), 9U) << "restarts alone use up nothing";
  expose(11);
  look();
  EXPECT_EQ(stored(), 20U) << "not spent before it is";
  EXPECT_EQ(effective(), 50);
  crash();
  EXPECT_EQ(effective(), 50);
  expose(1);
  EXPECT_EQ(effective(), 0);
}

// The crash comes with them, before control has looked.
TEST_F(RunnerExposureTest, TheFirstFailuresAreStoredBeforeTheyHappen) {
  climb_to(10);
  look();
  EXPECT_EQ(stored(), 2U);
  expose(2);
  crash();
  EXPECT_EQ(runner_->exposure_used(), 2U);
  for (int i = 0; i < 3; ++i) {
    look();
    crash();
  }
  EXPECT_EQ(runner_->exposure_used(), 2U) << "restarts alone use up no more";
  // The next run has a budget of its own.
  send(rollout::Abort{});
  send(rollout::Retry{});
  EXPECT_EQ(runner_->exposure_used(), 0U);
  EXPECT_EQ(stored(), 0U);
  look();
  EXPECT_EQ(stored(), 2U);
}

TEST_F(RunnerExposureTest, WhoeverIsOnNoCanaryUsesUpNothing) {
  look();
  EXPECT_EQ(stored(), 0U);
  climb_to(10);
  send(rollout::Abort{});
  look();
  EXPECT_EQ(stored(), 0U);
}

TEST_F(RunnerExposureTest, ABudgetThatWasSpentStaysSoAfterARestart) {
  climb_to(50);
  expose(25);
  runner_->save_evidence();
  look();
  ASSERT_EQ(phase(), Phase::kSuspended);
  crash();
  EXPECT_EQ(phase(), Phase::kSuspended);
  EXPECT_TRUE(runner_->exposure_used() > 20U);
  watch();
  watch();
  EXPECT_EQ(phase(), Phase::kRolledBack);
}

TEST_F(RunnerExposureTest, WhatStableFailsTooIsGivenBack) {
  climb_to(50);
  expose(3);
  for (int i = 0; i < 3; ++i) watch(0.01, 0.2);
  EXPECT_EQ(runner_->exposure_used(), 3U);
  expose(10);
  watch(0.1, 0.2);
  EXPECT_EQ(runner_->exposure_used(), 3U);
  // The whole budget in the second in which stable fails as well: suspended, not rolled back.
  expose(18);
  look();
  ASSERT_EQ(phase(), Phase::kSuspended);
  watch(0.01, 0.2);
  watch(0.5, 0.9);
  EXPECT_EQ(phase(), Phase::kSuspended);
  EXPECT_EQ(runner_->state().hold, HoldReason::kEnvironmentDegraded);
  EXPECT_EQ(runner_->exposure_used(), 3U);
  // From there on it is probed like after any other failure.
  EXPECT_TRUE(gate().claim_probe(table_.run, clock_.now() + 5s, true));
  probe(true, 5);
  watch(0, 0);
  EXPECT_EQ(effective(), 50);
}

TEST_F(RunnerExposureTest, AStoreThatFailsIsToldLater) {
  climb_to(50);
  disk_.fail();
  expose(4);
  look();
  for (int i = 0; i < 5; ++i) look();
  EXPECT_EQ(logged("cannot be written"), 1U);
  disk_.work();
  watch();
  EXPECT_EQ(stored(), 6U);
}

TEST_F(RunnerExposureTest, AtWeightZeroTooItEndsTheRollout) {
  climb_to(50);
  send(rollout::SetWeight{BasisPoints(0)});
  expose(21);  // By what was under way.
  look();
  watch();
  watch();
  EXPECT_EQ(phase(), Phase::kRolledBack);
}

TEST_F(RunnerGateTest, WithoutALimitTheUseIsKeptAllTheSame) {
  climb_to(50);
  expose(1000);
  look();
  watch();
  EXPECT_EQ(effective(), 50);
  EXPECT_EQ(stored(), 1000U);
}

TEST_F(RunnerGateTest, WhatIsSlowFollowsStable) {
  climb_to(10);
  EXPECT_EQ(gate().slow_after(), Duration::zero());
  Runner::Surroundings surroundings;
  surroundings.slow_after = 3s;
  runner_->watch(surroundings);
  EXPECT_EQ(gate().slow_after(), Duration(3s));
  watch();
  EXPECT_EQ(gate().slow_after(), Duration(3s)) << "not known now: as before";
}

}  // namespace
}  // namespace canaryd::control::test
