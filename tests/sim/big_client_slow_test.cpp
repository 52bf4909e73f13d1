// One client makes much of the traffic and is unlike the others wherever he is: a tenant, a health
// checker behind a proxy, a crawler. Does the lot that gave him to the canary convict it, and is a
// canary that is worse for everybody found beside him? Through replay, which has users with names.
// Part of ctest -L slow -R Figures -V.
#include "canaryd/base/random.hpp"
#include "canaryd/replay/replay.hpp"
#include "sim/analysis_model.hpp"
#include "sim/figure_table.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace canaryd::sim {
namespace {

constexpr std::int64_t kStartMs = 1'767'607'320'000;
constexpr double kRequestsPerSecond = 100;
constexpr int kSeconds = 600;
constexpr std::size_t kOthers = 1000;
constexpr double kErrors = 0.001;
constexpr double kMedianMs = 30;

struct BigClient {
  double share = 0.5;  // Of all requests.
  double fails = kErrors;
  double times_as_slow = 1;
  double weight = 0.1;          // And the odds that he is on the canary.
  double canary_fails = 0;      // On top, for everybody.
  double canary_slower_by = 0;  // Likewise.
};

struct User {
  std::uint64_t key = 0;
  bool canary = false;
};

double normal(Random& random) {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += random.uniform();
  return sum;
}

std::vector<User> make_users(Random& random, double weight) {
  std::vector<User> users(kOthers + 1);  // The first is the big one.
  for (User& user : users) user = {random.next(), random.chance(weight)};
  return users;
}

replay::RecordedRequest request_of(Random& random,
                                   const BigClient& world,
                                   const std::vector<User>& users,
                                   std::int64_t ms) {
  const bool big = random.chance(world.share);
  const User& user = big ? users.front() : users[1 + random.below(kOthers)];
  double fails = big ? world.fails : kErrors;
  double took = kMedianMs * std::exp(0.5 * normal(random)) * (big ? world.times_as_slow : 1);
  if (user.canary) {
    fails += world.canary_fails;
    took *= 1 + world.canary_slower_by;
  }
  replay::RecordedRequest request;
  request.latency = std::chrono::microseconds(static_cast<std::int64_t>(1000 * took));
  request.ended_ms = ms;
  request.started_ms = ms - static_cast<std::int64_t>(took);
  request.cohort = user.canary ? Cohort::kCanary : Cohort::kStable;
  request.bad = random.chance(fails);
  request.client = user.key;
  request.weight = BasisPoints(static_cast<std::uint32_t>(10'000 * world.weight));
  return request;
}

// One step, judged to the end.
bool is_rolled_back(const BigClient& world, std::uint64_t seed) {
  Random random(seed);
  const std::vector<User> users = make_users(random, world.weight);
  rollout::Plan plan;
  plan.name = "shop";
  plan.stable = "v1";
  plan.canary = "v2";
  for (rollout::Step& step : plan.steps) step.min_duration = std::chrono::hours(1);
  replay::Replay replay(plan, analysis::Settings{});
  for (std::int64_t ms = kStartMs; ms < kStartMs + std::int64_t{kSeconds} * 1000; ++ms) {
    if (!random.chance(kRequestsPerSecond / 1000)) continue;
    EXPECT_TRUE(replay.add(request_of(random, world, users, ms)));
  }
  return replay.finish().decision == analysis::Decision::kRollback;
}

int rolled_back_of(const BigClient& world, std::uint64_t first_seed, int runs) {
  int rolled_back = 0;
  for (int run = 0; run < runs; ++run) {
    if (is_rolled_back(world, first_seed + static_cast<std::uint64_t>(run))) ++rolled_back;
  }
  return rolled_back;
}

// Equal versions; he is on the canary in one run of ten, or of four.
void add_equal(FigureTable& table, const BigClient& world, std::uint64_t seed) {
  constexpr int kRuns = 200;
  const int seen = rolled_back_of(world, seed, kRuns);
  table.add({.cell = text("%g %% of the traffic, fails %g %%, %g times as slow, weight %g %%",
                          100 * world.share,
                          100 * world.fails,
                          world.times_as_slow,
                          100 * world.weight),
             .runs = kRuns,
             .seed = seed,
             .goal = "at most 2 rolled back",
             .seen = text("%d rolled back", seen),
             .ok = seen <= 2});
}

TEST(Figures, OneClientWithMuchOfTheTraffic) {
  FigureTable table("Identical canary, one client unlike the 1000 others, 100 requests/s, 10 min");
  add_equal(table, {.share = 0.5, .fails = 0.02, .weight = 0.25}, 1'020'000);
  add_equal(table, {.share = 0.5, .fails = 0.05}, 1'021'000);
  add_equal(table, {.share = 0.2, .fails = 0.05}, 1'022'000);
  add_equal(table, {.share = 0.1, .fails = 0.2}, 1'023'000);
  add_equal(table, {.share = 0.5, .times_as_slow = 3}, 1'024'000);
  add_equal(table, {.share = 0.2, .times_as_slow = 3}, 1'025'000);
}

void add_worse(FigureTable& table, const BigClient& world, std::uint64_t seed) {
  constexpr int kRuns = 100;
  const int seen = rolled_back_of(world, seed, kRuns);
  table.add({.cell = text("%g %% of the traffic, canary fails %g %% more, %g %% slower",
                          100 * world.share,
                          100 * world.canary_fails,
                          100 * world.canary_slower_by),
             .runs = kRuns,
             .seed = seed,
             .goal = "all rolled back",
             .seen = text("%d rolled back", seen),
             .ok = seen == kRuns});
}

TEST(Figures, AWorseCanaryWithOneClientOfMuchOfTheTraffic) {
  FigureTable table("Canary worse for everybody, one client like the 1000 others, weight 25 %");
  for (const double share : {0.5, 0.2}) {
    add_worse(table, {.share = share, .weight = 0.25, .canary_fails = 0.02}, 1'030'000);
    add_worse(table, {.share = share, .weight = 0.25, .canary_slower_by = 1}, 1'031'000);
  }
}

}  // namespace
}  // namespace canaryd::sim
