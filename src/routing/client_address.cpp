#include "canaryd/routing/client_address.hpp"

#include "canaryd/http/chars.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace canaryd::routing {
namespace {

std::string_view trim(std::string_view text) noexcept {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// "1.2.3.4", "1.2.3.4:80", "::1", "[::1]", "[::1]:80".
std::optional<IpAddress> parse_hop(std::string_view hop) noexcept {
  if (hop.starts_with('[')) {
    const std::size_t close = hop.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    if (close + 1 != hop.size() && hop[close + 1] != ':') return std::nullopt;
    hop = hop.substr(1, close - 1);
  } else if (std::count(hop.begin(), hop.end(), ':') == 1) {
    hop = hop.substr(0, hop.find(':'));
  }
  const auto address = parse_ip(hop);
  if (!address) return std::nullopt;
  return address->unmapped();
}

}  // namespace

bool is_of_proxies(std::string_view name) noexcept {
  return http::is_x_forwarded(name) || http::equals_ignore_case(name, "forwarded");
}

bool is_trusted(const IpAddress& address, std::span<const Cidr> trusted) noexcept {
  return std::any_of(
      trusted.begin(), trusted.end(), [&](const Cidr& net) { return net.contains(address); });
}

IpAddress resolve_client(const IpAddress& peer,
                         std::span<const std::string_view> field_lines,
                         std::span<const Cidr> trusted) noexcept {
  IpAddress client = peer.unmapped();
  std::size_t hops = 0;
  for (std::size_t line = field_lines.size(); line > 0; --line) {
    std::string_view rest = field_lines[line - 1];
    while (!rest.empty()) {
      if (!is_trusted(client, trusted) || hops++ == kForwardedHopsMax) return client;
      const std::size_t comma = rest.rfind(',');
      const std::size_t begin = comma == std::string_view::npos ? 0 : comma + 1;
      const std::string_view hop = trim(rest.substr(begin));
      rest = rest.substr(0, begin == 0 ? 0 : comma);
      if (hop.empty()) continue;  // RFC 9110, 5.6.1: empty list elements are skipped.
      const auto address = parse_hop(hop);
      if (!address) return client;
      client = *address;
    }
  }
  return client;
}

IpAddress resolve_client(const IpAddress& peer,
                         const http::FieldList& fields,
                         std::span<const Cidr> trusted) noexcept {
  std::array<std::string_view, kForwardedHopsMax> lines;
  const std::size_t all = fields.count(http::FieldId::kXForwardedFor);
  std::size_t skipped = all - std::min(all, lines.size());
  std::size_t count = 0;
  fields.for_each(http::FieldId::kXForwardedFor, [&](const http::Field& field) {
    if (skipped > 0) {
      --skipped;
    } else {
      lines[count++] = field.value;
    }
  });
  return resolve_client(peer, std::span(lines).first(count), trusted);
}

}  // namespace canaryd::routing
