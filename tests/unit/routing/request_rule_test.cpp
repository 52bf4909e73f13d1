#include "canaryd/routing/request_rule.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <tuple>
#include <vector>

namespace canaryd::routing {
namespace {

TEST(RequestRule, APatternIsLookedForAnywhereWhateverTheCase) {
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

TEST(RequestRule, APatternMayStandForTheWholeValue) {
  for (const char* pattern :
       {"acme-eu", "ACME-EU", "acme*", "*eu", "a*-*u", "*", "*acme-eu*", "acme-eu*"}) {
    EXPECT_TRUE(equals_pattern("acme-eu", pattern)) << pattern;
  }
  for (const char* pattern :
       {"acme", "eu", "*acme", "acme-eu2", "acme*acme-eu", "acme-*-eu", "", "b*"}) {
    EXPECT_FALSE(equals_pattern("acme-eu", pattern)) << pattern;
  }
  EXPECT_TRUE(equals_pattern("Mozilla/5.0 (X11) Firefox/128.0", "*firefox/*"));
  EXPECT_FALSE(equals_pattern("aa", "aa*a"));
}

TEST(RequestRule, ManyStarsCostLittle) {
  const std::string value(kValueBytesLooked, 'a');
  std::string pattern;
  for (int i = 0; i < 31; ++i) pattern += "*a";
  EXPECT_TRUE(equals_pattern(value, pattern));
  EXPECT_FALSE(equals_pattern(value, pattern + "*b"));
}

TEST(RequestRule, OnlyTheBeginningOfALongValueIsLookedAt) {
  std::string value(kValueBytesLooked - 3, 'x');
  EXPECT_TRUE(contains_pattern(value + "bot", "bot"));
  EXPECT_FALSE(contains_pattern(value + "xbot", "bot"));
}

TEST(RequestRule, APathIsComparedBySegments) {
  EXPECT_TRUE(has_path_prefix("/healthz", "/healthz"));
  EXPECT_TRUE(has_path_prefix("/healthz/deep", "/healthz"));
  EXPECT_TRUE(has_path_prefix("/healthz", "/healthz/"));
  EXPECT_FALSE(has_path_prefix("/healthzz", "/healthz"));
  EXPECT_FALSE(has_path_prefix("/", "/healthz"));
  EXPECT_TRUE(has_path_prefix("/anything", "/"));
}

const IpAddress kClient = IpAddress::v4({203, 0, 113, 7});

bool fits_with(const RequestRule& rule,
               const http::FieldList& fields,
               std::string_view query = "",
               std::string_view path = "/") {
  return fits(rule, {fields, query, path, kClient});
}

TEST(RequestRule, AnyRuleAndAnyLineOfTheHeaderWillDo) {
  const std::array rules = {RequestRule{.path_prefix = "/healthz"},
                            RequestRule{.header = "User-Agent", .matches = "bot"},
                            RequestRule{.header = "X-Synthetic"}};
  http::FieldList fields;
  const auto fits_at = [&](std::string_view path) {
    return fits_any(rules, {fields, "", path, kClient});
  };
  EXPECT_TRUE(fits_at("/healthz"));
  EXPECT_FALSE(fits_at("/"));
  fields.add("user-agent", "firefox");
  EXPECT_FALSE(fits_at("/"));
  fields.add("USER-AGENT", "a Bot");
  EXPECT_TRUE(fits_at("/"));
  fields.clear();
  fields.add("x-synthetic", "");
  EXPECT_TRUE(fits_at("/"));
  EXPECT_FALSE(fits_any({}, {fields, "", "/", kClient}));
}

TEST(RequestRule, ComparesWholeValuesExactly) {
  const RequestRule one{.header = "X-Country", .equals = {"DE"}};
  const RequestRule some{.header = "X-Country", .equals = {"DE", "AT"}};
  for (const auto& [value, is_one, is_some] : {std::tuple("DE", true, true),
                                               std::tuple("AT", false, true),
                                               std::tuple("de", false, false),
                                               std::tuple("DEU", false, false),
                                               std::tuple("", false, false)}) {
    http::FieldList fields;
    fields.add("x-country", value);
    EXPECT_EQ(fits_with(one, fields), is_one) << value;
    EXPECT_EQ(fits_with(some, fields), is_some) << value;
  }
  EXPECT_FALSE(fits_with(one, {}));
}

TEST(RequestRule, LooksIntoCookiesAndTheQuery) {
  http::FieldList fields;
  fields.add("Cookie", "plan=pro; tenant=acme; empty=");
  EXPECT_TRUE(fits_with({.cookie = "tenant", .equals = {"acme"}}, fields));
  EXPECT_TRUE(fits_with({.cookie = "tenant"}, fields));
  EXPECT_TRUE(fits_with({.cookie = "tenant", .matches = "ACM"}, fields));
  EXPECT_FALSE(fits_with({.cookie = "tenant", .equals = {"acm"}}, fields));
  EXPECT_FALSE(fits_with({.cookie = "empty"}, fields));
  EXPECT_FALSE(fits_with({.cookie = "other"}, fields));
  EXPECT_TRUE(fits_with({.query = "beta", .equals = {"1"}}, fields, "a=b&beta=1"));
  EXPECT_FALSE(fits_with({.query = "beta", .equals = {"1"}}, fields, "a=b&beta=10"));
  EXPECT_FALSE(fits_with({.query = "tenant"}, fields, "a=b"));
}

TEST(RequestRule, ComparesAParameterAsWhatItStandsFor) {
  const RequestRule plan{.query = "plan", .equals = {"pro plus"}};
  for (const char* query : {"plan=pro+plus", "plan=pro%20plus", "x=1&pl%61n=%70ro+plus"}) {
    EXPECT_TRUE(fits_with(plan, {}, query)) << query;
  }
  EXPECT_FALSE(fits_with(plan, {}, "plan=pro%2Bplus"));
  EXPECT_TRUE(fits_with({.query = "plan", .equals = {"pro+plus"}}, {}, "plan=pro%2bplus"));
  EXPECT_TRUE(fits_with({.query = "kind", .matches = "beta"}, {}, "kind=a+b%65ta"));
  // Cookies are as they came.
  http::FieldList fields;
  fields.add("Cookie", "plan=pro+plus");
  EXPECT_FALSE(fits_with({.cookie = "plan", .equals = {"pro plus"}}, fields));
}

TEST(RequestRule, AParameterThatBeginsLikeTheLongestValueIsAnother) {
  const std::string longest(kEqualsBytesMax, 'a');
  const RequestRule rule{.query = "q", .equals = {longest}};
  EXPECT_TRUE(fits_with(rule, {}, "q=" + longest));
  EXPECT_TRUE(fits_with(rule, {}, "q=%61" + longest.substr(1)));
  EXPECT_FALSE(fits_with(rule, {}, "q=a" + longest));
  EXPECT_FALSE(fits_with(rule, {}, "q=%61" + longest));
}

TEST(RequestRule, KnowsTheNetworkOfTheClient) {
  EXPECT_TRUE(fits_with({.client = parse_cidr("203.0.113.0/24").value()}, {}));
  EXPECT_FALSE(fits_with({.client = parse_cidr("203.0.112.0/24").value()}, {}));
}

TEST(RequestRule, IsAboutOneProperty) {
  EXPECT_TRUE(is_sound({.path_prefix = "/a"}));
  EXPECT_TRUE(is_sound({.cookie = "a", .equals = {"b"}}));
  EXPECT_FALSE(is_sound({}));
  EXPECT_FALSE(is_sound({.path_prefix = "/a", .header = "X"}));
  EXPECT_FALSE(is_sound({.path_prefix = "/a", .matches = "b"}));
  EXPECT_FALSE(is_sound({.header = "X", .matches = std::string(kPatternBytesMax + 1, 'a')}));
  EXPECT_FALSE(is_sound({.header = "X", .equals = std::vector<std::string>(kEqualsMax + 1, "a")}));
  EXPECT_FALSE(is_sound({.query = "X", .equals = {std::string(kEqualsBytesMax + 1, 'a')}}));
}

TEST(RequestRule, IsReadableAsInTheFile) {
  EXPECT_EQ(to_string(RequestRule{.path_prefix = "/a"}), "path_prefix /a");
  EXPECT_EQ(to_string(RequestRule{.header = "X", .equals = {"1"}}), "header X equals 1");
  EXPECT_EQ(to_string(RequestRule{.cookie = "X", .equals = {"1", "2"}}), "cookie X in 1, 2");
  EXPECT_EQ(to_string(RequestRule{.query = "X", .matches = "b"}), "query X matches b");
  EXPECT_EQ(to_string(RequestRule{.client = parse_cidr("10.0.0.0/8").value()}),
            "client 10.0.0.0/8");
}

}  // namespace
}  // namespace canaryd::routing
