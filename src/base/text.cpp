#include "canaryd/base/text.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

namespace canaryd {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD.

std::uint32_t byte_at(std::string_view text, std::size_t index) noexcept {
  return static_cast<unsigned char>(text[index]);
}

// The code point of a sequence that utf8_sequence_length has accepted.
char32_t decode(std::string_view sequence) noexcept {
  const std::uint32_t first = byte_at(sequence, 0);
  if (sequence.size() == 1) return first;
  std::uint32_t point = first & (0xFFU >> (sequence.size() + 1));
  for (std::size_t i = 1; i < sequence.size(); ++i) {
    point = (point << 6U) | (byte_at(sequence, i) & 0x3FU);
  }
  return point;
}

// Moves the cursor, ends the line, or reorders what is shown: never printed as it is.
bool is_control(char32_t point) noexcept {
  return point < 0x20 || (point >= 0x7F && point < 0xA0) || point == 0x061C || point == 0x200E ||
         point == 0x200F || (point >= 0x2028 && point <= 0x202E) ||
         (point >= 0x2066 && point <= 0x2069);
}

void append_unicode_escape(std::string& out, char32_t point) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += "\\u";
  for (const unsigned shift : {12U, 8U, 4U, 0U}) out += kHex[(point >> shift) & 0xFU];
}

void append_json_control(std::string& out, char32_t point) {
  switch (point) {
    case U'\n':
      out += "\\n";
      break;
    case U'\r':
      out += "\\r";
      break;
    case U'\t':
      out += "\\t";
      break;
    default:
      append_unicode_escape(out, point);
  }
}

// Calls visit(sequence, point) for each valid sequence, and visit({}, 0) for each byte that is not
// in one.
template <class Visit>
void for_each_sequence(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const std::size_t length = utf8_sequence_length(text);
    const std::string_view sequence = text.substr(0, length);
    visit(sequence, length == 0 ? U'\0' : decode(sequence));
    text.remove_prefix(length == 0 ? 1 : length);
  }
}

}  // namespace

std::size_t utf8_sequence_length(std::string_view text) noexcept {
  if (text.empty()) return 0;
  const std::uint32_t first = byte_at(text, 0);
  if (first < 0x80) return 1;
  // The second byte has narrower bounds after E0, ED, F0 and F4: no overlong forms, no surrogates,
  // no more than U+10FFFF (RFC 3629, section 4).
  std::size_t length = 0;
  std::uint32_t low = 0x80;
  std::uint32_t high = 0xBF;
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  }
  if (length == 0 || text.size() < length) return 0;
  if (byte_at(text, 1) < low || byte_at(text, 1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (byte_at(text, i) < 0x80 || byte_at(text, i) > 0xBF) return 0;
  }
  return length;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for_each_sequence(text, [&out](std::string_view sequence, char32_t point) {
    if (sequence.empty()) {
      out += kReplacement;
    } else if (point == U'"' || point == U'\\') {
      out += '\\';
      out += sequence;
    } else if (is_control(point)) {
      append_json_control(out, point);
    } else {
      out += sequence;
    }
  });
  out += '"';
}

void append_json_number(std::string& out, double number) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  const double size = std::fabs(number);
  const bool usual = size == 0.0 || (size >= 1e-6 && size < 1e15);
  std::array<char, 64> buffer{};
  char* const end = buffer.data() + buffer.size();
  const auto written =
      usual ? std::to_chars(buffer.data(), end, number, std::chars_format::fixed)
            : std::to_chars(buffer.data(), end, number, std::chars_format::scientific);
  out.append(buffer.data(), written.ptr);
}

void append_printable(std::string& out, std::string_view text) {
  for_each_sequence(text, [&out](std::string_view sequence, char32_t point) {
    out += sequence.empty() || is_control(point) ? kReplacement : sequence;
  });
}

}  // namespace canaryd
