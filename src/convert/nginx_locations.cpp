#include "convert/nginx_locations.hpp"

#include <algorithm>
#include <initializer_list>
#include <string_view>

namespace canaryd::convert {
namespace {

bool has_one_of(const Directive& block, std::initializer_list<std::string_view> names) {
  return std::any_of(block.block.begin(), block.block.end(), [&](const Directive& directive) {
    return std::find(names.begin(), names.end(), directive.words[0]) != names.end();
  });
}

// Whether requests for `path` that come to where `other` stands go to it, rather than to `chosen`
// beside it: nginx takes the longest prefix, and an exact location before any.
bool goes_before(const Location& other, const Location& chosen, const Location& inner) {
  if (other.block == chosen.block || other.is_pattern()) return false;
  if (other.is_exact()) return inner.is_exact() && other.path() == inner.path();
  return other.path().size() > chosen.path().size() && inner.path().starts_with(other.path());
}

}  // namespace

std::string Location::modifier() const {
  return block->words.size() == 3 ? block->words[1] : "";
}

bool Location::is_pattern() const {
  const bool own = modifier().starts_with('~') || path().starts_with('@') ||
                   path().find('*') != std::string::npos;
  return own || (outer != nullptr && outer->is_pattern());
}

std::string Location::prefix() const {
  if (!is_pattern()) return path();
  return outer == nullptr ? "/" : outer->prefix();
}

bool is_location(const Directive& directive) {
  return directive.words[0] == "location" && directive.has_block;
}

bool is_within(const Location& location, const Directive* block) {
  for (const Location* at = location.outer; at != nullptr; at = at->outer) {
    if (at->block == block) return true;
  }
  return false;
}

std::string why_not_reached(const Location& location) {
  if (location.outer == nullptr || location.is_pattern()) return {};
  const Location& around = *location.outer;
  if (around.is_exact() || !location.path().starts_with(around.path())) {
    return "it is outside of location " + around.path() + ", in which it stands";
  }
  for (const Location* chosen = &around; chosen != nullptr; chosen = chosen->outer) {
    for (const Directive& directive : *chosen->siblings) {
      if (!is_location(directive)) continue;
      const Location other{&directive, chosen->siblings, chosen->outer};
      if (goes_before(other, *chosen, location)) {
        return "its requests go to location " + other.path() + ", which is not in location " +
               chosen->path();
      }
    }
  }
  return {};
}

std::vector<const Directive*> access_blocks(const Location& location) {
  std::vector<const Directive*> blocks{location.block};
  bool found = has_one_of(*location.block, {"allow", "deny"});
  for (const Location* at = location.outer; at != nullptr; at = at->outer) {
    const bool has_rules = has_one_of(*at->block, {"allow", "deny"});
    if ((has_rules && !found) || has_one_of(*at->block, {"satisfy"})) blocks.push_back(at->block);
    found = found || has_rules;
  }
  return blocks;
}

}  // namespace canaryd::convert
