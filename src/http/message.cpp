#include "canaryd/http/message.hpp"

#include "canaryd/http/chars.hpp"

#include <array>
#include <cstring>

namespace canaryd::http {
namespace {

struct KnownName {
  std::string_view name;
  std::string_view lower;
  FieldId id;
};

// Shortest first.
constexpr std::array kKnown = {
    KnownName{"TE", "te", FieldId::kTe},
    KnownName{"Via", "via", FieldId::kVia},
    KnownName{"Date", "date", FieldId::kDate},
    KnownName{"Host", "host", FieldId::kHost},
    KnownName{"Cookie", "cookie", FieldId::kCookie},
    KnownName{"Expect", "expect", FieldId::kExpect},
    KnownName{"Origin", "origin", FieldId::kOrigin},
    KnownName{"Trailer", "trailer", FieldId::kTrailer},
    KnownName{"Upgrade", "upgrade", FieldId::kUpgrade},
    KnownName{"Location", "location", FieldId::kLocation},
    KnownName{"Forwarded", "forwarded", FieldId::kForwarded},
    KnownName{"Connection", "connection", FieldId::kConnection},
    KnownName{"Keep-Alive", "keep-alive", FieldId::kKeepAlive},
    KnownName{"Set-Cookie", "set-cookie", FieldId::kSetCookie},
    KnownName{"Tracestate", "tracestate", FieldId::kTracestate},
    KnownName{"User-Agent", "user-agent", FieldId::kUserAgent},
    KnownName{"Grpc-Status", "grpc-status", FieldId::kGrpcStatus},
    KnownName{"Retry-After", "retry-after", FieldId::kRetryAfter},
    KnownName{"Traceparent", "traceparent", FieldId::kTraceparent},
    KnownName{"Content-Type", "content-type", FieldId::kContentType},
    KnownName{"Max-Forwards", "max-forwards", FieldId::kMaxForwards},
    KnownName{"X-Request-Id", "x-request-id", FieldId::kXRequestId},
    KnownName{"Authorization", "authorization", FieldId::kAuthorization},
    KnownName{"Cache-Control", "cache-control", FieldId::kCacheControl},
    KnownName{"Content-Range", "content-range", FieldId::kContentRange},
    KnownName{"Content-Length", "content-length", FieldId::kContentLength},
    KnownName{"HTTP2-Settings", "http2-settings", FieldId::kHttp2Settings},
    KnownName{"X-Canaryd-Error", "x-canaryd-error", FieldId::kXCanarydError},
    KnownName{"X-Forwarded-For", "x-forwarded-for", FieldId::kXForwardedFor},
    KnownName{"Content-Encoding", "content-encoding", FieldId::kContentEncoding},
    KnownName{"Proxy-Connection", "proxy-connection", FieldId::kProxyConnection},
    KnownName{"WWW-Authenticate", "www-authenticate", FieldId::kWwwAuthenticate},
    KnownName{"X-Canaryd-Cohort", "x-canaryd-cohort", FieldId::kXCanarydCohort},
    KnownName{"X-Forwarded-Host", "x-forwarded-host", FieldId::kXForwardedHost},
    KnownName{"Transfer-Encoding", "transfer-encoding", FieldId::kTransferEncoding},
    KnownName{"X-Canaryd-Rollout", "x-canaryd-rollout", FieldId::kXCanarydRollout},
    KnownName{"X-Forwarded-Proto", "x-forwarded-proto", FieldId::kXForwardedProto},
    KnownName{"Proxy-Authenticate", "proxy-authenticate", FieldId::kProxyAuthenticate},
    KnownName{"Proxy-Authorization", "proxy-authorization", FieldId::kProxyAuthorization},
};
static_assert(kKnown.size() + 1 == static_cast<std::size_t>(FieldId::kCount));

constexpr std::size_t kShortest = kKnown.front().name.size();
constexpr std::size_t kLongest = kKnown.back().name.size();

// Where a name of at least two letters stands in the table below: no two known names in one place,
// so each name costs one comparison at most. The factors were found by trial; the assertion says
// when a new name needs others.
constexpr std::size_t kPlaces = 128;
constexpr std::size_t place_of(std::string_view name) noexcept {
  const auto letter = [name](std::size_t at) {
    return static_cast<std::size_t>(static_cast<unsigned char>(name[at]) | 0x20U);
  };
  return (letter(0) + 5 * letter(name.size() / 3) + 6 * letter(name.size() - 1) + 5 * name.size()) %
         kPlaces;
}

// Index into kKnown, or its size.
constexpr auto kIndexAt = [] {
  std::array<std::uint8_t, kPlaces> index{};
  for (std::uint8_t& entry : index) entry = static_cast<std::uint8_t>(kKnown.size());
  for (std::size_t i = 0; i < kKnown.size(); ++i) {
    index[place_of(kKnown[i].lower)] = static_cast<std::uint8_t>(i);
  }
  return index;
}();

constexpr bool table_is_sound() {
  for (std::size_t i = 0; i < kKnown.size(); ++i) {
    if (i > 0 && kKnown[i - 1].name.size() > kKnown[i].name.size()) return false;
    if (kKnown[i].name.size() != kKnown[i].lower.size()) return false;
    if (kIndexAt[place_of(kKnown[i].name)] != i) return false;
    for (std::size_t j = 0; j < kKnown[i].name.size(); ++j) {
      if (lower(kKnown[i].name[j]) != kKnown[i].lower[j]) return false;
    }
  }
  return true;
}
static_assert(table_is_sound());

template <class Word>
bool equal_words(const char* name, const char* known) noexcept {
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
bool equal_by(std::string_view name, std::string_view known) noexcept {
  const std::size_t last = known.size() - sizeof(Word);
  for (std::size_t i = 0; i < last; i += sizeof(Word)) {
    if (!equal_words<Word>(name.data() + i, known.data() + i)) return false;
  }
  return equal_words<Word>(name.data() + last, known.data() + last);
}

bool equals_lower(std::string_view name, std::string_view known) noexcept {
  if (known.size() >= sizeof(std::uint64_t)) return equal_by<std::uint64_t>(name, known);
  if (known.size() >= sizeof(std::uint32_t)) return equal_by<std::uint32_t>(name, known);
  return equal_by<std::uint16_t>(name, known);
}

void rebase_view(std::string_view& view, const char* from, const char* to) noexcept {
  if (view.data() != nullptr) view = std::string_view(to + (view.data() - from), view.size());
}

}  // namespace

FieldId field_id(std::string_view name) noexcept {
  if (name.size() < kShortest || name.size() > kLongest) return FieldId::kOther;
  const std::size_t index = kIndexAt[place_of(name)];
  if (index == kKnown.size()) return FieldId::kOther;
  const KnownName& known = kKnown[index];
  const bool same = name.size() == known.lower.size() && equals_lower(name, known.lower);
  return same ? known.id : FieldId::kOther;
}

std::string_view field_name(FieldId id) noexcept {
  for (const KnownName& known : kKnown) {
    if (known.id == id) return known.name;
  }
  return {};
}

const Field* FieldList::find(FieldId id) const noexcept {
  if (!has(id)) return nullptr;
  for (const Field& field : fields_) {
    if (field.id == id) return &field;
  }
  return nullptr;
}

const Field* FieldList::find(std::string_view name) const noexcept {
  const FieldId id = field_id(name);
  if (id != FieldId::kOther) return find(id);
  for (const Field& field : fields_) {
    if (field.id == FieldId::kOther && equals_ignore_case(field.name, name)) return &field;
  }
  return nullptr;
}

std::string_view FieldList::value(FieldId id) const noexcept {
  const Field* field = find(id);
  return field == nullptr ? std::string_view() : field->value;
}

std::size_t FieldList::count_all(FieldId id) const noexcept {
  std::size_t found = 0;
  for_each(id, [&found](const Field&) { ++found; });
  return found;
}

void FieldList::rebase(const char* from, const char* to) noexcept {
  for (Field& field : fields_) {
    rebase_view(field.name, from, to);
    rebase_view(field.value, from, to);
  }
}

Method parse_method(std::string_view text) noexcept {
  // Compared with texts of known size, which needs no call.
  switch (text.size()) {
    case 3:
      return text == "GET" ? Method::kGet : text == "PUT" ? Method::kPut : Method::kOther;
    case 4:
      return text == "POST" ? Method::kPost : text == "HEAD" ? Method::kHead : Method::kOther;
    case 5:
      return text == "PATCH" ? Method::kPatch : text == "TRACE" ? Method::kTrace : Method::kOther;
    case 6:
      return text == "DELETE" ? Method::kDelete : Method::kOther;
    case 7:
      return text == "OPTIONS"   ? Method::kOptions
             : text == "CONNECT" ? Method::kConnect
                                 : Method::kOther;
    default:
      return Method::kOther;
  }
}

bool is_safe(Method method) noexcept {
  return method == Method::kGet || method == Method::kHead || method == Method::kOptions ||
         method == Method::kTrace;
}

bool is_idempotent(Method method) noexcept {
  return is_safe(method) || method == Method::kPut || method == Method::kDelete;
}

std::string_view to_string(Refusal refusal) noexcept {
  switch (refusal) {
    case Refusal::kNone:
      return "none";
    case Refusal::kBadRequest:
      return "bad_request";
    case Refusal::kTargetTooLong:
      return "target_too_long";
    case Refusal::kHeadersTooLarge:
      return "headers_too_large";
    case Refusal::kExpectationFailed:
      return "expectation_failed";
    case Refusal::kNotImplemented:
      return "not_implemented";
    case Refusal::kVersionNotSupported:
      return "version_not_supported";
    case Refusal::kUpstreamProtocol:
      return "upstream_protocol";
  }
  return "none";
}

std::uint16_t status_of(Refusal refusal) noexcept {
  switch (refusal) {
    case Refusal::kNone:
      return 200;
    case Refusal::kBadRequest:
      return 400;
    case Refusal::kTargetTooLong:
      return 414;
    case Refusal::kHeadersTooLarge:
      return 431;
    case Refusal::kExpectationFailed:
      return 417;
    case Refusal::kNotImplemented:
      return 501;
    case Refusal::kVersionNotSupported:
      return 505;
    case Refusal::kUpstreamProtocol:
      return 502;
  }
  return 500;
}

void RequestHead::clear() noexcept {
  method_text = {};
  target = {};
  host = {};
  fields.clear();
  framing = {};
  size = host_name_size = 0;
  method = Method::kOther;
  version_minor = 1;
  host_lower_case = keep_alive = expect_continue = upgrade = nominates = false;
}

void RequestHead::rebase(const char* from, const char* to) noexcept {
  rebase_view(method_text, from, to);
  rebase_view(target, from, to);
  rebase_view(host, from, to);
  fields.rebase(from, to);
}

void ResponseHead::clear() noexcept {
  reason = {};
  fields.clear();
  framing = {};
  content_length.reset();
  size = 0;
  status = 0;
  version_minor = 1;
  keep_alive = upgrade = nominates = false;
}

void ResponseHead::rebase(const char* from, const char* to) noexcept {
  rebase_view(reason, from, to);
  fields.rebase(from, to);
}

}  // namespace canaryd::http
