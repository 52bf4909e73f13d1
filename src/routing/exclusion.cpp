#include "canaryd/routing/exclusion.hpp"

#include "canaryd/http/chars.hpp"

#include <algorithm>

namespace canaryd::routing {
namespace {

std::string_view::const_iterator find_part(std::string_view value, std::string_view part) noexcept {
  return std::search(value.begin(), value.end(), part.begin(), part.end(), [](char a, char b) {
    return http::lower(a) == http::lower(b);
  });
}

bool fits(const Exclusion& rule, const http::FieldList& fields, std::string_view path) noexcept {
  if (!rule.path_prefix.empty()) return has_path_prefix(path, rule.path_prefix);
  return std::any_of(fields.begin(), fields.end(), [&](const http::Field& field) {
    return http::equals_ignore_case(field.name, rule.header) &&
           contains_pattern(field.value, rule.matches);
  });
}

}  // namespace

// The first place where a part is found leaves the most room for those behind it, so nothing has to
// be tried twice.
bool contains_pattern(std::string_view value, std::string_view pattern) noexcept {
  value = value.substr(0, kValueBytesLooked);
  while (!pattern.empty()) {
    const std::string_view part = pattern.substr(0, pattern.find('*'));
    pattern.remove_prefix(std::min(part.size() + 1, pattern.size()));
    const auto found = find_part(value, part);
    if (found == value.end() && !part.empty()) return false;
    value.remove_prefix(static_cast<std::size_t>(found - value.begin()) + part.size());
  }
  return true;
}

bool has_path_prefix(std::string_view path, std::string_view prefix) noexcept {
  if (prefix.ends_with('/')) prefix.remove_suffix(1);
  if (!path.starts_with(prefix)) return false;
  return prefix.empty() || path.size() == prefix.size() || path[prefix.size()] == '/';
}

bool is_excluded(std::span<const Exclusion> rules,
                 const http::FieldList& fields,
                 std::string_view path) noexcept {
  return std::any_of(
      rules.begin(), rules.end(), [&](const Exclusion& rule) { return fits(rule, fields, path); });
}

}  // namespace canaryd::routing
