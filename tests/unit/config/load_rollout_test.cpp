// What a file says of a rollout, as it is read.
#include "canaryd/base/units.hpp"
#include "canaryd/config/load.hpp"
#include "canaryd/config/schema.hpp"
#include "unit/config/load_support.hpp"

#include <gtest/gtest.h>

namespace canaryd::config {
namespace {

using namespace std::chrono_literals;

TEST(Load, PlanFollowsTheModeOfTheAnalysis) {
  const Config config =
      config_of(load_text(kSmall, {}, {{"rollouts.shop.analysis.mode", "observe"}}));
  EXPECT_EQ(config.rollouts.at(0).analysis.mode, analysis::Mode::kObserve);
  EXPECT_EQ(config.rollouts.at(0).plan.mode, rollout::Mode::kObserve);
}

TEST(Load, KnowsTheRoutesOfARolloutAndOrdersTheQuantiles) {
  const Config config = config_of(load_text(R"(
version: 1
listeners: [{name: public, address: "127.0.0.1:8080"}]
upstreams: {old: {endpoints: ["127.0.0.1:9001"]}, new: {endpoints: ["127.0.0.1:9002"]}}
rollouts:
  shop:
    stable: old
    canary: new
    analysis:
      latency_quantiles: [99.9, 50]
      warm_up: 2m
      tolerance: {latency: {stretch: 25, floor: 2ms, relative: 0, absolute: 0.5}}
routes:
  - {name: pay, match: {path_prefix: /pay/}, rollout: shop}
  - {name: plain, match: {path_prefix: /plain/}, upstream: old}
  - {name: rest, match: {path_prefix: /}, rollout: shop}
)"));
  const analysis::Settings& settings = config.rollouts.at(0).analysis;
  EXPECT_EQ(settings.routes, (std::vector<std::string>{"pay", "rest"}));
  EXPECT_EQ(settings.latency_quantiles,
            (std::vector{stats::LatencyQuantile::kP50, stats::LatencyQuantile::kP999}));
  EXPECT_EQ(settings.warm_up, std::chrono::minutes(2));
  EXPECT_DOUBLE_EQ(settings.tolerance.latency.stretch, 0.25);
  EXPECT_EQ(settings.tolerance.latency.floor, std::chrono::milliseconds(2));
  EXPECT_EQ(settings.tolerance.latency.share(), (analysis::Tolerance{0, 0.005}));
}

TEST(Load, ReadsFeedbackAndExclusions) {
  const auto with = [](const std::string& analysis) {
    std::string text = kSmall;
    text.replace(text.find("canary: new}"), 12, "canary: new, analysis: {" + analysis + "}}");
    return load_text(text);
  };
  EXPECT_FALSE(config_of(load_text(kSmall)).rollouts[0].analysis.tolerance.feedback);
  const Config config = config_of(
      with("tolerance: {feedback: {absolute: 2}}, exclude: [{path_prefix: /healthz}, {header: "
           "User-Agent, matches: '*bot*'}, {header: X-Synthetic}]"));
  const analysis::Settings& settings = config.rollouts[0].analysis;
  ASSERT_TRUE(settings.tolerance.feedback);
  EXPECT_DOUBLE_EQ(settings.tolerance.feedback->relative, 0.1);
  EXPECT_DOUBLE_EQ(settings.tolerance.feedback->absolute, 0.02);
  EXPECT_FALSE(settings.tolerance.feedback->required);
  EXPECT_FALSE(settings.tolerance.client_errors);
  const Config other = config_of(with("tolerance: {client_errors: {absolute: 2}}"));
  EXPECT_EQ(other.rollouts[0].analysis.tolerance.client_errors, (analysis::Tolerance{0.1, 0.02}));
  const auto& exclude = config.rollouts[0].exclude;
  ASSERT_EQ(exclude.size(), 3U);
  EXPECT_EQ(exclude[0], (routing::RequestRule{.path_prefix = "/healthz"}));
  EXPECT_EQ(exclude[1], (routing::RequestRule{.header = "User-Agent", .matches = "*bot*"}));
  for (const char* rule : {"{}",
                           "{path_prefix: /a, header: X}",
                           "{path_prefix: /a, matches: b}",
                           "{matches: b}",
                           "{path_prefix: a}",
                           "{header: 'a b'}",
                           "{header: X, matches: '**'}",
                           "{header: X, matches: ''}"}) {
    EXPECT_FALSE(with("exclude: [" + std::string(rule) + "]").config) << rule;
  }
}

// kSmall, with more keys of its rollout, a line each.
std::string with_keys(const std::string& more) {
  std::string text(kSmall);
  const std::string shop = "shop: {stable: old, canary: new}\n";
  const std::size_t at = text.find(shop);
  EXPECT_NE(at, std::string::npos) << text;
  return text.replace(at, shop.size(), "shop:\n    stable: old\n    canary: new\n" + more);
}

std::string weights_of(const std::string& pace, const std::string& steps) {
  const std::string listed = steps.empty() ? "" : "    steps: " + steps + "\n";
  const Config config = config_of(load_text(with_keys("    pace: " + pace + "\n" + listed)));
  std::string weights;
  for (const rollout::Step& step : config.rollouts.at(0).plan.steps) {
    weights += format_percent(step.weight) + (step.gate.empty() ? "" : " " + step.gate) + ", ";
  }
  // What config-dump prints means the same.
  const Config again = config_of(load_text(render_dump(config)));
  EXPECT_EQ(again.rollouts.at(0).plan.steps, config.rollouts.at(0).plan.steps);
  return weights;
}

TEST(Pace, AddsTheStepsBetween) {
  EXPECT_EQ(weights_of("evidence", "[{weight: 1}, {weight: 100}]"), "1, 100, ");
  EXPECT_EQ(weights_of("linear", ""), "10, 20, 30, 40, 50, 60, 70, 80, 90, 100, ");
  EXPECT_EQ(weights_of("exponential", ""), "1, 2, 4, 8, 16, 32, 64, 100, ");
  EXPECT_EQ(weights_of("linear", "[{weight: 25, gate: qa}, {weight: 100}]"),
            "25 qa, 50, 75, 100, ");
  EXPECT_EQ(weights_of("exponential", "[{weight: 0.5}, {weight: 3, gate: qa}, {weight: 10}]"),
            "0.5, 1, 2, 3 qa, 6, 10, ");
}

TEST(Load, ReadsFreezesGatesAndHooks) {
  std::string text = with_keys(
      R"(    freeze: [{days: [fri, sun], from: "22:30", to: "06:00", time_zone: Europe/Berlin}, {}]
    steps: [{weight: 5, gate: {name: owner, approvals: 2, of: [anna, bob], expires: 2h}}, {weight: 100}]
    hooks:
      - {on: [before_step], http: {url: "http://gate:9100/ask", timeout: 1s}}
      - {on: [held], exec: [./x]}
)");
  // The second one is every day, from end to end.
  EXPECT_NE(report_of(load_text(text)), "");
  text.replace(text.find(", {}]"), 5, "]");
  const Config config = config_of(load_text(text));
  const rollout::Plan& plan = config.rollouts.at(0).plan;
  ASSERT_EQ(plan.freeze.size(), 1U);
  EXPECT_EQ(plan.freeze[0].days, (1U << 5U) | 1U);
  EXPECT_EQ(plan.freeze[0].from, 22h + 30min);
  EXPECT_EQ(plan.freeze[0].zone.name(), "Europe/Berlin");
  EXPECT_EQ(plan.steps.at(0).gate, "owner");
  EXPECT_EQ(plan.steps[0].approvals, (rollout::Approvals{2, {"anna", "bob"}, 2h}));
  EXPECT_TRUE(plan.asks_before_step);
  ASSERT_EQ(config.rollouts[0].hooks.size(), 2U);
  EXPECT_EQ(config.rollouts[0].hooks[0].url->to_string(), "http://gate:9100/ask");
  EXPECT_EQ(config.rollouts[0].hooks[1].exec_timeout, 30s);
  EXPECT_TRUE(config_of(load_text(render_dump(config))) == config);
}

TEST(Load, ReadsWhatReadParityAsksFor) {
  EXPECT_FALSE(config_of(load_text(kSmall)).rollouts[0].plan.asks_before_step);
  const Config config = config_of(load_text(with_keys(
      R"(    parity: {sample: 5, max_diff: 0.1, ignore: [id, /a/*], headers: [ETag], body_bytes: 1KiB}
)")));
  const Rollout& rollout = config.rollouts.at(0);
  ASSERT_TRUE(rollout.parity.has_value());
  EXPECT_EQ(rollout.parity->sample, BasisPoints(500));
  EXPECT_DOUBLE_EQ(rollout.parity->max_diff, 0.001);
  EXPECT_EQ(rollout.parity->min_requests, Parity().min_requests);
  EXPECT_EQ(rollout.parity->ignore, (std::vector<std::string>{"id", "/a/*"}));
  EXPECT_EQ(rollout.parity->headers, std::vector<std::string>{"ETag"});
  EXPECT_EQ(rollout.parity->body_bytes, 1024U);
  EXPECT_TRUE(rollout.plan.asks_before_step);
  EXPECT_TRUE(config_of(load_text(render_dump(config))) == config);
}

TEST(Load, ReadsARetirement) {
  EXPECT_FALSE(config_of(load_text(kSmall)).rollouts[0].plan.retire);
  const Config config = config_of(load_text(with_keys(
      R"(    retire: {idle_for: 2d, hook: {exec: [./end.sh, "{upstream}"], timeout: 5m}}
)")));
  const Rollout& rollout = config.rollouts.at(0);
  EXPECT_EQ(rollout.plan.retire, (rollout::RetirePlan{48h, 5min, 72h, true}));
  ASSERT_TRUE(rollout.retire && rollout.retire->hook);
  EXPECT_EQ(rollout.retire->hook->exec, (std::vector<std::string>{"./end.sh", "{upstream}"}));
  EXPECT_EQ(rollout.retire->hook->exec_timeout, 5min);
  EXPECT_TRUE(config_of(load_text(render_dump(config))) == config);
}

}  // namespace
}  // namespace canaryd::config
