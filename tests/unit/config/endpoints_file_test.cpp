#include "canaryd/config/endpoints_file.hpp"

#include "canaryd/config/load.hpp"
#include "canaryd/config/schema.hpp"
#include "unit/config/load_support.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace canaryd::config {
namespace {

std::vector<Listener> listeners() {
  Listener listener;
  listener.name = "public";
  listener.address = *parse_socket_address("127.0.0.1:8080");
  return {listener};
}

EndpointsResult read(const std::string& text) {
  return load_endpoints("endpoints.yaml", text, listeners(), Admin{});
}

// The first problem, as people see it.
std::string problem(const std::string& text) {
  const EndpointsResult result = read(text);
  EXPECT_FALSE(result.endpoints.has_value()) << text;
  if (result.problems.empty()) return "none";
  const std::string report = render_problems_text(result.problems, "endpoints.yaml");
  return report.substr(0, report.find('\n'));
}

TEST(EndpointsFile, HoldsAListInTheFormOfTheConfiguration) {
  const EndpointsResult result = read(
      "# written by a script\nendpoints:\n  - 127.0.0.1:9001\n  - {address: \"[::1]:9002\"}\n");
  ASSERT_TRUE(result.endpoints.has_value());
  EXPECT_TRUE(result.problems.empty());
  ASSERT_EQ(result.endpoints->size(), 2U);
  EXPECT_EQ(to_string(result.endpoints->at(0).address), "127.0.0.1:9001");
  EXPECT_EQ(to_string(result.endpoints->at(1).address), "[::1]:9002");
}

TEST(EndpointsFile, WhatIsWrongHasItsPlace) {
  EXPECT_EQ(problem(""), "endpoints.yaml:1:1: error: the file is empty");
  EXPECT_EQ(problem("endpoints: []\n"), "endpoints.yaml:1:12: error: endpoints: the list is empty");
  EXPECT_EQ(problem("- 127.0.0.1:9001\n"), "endpoints.yaml:1:1: error: expected a map, got a list");
  EXPECT_EQ(problem("endpoint: [127.0.0.1:9001]\n"),
            "endpoints.yaml:1:1: error: unknown key \"endpoint\"; did you mean \"endpoints\"?");
  EXPECT_EQ(problem("endpoints:\n  - localhost:9001\n").substr(0, 26),
            "endpoints.yaml:2:5: error:");
  EXPECT_EQ(problem("endpoints: [127.0.0.1:9001, 127.0.0.1:9001]\n"),
            "endpoints.yaml:1:29: error: endpoints[1]: 127.0.0.1:9001 is listed already, as "
            "endpoint 0");
  EXPECT_EQ(
      problem("endpoints: [127.0.0.1:0]\n"),
      "endpoints.yaml:1:13: error: endpoints[0]: 127.0.0.1:0 is not an address to connect to");
  EXPECT_EQ(problem("endpoints: [127.0.0.1:8080]\n"),
            "endpoints.yaml:1:13: error: endpoints[0]: 127.0.0.1:8080 is the listener \"public\": "
            "requests would go round in circles");
}

TEST(EndpointsFile, AQuoteThatNeverEndsIsNoAddress) {
  EXPECT_EQ(problem("endpoints:\n  - 127.0.0.1:9001\n  - \"127.0.0.1:9002\n"),
            "endpoints.yaml:3:5: error: this quoted text never ends; check for a missing quote");
}

// It is written by programs, which have no business with our environment.
TEST(EndpointsFile, VariablesAreNotExpanded) {
  EXPECT_NE(problem("endpoints: [\"${HOME}:1\"]\n").find("${HOME}:1"), std::string::npos);
}

TEST(EndpointsFile, IsNoLargerThanAConfiguration) {
  std::string text = "endpoints:\n";
  while (text.size() <= kMaxFileBytes) text += "  - 127.0.0.1:9001\n";
  EXPECT_FALSE(read(text).endpoints.has_value());
}

// ---- The key that leads to it

constexpr const char* kFile =
    "version: 1\nlisteners: [{name: public, address: \"127.0.0.1:8080\"}]\nupstreams:\n"
    "  a: {endpoints: {file: a.yaml}}\n  b: {endpoints: {dns: b.internal:80, refresh: 5s}}\n"
    "  c: {endpoints: {dns: \"c_1.internal:8080\"}}\nroutes:\n"
    "  - {name: a, match: {path_prefix: /a}, upstream: a}\n"
    "  - {name: b, match: {path_prefix: /b}, upstream: b}\n"
    "  - {name: c, match: {path_prefix: /c}, upstream: c}\n";

TEST(EndpointsFile, AnUpstreamNamesItsSource) {
  const LoadResult loaded = load_text(kFile);
  ASSERT_TRUE(loaded.config.has_value());
  const auto& upstreams = loaded.config->upstreams;
  EXPECT_TRUE(upstreams[0].endpoints.empty());
  EXPECT_TRUE(upstreams[0].discovery->by_file());
  EXPECT_EQ(upstreams[0].discovery->file, "a.yaml");
  EXPECT_FALSE(upstreams[1].discovery->by_file());
  EXPECT_EQ(upstreams[1].discovery->host, "b.internal");
  EXPECT_EQ(upstreams[1].discovery->port, 80);
  EXPECT_EQ(upstreams[1].discovery->refresh, 5s);
  EXPECT_EQ(upstreams[2].discovery->refresh, 30s);
}

// What has been found is not part of the configuration.
TEST(EndpointsFile, ADumpNamesTheSourceAndIsReadBack) {
  auto loaded = load_text(kFile);
  ASSERT_TRUE(loaded.config.has_value());
  Config with_endpoints = *loaded.config;
  Endpoint endpoint;
  endpoint.address = *parse_socket_address("127.0.0.1:9001");
  with_endpoints.upstreams[1].endpoints = {endpoint};
  const std::string dump = render_dump(with_endpoints);
  EXPECT_EQ(dump, render_dump(*loaded.config));
  EXPECT_EQ(load_text(dump).config, loaded.config);
}

}  // namespace
}  // namespace canaryd::config
