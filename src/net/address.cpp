#include "canaryd/net/address.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cstring>

namespace canaryd::net {

namespace {

char* write_octet(std::uint8_t value, char* out) noexcept {
  const auto digit = [](int of) { return static_cast<char>('0' + of); };
  if (value >= 100) *out++ = digit(value / 100);
  if (value >= 10) *out++ = digit(value / 10 % 10);
  *out++ = digit(value % 10);
  return out;
}

}  // namespace

std::size_t write_ip(const IpAddress& ip, char* out) noexcept {
  if (!ip.is_v6()) {
    // inet_ntop goes through printf: 1,700 instructions for each new connection.
    char* end = out;
    for (std::size_t i = 0; i < 4; ++i) {
      if (i != 0) *end++ = '.';
      end = write_octet(ip.bytes()[i], end);
    }
    return static_cast<std::size_t>(end - out);
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (::inet_ntop(AF_INET6, ip.bytes().data(), text.data(), text.size()) == nullptr) return 0;
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
