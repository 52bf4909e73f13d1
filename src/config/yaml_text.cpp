#include "canaryd/config/yaml_tree.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace canaryd::config {
namespace {

constexpr std::size_t kFlowWidth = 96;

bool is_plain_char(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("_./:-+").find(c) != std::string_view::npos;
}

// Would some YAML reader take it for a number, a truth value or nothing? YAML 1.1's words are
// included, for the editors and scripts that still read those.
bool looks_like_other_type(std::string_view text) {
  static constexpr std::array<std::string_view, 12> kWords{
      "true", "false", "yes", "no", "on", "off", "null", "y", "n", ".inf", ".nan", "auto"};
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (std::find(kWords.begin(), kWords.end() - 1, lower) != kWords.end() - 1) return true;
  if (text.find('_') != std::string_view::npos || lower.starts_with("0x") ||
      lower.starts_with("0o")) {
    return text.front() >= '0' && text.front() <= '9';
  }
  if (text.front() == '+' || text.front() == '-' || text.front() == '.') return true;
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool is_plain(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_plain_char) &&
         text.front() != ':' && text.back() != ':' && !looks_like_other_type(text);
}

std::string quote(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\x";
      out += kHex[byte >> 4U];
      out += kHex[byte & 15U];
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string scalar(const Node& node) {
  if (node.kind == Node::Kind::kNull) return "null";
  if (!node.quoted || is_plain(node.text)) return node.text;
  return quote(node.text);
}

bool is_scalar(const Node& node) noexcept {
  return node.kind == Node::Kind::kScalar || node.kind == Node::Kind::kNull;
}

std::string flow(const Node& node) {
  if (is_scalar(node)) return scalar(node);
  const bool map = node.kind == Node::Kind::kMap;
  std::string out = map ? "{" : "[";
  const auto separate = [&] {
    if (out.size() > 1) out += ", ";
  };
  for (const Node& item : node.items) {
    separate();
    out += flow(item);
  }
  for (const Node::Entry& entry : node.entries) {
    separate();
    out += (is_plain(entry.key) ? entry.key : quote(entry.key)) + ": " + flow(entry.value);
  }
  return out + (map ? "}" : "]");
}

// One line reads best for lists of scalars, maps of scalars, and lists of one-entry maps.
bool is_flat(const Node& node) {
  if (is_scalar(node)) return true;
  const auto flat_item = [](const Node& item) {
    return is_scalar(item) || (item.kind == Node::Kind::kMap && item.entries.size() == 1 &&
                               is_scalar(item.entries.front().value));
  };
  return std::all_of(node.items.begin(), node.items.end(), flat_item) &&
         std::all_of(node.entries.begin(), node.entries.end(), [](const Node::Entry& entry) {
           return is_scalar(entry.value) ||
                  (entry.value.kind == Node::Kind::kList &&
                   std::all_of(entry.value.items.begin(), entry.value.items.end(), is_scalar));
         });
}

void block(const Node& node, std::size_t indent, std::string& out);

// The value of a key or of a list's dash, which stands at the end of `out` already.
void value(const Node& node, std::size_t indent, bool after_dash, std::string& out) {
  if (is_flat(node)) {
    std::string line = flow(node);
    if (is_scalar(node) || indent + line.size() <= kFlowWidth) {
      out += (after_dash ? "" : " ") + line + "\n";
      return;
    }
  }
  if (after_dash) {
    std::string inner;
    block(node, indent + 2, inner);
    out += inner.substr(indent + 2);  // The first line goes on behind the dash.
    return;
  }
  out += '\n';
  block(node, indent + 2, out);
}

void block(const Node& node, std::size_t indent, std::string& out) {
  if (is_scalar(node) || (node.items.empty() && node.entries.empty())) {
    out += std::string(indent, ' ') + flow(node) + "\n";
    return;
  }
  for (const Node& item : node.items) {
    out += std::string(indent, ' ') + "- ";
    value(item, indent, true, out);
  }
  for (const Node::Entry& entry : node.entries) {
    out += std::string(indent, ' ') + (is_plain(entry.key) ? entry.key : quote(entry.key)) + ":";
    value(entry.value, indent, false, out);
  }
}

}  // namespace

std::string render_flow(const Node& node) {
  return flow(node);
}

std::string render_yaml(const Node& node) {
  std::string out;
  block(node, 0, out);
  return out;
}

}  // namespace canaryd::config
