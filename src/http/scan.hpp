// Finds the first byte that ends a run of ordinary text: 16 bytes at a time where SSE2 is there
// (every x86-64), byte by byte elsewhere and where there are not as many. Pure; any thread.
#pragma once

#include "canaryd/http/chars.hpp"

#include <bit>
#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace canaryd::http {

[[nodiscard]] constexpr bool ends_value(char c) noexcept {
  return is_forbidden_control(c);
}
// Visible ASCII is what a target may consist of; the space behind it ends the run as well.
[[nodiscard]] constexpr bool ends_target(char c) noexcept {
  return static_cast<signed char>(c) <= ' ' || c == 0x7f;
}

#if defined(__SSE2__)
namespace detail {

inline __m128i load16(const char* at) noexcept {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}
inline unsigned hit_mask(__m128i hits) noexcept {
  return static_cast<unsigned>(_mm_movemask_epi8(hits));
}

// The first byte from `at` on that `hits` finds in its block, or `end`. The last bytes are looked
// at in the block that ends with them: what is before `at` in it is shifted away. 16 bytes before
// `end` must be readable.
template <class Hits>
[[nodiscard, gnu::always_inline]] inline const char* find_hit(const char* at,
                                                              const char* end,
                                                              const Hits& hits) noexcept {
  for (; end - at >= 16; at += 16) {
    const unsigned mask = hits(load16(at));
    if (mask != 0) return at + std::countr_zero(mask);
  }
  const unsigned mask = hits(load16(end - 16)) >> (16 - (end - at));
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
[[nodiscard]] inline const char* skip_plain_name(const char* begin,
                                                 const char* at,
                                                 const char* end) noexcept {
#if defined(__SSE2__)
  if (end - begin >= 16) {
    // Shifted so that the range begins at the lowest signed number, one comparison finds what lies
    // in it.
    const auto in_range = [](__m128i block, char first, char last) {
      const __m128i shifted = _mm_add_epi8(block, _mm_set1_epi8(static_cast<char>(-128 - first)));
      return _mm_cmplt_epi8(shifted, _mm_set1_epi8(static_cast<char>(-128 + (last - first) + 1)));
    };
    return detail::find_hit(at, end, [&in_range](__m128i block) {
      const __m128i small = _mm_or_si128(block, _mm_set1_epi8(0x20));
      const __m128i plain = _mm_or_si128(
          in_range(small, 'a', 'z'),
          _mm_or_si128(in_range(block, '0', '9'), _mm_cmpeq_epi8(block, _mm_set1_epi8('-'))));
      return detail::hit_mask(plain) ^ 0xffffU;
    });
  }
#else
  static_cast<void>(begin);
#endif
  while (at != end && is_plain_name_char(*at)) ++at;
  return at;
}

// The first control character but tab, or `end`.
[[nodiscard]] inline const char* find_value_end(const char* begin,
                                                const char* at,
                                                const char* end) noexcept {
#if defined(__SSE2__)
  if (end - begin >= 16) {
    return detail::find_hit(at, end, [](__m128i block) {
      const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
      const __m128i bad = _mm_andnot_si128(_mm_cmpeq_epi8(block, _mm_set1_epi8('\t')), control);
      return detail::hit_mask(_mm_or_si128(bad, _mm_cmpeq_epi8(block, _mm_set1_epi8(0x7f))));
    });
  }
#else
  static_cast<void>(begin);
#endif
  while (at != end && !ends_value(*at)) ++at;
  return at;
}

// The first byte that is not visible ASCII, or `end`.
[[nodiscard]] inline const char* find_target_end(const char* begin,
                                                 const char* at,
                                                 const char* end) noexcept {
#if defined(__SSE2__)
  if (end - begin >= 16) {
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

}  // namespace canaryd::http
