#include "canaryd/analysis/parity_fields.hpp"

#include "canaryd/base/random.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace canaryd::analysis {
namespace {

using stats::ParityAnswer;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

ParityAnswer answer(std::string body,
                    std::string type = "application/json; charset=utf-8",
                    std::uint16_t status = 200) {
  ParityAnswer made;
  made.answered = true;
  made.status = status;
  made.content_type = std::move(type);
  made.body = std::move(body);
  return made;
}

std::vector<std::string> told(const Differences& differences) {
  std::vector<std::string> out;
  for (const ParityField& field : differences.fields) out.push_back(text_of(field));
  return out;
}

std::vector<std::string> told(const ParityAnswer& one,
                              const ParityAnswer& other,
                              const std::vector<std::string>& ignored = {}) {
  return told(compare_answers(one, other, {}, IgnoredFields(ignored)));
}

std::vector<std::string> in_json(const char* one,
                                 const char* other,
                                 const std::vector<std::string>& ignored = {}) {
  return told(answer(one), answer(other), ignored);
}

TEST(ParityFieldsTest, WhatIsTheSame) {
  EXPECT_THAT(in_json(R"({"a": 1, "b": [true, null]})", R"({"b":[true,null],"a":1})"), IsEmpty());
  EXPECT_THAT(in_json("[1, 2.5, 18446744073709551615]", "[1.0, 2.5, 18446744073709551615]"),
              IsEmpty());
  EXPECT_THAT(told(answer("x", "Text/Plain"), answer("x", "text/plain;a=b")), IsEmpty());
  EXPECT_THAT(told(ParityAnswer(), ParityAnswer()), IsEmpty()) << "neither answered";
}

TEST(ParityFieldsTest, TheHeadComesBeforeTheBody) {
  EXPECT_THAT(told(answer("a"), ParityAnswer()), ElementsAre("answer"));
  EXPECT_THAT(told(answer("a", "text/html"), answer("b", "text/plain", 404)),
              ElementsAre("status"));
  EXPECT_THAT(told(answer("a", "text/html"), answer("b", "text/plain")), ElementsAre("media_type"));
}

TEST(ParityFieldsTest, ChosenHeaders) {
  ParityAnswer one = answer("a");
  ParityAnswer other = answer("a");
  one.headers = {"no-store", "/a"};
  other.headers = {"no-store", "/b"};
  EXPECT_THAT(told(compare_answers(one, other, {"cache-control", "location"}, {})),
              ElementsAre("header location"));
}

TEST(ParityFieldsTest, EachFieldIsNamed) {
  EXPECT_THAT(in_json(R"({"a": {"b": 1, "gone": []}, "s": "x", "t": [1]})",
                      R"({"a": {"b": 2, "new": {}}, "s": 1, "t": {}})"),
              UnorderedElementsAre(
                  "value /a/b", "presence /a/gone", "presence /a/new", "type /s", "type /t"));
  EXPECT_THAT(in_json("1", "2"), ElementsAre("value"));
  EXPECT_THAT(in_json(R"({"x": null})", R"({"x": 0})"), ElementsAre("type /x"));
}

TEST(ParityFieldsTest, PlacesOfAListAreOnePath) {
  EXPECT_THAT(
      in_json(R"({"items": [{"p": 1}, {"p": 2}, {"p": 3}]})", R"({"items": [{"p": 9}, {"p": 8}]})"),
      UnorderedElementsAre("length /items", "value /items/*/p"));
}

// Keys may be data: of users, of orders.
TEST(ParityFieldsTest, IdsAmongTheKeysAreNotTold) {
  EXPECT_THAT(in_json(R"({"4711": {"n": 1}, "tom@example.com": {"n": 1}, "@type": 1, "a/b": 1})",
                      R"({"4711": {"n": 2}, "tom@example.com": {"n": 2}, "@type": 2, "a/b": 2})"),
              UnorderedElementsAre("value /{key}/n", "value /@type", "value /{key}"));
}

TEST(ParityFieldsTest, OtherBodiesAreOneField) {
  EXPECT_THAT(told(answer("abc", "text/plain"), answer("abd", "text/plain")), ElementsAre("body"));
  EXPECT_THAT(in_json("{\"a\": 1", "{\"a\": 2"), ElementsAre("body")) << "no JSON";
  EXPECT_THAT(in_json("{}", "{}x"), ElementsAre("body"));
  EXPECT_THAT(told(answer("{\"a\":1}", "application/problem+json"),
                   answer("{\"a\":2}", "application/problem+json")),
              ElementsAre("value /a"));
}

TEST(ParityFieldsTest, WhatIsNotWholeIsNotCompared) {
  ParityAnswer half = answer("");
  half.whole = false;
  EXPECT_THAT(told(answer("{}"), half), ElementsAre("body")) << "one is longer";
  ParityAnswer other = half;
  const Differences none = compare_answers(other, half, {}, {});
  EXPECT_FALSE(none.compared);
  EXPECT_THAT(none.fields, IsEmpty());
  half.status = 500;
  EXPECT_TRUE(compare_answers(other, half, {}, {}).compared) << "the status is enough";
}

TEST(ParityFieldsTest, IgnoredFields) {
  const char* const a = R"({"id": 1, "items": [{"id": 2, "at": 3, "n": 4}], "only": 1, "x/y": 1})";
  const char* const b = R"({"id": 5, "items": [{"id": 6, "at": 7, "n": 8}], "x/y": 2})";
  EXPECT_THAT(in_json(a, b, {"id", "/items/*/at", "only", "/x~1y"}),
              ElementsAre("value /items/*/n"));
  EXPECT_THAT(in_json(a, b, {"/items", "x/y"}),
              UnorderedElementsAre("value /id", "presence /only"));
  EXPECT_THAT(in_json(a, b, {"/*"}), IsEmpty());
  EXPECT_THAT(in_json("1", "2", {"*"}), ElementsAre("value")) << "it has no name";
}

TEST(ParityFieldsTest, HostileBodiesAreBounded) {
  const std::string deep = std::string(5000, '[') + std::string(5000, ']');
  EXPECT_THAT(told(answer(deep), answer(deep + " ")), ElementsAre("body"));
  std::string one = "{";
  std::string other = "{";
  for (int i = 0; i < 20'000; ++i) {
    std::string name;
    for (int n = i; name.empty() || n > 0; n /= 20) name += static_cast<char>('a' + n % 20);
    const std::string key = (i == 0 ? "\"" : ",\"") + name + "\":";
    one += key + "1";
    other += key + "2";
  }
  const Differences many = compare_answers(answer(one + "}"), answer(other + "}"), {}, {});
  EXPECT_EQ(many.fields.size(), Differences::kDifferencesMax);
  EXPECT_TRUE(many.cut);
  std::string nested_a = "1";
  std::string nested_b = "2";
  for (int i = 0; i < 30; ++i) {
    nested_a = "{\"quite-a-long-name\":" + nested_a + "}";
    nested_b = "{\"quite-a-long-name\":" + nested_b + "}";
  }
  const Differences nested = compare_answers(answer(nested_a), answer(nested_b), {}, {});
  ASSERT_EQ(nested.fields.size(), 1U);
  EXPECT_EQ(nested.fields.begin()->name.size(), Differences::kPathMax);
}

// ---- Random documents

std::string random_json(Random& random, unsigned depth) {
  const std::uint64_t kind = random.below(depth == 0 ? 4 : 6);
  if (kind == 0) return std::to_string(random.below(100));
  if (kind == 1) return random.chance(0.5) ? "true" : "null";
  if (kind == 2) return "\"" + std::string(random.below(5), 'x') + "\"";
  if (kind == 3) return std::to_string(random.below(100)) + ".5";
  std::string out;
  const std::uint64_t members = random.below(5);
  for (std::uint64_t i = 0; i < members; ++i) {
    out += i == 0 ? "" : ",";
    if (kind == 5) out += "\"" + std::string(1, static_cast<char>('a' + i)) + "\":";
    out += random_json(random, depth - 1);
  }
  return kind == 4 ? "[" + out + "]" : "{" + out + "}";
}

TEST(ParityFieldsTest, AnyDocumentIsItselfAndTheOrderDoesNotMatter) {
  Random random(3);
  for (int i = 0; i < 3000; ++i) {
    const std::string one = random_json(random, 4);
    const std::string other = random_json(random, 4);
    ASSERT_THAT(told(answer(one), answer(one + " ")), IsEmpty()) << one;
    ASSERT_EQ(told(answer(one), answer(other)), told(answer(other), answer(one)))
        << one << ' ' << other;
  }
}

TEST(ParityFieldsTest, BytesThatAreNoJsonAreABody) {
  Random random(4);
  for (int i = 0; i < 3000; ++i) {
    std::string broken = random_json(random, 4);
    for (int n = 0; n < 3; ++n) {
      broken[random.below(broken.size())] = static_cast<char>(random.below(256));
    }
    const Differences found = compare_answers(answer(broken), answer("{\"a\":[1]}"), {}, {});
    for (const ParityField& field : found.fields) {
      for (const char c : field.name) ASSERT_TRUE(c >= ' ' && c <= '~') << broken;
    }
  }
}

}  // namespace
}  // namespace canaryd::analysis
