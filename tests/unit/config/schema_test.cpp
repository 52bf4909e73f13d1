// The texts that are made from the field table, and the files that must agree with it.
#include "canaryd/config/schema.hpp"

#include "unit/config/load_support.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace canaryd::config {
namespace {

std::string path_of(const std::string& name) {
  return std::string(CANARYD_SOURCE_DIR) + "/" + name;
}

std::string read(const std::string& name) {
  const std::ifstream file(path_of(name), std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

const char* const kShipped[] = {"config/canaryd.yaml",
                                "config/examples/sidecar.yaml",
                                "config/examples/edge.yaml",
                                "config/examples/queries.yaml",
                                "config/examples/rings.yaml",
                                "config/examples/staged.yaml",
                                "config/examples/strangler.yaml",
                                "config/examples/versions.yaml"};

TEST(Shipped, FilesLoadWithoutAProblem) {
  for (const char* name : kShipped) {
    const LoadResult result = load_text(read(name));
    EXPECT_EQ(report_of(result), "") << name;
    EXPECT_TRUE(result.config.has_value()) << name;
  }
}

TEST(Shipped, ReferenceFileShowsTheDefaults) {
  // Where the commented file says "default", it must say the truth: what it does not set on purpose
  // is equal to a file that sets nothing.
  Config full = *load_text(read("config/canaryd.yaml")).config;
  Config small = *load_text(kSmall).config;
  for (Config* each : {&full, &small}) each->rollouts.at(0).analysis.routes.clear();  // Derived.
  full.rollouts.at(0).analysis.watch.clear();
  full.rollouts.at(0).analysis.segments.clear();
  EXPECT_TRUE(full.rollouts.at(0).analysis.limits.any());
  full.rollouts[0].analysis.limits = {};
  EXPECT_EQ(full.listeners.at(0).limits, small.listeners.at(0).limits);
  EXPECT_EQ(full.listeners[0].timeouts, small.listeners[0].timeouts);
  EXPECT_EQ(full.upstreams.at(0).timeouts, small.upstreams.at(0).timeouts);
  EXPECT_EQ(full.upstreams[0].retries, small.upstreams[0].retries);
  EXPECT_EQ(full.upstreams[0].health_check, HealthCheck{});
  EXPECT_EQ(full.upstreams[0].outlier_detection, OutlierDetection{});
  // Set in the one, and by default not at all.
  analysis::Settings& settings = full.rollouts.at(0).analysis;
  EXPECT_EQ(settings.tolerance.feedback, analysis::FeedbackTolerance{});
  settings.tolerance.feedback.reset();
  EXPECT_EQ(settings.tolerance.client_errors, analysis::Tolerance{});
  settings.tolerance.client_errors.reset();
  EXPECT_EQ(settings, small.rollouts.at(0).analysis);
  EXPECT_EQ(full.rollouts[0].plan.bake, small.rollouts[0].plan.bake);
  EXPECT_EQ(full.admin, small.admin);
  EXPECT_EQ(full.log, small.log);
  EXPECT_EQ(full.metrics, small.metrics);
  EXPECT_EQ(full.state, small.state);
  EXPECT_EQ(full.drain, small.drain);
}

TEST(Shipped, ReferenceFileHasEveryKey) {
  const auto schema = boost::json::parse(render_schema());
  const std::string text = read("config/canaryd.yaml");
  for (const auto& [name, definition] : schema.at("$defs").as_object()) {
    for (const auto& [key, property] : definition.at("properties").as_object()) {
      EXPECT_NE(text.find(std::string(key)), std::string::npos)
          << std::string(name) << "." << std::string(key);
    }
  }
  for (const auto& [key, property] : schema.at("properties").as_object()) {
    EXPECT_NE(text.find("\n" + std::string(key) + ":"), std::string::npos) << std::string(key);
  }
}

TEST(Dump, LoadsBackToTheSameConfig) {
  std::vector<std::string> texts = {kSmall,
                                    std::string(kSmall) + "state: {dir: \"$${X} ${Y:-$}{\"}\n"};
  for (const char* name : kShipped) texts.push_back(read(name));
  for (const std::string& text : texts) {
    const LoadResult first = load_text(text);
    ASSERT_TRUE(first.config.has_value()) << report_of(first);
    const std::string dump = render_dump(*first.config);
    const LoadResult second = load_text(dump);
    ASSERT_TRUE(second.config.has_value()) << report_of(second) << dump;
    EXPECT_EQ(*first.config, *second.config) << dump;
    EXPECT_EQ(render_dump(*second.config), dump);
  }
}

TEST(Dump, FillsInEveryDefault) {
  const std::string dump = render_dump(*load_text(kSmall).config);
  for (const char* line :
       {"workers: auto\n",
        "    protocols: [http1]\n",
        "keep_alive: 1m",
        "      - {weight: 1, min_duration: 10s, min_requests: 0, max_duration: 1h}\n",
        "false_rollback: 1",
        "absolute: 0.1",
        "state:\n  dir: /var/lib/canaryd\n",
        "salt: shop",
        "body_bytes: unlimited"}) {
    EXPECT_NE(dump.find(line), std::string::npos) << line << dump;
  }
}

TEST(Dump, ShowsOthersNoSecret) {
  const std::string text = R"(version: 1
listeners:
  - {name: public, address: 127.0.0.1:8080}
upstreams:
  old: {endpoints: [127.0.0.1:9001], health_check: {path: "/healthz?key=${SECRET}"}}
  new: {endpoints: [127.0.0.1:9002]}
rollouts:
  shop:
    stable: old
    canary: new
    analysis: {queries: [{name: ask, webhook: "http://ask/q?${SECRET}"}]}
    hooks:
      - {on: [held], http: {url: "http://chat/told?token=${SECRET}&x=1"}}
      - {on: [held], exec: [curl, "-H", "Authorization: ${SECRET}"]}
    retire: {hook: {exec: [curl, "http://host/?token=${SECRET}"]}}
routes:
  - {name: all, rollout: shop}
)";
  const LoadResult loaded = load_text(text, {{"SECRET", "s3cret"}});
  ASSERT_TRUE(loaded.config.has_value()) << report_of(loaded);
  const std::string masked = render_masked_dump(*loaded.config);
  EXPECT_EQ(masked.find("s3cret"), std::string::npos) << masked;
  for (const char* part : {R"("/healthz?key=***")",
                           R"("http://ask:80/q?***")",
                           R"("http://chat:80/told?token=***&x=***")",
                           R"([curl, "***", "***"])",
                           R"([curl, "***"])"}) {
    EXPECT_NE(masked.find(part), std::string::npos) << part << masked;
  }
  const LoadResult again = load_text(masked);
  ASSERT_TRUE(again.config.has_value()) << report_of(again) << masked;
  EXPECT_EQ(render_masked_dump(*again.config), masked);
  // Who wrote the file sees all of it.
  EXPECT_TRUE(*load_text(render_dump(*loaded.config)).config == *loaded.config);
}

TEST(Dump, JsonHasTheSameKeys) {
  const Config config = *load_text(kSmall).config;
  const auto json = boost::json::parse(render_config_json(config));
  EXPECT_EQ(json.at("rollouts").at("shop").at("stable").as_string(), "old");
  EXPECT_EQ(json.at("rollouts").at("shop").at("steps").as_array().size(), 5U);
  EXPECT_EQ(json.at("upstreams").at("old").at("retries").at("attempts").as_int64(), 1);
  EXPECT_TRUE(json.at("listeners").at(0).at("expose_cohort").is_bool());
}

TEST(Schema, IsJsonAndClosed) {
  const auto schema = boost::json::parse(render_schema());
  EXPECT_EQ(schema.at("additionalProperties").as_bool(), false);
  EXPECT_EQ(schema.at("required").as_array().size(), 4U);
  const auto& rollout = schema.at("$defs").at("rollout");
  EXPECT_EQ(rollout.at("required").as_array().size(), 2U);
  EXPECT_EQ(rollout.at("properties").at("on_failure").at("enum").as_array().size(), 3U);
  EXPECT_FALSE(schema.at("$defs").at("partial_rollout").as_object().contains("required"));
  for (const auto& [name, definition] : schema.at("$defs").as_object()) {
    EXPECT_EQ(definition.at("additionalProperties").as_bool(), false) << std::string(name);
  }
}

TEST(Docs, AreInStepWithTheFieldTable) {
  const std::string docs = render_docs();
  if (std::getenv("CANARYD_REWRITE_GOLDEN") != nullptr) {
    std::ofstream(path_of("docs/config.md"), std::ios::binary) << docs;
  }
  EXPECT_EQ(docs, read("docs/config.md")) << "gen_config_docs > docs/config.md";
}

}  // namespace
}  // namespace canaryd::config
