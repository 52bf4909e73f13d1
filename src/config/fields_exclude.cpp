// Rollouts: which requests are no evidence.
#include "canaryd/routing/exclusion.hpp"
#include "config/fields.hpp"

#include <algorithm>

namespace canaryd::config {
namespace {

// One that says nothing but "anything" is a slip.
bool is_pattern(std::string_view text) {
  const auto is_plain = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte != 0x7f;
  };
  return std::all_of(text.begin(), text.end(), is_plain) &&
         text.find_first_not_of('*') != std::string_view::npos;
}

const Section<analysis::Exclusion>& exclusion_section() {
  static const auto made = [] {
    using analysis::Exclusion;
    Section<Exclusion> s("Exclusion");
    s.add("path_prefix",
          &Exclusion::path_prefix,
          text(path_rule()),
          "Leading segments of the path, as in a route. Either this or `header`.")
        .default_value.reset();
    s.add("header", &Exclusion::header, text(header_name_rule()), "A header that the request has.")
        .default_value.reset();
    s.add(
         "matches",
         &Exclusion::matches,
         text({"printable text with more in it than *", "", is_pattern, routing::kPatternBytesMax}),
         "Text in that header's value, whatever the case; `*` stands for anything. Left out, it is "
         "enough that the header is there.")
        .default_value.reset();
    return s;
  }();
  return made;
}

}  // namespace

Codec<std::vector<analysis::Exclusion>> exclusions() {
  Codec<analysis::Exclusion> one = section(exclusion_section());
  one.read = [read = std::move(one.read)](Reader& in, const Node& node, analysis::Exclusion& out) {
    if (!read(in, node, out)) return false;
    if (out.path_prefix.empty() == out.header.empty()) {
      return in.error(node, "expected one of path_prefix and header");
    }
    if (out.header.empty() && !out.matches.empty()) {
      return in.error(node, "matches is for the value of a header");
    }
    return true;
  };
  // Only what is set.
  one.write = [](const analysis::Exclusion& value, const Names& /*names*/) {
    Node node = Node::map();
    if (!value.path_prefix.empty()) node.add("path_prefix", Node::string(value.path_prefix));
    if (!value.header.empty()) node.add("header", Node::string(value.header));
    if (!value.matches.empty()) node.add("matches", Node::string(value.matches));
    return std::optional(std::move(node));
  };
  return list_of(std::move(one), 0, routing::kExclusionsMax);
}

}  // namespace canaryd::config
