// Input that is meant to hurt: it must end in a report, quickly and within bounds. The time limit
// is the test program's; sizes are at the documented maximum.
#include "unit/config/load_support.hpp"

#include <gtest/gtest.h>

namespace canaryd::config {
namespace {

std::string repeat(const std::string& text, std::size_t bytes) {
  std::string out;
  while (out.size() + text.size() <= bytes) out += text;
  return out;
}

constexpr std::size_t kFull = kMaxFileBytes - 100;

void expect_refused(const std::string& text, const char* what) {
  const LoadResult result = load_text(text);
  EXPECT_FALSE(result.config.has_value()) << what;
  EXPECT_FALSE(result.problems.empty()) << what;
  EXPECT_LE(result.problems.size(), kMaxProblems + 1) << what;
  EXPECT_LT(report_of(result).size(), 100'000U) << what;
}

TEST(Hostile, TooLarge) {
  const LoadResult result = load_text(repeat("# comment\n", kMaxFileBytes + 100));
  ASSERT_EQ(result.problems.size(), 1U);
  EXPECT_EQ(result.problems[0].message, "the file is larger than 1 MiB");
}

TEST(Hostile, DeepNesting) {
  expect_refused(repeat("[", kFull), "flow lists");
  expect_refused(repeat("{a: ", kFull), "flow maps");
  expect_refused(repeat("[\n", kFull), "flow lists on lines");
  expect_refused(repeat("- ", kFull), "block lists");
  expect_refused(repeat("? ", kFull), "explicit keys");
  expect_refused(repeat("{? [", kFull), "keys that are lists");
  expect_refused(repeat("\"", kFull), "quotes");
  std::string stairs;
  for (std::size_t depth = 0; stairs.size() < kFull; ++depth)
    stairs += std::string(depth, ' ') + "a:\n";
  expect_refused(stairs, "block maps");
}

TEST(Hostile, ManyValues) {
  expect_refused("a: [" + repeat("1,", kFull) + "]", "flow list");
  expect_refused(repeat("- 1\n", kFull), "block list");
  expect_refused(repeat("a: 1\n", kFull), "duplicate keys");
  std::string keys;
  for (std::size_t i = 0; keys.size() < kFull; ++i) keys += "key" + std::to_string(i) + ": 1\n";
  expect_refused(keys, "unknown keys");
  expect_refused("listeners:\n" + repeat("  - {}\n", kFull), "empty listeners");
  expect_refused("routes:\n" + repeat("  - {name: a, rollout: b}\n", 200'000), "equal routes");
  std::string upstreams = "upstreams:\n";
  for (int i = 0; i < 999; ++i)
    upstreams += "  u" + std::to_string(i) + ": {endpoints: [127.0.0.1:1]}\n";
  expect_refused(upstreams + "routes:\n" + repeat("  - {name: a, upstream: u1000x}\n", 250'000),
                 "suggestions");
}

TEST(Hostile, LongTexts) {
  expect_refused("version: " + repeat("x", kFull), "scalar");
  expect_refused(repeat("x", kFull) + ": 1", "key");
  expect_refused("rollouts:\n  " + std::string(500'000, 'x') + ":\n    steps:\n" +
                     repeat("      - {weight: 1}\n", 400'000),
                 "name in front of many paths");
  expect_refused("a: |\n" + repeat("  line\n", kFull), "block scalar");
  expect_refused(repeat("# \xc3\xa4\n", kFull), "comments");
  expect_refused(repeat("a", kFull), "one word");
  expect_refused(repeat("%YAML 1.2\n", kFull), "directives");
  expect_refused(repeat("---\n", kFull), "documents");
  expect_refused(repeat("&a ", kFull), "anchors");
  expect_refused(repeat("!a ", kFull), "tags");
  expect_refused(repeat(" ", kFull), "blanks");
  expect_refused(repeat("\t", kFull), "tabs");
}

TEST(Hostile, NamesThatAreNotReadAnyFurther) {
  expect_refused("version: 1\nrollouts: {" + std::string(300, 'x') + ": {stable: a}}\n", "long");
  expect_refused("version: 1\nrollouts: {a.stable: {}, a: {stable: b, canary: b}, \"\": {}}\n",
                 "dots");
}

TEST(Hostile, DefaultsTimesRollouts) {
  std::string text = "version: 1\ndefaults:\n  rollout:\n    steps:\n";
  text += repeat("      - {weight: 1}\n", 200'000) + "rollouts:\n";
  for (int i = 0; i < 900; ++i) text += "  r" + std::to_string(i) + ": {}\n";
  expect_refused(text, "defaults");
}

// As kSmall, with so many upstreams that nobody uses.
std::string with_warnings(std::size_t count) {
  std::string text(kSmall);
  const std::size_t at = text.find("rollouts:");
  std::string unused;
  for (std::size_t i = 0; i < count; ++i) {
    unused += "  u" + std::to_string(i) + ": {endpoints: [127.0.0.1:9003]}\n";
  }
  return text.insert(at, unused);
}

TEST(Hostile, WarningsAloneRefuseNoFileHoweverMany) {
  for (const std::size_t count : {150U, 900U}) {
    const LoadResult result = load_text(with_warnings(count));
    EXPECT_TRUE(result.config.has_value()) << count;
    ASSERT_EQ(result.problems.size(), kMaxProblems + 1);
    EXPECT_EQ(count_errors(result.problems), 0U);
    EXPECT_EQ(result.problems.back().message, "more problems than the 100 shown");
  }
}

TEST(Hostile, AnErrorIsShownAmongAnyNumberOfWarnings) {
  const LoadResult result = load_text(with_warnings(900) + "  - {name: bad, rolout: shop}\n");
  EXPECT_FALSE(result.config.has_value());
  EXPECT_GE(count_errors(result.problems), 1U);
  EXPECT_NE(report_of(result).find("did you mean \"rollout\"?"), std::string::npos);
}

TEST(Hostile, VariablesThatExplode) {
  const Environment variables = {{"A", std::string(60'000, 'a')}};
  const LoadResult result =
      load_text("version: 1\nlog: [" + repeat("\"${A}\",", 500'000) + "]\n", variables);
  EXPECT_FALSE(result.config.has_value());
  EXPECT_LE(result.problems.size(), kMaxProblems + 1);
}

TEST(Hostile, EveryPrefixOfAFileIsSafe) {
  const std::string text(kSmall);
  for (std::size_t length = 0; length < text.size(); ++length) {
    const LoadResult result = load_text(text.substr(0, length));
    EXPECT_EQ(result.config.has_value(), count_errors(result.problems) == 0);
  }
}

TEST(Hostile, EveryByteReplacedIsSafe) {
  const std::string text(kSmall);
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const char c :
         {'\0', '\n', '\t', ' ', ':', '-', '{', '}', '[', ']', '"', '\'',   '#',
          '&',  '*',  '!',  '|', '>', '%', '@', '`', '?', ',', '$', '\x80', '\xff'}) {
      std::string broken = text;
      broken[at] = c;
      const LoadResult result = load_text(broken);
      EXPECT_EQ(result.config.has_value(), count_errors(result.problems) == 0);
    }
  }
}

}  // namespace
}  // namespace canaryd::config
