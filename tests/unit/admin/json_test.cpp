#include "admin/json.hpp"

#include "support/fake_backend.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace canaryd::admin {
namespace {

TEST(Json, IsTheExampleOfTheContract) {
  EXPECT_EQ(
      to_text(to_json(canaryd::test::example_rollout())),
      R"({"name": "checkout", "generation": 17, "state": "progressing", "reason": null, )"
      R"("condemned": false, "since": "2026-01-05T10:02:00Z", "for": "3m10s", "stable": "shop-v1", )"
      R"("canary": "shop-v2", "revision": "2.4.0", "mode": "enforce", "on_failure": "rollback", )"
      R"("step": {"index": 1, "count": 5, "weight": 5, "elapsed": "3m10s", )"
      R"("min_duration": "10m", "requests": 812, "gate": null, "approvals": null}, )"
      R"("steps": [{"weight": 1, "gate": null}, {"weight": 5, "gate": null}, )"
      R"({"weight": 10, "gate": null}, {"weight": 25, "gate": "product-owner"}, )"
      R"({"weight": 100, "gate": null}], "bake": "1d", )"
      R"("weight": {"target": 5, "actual": 4.93, "sample_ratio_ok": true}, )"
      R"("cohorts": {"stable": {"rps": 51.2, "requests": 15433, "error_rate": 0.0021, )"
      R"("p50": 0.011, "p90": 0.041, "p99": 0.088}, "canary": {"rps": 2.7, "requests": 812, )"
      R"("error_rate": 0.0025, "p50": 0.012, "p90": 0.043, "p99": 0.09}}, )"
      R"("analysis": [{"metric": "errors", "verdict": "open", "stable": 0.0021, )"
      R"("canary": 0.0025, "tolerated": 0.0033, )"
      R"("evidence": {"rollback": 0.04, "accept": 0.61}, "needs_about": "6m", )"
      R"("needs_requests": null}], )"
      R"("exposure": {"failed": 1, "saved": 3, "max": 20}, )"
      R"("parity": null, "retire": null, "frozen_until": null, "postponed": null, )"
      R"("next": "weight 10 in about 9m, when latency p99 is accepted", "durable": true, "journal_failing": false})"
      "\n");
}

TEST(Json, SaysNullForWhatIsNotKnown) {
  control::RolloutView view;
  view.analysis.resize(1);
  const auto value = to_json(view);
  EXPECT_TRUE(value.at("step").is_null());
  EXPECT_TRUE(value.at("bake").is_null());
  EXPECT_TRUE(value.at("exposure").is_null());
  EXPECT_TRUE(value.at("weight").at("actual").is_null());
  EXPECT_TRUE(value.at("cohorts").at("canary").at("p99").is_null());
  EXPECT_TRUE(value.at("analysis").at(0).at("evidence").is_null());
}

TEST(Json, TheSharesBehindALatencyAreApart) {
  control::RolloutView view;
  control::MetricView& p99 = view.analysis.emplace_back();
  p99.metric = "latency_p99";
  p99.tolerated = 0.25;
  p99.slow = {0.01, 0.5, std::nullopt, 3.5};
  const auto value = to_json(view).at("analysis").at(0);
  EXPECT_EQ(value.at("tolerated").as_double(), 0.25);
  EXPECT_EQ(value.at("slow").at("stable").as_double(), 0.01);
  EXPECT_EQ(value.at("slow").at("canary").as_double(), 0.5);
  EXPECT_TRUE(value.at("slow").at("tolerated").is_null());
  EXPECT_EQ(value.at("slow").at("design_effect").as_double(), 3.5);
}

TEST(Json, AQueryHasItsReading) {
  control::RolloutView view;
  control::MetricView& query = view.analysis.emplace_back();
  query.metric = "query:refunds";
  query.reading = {0.02, std::nullopt, 0.01, "is 0.02, above 0.01"};
  const auto value = to_json(view).at("analysis").at(0);
  EXPECT_EQ(value.at("metric").as_string(), "query:refunds");
  EXPECT_EQ(value.at("reading").at("value").as_double(), 0.02);
  EXPECT_TRUE(value.at("reading").at("min").is_null());
  EXPECT_EQ(value.at("reading").at("max").as_double(), 0.01);
  EXPECT_EQ(value.at("reading").at("said").as_string(), "is 0.02, above 0.01");
  EXPECT_TRUE(value.at("canary").is_null());
}

TEST(Json, NeverWritesControlsOrInvalidText) {
  control::RolloutView view;
  view.reason = "\x1b[2J\xff\xc2\x9b";
  const std::string text = to_text(to_json(view));
  EXPECT_NE(text.find(R"("reason": "\u001b[2J)"
                      "\xEF\xBF\xBD"
                      R"(\u009b")"),
            std::string::npos)
      << text;
}

TEST(Json, CarriesEvidenceAsJsonOrAsText) {
  control::HistoryRow row;
  row.evidence_json = R"({"n": 5})";
  EXPECT_EQ(to_json(row).at("evidence").at("n").as_int64(), 5);
  row.evidence_json = "not json";
  EXPECT_EQ(to_json(row).at("evidence").as_string(), "not json");
  row.evidence_json = "";
  EXPECT_TRUE(to_json(row).at("evidence").is_null());
}

}  // namespace
}  // namespace canaryd::admin
