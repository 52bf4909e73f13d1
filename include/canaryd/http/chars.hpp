// Character rules of HTTP (RFC 9110 section 5.6): tokens, field values, case. Tables, no locale.
// Pure; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace canaryd::http {

namespace detail {

constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (unsigned c = '0'; c <= '9'; ++c) table[c] = true;
  for (unsigned c = 'a'; c <= 'z'; ++c) table[c] = true;
  for (unsigned c = 'A'; c <= 'Z'; ++c) table[c] = true;
  for (const char c :
       {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'}) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}
inline constexpr std::array<bool, 256> kTokenTable = make_token_table();

}  // namespace detail

[[nodiscard]] constexpr bool is_token_char(char c) noexcept {
  return detail::kTokenTable[static_cast<unsigned char>(c)];
}
[[nodiscard]] constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
[[nodiscard]] constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}
// Everything below space but the tab, and DEL: what no field value and no target may hold.
[[nodiscard]] constexpr bool is_forbidden_control(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}
// 0 to 15, or -1.
[[nodiscard]] constexpr int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// A method, a field name, a cookie's name: not empty, token characters only.
[[nodiscard]] bool is_token(std::string_view text) noexcept;
// May be sent as the value of a field: no control characters, no whitespace at either end; may be
// empty.
[[nodiscard]] bool is_field_value(std::string_view text) noexcept;
[[nodiscard]] bool equals_ignore_case(std::string_view a, std::string_view b) noexcept;
// Of the X-Forwarded- family, of which more exist than have an id; however it goes on.
[[nodiscard]] inline bool is_x_forwarded(std::string_view name) noexcept {
  constexpr std::string_view kFamily = "x-forwarded-";
  return name.size() >= kFamily.size() && lower(name.front()) == 'x' &&
         equals_ignore_case({name.data(), kFamily.size()}, kFamily);
}
// Without spaces and tabs at both ends.
[[nodiscard, gnu::always_inline]] constexpr std::string_view trim(std::string_view text) noexcept {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  std::size_t begin = 0;
  std::size_t end = text.size();
  while (begin != end && blank(text[begin])) ++begin;
  while (end != begin && blank(text[end - 1])) --end;
  return {text.data() + begin, end - begin};
}
// Digits only, no sign, no overflow; 1 to 20 digits. False leaves `value` alone.
[[nodiscard]] bool parse_decimal(std::string_view text, std::uint64_t& value) noexcept;

// Takes the next member off a comma-separated list (RFC 9110 section 5.6.1), trimmed; empty members
// are passed over. Empty result: the list is at its end.
[[nodiscard]] std::string_view next_list_member(std::string_view& list) noexcept;

}  // namespace canaryd::http
