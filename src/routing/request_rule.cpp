#include "canaryd/routing/request_rule.hpp"

#include "canaryd/http/chars.hpp"
#include "canaryd/http/cookie.hpp"
#include "canaryd/http/uri.hpp"

#include <algorithm>
#include <array>

namespace canaryd::routing {
namespace {

// After a '*' the first place where the rest fits is tried, then the next; what an earlier '*' took
// need not be tried again, because the later one can take it as well. Not `whole`: as if a '*'
// stood at either end.
bool fits_pattern(std::string_view value, std::string_view pattern, bool whole) noexcept {
  std::size_t at = 0;
  std::size_t next = 0;
  std::size_t behind_star = whole ? std::string_view::npos : 0;
  std::size_t tried = 0;  // Where in the value what follows the last '*' is tried.
  for (;;) {
    if (next == pattern.size()) {
      if (!whole || at == value.size()) return true;
    } else if (pattern[next] == '*') {
      behind_star = ++next;
      tried = at;
      continue;
    } else if (at < value.size() && http::lower(pattern[next]) == http::lower(value[at])) {
      ++next;
      ++at;
      continue;
    }
    if (at == value.size() || behind_star == std::string_view::npos) return false;
    next = behind_star;
    at = ++tried;
  }
}

bool value_fits(const RequestRule& rule, std::string_view value) noexcept {
  const auto& equals = rule.equals;
  if (!equals.empty() && std::find(equals.begin(), equals.end(), value) == equals.end()) {
    return false;
  }
  return contains_pattern(value, rule.matches);
}

bool query_fits(const RequestRule& rule, std::string_view query) noexcept {
  static_assert(kEqualsBytesMax >= kValueBytesLooked);
  std::array<char, kEqualsBytesMax + 1> scratch;  // One that is cut is longer than any to equal.
  const std::string_view value = http::find_query(query, rule.query, scratch);
  return !value.empty() && value_fits(rule, value);
}

// What is written in a rule, and that it is one thing only.
unsigned properties_of(const RequestRule& rule) noexcept {
  return unsigned{!rule.path_prefix.empty()} + unsigned{!rule.header.empty()} +
         unsigned{!rule.cookie.empty()} + unsigned{!rule.query.empty()} +
         unsigned{rule.client.has_value()};
}

}  // namespace

bool contains_pattern(std::string_view value, std::string_view pattern) noexcept {
  return fits_pattern(value.substr(0, kValueBytesLooked), pattern, false);
}

bool equals_pattern(std::string_view value, std::string_view pattern) noexcept {
  return fits_pattern(value.substr(0, kValueBytesLooked), pattern, true);
}

bool has_path_prefix(std::string_view path, std::string_view prefix) noexcept {
  if (prefix.ends_with('/')) prefix.remove_suffix(1);
  if (!path.starts_with(prefix)) return false;
  return prefix.empty() || path.size() == prefix.size() || path[prefix.size()] == '/';
}

bool fits(const RequestRule& rule, const RequestFacts& request) noexcept {
  if (!rule.header.empty()) {
    const http::FieldList& fields = request.fields;
    return std::any_of(fields.begin(), fields.end(), [&](const http::Field& field) {
      return http::equals_ignore_case(field.name, rule.header) && value_fits(rule, field.value);
    });
  }
  if (!rule.path_prefix.empty()) return has_path_prefix(request.path, rule.path_prefix);
  if (rule.client) return rule.client->contains(request.client);
  if (rule.cookie.empty()) return query_fits(rule, request.query);
  const std::string_view value = http::find_cookie(request.fields, rule.cookie);
  return !value.empty() && value_fits(rule, value);
}

bool fits_any(std::span<const RequestRule> rules, const RequestFacts& request) noexcept {
  return std::any_of(
      rules.begin(), rules.end(), [&](const RequestRule& rule) { return fits(rule, request); });
}

bool is_sound(const RequestRule& rule) noexcept {
  const bool has_value = !rule.header.empty() || !rule.cookie.empty() || !rule.query.empty();
  return properties_of(rule) == 1 && rule.matches.size() <= kPatternBytesMax &&
         rule.equals.size() <= kEqualsMax &&
         std::all_of(rule.equals.begin(),
                     rule.equals.end(),
                     [](const std::string& value) { return value.size() <= kEqualsBytesMax; }) &&
         (has_value || (rule.equals.empty() && rule.matches.empty()));
}

std::string to_string(const RequestRule& rule) {
  std::string text;
  if (!rule.path_prefix.empty()) text = "path_prefix " + rule.path_prefix;
  if (!rule.header.empty()) text = "header " + rule.header;
  if (!rule.cookie.empty()) text = "cookie " + rule.cookie;
  if (!rule.query.empty()) text = "query " + rule.query;
  if (rule.client) text = "client " + canaryd::to_string(*rule.client);
  for (std::size_t i = 0; i < rule.equals.size(); ++i) {
    text += i > 0 ? ", " : rule.equals.size() == 1 ? " equals " : " in ";
    text += rule.equals[i];
  }
  if (!rule.matches.empty()) text += " matches " + rule.matches;
  return text;
}

}  // namespace canaryd::routing
