// Appends to a line whose room is known to be enough: nothing is checked, nothing is allocated.
// Texts of unknown length and content are cut at a bound and escaped, so the caller can add up what
// a line takes at most. Thread rule: one owner. Private to the room.
#pragma once

#include "canaryd/base/clock.hpp"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace canaryd::telemetry {

class LineWriter {
 public:
  explicit LineWriter(char* at) noexcept : at_(at) {}

  [[nodiscard]] char* end() const noexcept { return at_; }

  template <std::size_t N>
  void literal(const char (&text)[N]) noexcept {
    std::memcpy(at_, text, N - 1);
    at_ += N - 1;
  }
  void character(char c) noexcept { *at_++ = c; }
  // As it is, at most so many bytes: for what we wrote ourselves.
  void plain(std::string_view text, std::size_t bytes_max) noexcept {
    const std::size_t size = text.size() < bytes_max ? text.size() : bytes_max;
    if (size == 0) return;  // memcpy wants no null pointer, not even for nothing.
    std::memcpy(at_, text.data(), size);
    at_ += size;
  }
  void number(std::uint64_t value) noexcept { at_ = std::to_chars(at_, at_ + 20, value).ptr; }
  // Exactly so many digits, with leading zeros.
  void digits(std::uint64_t value, unsigned count) noexcept;
  // "0.001234": seconds with microseconds.
  void seconds(std::int64_t microseconds) noexcept;
  void seconds(Duration duration) noexcept {
    seconds(std::chrono::duration_cast<std::chrono::microseconds>(duration).count());
  }
  void hex(std::uint64_t value) noexcept;  // 16 digits.

  // The inside of a JSON string, at most bytes_max bytes of output. Invalid UTF-8 becomes U+FFFD;
  // controls and what would reorder a terminal's line are escaped.
  void json(std::string_view text, std::size_t bytes_max) noexcept;
  // The inside of a quoted string of Apache's log: \" \\ and \xhh.
  void quoted(std::string_view text, std::size_t bytes_max) noexcept;
  // A query whose values are left away, by either of the two above: "a=*&b=*".
  using Escape = void (LineWriter::*)(std::string_view, std::size_t);
  void masked_query(std::string_view query, std::size_t bytes_max, Escape escape) noexcept;

 private:
  [[nodiscard]] const char* copy_plain(const char* from,
                                       const char* end,
                                       const char* limit) noexcept;
  void json_rest(const char* from, const char* end, const char* limit) noexcept;

  char* at_;
};

}  // namespace canaryd::telemetry
