// Append-only text in memory of the caller: what heads are written into.
//
// It never writes past its end: what does not fit sets a flag, which is looked at once, when the
// head is finished. Thread rule: one owner. Limit: the storage given.
#pragma once

#include "canaryd/base/error.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace canaryd::http {

namespace detail {

// The first and the last bytes, as many as a word has; they may overlap.
template <class Word>
inline void put_ends(char* at, std::string_view text) noexcept {
  Word first{};
  Word last{};
  const std::size_t last_at = text.size() - sizeof(Word);
  std::memcpy(&first, text.data(), sizeof(Word));
  std::memcpy(&last, text.data() + last_at, sizeof(Word));
  std::memcpy(at, &first, sizeof(Word));
  std::memcpy(at + last_at, &last, sizeof(Word));
}

// Nearly all pieces of a head are short: then a few loads and stores instead of a call.
[[gnu::always_inline]] inline char* put(char* at, std::string_view text) noexcept {
  const std::size_t size = text.size();
  if (size > 32) {
    std::memcpy(at, text.data(), size);
  } else if (size > 16) {
    put_ends<std::array<char, 16>>(at, text);
  } else if (size >= 8) {
    put_ends<std::uint64_t>(at, text);
  } else if (size >= 4) {
    put_ends<std::uint32_t>(at, text);
  } else if (size >= 2) {
    put_ends<std::uint16_t>(at, text);
  } else if (size == 1) {
    *at = text.front();
  }
  return at + size;
}

inline constexpr std::size_t kDecimalDigitsMax = 20;

// "000" to "999".
inline constexpr auto kTriples = [] {
  std::array<std::array<char, 4>, 1000> triples{};
  for (std::size_t i = 0; i < triples.size(); ++i) {
    triples[i] = {static_cast<char>('0' + i / 100),
                  static_cast<char>('0' + i / 10 % 10),
                  static_cast<char>('0' + i % 10)};
  }
  return triples;
}();

// Three digits: below 1000.
[[gnu::always_inline]] inline char* put_triple(char* at, std::size_t number) noexcept {
  std::memcpy(at, kTriples[number].data(), 3);
  return at + 3;
}

// Lengths and codes are short: most are one look into the table.
inline char* put_decimal(char* at, std::uint64_t number) noexcept {
  if (number >= 1000) return put_triple(put_decimal(at, number / 1000), number % 1000);
  if (number >= 100) return put_triple(at, number);
  const char* const digits = kTriples[number].data() + 1;
  if (number >= 10) *at++ = digits[0];
  *at++ = digits[1];
  return at;
}

}  // namespace detail

class HeadBuffer {
 public:
  explicit HeadBuffer(std::span<char> storage) noexcept : storage_(storage) {}

  // Inlined everywhere: a text known when compiling becomes a few stores instead of two calls.
  [[gnu::always_inline]] void append(std::string_view text) noexcept {
    if (text.size() > storage_.size() - size_) {
      overflowed_ = true;
      return;
    }
    detail::put(storage_.data() + size_, text);
    size_ += text.size();
  }
  void append(char c) noexcept { append(std::string_view(&c, 1)); }
  void append_decimal(std::uint64_t number) noexcept {
    std::array<char, detail::kDecimalDigitsMax> digits;
    const char* const end = detail::put_decimal(digits.data(), number);
    const auto size = static_cast<std::size_t>(end - digits.data());
    if (size > storage_.size() - size_) {
      overflowed_ = true;
      return;
    }
    std::memcpy(storage_.data() + size_, digits.data(), size);
    size_ += size;
  }
  // "name: value" and CRLF. The caller vouches for both: nothing is escaped.
  [[gnu::always_inline]] void append_field(std::string_view name, std::string_view value) noexcept {
    const std::size_t line = name.size() + value.size() + 4;
    if (line > storage_.size() - size_) {
      overflowed_ = true;
      return;
    }
    char* at = storage_.data() + size_;
    at = detail::put(at, name);
    at = detail::put(at, ": ");
    at = detail::put(at, value);
    detail::put(at, "\r\n");
    size_ += line;
  }

  // Meaningless once overflowed() is true.
  [[nodiscard]] std::string_view view() const noexcept { return {storage_.data(), size_}; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool overflowed() const noexcept { return overflowed_; }
  void clear() noexcept {
    size_ = 0;
    overflowed_ = false;
  }

 private:
  friend class HeadWriter;
  std::span<char> storage_;
  std::size_t size_ = 0;
  bool overflowed_ = false;
};

// Writes a head whose length is nearly known: room for that is asked for once, and what then
// belongs to it is put without another look. Everything else is copied with one. A local of one
// function, which ends with finish(); nothing else may write into the buffer meanwhile.
class HeadWriter {
 public:
  // `known`: all that put() will be given, or more. Look at fits() before the first put().
  HeadWriter(HeadBuffer& out, std::size_t known) noexcept
      : out_(&out), at_(out.storage_.data() + out.size_) {
    const std::size_t room = out.storage_.size() - out.size_;
    fits_ = known <= room;
    spare_ = fits_ ? room - known : 0;
  }

  [[nodiscard]] bool fits() const noexcept { return fits_; }
  [[gnu::always_inline]] void put(std::string_view text) noexcept { at_ = detail::put(at_, text); }
  // A text known when compiling: a few stores.
  template <std::size_t kSize>
  [[gnu::always_inline]] void put(const char (&text)[kSize]) noexcept {
    std::memcpy(at_, text, kSize - 1);
    at_ += kSize - 1;
  }
  [[gnu::always_inline]] void put(char c) noexcept { *at_++ = c; }
  // `name` with its colon and space.
  template <std::size_t kSize>
  [[gnu::always_inline]] void put_field(const char (&name)[kSize],
                                        std::string_view value) noexcept {
    put(name);
    put(value);
    put("\r\n");
  }
  // At most detail::kDecimalDigitsMax digits.
  [[gnu::always_inline]] void put_decimal(std::uint64_t number) noexcept {
    at_ = detail::put_decimal(at_, number);
  }
  // Three digits: below 1000.
  [[gnu::always_inline]] void put_triple(std::size_t number) noexcept {
    at_ = detail::put_triple(at_, number);
  }
  // Of any length, beside what is known.
  [[gnu::always_inline]] void copy(std::string_view text) noexcept {
    if (text.size() > spare_) {
      fits_ = false;
      return;
    }
    spare_ -= text.size();
    put(text);
  }
  void finish() noexcept {
    // More was put than was said: the sum is wrong.
    CANARYD_ASSERT(at_ + spare_ <= out_->storage_.data() + out_->storage_.size());
    if (fits_) {
      out_->size_ = static_cast<std::size_t>(at_ - out_->storage_.data());
    } else {
      out_->overflowed_ = true;
    }
  }

 private:
  HeadBuffer* out_;
  char* at_;
  std::size_t spare_ = 0;
  bool fits_ = false;
};

}  // namespace canaryd::http
