// Reads one cookie, writes one cookie (RFC 6265 sections 4.1 and 5.4). No allocation. Pure; any
// thread.
#pragma once

#include "canaryd/http/head_buffer.hpp"
#include "canaryd/http/message.hpp"

#include <chrono>
#include <cstdint>
#include <string_view>

namespace canaryd::http {

// The first cookie of that name (case matters) in one Cookie value, or in all of them; data() is
// nullptr if there is none. The value is as the client wrote it, quotes included.
[[nodiscard]] std::string_view find_cookie(std::string_view cookies,
                                           std::string_view name) noexcept;
[[nodiscard]] std::string_view find_cookie(const FieldList& fields, std::string_view name) noexcept;

[[nodiscard]] bool is_cookie_name(std::string_view name) noexcept;
[[nodiscard]] bool is_cookie_value(std::string_view value) noexcept;

enum class SameSite : std::uint8_t { kLax, kStrict, kNone };

struct SetCookie {
  std::string_view name;            // is_cookie_name
  std::string_view value;           // is_cookie_value
  std::chrono::seconds max_age{0};  // 0: until the browser closes.
  SameSite same_site = SameSite::kLax;
  bool secure = false;  // Browsers drop SameSite=None without it, so it is then set in any case.
  bool http_only = true;
};

// The whole field line: "Set-Cookie: name=value; Path=/; ...", CRLF included.
void write_set_cookie(HeadBuffer& out, const SetCookie& cookie) noexcept;

// May our cookie be added to this response? Only to a final one that no shared cache is told to
// keep and hand to others: Set-Cookie does not hinder it (RFC 9111 section 7.3). So not with
// `public`, a lifetime (max-age, s-maxage, Expires) or stale-..., but for `private` and `no-store`;
// not with a lifetime in the directives of a CDN, whatever those for all caches say; not on 304. A
// response that says nothing may have it: a cache may store that too, but then nobody would get a
// cookie.
[[nodiscard]] bool may_issue_cookie(const ResponseHead& head, std::string_view date) noexcept;

}  // namespace canaryd::http
