// The dashboard's files, and the points that it draws.
#include "canaryd/base/units.hpp"
#include "server_rig.hpp"

#include <chrono>
#include <cstddef>

namespace canaryd::admin::test {
namespace {

TEST_F(ServerTest, GivesPointsForCharts) {
  control::PointView point;
  point.time = WallTime(std::chrono::seconds(1767607320));
  point.over = std::chrono::seconds(5);
  point.weight = BasisPoints(500);
  point.stable = {51.2, 256, 0.0021, 0.011, 0.041, 0.088};
  point.canary.requests = 0;
  backend_.points = {point};
  const json::value body = parse(get("/api/v1/rollouts/checkout/series"));
  EXPECT_EQ(body.at("window").as_string(), "1h");
  EXPECT_EQ(body.at("step").as_string(), "5s");
  EXPECT_TRUE(parse_time(body.at("time").as_string().c_str()));
  const json::value& item = body.at("items").at(0);
  EXPECT_EQ(item.at("time").as_string(), "2026-01-05T10:02:00Z");
  EXPECT_EQ(item.at("over").as_string(), "5s");
  EXPECT_EQ(item.at("weight").to_number<double>(), 5);
  EXPECT_EQ(item.at("stable").at("p99").as_double(), 0.088);
  EXPECT_TRUE(item.at("canary").at("error_rate").is_null());
  expect_problem(get("/api/v1/rollouts/nobody/series"), 404, "not-found");
}

TEST_F(ServerTest, ChoosesTheFinestPointsThatReachSoFar) {
  const auto grain_of = [&](const std::string& query) {
    EXPECT_EQ(get("/api/v1/rollouts/checkout/series?" + query).status, 200) << query;
    return backend_.last_series.grain;
  };
  EXPECT_EQ(grain_of("window=15m"), 0U);
  EXPECT_EQ(backend_.last_series.window, std::chrono::minutes(15));
  EXPECT_EQ(grain_of("window=1h"), 0U);
  EXPECT_EQ(grain_of("window=61m"), 1U);
  EXPECT_EQ(grain_of("window=24h"), 1U);
  EXPECT_EQ(grain_of("window=15m&step=1m"), 1U);
  EXPECT_EQ(grain_of("step=5s"), 0U);
  for (const std::string query : {"window=2h&step=5s",
                                  "window=25h",
                                  "window=0s",
                                  "window=-1h",
                                  "window=",
                                  "step=2s",
                                  "at=1"}) {
    expect_problem(get("/api/v1/rollouts/checkout/series?" + query), 400, "bad-request");
  }
}

TEST_F(ServerTest, ServesTheDashboard) {
  const Response page = get("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.header("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(page.header("X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(page.header("Referrer-Policy"), "no-referrer");
  EXPECT_EQ(page.header("Cross-Origin-Opener-Policy"), "same-origin");
  EXPECT_EQ(page.header("Cross-Origin-Resource-Policy"), "same-origin");
  const std::string policy(page.header("Content-Security-Policy"));
  EXPECT_NE(policy.find("default-src 'none'"), std::string::npos);
  EXPECT_NE(policy.find("frame-ancestors 'none'"), std::string::npos);
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);

  std::size_t files = 0;
  for (std::size_t at = 0; (at = page.body.find("\"/dashboard/", at)) != std::string::npos; ++at) {
    const std::string path = page.body.substr(at + 1, page.body.find('"', at + 1) - at - 1);
    EXPECT_EQ(get(path).status, 200) << path;
    ++files;
  }
  EXPECT_EQ(files, 2U);
  EXPECT_EQ(page.body.find("http:"), std::string::npos) << "an outside asset";
  EXPECT_EQ(page.body.find("https:"), std::string::npos) << "an outside asset";
  expect_problem(get("/dashboard/nothing.js"), 404, "not-found");
  expect_problem(post("/"), 405, "method-not-allowed");
}

}  // namespace
}  // namespace canaryd::admin::test
