#include "config/hints.hpp"

#include "canaryd/base/suggest.hpp"
#include "config/codec.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace canaryd::config {
namespace {

constexpr std::size_t kWrittenMax = 64;  // A longer value says nothing in a hint.
constexpr std::size_t kMeantMax = 3;
constexpr int kLevelsBelow = 3;

// ---------------------------------------------------------------- values

std::optional<Node> as_written(const Node& node, const Shape& shape);

bool fits_number(std::string_view text, const Shape& shape) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end && value >= shape.minimum.value_or(value) &&
         value <= shape.maximum.value_or(value);
}

// No sentence and no URL, and no slip of who takes the field for a switch.
bool is_plain_word(std::string_view text) {
  constexpr std::array<std::string_view, 6> kSwitches{"true", "false", "yes", "no", "on", "off"};
  if (std::find(kSwitches.begin(), kSwitches.end(), text) != kSwitches.end()) return false;
  return text.find(' ') == std::string_view::npos && text.find("://") == std::string_view::npos;
}

// The only key that has to be there, or the one that was named in place of being set.
std::optional<Node> in_section(const Node& node, const SectionInfo& section) {
  Node map = Node::map();
  const FieldInfo* const named = section.find(node.text);
  if (named != nullptr && named->shape.kind == Shape::Kind::kBoolean) {
    map.add(node.text, Node::literal("true"));
    return map;
  }
  const auto is_required = [](const FieldInfo& field) { return field.required; };
  const auto& fields = section.fields;
  if (std::count_if(fields.begin(), fields.end(), is_required) != 1) return std::nullopt;
  const FieldInfo& only = *std::find_if(fields.begin(), fields.end(), is_required);
  auto value = as_written(node, only.shape);
  if (!value) return std::nullopt;
  map.add(std::string(only.key), std::move(*value));
  return map;
}

std::optional<Node> in_list(const Node& node, const Shape& element) {
  auto item = as_written(node, element);
  if (!item) return std::nullopt;
  Node list = Node::list();
  list.items.push_back(std::move(*item));
  return list;
}

std::optional<Node> as_written(const Node& node, const Shape& shape) {
  switch (shape.kind) {
    case Shape::Kind::kInteger:
    case Shape::Kind::kNumber:
      if (!fits_number(node.text, shape)) return std::nullopt;
      return Node::literal(node.text);
    case Shape::Kind::kText:
      if (!is_plain_word(node.text)) return std::nullopt;
      return Node::string(node.text);
    case Shape::Kind::kChoice:
      if (std::find(shape.words.begin(), shape.words.end(), node.text) == shape.words.end()) {
        return std::nullopt;
      }
      return Node::string(node.text);
    case Shape::Kind::kList:
      return in_list(node, *shape.element);
    case Shape::Kind::kSection:
      return in_section(node, *shape.section);
    case Shape::Kind::kEither:  // Which one is meant nobody can tell.
    case Shape::Kind::kBoolean:
    case Shape::Kind::kNamed:
      break;
  }
  return std::nullopt;
}

bool is_short_value(const Node& node) {
  return node.kind == Node::Kind::kScalar && !node.text.empty() &&
         node.text.size() <= kWrittenMax && is_printable(node.text);
}

// ---------------------------------------------------------------- keys

// "path" is a word of "path_prefix".
std::vector<std::string_view> keys_with_word(std::string_view word,
                                             std::vector<std::string_view> keys) {
  const std::string wanted = "_" + std::string(word) + "_";
  std::erase_if(keys, [&](std::string_view key) {
    return ("_" + std::string(key) + "_").find(wanted) == std::string::npos;
  });
  if (keys.size() > kMeantMax) keys.clear();
  return keys;
}

std::string joined(std::string path, std::string_view key) {
  if (!path.empty()) path += '.';
  return path.append(key);
}

struct Below {
  const SectionInfo* info = nullptr;
  std::string path;
  int level = 0;
};

// Each section once: the nearest way to it comes first.
void add_sections(const Shape& shape, const Below& at, std::vector<Below>& all) {
  if (shape.kind == Shape::Kind::kList) {
    return add_sections(*shape.element, {nullptr, at.path + "[]", at.level}, all);
  }
  if (shape.kind == Shape::Kind::kNamed) {
    return add_sections(*shape.element, {nullptr, at.path + ".NAME", at.level}, all);
  }
  for (const Shape& alternative : shape.alternatives) add_sections(alternative, at, all);
  if (shape.kind != Shape::Kind::kSection) return;
  const bool known = std::any_of(
      all.begin(), all.end(), [&](const Below& each) { return each.info == shape.section; });
  if (!known) all.push_back({shape.section, at.path, at.level});
}

// Where the key is in a section below this one; empty if that is nowhere, or in two places that are
// as near.
std::string place_below(std::string_view key, const SectionInfo& top, int levels) {
  std::vector<Below> all{{&top, "", 0}};
  const Below* found = nullptr;
  for (std::size_t i = 0; i < all.size() && all[i].level < levels; ++i) {
    const Below from = all[i];  // The vector grows.
    for (const FieldInfo& field : from.info->fields) {
      add_sections(field.shape, {nullptr, joined(from.path, field.key), from.level + 1}, all);
    }
  }
  for (std::size_t i = 1; i < all.size(); ++i) {
    if (all[i].info->find(key) == nullptr) continue;
    if (found != nullptr) return all[i].level == found->level ? "" : joined(found->path, key);
    found = &all[i];
  }
  return found == nullptr ? "" : joined(found->path, key);
}

// The full path of a key of this name that stands elsewhere.
std::string key_elsewhere(std::string_view key,
                          std::string_view path,
                          const std::vector<OpenSection>& open) {
  for (std::size_t i = open.size(); i-- > 0;) {
    const SectionInfo& info = *open[i].info;
    const std::string prefix(path.substr(0, open[i].path_length));
    if (info.find(key) != nullptr) return joined(prefix, key);
    const std::size_t outwards = open.size() - 1 - i;
    // Beside is next to it: what is further away has the name by chance.
    if (outwards > 1) continue;
    const std::string below = place_below(key, info, outwards == 0 ? kLevelsBelow : 1);
    if (!below.empty()) return joined(prefix, below);
  }
  return {};
}

}  // namespace

std::vector<std::string_view> known_keys(const SectionInfo& info) {
  std::vector<std::string_view> keys;
  for (const FieldInfo& field : info.fields) keys.push_back(field.key);
  return keys;
}

std::string write_hint(const Node& instead) {
  return "write " + render_flow(instead);
}

std::string section_hint(const Node& node, const SectionInfo& section) {
  if (!is_short_value(node)) return {};
  const auto instead = in_section(node, section);
  return instead ? write_hint(*instead) : std::string();
}

std::string list_hint(const Node& node, const Shape& element) {
  if (!is_short_value(node)) return {};
  const auto instead = in_list(node, element);
  return instead ? write_hint(*instead) : std::string();
}

std::string key_hint(std::string_view key,
                     std::string_view path,
                     const std::vector<OpenSection>& open) {
  if (open.empty()) return {};
  const std::vector<std::string_view> keys = known_keys(*open.back().info);
  std::string hint = did_you_mean(key, keys);
  if (hint.empty()) hint = did_you_mean_one_of(keys_with_word(key, keys));
  if (!hint.empty()) return hint;
  const std::string elsewhere = key_elsewhere(key, path, open);
  if (elsewhere == key) return "it stands at the top of the file";
  return elsewhere.empty() ? hint : did_you_mean_one_of({elsewhere});
}

}  // namespace canaryd::config
