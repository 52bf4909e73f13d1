#include "config/tree_edit.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace canaryd::config {
namespace {

constexpr std::size_t kMaxExpandedBytes = 64 * 1024;           // One value.
constexpr std::size_t kMaxAllExpandedBytes = 4 * 1024 * 1024;  // The whole file.
constexpr std::size_t kMaxPathParts = kMaxDepth;
constexpr std::size_t kMaxMergedKeys = 1000;
constexpr std::size_t kMaxMergedNodes = 200'000;  // Copies of the defaults, about 200 bytes each.

// ---------------------------------------------------------------- overrides

// "listeners[0].address" as listeners, 0, address; empty when it is no path.
std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> parts;
  std::string part;
  for (const char c : path) {
    if (c == '.' || c == '[') {
      parts.push_back(std::exchange(part, {}));
    } else if (c != ']') {
      part += c;
    }
  }
  parts.push_back(std::move(part));
  const bool gap = std::any_of(parts.begin(), parts.end(), [](auto& p) { return p.empty(); });
  return gap || parts.size() > kMaxPathParts ? std::vector<std::string>() : parts;
}

void set_source(Node& node, std::uint32_t source) {
  node.place = {source, 0, 0};
  for (Node& item : node.items) set_source(item, source);
  for (Node::Entry& entry : node.entries) {
    entry.place = {source, 0, 0};
    set_source(entry.value, source);
  }
}

Node override_value(const std::string& text, std::uint32_t source) {
  Node node = Node::literal(text);
  if (!text.empty() && std::string_view("[{\"'").find(text.front()) != std::string_view::npos) {
    // Not YAML after all, such as "[::1]:80": plain text.
    if (Tree tree = parse_yaml(text); tree.root && tree.problems.empty()) {
      node = std::move(*tree.root);
    }
  }
  set_source(node, source);
  return node;
}

// The child that a part of the path names, made if the map has none; null when there can be none.
Node* child(Node& node, const std::string& part, std::uint32_t source) {
  if (node.kind == Node::Kind::kList) {
    std::size_t index = 0;
    const char* const end = part.data() + part.size();
    const auto [stop, error] = std::from_chars(part.data(), end, index);
    if (error != std::errc() || stop != end || index >= node.items.size()) return nullptr;
    return &node.items[index];
  }
  if (node.kind == Node::Kind::kNull) {
    node = Node::map();
    node.place = {source, 0, 0};
  }
  if (node.kind != Node::Kind::kMap) return nullptr;
  if (Node::Entry* entry = node.find(part)) return &entry->value;
  node.entries.push_back({part, {source, 0, 0}, {}});
  return &node.entries.back().value;
}

void apply_override(Node& root,
                    const std::string& path,
                    const std::string& value,
                    std::uint32_t source,
                    Report& report) {
  const std::vector<std::string> parts = split_path(path);
  const Place place{source, 0, 0};
  if (parts.empty()) {
    report.add(Severity::kError,
               place,
               quoted(path) + " is not a path of keys",
               "write it as in drain.timeout or listeners[0].address");
    return;
  }
  Node* node = &root;
  for (const std::string& part : parts) {
    node = child(*node, part, source);
    if (node == nullptr) {
      report.add(Severity::kError, place, "there is no " + quoted(part) + " in the file to set");
      return;
    }
  }
  *node = override_value(value, source);
}

// ---------------------------------------------------------------- variables

bool is_variable_name(std::string_view name) noexcept {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !name.empty() && letter(name.front()) &&
         std::all_of(
             name.begin(), name.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

class Expander {
 public:
  Expander(const LoadInput& input, Report& report) : input_(input), report_(report) {}

  void expand_all(Node& node, bool is_of_others = false) {
    if (node.kind == Node::Kind::kScalar && node.text.find('$') != std::string::npos) {
      if (!is_of_others) warn_of_bare_name(node);
      expand(node);
    }
    for (Node& item : node.items) expand_all(item, is_of_others);
    for (Node::Entry& entry : node.entries) {
      expand_all(entry.value, is_of_others || has_dollars_of_its_own(entry.key));
    }
  }

 private:
  // What a shell, a query or a client gets: "$NAME" may mean something there.
  static bool has_dollars_of_its_own(std::string_view key) noexcept {
    return key == "exec" || key == "query" || key == "body";
  }

  // As a shell has it, which is plain text here.
  void warn_of_bare_name(const Node& node) {
    const std::string_view text = node.text;
    for (std::size_t at = text.find('$'); at < text.size(); at = text.find('$', at + 1)) {
      const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
      const std::string_view rest = text.substr(at + 1);
      // Two of them are meant as they stand.
      if (at > 0 && text[at - 1] == '$') continue;
      if (rest.empty() || !is_upper(rest.front())) continue;
      const auto* const end = std::find_if_not(rest.begin(), rest.end(), [&](char c) {
        return is_upper(c) || c == '_' || (c >= '0' && c <= '9');
      });
      const std::string name(rest.begin(), end);
      return report_.add(Severity::kWarning,
                         node.place,
                         quoted("$" + name) + " is plain text",
                         "write ${" + name + "} for the variable");
    }
  }

  void expand(Node& node) {
    std::string out;
    std::string_view rest = node.text;
    while (!rest.empty()) {
      if (rest.starts_with("$${")) {
        out += "${";
        rest.remove_prefix(3);
      } else if (rest.starts_with("${")) {
        const std::size_t end = rest.find('}');
        if (end == std::string_view::npos) {
          return fail(node, "\"${\" without \"}\"", "write $${ for a plain ${");
        }
        const auto value = value_of(node, rest.substr(2, end - 2));
        if (!value) return;
        out += *value;
        rest.remove_prefix(end + 1);
      } else {
        out += rest.front();
        rest.remove_prefix(1);
      }
      if (out.size() > kMaxExpandedBytes) return fail(node, "too long with its variables", {});
    }
    total_ += out.size();
    if (total_ > kMaxAllExpandedBytes)
      return fail(node, "the file is too large with its variables", {});
    node.text = std::move(out);
  }

  std::optional<std::string> value_of(Node& node, std::string_view inside) {
    const std::size_t mark = inside.find(":-");
    const std::string_view name = inside.substr(0, mark);
    if (!is_variable_name(name)) {
      fail(node,
           quoted(name) + " is not the name of a variable",
           "write ${NAME} or ${NAME:-default}");
      return std::nullopt;
    }
    std::optional<std::string> value;
    if (input_.environment) value = input_.environment(name);
    if (mark == std::string_view::npos) {
      if (!value) {
        fail(node,
             "the environment variable " + std::string(name) + " is not set",
             "${" + std::string(name) + ":-default} gives it a default");
      }
      return value;
    }
    if (!value || value->empty()) return std::string(inside.substr(mark + 2));
    return value;
  }

  // The text stays as it is; marked as inherited, nothing more is said about it.
  void fail(Node& node, std::string message, std::string hint) {
    report_.add(Severity::kError, node.place, std::move(message), std::move(hint));
    node.inherited = true;
  }

  const LoadInput& input_;
  Report& report_;
  std::size_t total_ = 0;
};

// ---------------------------------------------------------------- defaults

void mark_inherited(Node& node) {
  node.inherited = true;
  for (Node& item : node.items) mark_inherited(item);
  for (Node::Entry& entry : node.entries) mark_inherited(entry.value);
}

std::size_t count_nodes(const Node& node) {
  std::size_t count = 1;
  for (const Node& item : node.items) count += count_nodes(item);
  for (const Node::Entry& entry : node.entries) count += count_nodes(entry.value);
  return count;
}

// Adds to `node` what only `base` has; `base` is marked as inherited already.
void merge_under(Node& node, const Node& base) {
  if (node.kind != Node::Kind::kMap || base.kind != Node::Kind::kMap) return;
  if (node.entries.size() > kMaxMergedKeys) return;  // No section has that many; it is refused.
  for (const Node::Entry& entry : base.entries) {
    if (Node::Entry* own = node.find(entry.key)) {
      merge_under(own->value, entry.value);
    } else {
      node.entries.push_back(entry);
    }
  }
}

}  // namespace

void apply_overrides(Node& root, const LoadInput& input, Report& report) {
  for (std::size_t i = 0; i < input.overrides.size(); ++i) {
    const auto& [path, value] = input.overrides[i];
    apply_override(root, path, value, static_cast<std::uint32_t>(i + 1), report);
  }
}

void expand_variables(Node& root, const LoadInput& input, Report& report) {
  Expander(input, report).expand_all(root);
}

std::string escape_variables(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("${")) out += '$';
    out += text[i];
  }
  return out;
}

void merge_defaults(Node& root, Report& report) {
  const Node::Entry* defaults = root.find("defaults");
  const Node::Entry* base = defaults == nullptr ? nullptr : defaults->value.find("rollout");
  Node::Entry* rollouts = root.find("rollouts");
  if (base == nullptr || rollouts == nullptr) return;
  if (count_nodes(base->value) * rollouts->value.entries.size() > kMaxMergedNodes) {
    report.add(Severity::kError, base->place, "defaults.rollout is too large for so many rollouts");
    return;
  }
  Node inherited = base->value;
  mark_inherited(inherited);
  for (Node::Entry& rollout : rollouts->value.entries) merge_under(rollout.value, inherited);
}

}  // namespace canaryd::config
