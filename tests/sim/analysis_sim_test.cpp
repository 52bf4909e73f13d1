// Do the promises of docs/statistics.md hold? Small: a few rollouts a cell, seconds altogether. The
// figures of the document come from figures_slow_test.cpp and comparison_slow_test.cpp. Seeds are
// fixed, so a failure repeats; it prints the seed to look at.
#include "canaryd/analysis/feasibility.hpp"
#include "sim/scenarios.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

namespace canaryd::sim {
namespace {

TEST(AnalysisSim, TheTrafficModelHasTheRightMeanAndSpread) {
  for (const double mean : {0.05, 3.0, 9.9, 10.0, 40.0, 3750.0}) {
    Random random(7);
    constexpr int kSamples = 20'000;
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < kSamples; ++i) {
      const auto value = static_cast<double>(poisson(random, mean));
      sum += value;
      squares += value * value;
    }
    const double average = sum / kSamples;
    const double variance = squares / kSamples - average * average;
    EXPECT_NEAR(average, mean, 5 * std::sqrt(mean / kSamples));
    EXPECT_NEAR(variance / mean, 1, 0.08 + 0.5 / std::sqrt(mean * kSamples));
  }
}

TEST(AnalysisSim, TheSameSeedIsTheSameRollout) {
  const Scenario scenario = steady(500, 0.01, 0.02);
  const RolloutRun first = run_rollout(scenario, 99);
  const RolloutRun second = run_rollout(scenario, 99);
  EXPECT_EQ(first.seconds, second.seconds);
  EXPECT_EQ(first.canary_failures, second.canary_failures);
}

// However the requests of a second were spread over the workers, and in whatever order those are
// read.
TEST(AnalysisSim, ManyWorkersAreExactlyOne) {
  const Scenario scenario = steady(500, 0.01, 0.02);
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Traffic traffic(scenario, seed);
    Random random(seed);
    stats::BlockBuilder one(0, 0, 0);
    stats::BlockBuilder many(0, 0, 0);
    analysis::Analyzer by_one{errors_only()};
    analysis::Analyzer by_many{errors_only()};
    by_one.begin_step({.next_weight = BasisPoints(500), .has_control = true});
    by_many.begin_step({.next_weight = BasisPoints(500), .has_control = true});
    const auto add = [&](Cohort cohort, stats::CohortCounts counts) {
      one.add(cohort, counts);
      for (int worker = 0; worker < 7; ++worker) {
        stats::CohortCounts part{random.below(counts.n - counts.bad + 1),
                                 random.below(counts.bad + 1)};
        part.n += part.bad;
        many.add(cohort, part);
        counts.n -= part.n;
        counts.bad -= part.bad;
      }
      many.add(cohort, counts);
    };
    for (std::int64_t second = 0; second < 300; ++second) {
      const SecondCounts counts = traffic.second(second, 0.05);
      add(Cohort::kStable, counts.stable);
      add(Cohort::kCanary, counts.canary);
      if (const auto block = one.tick(second + 1)) by_one.absorb(*block);
      if (const auto block = many.tick(second + 1)) by_many.absorb(*block);
    }
    ASSERT_EQ(by_one, by_many) << "seed " << seed;
    ASSERT_EQ(by_one.ln_total(), by_many.ln_total()) << "seed " << seed;
  }
}

TEST(AnalysisSim, AnIdenticalCanaryIsPromotedNotRolledBack) {
  for (const double rate : {50.0, 500.0, 5000.0}) {
    for (const double errors : {0.0001, 0.01, 0.05}) {
      Scenario scenario = steady(rate, errors, errors);
      scenario.horizon_seconds = rate < 500 ? 600 : 1800;
      const Summary summary = run_many(scenario, 1000, 20, End::kPromoted);
      std::printf("identical %6.0f/s %5.2f %%: %d of %d promoted, median %.0f s\n",
                  rate,
                  100 * errors,
                  summary.promoted,
                  summary.runs,
                  summary.median_seconds);
      EXPECT_EQ(summary.rolled_back, 0) << "seed " << summary.first_rolled_back_seed;
      if (rate >= 500 && errors <= 0.01) {
        EXPECT_GE(summary.promoted, 19);
      }
    }
  }
}

TEST(AnalysisSim, ACanaryOnTheEdgeIsNeitherPromotedNorRolledBack) {
  for (const double errors : {0.001, 0.01}) {
    Scenario scenario = steady(500, errors, 1.1 * errors + 0.001);
    scenario.horizon_seconds = 900;
    const Summary summary = run_many(scenario, 2000, 200, End::kOpen);
    std::printf("edge %.1f %%: %d rolled back, %d promoted of %d\n",
                100 * errors,
                summary.rolled_back,
                summary.promoted,
                summary.runs);
    EXPECT_LE(summary.rolled_back, 2) << "seed " << summary.first_rolled_back_seed;
    EXPECT_LE(summary.promoted, 10) << "seed " << summary.first_promoted_seed;
  }
}

TEST(AnalysisSim, FiveTimesTheErrorsIsRolledBackWithinAMinute) {
  const Summary summary = run_many(steady(500, 0.01, 0.05), 3000, 40, End::kRolledBack);
  std::printf("5x of 1 %% at 500/s: median %.0f s, %.0f failed requests\n",
              summary.median_seconds,
              summary.median_canary_failures);
  EXPECT_EQ(summary.rolled_back, summary.runs) << "seed " << summary.first_promoted_seed;
  EXPECT_LE(summary.median_seconds, 60);
  EXPECT_LE(summary.median_canary_failures, 20);
}

TEST(AnalysisSim, ADeadCanaryIsRolledBackInSecondsByEvidenceAlone) {
  const Summary summary = run_many(steady(500, 0.01, 1), 4000, 40, End::kRolledBack);
  std::printf("100 %% failing at 500/s: median %.0f s, %.0f failed requests\n",
              summary.median_seconds,
              summary.median_canary_failures);
  EXPECT_EQ(summary.rolled_back, summary.runs);
  EXPECT_LE(summary.median_seconds, 7);
  EXPECT_LE(summary.median_canary_failures, 40);
}

TEST(AnalysisSim, BadWeatherIsNobodysFault) {
  using Make = Scenario (*)(double, double);
  for (const Make make :
       {shared_outage, diurnal, cold_start, restarts, retry_storms, broken_users}) {
    Scenario scenario = make(500, 0.01);
    scenario.horizon_seconds = 900;
    const Summary summary = run_many(scenario, 5000, 20, End::kPromoted);
    std::printf("bad weather: %d rolled back, %d promoted of %d\n",
                summary.rolled_back,
                summary.promoted,
                summary.runs);
    EXPECT_EQ(summary.rolled_back, 0) << "seed " << summary.first_rolled_back_seed;
    EXPECT_GE(summary.promoted, 10);
  }
}

// Without the dedupe, or in traffic that is not what it says it is, this would not hold.
TEST(AnalysisSim, BrokenUsersWithoutAKeyAreTakenForABadCanary) {
  Scenario scenario = broken_users(500, 0.01);
  scenario.clusters.known_client = false;
  scenario.settings.tolerance.errors = {0, 0};
  const Summary unknown = run_many(scenario, 5100, 20, End::kRolledBack);
  scenario.clusters.known_client = true;
  const Summary known = run_many(scenario, 5100, 20, End::kRolledBack);
  EXPECT_GT(unknown.rolled_back, known.rolled_back);
  EXPECT_LE(known.rolled_back, 1);
}

TEST(AnalysisSim, TheRulesOfOthersDoWhatTheirModelsSay) {
  Scenario scenario = steady(500, 0.001, 0.05);
  scenario.rule = RuleName::kFlagger;
  const RolloutRun flagger = run_rollout(scenario, 1);
  EXPECT_EQ(flagger.end, End::kRolledBack);
  EXPECT_EQ(flagger.seconds, 5 * 60);
  scenario.world = [](std::int64_t, double) { return World{500, 0.001, 0.5}; };
  scenario.rule = RuleName::kArgo;
  const RolloutRun argo = run_rollout(scenario, 1);
  EXPECT_EQ(argo.end, End::kRolledBack);
  EXPECT_EQ(argo.seconds, 4 * 300);
  scenario.rule = RuleName::kKayenta;
  const RolloutRun kayenta = run_rollout(scenario, 1);
  EXPECT_EQ(kayenta.end, End::kRolledBack);
  EXPECT_EQ(kayenta.seconds, 600);
  scenario.world = [](std::int64_t, double) { return World{500, 0.001, 0.001}; };
  scenario.rule = RuleName::kFlagger;
  EXPECT_EQ(run_rollout(scenario, 1).end, End::kPromoted);
  EXPECT_EQ(run_rollout(scenario, 1).seconds, 4 * 60);
}

TEST(AnalysisSim, ACanaryThatTurnsBadAfterFiveMinutesIsStillFound) {
  Scenario scenario = steady(500, 0, 0);
  // Held at 1 % by a long minimum, so that the good past is a past of the same weight.
  scenario.min_duration_seconds = 3600;
  scenario.world = [](std::int64_t second, double) {
    return World{500, 0.01, second < 300 ? 0.01 : 0.1};
  };
  const Summary summary = run_many(scenario, 6000, 20, End::kRolledBack);
  std::printf("10x of 1 %% after 300 s: rolled back at median %.0f s\n", summary.median_seconds);
  EXPECT_EQ(summary.rolled_back, summary.runs);
  EXPECT_LE(summary.median_seconds, 360);
}

TEST(AnalysisSim, TheForecastIsNearWhatHappens) {
  for (const double rate : {50.0, 500.0}) {
    for (const double errors : {0.0001, 0.01, 0.05}) {
      Scenario scenario = steady(rate, errors, errors);
      scenario.horizon_seconds = 20'000;
      const Summary summary = run_many(scenario, 7000, 31, End::kPromoted);
      double forecast = 0;
      for (std::size_t i = 0; i + 1 < scenario.steps_percent.size(); ++i) {
        const auto need =
            analysis::need_to_accept(scenario.settings,
                                     {rate, errors},
                                     BasisPoints(scenario.steps_percent[i] * 100),
                                     BasisPoints(scenario.steps_percent[i + 1] * 100));
        ASSERT_TRUE(need);
        forecast += std::max(10.0, std::chrono::duration<double>(need->time).count());
      }
      std::printf("forecast %.0f s, median %.0f s\n", forecast, summary.median_seconds);
      EXPECT_EQ(summary.promoted, summary.runs) << "seed " << summary.first_rolled_back_seed;
      // The median of few is rough; forecast_slow_test.cpp looks closer.
      EXPECT_NEAR(forecast, summary.median_seconds, summary.median_seconds / 4);
    }
  }
  const auto detect = analysis::need_to_detect(
      analysis::Settings{}, {500, 0.01}, {.error_rate = 0.05}, BasisPoints(100));
  ASSERT_TRUE(detect);
  const Summary found = run_many(steady(500, 0.01, 0.05), 3000, 40, End::kRolledBack);
  std::printf("forecast %.0f canary requests to detect, median %.0f\n",
              detect->canary_requests,
              found.median_canary_requests);
  EXPECT_GT(detect->canary_requests, found.median_canary_requests / 2);
  EXPECT_LT(detect->canary_requests, found.median_canary_requests * 2);
}

}  // namespace
}  // namespace canaryd::sim
