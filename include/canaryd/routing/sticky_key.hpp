// Which text decides the cohort of a request: the first listed source that the request has.
//
// Sources are tried in their order; an absent or empty one is passed over. The same text from two
// sources (a user id in a header and in a cookie) is the same key, so the user keeps the cohort. A
// cookie that we issue ourselves has a known form (32 lower-case hex digits); of several with its
// name the first of that form counts. One that does not look like that counts as absent and is
// replaced, and the fresh id is the key of this very request, so that the cohort does not change on
// the second one. A request without any key has the source kNone: it moves last (see
// cohort_pick.hpp).
//
// A parameter of the query counts as what it stands for, so that the same user in two spellings
// (a@b, a%40b) is one; its first kQueryKeyBytesMax bytes are the key. Others are keys as they are.
// Pure; the text of a key points into the request or the scratch.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/base/ip.hpp"
#include "canaryd/base/random.hpp"
#include "canaryd/http/cookie.hpp"
#include "canaryd/http/message.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::routing {

inline constexpr std::size_t kQueryKeyBytesMax = 1024;
inline constexpr std::size_t kStickySourcesMax = 16;

enum class KeySource : std::uint8_t {
  kNone,  // The request has none of the listed keys.
  kHeader,
  kCookie,
  kQuery,
  kClientIp,
  kPerRequest,    // No stickiness: a fresh random key each time.
  kIssuedCookie,  // A cookie of ours, sent back to us or just made.
};

// Lower-case name for logs: "header", "issued_cookie".
[[nodiscard]] std::string_view to_string(KeySource source) noexcept;

struct StickySource {
  KeySource kind = KeySource::kClientIp;  // One of kHeader to kPerRequest.
  std::string name;                       // Of the header, cookie or query parameter; else empty.
  // Of a header, once a routing table has it: then its name is not recognised with each request.
  http::FieldId field = http::FieldId::kCount;
  friend bool operator==(const StickySource&, const StickySource&) = default;
};

enum class SecureCookie : std::uint8_t {
  kAuto,
  kAlways,
  kNever
};  // kAuto: as the client connection.

struct IssueCookie {
  std::string name;
  std::chrono::seconds max_age{0};  // 0: until the browser closes.
  http::SameSite same_site = http::SameSite::kLax;
  SecureCookie secure = SecureCookie::kAuto;
  friend bool operator==(const IssueCookie&, const IssueCookie&) = default;
};

struct StickySpec {
  std::vector<StickySource> sources;
  std::optional<IssueCookie> issue_cookie;
  friend bool operator==(const StickySpec&, const StickySpec&) = default;
};

// Names are tokens, kinds fit, nothing follows a source that is always there, and an issued cookie
// is listed last.
[[nodiscard]] Result<void> check(const StickySpec& spec);

// A 128-bit id as 32 lower-case hex digits.
struct FreshId {
  std::array<char, 32> digits{};
  [[nodiscard]] std::string_view text() const noexcept { return {digits.data(), digits.size()}; }
};
[[nodiscard]] FreshId make_fresh_id(Random& random) noexcept;
[[nodiscard]] bool is_issued_id(std::string_view text) noexcept;

// What a key is looked for in.
struct StickyInput {
  const http::FieldList& fields;
  std::string_view query;   // http::Target::query.
  const IpAddress& client;  // Trust already resolved (client_address.hpp).
  Random& random;           // The worker's own; asked only when an id is made.
};

// Where the text of a key lives that is not in the request.
struct StickyScratch {
  FreshId fresh;
  std::array<char, 16> address{};
  std::array<char, kQueryKeyBytesMax> query;  // Not cleared: most requests have no use for it.
};

struct StickyKey {
  std::string_view text;  // Raw bytes; an address is its 4 or 16 bytes.
  KeySource source = KeySource::kNone;
  bool fresh = false;  // An id was made that the client should get as a cookie.
};

[[nodiscard]] StickyKey find_sticky_key(const StickySpec& spec,
                                        const StickyInput& input,
                                        StickyScratch& scratch) noexcept;

// What to write to the client; the views point into both arguments.
[[nodiscard]] http::SetCookie make_set_cookie(const IssueCookie& cookie,
                                              const FreshId& id,
                                              bool client_is_tls) noexcept;

}  // namespace canaryd::routing
