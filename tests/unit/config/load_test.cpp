#include "canaryd/config/load.hpp"

#include "canaryd/base/units.hpp"
#include "canaryd/config/format.hpp"
#include "unit/config/load_support.hpp"

#include <gtest/gtest.h>

namespace canaryd::config {
namespace {

using namespace std::chrono_literals;

TEST(Load, FillsInTheDefaultsOfTheContract) {
  const Config config = config_of(load_text(kSmall));
  EXPECT_EQ(config.workers, 0U);
  EXPECT_EQ(to_string(config.admin.address), "127.0.0.1:9901");
  EXPECT_EQ(config.state.dir, "/var/lib/canaryd");
  EXPECT_EQ(config.drain.timeout, 30s);
  const Listener& listener = config.listeners.at(0);
  EXPECT_EQ(listener.limits.connections, 10000U);
  EXPECT_EQ(listener.limits.header_bytes, 64U * 1024);
  EXPECT_FALSE(listener.limits.body_bytes.has_value());
  EXPECT_EQ(listener.timeouts.keep_alive, 60s);
  const Upstream& upstream = config.upstreams.at(0);
  EXPECT_EQ(upstream.load_balancer, LoadBalancer::kLeastRequest);
  EXPECT_EQ(upstream.timeouts.first_byte, 15s);
  EXPECT_EQ(upstream.retries.attempts, 1);
  const Rollout& rollout = config.rollouts.at(0);
  ASSERT_EQ(rollout.plan.steps.size(), 5U);
  EXPECT_EQ(rollout.plan.steps[0].weight, BasisPoints(100));
  EXPECT_EQ(rollout.plan.steps[4].weight, BasisPoints(10000));
  EXPECT_EQ(rollout.plan.steps[0].min_duration, 10s);
  EXPECT_EQ(rollout.plan.steps[0].max_duration, 1h);
  EXPECT_EQ(rollout.plan.bake.duration, 24h);
  EXPECT_DOUBLE_EQ(rollout.analysis.false_rollback, 0.01);
  EXPECT_DOUBLE_EQ(rollout.analysis.tolerance.errors.absolute, 0.001);
  EXPECT_TRUE(rollout.analysis.errors.has_status(503));
  EXPECT_FALSE(rollout.analysis.errors.has_status(404));
  EXPECT_EQ(rollout.cohort.salt, "shop");
}

TEST(Load, SaysOnlyThatThereAreTooMany) {
  std::string upstreams = "upstreams:\n";
  std::string rollouts = "rollouts:\n";
  for (int i = 0; i <= 1000; ++i) {
    const std::string number = std::to_string(i);
    upstreams += "  u" + number + ": {endpoints: [127.0.0.1:" + std::to_string(10000 + i) + "]}\n";
    rollouts += "  shop" + number + ": {stable: u0, canary: u1}\n";
  }
  const std::string begin = "version: 1\nlisteners:\n  - {name: public, address: 127.0.0.1:8080}\n";
  const LoadResult many = load_text(begin + upstreams +
                                    "rollouts:\n  shop: {stable: u0, canary: u1}\n"
                                    "routes:\n  - {name: all, rollout: shop}\n");
  ASSERT_EQ(many.problems.size(), 1U) << report_of(many);
  EXPECT_EQ(many.problems[0].message, "upstreams: more than 1000 names");
  const LoadResult more = load_text(begin +
                                    "upstreams:\n  u0: {endpoints: [127.0.0.1:9001]}\n"
                                    "  u1: {endpoints: [127.0.0.1:9002]}\n" +
                                    rollouts + "routes:\n  - {name: all, rollout: shop0}\n");
  ASSERT_EQ(more.problems.size(), 1U) << report_of(more);
  EXPECT_EQ(more.problems[0].message, "rollouts: more than 1000 names");
}

TEST(Load, WarnsOfAQuoteThatTakesKeysIntoAText) {
  std::string text = kSmall;
  const std::string rollout = "{stable: old, canary: new}";
  text.replace(text.find(rollout),
               rollout.size(),
               "\n    stable: old\n    canary: new\n    revision: \"2.4\n"
               "    mode: observe\n    start: manual\"");
  const LoadResult result = load_text(text);
  ASSERT_TRUE(result.config.has_value()) << report_of(result);
  std::vector<std::string> warnings;
  for (const Problem& problem : result.problems) {
    if (problem.line == 11) warnings.push_back(problem.message);
  }
  EXPECT_EQ(warnings, std::vector<std::string>{"this quoted text does not end on its line"})
      << report_of(result);

  const Formatted formatted = format("canaryd.yaml", text);
  EXPECT_EQ(formatted.text, std::nullopt) << "it would look as if it were meant";
  ASSERT_EQ(formatted.problems.size(), 1U);
  EXPECT_EQ(formatted.problems[0].message, "this quoted text does not end on its line");
  EXPECT_EQ(formatted.problems[0].line, 11U);

  // Text may be long.
  const std::string taken = "\n    mode: observe\n    start: manual\"";
  text.replace(text.find(taken), taken.size(), "\n      and then some\"");
  EXPECT_EQ(report_of(load_text(text)).find("this quoted text"), std::string::npos);
  EXPECT_NE(format("canaryd.yaml", text).text, std::nullopt);
}

// What it takes is optional, and so the file would be valid without it.
TEST(Load, RefusesAQuoteThatNeverEnds) {
  const std::string rollout = "{stable: old, canary: new}";
  std::string start = kSmall;
  const std::string routes = start.substr(start.find("routes:"));
  start.erase(start.find("routes:"));
  start.insert(start.find("rollouts:"), routes);
  for (const char* const quote : {"\"", "'"}) {
    for (const char* const end : {"\n", "", "\n\n  \n", "\n  ", "\r\n", "\\\n"}) {
      std::string text = start;
      text.replace(text.find(rollout),
                   rollout.size(),
                   std::string("\n    stable: old\n    canary: new\n    revision: ") + quote +
                       "2.4\n    on_failure: hold");
      text.pop_back();
      const LoadResult result = load_text(text + end);
      EXPECT_FALSE(result.config.has_value()) << text;
      ASSERT_EQ(result.problems.size(), 1U) << report_of(result);
      const Problem& problem = result.problems[0];
      EXPECT_EQ(problem.message, "this quoted text never ends");
      EXPECT_EQ(problem.line, 13U);
      EXPECT_EQ(problem.column, 15U);
    }
  }
}

// Its list item goes on behind the text.
TEST(Load, FindsAQuoteBehindABlockOfText) {
  const std::string text =
      "a:\n  - query: |\n      sum(x)\n    name: \"one\n    more: 1\n    last: \"two\n";
  const LoadResult result = load_text(text);
  ASSERT_EQ(result.problems.size(), 1U) << report_of(result);
  EXPECT_EQ(result.problems[0].message, "this quoted text does not end on its line");
  EXPECT_EQ(result.problems[0].line, 4U);
  for (const char* const good :
       {"a:\n  - |\n    \"x\n    b: 1\n", "a:\n  - b: |\n      \"x\n      c: 1\n    d: 1\n"}) {
    EXPECT_EQ(report_of(load_text(good)).find("quoted text"), std::string::npos) << good;
  }
}

TEST(Load, ResolvesReferencesToIndices) {
  const Config config = config_of(load_text(kSmall));
  const Rollout& rollout = config.rollouts.at(0);
  EXPECT_EQ(config.upstream(rollout.stable).name, "old");
  EXPECT_EQ(config.upstream(rollout.canary).name, "new");
  EXPECT_EQ(rollout.plan.stable, "old");
  EXPECT_EQ(rollout.plan.canary, "new");
  EXPECT_EQ(rollout.plan.name, "shop");
  EXPECT_EQ(rollout.plan.salt, "shop");
  ASSERT_TRUE(config.routes.at(0).rollout.has_value());
  EXPECT_EQ(config.rollout(*config.routes[0].rollout).name, "shop");
  EXPECT_FALSE(config.routes[0].upstream.has_value());
  EXPECT_EQ(config.find_upstream("new"), UpstreamId(1));
  EXPECT_EQ(config.find_rollout("none"), std::nullopt);
}

TEST(Load, MergesDefaultsUnderEachRollout) {
  const Config config = config_of(load_text(R"(version: 1
listeners: [{name: edge, address: 0.0.0.0:8080}]
upstreams:
  monolith: {endpoints: [10.0.0.5:80]}
  orders: {endpoints: [10.0.1.10:8080]}
  catalog: {endpoints: [10.0.2.10:8080]}
defaults:
  rollout:
    stable: monolith
    steps: [{weight: 2}, {weight: 100}]
    analysis: {false_accept: 2, tolerance: {errors: {relative: 20, absolute: 0.5}}}
rollouts:
  orders: {canary: orders, analysis: {tolerance: {errors: {absolute: 1}}}}
  catalog: {canary: catalog, stable: orders, steps: [{weight: 100}]}
routes:
  - {name: a, match: {path_prefix: /a}, rollout: orders}
  - {name: b, rollout: catalog}
)"));
  const Rollout& orders = config.rollouts.at(0);
  EXPECT_EQ(orders.plan.stable, "monolith");
  EXPECT_EQ(orders.plan.steps.size(), 2U);
  EXPECT_DOUBLE_EQ(orders.analysis.false_accept, 0.02);
  EXPECT_DOUBLE_EQ(orders.analysis.tolerance.errors.relative, 0.2);
  EXPECT_DOUBLE_EQ(orders.analysis.tolerance.errors.absolute, 0.01) << "its own wins";
  const Rollout& catalog = config.rollouts.at(1);
  EXPECT_EQ(catalog.plan.stable, "orders");
  EXPECT_EQ(catalog.plan.steps.size(), 1U) << "lists replace";
}

TEST(Load, ExpandsVariablesInValues) {
  const std::string text = std::string(kSmall) + R"(state: {dir: "${DIR}/x"}
workers: ${WORKERS:-3}
log: {level: "${EMPTY:-warn}"}
)";
  const Config config = config_of(load_text(text, {{"DIR", "/tmp/$${A}: b"}, {"EMPTY", ""}}));
  EXPECT_EQ(config.state.dir, "/tmp/$${A}: b/x") << "what a variable holds is not expanded again";
  EXPECT_EQ(config.workers, 3U);
  EXPECT_EQ(config.log.level, LogLevel::kWarn);
}

TEST(Load, VariablesCannotBringInStructure) {
  const std::string text = std::string(kSmall) + "log: ${LOG}\n";
  const LoadResult result = load_text(text, {{"LOG", "{level: debug}"}});
  EXPECT_FALSE(result.config.has_value());
  EXPECT_EQ(result.problems.at(0).message, "log: expected a map, got \"{level: debug}\"");
}

TEST(Load, AppliesOverridesBeforeValidation) {
  const Overrides overrides = {{"workers", "2"},
                               {"drain.timeout", "1m"},
                               {"listeners[0].address", "[::1]:8081"},
                               {"listeners.0.trusted_proxies", "[10.0.0.0/8, \"fd00::/8\"]"},
                               {"rollouts.shop.revision", "a: b"},
                               {"workers", "5"}};
  const Config config = config_of(load_text(kSmall, {}, overrides));
  EXPECT_EQ(config.workers, 5U) << "the last one wins";
  EXPECT_EQ(config.drain.timeout, 1min);
  EXPECT_EQ(to_string(config.listeners.at(0).address), "[::1]:8081");
  EXPECT_EQ(config.listeners[0].trusted_proxies.size(), 2U);
  EXPECT_EQ(config.rollouts.at(0).plan.revision, "a: b");
}

TEST(Load, ProblemsOfOverridesNameThem) {
  const Overrides overrides = {{"workers", "many"},
                               {"drian.timeout", "1s"},
                               {"listeners[7].address", "127.0.0.1:1"},
                               {"a..b", "1"},
                               {"rollouts.shop.steps", "[{weight: 0}]"}};
  const LoadResult result = load_text(kSmall, {}, overrides);
  EXPECT_FALSE(result.config.has_value());
  EXPECT_EQ(
      report_of(result),
      "--set workers: error: workers: expected auto or an integer from 1 to 64, got \"many\"\n"
      "--set drian.timeout: error: unknown key \"drian\"; did you mean \"drain\"?\n"
      "--set listeners[7].address: error: there is no \"7\" in the file to set\n"
      "--set a..b: error: \"a..b\" is not a path of keys; "
      "write it as in drain.timeout or listeners[0].address\n"
      "--set rollouts.shop.steps: error: rollouts.shop.steps[0].weight: expected a percentage "
      "from 0.01 to 100 with at most two decimals, got \"0\"\n"
      "5 problems (5 errors) in canaryd.yaml\n");
}

TEST(Load, SplitsOverrides) {
  EXPECT_EQ(split_override("a.b=c=d"), (std::pair<std::string, std::string>("a.b", "c=d")));
  EXPECT_EQ(split_override("a="), (std::pair<std::string, std::string>("a", "")));
  EXPECT_EQ(split_override("=a"), std::nullopt);
  EXPECT_EQ(split_override("a"), std::nullopt);
}

TEST(Load, ACanaryThatIsWarmTooLateForItsFirstStepIsWarnedOf) {
  LoadInput input;
  input.file_name = "canaryd.yaml";
  input.text = kSmall;
  const auto is_warned = [&input] {
    const LoadResult loaded = load(input);
    EXPECT_TRUE(loaded.config.has_value()) << report_of(loaded);
    return report_of(loaded).find("over before analysis.warm_up") != std::string::npos;
  };
  input.overrides = {{"rollouts.shop.analysis.warm_up", "59m"}};
  EXPECT_FALSE(is_warned());
  input.overrides = {{"rollouts.shop.analysis.warm_up", "1h"}};
  EXPECT_TRUE(is_warned());
  input.overrides.emplace_back("rollouts.shop.analysis.latency_quantiles", "[]");
  EXPECT_FALSE(is_warned()) << "no latency, no warm-up";
}

TEST(Load, WarningsAreErrorsWhenStrict) {
  LoadInput input;
  input.file_name = "canaryd.yaml";
  input.text = std::string(kSmall) + "";
  input.overrides = {{"rollouts.shop.bake.holdback", "1"}};
  input.text.replace(input.text.find("rollouts:"), 0, "  spare: {endpoints: [127.0.0.1:9003]}\n");
  const LoadResult lax = load(input);
  EXPECT_TRUE(lax.config.has_value());
  ASSERT_EQ(lax.problems.size(), 1U);
  EXPECT_EQ(lax.problems[0].severity, Severity::kWarning);
  input.strict = true;
  const LoadResult strict = load(input);
  EXPECT_FALSE(strict.config.has_value());
  EXPECT_EQ(count_errors(strict.problems), 1U);
}

TEST(Load, ReadsEveryForm) {
  const Config config = config_of(load_text(R"(version: 1
listeners:
  - name: public
    address: 127.0.0.1:0
    limits: {body_bytes: 10MiB}
    timeouts: {keep_alive: 0s}
upstreams:
  old: {endpoints: [{address: "[::1]:9001"}, 127.0.0.1:9001], load_balancer: round_robin, retries: {attempts: 0, on: []}}
  new: {endpoints: [127.0.0.1:9002], retries: {on: [connect_failure]}}
rollouts:
  shop:
    stable: old
    canary: new
    start: manual
    cohort:
      keys: [{query: user}, {header: X-User-Id}, {cookie: id}]
      issue_cookie: {name: id, max_age: 1h, same_site: none, secure: always}
      force: {header: X-Canary, trusted_only: false}
      salt: "a b"
    steps: [{weight: 0.01, min_duration: 0s, min_requests: 5, max_duration: 2d, gate: qa}, {weight: 12.5}, {weight: 100}]
    analysis: {errors: {status: [503, 4xx, 500-501], reset: false}, burst_guard: 2}
    on_failure: step_down
    on_inconclusive: promote
    bake: {duration: 0s}
routes:
  - {name: a, match: {host: a.example.com, path_exact: /x, methods: [GET], headers: [{name: A, equals: b}, {name: C}]}, upstream: old}
  - {name: b, rollout: shop}
log: {level: debug, format: text}
metrics: {latency_buckets: [0.1, 1]}
)"));
  EXPECT_EQ(config.listeners.at(0).limits.body_bytes, 10U * 1024 * 1024);
  EXPECT_EQ(to_string(config.upstreams.at(0).endpoints.at(0).address), "[::1]:9001");
  EXPECT_FALSE(config.upstreams[0].retries.on_connect_failure);
  EXPECT_TRUE(config.upstreams.at(1).retries.on_connect_failure);
  EXPECT_FALSE(config.upstreams[1].retries.on_reset_before_headers);
  const Rollout& rollout = config.rollouts.at(0);
  EXPECT_EQ(rollout.plan.start, rollout::StartMode::kManual);
  EXPECT_EQ(rollout.cohort.keys.at(0), (CohortKey{KeySource::kQuery, "user"}));
  EXPECT_EQ(rollout.cohort.keys.at(2), (CohortKey{KeySource::kCookie, "id"}));
  EXPECT_EQ(rollout.cohort.issue_cookie->same_site, SameSite::kNone);
  EXPECT_FALSE(rollout.cohort.force->trusted_only);
  EXPECT_EQ(rollout.cohort.salt, "a b");
  EXPECT_EQ(rollout.plan.steps.at(0).weight, BasisPoints(1));
  EXPECT_EQ(rollout.plan.steps[0].gate, "qa");
  EXPECT_EQ(rollout.plan.steps.at(1).weight, BasisPoints(1250));
  EXPECT_TRUE(rollout.analysis.errors.has_status(418));
  EXPECT_FALSE(rollout.analysis.errors.has_status(502));
  EXPECT_EQ(rollout.plan.on_failure, rollout::OnFailure::kStepDown);
  const Match& match = config.routes.at(0).match;
  EXPECT_EQ(match.path_kind, Match::Path::kExact);
  EXPECT_EQ(match.headers.at(0).equals, "b");
  EXPECT_EQ(match.headers.at(1).equals, std::nullopt);
}

TEST(Problems, RenderAsJson) {
  const LoadResult result = load_text(std::string(kSmall) + "wokers: 3\n");
  EXPECT_EQ(render_problems_json(result.problems, "canaryd.yaml"),
            R"({"file":"canaryd.yaml","valid":false,"errors":1,"problems":[{"file":"canaryd.yaml",)"
            R"("line":11,"column":1,"severity":"error","message":"unknown key \"wokers\"",)"
            R"("hint":"did you mean \"workers\"?"}],"feasibility":[]})");
  EXPECT_EQ(render_problems_json({}, "x"),
            R"({"file":"x","valid":true,"errors":0,"problems":[],"feasibility":[]})");
}

}  // namespace
}  // namespace canaryd::config
