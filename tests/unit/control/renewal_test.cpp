// A file that names other versions than those that everybody is on.
#include "controller_rig.hpp"
#include "unit/control/health_rig.hpp"

#include <optional>
#include <string>
#include <utility>

namespace canaryd::control::test {
namespace {

using ::testing::HasSubstr;

class RenewalTest : public ControllerRig {
 protected:
  RenewalTest() {
    health_io_ = &io_;
    file_ = file("new", "1");
  }

  // `versions` are the upstreams that the file has beside the old one.
  static std::string file(const std::string& canary,
                          const std::string& revision,
                          const std::string& versions = "new newer",
                          const std::string& more = "") {
    std::string text = "version: 1\nlisteners:\n" + kListener +
                       "upstreams:\n  old: {endpoints: [127.0.0.1:9001], health_check: {interval: "
                       "1s, timeout: 500ms}}\n";
    int port = 9002;
    for (const char* const name : {"new", "newer"}) {
      if ((" " + versions + " ").find(" " + std::string(name) + " ") != std::string::npos) {
        text +=
            "  " + std::string(name) + ": {endpoints: [127.0.0.1:" + std::to_string(port) + "]}\n";
      }
      ++port;
    }
    return text + "rollouts:\n  shop:\n    stable: old\n    canary: " + canary +
           "\n    revision: \"" + revision +
           "\"\n    start: manual\n    bake: {duration: 0s}\n    steps: [{weight: 10}, {weight: "
           "100}]\n" +
           more + "routes:\n  - {name: all, rollout: shop}\n";
  }
  static std::string retiring(const std::string& canary, const std::string& revision) {
    return file(
        canary, revision, "new newer", "    retire: {idle_for: 10s, drain: 2s, undo: 5s}\n");
  }
  // All versions are asked whether they are well.
  static std::string checked(std::string text) {
    for (const std::string end : {"9002]}", "9003]}"}) {
      const std::size_t at = text.find(end);
      if (at == std::string::npos) continue;
      text.replace(at, end.size(), end.substr(0, 5));
      text.insert(at + 5, ", health_check: {interval: 1s, timeout: 500ms}}");
    }
    return text;
  }
  void restart_with(std::string text) {
    power_off();
    file_ = std::move(text);
    boot();
  }
  void promote() {
    boot();
    seconds(2);
    act(Action::kStart);
    ActionRequest request;
    request.rollout = "shop";
    request.action = Action::kPromote;
    request.full = true;
    controller_->act(request, [](const ActionResult&) {});
    settle();
    seconds(2);
    ASSERT_EQ(view().state, "promoted");
  }
  void seconds(int count) {
    for (int i = 0; i < count; ++i) {
      io_.run_for(1s);
      controller_->tick();
      settle();
    }
  }
  void stable_goes_down() {
    io_.servers["127.0.0.1:9001"] = Server::kSick;
    seconds(10);
  }
  // Who is behind the canary's share of the table.
  [[nodiscard]] std::string served() const {
    const auto& table = *plane_.held.at(0).shared->table;
    return table.upstreams()[table.rollouts().at(0).canary.index()];
  }
  void expect_refused(const std::string& text, const std::string& why) {
    const std::string before = controller_->config_text();
    const ReloadResult result = reload(text);
    EXPECT_FALSE(result.ok);
    ASSERT_FALSE(result.problems.empty());
    EXPECT_THAT(result.problems.back().message, HasSubstr(why));
    EXPECT_EQ(controller_->config_text(), before);
  }

  FakeHealthIo io_{clock_};
};

TEST_F(RenewalTest, APromotedOneBeginsAnewWhileItsStableIsUp) {
  promote();
  EXPECT_TRUE(reload(file("newer", "2")).ok);
  EXPECT_EQ(view().state, "idle");
  EXPECT_EQ(effective(), 0);
  EXPECT_EQ(served(), "newer");
}

// Everybody would go to what nobody has judged, or to what is down.
TEST_F(RenewalTest, APromotedOneWhoseStableIsDownRefusesTheWholeFile) {
  promote();
  stable_goes_down();
  expect_refused(file("newer", "2"), "rollout shop is promoted and its stable version is down");
  EXPECT_EQ(view().state, "promoted");
  EXPECT_EQ(effective(), 100);
  EXPECT_EQ(served(), "new");
  expect_refused(file("newer", "2", "newer"), "stable version is down");
  EXPECT_EQ(served(), "new");
}

TEST_F(RenewalTest, AStableThatGoesDownWhileListenersAreOpenedRefusesTheWholeFile) {
  promote();
  const std::string before = controller_->config_text();
  file_ = file("newer", "2");
  file_.insert(file_.find(kListener), "  - {name: inner, address: 127.0.0.1:8081}\n");
  plane_.did.clear();
  std::optional<ReloadResult> reloaded;
  controller_->reload({}, [&](ReloadResult result) { reloaded = std::move(result); });
  ASSERT_THAT(plane_.did, ::testing::ElementsAre("open inner 127.0.0.1:8081"));
  io_.servers["127.0.0.1:9001"] = Server::kSick;
  io_.run_for(10s);
  settle();
  ASSERT_TRUE(reloaded.has_value());
  EXPECT_FALSE(reloaded->ok);
  EXPECT_THAT(reloaded->problems.back().message, HasSubstr("its stable version is down"));
  EXPECT_EQ(plane_.did.back(), "close inner 127.0.0.1:8081");
  EXPECT_EQ(controller_->config_text(), before);
  EXPECT_EQ(view().state, "promoted");
  EXPECT_EQ(served(), "new");
}

TEST_F(RenewalTest, ARetiredOneRefusesTheWholeFile) {
  file_ = retiring("new", "1");
  promote();
  seconds(30);
  ASSERT_EQ(view().state, "retired");
  expect_refused(retiring("newer", "2"), "rollout shop has given up its stable version");
  EXPECT_EQ(served(), "new");
}

// A restart knows nothing of stable's health yet; until it does, everybody stays where he is.
TEST_F(RenewalTest, ARestartLooksAtStableFirst) {
  promote();
  stable_goes_down();
  power_off();
  file_ = file("newer", "2");
  boot();
  EXPECT_EQ(served(), "new");
  EXPECT_EQ(effective(), 100);
  seconds(10);
  EXPECT_EQ(view().state, "promoted");
  EXPECT_EQ(served(), "new");
  EXPECT_EQ(effective(), 100);
  EXPECT_EQ(view().postponed,
            "newer (revision 2) has not begun: shop is promoted and its stable version is down, or "
            "nobody has looked at it yet: a new rollout would send everybody there");
  // It is asked again.
  io_.servers["127.0.0.1:9001"] = Server::kWell;
  seconds(5);
  EXPECT_EQ(view().state, "idle");
  EXPECT_EQ(view().postponed, std::nullopt);
  EXPECT_EQ(view().revision, "2");
  EXPECT_EQ(served(), "newer");
  EXPECT_EQ(effective(), 0);
}

TEST_F(RenewalTest, AWeightThatIsSetMeanwhileStaysWhileStableIsDown) {
  promote();
  stable_goes_down();
  restart_with(file("newer", "2"));
  seconds(5);
  ActionRequest request;
  request.rollout = "shop";
  request.action = Action::kSetWeight;
  request.weight = BasisPoints(9000);
  controller_->act(request, [](const ActionResult&) {});
  settle();
  seconds(3);
  EXPECT_EQ(view().state, "paused");
  EXPECT_EQ(effective(), 90);
  EXPECT_EQ(view().postponed,
            "newer (revision 2) has not begun: shop waits until its stable version is up");
  act(Action::kAbort);
  seconds(2);
  EXPECT_EQ(view().state, "idle") << "nobody is on the old canary any more";
  EXPECT_EQ(view().canary, "newer");
}

// Its promotion is that of the revision before.
TEST_F(RenewalTest, WhoComesAfterAnotherWaitsForTheOneThatHasNotBegun) {
  const auto both = [](const std::string& revision) {
    std::string text = file("new", revision) +
                       "  - {name: later, match: {path_prefix: /later/}, rollout: later}\n";
    const std::string later = "  later: {stable: newer, canary: new, revision: \"" + revision +
                              "\", start: after, after: shop, steps: [{weight: 100}]}\n";
    return text.insert(text.find("routes:"), later);
  };
  const auto later = [this] { return controller_->rollout("later")->state; };
  file_ = both("1");
  promote();
  ASSERT_EQ(later(), "progressing");
  stable_goes_down();
  restart_with(both("2"));
  seconds(10);
  ASSERT_EQ(view().state, "promoted");
  EXPECT_EQ(later(), "idle");
}

// What the new file names does not matter to those who are on the versions of the old one.
TEST_F(RenewalTest, UntilItBeginsItIsTheHealthOfTheVersionsInForceThatCounts) {
  file_ = checked(file("new", "1"));
  promote();
  stable_goes_down();
  io_.servers["127.0.0.1:9003"] = Server::kSick;
  restart_with(checked(file("newer", "2")));
  seconds(10);
  EXPECT_EQ(view().state, "promoted");
  EXPECT_EQ(effective(), 100);
  EXPECT_EQ(view().canary, "new");
  EXPECT_EQ(view().revision, "1");
  EXPECT_THAT(controller_->metrics_text(), HasSubstr("stable=\"old\",canary=\"new\""));
  io_.servers["127.0.0.1:9003"] = Server::kWell;
  io_.servers["127.0.0.1:9002"] = Server::kSick;
  seconds(5);
  EXPECT_EQ(view().state, "suspended");
  EXPECT_EQ(effective(), 0);
  // The new file may not begin by that either.
  EXPECT_EQ(view().revision, "1");
  io_.servers["127.0.0.1:9002"] = Server::kWell;
  seconds(5);
  EXPECT_EQ(view().state, "promoted");
  EXPECT_EQ(effective(), 100);
  EXPECT_EQ(served(), "new");
}

TEST_F(RenewalTest, ARetirementGoesOnWithTheVersionsInForce) {
  file_ = checked(retiring("new", "1"));
  promote();
  for (int i = 0; i < 30 && view().state != "retiring"; ++i) seconds(1);
  ASSERT_EQ(view().state, "retiring");
  io_.servers["127.0.0.1:9003"] = Server::kSick;
  restart_with(checked(retiring("newer", "2")));
  EXPECT_EQ(effective(), 100);
  seconds(5);
  EXPECT_EQ(view().state, "retiring");
  EXPECT_EQ(effective(), 100);
  EXPECT_EQ(view().canary, "new");
  EXPECT_THAT(view().postponed.value_or(""), HasSubstr("is giving up its stable version"));
  EXPECT_EQ(view().next,
            "nobody is sent to old; `canaryctl unretire` brings it back; it is not given up while "
            "the file names it as stable");
  seconds(20);
  EXPECT_EQ(view().state, "retiring") << "the file still means to go back to it";
  EXPECT_EQ(served(), "new");
  act(Action::kUnretire);
  seconds(2);
  EXPECT_EQ(view().state, "idle");
  EXPECT_EQ(view().canary, "newer");
}

// Everybody would be sent to it.
TEST_F(RenewalTest, ANewRevisionWaitsUntilSomebodyHasLookedAtStable) {
  promote();
  restart_with(file("new", "1"));
  ActionRequest next;
  next.rollout = "shop";
  next.action = Action::kStart;
  next.revision = "2";
  std::optional<ActionResult> result;
  const auto start = [&] {
    controller_->act(next, [&](ActionResult answer) { result = std::move(answer); });
    settle();
  };
  start();
  EXPECT_EQ(result->status, ActionStatus::kRefused);
  EXPECT_THAT(result->detail, HasSubstr("or nobody has looked at it yet"));
  EXPECT_EQ(effective(), 100);
  seconds(3);
  start();
  EXPECT_EQ(result->status, ActionStatus::kOk);
  EXPECT_EQ(view().state, "progressing");
}

// There is nobody to leave where he is: whoever is not sent to stable would be the first to be on
// the new canary.
TEST_F(RenewalTest, AVersionThatHasLeftTheFileIsNotWaitedFor) {
  promote();
  stable_goes_down();
  restart_with(file("newer", "2", "newer"));
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(effective(), 0);
    seconds(1);
  }
  EXPECT_EQ(view().state, "idle");
  EXPECT_EQ(view().canary, "newer");
}

TEST_F(RenewalTest, ARestartBeginsAnewOnceStableIsSeenToBeUp) {
  promote();
  power_off();
  file_ = file("newer", "2");
  boot();
  EXPECT_EQ(served(), "new");
  EXPECT_EQ(view().postponed, "newer (revision 2) has not begun: old is looked at first");
  seconds(3);
  EXPECT_EQ(view().state, "idle");
  EXPECT_EQ(served(), "newer");
  EXPECT_EQ(effective(), 0);
}

// Before anybody can know that stable is down.
TEST_F(RenewalTest, AWeightSetByHandKeepsUsersOffAStableThatIsNotKnown) {
  promote();
  stable_goes_down();
  restart_with(file("newer", "2"));
  seconds(1);
  ActionRequest request;
  request.rollout = "shop";
  request.action = Action::kSetWeight;
  request.weight = BasisPoints(9000);
  controller_->act(request, [](const ActionResult&) {});
  settle();
  seconds(10);
  EXPECT_EQ(effective(), 90);
  EXPECT_EQ(served(), "new");
  EXPECT_TRUE(view().postponed);
}

TEST_F(RenewalTest, WhileItWaitsTheFileMayChangeAndHelpIt) {
  promote();
  stable_goes_down();
  const std::string text = file("newer", "2");
  restart_with(text);
  seconds(10);
  const std::string more = text + "  - {name: more, match: {path_prefix: /more/}, upstream: new}\n";
  EXPECT_TRUE(reload(more).ok);
  EXPECT_EQ(view().state, "promoted");
  EXPECT_EQ(effective(), 100);
  EXPECT_TRUE(view().postponed);
  std::string moved = more;
  moved.replace(moved.find("9001"), 4, "9005");
  EXPECT_TRUE(reload(moved).ok);
  seconds(5);
  EXPECT_EQ(view().state, "idle");
  EXPECT_EQ(served(), "newer");
}

TEST_F(RenewalTest, ADaemonDoesNotStartWithoutTheVersionThatEverybodyIsOn) {
  file_ = retiring("new", "1");
  promote();
  seconds(30);
  ASSERT_EQ(view().state, "retired");
  power_off();
  file_ = file("newer", "2", "newer");
  const auto made = create();
  ASSERT_FALSE(made.has_value());
  EXPECT_THAT(made.error().context, HasSubstr("everybody is on new, which the file does not have"));
}

TEST_F(RenewalTest, AfterARestartAReloadWaitsForALookAtStable) {
  promote();
  stable_goes_down();
  restart_with(file("new", "1"));
  expect_refused(file("newer", "2"), "or nobody has looked at it yet");
  EXPECT_EQ(effective(), 100);
  io_.servers["127.0.0.1:9001"] = Server::kWell;
  seconds(3);
  EXPECT_TRUE(reload(file("newer", "2")).ok);
}

TEST_F(RenewalTest, AfterARestartNothingIsRetiredForACanaryThatNobodyHasLookedAt) {
  file_ = checked(retiring("new", "1"));
  promote();
  for (int i = 0; i < 20 && view().state != "retiring"; ++i) seconds(1);
  ASSERT_EQ(view().state, "retiring");
  io_.servers["127.0.0.1:9002"] = Server::kSick;
  power_off();
  clock_.advance(1h);
  boot();
  for (int i = 0; i < 30; ++i) {
    seconds(1);
    ASSERT_NE(view().state, "retired") << i;
  }
  EXPECT_EQ(view().state, "suspended");
}

TEST_F(RenewalTest, AfterARestartStableIsNotWellAgainBeforeSomebodyHasLooked) {
  boot();
  seconds(2);
  act(Action::kStart);
  seconds(1);
  ASSERT_EQ(view().state, "progressing");
  stable_goes_down();
  ASSERT_EQ(view().state, "held");
  restart_with(file("new", "1"));
  for (int i = 0; i < 20; ++i) {
    seconds(1);
    EXPECT_EQ(view().state, "held") << i;
  }
  io_.servers["127.0.0.1:9001"] = Server::kWell;
  seconds(5);
  EXPECT_EQ(view().state, "progressing");
}

}  // namespace
}  // namespace canaryd::control::test
