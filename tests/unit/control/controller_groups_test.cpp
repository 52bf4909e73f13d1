// Rollouts in lockstep, and rollouts that wait for another one.
#include "controller_rig.hpp"

#include <map>

namespace canaryd::control::test {
namespace {

using ::testing::HasSubstr;

// Three services, each with a rollout of its own in one group.
const char* const kThree = R"(version: 1
listeners:
  - {name: public, address: 127.0.0.1:8080}
upstreams:
  old: {endpoints: [127.0.0.1:9001]}
  new: {endpoints: [127.0.0.1:9002]}
defaults:
  rollout: {stable: old, canary: new, start: manual, group: shop, bake: {duration: 0s}, steps: [{weight: 10, min_duration: 2s}, {weight: 50, min_duration: 2s}, {weight: 100}]}
rollouts:
  cart: {}
  pay: {}
  stock: {}
routes:
  - {name: cart, match: {path_prefix: /cart/}, rollout: cart}
  - {name: pay, match: {path_prefix: /pay/}, rollout: pay}
  - {name: stock, match: {path_prefix: /stock/}, rollout: stock}
)";

class ControllerGroupsTest : public ControllerRig {
 protected:
  ControllerGroupsTest() { file_ = kThree; }

  ActionResult act_on(const std::string& rollout, Action action) {
    ActionRequest request;
    request.rollout = rollout;
    request.action = action;
    request.actor = "anna";
    std::optional<ActionResult> result;
    controller_->act(request, [&](ActionResult answer) { result = std::move(answer); });
    settle();
    return result.value_or(ActionResult{});
  }
  void start_all() {
    for (const char* name : {"cart", "pay", "stock"}) act_on(name, Action::kStart);
  }
  void promote_fully(const std::string& rollout) {
    ActionRequest full;
    full.rollout = rollout;
    full.action = Action::kPromote;
    full.full = true;
    controller_->act(full, [](const ActionResult&) {});
    settle();
  }
  // A second in which these have traffic, and of these the canary fails.
  void second_of(const std::map<std::string, bool>& services) {
    clock_.advance(1s);
    const auto& rollouts = plane_.held.at(0).shared->table->rollouts();
    for (std::uint32_t i = 0; i < rollouts.size(); ++i) {
      const auto found = services.find(rollouts[i].name);
      if (found == services.end()) continue;
      const double weight = rollouts[i].gate->effective(rollouts[i].weight).percent() / 100;
      serve(RouteId(i), Cohort::kCanary, static_cast<int>(2000 * weight), found->second);
      serve(RouteId(i), Cohort::kStable, static_cast<int>(2000 * (1 - weight)), false);
    }
    controller_->tick();
    settle();
  }
  void serve(RouteId route, Cohort cohort, int count, bool bad) {
    for (int i = 0; i < count; ++i) {
      auto& counters = plane_.held[0].counters->at(route, cohort);
      counters.begin();
      stats::Outcome outcome;
      outcome.code_class = bad ? 5 : 2;
      outcome.judgement = bad ? stats::Judgement::kBad : stats::Judgement::kGood;
      outcome.latency = 5ms;
      counters.finish(outcome);
    }
  }
  [[nodiscard]] double weight_of(const std::string& rollout) const {
    return controller_->rollout(rollout)->weight.target.percent();
  }
  [[nodiscard]] std::string state_of(const std::string& rollout) const {
    return controller_->rollout(rollout)->state;
  }
};

TEST_F(ControllerGroupsTest, AStepIsTakenByAllOrByNobody) {
  boot();
  start_all();
  for (int i = 0; i < 60; ++i) second_of({{"cart", false}, {"pay", false}});
  for (const char* name : {"cart", "pay", "stock"}) EXPECT_EQ(weight_of(name), 10) << name;
  EXPECT_EQ(controller_->rollout("cart")->next, "weight 50 when all of group shop may take it");
  int seconds = 0;
  for (; seconds < 120 && state_of("stock") != "promoted"; ++seconds) {
    second_of({{"cart", false}, {"pay", false}, {"stock", false}});
    double least = 100;
    double most = 0;
    for (const char* name : {"cart", "pay", "stock"}) {
      least = std::min(least, weight_of(name));
      most = std::max(most, weight_of(name));
    }
    EXPECT_TRUE(least == most || (least == 10 && most == 50) || (least == 50 && most == 100));
  }
  for (int i = 0; i < 5; ++i) second_of({});
  for (const char* name : {"cart", "pay", "stock"}) EXPECT_EQ(weight_of(name), 100) << name;
}

TEST_F(ControllerGroupsTest, AGateThatIsApprovedIsNotWhatItWaitsFor) {
  const std::string none = "cart: {}";
  file_.replace(file_.find(none),
                none.size(),
                "cart: {steps: [{weight: 10, min_duration: 2s, gate: owner}, "
                "{weight: 50, min_duration: 2s}, {weight: 100}]}");
  boot();
  start_all();
  for (int i = 0; i < 60; ++i) second_of({{"cart", false}, {"pay", false}});
  EXPECT_EQ(controller_->rollout("cart")->next, "waits for gate owner");
  ActionRequest request;
  request.rollout = "cart";
  request.action = Action::kApprove;
  request.gate = "owner";
  request.actor = "anna";
  controller_->act(request, [](const ActionResult&) {});
  settle();
  second_of({{"cart", false}, {"pay", false}});
  EXPECT_EQ(state_of("cart"), "waiting");
  EXPECT_EQ(controller_->rollout("cart")->next, "weight 50 when all of group shop may take it");

  // Under mode observe it is an operator.
  const std::size_t steps = file_.find("steps: [{weight: 10");
  ASSERT_TRUE(
      reload(file_.substr(0, steps) + "analysis: {mode: observe}, " + file_.substr(steps)).ok);
  second_of({{"cart", false}, {"pay", false}});
  EXPECT_EQ(controller_->rollout("cart")->next,
            "gate owner is approved; mode observe: `canaryctl promote` takes the step");
}

TEST_F(ControllerGroupsTest, OneFailureEndsAll) {
  boot();
  start_all();
  for (int i = 0; i < 60 && state_of("pay") != "rolled_back"; ++i) {
    second_of({{"cart", false}, {"pay", true}, {"stock", false}});
  }
  second_of({});
  for (const char* name : {"cart", "pay", "stock"}) {
    EXPECT_EQ(state_of(name), "rolled_back") << name;
    EXPECT_EQ(weight_of(name), 0) << name;
  }
  EXPECT_THAT(disk_.journal().back().entry.sentence, HasSubstr("another rollout of its group"));
  for (const store::JournalRow& row : disk_.journal()) {
    const std::string& sentence = row.entry.sentence;
    if (sentence.find("of its group") == std::string::npos) continue;
    EXPECT_THAT(sentence, HasSubstr("has ended, pay, after "));
  }
  // Another attempt does not die of the old one.
  start_all();
  for (const char* name : {"cart", "pay", "stock"}) act_on(name, Action::kRetry);
  for (int i = 0; i < 3; ++i) second_of({});
  for (const char* name : {"cart", "pay", "stock"})
    EXPECT_EQ(state_of(name), "progressing") << name;
}

// Nothing of what the store answers is heard.
TEST_F(ControllerGroupsTest, TheEndOfOneIsThatOfAllWhileTheDiskHangs) {
  boot();
  start_all();
  ActionRequest end;
  end.rollout = "cart";
  end.action = Action::kRollback;
  controller_->act(end, [](const ActionResult&) {});
  EXPECT_FALSE(controller_->rollout("cart")->durable);
  clock_.advance(1s);
  controller_->tick();
  EXPECT_EQ(state_of("pay"), "rolled_back");
  EXPECT_EQ(state_of("stock"), "rolled_back");
}

TEST_F(ControllerGroupsTest, ACrashBetweenTheRollbacksSavesNobody) {
  boot();
  start_all();
  act_on("cart", Action::kAbort);  // The others have not heard of it.
  EXPECT_EQ(state_of("pay"), "progressing");
  power_off();
  boot();
  second_of({});
  EXPECT_EQ(state_of("pay"), "rolled_back");
  EXPECT_EQ(state_of("stock"), "rolled_back");
  power_off();
  boot();
  act_on("pay", Action::kRetry);
  for (int i = 0; i < 3; ++i) second_of({});
  EXPECT_EQ(state_of("pay"), "progressing");
}

// The start between writes a row of each that is under way.
TEST_F(ControllerGroupsTest, AnotherCrashSavesNobodyEither) {
  boot();
  start_all();
  act_on("cart", Action::kAbort);
  for (int i = 0; i < 3; ++i) {
    power_off();
    clock_.advance(1s);
    boot();
  }
  EXPECT_EQ(state_of("pay"), "progressing");
  second_of({});
  EXPECT_EQ(state_of("pay"), "rolled_back");
  EXPECT_EQ(state_of("stock"), "rolled_back");
}

TEST_F(ControllerGroupsTest, WhoIsOutOfTheFileEndsWhenItIsBack) {
  for (const bool restart : {false, true}) {
    file_ = kThree;
    boot();
    for (const char* name : {"cart", "pay", "stock"}) {
      act_on(name, restart ? Action::kRetry : Action::kStart);
    }
    std::string two = kThree;
    two.erase(two.find("  stock: {}\n"), 12);
    two.erase(two.find("  - {name: stock"));
    ASSERT_TRUE(reload(two).ok);
    if (restart) {
      power_off();
      boot();
    }
    clock_.advance(1s);
    act_on("cart", Action::kRollback);
    second_of({});
    ASSERT_EQ(state_of("pay"), "rolled_back");
    ASSERT_TRUE(reload(kThree).ok);
    second_of({});
    EXPECT_EQ(state_of("stock"), "rolled_back") << restart;
    power_off();
  }
}

TEST_F(ControllerGroupsTest, WhatEndedBeforeItHadAGroupEndsNobody) {
  const std::string group = "group: shop, ";
  file_.erase(file_.find(group), group.size());
  boot();
  start_all();
  act_on("cart", Action::kRollback);
  clock_.advance(1s);
  ASSERT_TRUE(reload(kThree).ok);
  for (int i = 0; i < 3; ++i) second_of({});
  power_off();
  boot();
  for (int i = 0; i < 3; ++i) second_of({});
  for (const char* name : {"pay", "stock"}) EXPECT_EQ(state_of(name), "progressing") << name;

  // From then on they are bound, also to the next crash.
  act_on("pay", Action::kRollback);
  power_off();
  boot();
  second_of({});
  EXPECT_EQ(state_of("stock"), "rolled_back");
}

// Nor is it that of who had all its steps behind it when the other one joined.
TEST_F(ControllerGroupsTest, WhoJoinsLaterIsNotTheEndOfWhoIsPromoted) {
  std::string apart = kThree;
  const std::string group = "group: shop, ";
  apart.erase(apart.find(group), group.size());
  for (const std::string name : {"pay", "stock"}) {
    apart.insert(apart.find("  " + name + ": {}") + name.size() + 5, "group: shop");
  }
  file_ = apart;
  boot();
  for (const char* name : {"pay", "stock"}) {
    act_on(name, Action::kStart);
    promote_fully(name);
  }
  for (int i = 0; i < 3; ++i) second_of({});
  ASSERT_EQ(state_of("pay"), "promoted");
  act_on("cart", Action::kStart);
  clock_.advance(1s);
  ASSERT_TRUE(reload(kThree).ok);
  clock_.advance(1s);
  act_on("cart", Action::kRollback);
  for (int i = 0; i < 3; ++i) second_of({});
  EXPECT_EQ(state_of("cart"), "rolled_back");
  for (const char* name : {"pay", "stock"}) EXPECT_EQ(state_of(name), "promoted") << name;
}

TEST_F(ControllerGroupsTest, WhatEndedWhileOneWasUnderObserveIsNotItsEnd) {
  file_.replace(file_.find("  pay: {}"), 9, "  pay: {analysis: {mode: observe}}");
  boot();
  start_all();
  act_on("cart", Action::kRollback);
  second_of({});
  EXPECT_EQ(state_of("pay"), "progressing");
  EXPECT_EQ(state_of("stock"), "rolled_back");
  clock_.advance(1s);
  ASSERT_TRUE(reload(kThree).ok);
  second_of({});
  power_off();
  boot();
  for (int i = 0; i < 3; ++i) second_of({});
  EXPECT_EQ(state_of("pay"), "progressing");

  act_on("stock", Action::kRetry);
  act_on("stock", Action::kAbort);
  power_off();
  boot();
  second_of({});
  EXPECT_EQ(state_of("pay"), "rolled_back");
}

// The others end by the first one, not by each other.
TEST_F(ControllerGroupsTest, WhoIsBegunAgainBeforeTheOthersHaveEndedGoesOn) {
  boot();
  start_all();
  act_on("cart", Action::kAbort);
  act_on("cart", Action::kRetry);
  for (int i = 0; i < 3; ++i) second_of({});
  EXPECT_EQ(state_of("pay"), "rolled_back");
  EXPECT_EQ(state_of("stock"), "rolled_back");
  EXPECT_EQ(state_of("cart"), "progressing");
  power_off();
  boot();
  for (int i = 0; i < 3; ++i) second_of({});
  EXPECT_EQ(state_of("cart"), "progressing");
}

// A retired one cannot go back, and what was held against it then is not held against what follows.
TEST_F(ControllerGroupsTest, TheEndOfOneIsNotThatOfTheNextReleaseOfAnother) {
  const auto release = [](const std::string& canary, const std::string& stable) {
    std::string text = kThree;
    const auto put = [&text](const std::string& old, const std::string& now) {
      text.replace(text.find(old), old.size(), now);
    };
    put("  new: {",
        "  other: {endpoints: [127.0.0.1:9004]}\n  newer: {endpoints: [127.0.0.1:9003]}\n"
        "  new: {");
    put("canary: new,", "canary: " + canary + ",");
    put("pay: {}", "pay: {stable: " + stable + ", retire: {idle_for: 1s, drain: 0s, undo: 0s}}");
    if (canary == "newer") put("start: manual", "start: auto");
    return text;
  };
  file_ = release("new", "other");
  boot();
  for (const char* name : {"cart", "pay"}) {
    act_on(name, Action::kStart);
    promote_fully(name);
  }
  for (int i = 0; i < 10 && state_of("pay") != "retired"; ++i) second_of({});
  ASSERT_EQ(state_of("pay"), "retired");
  act_on("cart", Action::kRollback);
  for (int i = 0; i < 3; ++i) second_of({});
  ASSERT_EQ(state_of("cart"), "rolled_back");
  ASSERT_EQ(state_of("pay"), "retired");
  ASSERT_TRUE(reload(release("newer", "new")).ok);
  for (int i = 0; i < 5; ++i) second_of({});
  for (const char* name : {"cart", "pay", "stock"}) {
    EXPECT_EQ(state_of(name), "progressing") << name;
  }
}

TEST_F(ControllerGroupsTest, TheNextReleaseOfOneIsNotThatOfWhoIsPromoted) {
  boot();
  start_all();
  for (const char* name : {"cart", "pay", "stock"}) promote_fully(name);
  for (int i = 0; i < 3; ++i) second_of({});
  ASSERT_EQ(state_of("stock"), "promoted");
  ActionRequest next;
  next.rollout = "pay";
  next.action = Action::kStart;
  next.revision = "2";
  controller_->act(next, [](const ActionResult&) {});
  settle();
  second_of({});
  act_on("pay", Action::kRollback);
  for (int i = 0; i < 3; ++i) second_of({});
  for (const char* name : {"cart", "stock"}) EXPECT_EQ(state_of(name), "promoted") << name;
  power_off();
  boot();
  for (int i = 0; i < 3; ++i) second_of({});
  EXPECT_EQ(state_of("pay"), "rolled_back");
  for (const char* name : {"cart", "stock"}) EXPECT_EQ(state_of(name), "promoted") << name;

  // Nor when it goes back among its steps.
  ActionRequest back;
  back.rollout = "cart";
  back.action = Action::kSetWeight;
  back.weight = BasisPoints(5000);
  controller_->act(back, [](const ActionResult&) {});
  settle();
  for (int i = 0; i < 3; ++i) second_of({});
  power_off();
  boot();
  for (int i = 0; i < 3; ++i) second_of({});
  EXPECT_EQ(state_of("cart"), "paused");
}

// Over a restart the times are those of the journal, whatever the clock did between the rows.
TEST_F(ControllerGroupsTest, AClockThatWasSetBackMakesNoEarlierReleaseOfALaterOne) {
  boot();
  start_all();
  for (const char* name : {"cart", "pay", "stock"}) promote_fully(name);
  for (int i = 0; i < 3; ++i) second_of({});
  ASSERT_EQ(state_of("stock"), "promoted");
  daemon_clock_.set(-1h);
  second_of({});
  ActionRequest next;
  next.rollout = "pay";
  next.action = Action::kStart;
  next.revision = "2";
  controller_->act(next, [](const ActionResult&) {});
  settle();
  second_of({});
  power_off();
  // By now the clock is past what was written before it was set.
  clock_.advance(2h);
  boot();
  second_of({});
  act_on("pay", Action::kRollback);
  for (int i = 0; i < 3; ++i) second_of({});
  EXPECT_EQ(state_of("pay"), "rolled_back");
  for (const char* name : {"cart", "stock"}) EXPECT_EQ(state_of(name), "promoted") << name;
}

// The other way round: set forward, what went in lockstep looks like a later release.
TEST_F(ControllerGroupsTest, AClockThatWasAheadSavesNobodyFromItsGroup) {
  boot();
  daemon_clock_.set(1h);
  act_on("pay", Action::kStart);
  daemon_clock_.set(-1h);
  second_of({});
  act_on("cart", Action::kStart);
  promote_fully("cart");
  for (int i = 0; i < 3; ++i) second_of({});
  ASSERT_EQ(state_of("cart"), "promoted");
  power_off();
  clock_.advance(2h);
  boot();
  second_of({});
  act_on("pay", Action::kAbort);
  for (int i = 0; i < 3; ++i) second_of({});
  EXPECT_EQ(state_of("cart"), "rolled_back");
}

TEST_F(ControllerGroupsTest, WhoIsPromotedBeforeTheOthersIsBoundToThem) {
  boot();
  start_all();
  second_of({});
  promote_fully("cart");
  for (int i = 0; i < 3; ++i) second_of({});
  ASSERT_EQ(state_of("cart"), "promoted");
  act_on("pay", Action::kAbort);
  second_of({});
  for (const char* name : {"cart", "stock"}) EXPECT_EQ(state_of(name), "rolled_back") << name;
}

TEST_F(ControllerGroupsTest, OneThatStartsByItselfSaysThatItWaitsForTheOthers) {
  file_ = std::string(kThree);
  file_.replace(file_.find("  cart: {}"), 10, "  cart: {start: auto}");
  boot();
  for (int i = 0; i < 3; ++i) second_of({});
  EXPECT_EQ(state_of("cart"), "idle");
  EXPECT_EQ(controller_->rollout("cart")->next,
            "starts by itself when all of group shop may begin");
  EXPECT_EQ(controller_->rollout("pay")->next, "waits for `canaryctl start`");
}

TEST_F(ControllerGroupsTest, OneAfterAnother) {
  file_ = std::string(kThree);
  file_.replace(file_.find("group: shop, "), 13, "");
  file_.replace(file_.find("  stock: {}"), 11, "  stock: {start: after, after: cart}");
  boot();
  act_on("cart", Action::kStart);
  EXPECT_EQ(controller_->rollout("stock")->next, "starts by itself when cart is promoted");
  promote_fully("cart");
  EXPECT_EQ(state_of("stock"), "idle");
  for (int i = 0; i < 3; ++i) second_of({});
  EXPECT_EQ(state_of("cart"), "promoted");
  EXPECT_EQ(state_of("stock"), "progressing");
  EXPECT_EQ(state_of("pay"), "idle");
}

}  // namespace
}  // namespace canaryd::control::test
