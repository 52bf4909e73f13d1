#include "canaryd/client/http_client.hpp"

#include <algorithm>
#include <charconv>

namespace canaryd::client {
namespace {

constexpr std::string_view kHelp = "expected http://HOST:PORT, HOST:PORT, [V6]:PORT or unix:PATH";
constexpr std::size_t kUnixPathMax = 107;  // sun_path without its final zero.

bool is_host_character(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '-' || c == '_';
}

bool is_v6_character(char c) noexcept {
  return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || (c >= '0' && c <= '9') || c == ':' ||
         c == '.';
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  return std::equal(
      a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

Result<Address> parse_unix(std::string_view path) {
  if (path.empty() || path.size() > kUnixPathMax || path.find('\0') != std::string_view::npos) {
    return fail(ErrorCode::kInvalidArgument, "a socket path has 1 to 107 bytes");
  }
  Address address;
  address.path = path;
  return address;
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

// HOST or [V6] off the front of text; what follows it stays there.
Result<std::string> take_host(std::string_view& text) {
  const bool bracketed = text.starts_with('[');
  const std::size_t end = bracketed ? text.find(']') : std::min(text.find(':'), text.size());
  if (end == std::string_view::npos) return fail(ErrorCode::kInvalidArgument, std::string(kHelp));
  const std::string_view host = bracketed ? text.substr(1, end - 1) : text.substr(0, end);
  if (host.empty() || host.size() > 253 ||
      !std::all_of(host.begin(), host.end(), bracketed ? is_v6_character : is_host_character)) {
    return fail(ErrorCode::kInvalidArgument, std::string(kHelp));
  }
  text.remove_prefix(bracketed ? end + 1 : end);
  return std::string(host);
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
  if (text.starts_with("unix:")) return parse_unix(text.substr(5));
  if (text.starts_with("https://")) {
    return fail(ErrorCode::kUnsupported, "https is not supported by this version");
  }
  const bool is_url = text.starts_with("http://");
  if (is_url) {
    text.remove_prefix(7);
    if (text.ends_with('/')) text.remove_suffix(1);
  }
  Address address;
  CANARYD_TRY_ASSIGN(address.host, take_host(text));
  if (is_url && text.empty()) {
    address.port = 80;
    return address;
  }
  if (!text.starts_with(':')) return fail(ErrorCode::kInvalidArgument, std::string(kHelp));
  CANARYD_TRY_ASSIGN(address.port, parse_port(text.substr(1)));
  return address;
}

std::string Address::to_string() const {
  if (is_unix()) return "unix:" + path;
  const bool is_v6 = host.find(':') != std::string::npos;
  return (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string_view Response::header(std::string_view name) const noexcept {
  for (const Header& entry : headers) {
    if (equal_ignoring_case(entry.name, name)) return entry.value;
  }
  return {};
}

}  // namespace canaryd::client
