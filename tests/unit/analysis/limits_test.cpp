// Absolute limits: the canary alone, against a fixed rate.
#include "canaryd/analysis/analyzer.hpp"
#include "canaryd/base/draw.hpp"
#include "canaryd/base/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <numeric>
#include <optional>

namespace canaryd::analysis {
namespace {

using namespace std::chrono_literals;

constexpr double kExact = 1e-9;

Settings limited(double errors) {
  Settings settings;
  settings.latency_quantiles.clear();
  settings.limits.errors = errors;
  return settings;
}

// At 100 %: nobody is on stable.
Analyzer alone(const Settings& settings) {
  Analyzer analyzer(settings);
  analyzer.begin_step({.next_weight = BasisPoints(BasisPoints::kMax), .has_control = false});
  return analyzer;
}

stats::Block second(std::uint64_t canary_n,
                    std::uint64_t canary_bad,
                    stats::CohortCounts stable = {}) {
  stats::Block block;
  block.limits.seconds = 1;
  block.limits.canary = {canary_n, canary_bad};
  block.limits.stable = stable;
  return block;
}

TEST(Limits, ABetIsTheLikelihoodRatioOfTwoRates) {
  for (const double limit : {1e-5, 0.001, 0.05, 0.5, 0.99}) {
    for (const double ratio : RollbackAccount::kRatios) {
      // The rate whose odds are `ratio` times those of the limit.
      const double odds = ratio * limit / (1 - limit);
      const double rate = odds / (1 + odds);
      const double bad = 7;
      const double good = 93;
      const double expected =
          bad * std::log(rate / limit) + good * std::log((1 - rate) / (1 - limit));
      const MetricCounts counts{.canary_n = bad + good, .canary_bad = bad, .canary_bad_next = bad};
      EXPECT_NEAR(RollbackAccount::increment(ratio, against_limit(counts, limit), {0, 0}),
                  expected,
                  1e-9 * (1 + std::abs(expected)))
          << limit << ' ' << ratio;
    }
  }
}

// The inequality behind the promise, computed, not sampled: within the limit no bet gains on
// average by any response.
TEST(Limits, NoBetGainsWithinTheLimit) {
  for (const double limit : {1e-5, 0.001, 0.05, 0.5, 0.99}) {
    for (const double share : {0.0, 0.3, 0.9, 1.0}) {
      const double rate = share * limit;
      for (const double ratio : RollbackAccount::kRatios) {
        const auto factor = [&](double bad) {
          const MetricCounts one{.canary_n = 1, .canary_bad = bad, .canary_bad_next = bad};
          return std::exp(RollbackAccount::increment(ratio, against_limit(one, limit), {0, 0}));
        };
        EXPECT_LE(rate * factor(1) + (1 - rate) * factor(0), 1 + kExact) << limit << ' ' << ratio;
      }
    }
  }
}

// The same in plain numbers instead of logarithms, from docs/statistics.md alone: 20 of 100
// requests fail each second, 5 % are allowed.
TEST(Limits, WorkedExample) {
  Analyzer analyzer = alone(limited(0.05));
  constexpr std::array<double, 11> kRatios = {1.25, 1.5, 2, 3, 5, 8, 15, 30, 80, 250, 1000};
  std::array<double, 11> bets{};
  bets.fill(0.5 / 11);
  double reserve = 0.5;
  int blocks = 0;
  double total = 1;
  while (total < 100) {
    ASSERT_EQ(analyzer.evaluate().decision, Decision::kHold) << blocks;
    ASSERT_LT(++blocks, 20);
    const double moved = 0.2 * (60.0 / (60 + blocks - 1) - 60.0 / (60 + blocks));
    reserve -= moved;
    for (std::size_t k = 0; k < bets.size(); ++k) {
      bets[k] += moved / 11;
      const double divisor = 1 + 0.05 * (kRatios[k] - 1);
      const double factor = std::pow(kRatios[k], 20) / std::pow(divisor, 100);
      bets[k] *= std::min(factor, std::exp(1.5));
    }
    // Errors weigh 0.4, nothing 0.4, and have not moved.
    total = 0.8 + 0.2 * (reserve + std::accumulate(bets.begin(), bets.end(), 0.0));
    analyzer.absorb(second(100, 20));
    EXPECT_NEAR(analyzer.ln_total(), std::log(total), 1e-6);
  }
  const Verdict verdict = analyzer.evaluate();
  EXPECT_EQ(verdict.decision, Decision::kRollback);
  EXPECT_EQ(verdict.reason, Reason::kBeyondLimit);
  EXPECT_EQ(verdict.metrics[verdict.deciding].name, "limit_errors");
  EXPECT_EQ(blocks, 5);
  EXPECT_EQ(describe(verdict),
            "limit errors canary 20 %, allowed 5 %, after 500 canary requests (5 s)");
}

TEST(Limits, WithoutThemNothingIsOtherThanBefore) {
  const auto plain = make_metrics({});
  ASSERT_EQ(plain.size(), 5U);
  EXPECT_EQ(plain[0].weight, 0.5);
  for (std::size_t i = 1; i < plain.size(); ++i) EXPECT_EQ(plain[i].weight, 0.125);

  Settings settings;
  settings.limits.errors = 0.05;
  settings.limits.latency[2] = 2s;
  const auto metrics = make_metrics(settings);
  ASSERT_EQ(metrics.size(), 7U);
  double sum = 0;
  for (const Metric& metric : metrics) sum += metric.weight;
  EXPECT_NEAR(sum, 1, kExact) << "a convex combination";
  EXPECT_DOUBLE_EQ(metrics[0].weight, 0.4);
  EXPECT_DOUBLE_EQ(metrics[5].weight, 0.1);
  EXPECT_EQ(metrics[6].name, "limit_latency_p99");
  EXPECT_NEAR(*metrics[6].limit, 0.01, kExact);
}

// A step waits for no limit, and a limit no step.
TEST(Limits, AcceptanceIsForTheComparison) {
  const auto run = [](const Settings& settings) {
    Analyzer analyzer(settings);
    analyzer.begin_step({.next_weight = BasisPoints(500), .has_control = true});
    int blocks = 0;
    while (analyzer.evaluate().decision != Decision::kAccept && blocks < 100) {
      stats::Block block;
      block.seconds = 1;
      block.stable = {495, 0};
      block.canary = {5, 0};
      if (settings.limits.any()) block.limits = {1, block.stable, block.canary, {}};
      analyzer.absorb(block);
      ++blocks;
    }
    return blocks;
  };
  Settings plain = limited(0.05);
  plain.limits = {};
  EXPECT_EQ(run(limited(0.05)), 43) << "worked example 7";
  EXPECT_EQ(run(plain), 43);
}

// Seconds until the rollback; nothing within `most`.
std::optional<int> rolled_back_after(Random& random, double limit, double rate, int n, int most) {
  Analyzer analyzer = alone(limited(limit));
  for (int passed = 1; passed <= most; ++passed) {
    const auto requests = draw_poisson(random, n);
    analyzer.absorb(second(requests, draw_binomial(random, requests, rate)));
    if (analyzer.evaluate().decision == Decision::kRollback) return passed;
  }
  return std::nullopt;
}

TEST(Limits, ACanaryExactlyOnTheLimitIsHardlyEverRolledBack) {
  for (const double limit : {0.001, 0.05, 0.5}) {
    Random random(41);
    int rolled_back = 0;
    for (int run = 0; run < 300; ++run) {
      if (rolled_back_after(random, limit, limit, 40, 300)) ++rolled_back;
    }
    EXPECT_LE(rolled_back, 3) << limit << ": 1 % is promised";
  }
}

TEST(Limits, ABrokenLimitIsFound) {
  struct Case {
    double limit = 0;
    double rate = 0;
    int requests = 0;
    int seconds = 0;  // At most.
  };
  for (const Case& one : {Case{0.05, 0.10, 100, 60},
                          Case{0.05, 1, 100, 10},
                          Case{0.01, 0.03, 50, 240},
                          Case{0.5, 1, 5, 30}}) {
    Random random(42);
    for (int run = 0; run < 50; ++run) {
      EXPECT_TRUE(rolled_back_after(random, one.limit, one.rate, one.requests, one.seconds))
          << one.limit << ' ' << one.rate;
    }
  }
}

// A bake of a day in which all was well, then all fails.
TEST(Limits, AGoodDayDoesNotHideABadHour) {
  Analyzer analyzer = alone(limited(0.05));
  for (int raise = 0; raise < 20; ++raise) analyzer.weight_increased();
  for (int i = 0; i < 86'400; ++i) analyzer.absorb(second(100, 1));
  int seconds = 0;
  while (analyzer.evaluate().decision != Decision::kRollback && seconds < 100) {
    analyzer.absorb(second(100, 100));
    ++seconds;
  }
  EXPECT_LE(seconds, 30);
}

TEST(Limits, WhatStableBreaksAsWellIsNotTheCanarysFault) {
  Analyzer analyzer = alone(limited(0.05));
  const Analyzer before = analyzer;
  for (int i = 0; i < 1000; ++i) analyzer.absorb(second(100, 50, {100, 6}));
  EXPECT_EQ(analyzer.evaluate(), before.evaluate());
  for (int i = 0; i < 5; ++i) analyzer.absorb(second(100, 50, {100, 5}));
  EXPECT_EQ(analyzer.evaluate().decision, Decision::kRollback);
}

Analyzer beside_stable(const Settings& settings) {
  Analyzer analyzer(settings);
  analyzer.begin_step({.next_weight = BasisPoints(BasisPoints::kMax), .has_control = true});
  return analyzer;
}

// Both versions fail at `during` from one second to another, and at `else_rate` otherwise: of 100
// rollouts, how many a limit of 5 % ends.
struct SharedOutage {
  int begin = 0;
  int end = 0;
  double during = 0;
  double else_rate = 0;
};
int ended_by(const SharedOutage& outage, double canary_rps, double stable_rps) {
  int rolled_back = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Random random(seed);
    Analyzer analyzer = beside_stable(limited(0.05));
    for (int i = 0; i < outage.end + 60; ++i) {
      const bool out = i >= outage.begin && i < outage.end;
      const double rate = out ? outage.during : outage.else_rate;
      const auto canary = draw_poisson(random, canary_rps);
      const auto stable = draw_poisson(random, stable_rps);
      analyzer.absorb(second(canary,
                             draw_binomial(random, canary, rate),
                             {stable, draw_binomial(random, stable, rate)}));
    }
    if (analyzer.evaluate().decision == Decision::kRollback) ++rolled_back;
  }
  return rolled_back;
}

// Two requests a second of stable: in many seconds of an outage none of them fails.
TEST(Limits, WhatHitsBothIsNotTheCanarysFaultWhereStableHasFewRequests) {
  EXPECT_LE(ended_by({120, 180, 0.4, 0.005}, 18, 2), 2);
}

// Three times the limit: forty requests may keep within it by chance, those of a minute do not.
TEST(Limits, TheLastMinuteOfStableCountsToo) {
  EXPECT_LE(ended_by({60, 300, 0.15, 0.01}, 95, 5), 2);
}

TEST(Limits, ASecondWaitsUntilStableTellsAndThenCounts) {
  Analyzer analyzer = beside_stable(limited(0.05));
  for (int i = 0; i < 19; ++i) analyzer.absorb(second(18, 9, {2, 0}));
  EXPECT_NEAR(analyzer.ln_total(), 0, kExact);
  analyzer.absorb(second(18, 9, {2, 0}));
  EXPECT_EQ(analyzer.evaluate().decision, Decision::kRollback);

  // The same, but that three of stable's forty failed, in other seconds than most of the canary's.
  Analyzer excused = beside_stable(limited(0.05));
  for (int i = 0; i < 20; ++i) excused.absorb(second(18, 9, {2, i < 3 ? 1U : 0U}));
  EXPECT_NEAR(excused.ln_total(), 0, kExact);
}

TEST(Limits, NoSecondWaitsForStableForEver) {
  Analyzer analyzer = beside_stable(limited(0.05));
  for (int i = 0; i < 59; ++i) analyzer.absorb(second(18, 9));
  EXPECT_EQ(analyzer.evaluate().decision, Decision::kHold);
  analyzer.absorb(second(18, 9));
  EXPECT_EQ(analyzer.evaluate().decision, Decision::kRollback);

  // Nor when nobody is on stable any more.
  Analyzer last = beside_stable(limited(0.05));
  for (int i = 0; i < 10; ++i) last.absorb(second(18, 9));
  EXPECT_EQ(last.evaluate().decision, Decision::kHold);
  last.begin_step({.next_weight = BasisPoints(BasisPoints::kMax), .has_control = false});
  last.absorb(second(18, 9));
  EXPECT_EQ(last.evaluate().decision, Decision::kRollback);
}

TEST(Limits, ALatencyLimitWaitsForStableToo) {
  Settings settings;
  settings.latency_quantiles.clear();
  settings.limits.latency[0] = 100ms;
  const auto slow_second = [](std::uint64_t stable_slow) {
    stats::Block block = second(18, 0, {2, 0});
    const auto bucket = static_cast<std::uint16_t>(stats::latency_bucket(100ms));
    block.limits.latency.stable_n = 2;
    block.limits.latency.canary_n = 18;
    block.limits.latency.slow[0] = {.threshold = bucket,
                                    .limit = bucket,
                                    .limit_next = bucket,
                                    .stable_slow = stable_slow,
                                    .canary_slow = 18,
                                    .canary_slow_next = 18};
    return block;
  };
  Analyzer shared = beside_stable(settings);
  for (int i = 0; i < 20; ++i) shared.absorb(slow_second(i % 4 == 0 ? 0 : 2));
  EXPECT_NEAR(shared.ln_total(), 0, kExact);
  Analyzer own = beside_stable(settings);
  for (int i = 0; i < 20; ++i) own.absorb(slow_second(0));
  EXPECT_EQ(own.evaluate().decision, Decision::kRollback);
}

TEST(Limits, ALatencyQuantileIsLimitedAsAShareOfSlowResponses) {
  Settings settings;
  settings.latency_quantiles.clear();
  settings.limits.latency[2] = 2s;
  const auto slow_second = [&](std::uint64_t slow) {
    stats::Block block = second(1000, 0);
    stats::LatencyCounts& latency = block.limits.latency;
    latency.canary_n = 1000;
    const auto bucket = static_cast<std::uint16_t>(stats::latency_bucket(2s));
    latency.slow[2] = {.threshold = bucket,
                       .limit = bucket,
                       .limit_next = bucket,
                       .canary_slow = slow,
                       .canary_slow_next = slow};
    return block;
  };
  Analyzer good = alone(settings);
  for (int i = 0; i < 1000; ++i) good.absorb(slow_second(10));
  EXPECT_EQ(good.evaluate().decision, Decision::kHold) << "1 % may take longer than the p99";
  Analyzer bad = alone(settings);
  for (int i = 0; i < 10; ++i) bad.absorb(slow_second(30));
  ASSERT_EQ(bad.evaluate().decision, Decision::kRollback);
  EXPECT_EQ(describe_rates(bad.evaluate()), "limit latency p99 canary 3 % over 2 s, allowed 1 %");
  // Warming up: nothing is cut, nothing counts.
  Analyzer warming = alone(settings);
  const Analyzer before = warming;
  for (int i = 0; i < 10; ++i) warming.absorb(second(1000, 0));
  EXPECT_EQ(warming.evaluate(), before.evaluate());
}

TEST(Limits, TheRulesSayWhereBlocksAreCut) {
  EXPECT_FALSE(latency_rules({}, BasisPoints(500)).limited);
  Settings settings = limited(0.05);
  EXPECT_TRUE(latency_rules(settings, BasisPoints(500)).limited);
  settings.limits.latency[0] = 100ms;
  const stats::LatencyRules rules = latency_rules(settings, BasisPoints(500));
  EXPECT_EQ(rules.limits[0], stats::latency_bucket(100ms));
  EXPECT_EQ(rules.limits[1], 0);
}

TEST(Limits, AHoldWithoutControlSaysWhetherAnythingJudges) {
  EXPECT_EQ(describe(alone(limited(0.05)).evaluate()),
            "no control: nobody is on stable, so nothing to compare the canary with; it is judged "
            "by its limits alone");
  Settings plain = limited(0.05);
  plain.limits = {};
  EXPECT_EQ(describe(alone(plain).evaluate()),
            "no control: nobody is on stable, so nothing to compare the canary with");
  EXPECT_EQ(describe_rates(alone(limited(0.05)).evaluate().metrics[1]),
            "limit errors: not judged yet; no traffic, or too little of stable's so far");
}

}  // namespace
}  // namespace canaryd::analysis
