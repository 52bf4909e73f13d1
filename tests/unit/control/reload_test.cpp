// A reload happens whole or not at all.
#include "controller_rig.hpp"

namespace canaryd::control::test {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::string kFrozen = kRollout + "    freeze: [{days: [sat, sun]}]\n";

std::string problems_of(const ReloadResult& result) {
  std::string text;
  for (const ConfigProblem& problem : result.problems) {
    text += problem.severity + " " + problem.message + "\n";
  }
  return text;
}

class ReloadTest : public ControllerRig {
 protected:
  void boot_at(double percent) {
    boot();
    for (int i = 0; i < 60 && effective() < percent; ++i) second();
    ASSERT_EQ(effective(), percent);
    plane_.did.clear();
    plane_.served.clear();
  }
  void reload_by_anna(const std::string& rollout) {
    file_ = file_with(kListener, rollout);
    bool ok = false;
    controller_->reload({"anna", "Christmas"}, [&](const ReloadResult& result) { ok = result.ok; });
    settle();
    EXPECT_TRUE(ok);
  }
  std::vector<HistoryRow> history() {
    std::optional<Result<std::vector<HistoryRow>>> found;
    controller_->history({"shop", 10, std::nullopt}, [&](auto rows) { found = std::move(rows); });
    settle();
    EXPECT_TRUE(found && found->has_value());
    return found.value().value_or(std::vector<HistoryRow>(1));
  }
  void second_without_rollout() {
    clock_.advance(1s);
    plane_.serve(Cohort::kNone, 10, 0);
    controller_->tick();
    settle();
  }
};

TEST_F(ReloadTest, ABadFileChangesNothing) {
  boot_at(10);
  const std::string before = controller_->config_text();
  const ReloadResult result = reload("version: 1\nlisteners: 7\n");
  EXPECT_FALSE(result.ok);
  ASSERT_FALSE(result.problems.empty());
  EXPECT_EQ(result.problems[0].file, "canaryd.yaml");
  EXPECT_GT(result.problems[0].line, 0U);
  EXPECT_EQ(controller_->config_text(), before);
  EXPECT_THAT(plane_.did, IsEmpty());
  EXPECT_THAT(controller_->metrics_text(), HasSubstr("canaryd_config_last_reload_successful 0"));
  EXPECT_TRUE(reload(file_with(kListener, kRollout)).ok) << "the next one is free to try";
}

TEST_F(ReloadTest, TheJournalTellsWhoChangedAFreezeAndWhy) {
  boot_at(10);
  const std::uint64_t generation = controller_->rollout("shop")->generation;
  const std::string frozen = kRollout + "    freeze: [{days: [sat, sun]}]\n";
  reload_by_anna(frozen);
  const std::vector<HistoryRow> rows = history();
  const HistoryRow& row = rows.back();
  EXPECT_EQ(row.event, "new_plan");
  EXPECT_EQ(row.actor, "anna");
  EXPECT_EQ(row.reason, "Christmas");
  EXPECT_EQ(row.from, row.to);
  EXPECT_EQ(
      row.message,
      "changed the plan of shop; the weight stays at 10 %: freeze[0]: added, Christmas (by anna)");
  EXPECT_EQ(controller_->rollout("shop")->generation, generation + 1);
  reload_by_anna(frozen);
  EXPECT_EQ(history().back().id, row.id) << "nothing has changed, and nothing is told";
}

// As a command is.
TEST_F(ReloadTest, IsAnsweredOnceTheHistoryHasIt) {
  boot_at(10);
  const std::size_t before = disk_.journal().size();
  file_ = file_with(kListener, kFrozen);
  std::optional<std::size_t> rows;
  controller_->reload({}, [&](const ReloadResult& result) {
    EXPECT_TRUE(result.ok);
    EXPECT_THAT(problems_of(result), Not(HasSubstr("history")));
    rows = disk_.journal().size();
  });
  EXPECT_THAT(controller_->config().rollouts.at(0).plan.freeze, ::testing::SizeIs(1))
      << "it is in force already";
  EXPECT_FALSE(rows.has_value());
  settle();
  EXPECT_EQ(rows, before + 1);

  // What comes back writes a row as well.
  ASSERT_TRUE(reload(file_with(kListener, "", "upstream: old")).ok);
  file_ = file_with(kListener, kFrozen);
  rows.reset();
  controller_->reload({}, [&](const ReloadResult&) { rows = disk_.journal().size(); });
  EXPECT_FALSE(rows.has_value());
  settle();
  EXPECT_EQ(rows, before + 2);
}

TEST_F(ReloadTest, AJournalThatCannotBeWrittenIsSaidAndHoldsUpNoReload) {
  boot_at(10);
  disk_.fail();
  const ReloadResult result = reload(file_with(kListener, kFrozen));
  EXPECT_TRUE(result.ok);
  EXPECT_THAT(
      problems_of(result),
      HasSubstr("warning the history does not have yet what is in force of shop: the journal "
                "cannot be written, or hangs; that is tried again"));
  EXPECT_THAT(controller_->config().rollouts.at(0).plan.freeze, ::testing::SizeIs(1));
  disk_.work();
  EXPECT_THAT(problems_of(reload(file_with(kListener, kRollout))), Not(HasSubstr("history")));
  EXPECT_THAT(history().back().message, HasSubstr("freeze"));
}

TEST_F(ReloadTest, AJournalThatIsBehindIsSaidWithEachReload) {
  boot_at(10);
  disk_.fail();
  const std::string frozen = file_with(kListener, kFrozen);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(problems_of(reload(frozen)), HasSubstr("what is in force of shop")) << i;
  }
  disk_.work();
  second();
  EXPECT_THAT(problems_of(reload(frozen)), Not(HasSubstr("history"))) << "nothing is missing now";
  EXPECT_THAT(history().back().message, HasSubstr("freeze"));
}

TEST_F(ReloadTest, AJournalThatHangsHoldsUpNoReloadEither) {
  boot_at(10);
  std::vector<std::string> answers;
  const auto note = [&](const ReloadResult& result) { answers.push_back(problems_of(result)); };
  // Nothing comes back from the store as long as nobody settles.
  file_ = file_with(kListener, kFrozen);
  controller_->reload({}, note);
  file_ = file_with(kListener + "admin: {dashboard: false}\n", kFrozen);
  controller_->reload({}, note);
  EXPECT_FALSE(controller_->config().admin.dashboard) << "the next one does not wait";
  for (int i = 0; i < 4; ++i) {
    clock_.advance(1s);
    controller_->tick();
  }
  EXPECT_THAT(answers, IsEmpty());
  clock_.advance(1s);
  controller_->tick();
  EXPECT_THAT(answers, ::testing::SizeIs(2));
  EXPECT_THAT(answers, Each(HasSubstr("the history does not have yet what is in force of shop")));
  settle();
  EXPECT_THAT(answers, ::testing::SizeIs(2)) << "each is told once";
  EXPECT_THAT(history().back().message, HasSubstr("freeze"));
}

TEST_F(ReloadTest, WhoWaitsForTheHistoryIsAnsweredWhenTheDaemonEnds) {
  boot_at(10);
  std::vector<std::string> told;
  const auto following = controller_->events(std::nullopt, [&](const ControlEvent& event) {
    if (const auto* reloaded = std::get_if<ReloadView>(&event.what)) {
      told.push_back(reloaded->message);
    }
  });
  EXPECT_FALSE(controller_->answer_reloads()) << "nobody has asked";
  file_ = file_with(kListener, kFrozen);
  std::vector<std::string> answers;
  controller_->reload({}, [&](const ReloadResult& result) {
    answers.push_back((result.ok ? "ok " : "refused ") + problems_of(result));
  });
  controller_->set_draining();
  EXPECT_THAT(answers, IsEmpty()) << "the history may have it before the drain is over";
  EXPECT_TRUE(controller_->answer_reloads());
  EXPECT_THAT(answers, ElementsAre(HasSubstr("ok ")));
  EXPECT_THAT(answers, Each(HasSubstr("what is in force of shop")));
  EXPECT_THAT(told, ElementsAre(HasSubstr("configuration reloaded: 1 change")));
  EXPECT_FALSE(controller_->answer_reloads());
  settle();
  EXPECT_THAT(answers, ::testing::SizeIs(1)) << "told once";
}

TEST_F(ReloadTest, AListenerThatCannotBindLeavesEverythingAsItWas) {
  boot_at(10);
  const std::string before = controller_->config_text();
  plane_.taken = {"inner"};
  const ReloadResult result = reload(file_with(
      "  - {name: public, address: 127.0.0.1:8090}\n  - {name: inner, address: 127.0.0.1:8081}\n",
      kRollout));
  EXPECT_FALSE(result.ok);
  EXPECT_THAT(result.problems.back().message, HasSubstr("listener inner"));
  EXPECT_THAT(plane_.did,
              ElementsAre("open public 127.0.0.1:8090",
                          "open inner 127.0.0.1:8081",
                          "close public 127.0.0.1:8090"));
  EXPECT_EQ(controller_->config_text(), before);
  ASSERT_EQ(controller_->listeners().size(), 1U);
  EXPECT_EQ(controller_->listeners()[0].address, "127.0.0.1:8080");
}

TEST_F(ReloadTest, APortThatIsItsOwnIsSaidToBe) {
  boot_at(10);
  plane_.taken = {"wide", "other"};
  const auto refused = [this](const std::string& listener) {
    const ReloadResult result = reload(file_with(listener, kRollout));
    EXPECT_FALSE(result.ok);
    return result.problems.back().message;
  };
  EXPECT_THAT(refused("  - {name: wide, address: 0.0.0.0:8080}\n"),
              HasSubstr("this daemon's listener public has that port, at 127.0.0.1:8080: it moves "
                        "with a restart"));
  EXPECT_THAT(refused("  - {name: other, address: 127.0.0.1:8081}\n"),
              HasSubstr("stop what listens there"));
}

TEST_F(ReloadTest, AListenerKeepsItsNameAsLongAsItsAddress) {
  boot_at(10);
  const ReloadResult result =
      reload(file_with("  - {name: renamed, address: 127.0.0.1:8080}\n", kRollout));
  EXPECT_FALSE(result.ok);
  EXPECT_THAT(result.problems.back().message,
              HasSubstr("listener renamed cannot take 127.0.0.1:8080 over from listener public"));
  EXPECT_THAT(plane_.did, ::testing::IsEmpty());
}

TEST_F(ReloadTest, ListenersMoveComeAndGo) {
  boot_at(10);
  EXPECT_TRUE(reload(file_with("  - {name: public, address: 127.0.0.1:8090}\n"
                               "  - {name: inner, address: 127.0.0.1:8081}\n",
                               kRollout))
                  .ok);
  EXPECT_THAT(plane_.did,
              ElementsAre("open public 127.0.0.1:8090",
                          "open inner 127.0.0.1:8081",
                          "close public 127.0.0.1:8080",
                          "publish"));
  plane_.did.clear();
  EXPECT_TRUE(reload(file_with("  - {name: inner, address: 127.0.0.1:8081}\n", kRollout)).ok);
  EXPECT_THAT(plane_.did, ElementsAre("close public 127.0.0.1:8090", "update inner", "publish"));
  EXPECT_EQ(effective(), 10);
}

// The second has seen a newer file than the first.
TEST_F(ReloadTest, OneThatComesMeanwhileIsDoneInItsTurn) {
  boot_at(10);
  std::vector<std::string> answers;
  const auto note = [&](const char* who) {
    return [&answers, who](const ReloadResult& result) {
      answers.emplace_back(result.ok ? who : "refused");
    };
  };
  file_ = file_with(kListener + "  - {name: inner, address: 127.0.0.1:8081}\n", kRollout);
  controller_->reload({}, note("first"));
  file_ = file_with(kListener, kRollout);
  controller_->reload({}, note("second"));
  EXPECT_THAT(answers, IsEmpty());
  settle();
  EXPECT_THAT(answers, ElementsAre("first", "second"));
  EXPECT_EQ(controller_->listeners().size(), 1U);
}

TEST_F(ReloadTest, NotMoreThanSixteenWait) {
  boot_at(10);
  file_ = file_with(kListener + "  - {name: inner, address: 127.0.0.1:8081}\n", kRollout);
  int good = 0;
  int refused = 0;
  const auto note = [&](const ReloadResult& result) { ++(result.ok ? good : refused); };
  for (int i = 0; i < 20; ++i) controller_->reload({}, note);
  EXPECT_EQ(refused, 3);
  settle();
  EXPECT_EQ(good, 17);
}

TEST_F(ReloadTest, NoneOnceItDrains) {
  boot_at(10);
  controller_->set_draining();
  const ReloadResult result =
      reload(file_with(kListener + "  - {name: inner, address: 127.0.0.1:8081}\n", kRollout));
  EXPECT_FALSE(result.ok);
  EXPECT_THAT(result.problems.back().message, HasSubstr("drains"));
  EXPECT_EQ(controller_->listeners().size(), 1U);
}

// A listener that is slow to bind, a name that is slow to resolve: nobody waits for them.
TEST_F(ReloadTest, AnAbortDoesNotWaitForAReload) {
  boot_at(50);
  file_ = file_with(kListener + "  - {name: inner, address: 127.0.0.1:8081}\n", kRollout);
  std::optional<bool> reloaded;
  controller_->reload({}, [&](const ReloadResult& result) { reloaded = result.ok; });
  ASSERT_FALSE(reloaded.has_value());
  ActionRequest abort;
  abort.rollout = "shop";
  abort.action = Action::kAbort;
  controller_->act(abort, [](const ActionResult&) {});
  EXPECT_FALSE(reloaded.has_value()) << "the reload is still under way";
  EXPECT_EQ(effective(), 0) << "and nobody goes to the canary any more";
  settle();
  EXPECT_EQ(reloaded, true);
  EXPECT_EQ(view().state, "aborted");
  EXPECT_EQ(effective(), 0);
}

TEST_F(ReloadTest, ABadVerdictDoesNotWaitForAReload) {
  boot_at(50);
  file_ = file_with(kListener + "  - {name: inner, address: 127.0.0.1:8081}\n", kRollout);
  std::optional<bool> reloaded;
  controller_->reload({}, [&](const ReloadResult& result) { reloaded = result.ok; });
  for (int i = 0; i < 60 && effective() > 0; ++i) {
    clock_.advance(1s);
    plane_.serve(Cohort::kCanary, 1000, 900);
    plane_.serve(Cohort::kStable, 1000, 0);
    controller_->tick();
  }
  EXPECT_FALSE(reloaded.has_value()) << "the reload is still under way";
  EXPECT_EQ(effective(), 0);
  settle();
  EXPECT_EQ(reloaded, true);
  EXPECT_EQ(view().state, "rolled_back");
}

// What waits for a restart stays as it is, and whoever has reloaded is told.
TEST_F(ReloadTest, SaysWhatTakesEffectAfterARestart) {
  boot_at(10);
  const std::string file = file_with(kListener, kRollout);
  const ReloadResult result =
      reload(file + "workers: 7\nlog: {format: text}\nadmin: {dashboard: false}\n");
  EXPECT_TRUE(result.ok);
  std::vector<std::string> told;
  for (const ConfigProblem& problem : result.problems) {
    EXPECT_EQ(problem.severity, "warning") << problem.message;
    if (problem.message.find("after a restart") == std::string::npos) continue;
    told.push_back(problem.message.substr(0, problem.message.find(' ')));
  }
  EXPECT_THAT(told, ::testing::UnorderedElementsAre("workers", "log.format"));
  EXPECT_EQ(controller_->config().log.format, config::LogFormat::kJson);
  EXPECT_NE(controller_->config().workers, 7U);
  EXPECT_FALSE(controller_->config().admin.dashboard) << "and this follows";
  EXPECT_TRUE(reload(file).ok);
}

// The new file would be safe after a restart; what is bound now would be open to everybody.
TEST_F(ReloadTest, SaysThatTheTokensCannotGoWhileOthersCanConnect) {
  const std::string file = file_with(kListener, kRollout);
  const std::string tokens = "tokens: [{name: ci, role: admin, token_file: ci.token}]";
  const auto told = [&](const std::string& before, const std::string& after) {
    power_off();
    file_ = file + "admin: {" + before + "}\n";
    boot();
    const ReloadResult result = reload(file + "admin: {" + after + "}\n");
    EXPECT_TRUE(result.ok);
    std::string all;
    for (const ConfigProblem& problem : result.problems) {
      EXPECT_EQ(problem.severity, "warning");
      if (problem.message.find("admin.tokens cannot go") == 0) all += problem.message;
    }
    return all;
  };
  const std::string on_socket = R"(address: "unix:/run/a.sock")";
  const std::string for_all = on_socket + R"(, socket: {mode: "0666"})";
  EXPECT_EQ(
      told(for_all + ", " + tokens, on_socket),
      "admin.tokens cannot go before a restart: until then the admin API is on "
      "unix:/run/a.sock, where others can connect, and only root and the daemon's own user may "
      "do anything");
  EXPECT_TRUE(controller_->config().admin.tokens.empty())
      << "one that has gone is good for nothing";
  EXPECT_EQ(told("address: 0.0.0.0:9901, " + tokens, "address: 127.0.0.1:9901"),
            "admin.tokens cannot go before a restart: until then the admin API is on 0.0.0.0:9901, "
            "where others can connect, and nobody may do anything");
  EXPECT_EQ(told(on_socket + ", " + tokens, on_socket), "");
  EXPECT_EQ(told(on_socket + R"(, socket: {mode: "0664"}, )" + tokens, on_socket), "");
  EXPECT_EQ(told(tokens, ""), "");
  EXPECT_EQ(told(for_all + ", " + tokens, for_all + ", " + tokens), "");
}

TEST_F(ReloadTest, WarnsThatUsersAreDrawnAnew) {
  const std::string salted = kRollout + "    cohort: {salt: other}\n";
  const std::string warning =
      "warning rollout shop stays at 10 %, and its users are drawn anew (cohort.salt): some change "
      "version at once, in both directions\n";
  boot_at(10);
  const ReloadResult result = reload(file_with(kListener, salted));
  EXPECT_TRUE(result.ok);
  EXPECT_THAT(problems_of(result), HasSubstr(warning));
  EXPECT_EQ(effective(), 10);
  EXPECT_THAT(history().back().message, HasSubstr("cohort.salt: shop -> other (draws users anew)"));
  EXPECT_THAT(problems_of(reload(file_with(kListener, salted))), Not(HasSubstr("drawn anew")));
  // Nobody is on the canary.
  power_off();
  file_ = file_with(kListener, kRollout + "    start: manual\n    revision: \"2\"\n");
  boot();
  const ReloadResult idle =
      reload(file_with(kListener, salted + "    start: manual\n    revision: \"2\"\n"));
  EXPECT_THAT(problems_of(idle), Not(HasSubstr("drawn anew")));
}

TEST_F(ReloadTest, ARolloutThatHasLeftKeepsItsHistory) {
  boot_at(10);
  EXPECT_TRUE(reload(file_with(kListener, "", "upstream: old")).ok);
  EXPECT_EQ(history().at(0).to, "progressing");
}

TEST_F(ReloadTest, OneThatComesTooEarlyWaitsForTheStart) {
  ASSERT_TRUE(create().has_value());
  std::optional<bool> ok;
  controller_->reload({}, [&](const ReloadResult& result) { ok = result.ok; });
  EXPECT_FALSE(ok.has_value());
  EXPECT_TRUE(start().has_value());
  settle();
  EXPECT_EQ(ok, true);
}

TEST_F(ReloadTest, AnUnchangedRolloutGoesOn) {
  boot_at(50);
  const std::uint64_t generation = view().generation;
  EXPECT_TRUE(reload(file_with(kListener, kRollout)).ok);
  EXPECT_EQ(effective(), 50);
  EXPECT_EQ(view().generation, generation);
}

TEST_F(ReloadTest, NobodyComesToANewCanaryByTheOldWeight) {
  boot_at(50);
  std::string next = kRollout;
  next.replace(next.find("canary: new"), 11, "canary: newer");
  EXPECT_TRUE(reload(file_with(kListener, next)).ok);
  EXPECT_THAT(plane_.served["newer"], Each(0));
  EXPECT_EQ(view().canary, "newer");
  second();
  EXPECT_EQ(effective(), 10);
}

TEST_F(ReloadTest, ARolloutThatWasAwayGoesOnAndCanRise) {
  boot_at(10);
  EXPECT_TRUE(reload(file_with(kListener, "", "upstream: old")).ok);
  EXPECT_FALSE(controller_->rollout("shop").has_value());
  second_without_rollout();
  EXPECT_TRUE(reload(file_with(kListener, kRollout)).ok);
  EXPECT_EQ(effective(), 10);
  for (int i = 0; i < 60 && effective() < 50; ++i) second();
  EXPECT_EQ(effective(), 50) << "the journal goes on where it was";
}

TEST_F(ReloadTest, ARolloutOfAnEarlierDaemonIsKnownAgain) {
  boot_at(10);
  power_off();
  file_ = file_with(kListener, "", "upstream: old");
  boot();
  EXPECT_TRUE(reload(file_with(kListener, kRollout)).ok);
  EXPECT_EQ(effective(), 10);
  for (int i = 0; i < 60 && effective() < 50; ++i) second();
  EXPECT_EQ(effective(), 50);
}

TEST_F(ReloadTest, TheLogLevelFollows) {
  boot_at(10);
  EXPECT_TRUE(reload(file_with(kListener, kRollout) + "log: {level: debug}\n").ok);
  EXPECT_EQ(log_->level(), LogLevel::kDebug);
}

TEST_F(ReloadTest, TheFileAndTheCommandKnowTheSameLogLevels) {
  boot_at(10);
  EXPECT_TRUE(reload(file_with(kListener, kRollout) + "log: {level: off}\n").ok);
  EXPECT_EQ(log_->level(), LogLevel::kOff);
  for (const char* name : {"trace", "debug", "info", "warn", "error", "off"}) {
    EXPECT_TRUE(controller_->set_log_level(name)) << name;
    const LogLevel set = log_->level();
    reload(file_with(kListener, kRollout) + "log: {level: " + name + "}\n");
    EXPECT_EQ(log_->level(), set) << name;
  }
}

}  // namespace
}  // namespace canaryd::control::test
