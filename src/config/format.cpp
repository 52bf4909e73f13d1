#include "canaryd/config/format.hpp"

#include "canaryd/config/yaml_tree.hpp"
#include "config/comments.hpp"
#include "config/yaml_scan.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::config {
namespace {

constexpr std::size_t kWidth = 96;

bool is_leaf(const Node& node) {
  return node.kind == Node::Kind::kScalar || node.kind == Node::Kind::kNull;
}

// What is plain outside brackets may be none inside.
bool fits_flow(const Node& node) {
  if (!is_leaf(node)) return false;
  return node.quoted ? node.text.find('\n') == std::string::npos
                     : node.text.find_first_of(",[]{}#&*!|>'\"%@`$\n") == std::string::npos &&
                           node.text.find(": ") == std::string::npos;
}

bool fits_a_line(const Node& node) {
  const auto flat_item = [](const Node& item) {
    return fits_flow(item) || (item.kind == Node::Kind::kMap && item.entries.size() == 1 &&
                               fits_flow(item.entries.front().value));
  };
  const auto flat_entry = [](const Node::Entry& entry) {
    const Node& value = entry.value;
    return fits_flow(value) || (value.kind == Node::Kind::kList &&
                                std::all_of(value.items.begin(), value.items.end(), fits_flow));
  };
  return std::all_of(node.items.begin(), node.items.end(), flat_item) &&
         std::all_of(node.entries.begin(), node.entries.end(), flat_entry);
}

std::uint32_t last_line(const Node& node) {
  std::uint32_t line = node.place.line;
  for (const Node& item : node.items) line = std::max(line, last_line(item));
  for (const Node::Entry& entry : node.entries) {
    line = std::max({line, entry.place.line, last_line(entry.value)});
  }
  return line;
}

// `on` needs no quotes for us, whatever older readers of YAML make of it.
std::string key_of(const std::string& key) {
  const bool plain =
      !key.empty() &&
      key.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789") == std::string::npos;
  if (plain) return key;
  Node map = Node::map();
  map.add(key, Node::literal("x"));
  std::string text = render_flow(map);  // {key: x}
  return text.substr(1, text.size() - 5);
}

class Formatter {
 public:
  explicit Formatter(const Layout& layout) : layout_(layout) {}

  std::string format(const Node& root) {
    block(root, 0);
    lead(UINT32_MAX, 0);
    return std::move(out_);
  }

 private:
  // What stands above a line: comments that have not been written, and one blank line.
  void lead(std::uint32_t line, std::size_t indent) {
    const auto& comments = layout_.comments;
    for (; next_ < comments.size() && comments[next_].line < line; ++next_) {
      const Comment& comment = comments[next_];
      if (comment.own_line && layout_.is_blank(comment.line - 1)) blank();
      out_ += std::string(indent, ' ') + comment.text + "\n";
    }
    if (line != UINT32_MAX && line > 0 && layout_.is_blank(line - 1)) blank();
  }

  void blank() {
    if (!out_.empty() && !out_.ends_with("\n\n")) out_ += '\n';
  }

  // Ends a line of the result, with the comment that stands on this line of the source, or on the
  // last one of a value that has become one line.
  void end_line(std::uint32_t line, std::uint32_t last) {
    const auto& comments = layout_.comments;
    if (next_ < comments.size() && !comments[next_].own_line &&
        (comments[next_].line == line || comments[next_].line == last)) {
      const std::size_t begin = out_.rfind('\n') + 1;  // npos + 1 is 0.
      const std::size_t length = out_.size() - begin;
      const std::size_t column = comments[next_].column;
      out_ += std::string(column > length + 2 ? column - length : 2, ' ') + comments[next_].text;
      ++next_;
    }
    out_ += '\n';
  }

  bool is_flow_in_source(const Node& node) const {
    const auto [source, line, column] = node.place;
    if (line == 0 || line > layout_.lines.size() || column == 0) return false;
    const std::string_view text = layout_.lines[line - 1];
    return column <= text.size() && (text[column - 1] == '{' || text[column - 1] == '[');
  }

  // Would a comment lose its place if the value were on one line?
  bool is_commented_within(const Node& node, std::uint32_t line, bool after_dash) const {
    const bool flow = is_flow_in_source(node);
    const std::uint32_t last = last_line(node);
    // Behind a dash the first line of a block is that of its first key.
    const std::uint32_t first = after_dash && !flow ? line : line + 1;
    const auto& comments = layout_.comments;
    return std::any_of(comments.begin() + static_cast<std::ptrdiff_t>(next_),
                       comments.end(),
                       [&](const Comment& comment) {
                         const bool behind = flow && comment.line == last && !comment.own_line;
                         return comment.line >= first && comment.line <= last && !behind;
                       });
  }

  // A text of several lines, in block style if that keeps it.
  bool lines(const Node& node, std::size_t indent, std::uint32_t line) {
    const std::string& text = node.text;
    if (node.kind != Node::Kind::kScalar || text.find('\n') == std::string::npos) return false;
    const bool ended = text.ends_with('\n');
    const std::string body = ended ? text.substr(0, text.size() - 1) : text;
    const bool controls = std::any_of(body.begin(), body.end(), [](char c) {
      return (static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7f;
    });
    const bool odd = controls || body.empty() || body.front() == ' ' || body.front() == '\n' ||
                     body.back() == '\n' || body.back() == ' ' ||
                     body.find(" \n") != std::string::npos;
    if (odd) return false;
    out_ += ended ? " |" : " |-";
    end_line(line, line);
    for (std::size_t at = 0; at <= body.size();) {
      const std::size_t end = std::min(body.find('\n', at), body.size());
      const std::string part = body.substr(at, end - at);
      out_ += (part.empty() ? "" : std::string(indent + 2, ' ') + part) + "\n";
      at = end + 1;
    }
    return true;
  }

  // The value behind a key or a dash, which stands at the end already.
  void value(const Node& node, std::uint32_t line, std::size_t indent, bool after_dash) {
    if (lines(node, indent, line)) return;
    const std::uint32_t last = last_line(node);
    const std::string flow = render_flow(node);
    const bool empty = node.items.empty() && node.entries.empty();
    const bool fits =
        indent + flow.size() <= kWidth && !is_commented_within(node, line, after_dash);
    if (is_leaf(node) || empty || (fits_a_line(node) && fits)) {
      out_ += " " + flow;
      return end_line(line, last);
    }
    if (!after_dash) {
      end_line(line, line);
      return block(node, indent + 2);
    }
    out_ += ' ';
    block(node, indent + 2, true);
  }

  // `begun`: the first line has its indentation already.
  void block(const Node& node, std::size_t indent, bool begun = false) {
    const auto start = [&](std::uint32_t line) {
      if (!std::exchange(begun, false)) {
        lead(line, indent);
        out_ += std::string(indent, ' ');
      }
    };
    for (const Node& item : node.items) {
      start(item.place.line);
      out_ += '-';
      value(item, item.place.line, indent, true);
    }
    for (const Node::Entry& entry : node.entries) {
      start(entry.place.line);
      out_ += key_of(entry.key) + ":";
      value(entry.value, entry.place.line, indent, false);
    }
  }

  const Layout& layout_;
  std::size_t next_ = 0;
  std::string out_;
};

std::vector<std::string> comments_of(std::string_view text) {
  std::vector<std::string> comments;
  const Layout layout = read_layout(text);
  for (const Comment& comment : layout.comments) comments.push_back(comment.text);
  return comments;
}

bool says_the_same(const Node& root, std::string_view before, const std::string& after) {
  const Tree again = parse_yaml(after);
  return again.root && again.problems.empty() && render_yaml(*again.root) == render_yaml(root) &&
         comments_of(before) == comments_of(after);
}

Problem problem_of(std::string_view file, TreeProblem found) {
  Problem problem;
  problem.file = file;
  problem.message = std::move(found.message);
  problem.hint = std::move(found.hint);
  problem.line = found.place.line;
  problem.column = found.place.column;
  return problem;
}

// What says that the text is not what was meant; to lay it out would hide that.
std::vector<TreeProblem> problems_of(const Tree& tree) {
  if (!tree.problems.empty() || !tree.root) return tree.problems;
  if (tree.root->kind != Node::Kind::kMap) return {{{0, 1, 1}, "expected a map of keys", {}}};
  if (tree.siblings_in_quotes) {
    return {{*tree.siblings_in_quotes,
             kRunawayQuote,
             std::string(kMissingQuote) + ", or write the text as a block behind \"|\""}};
  }
  return {};
}

}  // namespace

Formatted format(std::string_view file_name, std::string_view text) {
  Formatted result;
  const Tree tree = parse_yaml(text);
  for (TreeProblem& found : problems_of(tree)) {
    result.problems.push_back(problem_of(file_name, std::move(found)));
  }
  if (!result.problems.empty() || !tree.root) return result;
  const Layout layout = read_layout(text);
  std::string formatted = Formatter(layout).format(*tree.root);
  if (says_the_same(*tree.root, text, formatted)) {
    result.text = std::move(formatted);
  } else {
    result.problems.push_back(
        problem_of(file_name, {{}, "cannot be formatted without a change of what it says", {}}));
  }
  return result;
}

}  // namespace canaryd::config
