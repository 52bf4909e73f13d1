// What would be more open, or lead elsewhere, than in the file that is converted: each place of it
// is told.
#include "unit/convert/run.hpp"

#include <gtest/gtest.h>

#include <string>

namespace canaryd::convert {
namespace {

TEST(ConvertLost, EachGuardIsNamed) {
  const Conversion result = servers_of(
      "server { server_name x.test; auth_basic on;\n"
      "location / { if ($http_x) { set $y 1; } proxy_pass http://$way; }\n"
      "location /a/ { if ($http_x) { return 403; } proxy_pass http://a; }\n"
      "location /b/ { rewrite ^ /c break; proxy_pass http://b; }\n"
      "location /c/ { rewrite ^ /d break; proxy_pass http://b; } }\n"
      "server { server_name y.test; auth_basic on; location / { proxy_pass http://a; } }\n"
      "server { server_name y.test; auth_basic on; location /y/ { proxy_pass http://b; } }\n");
  const std::string open = " is not carried over: it keeps nobody out here";
  EXPECT_TRUE(warns(result, {4, "auth_basic of server x.test" + open}));
  EXPECT_TRUE(warns(result, {5, "if of location / is not carried over"}));
  EXPECT_TRUE(warns(result, {6, "if of location /a/" + open}));
  EXPECT_TRUE(warns(result, {7, "rewrite of location /b/ is not carried over"}));
  EXPECT_TRUE(warns(result, {8, "rewrite of location /c/ is not carried over"}));
  EXPECT_TRUE(warns(result, {9, "auth_basic of server y.test" + open}));
  EXPECT_TRUE(warns(result, {10, "auth_basic of server y.test" + open}));
}

// nginx has it for its own address, where nobody else may come.
TEST(ConvertLost, AServerWithoutANameThatIsNotTheDefaultHasNoRoutes) {
  for (const char* const name : {"", "server_name _; ", "server_name \"\"; "}) {
    const Conversion result = servers_of(
        "server { listen 80; server_name x.test; location / { proxy_pass http://$way; } }\n"
        "server { listen 127.0.0.1:81; " +
        std::string(name) + "location / { proxy_pass http://b; } }\n");
    EXPECT_EQ(ways_of(result), "* / way\n");
    EXPECT_TRUE(warns(result,
                      {5,
                       "server of line 5 is left out: it has no name and is not the first, or "
                       "default, server, whose routes are for every host here"}));
    EXPECT_TRUE(warns(result,
                      {5,
                       "listen 127.0.0.1:81 is not carried over: see --listen; each server is "
                       "served on every listener here"}));
  }
}

TEST(ConvertLost, APrefixOfCharactersIsOneOfSegments) {
  const Conversion result = servers_of(
      "server {\nlocation / { proxy_pass http://$way; }\n"
      "location /img- { proxy_pass http://a; }\nlocation /b/ { proxy_pass http://b; }\n"
      "location = /c { proxy_pass http://b; } }\n");
  EXPECT_TRUE(warns(result,
                    {6,
                     "location /img- takes whole segments of a path here: not /img-x, which nginx "
                     "sends there too"}));
  EXPECT_EQ(warnings_with(result, "whole segments"), 1U);
}

TEST(ConvertLost, ANameAndAllBelowItKeepsItsName) {
  const Conversion result = servers_of(
      "server { server_name x.test; location / { proxy_pass http://$way; } }\n"
      "server { server_name .y.test; location / { proxy_pass http://b; } }\n");
  EXPECT_EQ(ways_of(result), "* / way\ny.test / b\n");
  EXPECT_TRUE(warns(result, {5, "server_name *.y.test is left out: hosts are whole names"}));
}

const std::string kCanary =
    "apiVersion: flagger.app/v1beta1\nkind: Canary\nmetadata: {name: w, namespace: prod}\n"
    "spec:\n  targetRef: {kind: Deployment, name: w}\n  service: {port: 80}\n"
    "  analysis:\n    interval: 1m\n    threshold: 2\n    stepWeights: [10, 50]\n"
    "    metrics:\n    - {name: lag, templateRef: {name: lag%}, thresholdRange: {max: 5}}\n";

std::string metric_template(const std::string& name_space) {
  return "---\nkind: MetricTemplate\nmetadata: {name: lag, namespace: " + name_space +
         "}\nspec: {provider: {type: prometheus, address: \"http://p:9090\"}, query: of_" +
         name_space + "}\n";
}

TEST(ConvertLost, ATemplateIsThatOfItsNameSpace) {
  const auto query_of = [](const std::string& reference, const std::string& templates) {
    std::string text = kCanary;
    text.replace(text.find('%'), 1, reference);
    const auto config = loaded(run(Source::kFlagger, text + templates));
    if (!config || config->rollouts.at(0).queries.empty()) return std::string("none");
    return config->rollouts.at(0).queries[0].query;
  };
  const std::string both = metric_template("staging") + metric_template("prod");
  EXPECT_EQ(query_of("", both), "of_prod");
  EXPECT_EQ(query_of(", namespace: staging", both), "of_staging");
  EXPECT_EQ(query_of(", namespace: other", both), "none");
}

TEST(ConvertLost, WeightsArePartsOfTheWholeAndDryRunsAreNone) {
  const Conversion result = run(
      Source::kArgo,
      "kind: Rollout\nmetadata: {name: w}\nspec:\n"
      "  template: {spec: {containers: [{name: w, image: \"w:2\", ports: [{containerPort: "
      "80}]}]}}\n"
      "  strategy:\n    canary:\n      stableService: s\n      canaryService: c\n"
      "      trafficRouting: {maxTrafficWeight: 1000}\n"
      "      analysis:\n        templates: [{templateName: t, clusterScope: true}]\n"
      "        dryRun: [{metricName: watched}]\n"
      "      steps: [{setWeight: 5}, {setWeight: 500}]\n"
      "---\nkind: AnalysisTemplate\nmetadata: {name: t}\nspec:\n  metrics:\n"
      "  - {name: of-space, successCondition: \"result[0] <= 1\", provider: {prometheus: {address: "
      "\"http://p:9090\", query: a}}}\n"
      "---\nkind: ClusterAnalysisTemplate\nmetadata: {name: t}\nspec:\n  metrics:\n"
      "  - {name: of-cluster, successCondition: \"result[0] <= 1\", provider: {prometheus: "
      "{address: \"http://p:9090\", query: b}}}\n"
      "  - {name: watched, successCondition: \"result[0] <= 1\", provider: {prometheus: {address: "
      "\"http://p:9090\", query: c}}}\n");
  const auto config = loaded(result);
  ASSERT_TRUE(config);
  const config::Rollout& rollout = config->rollouts.at(0);
  ASSERT_EQ(rollout.plan.steps.size(), 3U);
  EXPECT_EQ(rollout.plan.steps[0].weight, BasisPoints(50));
  EXPECT_EQ(rollout.plan.steps[1].weight, BasisPoints(5000));
  ASSERT_EQ(rollout.queries.size(), 1U);
  EXPECT_EQ(rollout.queries[0].name, "of-cluster");
  EXPECT_EQ(warnings_with(result, "\"watched\" is not carried over: it is a dry run"), 1U);
}

}  // namespace
}  // namespace canaryd::convert
