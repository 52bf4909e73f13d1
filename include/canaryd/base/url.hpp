// http URLs (RFC 3986) of what canaryd itself asks: providers, hooks, its own admin API.
//
// Strict: no user, no fragment, nothing but visible ASCII; a path is kept as it is written. Pure;
// any thread.
#pragma once

#include "canaryd/base/error.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace canaryd {

struct Authority {
  std::string host;  // Name or IP address, without brackets.
  std::optional<std::uint16_t> port;
  friend bool operator==(const Authority&, const Authority&) = default;
};

// "HOST", "HOST:PORT" or "[V6]:PORT" off the front of text; what follows it stays there.
[[nodiscard]] Result<Authority> take_authority(std::string_view& text);

struct HttpUrl {
  std::string host;  // As in Authority.
  std::uint16_t port = 80;
  std::string target = "/";  // Path and query.

  // "host:9090", "[::1]:9090": for Host, and for people.
  [[nodiscard]] std::string authority() const;
  // "http://host:9090/path".
  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const HttpUrl&, const HttpUrl&) = default;
};

inline constexpr std::size_t kUrlBytesMax = 2048;

// "http://HOST[:PORT][/PATH[?QUERY]]". https is kUnsupported.
[[nodiscard]] Result<HttpUrl> parse_http_url(std::string_view text);

// What stands in place of a secret.
inline constexpr std::string_view kSecretMask = "***";

// For people, who need not know all of it: a user in front of the host, and the values of the
// query, are masked. Of any text, also one that parse_http_url refuses; a masked one stays as it
// is.
[[nodiscard]] std::string masked_url(std::string_view text);

// As a value in a query or a form (RFC 3986, section 2.1): all but unreserved characters escaped.
[[nodiscard]] std::string percent_encoded(std::string_view text);

}  // namespace canaryd
