// Failures that the dedupe has left out: they convict nobody, but nobody is accepted against them.
#include "canaryd/analysis/analyzer.hpp"

#include <gtest/gtest.h>

namespace canaryd::analysis {
namespace {

class RepeatsTest : public ::testing::Test {
 protected:
  RepeatsTest() : analyzer_(errors_alone()), without_(errors_alone()) {
    for (Analyzer* each : {&analyzer_, &without_}) {
      each->begin_step({.next_weight = BasisPoints(BasisPoints::kMax), .has_control = true});
    }
  }
  static Settings errors_alone() {
    Settings settings;
    settings.latency_quantiles.clear();
    return settings;
  }
  void seconds(int count, stats::CohortCounts stable, stats::CohortCounts canary) {
    stats::Block block;
    block.seconds = 1;
    block.stable = stable;
    block.canary = canary;
    for (int i = 0; i < count; ++i) analyzer_.absorb(block);
    block.stable.repeats = block.canary.repeats = 0;
    for (int i = 0; i < count; ++i) without_.absorb(block);
  }

  Analyzer analyzer_;
  Analyzer without_;
};

// Few clients that ask often: each of the canary's fails all the time, and counts once a window.
TEST_F(RepeatsTest, AVersionThatHidesBehindThemIsNotAccepted) {
  seconds(600, {500, 3, 0, 2}, {500, 3, 0, 27});
  EXPECT_EQ(without_.decision(), Decision::kAccept);
  EXPECT_EQ(analyzer_.decision(), Decision::kHold);
  const MetricReport errors = analyzer_.evaluate().metrics.at(0);
  EXPECT_NEAR(errors.canary_rate.value_or(0), 30.0 / 527, 1e-9) << "what really happened";
  EXPECT_NEAR(errors.stable_rate.value_or(0), 5.0 / 502, 1e-9);
}

TEST_F(RepeatsTest, EqualOnesAreAccepted) {
  seconds(600, {500, 3, 0, 20}, {500, 3, 0, 20});
  EXPECT_EQ(analyzer_.decision(), Decision::kAccept);
}

// One broken client of stable must not make room for a bad canary.
TEST_F(RepeatsTest, StablesDoNotExcuseTheCanarysFailures) {
  seconds(600, {500, 3, 0, 50}, {500, 12, 0, 0});
  EXPECT_NE(analyzer_.decision(), Decision::kAccept);
}

TEST_F(RepeatsTest, TheyConvictNobody) {
  seconds(600, {500, 3, 0, 0}, {500, 3, 0, 100});
  EXPECT_EQ(analyzer_.decision(), Decision::kHold);
  EXPECT_EQ(analyzer_.ln_total(), without_.ln_total());
}

TEST_F(RepeatsTest, WithTheNextStepTheyAreForgotten) {
  seconds(50, {500, 3, 0, 0}, {500, 3, 0, 100});
  analyzer_.begin_step({.next_weight = BasisPoints(BasisPoints::kMax), .has_control = true});
  seconds(600, {500, 3}, {500, 3});
  EXPECT_EQ(analyzer_.decision(), Decision::kAccept);
}

}  // namespace
}  // namespace canaryd::analysis
