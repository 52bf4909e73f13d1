// A route that only a few users come by, one of whom fails wherever he is: does he convict a
// version that is as good as the other, and is one that fails for all of them found? Through
// replay, which has users with names. Part of ctest -L slow -R Figures -V.
#include "canaryd/base/random.hpp"
#include "canaryd/replay/replay.hpp"
#include "sim/analysis_model.hpp"
#include "sim/figure_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace canaryd::sim {
namespace {

constexpr std::int64_t kStartMs = 1'767'607'320'000;
constexpr double kErrors = 0.01;
constexpr double kOthersPerSecond = 50;  // By the other route, of a thousand users.
constexpr std::size_t kOthers = 1000;
constexpr double kUserPerSecond = 0.2;  // Each, by the small route.
constexpr std::uint32_t kSmallRoute = 1;

struct FewUsers {
  std::size_t count = 12;  // A quarter of them is on the canary.
  double odd_fails = kErrors;
  double canary_fails = kErrors;
  int seconds = 600;
};

struct User {
  std::uint64_t key = 0;
  bool canary = false;
  double fails = kErrors;
};

std::vector<User> make_users(Random& random, std::size_t count, double canary_fails) {
  std::vector<User> users(count);
  for (std::size_t i = 0; i < count; ++i) {
    users[i].key = random.next();
    users[i].canary = i < count / 4;
    if (users[i].canary) users[i].fails = canary_fails;
  }
  return users;
}

replay::RecordedRequest request_of(Random& random,
                                   const std::vector<User>& users,
                                   std::uint32_t route,
                                   std::int64_t ms) {
  const User& user = users[random.below(users.size())];
  replay::RecordedRequest request;
  request.ended_ms = ms;
  request.started_ms = ms - 5;
  request.latency = std::chrono::milliseconds(5);
  request.cohort = user.canary ? Cohort::kCanary : Cohort::kStable;
  request.bad = random.chance(user.fails);
  request.client = user.key;
  request.weight = BasisPoints(2500);
  request.tells_route = true;
  request.route = route;
  return request;
}

// One step, judged to the end.
replay::Outcome judge(const FewUsers& world, std::uint64_t seed) {
  Random random(seed);
  const std::vector<User> others = make_users(random, kOthers, kErrors);
  std::vector<User> few = make_users(random, world.count, world.canary_fails);
  if (world.odd_fails > kErrors) few[random.below(few.size())].fails = world.odd_fails;
  rollout::Plan plan;
  plan.name = "shop";
  plan.stable = "v1";
  plan.canary = "v2";
  for (rollout::Step& step : plan.steps) step.min_duration = std::chrono::hours(1);
  analysis::Settings settings = errors_only();
  settings.routes = {"shop", "small"};
  replay::Replay replay(plan, settings);
  const double few_per_ms = kUserPerSecond * static_cast<double>(world.count) / 1000;
  for (std::int64_t ms = kStartMs; ms < kStartMs + std::int64_t{world.seconds} * 1000; ++ms) {
    if (random.chance(kOthersPerSecond / 1000)) {
      EXPECT_TRUE(replay.add(request_of(random, others, 0, ms)));
    }
    if (random.chance(few_per_ms)) {
      EXPECT_TRUE(replay.add(request_of(random, few, kSmallRoute, ms)));
    }
  }
  return replay.finish();
}

struct Found {
  int rolled_back = 0;
  int named = 0;
  std::int64_t slowest = 0;
};

Found judge_many(const FewUsers& world, std::uint64_t first_seed, int runs) {
  Found found;
  for (int run = 0; run < runs; ++run) {
    const replay::Outcome outcome = judge(world, first_seed + static_cast<std::uint64_t>(run));
    if (outcome.decision != analysis::Decision::kRollback) continue;
    ++found.rolled_back;
    if (outcome.verdict.route && outcome.verdict.route->name == "small") ++found.named;
    found.slowest =
        std::max(found.slowest, (outcome.at_ms.value_or(0) - outcome.began_ms.value_or(0)) / 1000);
  }
  return found;
}

void add_equal(FigureTable& table, const FewUsers& world, std::uint64_t seed) {
  constexpr int kRuns = 200;
  constexpr int kMost = kRuns / 100;
  const Found found = judge_many(world, seed, kRuns);
  table.add({.cell = text("%zu users, one fails %g %%", world.count, 100 * world.odd_fails),
             .runs = kRuns,
             .seed = seed,
             .goal = text("at most %d rolled back", kMost),
             .seen = text("%d rolled back", found.rolled_back),
             .ok = found.rolled_back <= kMost});
}

TEST(Figures, ASmallRouteOfFewUsers) {
  FigureTable table("Identical canary, a route of few users, a quarter of them on it, 10 min");
  add_equal(table, {.count = 8, .odd_fails = 0.5}, 2'003'000);
  add_equal(table, {.count = 12, .odd_fails = 1}, 1'000'000);
  add_equal(table, {.count = 12, .odd_fails = 0.5}, 1'001'000);
  add_equal(table, {.count = 12, .odd_fails = 0.3}, 2'002'000);
  add_equal(table, {.count = 16, .odd_fails = 0.5}, 2'004'000);
  add_equal(table, {.count = 24, .odd_fails = 0.5}, 1'002'000);
}

TEST(Figures, ASmallRouteThatIsBroken) {
  FigureTable table("Canary that fails 30 % on a route of 12 users, 20 min");
  constexpr int kRuns = 100;
  constexpr std::uint64_t kSeed = 1'010'000;
  const Found found = judge_many({.canary_fails = 0.3, .seconds = 1200}, kSeed, kRuns);
  table.add({.cell = "of each of its users",
             .runs = kRuns,
             .seed = kSeed,
             .goal = "all found, 95 named",
             .seen = text("%d found, %d named, the last after %lld s",
                          found.rolled_back,
                          found.named,
                          static_cast<long long>(found.slowest)),
             .ok = found.rolled_back == kRuns && found.named >= 95});
}

}  // namespace
}  // namespace canaryd::sim
