#include "cli/explain_rollout.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace canaryd::cli {
namespace {

constexpr const char* kRollout = R"({"name": "checkout", "state": "progressing", "reason": null,
 "for": "3m10s", "step": {"index": 1, "count": 5, "weight": 5, "requests": 812},
 "weight": {"target": 5, "actual": 4.93, "sample_ratio_ok": true},
 "analysis": [
  {"metric": "errors", "verdict": "open", "stable": 0.0021, "canary": 0.0025, "tolerated": 0.0033,
   "evidence": {"rollback": 0.04, "accept": 0.61}, "needs_about": "6m", "needs_requests": 1540},
  {"metric": "latency_p50", "verdict": "pass", "stable": 0.5, "canary": 0.4, "tolerated": 0.53,
   "evidence": {"rollback": 0, "accept": 1}, "needs_about": "0s"},
  {"metric": "latency_p90", "verdict": "fail", "stable": 0.1, "canary": 0.4, "tolerated": 0.11,
   "evidence": {"rollback": 1, "accept": 0}, "needs_about": null},
  {"metric": "latency_p99", "verdict": "open", "stable": 0.9, "canary": 0.8, "tolerated": null,
   "slow": {"stable": null, "canary": null, "tolerated": null}, "evidence": {"rollback": 0, "accept": 0}, "needs_about": null},
  {"metric": "latency_p99.9", "verdict": "open", "stable": 0.9, "canary": 0.8, "tolerated": 0.95,
   "evidence": {"rollback": 0, "accept": null}, "needs_about": null}],
 "next": "weight 10 in about 9m, when errors are accepted"})";

constexpr const char* kHistory = R"({"items": [{"message": "started"},
 {"time": "2026-01-05T10:02:00Z", "message": "step 1 passed\u001b[2J"}]})";

TEST(ExplainRollout, SaysWhatIsKnownAndHowMuchIsMissing) {
  EXPECT_EQ('\n' + render_reasons(kRollout, kHistory).value(),
            R"(
checkout: Progressing; weight 5 %, step 2 of 5, judged by 812 canary requests, for 3m10s
  the canary gets 4.93 % of the requests where the weight is 5 %
  errors: canary 0.25 %, stable 0.21 %; up to 0.33 % is tolerated, and the canary is within it
    against it: 4 % of the evidence that a rollback needs
    for it: 61 % of the evidence that the next step needs; about 6m more at the present rate, or 1540 canary requests
  latency_p50: canary 400 ms, stable 500 ms; up to 530 ms is tolerated, and the canary is within it
    against it: 0 % of the evidence that a rollback needs
    for it: all of the evidence that the next step needs
  latency_p90: canary 400 ms, stable 100 ms; up to 110 ms is tolerated, and the canary is above it
    bad: the evidence that a rollback needs is there
  latency_p99: not judged yet; the canary warms up or has no traffic, or stable's latency is not known
  latency_p99.9: canary 800 ms, stable 900 ms; up to 950 ms is tolerated, and the canary is within it
    against it: 0 % of the evidence that a rollback needs
  next: weight 10 in about 9m, when errors are accepted
  last: 2026-01-05T10:02:00Z  step 1 passed)"
            "\xEF\xBF\xBD[2J\n");
}

TEST(ExplainRollout, WhileABadVerdictStandsNoTimeIsToldUntilTheNextStep) {
  const std::string text =
      render_reasons(R"({"name": "a", "state": "held", "condemned": true, "weight": {"target": 5},
 "analysis": [{"metric": "errors", "verdict": "open", "stable": 0.01, "canary": 0.01,
   "tolerated": 0.02, "evidence": {"rollback": 0, "accept": 1}, "needs_about": null}]})",
                     "")
          .value();
  EXPECT_NE(text.find("for it: 100 % of the evidence that the next step needs; "
                      "a bad verdict stands: none is taken\n"),
            std::string::npos)
      << text;
}

TEST(ExplainRollout, ALimitIsNoComparison) {
  EXPECT_EQ(render_reasons(R"({"name": "a", "state": "baking", "weight": {"target": 100},
 "analysis": [
  {"metric": "limit_errors", "verdict": "open", "stable": null, "canary": 0.012, "tolerated": 0.05,
   "evidence": {"rollback": 0.02, "accept": null}},
  {"metric": "limit_latency_p99", "verdict": "fail", "stable": null, "canary": 2.4, "tolerated": 2,
   "slow": {"stable": null, "canary": 0.03, "tolerated": 0.01},
   "evidence": {"rollback": 1, "accept": null}},
  {"metric": "limit_latency_p50", "verdict": "open", "slow": {}, "evidence": {}}]})",
                           "")
                .value(),
            "a: Baking; weight 100 %\n"
            "  limit_errors: canary 1.20 %, at most 5.00 % may fail\n"
            "    against it: 2 % of the evidence that a rollback needs\n"
            "  limit_latency_p99: canary 3.00 %, at most 1.00 % may be slower than the limit\n"
            "    bad: the evidence that a rollback needs is there\n"
            "  limit_latency_p50: not judged yet; the canary warms up, or has no traffic\n");
}

TEST(ExplainRollout, SaysWhyALimitIsNotJudged) {
  const auto limit = [](const std::string& more) {
    const std::string text = render_reasons(R"({"name": "a", "state": "paused", )" + more +
                                                R"(, "weight": {"target": 5}, "analysis": [
      {"metric": "limit_errors", "verdict": "open", "canary": null, "tolerated": 0.05}]})",
                                            "")
                                 .value();
    const std::size_t at = text.find("  limit_errors");
    return text.substr(at, text.find('\n', at) - at);
  };
  const std::string requests = R"("step": {"index": 0, "count": 2, "requests": 154}, "next": )";
  EXPECT_EQ(limit(requests + R"("paused; stable has no healthy endpoint: its users get 503")"),
            "  limit_errors: not judged while stable fails");
  EXPECT_EQ(limit(requests + "null"), "  limit_errors: not judged yet");
  EXPECT_EQ(limit(R"("step": {"index": 0, "count": 2, "requests": 0})"),
            "  limit_errors: no traffic yet");
}

TEST(ExplainRollout, WithNobodyOnStableNothingIsCompared) {
  EXPECT_EQ(render_reasons(R"({"name": "a", "state": "baking", "weight": {"target": 100},
 "analysis": [
  {"metric": "errors", "verdict": "open", "stable": null, "canary": null, "tolerated": null,
   "evidence": {"rollback": 0, "accept": null}},
  {"metric": "latency_p99", "verdict": "open", "stable": null, "canary": 0.0122,
   "tolerated": null, "slow": {}, "evidence": {"rollback": 0, "accept": null}}]})",
                           "")
                .value(),
            "a: Baking; weight 100 %\n"
            "  errors: not compared: nobody is sent to stable\n"
            "    against it: 0 % of the evidence that a rollback needs\n"
            "  latency_p99: canary 12.2 ms, not compared: nobody is sent to stable\n"
            "    against it: 0 % of the evidence that a rollback needs\n");
}

TEST(ExplainRollout, WhatHasEndedIsToldAsOfThen) {
  const std::string body = R"({"name": "a", "state": "STATE", "weight": {"target": 0},
 "cohorts": {"stable": {"error_rate": 0.55}, "canary": {"error_rate": 0.02}},
 "analysis": [
  {"metric": "errors", "verdict": "open", "stable": 0, "canary": 0.01, "tolerated": 0.05,
   "evidence": {"rollback": 0.02, "accept": null}},
  {"metric": "latency_p50", "verdict": "fail", "stable": 0.5, "canary": null, "tolerated": 0.4,
   "slow": {"stable": 0.5, "canary": 0.9, "tolerated": 0.53},
   "evidence": {"rollback": 1, "accept": null}},
  {"metric": "latency_p99", "verdict": "open", "stable": 0.5, "canary": null, "tolerated": null,
   "slow": {"stable": null, "canary": null, "tolerated": null},
   "evidence": {"rollback": 0, "accept": null}},
  {"metric": "limit_latency_p99", "verdict": "open", "slow": {}, "evidence": {}}]})";
  const auto text = [&](const std::string& state) {
    std::string of = body;
    of.replace(of.find("STATE"), 5, state);
    return render_reasons(of, "").value();
  };
  EXPECT_EQ(
      text("aborted"),
      "a: Aborted; weight 0 %\n"
      "  errors, as of its end: canary 1.00 %, stable 0.00 %; up to 5.00 % was tolerated, and the "
      "canary was within it\n"
      "    of all requests of this run, also since then: canary 2.00 %, stable 55.0 %\n"
      "    against it: 2 % of the evidence that a rollback needs\n"
      "  latency_p50, as of its end: bad\n"
      "    bad: the evidence that a rollback needs is there\n"
      "  latency_p99, as of its end: not judged\n"
      "  limit_latency_p99, as of its end: not judged\n");
  EXPECT_THAT(text("suspended"),
              ::testing::HasSubstr("  errors, as of the last evidence: canary 1.00 %"));
}

TEST(ExplainRollout, ClientsThatDifferAreTold) {
  const auto text = render_reasons(R"({"name": "a", "analysis": [
  {"metric": "latency_p50", "verdict": "open", "stable": 0.5, "canary": 0.6, "tolerated": 0.55,
   "slow": {"stable": 0.5, "canary": 0.6, "tolerated": 0.526, "design_effect": 7.2},
   "evidence": {"rollback": 0.1, "accept": 0}}]})",
                                   "")
                        .value();
  EXPECT_THAT(
      text,
      ::testing::HasSubstr("    against it: 10 % of the evidence that a rollback needs\n"
                           "    divided by 8: clients differ in it, and the versions by no more "
                           "than that allows\n"));
}

TEST(ExplainRollout, ClientErrorsHoldAndNeverRollBack) {
  const auto text = render_reasons(R"({"name": "a", "analysis": [
  {"metric": "client_errors", "verdict": "open", "stable": 0.02, "canary": 0.08,
   "tolerated": 0.023, "evidence": {"rollback": 0, "accept": 0}}]})",
                                   "")
                        .value();
  EXPECT_THAT(text,
              ::testing::HasSubstr(
                  "  client_errors: canary 8.00 %, stable 2.00 %; up to 2.30 % is tolerated, and "
                  "the canary "
                  "is above it\n"
                  "    against it: nothing; too many of these hold, and never roll back\n"));
}

TEST(ExplainRollout, AQuerySaysItself) {
  const auto text = render_reasons(R"({"name": "a", "analysis": [
    {"metric": "query:refunds", "verdict": "pass", "evidence": null,
     "reading": {"value": 0.005, "min": null, "max": 0.01, "said": "is 0.005"}},
    {"metric": "query:basket", "verdict": "open", "evidence": null,
     "reading": {"value": null, "min": 0.95, "max": 1.5, "said": "has no reading yet"}},
    {"metric": "query:orders", "verdict": "open", "evidence": null,
     "reading": {"value": 3, "min": 2, "max": null, "said": "is 3"}},
    {"metric": "query:smoke", "verdict": "pass", "evidence": null,
     "reading": {"value": null, "min": null, "max": null, "said": "says yes"}},
    {"metric": "query:odd", "verdict": 7, "reading": {"said": null, "max": "x"}}]})",
                                   "");
  ASSERT_TRUE(text);
  EXPECT_NE(text->find("\n  query refunds is 0.005; good is up to 0.01\n"
                       "  query basket has no reading yet; good is 0.95 to 1.5\n"
                       "  query orders is 3; good is 2 and more\n"
                       "  query smoke says yes\n"
                       "  query odd \n"),
            std::string::npos)
      << *text;
}

TEST(ExplainRollout, ReadParityNamesTheFields) {
  const std::string text = render_reasons(R"({"name": "shop", "state": "idle", "reason": "parity",
 "weight": {"target": 0}, "parity": {"state": "different", "max_diff": 0.5,
 "concluded": {"compared": 400, "different": 12}, "now": {"compared": 30, "different": 1},
 "needs_requests": 1500, "learnt_from": 50, "not_compared": 3, "unanswered": 2, "busy": 0,
 "fields": [{"kind": "value", "field": "/total\u001b[2J", "path": "/orders/{id}", "canary": 13, "stable": 0}],
 "noise": [{"kind": "body", "field": "", "path": "/", "canary": 0, "stable": 400}]}})",
                                          "")
                               .value();
  EXPECT_EQ('\n' + text,
            R"(
shop: Idle, parity; weight 0 %
  reads: the versions differ, 12 of 400 differed; now 1 of 30 differ, at most 0.5 % may; about 1500 more show that they agree
    not in these: 50 to learn what is noise, 3 too long or broken off, 2 that stable did not answer, 0 not asked because too much was under way
    differs: value /total)"
            "\uFFFD[2J of /orders/{id}, of the canary alone in 13, of stable itself in 0\n"
            "    noise: body of /, of stable itself in 400\n");
}

TEST(ExplainRollout, TellsOfAShareThatIsNoChance) {
  const auto text = render_reasons(
      R"({"name": "a", "weight": {"target": 5, "actual": 9, "sample_ratio_ok": false}})", "");
  ASSERT_TRUE(text);
  EXPECT_NE(text->find("Look at cohort.keys"), std::string::npos);
}

TEST(ExplainRollout, TellsHowAVerificationEnded) {
  const std::string same = R"({"id": 7, "time": "2026-01-05T10:02:00Z", "message": "rolled back",
    "result": "same", "why": "bit for bit", "decision": "rollback", "run": 1, "rows": 212,
    "figures": [{"name": "all", "value": 4.71875, "recorded": "0x1.2ep+2", "recomputed": "0x1.2ep+2"},
                {"name": "errors/canary_n", "value": 40, "recorded": "0x1.4p+5", "recomputed": "0x1.48p+5"}]})";
  EXPECT_EQ('\n' + render_verification(same).value(), R"(
7  2026-01-05T10:02:00Z  rolled back
  same: bit for bit
  verdict rollback, of 212 rows of evidence of run 1:
    all 4.72
    errors/canary_n recorded 0x1.4p+5, now 0x1.48p+5
)");
  EXPECT_TRUE(is_same_verdict(same));
  EXPECT_FALSE(is_same_verdict(R"({"result": "not_verifiable"})"));
  EXPECT_EQ(render_verification(R"({"id": 7, "result": "not_verifiable", "why": "old"})").value(),
            "7    \n  not verifiable: old\n");
  EXPECT_FALSE(is_same_verdict("nonsense"));
  EXPECT_FALSE(render_verification("nonsense"));
}

TEST(ExplainRollout, TakesAnyAnswer) {
  EXPECT_TRUE(render_reasons("{}", "nonsense"));
  EXPECT_FALSE(render_reasons("[]", ""));
  EXPECT_FALSE(render_reasons("nonsense", ""));
}

TEST(ExplainRollout, LowScoresAreTheWorseOnes) {
  const auto reasons = [](const std::string& canary) {
    return render_reasons(R"({"name": "a", "analysis": [{"metric": "feedback", "stable": 4.5,)"
                          R"( "tolerated": 4.4, "canary": )" +
                              canary + "}]}",
                          "")
        .value();
  };
  EXPECT_NE(
      reasons("2.1").find("feedback: canary 2.10 of 5, stable 4.50 of 5; down to 4.40 of 5 is "
                          "tolerated, and the canary is below it"),
      std::string::npos)
      << reasons("2.1");
  EXPECT_NE(reasons("4.41").find("and the canary is within it"), std::string::npos);
}

}  // namespace
}  // namespace canaryd::cli
