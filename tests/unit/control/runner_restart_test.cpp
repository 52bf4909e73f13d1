// Restarts and reloads: what was durable goes on, nothing more, and under the plan it belongs to.
#include "canaryd/base/random.hpp"
#include "runner_rig.hpp"

namespace canaryd::control::test {
namespace {

using rollout::Judgement;
using rollout::Outcome;
using rollout::Phase;

class RunnerRestartTest : public RunnerRig {
 protected:
  void save() {
    runner_->save_evidence();
    settle();
  }
};

TEST_F(RunnerRestartTest, StateAndEvidenceGoOn) {
  climb_to(10);
  for (std::uint64_t bad = 0; bad < 5; ++bad) runner_->absorb(block(bad, bad + 3));
  save();
  const rollout::State state = runner_->state();
  const analysis::Analyzer analyzer = runner_->evidence().analyzer();
  crash();
  EXPECT_EQ(runner_->state(), state);
  EXPECT_EQ(runner_->evidence().analyzer(), analyzer);
  EXPECT_EQ(effective(), 10);
  runner_->absorb(block(0, 0));
  save();
  crash();
  EXPECT_EQ(runner_->evidence().verdict().metrics.front().canary_n, 6000);
}

TEST_F(RunnerRestartTest, AStepWhoseRowWasLostIsBegunAgain) {
  climb_to(10);
  runner_->absorb(block(0, 0));
  save();
  tick(Judgement::kAccept);
  settle();
  ASSERT_EQ(effective(), 50);
  crash();
  EXPECT_EQ(effective(), 50);
  EXPECT_EQ(runner_->evidence().weight(), BasisPoints(5000));
  EXPECT_EQ(runner_->evidence().verdict().metrics.front().canary_n, 0);
}

TEST_F(RunnerRestartTest, AStepThatIsJudgedForAnotherWeightIsBegunAgain) {
  climb_to(10);
  save();
  config_ = shop({10, 30, 100});
  runner_->replan({config_}, true);
  settle();
  ASSERT_EQ(runner_->state().next_weight, BasisPoints(3000));
  crash();
  EXPECT_EQ(runner_->evidence().next_weight(), BasisPoints(3000));
}

TEST_F(RunnerRestartTest, ARollbackThatWasNotDurableComesBackWithTheLastDurableWeight) {
  climb_to(50);
  disk_.fail();
  EXPECT_FALSE(send(rollout::RollBack{}).durable);
  EXPECT_EQ(effective(), 0);
  crash();
  EXPECT_EQ(effective(), 50);
}

TEST_F(RunnerRestartTest, WhatCannotBeReadIsAnError) {
  climb_to(10);
  save();
  disk_.damage_evidence("shop", runner_->state().run, 1);
  MemoryStore reader(disk_);
  auto recovered = recover(reader);
  ASSERT_TRUE(recovered.has_value());
  auto made = make_runner(host_, config_, *recovered, clock_.wall_now());
  ASSERT_FALSE(made.has_value());
  EXPECT_THAT(made.error().context, ::testing::HasSubstr("rollout shop"));
  disk_.damage_state("{}");
  recovered = recover(reader);
  ASSERT_TRUE(recovered.has_value());
  made = make_runner(host_, config_, *recovered, clock_.wall_now());
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code, ErrorCode::kMalformed);
}

TEST_F(RunnerRestartTest, OtherVersionsInTheFileAreNotServedByTheOldWeight) {
  climb_to(50);
  config_.plan.revision = "2";
  crash();
  EXPECT_EQ(effective(), 0);
  announce_restart(*runner_, "daemon started");
  EXPECT_EQ(effective(), 0);
  settle();
  EXPECT_EQ(phase(), Phase::kIdle);
  send(rollout::Start{});
  EXPECT_EQ(effective(), 10);
}

TEST_F(RunnerRestartTest, AnotherRolloutBeginsWhenTheJournalCanBeWritten) {
  climb_to(10);
  send(rollout::RollBack{});
  config_.plan.revision = "2";
  crash();
  disk_.fail();
  announce_restart(*runner_, "daemon started");
  settle();
  EXPECT_EQ(phase(), Phase::kRolledBack);
  disk_.work();
  tick(Judgement::kHold);
  settle();
  EXPECT_EQ(phase(), Phase::kIdle);
}

TEST_F(RunnerRestartTest, WhatMayNotBeginIsAskedAgainAndToldOnce) {
  climb_to(10);
  send(rollout::Promote{true});
  send(rollout::Promote{});
  ASSERT_EQ(phase(), Phase::kPromoted);
  config_.plan.revision = "2";
  crash();
  announce_restart(*runner_, "daemon started");
  rollout::Tick down = verdict(Judgement::kHold);
  down.stable_up = false;
  for (int i = 0; i < 3; ++i) {
    runner_->tick(down);
    settle();
  }
  EXPECT_EQ(phase(), Phase::kPromoted);
  EXPECT_EQ(logged("goes on under its old plan: it is promoted and its stable version is down"),
            1U);
  ASSERT_NE(runner_->postponed(), nullptr);
  EXPECT_EQ(runner_->postponed()->revision, "2");
  tick(Judgement::kHold);
  settle();
  EXPECT_EQ(phase(), Phase::kIdle);
  EXPECT_EQ(runner_->postponed(), nullptr);
}

TEST_F(RunnerRestartTest, WhatHasNotBegunIsStartedUnderOtherSettings) {
  save();
  config_.analysis.latency_quantiles.clear();
  crash();
  save();
  EXPECT_FALSE(send(rollout::Start{}).failed);
  EXPECT_EQ(effective(), 10);
}

// No probe has to show that a version works again of which only no endpoint was up.
TEST_F(RunnerRestartTest, SuspendedForWantOfAnEndpointItGoesOnAsSoonAsThereIsOne) {
  climb_to(50);
  runner_->follow_health(false, false);
  settle();
  ASSERT_EQ(phase(), Phase::kSuspended);
  crash();
  EXPECT_EQ(phase(), Phase::kSuspended);
  EXPECT_EQ(effective(), 0);
  EXPECT_FALSE(runner_->circuit_open());
  runner_->follow_health(true, false);
  settle();
  EXPECT_EQ(phase(), Phase::kSuspended) << "nobody has looked yet";
  runner_->follow_health(true, true);
  settle();
  EXPECT_EQ(phase(), Phase::kProgressing);
  EXPECT_EQ(effective(), 50);
}

TEST_F(RunnerRestartTest, SuspendedByItsFailuresItIsProbed) {
  climb_to(50);
  for (int i = 0; i < 5; ++i) table_.gate->failed(table_.run, 5, clock_.now());
  runner_->look();
  settle();
  ASSERT_EQ(phase(), Phase::kSuspended);
  crash();
  EXPECT_TRUE(runner_->circuit_open());
  runner_->follow_health(true, true);
  settle();
  EXPECT_EQ(phase(), Phase::kSuspended);
}

TEST_F(RunnerRestartTest, WhatIsSlowIsKnownAtOnce) {
  climb_to(10);
  stats::Block judged = block(0, 0);
  judged.latency.stable_n = judged.latency.canary_n = 1000;
  judged.latency.slow[0] = {150, 152, 156, 500, 500, 500};
  judged.latency.slow[2] = {200, 202, 206, 10, 10, 10};
  judged.routes.push_back({1, {1, {10, 0}, {10, 0}, judged.latency}});
  runner_->absorb(judged);
  runner_->absorb(block(0, 0));  // Without latency: what was known stays so.
  save();
  const stats::KnownLatency known = runner_->in_force().known;
  EXPECT_EQ(known.all, (stats::KnownThresholds{150, {}, 200, {}}));
  ASSERT_EQ(known.routes.size(), 2U);
  EXPECT_EQ(known.routes[1], known.all);
  EXPECT_EQ(known.routes[0], stats::KnownThresholds{});
  crash();
  EXPECT_EQ(runner_->in_force().known, known);
  send(rollout::RollBack{});
  send(rollout::Retry{});
  EXPECT_EQ(runner_->in_force().known, stats::KnownLatency{}) << "another canary has to warm up";
}

TEST_F(RunnerRestartTest, AnAbortBeforeTheStartIsOfItsRevision) {
  send(rollout::Abort{});
  config_.plan.revision = "2";
  crash();
  announce_restart(*runner_, "daemon started");
  settle();
  EXPECT_EQ(phase(), Phase::kIdle);
}

// ---- Reload

TEST_F(RunnerRestartTest, AReloadThatChangesNothingKeepsStepAndEvidence) {
  climb_to(10);
  runner_->absorb(block(0, 0));
  const rollout::State state = runner_->state();
  const analysis::Analyzer analyzer = runner_->evidence().analyzer();
  runner_->prepare(config_.plan);
  runner_->replan({config_}, true);
  EXPECT_EQ(effective(), 10);
  settle();
  EXPECT_EQ(runner_->state(), state);
  EXPECT_EQ(runner_->evidence().analyzer(), analyzer);
}

TEST_F(RunnerRestartTest, ChangedStepsDoNotRaiseTheWeight) {
  climb_to(10);
  for (const auto& percents : {std::vector<unsigned>{30, 60, 100}, {5, 100}, {1, 2, 3}}) {
    runner_->prepare(shop(percents).plan);
    runner_->replan({shop(percents)}, true);
    settle();
    EXPECT_EQ(effective(), 10);
    EXPECT_EQ(phase(), Phase::kProgressing);
  }
}

TEST_F(RunnerRestartTest, ANewRevisionBeginsAnew) {
  climb_to(50);
  runner_->absorb(block(0, 900));
  config_.plan.revision = "2";
  runner_->prepare(config_.plan);
  EXPECT_EQ(effective(), 0) << "before the first table of the new versions";
  runner_->replan({config_}, true);
  settle();
  EXPECT_EQ(phase(), Phase::kIdle);
  EXPECT_EQ(effective(), 0);
  send(rollout::Start{});
  EXPECT_EQ(effective(), 10);
  EXPECT_EQ(runner_->evidence().verdict().metrics.front().canary_n, 0);
}

TEST_F(RunnerRestartTest, ANewRevisionDuringARiseLetsNobodyToTheNewCanary) {
  climb_to(10);
  tick(Judgement::kAccept);
  ASSERT_TRUE(runner_->busy());
  config_.plan.revision = "2";
  runner_->prepare(config_.plan);
  runner_->replan({config_}, true);
  EXPECT_EQ(ceiling(), 0);
  on_table_ = [this] { EXPECT_EQ(ceiling(), 0); };
  settle();
  EXPECT_EQ(phase(), Phase::kIdle);
  EXPECT_EQ(ceiling(), 0);
}

TEST_F(RunnerRestartTest, APlanThatCannotBeStoredIsMadeUpFor) {
  climb_to(10);
  send(rollout::RollBack{});
  disk_.fail();
  config_.plan.revision = "2";
  config_.plan.start = rollout::StartMode::kAuto;
  runner_->prepare(config_.plan);
  runner_->replan({config_}, true);
  settle();
  EXPECT_EQ(phase(), Phase::kRolledBack);
  for (int second = 0; second < 3; ++second) {
    tick(Judgement::kHold);
    settle();
  }
  EXPECT_EQ(phase(), Phase::kRolledBack);
  disk_.work();
  tick(Judgement::kHold);
  settle();
  tick(Judgement::kHold);
  settle();
  EXPECT_EQ(phase(), Phase::kProgressing);
  EXPECT_EQ(runner_->state().revision, "2");
}

// ---- By chance

class RunnerByChance : public RunnerRig {
 protected:
  void check(std::uint64_t seed) {
    const auto rows = disk_.journal();
    const double durable = rows.empty() ? 0 : rows.back().entry.weight_after.percent();
    ASSERT_LE(ceiling(), durable) << "seed " << seed;
    if (acknowledged_) {
      ASSERT_EQ(effective(), 0) << "seed " << seed;
    }
  }
  void abort() {
    rollout::Event event;
    event.what = rollout::Abort{};
    runner_->handle(std::move(event), [this](const Runner::Answer& answer) {
      if (!answer.durable || answer.failed || restarted_by_hand_) return;
      acknowledged_ = true;
    });
    restarted_by_hand_ = false;
    EXPECT_EQ(effective(), 0);
  }
  template <class What>
  void begin_again(What what) {
    acknowledged_ = false;
    restarted_by_hand_ = true;
    begin(what);
  }
  void act(Random& random) {
    clock_.advance(1s);
    switch (random.below(18)) {
      case 0:
        return abort();
      case 1:
        return begin_again(rollout::Start{});
      case 2:
        return begin_again(rollout::Retry{});
      case 3:
        return begin(rollout::Promote{random.chance(0.2)});
      case 4:
        return begin(rollout::Pause{});
      case 5:
        return begin(rollout::Resume{});
      case 6:
        return begin(rollout::SetWeight{BasisPoints(static_cast<unsigned>(random.below(10001)))});
      case 7:
        return random.chance(0.3) ? begin(rollout::RollBack{}) : void();
      case 8:
        return runner_->tick(verdict(Judgement::kRollback));
      case 9:
        return runner_->tick(verdict(Judgement::kAccept));
      case 10:
        return runner_->save_evidence();
      case 11:
        return runner_->absorb(block(random.below(30), random.below(30)));
      case 12:
        return random.chance(0.5) ? disk_.fail() : disk_.work();
      case 13:
        return deliver_tables();
      case 14:
        return reload(random);
      case 15:
        return random.chance(0.2) ? crash() : void();
      default:
        return settle();
    }
  }
  void reload(Random& random) {
    config_ = random.chance(0.5) ? shop() : shop({5, 20, 60, 100});
    if (random.chance(0.2)) config_.plan.revision = std::to_string(random.below(3));
    const double before = ceiling();
    runner_->prepare(config_.plan);
    const char* const told = random.chance(0.5) ? "freeze: added" : "";
    runner_->replan({config_, "anna", "", told}, true);
    EXPECT_LE(ceiling(), before);
  }

  bool acknowledged_ = false;
  bool restarted_by_hand_ = false;
};

// Sanitized a run takes ten times as long.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kWalks = 12;
#else
constexpr std::uint64_t kWalks = 40;
#endif

TEST_F(RunnerByChance, TheWeightNeverExceedsTheDurableOneAndAnAbortStands) {
  for (std::uint64_t seed = 1; seed <= kWalks; ++seed) {
    Random random(seed);
    for (int i = 0; i < 150; ++i) {
      act(random);
      ASSERT_NO_FATAL_FAILURE(check(seed));
    }
    disk_.work();
    settle();
    runner_->tick({});
    settle();
    EXPECT_TRUE(runner_->durable()) << "seed " << seed;
    const auto rows = disk_.journal();
    if (!rows.empty()) {
      EXPECT_EQ(*rollout::parse_state(rows.back().entry.state), runner_->state());
    }
  }
}

}  // namespace
}  // namespace canaryd::control::test
