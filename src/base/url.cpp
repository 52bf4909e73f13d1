#include "canaryd/base/url.hpp"

#include <algorithm>
#include <charconv>

namespace canaryd {
namespace {

constexpr std::size_t kHostBytesMax = 253;

bool is_letter_or_digit(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_host_character(char c) noexcept {
  return is_letter_or_digit(c) || c == '.' || c == '-' || c == '_';
}

bool is_v6_character(char c) noexcept {
  return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || (c >= '0' && c <= '9') || c == ':' ||
         c == '.';
}

Result<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc() || stop != end || port == 0) {
    return fail(ErrorCode::kInvalidArgument, "a port is a number from 1 to 65535");
  }
  return port;
}

tl::unexpected<Error> no_url() {
  return fail(ErrorCode::kInvalidArgument, "expected http://HOST[:PORT][/PATH]");
}

}  // namespace

Result<Authority> take_authority(std::string_view& text) {
  const bool bracketed = text.starts_with('[');
  const std::size_t end =
      bracketed ? text.find(']') : std::min(text.find_first_of(":/?"), text.size());
  if (end == std::string_view::npos) {
    return fail(ErrorCode::kInvalidArgument, "expected ] behind an IPv6 address");
  }
  const std::string_view host = bracketed ? text.substr(1, end - 1) : text.substr(0, end);
  if (host.empty() || host.size() > kHostBytesMax ||
      !std::all_of(host.begin(), host.end(), bracketed ? is_v6_character : is_host_character)) {
    return fail(ErrorCode::kInvalidArgument, "expected a host name or address");
  }
  Authority authority;
  authority.host = host;
  text.remove_prefix(bracketed ? end + 1 : end);
  if (!text.starts_with(':')) return authority;
  const std::size_t length = std::min(text.find_first_of("/?"), text.size());
  CANARYD_TRY_ASSIGN(authority.port, parse_port(text.substr(1, length - 1)));
  text.remove_prefix(length);
  return authority;
}

Result<HttpUrl> parse_http_url(std::string_view text) {
  if (text.starts_with("https://")) {
    return fail(ErrorCode::kUnsupported, "https is not supported by this version");
  }
  constexpr std::string_view kScheme = "http://";
  if (!text.starts_with(kScheme) || text.size() > kUrlBytesMax) return no_url();
  text.remove_prefix(kScheme.size());
  if (text.substr(0, text.find('/')).find('@') != std::string_view::npos) {
    return fail(ErrorCode::kInvalidArgument, "a URL must not name a user");
  }
  CANARYD_TRY_ASSIGN(Authority authority, take_authority(text));
  const bool visible =
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f && c != '#'; });
  if (!visible || (!text.empty() && text.front() != '/')) return no_url();
  HttpUrl url;
  url.host = std::move(authority.host);
  url.port = authority.port.value_or(url.port);
  if (!text.empty()) url.target = text;
  return url;
}

std::string HttpUrl::authority() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string HttpUrl::to_string() const {
  return "http://" + authority() + (target == "/" ? "" : target);
}

std::string masked_url(std::string_view text) {
  std::string out;
  const std::size_t scheme = text.find("://");
  if (scheme != std::string_view::npos && text.find_first_of("/?#") == scheme + 1) {
    const std::size_t begin = scheme + 3;
    const std::size_t end = std::min(text.find_first_of("/?#", begin), text.size());
    const std::size_t at = text.substr(0, end).rfind('@');
    const bool has_user = at != std::string_view::npos && at >= begin;
    out = text.substr(0, begin);
    if (has_user) out += kSecretMask;
    text.remove_prefix(has_user ? at : begin);
  }
  const std::size_t question = std::min(text.find('?'), text.size());
  out += text.substr(0, question);
  text.remove_prefix(question);
  while (!text.empty()) {
    out += text.front();  // "?" or "&".
    text.remove_prefix(1);
    const std::string_view part = text.substr(0, text.find('&'));
    const std::size_t equals = part.find('=');
    if (equals != std::string_view::npos) out += part.substr(0, equals + 1);
    if (!part.empty()) out += kSecretMask;
    text.remove_prefix(part.size());
  }
  return out;
}

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (is_letter_or_digit(c) || c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[byte >> 4U];
    out += kHex[byte & 0xfU];
  }
  return out;
}

}  // namespace canaryd
