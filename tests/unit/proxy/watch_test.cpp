#include "canaryd/proxy/watch.hpp"

#include "canaryd/routing/request_rule.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace canaryd::proxy {
namespace {

TEST(Watch, OnlyTheBeginningOfALongValueIsLookedAt) {
  const std::string value(routing::kValueBytesLooked, 'x');
  const std::vector<WatchRule> rules = {{"X-Tenant", {{"*end", 0}, {"x*", 1}}}};
  http::FieldList fields;
  const std::string longer = value + "end";
  fields.add("X-Tenant", longer);
  const SegmentSet found = segments_of(rules, fields);
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(*found.begin(), 1U);
}

TEST(Watch, TheFirstValueThatFitsOfEachRule) {
  const std::vector<WatchRule> rules = {
      {"X-Tenant", {{"acme", 0}, {"globex", 1}}},
      {"User-Agent", {{"*Edg/*", 2}, {"*Chrome/*", 3}}},
  };
  const auto of = [&](const http::FieldList& fields) {
    const SegmentSet found = segments_of(rules, fields);
    return std::vector<int>(found.begin(), found.end());
  };
  http::FieldList fields;
  EXPECT_TRUE(segments_of(rules, fields).empty());
  fields.add("x-tenant", "initech");
  EXPECT_TRUE(segments_of(rules, fields).empty());
  fields.add("user-agent", "Chrome/128 Safari/537 Edg/128");
  EXPECT_EQ(of(fields), (std::vector<int>{2}));
  fields.clear();
  fields.add("X-TENANT", "Globex");
  fields.add("X-Tenant", "acme");  // A second line counts for nothing.
  fields.add("User-Agent", "Chrome/128");
  EXPECT_EQ(of(fields), (std::vector<int>{1, 3}));
}

TEST(Watch, ASetHoldsNoMoreThanItsRules) {
  SegmentSet set;
  for (std::uint8_t i = 0; i < 10; ++i) set.add(i);
  EXPECT_EQ(set.end() - set.begin(), static_cast<std::ptrdiff_t>(SegmentSet::kMost));
}

}  // namespace
}  // namespace canaryd::proxy
