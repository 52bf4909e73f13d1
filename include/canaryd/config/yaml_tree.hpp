// YAML as a tree of plain nodes that know where they stood. yaml-cpp and its exceptions stay behind
// this wall.
//
// The subset: one document, maps with plain text keys, lists, scalars. Anchors, aliases, tags and
// second documents are refused, duplicate keys are reported (the first one stays in the tree), and
// size, depth and the number of nodes are bounded before memory is spent on them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace canaryd::config {

// Where something stands: source 0 is the file, n is the n-th override. Line and column from 1, in
// bytes; line 0 when the place is unknown.
struct Place {
  std::uint32_t source = 0;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
};

struct Node {
  enum class Kind : std::uint8_t { kNull, kScalar, kList, kMap };
  // What of a text may be a secret: nothing; the user and the query of a URL; all of it.
  enum class Secret : std::uint8_t { kNone, kUrl, kAll };
  struct Entry;

  Kind kind = Kind::kNull;
  Secret secret = Secret::kNone;  // On the way out only.
  bool quoted = false;  // Was written in quotes; on the way out: is text, not a number or a word.
  bool inherited = false;  // Came from `defaults`, where its problems have been reported already.
  Place place;
  std::string text;
  std::vector<Node> items;
  std::vector<Entry> entries;

  [[nodiscard]] static Node literal(std::string text);
  [[nodiscard]] static Node string(std::string text);
  [[nodiscard]] static Node list();
  [[nodiscard]] static Node map();

  [[nodiscard]] const Entry* find(std::string_view key) const noexcept;
  [[nodiscard]] Entry* find(std::string_view key) noexcept;
  void add(std::string key, Node value);
};

struct Node::Entry {
  std::string key;
  Place place;
  Node value;
};

struct TreeProblem {
  Place place;
  std::string message;
  std::string hint;
};

struct Tree {
  std::optional<Node> root;  // Not set when the text could not be read to its end.
  std::vector<TreeProblem> problems;
  // The first text in quotes whose further lines have what looks like keys, and the first that has
  // keys no further in than the line on which it begins: further in they may be a text of their
  // own, as of JSON. A quote may be missing there.
  std::optional<Place> keys_in_quotes;
  std::optional<Place> siblings_in_quotes;
};

[[nodiscard]] Tree parse_yaml(std::string_view text);

// Block style, two spaces; small lists and maps in flow style. parse_yaml reads it back to an equal
// tree.
[[nodiscard]] std::string render_yaml(const Node& node);

// On one line, in flow style; for messages and tables.
[[nodiscard]] std::string render_flow(const Node& node);

}  // namespace canaryd::config
