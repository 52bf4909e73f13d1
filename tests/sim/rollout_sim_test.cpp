// A thousand rollouts, each with its own luck, disk and operator. What they must keep is in
// rollout_sim_model.cpp (check); how they must end is here. A failure names the seed.
#include "sim/rollout_sim_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

namespace canaryd::sim {
namespace {

using rollout::Phase;

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

struct Rollouts {
  int promoted = 0;
  int rolled_back = 0;
  int aborted = 0;
  int crashes = 0;
  std::vector<double> seconds;
  std::vector<double> exposed;
  std::vector<double> failures;
};

class RolloutSimTest : public ::testing::Test {
 protected:
  RolloutSimTest() {
    LogOptions options;
    options.level = LogLevel::kOff;
    options.file = "/dev/null";
    log_ = std::move(*Log::open(options, clock_));
  }

  // `ends` says whether this end is right.
  template <class Ends>
  Rollouts run_many(const char* name,
                    const RolloutScenario& scenario,
                    std::uint64_t first_seed,
                    int count,
                    Ends ends) {
    Rollouts all;
    for (int i = 0; i < count; ++i) {
      const std::uint64_t seed = first_seed + static_cast<std::uint64_t>(i);
      const RolloutResult one = RolloutSim(scenario, *log_, seed).run();
      for (const std::string& what : one.violations) {
        ADD_FAILURE() << name << ", seed " << seed << ": " << what;
      }
      EXPECT_TRUE(ends(one)) << name << ", seed " << seed << ": ended "
                             << rollout::to_string(one.phase) << " after " << one.seconds << " s, "
                             << one.crashes << " crashes";
      all.promoted += one.phase == Phase::kPromoted ? 1 : 0;
      all.rolled_back += one.phase == Phase::kRolledBack ? 1 : 0;
      all.aborted += one.phase == Phase::kAborted ? 1 : 0;
      all.crashes += one.crashes;
      all.seconds.push_back(static_cast<double>(one.seconds));
      all.exposed.push_back(static_cast<double>(one.exposed_seconds));
      all.failures.push_back(static_cast<double>(one.canary_failures));
      if (HasFailure()) break;
    }
    std::printf(
        "%-28s %4d promoted, %4d rolled back, %4d aborted, %4d crashes; median %4.0f s, %3.0f s "
        "exposed, %5.0f failed requests\n",
        name,
        all.promoted,
        all.rolled_back,
        all.aborted,
        all.crashes,
        median(all.seconds),
        median(all.exposed),
        median(all.failures));
    return all;
  }

  static RolloutScenario with_trouble(double canary_rate) {
    RolloutScenario scenario;
    scenario.canary_rate = canary_rate;
    scenario.disk_fails = 0.02;
    scenario.disk_is_slow = 0.03;
    scenario.crashes = 0.01;
    scenario.operator_meddles = 0.01;
    return scenario;
  }

  canaryd::test::ManualClock clock_;
  std::unique_ptr<Log> log_;
};

bool is_promoted(const RolloutResult& one) {
  return one.phase == Phase::kPromoted;
}
bool is_rolled_back(const RolloutResult& one) {
  return one.phase == Phase::kRolledBack;
}

TEST_F(RolloutSimTest, AnIdenticalCanaryIsPromoted) {
  run_many("identical", RolloutScenario{}, 1, 250, is_promoted);
}

TEST_F(RolloutSimTest, AnIdenticalCanaryIsPromotedThroughTrouble) {
  RolloutScenario scenario = with_trouble(0.01);
  scenario.horizon_seconds = 3600;
  const Rollouts all = run_many("identical, trouble", scenario, 1001, 200, is_promoted);
  EXPECT_GT(all.crashes, 50);
}

TEST_F(RolloutSimTest, FiveTimesTheErrorsAreRolledBack) {
  RolloutScenario scenario;
  scenario.canary_rate = 0.05;
  run_many("5x errors", scenario, 2001, 150, is_rolled_back);
}

TEST_F(RolloutSimTest, FiveTimesTheErrorsAreRolledBackThroughTrouble) {
  run_many("5x errors, trouble", with_trouble(0.05), 3001, 150, is_rolled_back);
}

TEST_F(RolloutSimTest, ADeadCanaryIsRolledBackInSeconds) {
  RolloutScenario scenario;
  scenario.canary_rate = 1;
  run_many("dead", scenario, 4001, 75, [](const RolloutResult& one) {
    return is_rolled_back(one) && one.exposed_seconds <= 8;
  });
  // A crash may lose what the last seconds taught, and a slow disk keeps no decision up.
  run_many("dead, trouble", with_trouble(1), 5001, 75, [](const RolloutResult& one) {
    return is_rolled_back(one) && one.exposed_seconds <= 8 + 12 * one.crashes;
  });
}

TEST_F(RolloutSimTest, AnAbortIsTheEndThroughTrouble) {
  RolloutScenario scenario = with_trouble(0.01);
  scenario.crashes = 0.05;
  scenario.disk_fails = 0.1;
  scenario.operator_aborts = 0.03;
  run_many("aborted, trouble", scenario, 6001, 100, [](const RolloutResult& one) {
    return one.phase == Phase::kAborted || one.phase == Phase::kPromoted;
  });
}

TEST_F(RolloutSimTest, TheSameSeedIsTheSameRollout) {
  RolloutScenario scenario = with_trouble(0.01);
  scenario.crashes = 0.05;
  scenario.disk_fails = 0.1;
  scenario.operator_aborts = 0.01;
  for (std::uint64_t seed = 7001; seed <= 7020; ++seed) {
    const RolloutResult first = RolloutSim(scenario, *log_, seed).run();
    const RolloutResult second = RolloutSim(scenario, *log_, seed).run();
    EXPECT_EQ(first.seconds, second.seconds) << "seed " << seed;
    EXPECT_EQ(first.canary_requests, second.canary_requests) << "seed " << seed;
    EXPECT_EQ(first.crashes, second.crashes) << "seed " << seed;
  }
}

}  // namespace
}  // namespace canaryd::sim
