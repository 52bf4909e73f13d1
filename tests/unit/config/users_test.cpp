// Segments, splits and templates, as they are read and written again.
#include "canaryd/config/schema.hpp"
#include "unit/config/load_support.hpp"

#include <gtest/gtest.h>

#include <string>

namespace canaryd::config {
namespace {

using routing::Lane;
using routing::RequestRule;
using routing::Segment;

Config config_of(const std::string& text) {
  const LoadResult result = load_text(text);
  EXPECT_TRUE(result.config.has_value()) << report_of(result);
  return result.config.value_or(Config{});
}

std::string with(const std::string& rollout, const std::string& route) {
  return "version: 1\nlisteners: [{name: l, address: 127.0.0.1:1}]\n"
         "upstreams:\n  v1: {endpoints: [127.0.0.1:2]}\n  v2: {endpoints: [127.0.0.1:3]}\n"
         "  v3: {endpoints: [127.0.0.1:4]}\n"
         "rollouts:\n  a: {stable: v1, canary: v2" +
         rollout + "}\n  b: {stable: v1, canary: v3}\nroutes:\n  - {name: all, " + route + "}\n";
}

TEST(Users, SegmentsAreReadAndWritten) {
  const Config config = config_of(with(
      ", cohort: {segments: [{header: X-Plan, equals: big, cohort: stable}, {cookie: tenant, in: "
      "[x, y], from_weight: 2.5}, {query: beta, matches: on}, {client: 10.0.0.0/8}, {path_prefix: "
      "/beta}]}",
      "rollout: a"));
  const auto& segments = config.rollouts.at(0).cohort.segments;
  ASSERT_EQ(segments.size(), 5U);
  EXPECT_EQ(segments[0],
            (Segment{.users = {.header = "X-Plan", .equals = {"big"}}, .cohort = Cohort::kStable}));
  EXPECT_EQ(segments[1],
            (Segment{.users = {.cookie = "tenant", .equals = {"x", "y"}},
                     .from_weight = BasisPoints(250)}));
  EXPECT_EQ(segments[2], (Segment{.users = {.query = "beta", .matches = "on"}}));
  EXPECT_EQ(segments[3], (Segment{.users = {.client = parse_cidr("10.0.0.0/8").value()}}));
  EXPECT_EQ(segments[4], (Segment{.users = {.path_prefix = "/beta"}}));
  EXPECT_TRUE(config_of(render_dump(config)) == config) << render_dump(config);
}

TEST(Users, ExclusionsHaveTheSameRules) {
  const Config config = config_of(with(
      ", analysis: {exclude: [{client: 192.0.2.0/24}, {cookie: load}, {header: X, in: [a, b]}]}",
      "rollout: a"));
  const auto& exclude = config.rollouts.at(0).exclude;
  ASSERT_EQ(exclude.size(), 3U);
  EXPECT_EQ(exclude[1], (RequestRule{.cookie = "load"}));
  EXPECT_EQ(exclude[2], (RequestRule{.header = "X", .equals = {"a", "b"}}));
  EXPECT_TRUE(config_of(render_dump(config)) == config) << render_dump(config);
}

TEST(Users, WhatOnlyProxiesMaySayTakesProxies) {
  const std::string text = with(
      ", cohort: {keys: [{header: X-Forwarded-User}, {client_ip: true}], segments: [{header: "
      "Forwarded}]}, analysis: {exclude: [{header: X-Forwarded-Bot}]}",
      "match: {path_prefix: /, headers: [{name: x-forwarded-proto, equals: https}]}, rollout: a");
  const std::string report = report_of(load_text(text));
  for (const char* name :
       {"x-forwarded-proto", "X-Forwarded-User", "Forwarded", "X-Forwarded-Bot"}) {
    EXPECT_NE(report.find("nobody is believed about " + std::string(name) + " on listener \"l\""),
              std::string::npos)
        << name << report;
  }
  std::string trusting = text;
  trusting.replace(
      trusting.find("127.0.0.1:1}"), 12, "127.0.0.1:1, trusted_proxies: [10.0.0.0/8]}");
  EXPECT_EQ(report_of(load_text(trusting)).find("nobody is believed"), std::string::npos);
}

TEST(Users, SplitsAreReadAndWritten) {
  const Config config =
      config_of(with("", "split: [{rollout: b, users: 66.67}, {rollout: a, users: 33.33}]"));
  const Route& route = config.routes.at(0);
  EXPECT_EQ(
      route.split,
      (std::vector<Lane>{{RolloutId(1), BasisPoints(6667)}, {RolloutId(0), BasisPoints(3333)}}));
  EXPECT_EQ(route.rollout, std::nullopt);
  EXPECT_EQ(route.rollouts(), (std::vector<RolloutId>{RolloutId(1), RolloutId(0)}));
  // Each of them judges its routes.
  EXPECT_EQ(config.rollouts.at(0).analysis.routes, std::vector<std::string>{"all"});
  EXPECT_EQ(config.rollouts.at(1).analysis.routes, std::vector<std::string>{"all"});
  EXPECT_TRUE(config_of(render_dump(config)) == config) << render_dump(config);
}

TEST(Users, TemplatesAreReadAndWritten) {
  const Config config =
      config_of(with("", "rollout: a, match: {path_template: '/v1/orders/{id}', methods: [GET]}"));
  const Match& match = config.routes.at(0).match;
  EXPECT_EQ(match.path_kind, Match::Path::kTemplate);
  EXPECT_EQ(match.path, "/v1/orders/{id}");
  EXPECT_TRUE(config_of(render_dump(config)) == config) << render_dump(config);
}

}  // namespace
}  // namespace canaryd::config
