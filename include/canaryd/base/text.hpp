// Untrusted bytes and numbers as text that is safe to store and to show: JSON strings, JSON
// numbers, terminal text.
//
// What comes out is valid UTF-8 without control characters. Pure; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace canaryd {

// Appends text in quotes. Each byte that is not part of valid UTF-8 (RFC 3629, section 3) becomes
// U+FFFD; controls (C0, DEL, C1, U+2028, U+2029 and those of bidirectional text) are escaped.
void append_json_string(std::string& out, std::string_view text);

// Appends the shortest text that reads back as the same number, without an exponent from 1e-6 to
// 1e15: 5, 0.0021. What JSON cannot express (NaN, infinity) becomes null.
void append_json_number(std::string& out, double number);

// Appends text for a terminal: as it is, but each control and each invalid byte becomes U+FFFD.
void append_printable(std::string& out, std::string_view text);

// Length in bytes of the valid UTF-8 sequence at the front of text; 0 when there is none, or no
// text.
[[nodiscard]] std::size_t utf8_sequence_length(std::string_view text) noexcept;

}  // namespace canaryd
