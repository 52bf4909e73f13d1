#include "config/json_text.hpp"

#include "canaryd/base/text.hpp"

namespace canaryd::config {
namespace {

void append_scalar(std::string& out, const Node& node) {
  if (node.kind == Node::Kind::kNull) {
    out += "null";
  } else if (node.quoted) {
    append_json_string(out, node.text);
  } else {
    out += node.text;  // Numbers and truth values are written alike in YAML and JSON.
  }
}

void new_line(std::string& out, int indent) {
  if (indent < 0) return;
  out += '\n';
  out.append(2 * static_cast<std::size_t>(indent), ' ');
}

}  // namespace

void append_json(std::string& out, const Node& node, int indent) {
  const bool map = node.kind == Node::Kind::kMap;
  if (!map && node.kind != Node::Kind::kList) return append_scalar(out, node);
  const int inner = indent < 0 ? indent : indent + 1;
  out += map ? '{' : '[';
  bool first = true;
  const auto begin_item = [&] {
    if (!first) out += ',';
    first = false;
    new_line(out, inner);
  };
  for (const Node& item : node.items) {
    begin_item();
    append_json(out, item, inner);
  }
  for (const Node::Entry& entry : node.entries) {
    begin_item();
    append_json_string(out, entry.key);
    out += indent < 0 ? ":" : ": ";
    append_json(out, entry.value, inner);
  }
  if (!first) new_line(out, indent);
  out += map ? '}' : ']';
}

}  // namespace canaryd::config
