// IP addresses, socket addresses and networks as plain values: what the configuration names, what
// the data plane compares. Only literals are read here; names are resolved in net. Pure; any
// thread.
#pragma once

#include "canaryd/base/error.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace canaryd {

// An IPv4 or IPv6 address without scope. IPv4 takes the first four bytes, in network order; the
// rest is zero.
class IpAddress {
 public:
  constexpr IpAddress() = default;  // 0.0.0.0
  [[nodiscard]] static IpAddress v4(std::array<std::uint8_t, 4> bytes) noexcept;
  [[nodiscard]] static IpAddress v6(std::array<std::uint8_t, 16> bytes) noexcept;

  [[nodiscard]] bool is_v6() const noexcept { return v6_; }
  [[nodiscard]] const std::array<std::uint8_t, 16>& bytes() const noexcept { return bytes_; }
  [[nodiscard]] unsigned bits() const noexcept { return v6_ ? 128 : 32; }
  // 127.0.0.0/8 or ::1.
  [[nodiscard]] bool is_loopback() const noexcept;
  // 0.0.0.0 or ::
  [[nodiscard]] bool is_unspecified() const noexcept;
  // ::ffff:a.b.c.d as a.b.c.d, anything else as it is: a dual-stack socket sees IPv4 peers in that
  // form.
  [[nodiscard]] IpAddress unmapped() const noexcept;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
  bool v6_ = false;
};

struct SocketAddress {
  IpAddress ip;
  std::uint16_t port = 0;
  friend auto operator<=>(const SocketAddress&, const SocketAddress&) = default;
};

// A network: an address and how many of its leading bits count.
struct Cidr {
  IpAddress network;
  std::uint8_t prefix = 0;
  // Compares the unmapped form of the address; families never match each other.
  [[nodiscard]] bool contains(const IpAddress& address) const noexcept;
  friend auto operator<=>(const Cidr&, const Cidr&) = default;
};

// "127.0.0.1", "::1"; no brackets, no scope, no port.
[[nodiscard]] Result<IpAddress> parse_ip(std::string_view text);
// "127.0.0.1:8080", "[::1]:8080"; port 0 to 65535.
[[nodiscard]] Result<SocketAddress> parse_socket_address(std::string_view text);
// "10.0.0.0/8", "fd00::/8"; a bare address is a network of one; bits beyond the prefix must be
// zero.
[[nodiscard]] Result<Cidr> parse_cidr(std::string_view text);

[[nodiscard]] std::string to_string(const IpAddress& address);
[[nodiscard]] std::string to_string(const SocketAddress& address);
[[nodiscard]] std::string to_string(const Cidr& network);

}  // namespace canaryd
