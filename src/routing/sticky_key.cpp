#include "canaryd/routing/sticky_key.hpp"

#include "canaryd/http/chars.hpp"
#include "canaryd/http/uri.hpp"

#include <algorithm>
#include <array>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace canaryd::routing {
namespace {

// Present in every request, so that what is listed behind it is never reached.
bool always_present(const StickySpec& spec, const StickySource& source) {
  if (source.kind == KeySource::kClientIp || source.kind == KeySource::kPerRequest) return true;
  return source.kind == KeySource::kCookie && spec.issue_cookie &&
         spec.issue_cookie->name == source.name;
}

Result<void> check_name(const StickySource& source) {
  const std::string quoted = "\"" + source.name + "\"";
  switch (source.kind) {
    case KeySource::kHeader:
      if (http::is_token(source.name)) return {};
      return fail(ErrorCode::kInvalidArgument, quoted + " is not a header name");
    case KeySource::kCookie:
      if (http::is_cookie_name(source.name)) return {};
      return fail(ErrorCode::kInvalidArgument, quoted + " is not a cookie name");
    case KeySource::kQuery:
      if (!source.name.empty()) return {};
      return fail(ErrorCode::kInvalidArgument, "a query key needs a name");
    case KeySource::kClientIp:
    case KeySource::kPerRequest:
      if (source.name.empty()) return {};
      return fail(ErrorCode::kInvalidArgument, "this kind of key has no name");
    case KeySource::kNone:
    case KeySource::kIssuedCookie:
      break;
  }
  return fail(ErrorCode::kInvalidArgument, "not a kind of key that can be listed");
}

std::string_view address_text(const IpAddress& address, StickyScratch& scratch) noexcept {
  const IpAddress plain = address.unmapped();
  const std::size_t size = plain.bits() / 8;
  std::transform(plain.bytes().begin(),
                 plain.bytes().begin() + static_cast<std::ptrdiff_t>(size),
                 scratch.address.begin(),
                 [](std::uint8_t byte) { return static_cast<char>(byte); });
  return {scratch.address.data(), size};
}

const http::Field* find_header(const StickySource& source, const http::FieldList& fields) noexcept {
  switch (source.field) {
    case http::FieldId::kOther:
      return fields.find_other(source.name);
    case http::FieldId::kCount:
      return fields.find(source.name);
    default:
      return fields.find(source.field);
  }
}

// The text a source has in this request; empty: none.
std::string_view text_of(const StickySource& source,
                         const StickyInput& input,
                         StickyScratch& scratch) noexcept {
  switch (source.kind) {
    case KeySource::kHeader: {
      const http::Field* field = find_header(source, input.fields);
      return field == nullptr ? std::string_view{} : field->value;
    }
    case KeySource::kCookie:
      return http::find_cookie(input.fields, source.name);
    case KeySource::kQuery:
      return http::find_query(input.query, source.name, scratch.query);
    case KeySource::kClientIp:
      return address_text(input.client, scratch);
    case KeySource::kPerRequest:
      scratch.fresh = make_fresh_id(input.random);
      return scratch.fresh.text();
    case KeySource::kNone:
    case KeySource::kIssuedCookie:
      break;
  }
  return {};
}

}  // namespace

std::string_view to_string(KeySource source) noexcept {
  switch (source) {
    case KeySource::kNone:
      return "none";
    case KeySource::kHeader:
      return "header";
    case KeySource::kCookie:
      return "cookie";
    case KeySource::kQuery:
      return "query";
    case KeySource::kClientIp:
      return "client_ip";
    case KeySource::kPerRequest:
      return "per_request";
    case KeySource::kIssuedCookie:
      return "issued_cookie";
  }
  return "none";
}

Result<void> check(const StickySpec& spec) {
  if (spec.sources.empty()) return fail(ErrorCode::kInvalidArgument, "no key is listed");
  if (spec.sources.size() > kStickySourcesMax) {
    return fail(ErrorCode::kLimit,
                "more than " + std::to_string(kStickySourcesMax) + " keys are listed");
  }
  bool issued_listed = false;
  for (std::size_t i = 0; i < spec.sources.size(); ++i) {
    const StickySource& source = spec.sources[i];
    CANARYD_TRY(check_name(source));
    if (always_present(spec, source) && i + 1 < spec.sources.size()) {
      return fail(ErrorCode::kInvalidArgument,
                  "keys after " + std::string(to_string(source.kind)) + " " + source.name +
                      " are never reached: every request has that one");
    }
    issued_listed |= source.kind == KeySource::kCookie && always_present(spec, source);
  }
  if (!spec.issue_cookie) return {};
  if (!http::is_cookie_name(spec.issue_cookie->name)) {
    return fail(ErrorCode::kInvalidArgument,
                "\"" + spec.issue_cookie->name + "\" is not a cookie name");
  }
  if (!issued_listed) {
    return fail(ErrorCode::kInvalidArgument,
                "the issued cookie \"" + spec.issue_cookie->name + "\" is not among the keys");
  }
  if (spec.issue_cookie->max_age.count() < 0) {
    return fail(ErrorCode::kInvalidArgument, "the age of a cookie cannot be negative");
  }
  return {};
}

namespace {

using IdBits = std::array<std::uint64_t, 2>;

#if defined(__SSE2__)
// Of nibbles, one in each byte.
__m128i to_hex_digits(__m128i nibbles) noexcept {
  const __m128i letters = _mm_cmpgt_epi8(nibbles, _mm_set1_epi8(9));
  const __m128i beyond_nine = _mm_and_si128(letters, _mm_set1_epi8('a' - '9' - 1));
  return _mm_add_epi8(_mm_add_epi8(nibbles, _mm_set1_epi8('0')), beyond_nine);
}

void write_hex(const IdBits& bits, FreshId& id) noexcept {
  const __m128i nibble = _mm_set1_epi8(0xf);
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bits.data()));
  const __m128i low = _mm_and_si128(bytes, nibble);
  const __m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), nibble);
  auto* const to = reinterpret_cast<__m128i*>(id.digits.data());
  _mm_storeu_si128(to, to_hex_digits(_mm_unpacklo_epi8(low, high)));
  _mm_storeu_si128(to + 1, to_hex_digits(_mm_unpackhi_epi8(low, high)));
}
#else
void write_hex(const IdBits& bits, FreshId& id) noexcept {
  for (std::size_t i = 0; i < id.digits.size(); ++i) {
    id.digits[i] = "0123456789abcdef"[bits[i / 16] >> (i % 16 * 4) & 0xfU];
  }
}
#endif

}  // namespace

// An id is made for every request that brings none. The lowest nibble comes first.
FreshId make_fresh_id(Random& random) noexcept {
  IdBits bits{};
  for (std::uint64_t& half : bits) half = random.next();
  FreshId id;
  write_hex(bits, id);
  return id;
}

bool is_issued_id(std::string_view text) noexcept {
  return text.size() == FreshId{}.digits.size() &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

namespace {

// Of all cookies of that name the first that is an id of ours: an application may have set one,
// too, for a part of the site, and browsers send that first. Empty: none.
std::string_view find_issued_id(const http::FieldList& fields, std::string_view name) noexcept {
  std::string_view id;
  fields.for_each(http::FieldId::kCookie, [&](const http::Field& field) {
    std::string_view rest = field.value;
    while (id.empty()) {
      const std::string_view value = http::find_cookie(rest, name);
      if (value.data() == nullptr) break;
      if (is_issued_id(value)) id = value;
      rest.remove_prefix(static_cast<std::size_t>(value.data() + value.size() - rest.data()));
    }
  });
  return id;
}

}  // namespace

StickyKey find_sticky_key(const StickySpec& spec,
                          const StickyInput& input,
                          StickyScratch& scratch) noexcept {
  for (const StickySource& source : spec.sources) {
    const std::string_view text = text_of(source, input, scratch);
    if (source.kind == KeySource::kCookie && always_present(spec, source)) {
      if (is_issued_id(text)) return {text, KeySource::kIssuedCookie, false};
      // There is one of that name.
      if (text.data() != nullptr) [[unlikely]] {
        const std::string_view id = find_issued_id(input.fields, source.name);
        if (!id.empty()) return {id, KeySource::kIssuedCookie, false};
      }
      scratch.fresh = make_fresh_id(input.random);
      return {scratch.fresh.text(), KeySource::kIssuedCookie, true};
    }
    if (!text.empty()) return {text, source.kind, false};
  }
  return {};
}

http::SetCookie make_set_cookie(const IssueCookie& cookie,
                                const FreshId& id,
                                bool client_is_tls) noexcept {
  http::SetCookie set;
  set.name = cookie.name;
  set.value = id.text();
  set.max_age = cookie.max_age;
  set.same_site = cookie.same_site;
  set.secure = cookie.secure == SecureCookie::kAlways ||
               (cookie.secure == SecureCookie::kAuto && client_is_tls);
  return set;
}

}  // namespace canaryd::routing
