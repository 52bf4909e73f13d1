#include "canaryd/analysis/analyzer.hpp"

#include "canaryd/base/random.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace canaryd::analysis {
namespace {

constexpr double kExact = 1e-6;

stats::Block block(std::uint64_t canary_n,
                   std::uint64_t stable_n,
                   std::uint64_t canary_bad,
                   std::uint64_t stable_bad,
                   std::uint32_t seconds = 1) {
  stats::Block result;
  result.seconds = seconds;
  result.stable = {stable_n, stable_bad};
  result.canary = {canary_n, canary_bad};
  return result;
}

// Latency has tests of its own (latency_test.cpp).
Settings errors_only() {
  Settings settings;
  settings.latency_quantiles.clear();
  return settings;
}

Analyzer begun(unsigned next_percent) {
  Analyzer analyzer{errors_only()};
  analyzer.begin_step({.next_weight = BasisPoints(next_percent * 100), .has_control = true});
  return analyzer;
}

TEST(WorkedExample, Four) {
  Analyzer analyzer = begun(5);
  const std::vector<double> ln_evidence = {0.986895, 2.312471, 3.759866, 5.241450, 6.733067};
  const std::vector<double> total = {0.610551, 1.713739, 3.089739, 4.553581, 6.041110};
  for (std::size_t i = 0; i < total.size(); ++i) {
    EXPECT_EQ(analyzer.evaluate().decision, Decision::kHold) << i;
    analyzer.absorb(block(5, 495, 5, 5));
    EXPECT_NEAR(analyzer.ln_rollback(0), ln_evidence[i], kExact);
    EXPECT_NEAR(analyzer.ln_total(), total[i], kExact);
  }
  const Verdict verdict = analyzer.evaluate();
  EXPECT_EQ(verdict.decision, Decision::kRollback);
  EXPECT_EQ(verdict.reason, Reason::kWorse);
  EXPECT_EQ(verdict.metrics.at(verdict.deciding).state, MetricState::kFail);
  EXPECT_DOUBLE_EQ(verdict.metrics[0].rollback_evidence, 1);
}

// Without any tolerance an equal canary cannot be told from one that is a little worse.
TEST(Needs, NoTrafficIsEnoughWithoutTolerance) {
  Settings settings = errors_only();
  settings.tolerance.errors = {.relative = 0, .absolute = 0};
  Analyzer analyzer{settings};
  analyzer.begin_step({.next_weight = BasisPoints(BasisPoints::kMax), .has_control = true});
  for (int i = 0; i < 100; ++i) analyzer.absorb(block(5, 495, 1, 99));
  const Verdict verdict = analyzer.evaluate();
  EXPECT_EQ(verdict.decision, Decision::kHold);
  EXPECT_TRUE(verdict.metrics[0].never);
  EXPECT_FALSE(verdict.metrics[0].needs_time || verdict.metrics[0].equal_time);
  EXPECT_NE(describe(verdict).find("and would not for a canary as good as stable"),
            std::string::npos);
}

// A little beyond the tolerance: too bad to be accepted, and too good to be rolled back.
TEST(Needs, NoTrafficIsEnoughOnTheEdgeOfTheTolerance) {
  Analyzer analyzer = begun(100);
  analyzer.absorb(block(1000, 1000, 112, 100));
  const Verdict edge = analyzer.evaluate();
  EXPECT_TRUE(edge.metrics[0].undecided);
  EXPECT_FALSE(edge.metrics[0].never);
  EXPECT_TRUE(edge.metrics[0].equal_time);
  EXPECT_NE(describe(edge).find("nor towards a rollback"), std::string::npos);
  Analyzer worse = begun(100);
  worse.absorb(block(1000, 1000, 180, 100));
  EXPECT_FALSE(worse.evaluate().metrics[0].undecided) << "that is on its way";
  Analyzer good = begun(100);
  good.absorb(block(1000, 1000, 80, 100));
  EXPECT_FALSE(good.evaluate().metrics[0].undecided);
}

TEST(WorkedExample, Five) {
  Analyzer analyzer = begun(5);
  const std::vector<double> expected = {-0.261646, -0.327571, -0.369876, -0.401613, -0.427297};
  for (const double value : expected) {
    analyzer.absorb(block(5, 495, 0, 5));
    EXPECT_NEAR(analyzer.ln_rollback(0), value, kExact);
  }
  EXPECT_NEAR(analyzer.ln_total(), -0.190997, kExact);
  EXPECT_NE(analyzer.evaluate().decision, Decision::kRollback);
}

TEST(WorkedExample, Six) {
  Analyzer analyzer = begun(5);
  const std::vector<double> expected = {-0.052116, 0.166964, 0.465291, 0.835795, 1.268315};
  for (const double value : expected) {
    analyzer.absorb(block(20, 1980, 1, 20));
    EXPECT_NEAR(analyzer.ln_rollback(0), value, kExact);
  }
  for (int i = 6; i <= 12; ++i) analyzer.absorb(block(20, 1980, 1, 20));
  EXPECT_NE(analyzer.evaluate().decision, Decision::kRollback);
  analyzer.absorb(block(20, 1980, 1, 20));
  EXPECT_EQ(analyzer.evaluate().decision, Decision::kRollback);
  EXPECT_NEAR(analyzer.ln_rollback(0), 5.734995, kExact);
  EXPECT_NEAR(analyzer.ln_total(), 5.045073, kExact);
}

TEST(WorkedExample, Seven) {
  Analyzer analyzer = begun(5);
  const std::vector<double> expected = {0.047752, 0.096813, 0.147185};
  for (const double value : expected) {
    analyzer.absorb(block(5, 495, 0, 0));
    EXPECT_NEAR(analyzer.ln_accept(0), value, kExact);
  }
  for (int i = 4; i <= 42; ++i) analyzer.absorb(block(5, 495, 0, 0));
  EXPECT_EQ(analyzer.evaluate().decision, Decision::kHold);
  analyzer.absorb(block(5, 495, 0, 0));
  EXPECT_NEAR(analyzer.ln_accept(0), 3.036461, kExact);
  const Verdict verdict = analyzer.evaluate();
  EXPECT_EQ(verdict.decision, Decision::kAccept);
  EXPECT_DOUBLE_EQ(verdict.metrics[0].canary_n, 215);
}

TEST(WorkedExample, Eight) {
  Analyzer analyzer = begun(5);
  const std::vector<double> expected = {0.121729, 0.251604, 0.389585};
  for (int i = 1; i <= 18; ++i) {
    EXPECT_EQ(analyzer.evaluate().decision, Decision::kHold) << i;
    analyzer.absorb(block(5, 495, i % 20 == 0 ? 1 : 0, 5));
    if (i <= 3) {
      EXPECT_NEAR(analyzer.ln_accept(0), expected[static_cast<std::size_t>(i - 1)], kExact);
    }
  }
  EXPECT_NEAR(analyzer.ln_accept(0), 3.201586, kExact);
  EXPECT_EQ(analyzer.evaluate().decision, Decision::kAccept);
}

TEST(WorkedExample, Nine) {
  Analyzer analyzer = begun(100);
  const std::vector<double> expected = {-0.753180, -0.652753, -0.846680};
  for (std::size_t i = 0; i < 220; ++i) {
    EXPECT_EQ(analyzer.evaluate().decision, Decision::kHold) << i;
    analyzer.absorb(i % 2 == 0 ? block(250, 250, 3, 2) : block(250, 250, 2, 3));
    if (i < expected.size()) {
      EXPECT_NEAR(analyzer.ln_accept(0), expected[i], kExact);
    }
  }
  EXPECT_NEAR(analyzer.ln_accept(0), 3.006454, kExact);
  EXPECT_EQ(analyzer.evaluate().decision, Decision::kAccept);
}

// Worked example 10.
TEST(Analyzer, OneSidedTrafficMovesNothingForEver) {
  Analyzer analyzer = begun(5);
  for (int i = 0; i < 3600; ++i) {
    analyzer.absorb(block(0, 500, 0, 400));
    analyzer.absorb(block(5, 0, 5, 0));
  }
  EXPECT_DOUBLE_EQ(analyzer.ln_rollback(0), Analyzer{errors_only()}.ln_rollback(0));
  EXPECT_NEAR(analyzer.ln_accept(0), 0, kExact);
  EXPECT_EQ(analyzer.evaluate().decision, Decision::kHold);
}

TEST(Analyzer, AHoldSaysWhatIsMissing) {
  Analyzer analyzer{errors_only()};
  EXPECT_EQ(analyzer.evaluate().reason, Reason::kNoTraffic);
  analyzer.begin_step({.next_weight = BasisPoints(500), .has_control = true});
  EXPECT_EQ(analyzer.evaluate().reason, Reason::kNoTraffic);
  analyzer.absorb(block(0, 100, 0, 0, 60));
  EXPECT_EQ(analyzer.evaluate().reason, Reason::kNoCanaryTraffic);
  analyzer.absorb(block(5, 0, 3, 0, 60));
  EXPECT_EQ(analyzer.evaluate().reason, Reason::kNoStableTraffic);
  EXPECT_TRUE(is_no_data(analyzer.evaluate().reason));
  analyzer.absorb(block(0, 0, 0, 0, 60));
  EXPECT_EQ(analyzer.evaluate().reason, Reason::kNoTraffic);
  analyzer.absorb(block(5, 95, 0, 0));
  EXPECT_EQ(analyzer.evaluate().reason, Reason::kNeedsEvidence);
  EXPECT_FALSE(is_no_data(analyzer.evaluate().reason));
  EXPECT_GT(analyzer.evaluate().metrics[0].needs_requests.value(), 100U);
}

TEST(Analyzer, AMetricThatHasCountedNothingIsSilent) {
  Settings settings = errors_only();
  settings.tolerance.feedback.emplace();
  settings.tolerance.feedback->required = true;
  Analyzer analyzer{settings};
  const auto silent = [&analyzer]() -> std::string {
    const Verdict verdict = analyzer.evaluate();
    const MetricReport* const metric = silent_metric(verdict);
    EXPECT_EQ(analyzer.has_silent_metric(), metric != nullptr);
    return metric == nullptr ? "" : std::string(metric->name);
  };
  analyzer.begin_step({.next_weight = BasisPoints(500), .has_control = true});
  EXPECT_EQ(silent(), "errors");
  analyzer.absorb(block(5, 95, 0, 0));
  EXPECT_EQ(silent(), "feedback");
  stats::Block votes = block(5, 95, 0, 0);
  votes.feedback = {5, {3, 0}, {}};
  analyzer.absorb(votes);
  EXPECT_EQ(silent(), "feedback") << "votes for stable alone";
  votes.feedback = {5, {3, 0}, {2, 0}};
  analyzer.absorb(votes);
  EXPECT_EQ(silent(), "");
  analyzer.begin_step({.next_weight = BasisPoints(1000), .has_control = true});
  EXPECT_EQ(silent(), "errors") << "each step for itself";
  settings.tolerance.feedback->required = false;
  analyzer = Analyzer{settings};
  analyzer.begin_step({.next_weight = BasisPoints(500), .has_control = true});
  analyzer.absorb(block(5, 95, 0, 0));
  EXPECT_EQ(silent(), "") << "no step waits for it";
}

TEST(Analyzer, EightRequestsAreNoVerdict) {
  Analyzer good = begun(5);
  good.absorb(block(8, 792, 0, 0));
  EXPECT_EQ(good.evaluate().decision, Decision::kHold);
  // Not even if all of them fail: one second is never enough.
  Analyzer bad = begun(5);
  bad.absorb(block(8, 792, 8, 0));
  EXPECT_EQ(bad.evaluate().decision, Decision::kHold);
}

TEST(Analyzer, AcceptedButThenWithoutCanaryTrafficHolds) {
  Analyzer analyzer = begun(5);
  for (int i = 0; i < 60; ++i) analyzer.absorb(block(5, 495, 0, 0));
  ASSERT_EQ(analyzer.evaluate().decision, Decision::kAccept);
  analyzer.absorb(block(0, 30'000, 0, 0, 60));
  EXPECT_EQ(analyzer.evaluate().decision, Decision::kHold);
  EXPECT_EQ(analyzer.evaluate().reason, Reason::kNoCanaryTraffic);
  analyzer.absorb(block(5, 495, 0, 0));
  EXPECT_EQ(analyzer.evaluate().decision, Decision::kAccept);
}

TEST(Analyzer, WithoutControlNothingIsAccepted) {
  Analyzer analyzer = begun(100);
  for (int i = 0; i < 1000; ++i) analyzer.absorb(block(250, 250, 0, 0));
  ASSERT_EQ(analyzer.evaluate().decision, Decision::kAccept);
  analyzer.weight_increased();
  analyzer.begin_step({.next_weight = BasisPoints(10000), .has_control = false});
  for (int i = 0; i < 1000; ++i) analyzer.absorb(block(500, 0, 0, 0));
  EXPECT_EQ(analyzer.evaluate().decision, Decision::kHold);
  EXPECT_EQ(analyzer.evaluate().reason, Reason::kNoControl);
  for (int i = 0; i < 1000; ++i) analyzer.absorb(block(499, 1, 0, 0));
  EXPECT_EQ(analyzer.evaluate().reason, Reason::kNoControl);
}

TEST(Analyzer, ARollbackStaysAndOutranksAcceptance) {
  Analyzer analyzer = begun(5);
  for (int i = 0; i < 6; ++i) analyzer.absorb(block(5, 495, 5, 5));
  ASSERT_EQ(analyzer.evaluate().decision, Decision::kRollback);
  for (int i = 0; i < 3000; ++i) analyzer.absorb(block(5, 495, 0, 5));
  EXPECT_LT(analyzer.ln_total(), analyzer.rollback_boundary());
  EXPECT_GT(analyzer.ln_accept(0), analyzer.accept_boundary());
  EXPECT_EQ(analyzer.evaluate().decision, Decision::kRollback);
}

TEST(Analyzer, ANewStepForgetsAcceptanceButNotTheEvidenceAgainst) {
  Analyzer analyzer = begun(5);
  for (int i = 0; i < 3; ++i) analyzer.absorb(block(5, 495, 5, 5));
  const double before = analyzer.ln_rollback(0);
  analyzer.begin_step({.next_weight = BasisPoints(1000), .has_control = true});
  EXPECT_DOUBLE_EQ(analyzer.ln_rollback(0), before);
  EXPECT_NEAR(analyzer.ln_accept(0), 0, kExact);
  EXPECT_DOUBLE_EQ(analyzer.evaluate().metrics[0].canary_n, 0);
  EXPECT_FALSE(analyzer.evaluate().canary_share);
}

// Beside an outage of seconds one that fails ten times too often looked good.
TEST(Analyzer, AnOutageOfStableIsNoReasonForTheNextStep) {
  Analyzer analyzer = begun(100);
  for (int i = 0; i < 30; ++i) analyzer.absorb(block(100, 100, i % 2 == 0 ? 1 : 0, 0));
  for (int i = 0; i < 5; ++i) {
    analyzer.absorb(block(100, 100, 1, 100));
    EXPECT_LE(analyzer.ln_accept(0), 0 + kExact) << i;
  }
  for (int i = 0; i < 10; ++i) analyzer.absorb(block(100, 100, i % 2 == 0 ? 1 : 0, 0));
  EXPECT_LT(analyzer.ln_accept(0), 0);
  EXPECT_NE(analyzer.evaluate().decision, Decision::kAccept);
}

// Nor may it stand in the way of a good one for longer than it lasts.
TEST(Analyzer, AfterAnOutageOfBothAcceptanceBeginsAnew) {
  const auto seconds_to_accept = [](Analyzer& analyzer) {
    int seconds = 0;
    for (; seconds < 3000 && analyzer.evaluate().decision != Decision::kAccept; ++seconds) {
      analyzer.absorb(block(500, 500, 5, 5));
    }
    return seconds;
  };
  Analyzer quiet = begun(100);
  const int without = seconds_to_accept(quiet);
  Analyzer analyzer = begun(100);
  for (int i = 0; i < 5; ++i) analyzer.absorb(block(500, 500, 5, 5));
  for (int i = 0; i < 60; ++i) analyzer.absorb(block(500, 500, 250, 250));
  EXPECT_NE(analyzer.evaluate().decision, Decision::kAccept);
  EXPECT_NEAR(seconds_to_accept(analyzer), without, 3);
  EXPECT_LT(without, 600);
}

// What has been shown before one holds no longer while it lasts.
TEST(Analyzer, NoStepIsAcceptedInAnOutage) {
  Analyzer analyzer = begun(100);
  for (int i = 0; i < 3000; ++i) analyzer.absorb(block(500, 500, 5, 5));
  ASSERT_EQ(analyzer.evaluate().decision, Decision::kAccept);
  analyzer.absorb(block(500, 500, 5, 500));
  EXPECT_EQ(analyzer.evaluate().decision, Decision::kHold);
}

// What is seen in a second, or in three: a verdict depends on what was seen.
TEST(Analyzer, ScalingTimeKeepsTheVerdict) {
  for (const double times : {0.5, 1.0, 2.0, 5.0}) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      const auto judged = [&](std::uint32_t seconds) {
        Random random(seed);
        Analyzer analyzer = begun(50);
        for (int i = 0; i < 1500; ++i) {
          std::uint64_t stable_bad = 0;
          std::uint64_t canary_bad = 0;
          for (int n = 0; n < 100; ++n) stable_bad += random.chance(0.02) ? 1U : 0U;
          for (int n = 0; n < 100; ++n) canary_bad += random.chance(0.02 * times) ? 1U : 0U;
          analyzer.absorb(block(100, 100, canary_bad, stable_bad, seconds));
        }
        return analyzer.evaluate().decision;
      };
      const Decision expected = times > 1 ? Decision::kRollback : Decision::kAccept;
      EXPECT_EQ(judged(1), expected) << times << " times the errors, seed " << seed;
      EXPECT_EQ(judged(3), expected) << times << " times the errors, seed " << seed;
    }
  }
}

TEST(Analyzer, ReplayingTheRowsGivesTheSameBits) {
  const auto run = [] {
    Random random(17);
    Analyzer analyzer{errors_only()};
    for (const unsigned next : {5U, 10U, 25U, 100U}) {
      if (next != 5) analyzer.weight_increased();
      analyzer.begin_step({.next_weight = BasisPoints(next * 100), .has_control = true});
      for (int i = 0; i < 200; ++i) {
        analyzer.absorb(block(random.below(20), 480, random.below(2), random.below(9)));
      }
    }
    return analyzer;
  };
  EXPECT_EQ(run(), run());
  EXPECT_EQ(run().evaluate(), run().evaluate());
}

TEST(Analyzer, RowsWithoutAComparisonMayBeLeftOutOfTheJournal) {
  Random random(18);
  Analyzer all = begun(5);
  Analyzer fewer = begun(5);
  for (int i = 0; i < 500; ++i) {
    auto row = block(random.below(3), 100, 0, 1);
    row.canary.bad = random.below(row.canary.n + 1);
    all.absorb(row);
    if (row.comparable()) fewer.absorb(row);
  }
  const auto last = block(2, 100, 0, 1);
  all.absorb(last);
  fewer.absorb(last);
  EXPECT_EQ(all, fewer);
}

TEST(Analyzer, CopiesAreIndependent) {
  Analyzer first = begun(5);
  first.absorb(block(5, 495, 1, 5));
  Analyzer second = first;
  EXPECT_EQ(first, second);
  second.absorb(block(5, 495, 1, 5));
  EXPECT_NE(first, second);
  first.absorb(block(5, 495, 1, 5));
  EXPECT_EQ(first, second);
}

TEST(Analyzer, ReportsBothRatesAndTheShare) {
  Analyzer analyzer = begun(5);
  for (int i = 0; i < 10; ++i) analyzer.absorb(block(10, 990, i == 0 ? 1 : 0, 2));
  const Verdict verdict = analyzer.evaluate();
  const MetricReport& errors = verdict.metrics.at(0);
  EXPECT_EQ(errors.name, "errors");
  EXPECT_NEAR(errors.canary_rate.value(), 0.01, kExact);
  EXPECT_NEAR(errors.stable_rate.value(), 2.0 / 990, kExact);
  EXPECT_NEAR(errors.tolerated_rate.value(), 1.1 * 2.0 / 990 + 0.001, kExact);
  EXPECT_NEAR(verdict.canary_share.value(), 0.01, kExact);
  EXPECT_EQ(errors.seconds, 10U);
  EXPECT_GE(errors.rollback_evidence, 0);
  EXPECT_LT(errors.rollback_evidence, 1);
}

TEST(Settings, StatusClasses) {
  const ErrorClasses errors;
  EXPECT_TRUE(errors.has_status(500));
  EXPECT_TRUE(errors.has_status(599));
  EXPECT_FALSE(errors.has_status(499));
  EXPECT_FALSE(errors.has_status(404));
  ErrorClasses listed;
  listed.status = {{429, 429}, {502, 504}};
  EXPECT_TRUE(listed.has_status(429));
  EXPECT_FALSE(listed.has_status(500));
}

// Half of the capital is the routes', which say nothing here: that half has to be made up for.
TEST(Routes, AMetricsEvidenceIsOfAllThatIsNeeded) {
  Settings settings = errors_only();
  settings.routes = {"a", "b"};
  Analyzer analyzer{settings};
  analyzer.begin_step({.next_weight = BasisPoints(500), .has_control = true});
  for (int i = 0; i < 3; ++i) {
    analyzer.absorb(block(5, 495, 5, 5));
    const Verdict verdict = analyzer.evaluate();
    EXPECT_GT(verdict.rollback_evidence, 0);
    EXPECT_NEAR(verdict.metrics[0].rollback_evidence, verdict.rollback_evidence, kExact);
  }
}

// What a known judge of canaries (Kayenta) calls wrongly. Counts a minute, both cohorts with equal
// traffic.
TEST(KnownMisjudgement, FewErrorsAgainstNoneIsNotAPass) {
  Analyzer analyzer = begun(100);
  for (const unsigned bad : {0U, 1U, 2U, 1U, 0U, 0U}) {
    analyzer.absorb(block(100, 100, bad, 0, 60));
    EXPECT_NE(analyzer.evaluate().decision, Decision::kAccept);
  }
}

TEST(KnownMisjudgement, SevenBadMinutesOfTenIsARollback) {
  Analyzer analyzer = begun(100);
  for (int minute = 0; minute < 10; ++minute) {
    analyzer.absorb(block(1000, 1000, minute < 7 ? 100 : 1, 1, 60));
  }
  EXPECT_EQ(analyzer.evaluate().decision, Decision::kRollback);
  // The other way round as well: a good beginning does not buy a bad end.
  Analyzer late = begun(100);
  for (int minute = 0; minute < 10; ++minute) {
    late.absorb(block(1000, 1000, minute < 3 ? 1 : 100, 1, 60));
  }
  EXPECT_EQ(late.evaluate().decision, Decision::kRollback);
}

TEST(KnownMisjudgement, CanaryErrorsWithoutStableDataHold) {
  Analyzer analyzer = begun(100);
  for (int minute = 0; minute < 10; ++minute) {
    analyzer.absorb(block(100, 0, 50, 0, 60));
    EXPECT_EQ(analyzer.evaluate().decision, Decision::kHold);
    EXPECT_EQ(analyzer.evaluate().reason, Reason::kNoStableTraffic);
  }
}

}  // namespace
}  // namespace canaryd::analysis
