// 4xx that are no failures: a metric that holds steps and never rolls back.
#include "canaryd/analysis/analyzer.hpp"

#include <gtest/gtest.h>

namespace canaryd::analysis {
namespace {

Settings with_client_errors() {
  Settings settings;
  settings.latency_quantiles.clear();
  settings.tolerance.client_errors = Tolerance{};
  return settings;
}

Analyzer begun(const Settings& settings) {
  Analyzer analyzer(settings);
  analyzer.begin_step({.next_weight = BasisPoints(BasisPoints::kMax), .has_control = true});
  return analyzer;
}

stats::Block block(std::uint64_t stable_4xx, std::uint64_t canary_4xx) {
  stats::Block made;
  made.seconds = 1;
  made.stable = {500, 0, stable_4xx};
  made.canary = {500, 0, canary_4xx};
  return made;
}

TEST(ClientErrorMetric, IsThereOnlyWhereItIsSetAndTakesNoCapital) {
  Settings settings;
  settings.latency_quantiles.clear();
  EXPECT_EQ(make_metrics(settings).size(), 1U);
  const auto metrics = make_metrics(with_client_errors());
  ASSERT_EQ(metrics.size(), 2U);
  EXPECT_EQ(metrics[1].name, "client_errors");
  EXPECT_EQ(metrics[1].weight, 0);
  EXPECT_TRUE(metrics[1].required);
  EXPECT_EQ(metrics[0].weight, make_metrics(settings)[0].weight);
}

TEST(ClientErrorMetric, TooManyHoldAndSayWhy) {
  Analyzer analyzer = begun(with_client_errors());
  Settings settings = with_client_errors();
  settings.tolerance.client_errors.reset();
  Analyzer errors_alone = begun(settings);
  for (int i = 0; i < 500; ++i) {
    analyzer.absorb(block(10, 40));
    errors_alone.absorb(block(10, 40));
  }
  const Verdict verdict = analyzer.evaluate();
  EXPECT_EQ(verdict.decision, Decision::kHold) << "without errors there is a step to accept";
  EXPECT_EQ(verdict.deciding, 1U);
  EXPECT_EQ(describe(verdict),
            "client errors canary 8 % vs stable 2 %, tolerated 2.3 %, after 250000 canary requests "
            "(8m20s): the evidence does not move towards acceptance");
  EXPECT_EQ(verdict.metrics[1].rollback_evidence, 0);
  EXPECT_EQ(analyzer.ln_total(), errors_alone.ln_total()) << "nothing was bet on it";
}

TEST(ClientErrorMetric, AsManyAsStableHasAreAccepted) {
  Analyzer analyzer = begun(with_client_errors());
  for (int i = 0; i < 500; ++i) analyzer.absorb(block(10, 10));
  EXPECT_EQ(analyzer.evaluate().decision, Decision::kAccept);
  EXPECT_EQ(analyzer.evaluate().metrics[1].state, MetricState::kPass);
}

TEST(ClientErrorMetric, WhereItIsNotSetTheyMoveNothing) {
  Settings settings = with_client_errors();
  settings.tolerance.client_errors.reset();
  Analyzer with = begun(settings);
  Analyzer without = begun(settings);
  for (int i = 0; i < 50; ++i) {
    with.absorb(block(0, 400));
    without.absorb(block(0, 0));
  }
  EXPECT_EQ(with, without);
}

// They weigh nothing against the failures of the same requests, with limits as well.
TEST(ClientErrorMetric, FailuresRollBackBesideIt) {
  Settings settings = with_client_errors();
  settings.limits.errors = 0.5;
  Analyzer analyzer = begun(settings);
  for (int i = 0; i < 30; ++i) {
    stats::Block made = block(0, 100);
    made.canary.bad = 100;
    analyzer.absorb(made);
  }
  const Verdict verdict = analyzer.evaluate();
  EXPECT_EQ(verdict.decision, Decision::kRollback);
  EXPECT_EQ(verdict.deciding, 0U);
}

}  // namespace
}  // namespace canaryd::analysis
