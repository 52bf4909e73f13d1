#include "canaryd/analysis/accounts.hpp"

#include "canaryd/base/random.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

namespace canaryd::analysis {
namespace {

constexpr double kExact = 1e-6;
constexpr double kExample = 1e-9;
constexpr Tolerance kTolerance{0.1, 0.001};

MetricCounts counts(double canary_n, double stable_n, double canary_bad, double stable_bad) {
  return {.stable_n = stable_n,
          .canary_n = canary_n,
          .stable_bad = stable_bad,
          .canary_bad = canary_bad,
          .canary_bad_next = canary_bad};
}

TEST(LogSum, StaysInRange) {
  EXPECT_NEAR(log_sum(std::log(2.0), std::log(3.0)), std::log(5.0), kExample);
  EXPECT_DOUBLE_EQ(log_sum(-1e9, 0), 0);
  EXPECT_DOUBLE_EQ(log_sum(1e9, 1e9), 1e9 + std::log(2.0));
  EXPECT_DOUBLE_EQ(log_sum(-std::numeric_limits<double>::infinity(), 3), 3);
}

// Worked examples 1 and 2.
TEST(RollbackIncrement, WorkedExamples) {
  const auto first = counts(10, 990, 2, 5);
  EXPECT_NEAR(RollbackAccount::increment(2, first, kTolerance), 1.300008259, kExample);
  EXPECT_NEAR(RollbackAccount::increment(5, first, kTolerance), 2.879859392, kExample);
  EXPECT_NEAR(RollbackAccount::increment(30, first, kTolerance), 4.648469109, kExample);
  EXPECT_NEAR(RollbackAccount::increment(1000, first, kTolerance), -4.390866108, kExample);

  const auto second = counts(50, 4950, 0, 50);
  EXPECT_NEAR(RollbackAccount::increment(1.25, second, kTolerance), -0.149503064, kExample);
  EXPECT_NEAR(RollbackAccount::increment(2, second, kTolerance), -0.595366570, kExample);
  EXPECT_NEAR(RollbackAccount::increment(5, second, kTolerance), -2.340342938, kExample);
  EXPECT_NEAR(RollbackAccount::increment(1000, second, kTolerance), -128.277985362, kExample);
}

// Worked example 3.
TEST(AcceptIncrement, WorkedExample) {
  const auto block = counts(50, 4950, 0, 50);
  const Tolerance scaled{2, 0.02};
  EXPECT_NEAR(AcceptAccount::increment(0.02, block, scaled), 0.050293851, kExample);
  EXPECT_NEAR(AcceptAccount::increment(0.5, block, scaled), 1.251893868, kExample);
  EXPECT_NEAR(AcceptAccount::increment(0.99, block, scaled), 2.467940112, kExample);
}

// The inequality behind the promise, computed, not sampled: for Poisson failures at the edge of the
// tolerance no bet gains on average, whatever stable's rate is. E[exp(inc)] = exp(mean (e^score -
// 1)), summed over both cohorts.
TEST(RollbackIncrement, NoBetGainsAtTheEdgeOfTheTolerance) {
  for (const double stable_rate : {0.0, 1e-5, 1e-3, 0.02, 0.3}) {
    for (const double canary_n : {1.0, 5.0, 250.0}) {
      for (const double stable_n : {1.0, 99.0, 4950.0}) {
        for (const double ratio : RollbackAccount::kRatios) {
          const auto silent = counts(canary_n, stable_n, 0, 0);
          const double rent = RollbackAccount::increment(ratio, silent, kTolerance);
          const double per_canary =
              RollbackAccount::increment(ratio, counts(canary_n, stable_n, 1, 0), kTolerance) -
              rent;
          const double per_stable =
              RollbackAccount::increment(ratio, counts(canary_n, stable_n, 0, 1), kTolerance) -
              rent;
          const double edge = 1.1 * stable_rate + 0.001;
          const double ln_mean = canary_n * edge * std::expm1(per_canary) +
                                 stable_n * stable_rate * std::expm1(per_stable) + rent;
          EXPECT_LE(ln_mean, 1e-9)
              << stable_rate << ' ' << canary_n << ' ' << stable_n << ' ' << ratio;
        }
      }
    }
  }
}

TEST(AcceptIncrement, NoBetGainsAtTheLimit) {
  const Tolerance scaled{2, 0.02};
  for (const double stable_rate : {0.0, 1e-5, 1e-3, 0.02, 0.3}) {
    for (const double share : AcceptAccount::kShares) {
      const double canary_n = 20;
      const double stable_n = 380;
      const double rent = AcceptAccount::increment(share, counts(canary_n, stable_n, 0, 0), scaled);
      const double per_stable =
          AcceptAccount::increment(share, counts(canary_n, stable_n, 0, 1), scaled) - rent;
      const double limit = 3 * stable_rate + 0.02;
      const double ln_mean =
          -canary_n * limit * share + stable_n * stable_rate * std::expm1(per_stable) + rent;
      EXPECT_LE(ln_mean, 1e-9) << stable_rate << ' ' << share;
    }
  }
}

TEST(RollbackAccount, StartsAtCapitalOne) {
  const RollbackAccount account(kTolerance, 1.5);
  EXPECT_NEAR(account.ln_evidence(), 0, kExact);
  EXPECT_DOUBLE_EQ(account.reserve(), 0.5);
}

TEST(RollbackAccount, TheReserveMovesButIsNeverOverdrawn) {
  RollbackAccount account(kTolerance, 1.5);
  for (int raise = 1; raise <= 4; ++raise) {
    account.weight_increased();
    EXPECT_NEAR(account.reserve(), 0.5 - 0.075 * raise, kExact);
    // Moving capital makes none.
    EXPECT_NEAR(account.ln_evidence(), 0, kExact);
  }
  account.weight_increased();
  account.weight_increased();
  EXPECT_NEAR(account.reserve(), 0.2, kExact) << "for time";
  EXPECT_NEAR(account.ln_evidence(), 0, kExact);
  for (int i = 0; i < 1000; ++i) account.absorb(counts(5, 495, 0, 0), 3600);
  EXPECT_GE(account.reserve(), 0);
}

TEST(RollbackAccount, TimeMovesAFifthOfTheCapital) {
  RollbackAccount account(kTolerance, 1.5);
  for (int i = 0; i < 60; ++i) account.absorb(counts(5, 495, 0, 0), 1);
  EXPECT_NEAR(account.reserve(), 0.4, kExact);
  for (int i = 0; i < 1000; ++i) account.absorb(counts(5, 495, 0, 0), 100'000);
  EXPECT_NEAR(account.reserve(), 0.3, 1e-4);
}

TEST(RollbackAccount, SilenceChangesNothing) {
  RollbackAccount account(kTolerance, 1.5);
  account.absorb(counts(5, 495, 1, 5), 1);
  const RollbackAccount before = account;
  account.absorb(counts(0, 495, 0, 400), 60);
  account.absorb(counts(5, 0, 5, 0), 60);
  account.absorb(counts(0, 0, 0, 0), 60);
  EXPECT_EQ(account, before);
}

TEST(RollbackAccount, NoSecondCountsForMoreThanTheGuard) {
  for (const std::uint32_t seconds : {0U, 1U, 5U}) {
    RollbackAccount account(kTolerance, 1.5);
    account.absorb(counts(500, 500, 500, 0), seconds);
    EXPECT_LE(account.ln_evidence(), 1.5);
  }
  RollbackAccount longest(kTolerance, 1.5);
  longest.absorb(counts(500, 500, 500, 0), 60);
  EXPECT_LE(longest.ln_evidence(), 3);
  EXPECT_GT(longest.ln_evidence(), 1.5);
}

TEST(RollbackAccount, TurnsAroundAfterAGoodHour) {
  RollbackAccount account(kTolerance, 1.5);
  for (int i = 0; i < 3600; ++i) account.absorb(counts(5, 495, 0, 5), 1);
  const double quiet = account.ln_evidence();
  EXPECT_LT(quiet, 0);
  int blocks = 0;
  while (account.ln_evidence() < std::log(100) && blocks < 100) {
    account.absorb(counts(5, 495, 5, 5), 1);
    ++blocks;
  }
  // Five at the start of a rollout; without the reserve the bets would be thousands of blocks down.
  EXPECT_LE(blocks, 12);
}

// However many steps the plan has.
TEST(RollbackAccount, TurnsAroundAfterManyRaisesAndAGoodHour) {
  for (const int raises : {0, 4, 5, 20}) {
    RollbackAccount account(kTolerance, 1.5);
    for (int i = 0; i < raises; ++i) account.weight_increased();
    for (int i = 0; i < 3600; ++i) account.absorb(counts(450, 50, 4, 0.5), 1);
    int blocks = 0;
    while (account.ln_evidence() < std::log(100) && blocks < 1000) {
      account.absorb(counts(450, 50, 450, 0.5), 1);
      ++blocks;
    }
    EXPECT_LE(blocks, 14) << raises;
  }
}

TEST(AcceptAccount, ForetellsWhenItWillAccept) {
  AcceptAccount account(kTolerance, 0.05);
  EXPECT_FALSE(account.requests_needed(std::log(20)));
  for (int i = 0; i < 10; ++i) account.absorb(counts(5, 495, 0, 0));
  const auto needed = account.requests_needed(std::log(20));
  ASSERT_TRUE(needed);
  // Example 7: accepted after 215, so 165 are missing.
  EXPECT_NEAR(*needed, 165, 60);
  for (int i = 10; i < 43; ++i) account.absorb(counts(5, 495, 0, 0));
  EXPECT_DOUBLE_EQ(account.requests_needed(std::log(20)).value(), 0);
}

// The last step of a small service: a quarter of the traffic, 1 % errors, the plain tolerance.
TEST(AcceptAccount, ForetellsWhatItTakesACanaryAsGoodAsStable) {
  AcceptAccount account(kTolerance, 1);
  const auto all = account.requests_if_equal(std::log(20), 0.01, 3);
  ASSERT_TRUE(all);
  EXPECT_NEAR(*all, 42'000, 12'000);
  // A canary that begins badly has further to go.
  account.absorb(counts(100, 300, 4, 2));
  EXPECT_FALSE(account.requests_needed(std::log(20)));
  EXPECT_GT(account.requests_if_equal(std::log(20), 0.01, 3).value(), *all);
  EXPECT_FALSE(account.requests_if_equal(std::log(20), 0.01, 0));
}

TEST(AcceptAccount, ABadCanaryIsNotForetold) {
  AcceptAccount account(kTolerance, 1);
  for (int i = 0; i < 100; ++i) account.absorb(counts(50, 50, 25, 1));
  EXPECT_FALSE(account.requests_needed(std::log(20)));
}

TEST(AcceptAccount, TheLimitIsWiderAtASmallWeight) {
  EXPECT_NEAR(AcceptAccount(kTolerance, 1).limit(0.01), 0.012, kExact);
  EXPECT_NEAR(AcceptAccount(kTolerance, 0.05).limit(0.01), 0.05, kExact);
}

// Stable is as slow as it can be, and the canary with it.
TEST(EmptyClaim, WhereEverythingIsToleratedNothingIsShown) {
  const Tolerance latency{0.05, 0.001};
  EmptyClaim claim;
  EXPECT_TRUE(claim.may_gain(counts(10, 90, 5, 45), latency));
  EXPECT_FALSE(claim.may_gain(counts(100, 900, 100, 890), latency));
  EXPECT_TRUE(claim.may_gain(counts(100, 900, 50, 450), latency)) << "it is over at once";
  EXPECT_FALSE(claim.may_gain(counts(100, 900, 100, 900), latency));
  EXPECT_TRUE(claim.may_gain(counts(100, 0, 100, 0), latency)) << "silence moves nothing anyway";
  EXPECT_TRUE(claim.may_gain(counts(1000, 900, 100, 900), latency)) << "the canary is well";
}

TEST(EmptyClaim, AFewRequestsOfStableAreNotAll) {
  const Tolerance latency{0.05, 0.001};
  EmptyClaim claim;
  Random random(3);
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(claim.may_gain(counts(1, 1, 1, random.chance(0.5) ? 1 : 0), latency)) << i;
  }
  int blind = 0;
  for (int i = 0; i < 200; ++i) blind += claim.may_gain(counts(1, 1, 1, 1), latency) ? 0 : 1;
  EXPECT_GT(blind, 80);
}

TEST(EmptyClaim, AnAccountThatMayNotGainCanLose) {
  AcceptAccount account(kTolerance, 1);
  AcceptAccount::Terms terms;
  const double before = account.ln_evidence();
  account.absorb(counts(50, 50, 0, 50), terms, false);
  EXPECT_DOUBLE_EQ(account.ln_evidence(), before);
  account.absorb(counts(50, 50, 50, 1), terms, false);
  EXPECT_LT(account.ln_evidence(), before);
}

TEST(StableOutage, IsFarMoreThanUsual) {
  StableOutage outage;
  outage.note(counts(100, 1000, 0, 10), 1);
  EXPECT_FALSE(outage.is_on());
  outage.note(counts(50, 50, 50, 50), 1);
  EXPECT_TRUE(outage.is_on());
  outage.note(counts(50, 0, 0, 0), 1);
  EXPECT_TRUE(outage.is_on()) << "silence ends nothing";
  for (int i = 0; i < 5; ++i) outage.note(counts(100, 100, 1, 1), 1);
  EXPECT_FALSE(outage.is_on());
  outage.note(counts(50, 100, 0, 12), 1);
  EXPECT_FALSE(outage.is_on()) << "one of eight instances";
}

TEST(StableOutage, WhatAlwaysFailsMuchIsUsual) {
  StableOutage outage;
  Random random(5);
  for (int i = 0; i < 5000; ++i) {
    outage.note(counts(1, 1, 0, random.chance(0.2) ? 1 : 0), 1);
    ASSERT_FALSE(outage.is_on()) << i;
  }
}

TEST(StableOutage, WhatLastsForHalfAnHourIsUsualFromThenOn) {
  StableOutage outage;
  outage.note(counts(100, 1000, 0, 10), 1);
  int seconds = 0;
  for (; seconds < 4000; ++seconds) {
    outage.note(counts(50, 50, 0, 25), 1);
    if (!outage.is_on() && seconds > 0) break;
  }
  EXPECT_NEAR(seconds, 1800, 5);
  for (int i = 0; i < 100; ++i) outage.note(counts(50, 50, 0, 25), 1);
  EXPECT_FALSE(outage.is_on());
}

// Of what begins in an outage nothing is known.
TEST(StableOutage, NothingIsKnownOfAFewRequests) {
  StableOutage outage;
  outage.note(counts(50, 199, 0, 0), 1);
  outage.note(counts(50, 50, 0, 50), 1);
  EXPECT_FALSE(outage.is_on());
}

TEST(Accounts, HugeCountsStayFinite) {
  RollbackAccount rollback(kTolerance, 1.5);
  AcceptAccount accept(kTolerance, 0.0001);
  Random random(9);
  for (int i = 0; i < 200; ++i) {
    const double n = 1 + static_cast<double>(random.below(1'000'000'000'000));
    const auto block = counts(n, 1, random.chance(0.5) ? n : 0, random.chance(0.5) ? 1 : 0);
    rollback.absorb(block, 1);
    accept.absorb(block);
    ASSERT_TRUE(std::isfinite(rollback.ln_evidence()));
    ASSERT_TRUE(std::isfinite(accept.ln_evidence()));
  }
}

}  // namespace
}  // namespace canaryd::analysis
