// How the controller finds out that an old version is idle, and ends it once.
#include "control/retirement.hpp"
#include "controller_rig.hpp"
#include "held_exec.hpp"

#include <string>
#include <utility>
#include <vector>

namespace canaryd::control::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const char* const kHook = ", hook: {exec: [./end.sh, \"--of={upstream}\"], timeout: 7s}";

stats::StableUser user(const char* rule, const char* agent) {
  stats::StableUser made;
  made.route = stats::BoundedText<63>("all");
  made.rule = stats::BoundedText<15>(rule);
  made.client = *parse_ip("192.0.2.7");
  made.user_agent = stats::BoundedText<95>(agent);
  return made;
}

class ControllerRetirementTest : public ControllerRig {
 protected:
  ControllerRetirementTest() { exec_io_ = &exec_; }
  ~ControllerRetirementTest() override { power_off(); }

  static std::string file(const std::string& hook = kHook, const std::string& more_routes = "") {
    return file_with(kListener,
                     kRollout +
                         "    start: manual\n    bake: {duration: 0s}\n"
                         "    retire: {idle_for: 10s, drain: 2s, undo: 5s" +
                         hook + "}\n") +
           more_routes;
  }
  void promote(const std::string& hook = kHook, const std::string& more_routes = "") {
    file_ = file(hook, more_routes);
    boot();
    act(Action::kStart);
    ActionRequest request;
    request.rollout = "shop";
    request.action = Action::kPromote;
    request.full = true;
    controller_->act(request, [](const ActionResult&) {});
    settle();
    quiet_seconds(1);
    ASSERT_EQ(view().state, "promoted");
  }
  void quiet_seconds(int count) {
    for (int i = 0; i < count; ++i) {
      clock_.advance(1s);
      controller_->tick();
      settle();
    }
  }
  // Until it is retiring.
  void until_idle() {
    for (int i = 0; i < 20 && view().state == "promoted"; ++i) quiet_seconds(1);
    ASSERT_EQ(view().state, "retiring");
  }
  void until_called() {
    until_idle();
    for (int i = 0; i < 10 && exec_.calls.empty(); ++i) quiet_seconds(1);
    ASSERT_EQ(exec_.calls.size(), 1U);
  }
  void note(const stats::StableUser& who, std::size_t worker = 0) {
    plane_.held.at(worker).stable_uses.at(0)->note(who);
  }
  void open_at_stable(int change) {
    auto& active = plane_.held.at(0).upstreams.at(0).endpoints.at(0).counters->active_requests;
    active.fetch_add(static_cast<std::uint64_t>(change));
  }
  [[nodiscard]] routing::Traffic traffic() const {
    return plane_.held.at(0).shared->table->rollouts().at(0).traffic;
  }
  [[nodiscard]] std::string last_sentence() { return disk_.journal().back().entry.sentence; }

  HeldExec exec_;
};

TEST_F(ControllerRetirementTest, NobodyIsWatchedBeforeTheEndOfTheBake) {
  file_ = file();
  boot();
  EXPECT_TRUE(plane_.held.at(0).stable_uses.empty());
  act(Action::kStart);
  EXPECT_TRUE(plane_.held.at(0).stable_uses.empty());
}

TEST_F(ControllerRetirementTest, AStragglerBlocksAndIsNamed) {
  promote();
  quiet_seconds(6);
  EXPECT_EQ(view().retire->idle, Duration(5s)) << "since the first look";
  note(user("force", "curl/8\x1b[2J"));
  note(user("force", "curl/8\x1b[2J"), 1);
  note(user("fallback", ""));
  quiet_seconds(9);
  EXPECT_EQ(view().state, "promoted");
  const RetireView retire = view().retire.value();
  EXPECT_TRUE(retire.blocked);
  EXPECT_EQ(retire.idle, Duration(8s));
  ASSERT_EQ(retire.stragglers.size(), 2U);
  EXPECT_EQ(retire.stragglers[0].rule, "force");
  EXPECT_EQ(retire.stragglers[0].requests, 2U);
  EXPECT_EQ(retire.stragglers[0].client, "192.0.2.7");
  EXPECT_THAT(retire.stragglers[0].user_agent, ::testing::Not(HasSubstr("\x1b")));
  const ActionResult refused = act(Action::kRetire);
  EXPECT_EQ(refused.status, ActionStatus::kRefused);
  EXPECT_THAT(refused.detail, HasSubstr("not retirable: old"));
  EXPECT_THAT(refused.detail, HasSubstr("last used by route all (force) from 192.0.2.7, curl/8"));
  EXPECT_THAT(controller_->metrics_text(),
              HasSubstr("canaryd_retire_idle_seconds{rollout=\"shop\"} 8"));
  quiet_seconds(2);
  EXPECT_EQ(view().state, "retiring");
  EXPECT_THAT(last_sentence(), HasSubstr("retires old of shop: no request to old for 10s"));
}

TEST_F(ControllerRetirementTest, WhatIsOpenBlocksForAsLongAsItIs) {
  promote();
  open_at_stable(1);
  quiet_seconds(30);
  EXPECT_EQ(view().state, "promoted");
  EXPECT_EQ(view().retire->open, 1U);
  EXPECT_THAT(act(Action::kRetire).detail, HasSubstr("1 open now"));
  open_at_stable(-1);
  until_idle();
}

TEST_F(ControllerRetirementTest, WhoeverIsNamedIsBounded) {
  promote();
  for (int i = 0; i < 100; ++i) {
    note(user("force", ("agent " + std::to_string(i)).c_str()));
    quiet_seconds(1);
  }
  const auto stragglers = view().retire->stragglers;
  ASSERT_EQ(stragglers.size(), StableWatch::kStragglersMax);
  EXPECT_EQ(stragglers[0].user_agent, "agent 99");
  // More at once than are kept: all the same it was used.
  for (int i = 0; i < 1000; ++i) note(user("force", "crowd"));
  quiet_seconds(1);
  EXPECT_EQ(view().retire->idle, Duration(0s));
}

TEST_F(ControllerRetirementTest, TheHookRunsOnceAndItsEndIsKept) {
  promote();
  until_called();
  EXPECT_THAT(exec_.calls[0].command, ElementsAre("./end.sh", "--of=old"));
  EXPECT_EQ(exec_.calls[0].timeout, 7s);
  EXPECT_THAT(exec_.calls[0].input, HasSubstr("\"event\": \"decommission\""));
  EXPECT_THAT(exec_.calls[0].input, HasSubstr("\"upstream\": \"old\""));
  EXPECT_EQ(traffic(), routing::Traffic::kCanaryOnly);
  EXPECT_THAT(disk_.journal().back().entry.state, HasSubstr("\"retire_hook\":\"called\""))
      << "before it is called";
  quiet_seconds(60);
  EXPECT_EQ(exec_.calls.size(), 1U);
  exec_.last(ExecResult{});
  settle();
  EXPECT_EQ(view().state, "retired");
  EXPECT_EQ(view().retire->said, "exit code 0");
  EXPECT_THAT(last_sentence(), HasSubstr("retired old of shop: exit code 0"));
  quiet_seconds(60);
  EXPECT_EQ(exec_.calls.size(), 1U);
  EXPECT_EQ(act(Action::kAbort).status, ActionStatus::kRefused);
}

TEST_F(ControllerRetirementTest, TheNextReleaseWaitsForTheEndOfTheHook) {
  promote();
  until_called();
  std::string next = file_;
  next.replace(next.find("stable: old"), 11, "stable: new");
  next.replace(next.find("canary: new"), 11, "canary: old");
  const ReloadResult refused = reload(next);
  EXPECT_FALSE(refused.ok);
  ASSERT_FALSE(refused.problems.empty());
  EXPECT_THAT(refused.problems.back().message,
              HasSubstr("rollout shop has called its decommission hook for old, which "
                        "has not ended yet: reload again when it has"));
  EXPECT_EQ(view().state, "retiring");
  exec_.last(ExecResult{3, "no"});
  settle();
  EXPECT_THAT(last_sentence(), HasSubstr("its exit code was 3"));
  reload(next);
  EXPECT_EQ(view().state, "idle");
}

TEST_F(ControllerRetirementTest, AFailedHookIsToldAndTriedAgainByCommandOnly) {
  promote();
  until_called();
  exec_.last(ExecResult{3, "no"});
  settle();
  EXPECT_EQ(view().state, "retiring");
  EXPECT_THAT(view().next.value(), HasSubstr("its exit code was 3"));
  EXPECT_THAT(last_sentence(), HasSubstr("its exit code was 3"));
  quiet_seconds(60);
  EXPECT_EQ(exec_.calls.size(), 1U);
  EXPECT_EQ(act(Action::kRetire).status, ActionStatus::kOk);
  ASSERT_EQ(exec_.calls.size(), 2U);
  exec_.last(ExecResult{});
  settle();
  EXPECT_EQ(view().state, "retired");
}

TEST_F(ControllerRetirementTest, AfterACrashTheHookIsNotCalledAgain) {
  promote();
  until_called();
  power_off();
  boot();
  quiet_seconds(60);
  EXPECT_EQ(exec_.calls.size(), 1U);
  EXPECT_EQ(view().retire->hook, "unknown");
  EXPECT_EQ(traffic(), routing::Traffic::kCanaryOnly) << "the old version may be gone";
  act(Action::kRetire);
  EXPECT_EQ(exec_.calls.size(), 2U);
  exec_.last(ExecResult{});
  settle();
  power_off();
  boot();
  EXPECT_EQ(view().state, "retired");
  quiet_seconds(60);
  EXPECT_EQ(exec_.calls.size(), 2U);
}

TEST_F(ControllerRetirementTest, NobodyIsCalledWhileTheJournalCannotBeWritten) {
  promote();
  until_idle();
  disk_.fail();
  quiet_seconds(30);
  EXPECT_TRUE(exec_.calls.empty());
  disk_.work();
  quiet_seconds(3);
  EXPECT_EQ(exec_.calls.size(), 1U);
}

TEST_F(ControllerRetirementTest, ARestartGoesOnWithTheIdleTimeButForAnHour) {
  promote();
  std::string longer = file_;
  longer.replace(longer.find("idle_for: 10s"), 13, "idle_for: 100h");
  reload(longer);
  const auto hours = [this](int count) {
    for (int i = 0; i < count; ++i) {
      clock_.advance(1h);
      quiet_seconds(1);
    }
  };
  hours(20);
  power_off();
  boot();
  quiet_seconds(1);
  EXPECT_NEAR(std::chrono::duration<double>(view().retire->idle.value()).count(), 19 * 3600, 120)
      << "from the first look on";
  note(user("force", "report"));
  quiet_seconds(1);
  power_off();
  boot();
  quiet_seconds(1);
  EXPECT_LT(view().retire->idle, Duration(2s)) << "it was used";
  for (int i = 0; i < 110 && view().state == "promoted"; ++i) hours(1);
  EXPECT_EQ(view().state, "retiring");
  act(Action::kUnretire);
  power_off();
  boot();
  quiet_seconds(1);
  EXPECT_LE(view().retire->idle, Duration(99h + 2s)) << "an hour is watched again";
}

// Nobody notes who is on stable while it is not watched.
TEST_F(ControllerRetirementTest, WhatWasIdleBeforeUsersCameBackCountsNoMore) {
  promote();
  std::string longer = file_;
  longer.replace(longer.find("idle_for: 10s"), 13, "idle_for: 3h");
  reload(longer);
  quiet_seconds(600);
  const auto set_weight = [this](unsigned percent) {
    ActionRequest request;
    request.rollout = "shop";
    request.action = Action::kSetWeight;
    request.weight = BasisPoints(percent * 100);
    controller_->act(request, [](const ActionResult&) {});
    settle();
  };
  const auto promote_again = [this] {
    ActionRequest request;
    request.rollout = "shop";
    request.action = Action::kPromote;
    request.full = true;
    controller_->act(request, [](const ActionResult&) {});
    settle();
    act(Action::kPromote);
    ASSERT_EQ(view().state, "promoted");
  };
  set_weight(0);
  promote_again();
  power_off();  // Before it was looked at.
  boot();
  quiet_seconds(1);
  EXPECT_LE(view().retire->idle, Duration(1s));
  quiet_seconds(600);
  set_weight(0);
  promote_again();
  quiet_seconds(2);
  power_off();
  boot();
  quiet_seconds(1);
  EXPECT_LE(view().retire->idle, Duration(2s));
}

// Its routes lead wherever they like meanwhile.
TEST_F(ControllerRetirementTest, NobodyIsWatchedWhileTheRolloutIsOutOfTheFile) {
  const std::string rollout =
      ": {stable: old, canary: newer, start: manual, steps: [{weight: 100}], bake: {duration: 0s}, "
      "retire: {idle_for: 100h}}\n";
  const std::string other = "  - {name: other, match: {path_prefix: /other/}, rollout: other}\n";
  const std::string first = file_with(kListener, "rollouts:\n  shop" + rollout);
  const std::string both =
      file_with(kListener, "rollouts:\n  shop" + rollout + "  other" + rollout) + other;
  file_ = both;
  boot();
  const auto promote_it = [this](const char* name) {
    for (const Action action : {Action::kStart, Action::kPromote, Action::kPromote}) {
      ActionRequest request;
      request.rollout = name;
      request.action = action;
      controller_->act(request, [](const ActionResult&) {});
      settle();
    }
  };
  promote_it("shop");
  promote_it("other");
  quiet_seconds(10);
  ASSERT_EQ(controller_->rollout("other")->state, "promoted");
  reload(first);
  clock_.advance(50h);
  quiet_seconds(1);
  reload(both);
  quiet_seconds(2);
  EXPECT_LE(controller_->rollout("other")->retire->idle, Duration(2s));
  EXPECT_GE(controller_->rollout("shop")->retire->idle, Duration(50h));
}

// A daemon that is started without the rollout, or without its `retire`, notes nobody either.
TEST_F(ControllerRetirementTest, WhatWasIdleBeforeADaemonThatDidNotWatchCountsNoMore) {
  promote();
  std::string longer = file_;
  longer.replace(longer.find("idle_for: 10s"), 13, "idle_for: 100h");
  reload(longer);
  std::string unwatched = longer;
  unwatched.erase(
      unwatched.find("    retire:"),
      unwatched.find('\n', unwatched.find("    retire:")) + 1 - unwatched.find("    retire:"));
  const std::string gone = file_with(
      kListener,
      "rollouts:\n  more: {stable: old, canary: new, start: manual, steps: [{weight: 100}]}\n",
      "rollout: more");
  const auto idle_again = [this] {
    quiet_seconds(1);
    clock_.advance(50h);
    quiet_seconds(1);
    ASSERT_GE(view().retire->idle, Duration(48h));
  };
  for (const std::string& meanwhile : {unwatched, gone}) {
    idle_again();
    power_off();
    file_ = meanwhile;
    boot();
    quiet_seconds(1);
    power_off();
    file_ = longer;
    boot();
    quiet_seconds(1);
    EXPECT_LE(view().retire->idle, Duration(2s));
  }
  // Out of the file by a reload, and back by a start.
  idle_again();
  reload(gone);
  quiet_seconds(1);
  power_off();
  file_ = longer;
  boot();
  quiet_seconds(1);
  EXPECT_LE(view().retire->idle, Duration(2s));
}

TEST(StableWatchTest, TheFirstLookIsStoredAlsoIfThereIsNothing) {
  StableWatch watch(1, Duration::zero());
  watch.look(Monotonic(), WallTime(), 0);
  EXPECT_EQ(watch.to_save(), Duration::zero());
  watch.saving(Duration::zero());
  watch.saved(true);
  watch.look(Monotonic(1s), WallTime(), 0);
  EXPECT_EQ(watch.to_save(), std::nullopt);
}

TEST_F(ControllerRetirementTest, UndoneItServesAgain) {
  promote();
  until_idle();
  EXPECT_EQ(traffic(), routing::Traffic::kCanaryOnly);
  EXPECT_TRUE(view().retire->undo_until.has_value());
  EXPECT_EQ(act(Action::kUnretire).status, ActionStatus::kOk);
  EXPECT_EQ(view().state, "promoted");
  EXPECT_EQ(traffic(), routing::Traffic::kSplit);
  quiet_seconds(60);
  EXPECT_EQ(view().state, "promoted");
  EXPECT_THAT(view().next.value(), HasSubstr("is kept until"));
  EXPECT_TRUE(exec_.calls.empty());
}

// 2026-01-05 is a Monday.
TEST_F(ControllerRetirementTest, AFreezeThatTheHookWaitsForIsSaid) {
  const std::string end = "the freeze ends, at 2026-01-06T00:00:00";
  promote();
  const std::string thawed = file_;
  std::string frozen = thawed;
  frozen.replace(frozen.find("    retire:"), 0, "    freeze: [{days: [mon]}]\n");
  ASSERT_TRUE(reload(frozen).ok);
  quiet_seconds(1);
  EXPECT_THAT(view().next.value(), HasSubstr("old is retired after 10s without a request; idle "));
  EXPECT_THAT(view().next.value(), HasSubstr("; not before " + end));
  ASSERT_TRUE(reload(thawed).ok);
  until_idle();
  EXPECT_THAT(view().next.value(), HasSubstr("brings it back until 2026-01-05T10:"));
  ASSERT_TRUE(reload(frozen).ok);
  const std::string expected =
      "nobody is sent to old; `canaryctl unretire` brings it back until the decommission hook is "
      "called, when " +
      end;
  EXPECT_TRUE(view().retire->undo_until.has_value());
  EXPECT_THAT(view().next.value(), HasSubstr(expected));
  quiet_seconds(20);
  EXPECT_EQ(view().state, "retiring");
  EXPECT_FALSE(view().retire->undo_until.has_value()) << "it is in the past";
  EXPECT_THAT(view().next.value(), HasSubstr(expected));
  EXPECT_EQ(act(Action::kUnretire).status, ActionStatus::kOk);
  EXPECT_EQ(view().state, "promoted");
}

TEST_F(ControllerRetirementTest, UnderObserveItIsForTheOperator) {
  promote();
  std::string observed = file_;
  observed.replace(observed.find("    retire:"), 0, "    analysis: {mode: observe}\n");
  ASSERT_TRUE(reload(observed).ok);
  quiet_seconds(30);
  EXPECT_EQ(view().state, "promoted");
  EXPECT_THAT(view().next.value(),
              HasSubstr("mode observe: `canaryctl retire` gives old up after 10s without"));
  EXPECT_EQ(act(Action::kRetire).status, ActionStatus::kOk);
  EXPECT_EQ(view().state, "retiring");
  EXPECT_THAT(view().next.value(), HasSubstr("mode observe: `canaryctl retire` ends this, from "));
  quiet_seconds(30);
  EXPECT_TRUE(exec_.calls.empty()) << "observe only watches";
  EXPECT_EQ(act(Action::kRetire).status, ActionStatus::kOk);
  EXPECT_EQ(exec_.calls.size(), 1U);
}

TEST_F(ControllerRetirementTest, AReloadIntoModeObserveStopsWhatWouldHaveGoneOn) {
  promote();
  until_idle();
  std::string observed = file_;
  observed.replace(observed.find("    retire:"), 0, "    analysis: {mode: observe}\n");
  ASSERT_TRUE(reload(observed).ok);
  quiet_seconds(60);
  EXPECT_EQ(view().state, "retiring");
  EXPECT_TRUE(exec_.calls.empty());
  EXPECT_EQ(act(Action::kUnretire).status, ActionStatus::kOk);
  EXPECT_EQ(view().state, "promoted");
}

TEST_F(ControllerRetirementTest, AHookThatEndsWhileTheRolloutIsOutOfTheFileIsHeard) {
  promote();
  until_called();
  const std::string with = file_;
  ASSERT_TRUE(reload(file_with(kListener, "", "upstream: new")).ok);
  exec_.last(ExecResult{});
  settle();
  EXPECT_THAT(last_sentence(), HasSubstr("retired old of shop: exit code 0"));
  ASSERT_TRUE(reload(with).ok);
  quiet_seconds(60);
  EXPECT_EQ(view().state, "retired");
  EXPECT_EQ(exec_.calls.size(), 1U);
}

// What the file is by then may lead there, and nobody has looked.
TEST_F(ControllerRetirementTest, WhatLeavesTheFileBeforeItsHookIsCalledSaysThatItWasNot) {
  promote();
  until_idle();
  const std::string with = file_;
  disk_.fail();
  quiet_seconds(30);
  disk_.work();
  const std::string without = file_with(kListener, "", "upstream: new");
  clock_.advance(1s);
  controller_->tick();  // The journal is being told of the call.
  ASSERT_TRUE(reload(without).ok);
  settle();
  EXPECT_TRUE(exec_.calls.empty());
  ASSERT_TRUE(reload(with).ok);
  quiet_seconds(2);
  EXPECT_EQ(view().retire->hook, "failed");
  EXPECT_THAT(view().retire->said, HasSubstr("the rollout had left the configuration"));
}

TEST_F(ControllerRetirementTest, AbortBringsEverybodyBackAtOnce) {
  promote();
  until_called();
  EXPECT_EQ(act(Action::kAbort).status, ActionStatus::kOk);
  EXPECT_EQ(effective(), 0);
  EXPECT_EQ(traffic(), routing::Traffic::kStableOnly);
  exec_.last(ExecResult{});
  settle();
  EXPECT_EQ(view().state, "aborted");
}

TEST_F(ControllerRetirementTest, TheHookIsLeftOutWhileARouteLeadsThere) {
  const std::string route = "  - {name: rest, match: {path_prefix: /rest}, upstream: old}\n";
  promote(kHook, route);
  EXPECT_THAT(view().retire->needed_by, ElementsAre("route rest"));
  open_at_stable(1);  // Theirs.
  until_idle();
  quiet_seconds(10);
  EXPECT_EQ(view().state, "retired");
  EXPECT_TRUE(exec_.calls.empty());
  EXPECT_THAT(last_sentence(), HasSubstr("without its hook"));
  reload(file());
  open_at_stable(-1);
  act(Action::kRetire);
  EXPECT_EQ(exec_.calls.size(), 1U);
}

TEST_F(ControllerRetirementTest, ItMayGoWhileTheHookRuns) {
  promote();
  until_called();
  power_off();
  exec_.last(ExecResult{});
}

// As in an emergency: the rollout is taken out, and everybody sent to the old version.
TEST_F(ControllerRetirementTest, WhoComesBackIntoTheFileIsWatchedAnewBeforeTheHook) {
  promote();
  until_idle();
  const std::string whole = file_;
  ASSERT_TRUE(reload(file_with(kListener, "", "upstream: old")).ok);
  quiet_seconds(30);
  ASSERT_TRUE(reload(whole).ok);
  quiet_seconds(8);
  EXPECT_TRUE(exec_.calls.empty()) << "idle_for is longer";
  quiet_seconds(5);
  EXPECT_EQ(exec_.calls.size(), 1U);
}

}  // namespace
}  // namespace canaryd::control::test
