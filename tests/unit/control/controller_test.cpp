// The controller as the daemon and the admin API see it.
#include "controller_rig.hpp"

namespace canaryd::control::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ControllerTest : public ControllerRig {};

TEST_F(ControllerTest, StartPublishesThenBinds) {
  file_ = file_with(kListener + "  - {name: inner, address: 127.0.0.1:8081}\n", kRollout);
  ASSERT_TRUE(create().has_value());
  EXPECT_FALSE(controller_->readiness().ready);
  ASSERT_TRUE(start().has_value());
  EXPECT_THAT(plane_.did,
              ElementsAre("publish", "open public 127.0.0.1:8080", "open inner 127.0.0.1:8081"));
  EXPECT_TRUE(controller_->readiness().ready);
  controller_->set_draining();
  EXPECT_FALSE(controller_->readiness().ready);
}

TEST_F(ControllerTest, AListenerThatCannotBindIsReportedAndTheOthersClosed) {
  file_ = file_with(kListener + "  - {name: inner, address: 127.0.0.1:8081}\n", kRollout);
  plane_.taken = {"inner"};
  ASSERT_TRUE(create().has_value());
  const auto started = start();
  ASSERT_FALSE(started.has_value());
  EXPECT_EQ(started.error().code, ErrorCode::kAddressInUse);
  EXPECT_THAT(started.error().context, HasSubstr("listener inner cannot listen on 127.0.0.1:8081"));
  EXPECT_EQ(plane_.did.back(), "close public 127.0.0.1:8080");
  EXPECT_TRUE(controller_->listeners().empty());
  EXPECT_FALSE(controller_->readiness().ready);
}

TEST_F(ControllerTest, AGoodCanaryGoesUpByItself) {
  boot();
  double last = 0;
  for (int i = 0; i < 120 && view().state != "baking"; ++i) {
    second();
    ASSERT_GE(effective(), last);
    last = effective();
  }
  EXPECT_EQ(view().state, "baking");
  EXPECT_EQ(effective(), 100);
  EXPECT_THAT(plane_.served["new"], ElementsAre(0, 0, 10, 50));
}

TEST_F(ControllerTest, ABadCanaryIsTakenOffInSeconds) {
  boot();
  second();
  ASSERT_EQ(effective(), 10);
  int seconds = 0;
  while (effective() > 0 && seconds < 30) {
    second(0, 200);
    ++seconds;
  }
  EXPECT_LE(seconds, 8);
  EXPECT_EQ(view().state, "rolled_back");
  EXPECT_EQ(disk_.journal().back().entry.cause, "verdict");
}

// The data plane has opened it; at the next look it is journalled, and everybody may know.
TEST_F(ControllerTest, AnOpenCircuitIsFollowedAndShown) {
  boot();
  second();
  second();
  const routing::Rollout& rollout = plane_.held.at(0).shared->table->rollouts().at(0);
  EXPECT_EQ(rollout.gate->slow_after(), Duration(1s)) << "three times 5 ms, but at least this";
  const auto& protection = plane_.held[0].shared->failures.at(0).protection;
  EXPECT_EQ(protection.circuit_failures, 5U);
  EXPECT_EQ(protection.open_for, Duration(5s));
  const std::shared_ptr<routing::CohortGate> gate = rollout.gate;
  const std::uint64_t generation = rollout.generation;
  for (int i = 0; i < 5; ++i) gate->failed(generation, 5, clock_.now());
  controller_->look();
  settle();
  EXPECT_EQ(view().state, "suspended");
  EXPECT_EQ(view().weight.target, BasisPoints(0));
  EXPECT_EQ(plane_.held[0].shared->table->rollouts()[0].traffic, routing::Traffic::kProbeOnly);
  EXPECT_EQ(plane_.held[0].shared->table->rollouts()[0].weight, BasisPoints(1000));
  gate->probed(generation, true);
  EXPECT_THAT(view().next.value(), HasSubstr("probes answered 1 of 5 to resume"));
  EXPECT_THAT(controller_->metrics_text(),
              HasSubstr("canaryd_rollout_circuit_open{rollout=\"shop\"} 1"));
  for (int i = 0; i < 4; ++i) gate->probed(generation, true);
  second();
  EXPECT_EQ(view().state, "progressing");
  EXPECT_EQ(effective(), 10);
  EXPECT_THAT(controller_->metrics_text(),
              HasSubstr("canaryd_rollout_circuit_open{rollout=\"shop\"} 0"));
}

TEST_F(ControllerTest, WorkersAreAskedEachSecondHowLongTheyLetThingsWait) {
  boot();
  second();
  const int asked = plane_.lag_questions;
  second();
  EXPECT_EQ(plane_.lag_questions, asked + 1);
  stats::DurationCounters counters;
  counters.add(30ms);
  plane_.waited = counters.read();
  EXPECT_THAT(controller_->metrics_text(), HasSubstr("canaryd_event_loop_lag_seconds_sum 0.03\n"));
}

TEST_F(ControllerTest, TheExposureIsShownAndRecovered) {
  file_ = file_with(kListener, kRollout + "    exposure: {max_failed_requests: 30}\n");
  boot();
  second();
  second();
  const auto rollout = [this] { return plane_.held.at(0).shared->table->rollouts().at(0); };
  EXPECT_EQ(plane_.held[0].shared->failures.at(0).protection.exposure_max, 30U);
  for (int i = 0; i < 5; ++i) rollout().gate->exposed(rollout().generation, 30);
  controller_->look();
  settle();
  EXPECT_EQ(view().exposure.value().failed, 5U);
  EXPECT_EQ(view().exposure.value().max, 30U);
  EXPECT_THAT(controller_->metrics_text(),
              HasSubstr("canaryd_rollout_exposure_remaining{rollout=\"shop\"} 25"));
  power_off();
  boot();
  EXPECT_EQ(view().exposure.value().failed, 8U) << "a tenth of the budget more than was used";
}

class StableDownTest : public ControllerTest {
 protected:
  void boot_with(const std::string& policy) {
    file_ = file_with(kListener, kRollout + "    on_stable_down: " + policy + "\n");
    boot();
    second();
    ASSERT_EQ(effective(), 10);
  }
  void set_healthy(std::size_t upstream, bool healthy) {
    plane_.held.at(0).upstreams.at(upstream).endpoints.at(0).state->set_health(
        healthy ? upstream::Health::kHealthy : upstream::Health::kUnhealthy, clock_.now());
  }
};

TEST_F(StableDownTest, HoldLeavesEverybodyWhereTheyAre) {
  boot_with("hold");
  set_healthy(0, false);
  for (int i = 0; i < 5; ++i) second();
  EXPECT_EQ(view().state, "held");
  EXPECT_EQ(view().reason, "environment_degraded");
  EXPECT_EQ(effective(), 10);
  set_healthy(0, true);
  second();
  EXPECT_EQ(view().state, "progressing");
}

TEST_F(StableDownTest, SpillSendsEverybodyToAHealthyCanaryUntilStableIsBack) {
  boot_with("spill");
  set_healthy(0, false);
  second();
  EXPECT_EQ(view().state, "held");
  EXPECT_EQ(view().reason, "stable_down");
  EXPECT_EQ(view().weight.target, BasisPoints(10000));
  EXPECT_EQ(effective(), 100);
  EXPECT_EQ(disk_.journal().back().entry.cause, "stable_down");
  // Nothing is judged, and nothing moves, while there is nobody to compare with.
  for (int i = 0; i < 30; ++i) second();
  EXPECT_EQ(effective(), 100);
  set_healthy(0, true);
  second();
  EXPECT_EQ(view().state, "progressing");
  EXPECT_EQ(effective(), 10);
  set_healthy(0, false);
  set_healthy(1, false);
  second();
  EXPECT_EQ(effective(), 0) << "there is nobody to spill to";
  EXPECT_EQ(view().state, "suspended");
}

TEST_F(StableDownTest, ASpillThatCannotBeStoredDoesNotHappen) {
  boot_with("spill");
  disk_.fail();
  set_healthy(0, false);
  second();
  EXPECT_EQ(effective(), 10);
  disk_.work();
  second();
  EXPECT_EQ(effective(), 100);
}

// Stable's own failures of the last seconds decide whose fault the probes are.
TEST_F(ControllerTest, ProbesThatFailBesideAFailingStableBlameNobody) {
  boot();
  for (int i = 0; i < 4; ++i) second();
  const routing::Rollout& rollout = plane_.held.at(0).shared->table->rollouts().at(0);
  const std::shared_ptr<routing::CohortGate> gate = rollout.gate;
  const std::uint64_t generation = rollout.generation;
  for (int i = 0; i < 5; ++i) gate->failed(generation, 5, clock_.now());
  controller_->look();
  settle();
  EXPECT_EQ(view().reason, "circuit");
  ASSERT_EQ(act(Action::kPause).status, ActionStatus::kOk);
  EXPECT_EQ(view().state, "suspended");
  EXPECT_EQ(view().reason, "circuit");
  for (int i = 0; i < 10; ++i) second(1200);
  for (int i = 0; i < 3; ++i) gate->probed(generation, false);
  controller_->look();
  settle();
  EXPECT_EQ(view().state, "suspended");
  EXPECT_EQ(view().reason, "environment_degraded");
  for (int i = 0; i < 11; ++i) second();
  for (int i = 0; i < 3; ++i) gate->probed(generation, false);
  controller_->look();
  settle();
  EXPECT_EQ(view().state, "rolled_back");
}

TEST_F(ControllerTest, ModeObserveNeverMovesByItself) {
  file_ = file_with(kListener, kRollout + "    analysis: {mode: observe}\n");
  boot();
  second();
  ASSERT_EQ(effective(), 10);
  for (int i = 0; i < 60; ++i) second();
  EXPECT_EQ(effective(), 10);
  for (int i = 0; i < 60; ++i) second(0, 200);
  EXPECT_EQ(effective(), 10);
  EXPECT_EQ(view().state, "progressing");
  EXPECT_EQ(view().analysis.front().verdict, "fail");
}

TEST_F(ControllerTest, ActionsAnswerWithTheRolloutAfterThem) {
  boot();
  second();
  const std::uint64_t generation = view().generation;
  EXPECT_EQ(act(Action::kPause, generation + 5).status, ActionStatus::kStale);
  const ActionResult paused = act(Action::kPause, generation);
  EXPECT_EQ(paused.status, ActionStatus::kOk);
  EXPECT_EQ(paused.view->state, "paused");
  EXPECT_EQ(paused.view->generation, generation + 1);
  EXPECT_EQ(act(Action::kApprove).status, ActionStatus::kRefused);
  disk_.fail();
  EXPECT_EQ(act(Action::kPromote).status, ActionStatus::kRefused);
  const ActionResult aborted = act(Action::kAbort);
  EXPECT_EQ(aborted.status, ActionStatus::kNotDurable);
  EXPECT_FALSE(aborted.view->durable);
  EXPECT_EQ(effective(), 0);
  disk_.work();
  second();
  EXPECT_TRUE(view().durable);

  ActionRequest request;
  request.rollout = "nobody";
  ActionStatus status = ActionStatus::kOk;
  controller_->act(request, [&](const ActionResult& result) { status = result.status; });
  EXPECT_EQ(status, ActionStatus::kNotFound);
}

TEST_F(ControllerTest, HistoryTellsWhatHappened) {
  boot();
  second();
  act(Action::kAbort);
  std::optional<Result<std::vector<HistoryRow>>> found;
  controller_->history({"shop", 10, std::nullopt}, [&](auto rows) { found = std::move(rows); });
  settle();
  ASSERT_TRUE(found.has_value() && found->has_value());
  ASSERT_EQ((*found)->size(), 2U);
  EXPECT_EQ((**found)[0].to, "progressing");
  EXPECT_EQ((**found)[0].reason, "started");
  EXPECT_EQ((**found)[1].to, "aborted");
  EXPECT_EQ((**found)[1].actor, "anna");
  controller_->history({"nobody", 10, std::nullopt}, [&](auto rows) { found = std::move(rows); });
  settle();
  EXPECT_EQ(found->error().code, ErrorCode::kNotFound);
}

// Who asks on from an id that no entry has yet would wait for what never comes.
TEST_F(ControllerTest, HistoryAfterAnIdThatNobodyKnowsIsRefused) {
  boot();
  second();
  act(Action::kAbort);
  const auto after = [this](const char* rollout, std::uint64_t id) {
    std::optional<Result<std::vector<HistoryRow>>> found;
    controller_->history({rollout, 10, id}, [&](auto rows) { found = std::move(rows); });
    settle();
    return found.value_or(fail(ErrorCode::kTimeout));
  };
  const std::uint64_t last = after("shop", 0)->back().id;
  EXPECT_EQ(after("shop", last - 1)->size(), 1U);
  EXPECT_TRUE(after("shop", last)->empty()) << "nothing has happened since";
  EXPECT_EQ(after("shop", last + 1).error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(after("shop", UINT64_MAX).error().context, HasSubstr("the newest has "));
  EXPECT_EQ(after("nobody", 0).error().code, ErrorCode::kNotFound);
}

TEST_F(ControllerTest, ViewsAndMetricsAgree) {
  boot();
  second();
  second(1, 2);
  const RolloutView view = this->view();
  EXPECT_EQ(view.state, "progressing");
  EXPECT_EQ(view.stable, "old");
  EXPECT_EQ(view.canary, "new");
  EXPECT_EQ(view.weight.target, BasisPoints(1000));
  EXPECT_EQ(view.canary_cohort.requests, 200U);
  EXPECT_EQ(view.stable_cohort.requests, 1800U);
  ASSERT_TRUE(view.step.has_value());
  EXPECT_EQ(view.step->index, 0U);
  EXPECT_EQ(view.step->count, 3U);
  EXPECT_EQ(view.step->requests, 200U);
  ASSERT_EQ(view.analysis.size(), 5U);
  EXPECT_DOUBLE_EQ(view.analysis[0].canary.value(), 0.01);
  EXPECT_THAT(view.next.value(), HasSubstr("weight 50"));
  EXPECT_EQ(controller_->routes()[0].rollout, "shop");
  EXPECT_EQ(controller_->routes()[0].requests, 4000U);
  EXPECT_EQ(controller_->upstreams()[1].endpoints[0].address, "127.0.0.1:9002");
  EXPECT_EQ(controller_->listeners()[0].connections, 3U);

  const std::string text = controller_->metrics_text();
  for (const char* line : {"canaryd_rollout_state{rollout=\"shop\",state=\"progressing\"} 1",
                           "canaryd_rollout_step{rollout=\"shop\"} 1",
                           "canaryd_rollout_steps{rollout=\"shop\"} 3",
                           "canaryd_rollout_transitions_total{rollout=\"shop\"",
                           "canaryd_listener_connections_active{listener=\"public\"} 3",
                           "canaryd_config_last_reload_successful 1",
                           "version=\"1.2.3\""}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST_F(ControllerTest, ARestartGoesOnWhereTheJournalEnds) {
  boot();
  for (int i = 0; i < 3; ++i) second();
  controller_->save();
  settle();
  const double before = effective();
  const std::string state = view().state;
  power_off();
  boot();
  EXPECT_EQ(effective(), before);
  EXPECT_EQ(view().state, state);
  EXPECT_EQ(disk_.journal().back().entry.cause, "restarted");
}

TEST_F(ControllerTest, ADamagedJournalIsAnErrorThatNamesTheRollout) {
  boot();
  second();
  power_off();
  disk_.damage_state("{\"version\":1}");
  const auto created = create();
  ASSERT_FALSE(created.has_value());
  EXPECT_THAT(created.error().context, HasSubstr("rollout shop"));
}

TEST_F(ControllerTest, ItMayGoWhileMuchIsUnderWay) {
  boot();
  clock_.advance(1s);
  controller_->tick();  // A rise is being written.
  controller_->history({"shop", 10, std::nullopt}, [](const auto&) {});
  file_ = file_with(kListener + "  - {name: inner, address: 127.0.0.1:8081}\n", kRollout);
  int answers = 0;
  controller_->reload({}, [&](const ReloadResult&) { ++answers; });
  ActionRequest request;
  request.rollout = "shop";
  request.action = Action::kPause;
  controller_->act(request, [&](const ActionResult&) { ++answers; });
  controller_.reset();
  settle();
  EXPECT_EQ(answers, 0);
}

TEST_F(ControllerTest, AStateThatIsRemovedIsMissedBeforeTheNextDecision) {
  boot();
  const auto seconds = [this](int count) {
    for (int i = 0; i < count; ++i) {
      clock_.advance(1s);
      controller_->tick();
      settle();
    }
  };
  seconds(6);
  EXPECT_FALSE(view().journal_failing);
  disk_.go_missing();
  seconds(6);
  EXPECT_TRUE(view().journal_failing);
  EXPECT_GT(store_->failures(), 0U);
  EXPECT_EQ(act(Action::kPromote).status, ActionStatus::kRefused);
  EXPECT_EQ(act(Action::kAbort).status, ActionStatus::kNotDurable);
  disk_.work();
  seconds(6);
  EXPECT_FALSE(view().journal_failing);
  EXPECT_TRUE(view().durable);
}

TEST_F(ControllerTest, ItMayGoWhileItStarts) {
  ASSERT_TRUE(create().has_value());
  controller_->start([](const Result<void>&) { ADD_FAILURE() << "nobody is there"; });
  loop_.run_one();
  controller_.reset();
  settle();
}

}  // namespace
}  // namespace canaryd::control::test
