#include "canaryd/analysis/verdict.hpp"

#include "canaryd/analysis/analyzer.hpp"

#include <gtest/gtest.h>

namespace canaryd::analysis {
namespace {

TEST(Verdict, WhatIsLeftOfRoundingIsNoEvidence) {
  EXPECT_EQ(shown_evidence(1.8e-17), 0);
  EXPECT_EQ(shown_evidence(0), 0);
  EXPECT_EQ(shown_evidence(0.001), 0.001);
  EXPECT_EQ(shown_evidence(1), 1);
}

TEST(FormatRate, TwoDigitsThatMatter) {
  EXPECT_EQ(format_rate(0), "0 %");
  EXPECT_EQ(format_rate(0.041), "4.1 %");
  EXPECT_EQ(format_rate(0.002), "0.2 %");
  EXPECT_EQ(format_rate(0.0032), "0.32 %");
  EXPECT_EQ(format_rate(0.12345), "12 %");
  EXPECT_EQ(format_rate(0.04), "4 %");
  EXPECT_EQ(format_rate(1), "100 %");
  EXPECT_EQ(format_rate(0.000012), "0.0012 %");
  EXPECT_EQ(format_rate(1e-12), "0 %");
}

MetricReport sample() {
  MetricReport report;
  report.name = "errors";
  report.canary_n = 212;
  report.stable_rate = 0.002;
  report.canary_rate = 0.041;
  report.tolerated_rate = 0.0032;
  report.seconds = 6;
  return report;
}

TEST(Describe, TheFactAndTheLimit) {
  EXPECT_EQ(
      describe(sample(), std::chrono::milliseconds(6100)),
      "errors canary 4.1 % vs stable 0.2 %, tolerated 0.32 %, after 212 canary requests (6.1 s)");
  EXPECT_EQ(
      describe(sample()),
      "errors canary 4.1 % vs stable 0.2 %, tolerated 0.32 %, after 212 canary requests (6 s)");
}

TEST(Describe, ARollbackSaysWhatTheWholeRunSaid) {
  Verdict verdict;
  verdict.decision = Decision::kRollback;
  verdict.reason = Reason::kWorse;
  verdict.metrics = {sample()};
  verdict.metrics[0].canary_n = 1;
  verdict.metrics[0].seconds = 1;
  verdict.metrics[0].run = {.canary_n = 4300, .stable_rate = 0.009, .canary_rate = 0.021};
  EXPECT_EQ(describe_rates(verdict),
            "errors canary 4.1 % vs stable 0.2 %, tolerated 0.32 %; in the whole run 2.1 % vs 0.9 "
            "%, of 4300");
  EXPECT_EQ(describe(verdict),
            "errors canary 4.1 % vs stable 0.2 %, tolerated 0.32 %, after 1 canary request (1 s); "
            "in the whole run 2.1 % vs 0.9 %, of 4300");
}

TEST(Describe, AHoldSaysHowMuchIsMissing) {
  MetricReport report = sample();
  report.needs_requests = 1234;
  report.needs_time = std::chrono::seconds(370);
  Verdict verdict;
  verdict.reason = Reason::kNeedsEvidence;
  verdict.metrics = {report};
  EXPECT_EQ(
      describe(verdict),
      "errors canary 4.1 % vs stable 0.2 %, tolerated 0.32 %, after 212 canary requests (6 s): "
      "needs about 1200 more canary requests (6m10s)");
  verdict.metrics[0].needs_requests.reset();
  EXPECT_NE(describe(verdict).find("does not move towards acceptance"), std::string::npos);
}

TEST(Reasons, NoTrafficIsToldApartByWhatCame) {
  EXPECT_EQ(what_is_missing(Reason::kNoTraffic, true, false), Reason::kNoCanaryTraffic);
  EXPECT_EQ(what_is_missing(Reason::kNoTraffic, false, true), Reason::kNoStableTraffic);
  EXPECT_EQ(what_is_missing(Reason::kNoTraffic, false, false), Reason::kNoTraffic);
  EXPECT_EQ(what_is_missing(Reason::kNoTraffic, true, true), Reason::kNoTraffic);
  EXPECT_EQ(what_is_missing(Reason::kNeedsEvidence, true, false), Reason::kNeedsEvidence);
}

TEST(Describe, EveryReasonHasWords) {
  Settings settings;
  settings.latency_quantiles.clear();
  Analyzer analyzer{settings};
  EXPECT_EQ(describe(analyzer.evaluate()), "no traffic to compare yet");
  for (const Reason reason : {Reason::kNoTraffic,
                              Reason::kNoCanaryTraffic,
                              Reason::kNoStableTraffic,
                              Reason::kNoControl,
                              Reason::kBeyondLimit,
                              Reason::kNeedsEvidence}) {
    Verdict verdict = analyzer.evaluate();
    verdict.reason = reason;
    EXPECT_FALSE(describe(verdict).empty());
    EXPECT_FALSE(to_string(reason).empty());
  }
}

}  // namespace
}  // namespace canaryd::analysis
