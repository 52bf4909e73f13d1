#include "canaryd/base/ip.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>

namespace canaryd {
namespace {

// inet_pton and inet_ntop are pure text functions; nothing here opens a socket.
constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

Result<std::uint64_t> parse_decimal(std::string_view text, std::uint64_t max) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > max) {
    return fail(ErrorCode::kInvalidArgument);
  }
  return value;
}

// True when every bit after the first `prefix` is zero.
bool tail_is_zero(const IpAddress& address, unsigned prefix) noexcept {
  for (unsigned bit = prefix; bit < address.bits(); ++bit) {
    const unsigned octet = address.bytes()[bit / 8];
    if ((octet >> (7U - bit % 8) & 1U) != 0) return false;
  }
  return true;
}

}  // namespace

IpAddress IpAddress::v4(std::array<std::uint8_t, 4> bytes) noexcept {
  IpAddress address;
  std::copy(bytes.begin(), bytes.end(), address.bytes_.begin());
  return address;
}

IpAddress IpAddress::v6(std::array<std::uint8_t, 16> bytes) noexcept {
  IpAddress address;
  address.bytes_ = bytes;
  address.v6_ = true;
  return address;
}

bool IpAddress::is_loopback() const noexcept {
  if (!v6_) return bytes_[0] == 127;
  return std::all_of(bytes_.begin(), bytes_.end() - 1, [](std::uint8_t b) { return b == 0; }) &&
         bytes_[15] == 1;
}

bool IpAddress::is_unspecified() const noexcept {
  return std::all_of(bytes_.begin(), bytes_.end(), [](std::uint8_t b) { return b == 0; });
}

IpAddress IpAddress::unmapped() const noexcept {
  if (!v6_ || !std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes_.begin())) return *this;
  return v4({bytes_[12], bytes_[13], bytes_[14], bytes_[15]});
}

bool Cidr::contains(const IpAddress& address) const noexcept {
  const IpAddress other = address.unmapped();
  if (other.is_v6() != network.is_v6()) return false;
  const std::size_t whole = prefix / 8U;
  if (!std::equal(network.bytes().begin(),
                  network.bytes().begin() + static_cast<std::ptrdiff_t>(whole),
                  other.bytes().begin())) {
    return false;
  }
  const unsigned rest = prefix % 8U;
  if (rest == 0) return true;
  return ((network.bytes()[whole] ^ other.bytes()[whole]) >> (8U - rest)) == 0;
}

Result<IpAddress> parse_ip(std::string_view text) {
  // inet_pton wants a terminated string, and must not be shown one that ends early.
  if (text.find('\0') == std::string_view::npos && text.size() <= INET6_ADDRSTRLEN) {
    const std::string owned(text);
    std::array<std::uint8_t, 4> four{};
    if (inet_pton(AF_INET, owned.c_str(), four.data()) == 1) return IpAddress::v4(four);
    std::array<std::uint8_t, 16> sixteen{};
    if (inet_pton(AF_INET6, owned.c_str(), sixteen.data()) == 1) return IpAddress::v6(sixteen);
  }
  return fail(ErrorCode::kInvalidArgument, "expected an IP address such as 127.0.0.1 or ::1");
}

Result<SocketAddress> parse_socket_address(std::string_view text) {
  const auto wrong = [] {
    return fail(ErrorCode::kInvalidArgument,
                "expected an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return wrong();
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto ip = parse_ip(host);
  if (!ip || ip->is_v6() != bracketed) return wrong();
  const auto port = parse_decimal(text.substr(colon + 1), 65535);
  if (!port) return fail(ErrorCode::kInvalidArgument, "expected a port from 0 to 65535");
  return SocketAddress{*ip, static_cast<std::uint16_t>(*port)};
}

Result<Cidr> parse_cidr(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto ip = parse_ip(text.substr(0, slash));
  if (!ip) {
    return fail(ErrorCode::kInvalidArgument, "expected a network such as 10.0.0.0/8 or fd00::/8");
  }
  std::uint64_t prefix = ip->bits();
  if (slash != std::string_view::npos) {
    const auto given = parse_decimal(text.substr(slash + 1), ip->bits());
    if (!given) {
      return fail(ErrorCode::kInvalidArgument,
                  "expected a prefix length from 0 to " + std::to_string(ip->bits()));
    }
    prefix = *given;
  }
  if (!tail_is_zero(*ip, static_cast<unsigned>(prefix))) {
    return fail(ErrorCode::kInvalidArgument,
                "the address has bits set beyond its prefix length of " + std::to_string(prefix));
  }
  return Cidr{*ip, static_cast<std::uint8_t>(prefix)};
}

std::string to_string(const IpAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(address.is_v6() ? AF_INET6 : AF_INET, address.bytes().data(), text.data(), text.size());
  return text.data();
}

std::string to_string(const SocketAddress& address) {
  const std::string ip = to_string(address.ip);
  return (address.ip.is_v6() ? "[" + ip + "]" : ip) + ":" + std::to_string(address.port);
}

std::string to_string(const Cidr& network) {
  return to_string(network.network) + "/" + std::to_string(network.prefix);
}

}  // namespace canaryd
