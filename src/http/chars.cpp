#include "canaryd/http/chars.hpp"

#include <algorithm>
#include <limits>

namespace canaryd::http {

bool is_token(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

bool is_field_value(std::string_view text) noexcept {
  return text.size() == trim(text).size() &&
         std::none_of(text.begin(), text.end(), is_forbidden_control);
}

bool equals_ignore_case(std::string_view a, std::string_view b) noexcept {
  // Mostly the letters are the same, or the sizes are not.
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return x == y || lower(x) == lower(y);
         });
}

bool parse_decimal(std::string_view text, std::uint64_t& value) noexcept {
  if (text.empty() || text.size() > 20) return false;
  // So many digits of any kind fit.
  constexpr std::size_t kSafeDigits = std::numeric_limits<std::uint64_t>::digits10;
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t number = 0;
  std::size_t i = 0;
  for (const std::size_t safe = std::min(text.size(), kSafeDigits); i < safe; ++i) {
    if (!is_digit(text[i])) return false;
    number = number * 10 + static_cast<std::uint64_t>(text[i] - '0');
  }
  for (; i < text.size(); ++i) {
    if (!is_digit(text[i])) return false;
    const auto digit = static_cast<std::uint64_t>(text[i] - '0');
    if (number > kMax / 10 || (number == kMax / 10 && digit > kMax % 10)) return false;
    number = number * 10 + digit;
  }
  value = number;
  return true;
}

std::string_view next_list_member(std::string_view& list) noexcept {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    const std::string_view member = trim(list.substr(0, comma));
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    if (!member.empty()) return member;
  }
  return {};
}

}  // namespace canaryd::http
