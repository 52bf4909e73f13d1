#include "admin/accept.hpp"

#include <algorithm>

namespace canaryd::admin {
namespace {

char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return std::equal(
      a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trim_blanks(std::string_view text) noexcept {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

// The part before the separator, which goes with it.
std::string_view take(std::string_view& rest, char separator) noexcept {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view part = trim_blanks(rest.substr(0, end));
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

bool is_refusal(std::string_view parameter) noexcept {
  if (!parameter.starts_with("q=") && !parameter.starts_with("Q=")) return false;
  return parameter.substr(2).find_first_not_of("0.") == std::string_view::npos;
}

enum class Fit { kNone, kAnything, kFamily, kExact };

Fit fit(std::string_view range, std::string_view type) noexcept {
  if (range == "*/*") return Fit::kAnything;
  if (equal_ignoring_case(range, type)) return Fit::kExact;
  if (!range.ends_with("/*")) return Fit::kNone;
  const std::string_view family = range.substr(0, range.size() - 1);
  return equal_ignoring_case(family, type.substr(0, family.size())) ? Fit::kFamily : Fit::kNone;
}

}  // namespace

bool is_type(const std::optional<std::string>& content_type, std::string_view type) {
  if (!content_type) return false;
  std::string_view rest = *content_type;
  return equal_ignoring_case(take(rest, ';'), type);
}

bool accepts(std::string_view accept, std::string_view type) {
  if (trim_blanks(accept).empty()) return true;
  Fit best = Fit::kNone;
  bool good = false;
  while (!accept.empty()) {
    std::string_view parameters = take(accept, ',');
    const Fit here = fit(take(parameters, ';'), type);
    if (here <= best) continue;
    best = here;
    good = true;
    while (!parameters.empty()) good = !is_refusal(take(parameters, ';')) && good;
  }
  return good;
}

}  // namespace canaryd::admin
