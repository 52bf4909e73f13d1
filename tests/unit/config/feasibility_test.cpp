#include "canaryd/config/feasibility.hpp"

#include "canaryd/config/problem.hpp"
#include "unit/config/load_support.hpp"

#include <gtest/gtest.h>

namespace canaryd::config {
namespace {

using namespace std::chrono_literals;

Config config_of(double requests_per_second, std::optional<double> error_rate) {
  Config config;
  Rollout rollout;
  rollout.name = "shop";
  rollout.expected_rps = requests_per_second;
  rollout.expected_error_rate = error_rate;
  config.rollouts.push_back(rollout);
  return config;
}

TEST(Feasibility, IsSaidOfRolloutsThatExpectTraffic) {
  Config config = config_of(500, 0.001);
  config.rollouts.emplace_back();
  const auto forecasts = forecast(config);
  ASSERT_EQ(forecasts.size(), 1U);
  EXPECT_EQ(forecasts[0].rollout, "shop");
  ASSERT_EQ(forecasts[0].steps.size(), 5U);
  ASSERT_TRUE(forecasts[0].time);
  Duration sum{};
  for (const StepForecast& step : forecasts[0].steps) sum += step.time.value();
  EXPECT_EQ(*forecasts[0].time, sum);
  EXPECT_LT(*forecasts[0].time, 10min);
}

TEST(Feasibility, ASmallServiceNeedsHours) {
  const auto forecasts = forecast(config_of(3, std::nullopt));
  EXPECT_EQ(forecasts.at(0).error_rate, kUsualErrorRate);
  EXPECT_GT(forecasts[0].time.value(), 6h);
}

TEST(Feasibility, TheStepsOwnTimesCountToo) {
  Config config = config_of(1000, 0.001);
  auto& steps = config.rollouts[0].plan.steps;
  steps[0].min_duration = 2h;
  steps[1].min_requests = 360'000;  // 50 a second.
  const auto forecasts = forecast(config);
  EXPECT_EQ(forecasts[0].steps[0].time, 2h);
  EXPECT_EQ(forecasts[0].steps[1].time, 2h);
  EXPECT_EQ(forecasts[0].steps[4].time, 10s);
}

TEST(Feasibility, MoreTimeSeesMoreUntilTheStepIsAccepted) {
  Config config = config_of(100, 0.01);
  rollout::Step& step = config.rollouts[0].plan.steps[0];
  const auto least = [&config](Duration max_duration) {
    config.rollouts[0].plan.steps[0].max_duration = max_duration;
    return forecast(config)[0].steps[0];
  };
  const Duration accepted = least(1h).time.value();
  ASSERT_GT(accepted, 2min);
  EXPECT_GT(least(1min).detects.value(), least(1h).detects.value());
  EXPECT_GT(least(1min).detects_stretch.value(), least(1h).detects_stretch.value());
  EXPECT_NEAR(least(10h).detects.value(), least(1h).detects.value(), 0.002) << "it is over by then";
  EXPECT_GT(least(10h).detects.value(), 0.01);
  EXPECT_FALSE(least(1s).detects);
  // A plan that waits sees more.
  step.min_duration = 5h;
  EXPECT_LT(least(10h).detects.value(), 0.95 * least(1h).detects.value());
  EXPECT_FALSE(forecast(config)[0].steps[4].detects) << "nobody is left to compare with";
  config.rollouts[0].analysis.latency_quantiles.clear();
  EXPECT_FALSE(least(1h).detects_stretch);
}

// One step, to everybody but one percent; judged by errors alone, which is quick to foretell.
Config held_back(double requests_per_second) {
  Config config = config_of(requests_per_second, 0.01);
  Rollout& rollout = config.rollouts[0];
  rollout.analysis.latency_quantiles.clear();
  rollout.plan.steps.erase(rollout.plan.steps.begin(), rollout.plan.steps.end() - 1);
  rollout.plan.bake.holdback = BasisPoints(100);
  return config;
}

TEST(Feasibility, NamesTheHoldbackThatWouldDo) {
  Config config = held_back(500);
  rollout::Plan& plan = config.rollouts[0].plan;
  const StepForecast last = forecast(config)[0].steps.back();
  EXPECT_EQ(last.weight, BasisPoints(9900));
  EXPECT_FALSE(last.time && *last.time <= last.max_duration);
  ASSERT_TRUE(last.holdback);
  plan.bake.holdback = BasisPoints(*last.holdback * 100);
  const StepForecast enough = forecast(config)[0].steps.back();
  EXPECT_LE(enough.time.value(), enough.max_duration);
  EXPECT_FALSE(enough.holdback);
  plan.bake.holdback = BasisPoints((*last.holdback - 1) * 100);
  EXPECT_EQ(forecast(config)[0].steps.back().holdback, last.holdback) << "one percent less is not";
}

TEST(Feasibility, NoHoldbackHelpsWhereThereIsNoTraffic) {
  EXPECT_FALSE(forecast(held_back(0.1))[0].steps.back().holdback);
}

TEST(Feasibility, WhatIsNeverAcceptedNeverArrives) {
  Config config = config_of(100, 0.01);
  config.rollouts[0].analysis.tolerance.errors = {.relative = 0, .absolute = 0};
  const auto forecasts = forecast(config);
  EXPECT_FALSE(forecasts[0].time);
  EXPECT_NE(render_forecasts(forecasts).find("never arrives"), std::string::npos);
  const std::string json = render_problems_json({}, "x", forecasts);
  EXPECT_NE(json.find(R"("rps":100,"error_rate":0.01,"learned_seconds":null,"seconds":null)"),
            std::string::npos)
      << json;
}

// Of steps without anybody on stable nobody waits for votes.
TEST(Feasibility, SaysThatStepsWaitForVotes) {
  Config config = config_of(500, 0.001);
  EXPECT_EQ(render_forecasts(forecast(config)).find("votes"), std::string::npos);
  auto& feedback = config.rollouts[0].analysis.tolerance.feedback;
  feedback.emplace();
  EXPECT_EQ(render_forecasts(forecast(config)).find("votes"), std::string::npos)
      << "they can roll back, and nothing waits for them";
  feedback->required = true;
  const auto forecasts = forecast(config);
  const auto& steps = forecasts[0].steps;
  EXPECT_GT(steps[0].votes.value(), 1);
  EXPECT_GT(steps[3].votes.value(), steps[0].votes.value()) << "the limit is the plain tolerance";
  EXPECT_FALSE(steps[4].votes);
  EXPECT_NE(render_forecasts(forecasts).find("feedback is required: a step waits for votes"),
            std::string::npos);
}

// What `validate` says of the circuit.
std::string said_of_trips(const std::string& keys) {
  std::string text = kSmall;
  const std::string before = "canary: new";
  text.insert(text.find(before) + before.size(), ", " + keys);
  const std::string report = report_of(load_text(text));
  const std::size_t at = report.find("rollouts.shop.circuit: ");
  return at == std::string::npos ? "" : report.substr(at, report.find('\n', at) - at);
}

TEST(Feasibility, WarnsOfACircuitThatChanceOpens) {
  EXPECT_EQ(said_of_trips("expected_rps: 500, expected_error_rate: 20"),
            "rollouts.shop.circuit: at 500 requests/s and 20 % errors a canary as good as stable "
            "fails 5 requests in a row about 461 times an hour, and is suspended by that; raise "
            "consecutive_failures to 9");
  EXPECT_NE(said_of_trips("expected_rps: 3, expected_error_rate: 20"), "");
  EXPECT_EQ(said_of_trips("expected_rps: 500, expected_error_rate: 5"), "");
  EXPECT_EQ(said_of_trips("expected_rps: 500, expected_error_rate: 0"), "");
  EXPECT_EQ(said_of_trips("expected_rps: 500"), "");
  EXPECT_EQ(said_of_trips("expected_error_rate: 20"), "") << "of how many requests?";
  const std::string nine = "expected_rps: 500, expected_error_rate: 20, circuit: ";
  EXPECT_EQ(said_of_trips(nine + "{consecutive_failures: 9}"), "");
  EXPECT_NE(said_of_trips(nine + "{consecutive_failures: 8}"), "");
  EXPECT_EQ(said_of_trips(nine + "{consecutive_failures: 0}"), "");
  EXPECT_NE(said_of_trips("expected_rps: 500, expected_error_rate: 100"), "");
}

TEST(Feasibility, SoManyStepsAreLookedAtAndNoMore) {
  Config config = config_of(1000, 0.0001);
  config.rollouts.front().analysis.latency_quantiles = {};
  while (config.rollouts.size() < 30) config.rollouts.push_back(config.rollouts.front());
  EXPECT_EQ(forecast(config).size(), kMostForecasts / 5);
}

}  // namespace
}  // namespace canaryd::config
