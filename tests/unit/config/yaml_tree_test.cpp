#include "canaryd/config/yaml_tree.hpp"

#include "canaryd/config/load.hpp"

#include <gtest/gtest.h>

namespace canaryd::config {
namespace {

Node parse_good(const std::string& text) {
  Tree tree = parse_yaml(text);
  EXPECT_TRUE(tree.problems.empty()) << tree.problems.front().message;
  EXPECT_TRUE(tree.root.has_value());
  return tree.root ? *tree.root : Node();
}

TEST(YamlTree, KnowsWhereEverythingStands) {
  const Node root = parse_good("a: 1\nb:\n  - x\n  - {c: \"y\"}\n");
  ASSERT_EQ(root.kind, Node::Kind::kMap);
  const Node::Entry* b = root.find("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->place.line, 2U);
  EXPECT_EQ(b->place.column, 1U);
  const Node& flow = b->value.items.at(1);
  EXPECT_EQ(flow.place.line, 4U);
  EXPECT_EQ(flow.place.column, 5U);
  EXPECT_EQ(flow.entries.at(0).place.column, 6U);
  EXPECT_EQ(flow.entries.at(0).value.place.column, 9U);
}

TEST(YamlTree, TellsQuotedFromPlain) {
  const Node root = parse_good("[1, \"1\", '1', null, \"null\", ~]");
  EXPECT_FALSE(root.items.at(0).quoted);
  EXPECT_TRUE(root.items.at(1).quoted);
  EXPECT_TRUE(root.items.at(2).quoted);
  EXPECT_EQ(root.items.at(3).kind, Node::Kind::kNull);
  EXPECT_EQ(root.items.at(4).text, "null");
  EXPECT_EQ(root.items.at(5).kind, Node::Kind::kNull);
}

TEST(YamlTree, KeepsTheTextOfNumbers) {
  EXPECT_EQ(parse_good("revision: 2.10").find("revision")->value.text, "2.10");
}

TEST(YamlTree, ReportsAllDuplicatesAndKeepsTheFirst) {
  const Tree tree = parse_yaml("a: 1\nb: {c: 1, c: 2}\na: 3\na: 4\n");
  ASSERT_TRUE(tree.root.has_value());
  EXPECT_EQ(tree.problems.size(), 3U);
  EXPECT_EQ(tree.root->entries.size(), 2U);
  EXPECT_EQ(tree.root->find("a")->value.text, "1");
}

TEST(YamlTree, NullStandsAtItsKey) {
  const Node root = parse_good("a: 1\nlog:\n\n\nb: 2\n");
  EXPECT_EQ(root.find("log")->value.place.line, 2U);
}

TEST(YamlTree, AcceptsOneDocumentMarker) {
  EXPECT_EQ(parse_good("---\na: 1\n...\n").entries.size(), 1U);
  EXPECT_FALSE(parse_yaml("a: 1\n---\nb: 2\n").root.has_value());
}

// Neither a quote within plain text or a comment nor an escaped one begins or ends anything.
TEST(YamlTree, TellsAQuoteThatEndsFromOneThatDoesNot) {
  for (const char* const text : {"a: \"x\"\n",
                                 "a: 'it''s'\n",
                                 "a: \"\\\"\"  # don't\n",
                                 "a: \"\\\\\"\nb: it's\n",
                                 "a: \"x\n  y\"\n",
                                 "größe: ! 'x'\nb: |\n  \"y\n",
                                 "\"a\": [\"x\", 'y']\r\n"}) {
    EXPECT_TRUE(parse_yaml(text).problems.empty()) << text;
  }
  for (const char* const text : {"a: \"x\n",
                                 "a: 'it''\n",
                                 "a: \"x\\\"\n",
                                 "größe: x\nb: \"y\n",
                                 "a: ! 'x\n",
                                 "b: \"y\"\r\na: 'x\r\n\r\n",
                                 "\"x\n"}) {
    const Tree tree = parse_yaml(text);
    EXPECT_FALSE(tree.root.has_value()) << text;
    ASSERT_EQ(tree.problems.size(), 1U) << text;
    EXPECT_EQ(tree.problems[0].message, "this quoted text never ends") << text;
  }
}

TEST(YamlText, WhatIsWrittenIsReadBack) {
  Node root = Node::map();
  const std::vector<std::string> texts = {
      "",           "plain", "true",   "null", "~",        "2.4",
      "1e3",        "0x1f",  "1_000",  "yes",  "- a",      "a: b",
      "a #b",       " lead", "trail ", "#",    "[::1]:80", "127.0.0.1:80",
      "10.0.0.0/8", "a\nb",  "\"q\"",  "\\",   "\t",       "\x01\x7f",
      "größe",      ":",     "a:",     "-",    "{a}",      "...",
      "---",        "%a",    "@a",     "`a",   "!a",       "&a",
      "*a",         "|",     ">"};
  Node list = Node::list();
  for (const std::string& text : texts) {
    list.items.push_back(Node::string(text));
    root.add("key " + std::to_string(list.items.size()), Node::string(text));
  }
  root.add("list", list);
  root.add("empty-list", Node::list());
  root.add("empty-map", Node::map());
  const std::string yaml = render_yaml(root);
  // Control characters are escaped inside quotes, so the text itself has none.
  const Node read = parse_good(yaml);
  ASSERT_EQ(read.entries.size(), root.entries.size()) << yaml;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(read.entries[i].value.text, texts[i]);
    EXPECT_EQ(read.find("list")->value.items.at(i).text, texts[i]);
    EXPECT_EQ(read.entries[i].value.kind, Node::Kind::kScalar) << texts[i];
  }
}

TEST(YamlText, NestsListsAndMaps) {
  const std::string yaml =
      "steps:\n  - {weight: 1, gate: a}\n  - {weight: 5}\nkeys: [{header: X}, {cookie: y}]\n"
      "deep:\n  - name: a\n    limits: {b: 1}\n  - - - {x: 1, z: 2}\n";
  EXPECT_EQ(render_yaml(parse_good(yaml)), yaml);
}

}  // namespace
}  // namespace canaryd::config
