// One canonical form of every request target: it decides the route and it is what goes upstream.
//
// If the proxy routed by one reading of a path and the upstream served another,
// "/public/..%2fadmin" would walk around any rule. So a target is brought into one form or refused
// (RFC 3986 sections 6.2.2 and 6.2.3, RFC 9112 section 3.2):
//  - dot segments, also written %2e, are removed; climbing above the root is refused, and so is
//  "..;" (some servers
//    strip the parameter and climb);
//  - repeated slashes become one: what people expect, and nginx's default; the merged form is
//  forwarded, so both sides
//    agree;
//  - escapes of unreserved characters are decoded, the others are written with capital digits;
//  - refused: %2F (unless allowed), %5C, escaped control characters, broken escapes, backslash,
//  '#', user information,
//    bytes outside visible ASCII.
// The query decides no route and is opaque: it goes through as it came, if it is visible ASCII
// without '#'. Pure; any thread. Limit: the scratch given.
#pragma once

#include "canaryd/http/message.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace canaryd::http {

enum class TargetForm : std::uint8_t { kOrigin, kAbsolute, kAsterisk };

struct UriRules {
  bool encoded_slash = false;  // Keep %2F as a character inside a segment instead of refusing it.
};
// Of a target that has been taken: what was allowed then may not be by now.
inline constexpr UriRules kTaken{.encoded_slash = true};

// Views into the request, or into the scratch where the canonical form differs from what came.
struct Target {
  std::string_view
      forwarded;  // Path and query in canonical form: the target sent upstream. "*" for OPTIONS *.
  std::string_view path;       // Its part before '?'.
  std::string_view query;      // Its part after '?'.
  std::string_view authority;  // What Host says upstream: the absolute target's authority, else
                               // Host as received.
  std::string_view host;  // For matching: lower case, no port, no dot at the end; [brackets] stay.
  TargetForm form = TargetForm::kOrigin;
};

// Scratch that is surely enough for this head.
[[nodiscard]] inline std::size_t target_scratch_bytes(const RequestHead& head) noexcept {
  return 2 * head.target.size() + head.host.size() + 2;
}

// Checks the host too, so heads of any codec may come. The scratch must live as long as the target;
// nothing is written to it when target and host are canonical already. Of a target that is refused
// no member means anything.
[[nodiscard]] Refused parse_target(const RequestHead& head,
                                   const UriRules& rules,
                                   std::span<char> scratch,
                                   Target& target) noexcept;

struct Authority {
  std::string_view host;    // With its brackets, if it is an IPv6 address.
  std::string_view port;    // Digits; empty if there is none.
  bool lower_case = false;  // No letter of the host is known to be a capital; false is not sure.
};

// The longest name that DNS can hold has 253 characters (RFC 1035 section 2.3.4), and a dot at the
// end. A longer one is nobody's, and would go upstream twice: in Host and in X-Forwarded-Host.
inline constexpr std::size_t kHostBytesMax = 255;

// host [":" port] as in Host. Accepted are names of letters, digits, '-', '.', '_', '~', up to
// kHostBytesMax, and bracketed IPv6 addresses (syntax only); ports up to 65535. Refused, although
// RFC 3986 has them: user information, escapes, other punctuation.
[[nodiscard]] bool parse_authority(std::string_view text, Authority& authority) noexcept;

// Same host and, after leaving away the port that is the scheme's default, same port.
[[nodiscard]] bool same_authority(const Authority& a,
                                  const Authority& b,
                                  std::string_view default_port) noexcept;

// The value of `name=` in a query ("a=1&b=2"), as written; data() is nullptr if it is not there. A
// name in the query may be escaped, "%61=1" has an a.
[[nodiscard]] std::string_view find_query(std::string_view query, std::string_view name) noexcept;

// The same as what it stands for, as forms write it: '+' is a space, %XX a byte; a broken escape
// stays as written. Views the query where nothing is escaped, else the scratch. In both cases no
// more than the scratch has room for: the spelling makes no difference.
[[nodiscard]] std::string_view find_query(std::string_view query,
                                          std::string_view name,
                                          std::span<char> scratch) noexcept;

}  // namespace canaryd::http
