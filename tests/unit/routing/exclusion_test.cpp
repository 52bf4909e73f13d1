#include "canaryd/routing/exclusion.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace canaryd::routing {
namespace {

TEST(Exclusion, APatternIsLookedForAnywhereWhateverTheCase) {
  constexpr std::string_view kAgent = "Mozilla/5.0 (compatible; Googlebot/2.1)";
  for (const std::string_view pattern :
       {"bot", "BOT", "*bot*", "mozilla", "Mozilla*bot", "5.0*google*2.1)", "", "*", "**bot**"}) {
    EXPECT_TRUE(contains_pattern(kAgent, pattern)) << pattern;
  }
  for (const std::string_view pattern : {"curl", "bot*mozilla", "bot*bot", "2.1))", "b.t"}) {
    EXPECT_FALSE(contains_pattern(kAgent, pattern)) << pattern;
  }
  EXPECT_FALSE(contains_pattern("", "bot"));
  EXPECT_TRUE(contains_pattern("", ""));
}

TEST(Exclusion, OnlyTheBeginningOfALongValueIsLookedAt) {
  std::string value(kValueBytesLooked - 3, 'x');
  EXPECT_TRUE(contains_pattern(value + "bot", "bot"));
  EXPECT_FALSE(contains_pattern(value + "xbot", "bot"));
}

TEST(Exclusion, APathIsComparedBySegments) {
  EXPECT_TRUE(has_path_prefix("/healthz", "/healthz"));
  EXPECT_TRUE(has_path_prefix("/healthz/deep", "/healthz"));
  EXPECT_TRUE(has_path_prefix("/healthz", "/healthz/"));
  EXPECT_FALSE(has_path_prefix("/healthzz", "/healthz"));
  EXPECT_FALSE(has_path_prefix("/", "/healthz"));
  EXPECT_TRUE(has_path_prefix("/anything", "/"));
}

TEST(Exclusion, AnyRuleAndAnyLineOfTheHeaderWillDo) {
  const std::array rules = {Exclusion{.path_prefix = "/healthz"},
                            Exclusion{.header = "User-Agent", .matches = "bot"},
                            Exclusion{.header = "X-Synthetic"}};
  http::FieldList fields;
  EXPECT_TRUE(is_excluded(rules, fields, "/healthz"));
  EXPECT_FALSE(is_excluded(rules, fields, "/"));
  fields.add("user-agent", "firefox");
  EXPECT_FALSE(is_excluded(rules, fields, "/"));
  fields.add("USER-AGENT", "a Bot");
  EXPECT_TRUE(is_excluded(rules, fields, "/"));
  fields.clear();
  fields.add("x-synthetic", "");
  EXPECT_TRUE(is_excluded(rules, fields, "/"));
  EXPECT_FALSE(is_excluded({}, fields, "/"));
}

}  // namespace
}  // namespace canaryd::routing
