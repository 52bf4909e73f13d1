#include "canaryd/base/url.hpp"
#include "canaryd/client/http_client.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::client {
namespace {

constexpr std::string_view kHelp = "expected http://HOST:PORT, HOST:PORT, [V6]:PORT or unix:PATH";
constexpr std::size_t kUnixPathMax = 107;  // sun_path without its final zero.

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

Result<Address> parse_host_and_port(std::string_view text) {
  auto authority = take_authority(text);
  if (!authority || !authority->port || !text.empty()) {
    return fail(ErrorCode::kInvalidArgument, std::string(kHelp));
  }
  Address address;
  address.host = std::move(authority->host);
  address.port = *authority->port;
  return address;
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
  if (text.starts_with("unix:")) return parse_unix(text.substr(5));
  if (!text.starts_with("http://") && !text.starts_with("https://")) {
    return parse_host_and_port(text);
  }
  CANARYD_TRY_ASSIGN(HttpUrl url, parse_http_url(text));
  if (url.target != "/") return fail(ErrorCode::kInvalidArgument, std::string(kHelp));
  return address_of(url);
}

Address address_of(const HttpUrl& url) {
  Address address;
  address.host = url.host;
  address.port = url.port;
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
