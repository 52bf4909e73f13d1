// Two rollouts on one route through the controller: each has counters, a state and a gate of its
// own.
#include "controller_rig.hpp"

namespace canaryd::control::test {
namespace {

using ::testing::HasSubstr;

constexpr std::uint32_t kLaneOfShop = 2;  // Of the table: behind the two routes, the lanes.
constexpr std::uint32_t kLaneOfOther = 3;

std::string split_file(const std::string& shop = "", const std::string& route = "") {
  return file_with(kListener,
                   kRollout + "    start: manual\n" + shop +
                       "  other:\n    stable: old\n    canary: newer\n    start: manual\n"
                       "    steps: [{weight: 10, min_duration: 2s}, {weight: 100}]\n",
                   "split: [{rollout: shop, users: 40}, {rollout: other, users: 60}]" + route +
                       "}\n  - {name: plain, match: {path_prefix: /plain}, upstream: newer");
}

class SplitControllerTest : public ControllerRig {
 protected:
  void start_both() {
    file_ = split_file();
    boot();
    act(Action::kStart);
    act_on_other(Action::kStart);
  }
  void act_on_other(Action action, bool full = false) {
    ActionRequest request;
    request.rollout = "other";
    request.action = action;
    request.full = full;
    controller_->act(request, [](const ActionResult& result) {
      EXPECT_EQ(result.status, ActionStatus::kOk) << result.detail;
    });
    settle();
  }
  void served(std::uint32_t route, Cohort cohort, int count, int bad = 0) {
    for (int i = 0; i < count; ++i) {
      auto& counters = plane_.held.at(0).counters->at(RouteId(route), cohort);
      counters.begin();
      stats::Outcome outcome;
      outcome.code_class = i < bad ? 5 : 2;
      outcome.judgement = i < bad ? stats::Judgement::kBad : stats::Judgement::kGood;
      counters.finish(outcome);
    }
  }
  void second_of_other(int bad) {
    clock_.advance(1s);
    served(kLaneOfShop, Cohort::kCanary, 100);
    served(kLaneOfShop, Cohort::kStable, 900);
    served(kLaneOfOther, Cohort::kCanary, 100, bad);
    served(kLaneOfOther, Cohort::kStable, 900);
    controller_->tick();
    settle();
  }
  [[nodiscard]] RolloutView other() const { return controller_->rollout("other").value(); }
  [[nodiscard]] std::size_t counter_routes() const { return plane_.held.at(0).counters->routes(); }
};

TEST_F(SplitControllerTest, LanesHaveCountersOfTheirOwn) {
  start_both();
  EXPECT_EQ(counter_routes(), 4U);
  EXPECT_EQ(plane_.held.at(0).shared->table->routes().size(), 4U);
  second_of_other(0);
  EXPECT_EQ(view().canary_cohort.requests, 100U);
  EXPECT_EQ(view().stable_cohort.requests, 900U);
  EXPECT_EQ(other().canary_cohort.requests, 100U);
  const std::string metrics = controller_->metrics_text();
  for (const char* rollout : {"shop", "other"}) {
    EXPECT_THAT(metrics,
                HasSubstr(std::string("canaryd_requests_total{route=\"all\",rollout=\"") + rollout +
                          "\",cohort=\"canary\",code_class=\"2xx\"} 100"));
  }
  const std::vector<RouteView> routes = controller_->routes();
  ASSERT_EQ(routes.size(), 2U);
  EXPECT_EQ(routes[0].requests, 2000U);
  EXPECT_EQ(routes[0].rollout, "");
  ASSERT_EQ(routes[0].split.size(), 2U);
  EXPECT_EQ(routes[0].split[1].rollout, "other");
  EXPECT_EQ(routes[0].split[1].users, BasisPoints(6000));
}

TEST_F(SplitControllerTest, ABadVersionIsRolledBackAloneAndTheOtherGoesOn) {
  start_both();
  for (int i = 0; i < 60 && other().state != "rolled_back"; ++i) second_of_other(50);
  EXPECT_EQ(other().state, "rolled_back");
  EXPECT_NE(view().state, "rolled_back");
  EXPECT_GE(effective(), 10);
  const auto& rollouts = plane_.held.at(0).shared->table->rollouts();
  EXPECT_EQ(rollouts.at(0).traffic, routing::Traffic::kSplit);
  EXPECT_EQ(rollouts.at(1).traffic, routing::Traffic::kStableOnly);
}

TEST_F(SplitControllerTest, PromotingOneLeavesTheOthersWeight) {
  start_both();
  act_on_other(Action::kPromote, true);
  EXPECT_EQ(other().weight.target, BasisPoints(BasisPoints::kMax));
  EXPECT_EQ(effective(), 10);
  act_on_other(Action::kAbort);
  EXPECT_EQ(other().state, "aborted");
  EXPECT_EQ(effective(), 10);
}

// What is kept for a route is kept for each of its lanes.
TEST_F(SplitControllerTest, TheSnapshotHasTheRulesOfARouteForEachLane) {
  file_ = split_file(
      "",
      ", timeouts: {request: 7s}, mirror: {to: newer, percent: 10}, deprecation: {sunset: "
      "2030-01-01}");
  boot();
  const proxy::Snapshot& shared = *plane_.held.at(0).shared;
  ASSERT_EQ(shared.route_timeouts.size(), 4U);
  ASSERT_EQ(shared.mirrors.size(), 4U);
  ASSERT_EQ(shared.rules.size(), 4U);
  for (const std::size_t lane : {kLaneOfShop, kLaneOfOther}) {
    EXPECT_EQ(shared.route_timeouts[lane].request, Duration(7s));
    EXPECT_EQ(shared.mirrors[lane].to, UpstreamId(2));
    EXPECT_EQ(shared.rules[lane], shared.rules[0]);
  }
  EXPECT_EQ(shared.route_timeouts[1].request, std::nullopt);
}

TEST_F(SplitControllerTest, TheMapOfTheMigrationCountsAllLanes) {
  start_both();
  act_on_other(Action::kPromote, true);
  served(kLaneOfShop, Cohort::kStable, 30);
  served(kLaneOfShop, Cohort::kCanary, 10);
  served(kLaneOfOther, Cohort::kCanary, 60);
  clock_.advance(1s);
  controller_->tick();
  const MigrationView map = controller_->migration();
  const MigrationRoute& all = map.routes.at(0);
  EXPECT_EQ(all.rollout, "");
  EXPECT_EQ(all.split, (std::vector<std::string>{"shop", "other"}));
  EXPECT_EQ(all.from, "old");
  EXPECT_EQ(all.to, "new");
  EXPECT_EQ(all.state, MigrationState::kMoving);
  EXPECT_EQ(all.weight.percent(), 0.4 * 10 + 0.6 * 100);
  EXPECT_EQ(all.requests.left, 30U);
  EXPECT_EQ(all.requests.moved, 70U);
}

// The old version of one is that of the other as well.
TEST_F(SplitControllerTest, AnOldVersionThatTheOtherNeedsIsNotTornDown) {
  file_ = split_file(
      "    bake: {duration: 0s}\n    retire: {idle_for: 10s, drain: 1s, undo: 1s, hook: "
      "{exec: [./end.sh]}}\n");
  boot();
  act(Action::kStart);
  act_on_other(Action::kStart);
  ActionRequest request;
  request.rollout = "shop";
  request.action = Action::kPromote;
  request.full = true;
  controller_->act(request, [](const ActionResult&) {});
  settle();
  for (int i = 0; i < 30 && view().state != "retired"; ++i) {
    clock_.advance(1s);
    controller_->tick();
    settle();
  }
  EXPECT_EQ(view().state, "retired");
  EXPECT_EQ(view().retire->needed_by, std::vector<std::string>{"rollout other"});
}

// What a reload takes apart goes on where it was.
TEST_F(SplitControllerTest, AReloadFromOneRolloutToSeveralKeepsItsState) {
  file_ = file_with(kListener, kRollout + "    start: manual\n");
  boot();
  act(Action::kStart);
  ASSERT_EQ(effective(), 10);
  EXPECT_TRUE(reload(split_file()).ok);
  EXPECT_EQ(view().state, "progressing");
  EXPECT_EQ(effective(), 10);
  EXPECT_EQ(other().state, "idle");
  EXPECT_TRUE(reload(file_with(kListener, kRollout + "    start: manual\n")).ok);
  EXPECT_EQ(view().state, "progressing");
  EXPECT_EQ(counter_routes(), 1U);
}

}  // namespace
}  // namespace canaryd::control::test
