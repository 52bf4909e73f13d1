#include "canaryd/net/address.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cstring>

namespace canaryd::net {

std::size_t write_ip(const IpAddress& ip, char* out) noexcept {
  const int family = ip.is_v6() ? AF_INET6 : AF_INET;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (::inet_ntop(family, ip.bytes().data(), text.data(), text.size()) == nullptr) return 0;
  const std::size_t size = std::min(std::strlen(text.data()), kIpTextMax);
  std::memcpy(out, text.data(), size);
  return size;
}

Address loopback_v4(std::uint16_t port) noexcept {
  return {.ip = IpAddress::v4({127, 0, 0, 1}), .port = port};
}

Address loopback_v6(std::uint16_t port) noexcept {
  return {.ip = IpAddress::v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}), .port = port};
}

}  // namespace canaryd::net
