#include "unit/config/load_support.hpp"

#include <gtest/gtest.h>

#include <string>

namespace canaryd::config {
namespace {

LoadResult with(const std::string& watch) {
  std::string text = kSmall;
  text.replace(text.find("canary: new}"), 12, "canary: new, analysis: {watch: " + watch + "}}");
  return load_text(text);
}

// That many values, from v0 on.
std::string values(std::size_t count) {
  std::string text = "[";
  for (std::size_t i = 0; i < count; ++i) text += (i == 0 ? "v" : ", v") + std::to_string(i);
  return text + "]";
}

TEST(Watch, EachValueIsASegmentWithAName) {
  const LoadResult none = load_text(kSmall);
  ASSERT_TRUE(none.config);
  EXPECT_TRUE(none.config->rollouts[0].analysis.segments.empty());
  const LoadResult loaded = with(
      "[{header: X-Tenant, values: [acme, globex]}, {header: User-Agent, values: ['*Firefox/*']}]");
  ASSERT_TRUE(loaded.config) << report_of(loaded);
  const analysis::Settings& settings = loaded.config->rollouts[0].analysis;
  ASSERT_EQ(settings.watch.size(), 2U);
  EXPECT_EQ(settings.watch[0], (analysis::Watch{"X-Tenant", {"acme", "globex"}}));
  EXPECT_EQ(
      settings.segments,
      (std::vector<std::string>{"X-Tenant=acme", "X-Tenant=globex", "User-Agent=*Firefox/*"}));
}

TEST(Watch, WhatDoesNotFitIsRefused) {
  for (const std::string& watch : {std::string("[{header: X}]"),
                                   std::string("[{values: [a]}]"),
                                   std::string("[{header: X, values: []}]"),
                                   std::string("[{header: 'a b', values: [a]}]"),
                                   std::string("[{header: X, values: ['*']}]"),
                                   std::string("[{header: X, values: ['']}]"),
                                   std::string("[{header: X, values: [\"a\\u0007\"]}]"),
                                   "[{header: X, values: [" + std::string(65, 'v') + "]}]",
                                   "[{header: X, values: " + values(65) + "}]"}) {
    EXPECT_FALSE(with(watch).config) << watch;
  }
}

TEST(Watch, BoundsAreToldInWords) {
  const auto report = [](const std::string& watch) { return report_of(with(watch)); };
  EXPECT_NE(report("[{header: X, values: [a, b, a]}]").find("X=a is listed twice"),
            std::string::npos);
  EXPECT_NE(report("[{header: X, values: " + values(64) + "}, {header: Y, values: [a]}]")
                .find("more than 64 values"),
            std::string::npos);
  EXPECT_NE(
      report("[{header: " + std::string(100, 'h') + ", values: [" + std::string(60, 'v') + "]}]")
          .find("header and value are longer than 128 bytes"),
      std::string::npos);
  EXPECT_TRUE(with("[{header: X, values: " + values(64) + "}]").config);
}

}  // namespace
}  // namespace canaryd::config
