// Manifests of Argo Rollouts and Flagger as people have them: what of them is not the same in
// canaryd is told, and never makes a rollout that goes further by itself than it would have gone
// there.
#include "canaryd/base/units.hpp"
#include "unit/convert/run.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <string>

namespace canaryd::convert {
namespace {

std::string flagger(const std::string& analysis) {
  return "kind: Canary\nmetadata: {name: shop}\nspec:\n  analysis:\n" + analysis;
}

// What Flagger asks for before it promotes is never promoted unasked.
TEST(ConvertUsual, KeepsTheGateBeforePromotion) {
  const std::string gate =
      "    webhooks:\n    - {name: gate, type: confirm-promotion, url: \"https://x.test/\"}\n";
  const auto steps_of = [&](const std::string& weights) {
    const auto config = loaded(run(Source::kFlagger, flagger(weights + gate)));
    std::string out;
    if (!config) return out;
    const rollout::Plan& plan = config->rollouts.at(0).plan;
    if (plan.start == rollout::StartMode::kManual) out += "manual ";
    for (const rollout::Step& step : plan.steps) {
      out += format_percent(step.weight) + (step.gate.empty() ? " " : "! ");
    }
    return out;
  };
  EXPECT_EQ(steps_of("    iterations: 10\n"), "1 5 10 25! 100 ");
  EXPECT_EQ(steps_of(""), "1 5 10 25! 100 ");
  EXPECT_EQ(steps_of("    stepWeights: [20, 60]\n"), "20 60! 100 ");
  EXPECT_EQ(steps_of("    stepWeights: [20, 60, 100]\n"), "20 60! 100 ");
  EXPECT_EQ(steps_of("    stepWeight: 100\n"), "manual 100 ");
  EXPECT_TRUE(warns(run(Source::kFlagger, flagger("    stepWeight: 100\n" + gate)),
                    {7,
                     "the webhook \"gate\" (confirm-promotion) has no step below 100 % to wait at: "
                     "the rollout waits for `canaryctl start shop`, and nobody asks the address"}));
}

std::string queries_of(const Conversion& result) {
  std::string out;
  const auto config = loaded(result);
  if (!config) return out;
  for (const auto& query : config->rollouts.at(0).queries) out += query.name + " ";
  return out;
}

TEST(ConvertUsual, GivesQueriesNamesOfTheirOwn) {
  const Conversion result = run(Source::kFlagger,
                                flagger("    webhooks:\n"
                                        "    - {name: load, url: \"http://x.test/\"}\n"
                                        "    - {name: load, url: \"http://x.test/\"}\n"
                                        "    - {name: Load, url: \"http://x.test/2\"}\n"));
  EXPECT_EQ(queries_of(result), "load load-2 ");
  EXPECT_TRUE(warns(result, {8, "the name \"load\" is taken: this one is \"load-2\" here"}));
  const std::string metric = "    - {name: lat, templateRef: {name: t}, thresholdRange: {max: ";
  EXPECT_EQ(queries_of(run(Source::kFlagger,
                           flagger("    metrics:\n" + metric + "5}}\n" + metric + "6}}\n" +
                                   "---\nkind: MetricTemplate\nmetadata: {name: t}\nspec:\n"
                                   "  provider: {type: prometheus, address: \"http://p\"}\n"
                                   "  query: up\n"))),
            "lat lat-2 ");
  std::string many = "    webhooks:\n";
  for (int i = 0; i < 20; ++i) {
    many += "    - {name: x, url: \"http://x.test/" + std::to_string(i) + "\"}\n";
  }
  const Conversion full = run(Source::kFlagger, flagger(many));
  EXPECT_EQ(loaded(full)->rollouts.at(0).queries.size(), 16U);
  EXPECT_TRUE(warns(full, {22, "a rollout has at most 16 queries: the rest is left out"}));
}

TEST(ConvertUsual, ReadsTheListsOfKubectl) {
  const std::string rollout =
      "- kind: Rollout\n  metadata: {name: x}\n  spec: {strategy: {canary: {steps: [{setWeight: "
      "5}]}}}\n";
  EXPECT_EQ(all_errors(run(Source::kArgo, "kind: List\nitems:\n" + rollout)), "");
  EXPECT_EQ(all_errors(run(Source::kFlagger,
                           "kind: CanaryList\nitems:\n- metadata: {name: x}\n  spec: {}\n")),
            "");
  EXPECT_EQ(
      first_error(run(Source::kArgo, "kind: List\nitems:\n" + rollout + rollout)).substr(0, 3),
      "6: ");
  EXPECT_EQ(first_error(run(Source::kArgo, "kind: List\nitems:\n" + rollout + "- 5\n")),
            "6: expected a map with apiVersion and kind");
  EXPECT_EQ(first_error(run(Source::kArgo, "kind: List\nitems: []\n")),
            "0: there is no document of kind Rollout in the file");
  std::string long_list = "kind: List\nitems:\n";
  for (int i = 0; i < 200; ++i) long_list += "- kind: Service\n";
  EXPECT_EQ(first_error(run(Source::kArgo, long_list)), "103: more than 100 documents");
}

TEST(ConvertUsual, PassesOverDirectivesOfYaml) {
  const std::string rollout =
      "kind: Rollout\nmetadata: {name: x}\nspec: {strategy: {canary: {}}}\n";
  EXPECT_EQ(all_errors(run(Source::kArgo, "%YAML 1.2\n---\n" + rollout)), "");
  EXPECT_EQ(all_errors(run(Source::kArgo,
                           "# x\n%YAML 1.2\n---\nkind: Service\n...\n%YAML 1.2\n---\n" + rollout)),
            "");
  EXPECT_EQ(first_error(run(Source::kArgo, "%YAML 1.2\n---\n")),
            "0: there is no document in the file");
}

// "REVISION PORT" of a Rollout with these containers; the port is that of the canary, whose Service
// is not in the file.
std::string version_of(const std::string& containers, const std::string& target, bool warned) {
  const Conversion result =
      run(Source::kArgo,
          "kind: Rollout\nmetadata: {name: shop}\nspec:\n  template:\n    spec:\n"
          "      containers:\n" +
              containers +
              "  strategy: {canary: {stableService: s, canaryService: c}}\n"
              "---\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80" +
              (target.empty() ? "" : ", targetPort: " + target) + "}]}\n");
  EXPECT_EQ(warnings_with(result, "has several containers"), warned ? 1U : 0U);
  const auto config = loaded(result);
  if (!config) return "no configuration";
  return config->rollouts.at(0).plan.revision + " " +
         std::to_string(config->upstreams.at(1).discovery->port);
}

TEST(ConvertUsual, TakesTheContainerThatIsReleased) {
  const std::string sidecar =
      "      - {name: istio, image: \"istio/proxyv2:1.20\", ports: "
      "[{name: http, containerPort: 15001}]}\n";
  const std::string app =
      "      - {name: web, image: \"r:5000/shop:2\", ports: [{containerPort: 9090}, {name: http, "
      "containerPort: 8080}]}\n";
  const std::string other =
      "      - {name: cache, image: \"redis:7\", ports: [{containerPort: 6379}]}\n";
  const std::string called =
      "      - {name: shop, image: \"x:3\", ports: [{containerPort: 3000}]}\n";
  EXPECT_EQ(version_of(app, "", false), "2 9090");
  EXPECT_EQ(version_of(sidecar + app, "http", true), "2 8080");
  EXPECT_EQ(version_of(sidecar + app, "", true), "2 9090");
  EXPECT_EQ(version_of(sidecar + other + app, "8080", true), "2 8080");
  EXPECT_EQ(version_of(other + app + called, "", true), "3 3000");
  EXPECT_EQ(version_of(other + app, "", true), "7 6379");
  EXPECT_EQ(version_of(sidecar, "", false), "1.20 15001");
}

// "STABLE CANARY": the ports of two Services with these.
std::string ports_of(const std::string& stable, const std::string& canary, std::size_t warned) {
  const Conversion result =
      run(Source::kArgo,
          "kind: Rollout\nmetadata: {name: shop}\nspec:\n"
          "  strategy: {canary: {stableService: s, canaryService: c}}\n"
          "---\nkind: Service\nmetadata: {name: s}\nspec: {ports: [" +
              stable + "]}\n---\nkind: Service\nmetadata: {name: c}\nspec: {ports: [" + canary +
              "]}\n");
  EXPECT_EQ(warnings_with(result, "has several ports"), warned);
  const auto config = loaded(result);
  if (!config) return "no configuration";
  return std::to_string(config->upstreams.at(0).discovery->port) + " " +
         std::to_string(config->upstreams.at(1).discovery->port);
}

TEST(ConvertUsual, TakesOnePortOfBothServices) {
  const std::string metrics = "{name: metrics, port: 9090}";
  const std::string http = "{name: http, port: 80}";
  EXPECT_EQ(ports_of(metrics + ", " + http, "{port: 80}", 1), "80 80");
  EXPECT_EQ(ports_of("{port: 80}", metrics + ", " + http, 1), "80 80");
  EXPECT_EQ(ports_of(metrics + ", " + http, metrics + ", " + http, 2), "80 80");
  EXPECT_EQ(ports_of(metrics + ", " + http, "{name: http, port: 8080}, " + metrics, 2), "80 8080");
  EXPECT_EQ(ports_of("{port: 1}, {port: 2}", "{port: 2}, {port: 3}", 2), "2 2");
  EXPECT_EQ(ports_of(metrics + ", {name: http-web, port: 8000}", "{port: 80}", 1), "8000 80");
  EXPECT_EQ(ports_of(metrics, http, 0), "9090 80");
}

std::string argo(const std::string& steps) {
  return "kind: Rollout\nmetadata: {name: shop}\nspec:\n  strategy:\n    canary:\n      steps:\n" +
         steps;
}

// A Rollout whose only metric has these lines.
Conversion metric_of(const std::string& lines) {
  return run(Source::kArgo,
             "kind: Rollout\nmetadata: {name: shop}\nspec:\n"
             "  strategy: {canary: {analysis: {templates: [{templateName: t}]}}}\n"
             "---\nkind: AnalysisTemplate\nmetadata: {name: t}\nspec:\n  metrics:\n"
             "  - name: errors\n"
             "    provider: {prometheus: {address: \"http://p\", query: up}}\n" +
                 lines);
}

TEST(ConvertUsual, BearsNoFailureThatArgoDoesNotBear) {
  const auto failures = [](const std::string& limit, std::size_t warned) -> std::uint32_t {
    const Conversion result = metric_of("    successCondition: result[0] >= 1\n" + limit);
    EXPECT_EQ(warnings_with(result, "failureLimit"), warned) << limit;
    const auto config = loaded(result);
    return config ? config->rollouts.at(0).queries.at(0).failures : 0;
  };
  EXPECT_EQ(failures("", 0), 1U);
  EXPECT_EQ(failures("    failureLimit: 0\n", 0), 1U);
  EXPECT_EQ(failures("    failureLimit: 2\n", 1), 3U);
  EXPECT_EQ(failures("    failureLimit: -1\n", 1), config::Query().failures);
}

// A bound of a query is a good value itself.
TEST(ConvertUsual, KeepsABoundThatIsBadItself) {
  const auto query = [](const std::string& condition, std::size_t warned) {
    const Conversion result = metric_of("    successCondition: " + condition + "\n");
    EXPECT_EQ(warnings_with(result, "itself is bad"), warned) << condition;
    const auto config = loaded(result);
    return config ? config->rollouts.at(0).queries.at(0) : config::Query();
  };
  EXPECT_EQ(query("result[0] >= 0.95", 0).min, 0.95);
  EXPECT_EQ(query("result <= 1", 0).max, 1);
  for (const double number : {0.0, 1.0, -2.5, 0.95, 1000.0}) {
    const std::string text = std::to_string(number);
    const config::Query above = query("result[0] > " + text, 1);
    EXPECT_GT(above.min, number);
    EXPECT_EQ(above.min, number == 0 ? 1e-12 : std::nextafter(number, 1e9));
    EXPECT_FALSE(above.max);
    const config::Query below = query("result[0] < " + text, 1);
    EXPECT_LT(below.max, number);
    EXPECT_EQ(below.max, number == 0 ? -1e-12 : std::nextafter(number, -1e9));
    EXPECT_FALSE(below.min);
  }
  EXPECT_TRUE(warns(metric_of("    successCondition: result[0] < 1\n"),
                    {10,
                     "the metric \"errors\": 1 itself is bad, so max is just beside it, "
                     "0.9999999999999999"}));
}

TEST(ConvertUsual, ReadsTheDurationsOfGo) {
  const auto pause = [](const std::string& written) -> std::optional<Duration> {
    const auto config = loaded(run(
        Source::kArgo, argo("      - setWeight: 5\n      - pause: {duration: " + written + "}\n")));
    if (!config) return std::nullopt;
    return config->rollouts.at(0).plan.steps.at(0).min_duration;
  };
  EXPECT_EQ(pause("1.5h"), std::chrono::minutes(90));
  EXPECT_EQ(pause("1h0.5m"), std::chrono::minutes(60) + std::chrono::seconds(30));
  EXPECT_EQ(pause("90"), std::chrono::seconds(90));
  for (const char* const wrong : {"1.5y", "1.5", "-1.5h", "inf", "1..5h", "1e300h", "1.5h!"}) {
    const Conversion result = run(
        Source::kArgo,
        argo("      - setWeight: 5\n      - pause: {duration: \"" + std::string(wrong) + "\"}\n"));
    EXPECT_EQ(result.errors.size(), 1U) << wrong;
    EXPECT_EQ(warnings_with(result, "is a gate"), 0U) << wrong;
  }
}

TEST(ConvertUsual, APauseBeforeTheFirstWeightWaitsForItsStart) {
  const auto start = [](const std::string& before) {
    const Conversion result = run(Source::kArgo, argo(before + "      - setWeight: 10\n"));
    const auto config = loaded(result);
    const bool manual = config && config->rollouts.at(0).plan.start == rollout::StartMode::kManual;
    EXPECT_EQ(warnings_with(result, "waits for `canaryctl start shop`"), manual ? 1U : 0U);
    return manual;
  };
  EXPECT_TRUE(start("      - pause: {}\n"));
  EXPECT_TRUE(start("      - setWeight: 0\n      - pause: {}\n"));
  EXPECT_FALSE(start("      - pause: {duration: 1h}\n"));
  EXPECT_FALSE(start(""));
}

TEST(ConvertUsual, LeavesOutADigestThatThereIsNoRoomFor) {
  const std::string digest = "@sha256:" + std::string(64, 'a');
  const auto revision = [](const std::string& image) {
    const std::string version =
        version_of("      - {name: x, image: \"" + image + "\"}\n", "", false);
    return version.substr(0, version.find(' '));
  };
  EXPECT_EQ(revision("r:5000/shop:2.4" + digest), "2.4" + digest);
  const std::string longest(128, 't');
  EXPECT_EQ(revision("shop:" + longest + digest), longest);
  EXPECT_EQ(revision("shop" + digest), std::string(64, 'a'));
  EXPECT_EQ(revision("r:5000/shop"), "");
}

}  // namespace
}  // namespace canaryd::convert
