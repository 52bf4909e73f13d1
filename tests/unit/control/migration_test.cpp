// The map of a migration through the controller.
#include "controller_rig.hpp"

namespace canaryd::control::test {
namespace {

const std::string kManual = kRollout + "    start: manual\n";
const std::string kRoutes =
    "rollout: shop, match: {path_prefix: /shop}}\n"
    "  - {name: moved, match: {path_prefix: /new}, upstream: new}\n"
    "  - {name: gone, match: {path_prefix: /gone}, respond: {status: 410}, "
    "deprecation: {sunset: 2026-08-01}}\n"
    "  - {name: rest, upstream: old";

class MigrationTest : public ControllerRig {
 protected:
  void start_with(const std::string& more) {
    file_ = file_with(kListener, kManual + more, kRoutes);
    boot();
  }
  void served(std::uint32_t route, Cohort cohort, int count) {
    for (int i = 0; i < count; ++i) {
      auto& counters = plane_.held.at(0).counters->at(RouteId(route), cohort);
      counters.begin();
      counters.finish(stats::Outcome{});
    }
  }
  [[nodiscard]] std::string states() const {
    std::string text;
    for (const MigrationRoute& route : controller_->migration().routes) {
      text += std::string(to_string(route.state)) + " ";
    }
    return text;
  }
};

TEST_F(MigrationTest, RoutesByWhereTheyGo) {
  start_with("");
  EXPECT_EQ(states(), "left moved answered left ");
  act(Action::kStart);
  MigrationView map = controller_->migration();
  EXPECT_EQ(states(), "moving moved answered left ");
  EXPECT_EQ(map.from, std::vector<std::string>{"old"});
  EXPECT_EQ(map.routes.at(0).weight.percent(), 10);
  EXPECT_EQ(map.routes[0].from, "old");
  EXPECT_EQ(map.routes[0].to, "new");
  EXPECT_EQ(map.routes.at(1).to, "new");
  EXPECT_EQ(map.routes.at(2).sunset, WallTime(std::chrono::seconds(1785542400)));
  EXPECT_EQ(map.routes.at(3).from, "old");
  EXPECT_EQ(map.count(MigrationState::kLeft), 1U);
  EXPECT_EQ(map.paths, std::nullopt);
  act(Action::kAbort);
  EXPECT_EQ(states(), "left moved answered left ");
}

TEST_F(MigrationTest, RequestsBySide) {
  start_with("");
  served(0, Cohort::kStable, 6);
  served(0, Cohort::kCanary, 2);
  served(1, Cohort::kNone, 1);
  served(2, Cohort::kNone, 5);
  served(3, Cohort::kNone, 3);
  served(3, Cohort::kShadow, 9);
  controller_->tick();
  const MigrationView map = controller_->migration();
  EXPECT_EQ(map.routes.at(0).requests.moved, 2U);
  EXPECT_EQ(map.requests.left, 9U);
  EXPECT_EQ(map.requests.moved, 3U);
  EXPECT_EQ(map.requests.answered, 5U);
  EXPECT_EQ(map.requests.share(), 0.25);
}

TEST_F(MigrationTest, WhatIsToBeLeftMayBeSaid) {
  start_with("migration: {from: [new]}\n");
  EXPECT_EQ(states(), "moved left answered moved ");
}

TEST_F(MigrationTest, ARolloutAmongThoseThatAreNotLeftNamesWhoIsInForce) {
  start_with("migration: {from: [newer]}\n");
  const auto to = [&] { return controller_->migration().routes.at(0).to; };
  EXPECT_EQ(to(), "old") << "nobody is on the canary";
  act(Action::kStart);
  EXPECT_EQ(to(), "old, new");
  EXPECT_EQ(states(), "moved moved answered moved ");
  act(Action::kPromote);
  act(Action::kPromote);
  EXPECT_EQ(view().weight.target.percent(), 100);
  EXPECT_EQ(to(), "new");
  act(Action::kAbort);
  EXPECT_EQ(to(), "old");
}

TEST_F(MigrationTest, PathsOfAllWorkers) {
  start_with("migration: {}\n");
  plane_.held.at(0).paths->count("/a/1", true);
  plane_.held.at(1).paths->count("/a/2", true);
  plane_.held.at(1).paths->count("/b", false);
  const auto paths = controller_->migration().paths;
  ASSERT_TRUE(paths.has_value());
  ASSERT_EQ(paths->size(), 2U);
  EXPECT_EQ(paths->at(0).shape, "/a/{id}");
  EXPECT_EQ(paths->at(0).requests, 2U);
  const auto& rules = plane_.held.at(0).shared->rules;
  ASSERT_EQ(rules.size(), 4U);
  EXPECT_EQ(rules.at(1), nullptr);
  EXPECT_TRUE(rules.at(3)->watched);
  // A new table goes on with them; without the section there are none.
  act(Action::kStart);
  EXPECT_EQ(controller_->migration().paths->size(), 2U);
  EXPECT_TRUE(reload(file_with(kListener, kManual, kRoutes)).ok);
  EXPECT_EQ(plane_.held.at(0).paths, nullptr);
  EXPECT_EQ(controller_->migration().paths, std::nullopt);
}

}  // namespace
}  // namespace canaryd::control::test
