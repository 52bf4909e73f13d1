#include "canaryd/config/format.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace canaryd::config {
namespace {

std::string formatted(const std::string& text) {
  const Formatted result = format("file", text);
  if (!result.text) return "error: " + result.problems.at(0).message;
  EXPECT_EQ(format("file", *result.text).text, result.text) << "formatted twice";
  return *result.text;
}

TEST(Format, KeepsCommentsAndBlankLines) {
  EXPECT_EQ(formatted("# First.\n\n\n\nversion:   1   # One.\n"
                      "upstreams:\n"
                      "     # About a.\n"
                      "     a:\n"
                      "          endpoints:  [ '127.0.0.1:80' ]\n"
                      "\n"
                      "     # About b.\n"
                      "     \"b\": {endpoints: [\"127.0.0.1:81\",\n"
                      "       127.0.0.1:82]}     # All of b.\n"
                      "# The end.\n"),
            "# First.\n"
            "\n"
            "version: 1     # One.\n"
            "upstreams:\n"
            "  # About a.\n"
            "  a: {endpoints: [127.0.0.1:80]}\n"
            "\n"
            "  # About b.\n"
            "  b: {endpoints: [127.0.0.1:81, 127.0.0.1:82]}  # All of b.\n"
            "# The end.\n");
}

TEST(Format, PutsListsInOrder) {
  EXPECT_EQ(formatted("steps: [{weight: 1}, {weight: 100}]\n"
                      "more:\n"
                      "- weight: 1   # Few.\n"
                      "  gate: go\n"
                      "- {weight: 5, min_duration: 1m}\n"
                      "routes:\n"
                      "  -   name: a\n"
                      "      match:\n"
                      "        headers: [{name: X, equals: \"1\"}]\n"),
            "steps: [{weight: 1}, {weight: 100}]\n"
            "more:\n"
            "  - weight: 1  # Few.\n"
            "    gate: go\n"
            "  - {weight: 5, min_duration: 1m}\n"
            "routes:\n"
            "  - name: a\n"
            "    match:\n"
            "      headers:\n"
            "        - {name: X, equals: \"1\"}\n");
}

TEST(Format, LeavesTextsAlone) {
  EXPECT_EQ(formatted("a: it's # not 'quoted'\nb: 'a # b'\nc: \"x\\n# y\"\nd: ${HOME:-/x}\n"
                      "e: {f: \"${X}\"}\n"
                      "q: |\n  sum(x) # of y\n\n  by (z)\nr:\n  - >-\n    folded\n    text\n"),
            "a: it's  # not 'quoted'\nb: \"a # b\"\nc: |-\n  x\n  # y\nd: ${HOME:-/x}\n"
            "e: {f: \"${X}\"}\n"
            "q: |\n  sum(x) # of y\n\n  by (z)\nr: [\"folded text\"]\n");
}

TEST(Format, KeepsWhatABlockCannotHold) {
  EXPECT_EQ(formatted("a: \"x\\r\\ny\"\nb: \" x\\ny\"\non: 1\n"),
            "a: \"x\\x0d\\x0ay\"\nb: \" x\\x0ay\"\non: 1\n");
}

TEST(Format, RefusesWhatIsNoYaml) {
  EXPECT_EQ(format("f", "a: [\n").text, std::nullopt);
  EXPECT_EQ(format("f", "a: 1\na: 2\n").problems.at(0).line, 2U);
  EXPECT_EQ(format("f", "").text, std::nullopt);
  EXPECT_EQ(format("f", "- a\n").problems.at(0).message, "expected a map of keys");
  EXPECT_FALSE(format("f", "").problems.empty());
}

TEST(Format, RefusesWhatAQuoteHasTaken) {
  for (const char* const text :
       {"a: \"1\n", "a: '1\nb: 2\n", "a: \"1\nb: 2\n\n", "a:\n  - \"1\n"}) {
    const Formatted result = format("f", text);
    EXPECT_EQ(result.text, std::nullopt) << text;
    ASSERT_EQ(result.problems.size(), 1U) << text;
    EXPECT_EQ(result.problems[0].message, "this quoted text never ends");
  }
  const Formatted closed = format("f", "a: \"1\nb: 2\"\n");
  EXPECT_EQ(closed.text, std::nullopt);
  ASSERT_EQ(closed.problems.size(), 1U);
  EXPECT_EQ(closed.problems[0].line, 1U);
  EXPECT_EQ(closed.problems[0].column, 4U);
  EXPECT_EQ(formatted("a: \"{\n  b: 2}\"\n"), "a: \"{ b: 2}\"\n");
}

// Whatever looks like a quote in plain text, in a block, or in a text of JSON.
TEST(Format, RefusesNothingForAQuoteThatIsNone) {
  for (const char* const text : {"a: rock - 'n roll\nb: 2\n",
                                 "a: x\n  'tis\nb: 2\n",
                                 "a:\n  |-\n  'x \"y\nb: 2\n",
                                 "a: ! |-\n  'x\nb: 2\n",
                                 "{\"a\":\"b - 'tis\",\"c\":\"d: 'e\",\n\"f\":\"g\"}\n",
                                 "a: \"it's # one\"\nb: 2\n"}) {
    const Formatted result = format("f", text);
    EXPECT_TRUE(result.text.has_value()) << text;
    EXPECT_TRUE(result.problems.empty()) << text << result.problems[0].message;
  }
}

TEST(Format, KeepsEveryFileOfTheTree) {
  namespace fs = std::filesystem;
  const fs::path root(CANARYD_SOURCE_DIR);
  std::size_t files = 0;
  for (const char* const folder : {"config", "docker", "tests/golden/config"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      if (entry.path().extension() != ".yaml") continue;
      const std::ifstream file(entry.path());
      std::ostringstream text;
      text << file.rdbuf();
      const Formatted result = format("file", text.str());
      for (const Problem& problem : result.problems) {
        EXPECT_GT(problem.line, 0U) << entry.path() << ": " << problem.message;
      }
      if (result.text) {
        EXPECT_EQ(format("file", *result.text).text, result.text) << entry.path();
      }
      ++files;
    }
  }
  EXPECT_GT(files, 5U);
}

}  // namespace
}  // namespace canaryd::config
