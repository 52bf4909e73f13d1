#include "canaryd/simulate/study.hpp"

#include "canaryd/simulate/report.hpp"
#include "unit/simulate/scenarios.hpp"

#include <gtest/gtest.h>

namespace canaryd::simulate {
namespace {

TEST(Odds, TheIntervalIsTheExactOne) {
  // Known values of Clopper and Pearson's interval.
  const Odds five = odds(5, 10);
  EXPECT_NEAR(five.low, 0.18709, 1e-5);
  EXPECT_NEAR(five.high, 0.81291, 1e-5);
  const Odds none = odds(0, 1000);
  EXPECT_EQ(none.low, 0);
  EXPECT_NEAR(none.high, 0.0036821, 1e-6);
  const Odds all = odds(20, 20);
  EXPECT_NEAR(all.low, 0.83157, 1e-5);
  EXPECT_EQ(all.high, 1);
  const Odds many = odds(123'456, 1'000'000);
  EXPECT_NEAR(many.low, 0.122812, 2e-6);
  EXPECT_NEAR(many.high, 0.124102, 2e-6);
}

TEST(Spread, IsByNearestRank) {
  EXPECT_FALSE(spread({}));
  const auto one = spread({7});
  ASSERT_TRUE(one);
  EXPECT_EQ(one->p10, 7);
  EXPECT_EQ(one->p90, 7);
  const auto ten = spread({10, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  ASSERT_TRUE(ten);
  EXPECT_EQ(ten->p10, 1);
  EXPECT_EQ(ten->median, 5);
  EXPECT_EQ(ten->p90, 9);
}

TEST(Study, ThreadsChangeNothing) {
  const Scenario scenario = steady(0.01, 0.03);
  std::string first;
  for (const unsigned threads : {1U, 2U, 7U, 100U}) {
    Effort effort;
    effort.runs = 30;
    effort.threads = threads;
    const std::string text = render_json(scenario, summarise(scenario, run_many(scenario, effort)));
    if (first.empty()) first = text;
    EXPECT_EQ(text, first) << threads;
  }
}

TEST(Study, ARunOfItCanBeRepeatedAlone) {
  const Scenario scenario = steady(0.01, 0.02);
  Effort effort;
  effort.first_seed = 40;
  effort.runs = 5;
  const auto runs = run_many(scenario, effort);
  const RunResult alone = run_rollout(scenario, 43);
  EXPECT_EQ(runs[3].seed, 43U);
  EXPECT_EQ(runs[3].seconds, alone.seconds);
  EXPECT_EQ(runs[3].canary_failures, alone.canary_failures);
}

TEST(Study, ProgressComesToTheEnd) {
  for (const unsigned threads : {1U, 4U}) {
    Effort effort;
    effort.runs = 12;
    effort.threads = threads;
    std::size_t last = 0;
    effort.progress = [&last](std::size_t done) { last = done; };
    static_cast<void>(run_many(steady(0.01, 0.5), effort));
    EXPECT_EQ(last, 12U) << threads;
  }
}

TEST(Study, TheTypicalRunHasTheMostFrequentOutcome) {
  const Scenario scenario = steady(0.01, 0.05);
  Effort effort;
  effort.runs = 21;
  const auto runs = run_many(scenario, effort);
  const Study study = summarise(scenario, runs);
  EXPECT_EQ(study.outcomes[static_cast<std::size_t>(Outcome::kRolledBack)].count, 21U);
  const RunResult typical = run_rollout(scenario, study.typical_seed);
  const auto& times = study.seconds[static_cast<std::size_t>(Outcome::kRolledBack)];
  ASSERT_TRUE(times);
  EXPECT_EQ(static_cast<double>(typical.seconds), times->median);
}

}  // namespace
}  // namespace canaryd::simulate
