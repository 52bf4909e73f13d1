// Who the client is, when proxies that we trust stand in front of us.
//
// Each proxy appends the address it saw to X-Forwarded-For, so the list is believed from the right
// and only as far as trusted hands reach: the client is the right-most address that is not a
// trusted proxy's. From a peer that is not trusted the whole field is ignored. An element that is
// no address ends the walk, and so does the limit kForwardedHopsMax; the client is then the last
// address believed. Ports ("1.2.3.4:5678", "[::1]:80") are cut off. Pure.
#pragma once

#include "canaryd/base/ip.hpp"
#include "canaryd/http/message.hpp"

#include <cstddef>
#include <span>
#include <string_view>

namespace canaryd::routing {

inline constexpr std::size_t kForwardedHopsMax = 64;

[[nodiscard]] bool is_trusted(const IpAddress& address, std::span<const Cidr> trusted) noexcept;

// The name of a field that only trusted proxies are believed about: X-Forwarded-*, and Forwarded
// (RFC 7239).
[[nodiscard]] bool is_of_proxies(std::string_view name) noexcept;

// `field_lines` are the values of all X-Forwarded-For lines, in their order.
[[nodiscard]] IpAddress resolve_client(const IpAddress& peer,
                                       std::span<const std::string_view> field_lines,
                                       std::span<const Cidr> trusted) noexcept;

// The same of a request's head. Of more lines than kForwardedHopsMax the last ones, which the
// nearest proxies wrote.
[[nodiscard]] IpAddress resolve_client(const IpAddress& peer,
                                       const http::FieldList& fields,
                                       std::span<const Cidr> trusted) noexcept;

}  // namespace canaryd::routing
