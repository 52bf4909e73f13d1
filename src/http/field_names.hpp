// The field names that we act on, and their recognition: one look into a table and one comparison,
// inlined into the parser, which does it for every line. Pure; any thread.
#pragma once

#include "canaryd/http/chars.hpp"
#include "canaryd/http/message.hpp"
#include "http/scan.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace canaryd::http::detail {

struct KnownName {
  std::string_view name;
  FieldId id;
};

inline constexpr std::array kKnown = {
    KnownName{"TE", FieldId::kTe},
    KnownName{"Via", FieldId::kVia},
    KnownName{"Date", FieldId::kDate},
    KnownName{"Host", FieldId::kHost},
    KnownName{"Close", FieldId::kClose},
    KnownName{"Cookie", FieldId::kCookie},
    KnownName{"Expect", FieldId::kExpect},
    KnownName{"Origin", FieldId::kOrigin},
    KnownName{"Trailer", FieldId::kTrailer},
    KnownName{"Upgrade", FieldId::kUpgrade},
    KnownName{"Location", FieldId::kLocation},
    KnownName{"Forwarded", FieldId::kForwarded},
    KnownName{"Connection", FieldId::kConnection},
    KnownName{"Keep-Alive", FieldId::kKeepAlive},
    KnownName{"Set-Cookie", FieldId::kSetCookie},
    KnownName{"Tracestate", FieldId::kTracestate},
    KnownName{"User-Agent", FieldId::kUserAgent},
    KnownName{"Grpc-Status", FieldId::kGrpcStatus},
    KnownName{"Retry-After", FieldId::kRetryAfter},
    KnownName{"Traceparent", FieldId::kTraceparent},
    KnownName{"Content-Type", FieldId::kContentType},
    KnownName{"Max-Forwards", FieldId::kMaxForwards},
    KnownName{"X-Request-Id", FieldId::kXRequestId},
    KnownName{"Authorization", FieldId::kAuthorization},
    KnownName{"Cache-Control", FieldId::kCacheControl},
    KnownName{"Content-Range", FieldId::kContentRange},
    KnownName{"Content-Length", FieldId::kContentLength},
    KnownName{"HTTP2-Settings", FieldId::kHttp2Settings},
    KnownName{"X-Canaryd-Error", FieldId::kXCanarydError},
    KnownName{"X-Forwarded-For", FieldId::kXForwardedFor},
    KnownName{"Content-Encoding", FieldId::kContentEncoding},
    KnownName{"Proxy-Connection", FieldId::kProxyConnection},
    KnownName{"WWW-Authenticate", FieldId::kWwwAuthenticate},
    KnownName{"X-Canaryd-Cohort", FieldId::kXCanarydCohort},
    KnownName{"X-Forwarded-Host", FieldId::kXForwardedHost},
    KnownName{"Transfer-Encoding", FieldId::kTransferEncoding},
    KnownName{"X-Canaryd-Rollout", FieldId::kXCanarydRollout},
    KnownName{"X-Forwarded-Proto", FieldId::kXForwardedProto},
    KnownName{"Proxy-Authenticate", FieldId::kProxyAuthenticate},
    KnownName{"Proxy-Authorization", FieldId::kProxyAuthorization},
};
static_assert(kKnown.size() + 1 == static_cast<std::size_t>(FieldId::kCount));

// A name in lower case, where recognition finds it. Of a size that is multiplied by a shift.
struct alignas(32) KnownEntry {
  static constexpr std::size_t kBytesMax = 20;

  std::array<char, kBytesMax> lower{};
  std::uint8_t size = 0;  // 0: the entry of no name.
  FieldId id = FieldId::kOther;
};

// Where a name that is not empty stands in the table of places: no two known names in one place, so
// each name costs one comparison at most. Letters count eightfold, so that their case, 32 apart,
// makes no difference. The other factors were found by trial; the assertion says when a new name
// needs others.
inline constexpr std::size_t kPlaces = 256;
constexpr std::size_t place_of(std::string_view name) noexcept {
  const auto letter = [name](std::size_t at) {
    return static_cast<std::size_t>(static_cast<unsigned char>(name[at]));
  };
  const std::size_t last = name.size() - 1;
  return (8 * (letter(0) + letter(last / 2) + 4 * letter(last)) + name.size()) % kPlaces;
}

// As kKnown, and behind them the entry of no name.
inline constexpr auto kEntries = [] {
  std::array<KnownEntry, kKnown.size() + 1> entries{};
  for (std::size_t i = 0; i < kKnown.size(); ++i) {
    const std::string_view name = kKnown[i].name;
    for (std::size_t j = 0; j < name.size(); ++j) entries[i].lower[j] = lower(name[j]);
    entries[i].size = static_cast<std::uint8_t>(name.size());
    entries[i].id = kKnown[i].id;
  }
  return entries;
}();

inline constexpr auto kEntryAt = [] {
  std::array<std::uint8_t, kPlaces> index{};
  for (std::uint8_t& entry : index) entry = static_cast<std::uint8_t>(kKnown.size());
  for (std::size_t i = 0; i < kKnown.size(); ++i) {
    index[place_of(kKnown[i].name)] = static_cast<std::uint8_t>(i);
  }
  return index;
}();

constexpr bool table_is_sound() {
  for (std::size_t i = 0; i < kKnown.size(); ++i) {
    if (kEntryAt[place_of(kKnown[i].name)] != i) return false;
    if (kKnown[i].name.size() < sizeof(std::uint16_t)) return false;
  }
  return true;
}
static_assert(table_is_sound());

template <class Word>
inline bool equal_words(const char* name, const char* known) noexcept {
  Word a = 0;
  Word b = 0;
  std::memcpy(&a, name, sizeof a);
  std::memcpy(&b, known, sizeof b);
  // Sets the bit that makes letters small, in every byte. Of all token characters only letters then
  // equal a letter, and the digits and '-' of the known names stay themselves.
  return (a | static_cast<Word>(0x2020202020202020U)) == b;
}

// Both of one length; the last word overlaps the one before it.
template <class Word>
inline bool equal_by(const char* name, const char* known, std::size_t size) noexcept {
  const std::size_t last = size - sizeof(Word);
  for (std::size_t i = 0; i < last; i += sizeof(Word)) {
    if (!equal_words<Word>(name + i, known + i)) return false;
  }
  return equal_words<Word>(name + last, known + last);
}

[[gnu::always_inline]] inline bool equals_lower(const char* name,
                                                const char* known,
                                                std::size_t size) noexcept {
  if (size >= sizeof(std::uint64_t)) return equal_by<std::uint64_t>(name, known, size);
  if (size >= sizeof(std::uint32_t)) return equal_by<std::uint32_t>(name, known, size);
  return equal_by<std::uint16_t>(name, known, size);
}

// Of a token that is not empty; the bytes before `end` may be read.
[[nodiscard, gnu::always_inline]] inline FieldId recognise(std::string_view name,
                                                           const char* end) noexcept {
  const KnownEntry& known = kEntries[kEntryAt[place_of(name)]];
  if (name.size() != known.size) return FieldId::kOther;
#if defined(__SSE2__)
  if (end - name.data() >= kBlockBytes && known.size <= kBlockBytes) {
    // As equal_words().
    const __m128i small = _mm_or_si128(load16(name.data()), _mm_set1_epi8(0x20));
    const unsigned unlike = hit_mask(_mm_cmpeq_epi8(small, load16(known.lower.data()))) ^ 0xffffU;
    return unlike << (32U - known.size) == 0 ? known.id : FieldId::kOther;
  }
#else
  static_cast<void>(end);
#endif
  return equals_lower(name.data(), known.lower.data(), known.size) ? known.id : FieldId::kOther;
}

}  // namespace canaryd::http::detail
