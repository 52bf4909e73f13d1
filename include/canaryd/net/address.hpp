// An IP address with a port, as this room speaks of it: base's SocketAddress, and what sockets need
// besides. Only literals: names are the resolver's business. Thread rule: a value; any thread.
#pragma once

#include "canaryd/base/ip.hpp"

#include <cstddef>
#include <cstdint>

namespace canaryd::net {

using Address = SocketAddress;

// Longest text of an IP address, in characters.
inline constexpr std::size_t kIpTextMax = 45;
// The literal without port or brackets, for Forwarded and X-Forwarded-For, without an allocation:
// writes at most kIpTextMax characters to `out` and returns how many.
std::size_t write_ip(const IpAddress& ip, char* out) noexcept;

[[nodiscard]] Address loopback_v4(std::uint16_t port) noexcept;
[[nodiscard]] Address loopback_v6(std::uint16_t port) noexcept;

}  // namespace canaryd::net
