#include "admin/guard.hpp"

#include "canaryd/base/ip.hpp"

#include <algorithm>

namespace canaryd::admin {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

// Host without its port; empty when it is malformed.
std::string_view strip_port(std::string_view host) noexcept {
  const bool bracketed = host.starts_with('[');
  const std::size_t end = bracketed ? host.find(']') : host.find(':');
  if (end == std::string_view::npos) return bracketed ? std::string_view() : host;
  const std::string_view name = bracketed ? host.substr(1, end - 1) : host.substr(0, end);
  std::string_view rest = host.substr(bracketed ? end + 1 : end);
  if (rest.empty()) return name;
  rest.remove_prefix(1);
  const bool is_port =
      host[bracketed ? end + 1 : end] == ':' && rest.size() <= 5 &&
      std::all_of(rest.begin(), rest.end(), [](char c) { return c >= '0' && c <= '9'; });
  return is_port ? name : std::string_view();
}

// Any port: a forwarded one (ssh -L) differs from ours.
bool is_loopback_name(std::string_view host) {
  const std::string name = lower(strip_port(host));
  if (name == "localhost" || name.ends_with(".localhost")) return true;  // RFC 6761, section 6.3.
  const auto address = parse_ip(name);
  return address && address->unmapped().is_loopback();
}

// With TLS if somebody in front of us may have ended it.
bool is_of_host(const std::string& origin, const std::string& host, bool is_local) {
  return origin == "http://" + host || (!is_local && origin == "https://" + host);
}

}  // namespace

std::optional<Problem> check_source(const Request& request, bool is_local, bool is_page) {
  if (!request.host) return Problem{400, "bad-request", "the Host header is missing"};
  if (request.via && lower(*request.via).find("canaryd") != std::string::npos) {
    return Problem{403, "forwarded", "this came through a canaryd: the admin API is no upstream"};
  }
  // A browser cannot reach a Unix socket, and clients put anything into Host there.
  if (is_local && !request.from_unix_socket && !is_loopback_name(*request.host)) {
    return Problem{421,
                   "misdirected",
                   "Host is not this machine's loopback: use 127.0.0.1, [::1] or localhost"};
  }
  if (request.origin && !is_of_host(lower(*request.origin), lower(*request.host), is_local)) {
    return Problem{
        403, "cross-site", "Origin is not this server: requests of other sites are refused"};
  }
  const bool from_here =
      !request.fetch_site || *request.fetch_site == "same-origin" || *request.fetch_site == "none";
  // A link may lead to the page from anywhere.
  if (!from_here && !is_page) {
    return Problem{403, "cross-site", "requests of other sites are refused"};
  }
  return std::nullopt;
}

}  // namespace canaryd::admin
