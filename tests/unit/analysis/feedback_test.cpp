// Votes of users in the analyzer.
#include "canaryd/analysis/analyzer.hpp"
#include "canaryd/base/random.hpp"

#include <gtest/gtest.h>

namespace canaryd::analysis {
namespace {

constexpr std::size_t kFeedback = 1;

Settings with_feedback(bool required = false) {
  Settings settings;
  settings.latency_quantiles.clear();
  settings.tolerance.feedback = FeedbackTolerance{.required = required};
  return settings;
}

Analyzer begun(const Settings& settings) {
  Analyzer analyzer(settings);
  analyzer.begin_step({.next_weight = BasisPoints(BasisPoints::kMax), .has_control = true});
  return analyzer;
}

// A second with many requests, none of which failed, and these votes.
stats::Block block(stats::VoteCounts stable, stats::VoteCounts canary, std::uint32_t seconds = 1) {
  stats::Block made;
  made.seconds = 1;
  made.stable = {500, 0};
  made.canary = {500, 0};
  made.feedback = {seconds, stable, canary};
  return made;
}

stats::VoteCounts votes(Random& random, unsigned count, const std::array<double, 5>& odds) {
  stats::VoteCounts made;
  for (unsigned i = 0; i < count; ++i) {
    double left = random.uniform();
    unsigned score = 1;
    while (score < 5 && left >= odds[score - 1]) left -= odds[score++ - 1];
    made.add(score);
  }
  return made;
}

constexpr std::array<double, 5> kUsual = {0.1, 0.1, 0.2, 0.3, 0.3};
constexpr std::array<double, 5> kWorse = {0.5, 0.2, 0.1, 0.1, 0.1};

TEST(FeedbackMetric, TakesItsCapitalFromErrors) {
  const auto metrics = make_metrics(with_feedback());
  ASSERT_EQ(metrics.size(), 2U);
  EXPECT_DOUBLE_EQ(metrics[0].weight, 0.4);
  EXPECT_EQ(metrics[1].name, "feedback");
  EXPECT_DOUBLE_EQ(metrics[1].weight, 0.1);
  EXPECT_FALSE(metrics[1].required);
  EXPECT_DOUBLE_EQ(make_metrics({})[0].weight, 0.5);
}

// As 10 requests of which 3.25 are bad against 20 of which 5 are: the same account, the same
// numbers.
TEST(FeedbackMetric, CountsQuartersOfABadResponse) {
  Analyzer analyzer = begun(with_feedback());
  analyzer.absorb(block({20, 20}, {10, 13}, 4));
  RollbackAccount expected(FeedbackTolerance{}.share(), Settings{}.burst_guard);
  expected.absorb({20, 10, 5, 3.25, 3.25}, 4);
  EXPECT_EQ(analyzer.ln_rollback(kFeedback), expected.ln_evidence());
}

TEST(FeedbackMetric, WorseScoresRollBackAndEqualOnesDoNot) {
  int rolled_back = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    Analyzer equal = begun(with_feedback());
    Analyzer worse = begun(with_feedback());
    for (int i = 0; i < 300; ++i) {
      const auto stable = votes(random, 4, kUsual);
      equal.absorb(block(stable, votes(random, 4, kUsual)));
      worse.absorb(block(stable, votes(random, 4, kWorse)));
    }
    EXPECT_NE(equal.evaluate().decision, Decision::kRollback) << "seed " << seed;
    rolled_back += worse.evaluate().decision == Decision::kRollback ? 1 : 0;
  }
  EXPECT_EQ(rolled_back, 200);
}

TEST(FeedbackMetric, SaysItInScores) {
  Analyzer analyzer = begun(with_feedback());
  for (int i = 0; i < 100; ++i) analyzer.absorb(block({20, 10}, {20, 60}));
  const Verdict verdict = analyzer.evaluate();
  ASSERT_EQ(verdict.decision, Decision::kRollback);
  EXPECT_EQ(verdict.deciding, kFeedback);
  EXPECT_EQ(
      describe(verdict),
      "feedback canary 2 of 5 vs stable 4.5 of 5, tolerated 4.41 of 5, after 2000 canary votes "
      "(1m40s); in the last 20 s 2 of 5 vs 4.5 of 5");
}

TEST(FeedbackMetric, IsWaitedForOnlyWhereItIsRequired) {
  Analyzer free = begun(with_feedback());
  Analyzer bound = begun(with_feedback(true));
  for (int i = 0; i < 200; ++i) {
    free.absorb(block({}, {}));
    bound.absorb(block({}, {}));
  }
  EXPECT_EQ(free.evaluate().decision, Decision::kAccept);
  const Verdict held = bound.evaluate();
  EXPECT_EQ(held.decision, Decision::kHold);
  EXPECT_EQ(describe(held), "feedback: users of both versions have not voted yet");
  for (int i = 0; i < 300; ++i) bound.absorb(block({20, 10}, {20, 10}));
  EXPECT_EQ(bound.evaluate().decision, Decision::kAccept);
}

}  // namespace
}  // namespace canaryd::analysis
