// Finds the first byte that ends a run of ordinary text: 16 bytes at a time where SSE2 is there
// (every x86-64), byte by byte elsewhere and where there are not as many. Pure; any thread.
#pragma once

#include "canaryd/http/chars.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace canaryd::http {

[[nodiscard]] constexpr bool ends_value(char c) noexcept {
  return is_forbidden_control(c);
}
// Of visible ASCII and spaces.
[[nodiscard]] constexpr bool ends_plain_value(char c) noexcept {
  return static_cast<signed char>(c) < ' ' || c == 0x7f;
}
// Visible ASCII is what a target may consist of; the space behind it ends the run as well.
[[nodiscard]] constexpr bool ends_target(char c) noexcept {
  return static_cast<signed char>(c) <= ' ' || c == 0x7f;
}

// What the scans look at in one step, if there is as much.
inline constexpr std::ptrdiff_t kBlockBytes = 16;

#if defined(__SSE2__)
namespace detail {

inline __m128i load16(const char* at) noexcept {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}
inline unsigned hit_mask(__m128i hits) noexcept {
  return static_cast<unsigned>(_mm_movemask_epi8(hits));
}

// Which bytes lie between the two, ASCII: shifted so that the range ends at the greatest signed
// number, one comparison finds what lies in it.
template <char kFirst, char kLast>
inline __m128i in_range(__m128i block) noexcept {
  const __m128i shifted = _mm_add_epi8(block, _mm_set1_epi8(static_cast<char>(127 - kLast)));
  return _mm_cmpgt_epi8(shifted, _mm_set1_epi8(static_cast<char>(127 - (kLast - kFirst) - 1)));
}

// The first byte from `at` on that `hits` finds in its block, or `end`. The last bytes are looked
// at in the block that ends with them: what is before `at` in it is shifted away. 16 bytes before
// `end` must be readable.
template <class Hits>
[[nodiscard, gnu::always_inline]] inline const char* find_hit(const char* at,
                                                              const char* end,
                                                              const Hits& hits) noexcept {
  const char* const last = end - 16;
  for (; at <= last; at += 16) {
    const unsigned mask = hits(load16(at));
    if (mask != 0) return at + std::countr_zero(mask);
  }
  const unsigned mask = hits(load16(last)) >> (at - last);
  return mask != 0 ? at + std::countr_zero(mask) : end;
}

}  // namespace detail
#endif

[[nodiscard]] constexpr bool is_plain_name_char(char c) noexcept {
  const char small = static_cast<char>(c | 0x20);
  return (small >= 'a' && small <= 'z') || is_digit(c) || c == '-';
}

// `begin` is where the bytes begin that may be read; at least as far before `end` as `at` is.

// The first byte that is not a letter, a digit or '-', or `end`: what nearly all field names
// consist of.
[[nodiscard, gnu::always_inline]] inline const char* skip_plain_name(const char* begin,
                                                                     const char* at,
                                                                     const char* end) noexcept {
#if defined(__SSE2__)
  if (end - begin >= kBlockBytes) {
    return detail::find_hit(at, end, [](__m128i block) {
      const __m128i small = _mm_or_si128(block, _mm_set1_epi8(0x20));
      const __m128i plain = _mm_or_si128(
          _mm_or_si128(detail::in_range<'a', 'z'>(small), detail::in_range<'0', '9'>(block)),
          _mm_cmpeq_epi8(block, _mm_set1_epi8('-')));
      return detail::hit_mask(plain) ^ 0xffffU;
    });
  }
#else
  static_cast<void>(begin);
#endif
  while (at != end && is_plain_name_char(*at)) ++at;
  return at;
}

// The first byte that is neither visible ASCII nor a space, or `end`: what nearly all values
// consist of.
[[nodiscard, gnu::always_inline]] inline const char* skip_plain_value(const char* begin,
                                                                      const char* at,
                                                                      const char* end) noexcept {
#if defined(__SSE2__)
  if (end - begin >= kBlockBytes) {
    return detail::find_hit(at, end, [](__m128i block) {
      return detail::hit_mask(detail::in_range<' ', '~'>(block)) ^ 0xffffU;
    });
  }
#else
  static_cast<void>(begin);
#endif
  while (at != end && !ends_plain_value(*at)) ++at;
  return at;
}

// The first control character but tab, or `end`.
[[nodiscard, gnu::always_inline]] inline const char* find_value_end(const char* begin,
                                                                    const char* at,
                                                                    const char* end) noexcept {
  // Tabs and bytes beyond ASCII are rare, and cheaper looked at when they come.
  for (;;) {
    at = skip_plain_value(begin, at, end);
    if (at == end || *at == '\r' || ends_value(*at)) return at;
    while (at != end && !ends_value(*at) && ends_plain_value(*at)) ++at;
  }
}

// The first byte that is not visible ASCII, or `end`.
[[nodiscard]] inline const char* find_target_end(const char* begin,
                                                 const char* at,
                                                 const char* end) noexcept {
#if defined(__SSE2__)
  if (end - begin >= kBlockBytes) {
    return detail::find_hit(at, end, [](__m128i block) {
      // Signed: bytes from 0x80 on are negative, so below the space too.
      const __m128i low = _mm_cmplt_epi8(block, _mm_set1_epi8(' ' + 1));
      return detail::hit_mask(_mm_or_si128(low, _mm_cmpeq_epi8(block, _mm_set1_epi8(0x7f))));
    });
  }
#else
  static_cast<void>(begin);
#endif
  while (at != end && !ends_target(*at)) ++at;
  return at;
}

// Sure when true: the path, which begins with '/', has no byte that must not stay as it is, no
// empty segment and none that begins with a dot. Where it is short or SSE2 is not there nothing is
// sure.
[[nodiscard]] inline bool is_plain_path(const char* path, const char* end) noexcept {
#if defined(__SSE2__)
  if (end - path < 17) return false;
  const auto odd = [](const char* at) {
    const __m128i block = detail::load16(at);
    const __m128i before = detail::load16(at - 1);
    const auto is = [](__m128i bytes, char c) { return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c)); };
    const __m128i refused = _mm_or_si128(_mm_or_si128(is(block, '%'), is(block, '\\')),
                                         _mm_or_si128(is(block, '#'), is(block, '?')));
    const __m128i unseen = _mm_or_si128(_mm_cmplt_epi8(block, _mm_set1_epi8('!')), is(block, 0x7f));
    const __m128i begins =
        _mm_and_si128(is(before, '/'), _mm_or_si128(is(block, '/'), is(block, '.')));
    return detail::hit_mask(_mm_or_si128(_mm_or_si128(refused, unseen), begins));
  };
  for (const char* at = path + 1; end - at > 16; at += 16) {
    if (odd(at) != 0) return false;
  }
  return odd(end - 16) == 0;
#else
  static_cast<void>(path);
  static_cast<void>(end);
  return false;
#endif
}

}  // namespace canaryd::http
