#include "telemetry/line_writer.hpp"

#include "canaryd/base/text.hpp"

#include <algorithm>
#include <bit>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace canaryd::telemetry {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD.
constexpr std::size_t kEscapeMax = 6;                      // \u001f

constexpr auto kTwoDigits = [] {
  std::array<std::array<char, 2>, 100> pairs{};
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    pairs[i] = {static_cast<char>('0' + i / 10), static_cast<char>('0' + i % 10)};
  }
  return pairs;
}();

// Which bytes go into a JSON string as they are: visible ASCII but the quote and the backslash.
constexpr auto kPlain = [] {
  std::array<bool, 256> plain{};
  for (std::size_t c = 0x20; c < 0x7f; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

bool is_plain(char c) noexcept {
  return kPlain[static_cast<unsigned char>(c)];
}

// C1 controls, line separators and controls of bidirectional text, as base/text.hpp escapes them
// too.
bool is_unsafe(std::string_view sequence) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(sequence[i]); };
  if (sequence.size() == 2) {
    return (byte(0) == 0xC2 && byte(1) < 0xA0) || (byte(0) == 0xD8 && byte(1) == 0x9C);
  }
  if (sequence.size() != 3 || byte(0) != 0xE2) return false;
  return (byte(1) == 0x80 && (byte(2) == 0x8E || byte(2) == 0x8F)) ||
         (byte(1) == 0x80 && byte(2) >= 0xA8 && byte(2) <= 0xAE) ||
         (byte(1) == 0x81 && byte(2) >= 0xA6 && byte(2) <= 0xA9);
}

}  // namespace

void LineWriter::digits(std::uint64_t value, unsigned count) noexcept {
  char* to = at_ + count;
  at_ = to;
  for (; count >= 2; count -= 2) {
    to -= 2;
    std::memcpy(to, kTwoDigits[value % 100].data(), 2);
    value /= 100;
  }
  if (count == 1) *--to = static_cast<char>('0' + value % 10);
}

void LineWriter::seconds(std::int64_t microseconds) noexcept {
  constexpr std::uint64_t kMicrosASecond = 1'000'000;
  const auto all = static_cast<std::uint64_t>(std::max<std::int64_t>(microseconds, 0));
  if (all < kMicrosASecond) {
    literal("0.");
  } else {
    number(all / kMicrosASecond);
    character('.');
  }
  digits(all % kMicrosASecond, 6);
}

void LineWriter::hex(std::uint64_t value) noexcept {
  for (unsigned shift = 64; shift > 0;) {
    shift -= 4;
    *at_++ = kHexDigits[(value >> shift) & 0xfU];
  }
}

// Copies up to the first byte that needs care; returns where that is.
const char* LineWriter::copy_plain(const char* from, const char* end, const char* limit) noexcept {
#if defined(__SSE2__)
  const __m128i highest_control = _mm_set1_epi8(0x1f);
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  const __m128i del = _mm_set1_epi8(0x7f);
  while (end - from >= 16 && limit - at_ >= 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    // What lies above 0x7e is negative as a signed byte, or 0x7f.
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(block, highest_control), block);
    const __m128i marks =
        _mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, backslash));
    const __m128i odd = _mm_or_si128(_mm_or_si128(control, marks), _mm_cmpeq_epi8(block, del));
    const auto hits = static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(odd, block)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(at_), block);
    if (hits != 0) {
      const int plain = std::countr_zero(hits);
      at_ += plain;
      return from + plain;
    }
    from += 16;
    at_ += 16;
  }
#endif
  while (from != end && at_ != limit && is_plain(*from)) *at_++ = *from++;
  return from;
}

void LineWriter::json(std::string_view text, std::size_t bytes_max) noexcept {
  const char* const end = text.data() + text.size();
  const char* const limit = at_ + bytes_max;
  const char* const from = copy_plain(text.data(), end, limit);
  if (from != end && at_ != limit) json_rest(from, end, limit);
}

void LineWriter::json_rest(const char* from, const char* end, const char* limit) noexcept {
  while (from != end) {
    from = copy_plain(from, end, limit);
    if (from == end || limit - at_ < static_cast<std::ptrdiff_t>(kEscapeMax)) return;
    const auto byte = static_cast<unsigned char>(*from);
    if (byte == '"' || byte == '\\') {
      character('\\');
      character(*from++);
      continue;
    }
    const std::string_view rest(from, static_cast<std::size_t>(end - from));
    const std::size_t size = byte < 0x80 ? 1 : utf8_sequence_length(rest);
    if (size == 1) {
      literal("\\u00");
      character(kHexDigits[byte >> 4U]);
      character(kHexDigits[byte & 0xfU]);
    } else if (size == 0 || is_unsafe(rest.substr(0, size))) {
      plain(kReplacement, kReplacement.size());
    } else {
      plain(rest, size);
    }
    from += std::max<std::size_t>(size, 1);
  }
}

void LineWriter::quoted(std::string_view text, std::size_t bytes_max) noexcept {
  const char* from = text.data();
  const char* const end = from + text.size();
  const char* const limit = at_ + bytes_max;
  while (from != end) {
    from = copy_plain(from, end, limit);
    if (from == end || limit - at_ < static_cast<std::ptrdiff_t>(kEscapeMax)) return;
    const auto byte = static_cast<unsigned char>(*from++);
    character('\\');
    if (byte == '"' || byte == '\\') {
      character(static_cast<char>(byte));
      continue;
    }
    character('x');
    character(kHexDigits[byte >> 4U]);
    character(kHexDigits[byte & 0xfU]);
  }
}

// A piece without '=' may be a value as well as a name ("?token"): it is left away too.
void LineWriter::masked_query(std::string_view query,
                              std::size_t bytes_max,
                              Escape escape) noexcept {
  const char* const limit = at_ + bytes_max;
  constexpr std::ptrdiff_t kMark = 3;  // "&" before, "=*" behind.
  bool first = true;
  while (!query.empty() && limit - at_ > kMark) {
    const std::size_t size = std::min(query.find('&'), query.size());
    const std::string_view piece = query.substr(0, size);
    query.remove_prefix(std::min(size + 1, query.size()));
    if (!first) character('&');
    first = false;
    const std::size_t equals = piece.find('=');
    if (equals != std::string_view::npos) {
      const auto room = static_cast<std::size_t>(limit - at_ - 2);
      (this->*escape)(piece.substr(0, equals), room);
      character('=');
    }
    if (!piece.empty()) character('*');
  }
}

}  // namespace canaryd::telemetry
