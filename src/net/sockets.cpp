#include "net/sockets.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>

namespace canaryd::net {

const sockaddr* NativeAddress::get() const noexcept {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): what the sockets interface asks
  // for.
  return reinterpret_cast<const sockaddr*>(&storage);
}

NativeAddress to_native(const Address& address) noexcept {
  NativeAddress result;
  const auto& bytes = address.ip.bytes();
  if (!address.ip.is_v6()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    std::memcpy(&v4.sin_addr, bytes.data(), sizeof v4.sin_addr);
    std::memcpy(&result.storage, &v4, sizeof v4);
    result.size = sizeof v4;
    return result;
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(address.port);
  std::memcpy(&v6.sin6_addr, bytes.data(), sizeof v6.sin6_addr);
  std::memcpy(&result.storage, &v6, sizeof v6);
  result.size = sizeof v6;
  return result;
}

Address from_native(const sockaddr_storage& storage) noexcept {
  if (storage.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &storage, sizeof v4);
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &v4.sin_addr, bytes.size());
    return {.ip = IpAddress::v4(bytes), .port = ntohs(v4.sin_port)};
  }
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &storage, sizeof v6);
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    return {.ip = IpAddress::v6(bytes), .port = ntohs(v6.sin6_port)};
  }
  return {};
}

Address local_address_of(int fd) noexcept {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): see above.
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  return from_native(storage);
}

Result<Descriptor> open_socket(const IpAddress& ip) {
  const int domain = ip.is_v6() ? AF_INET6 : AF_INET;
  Descriptor socket(::socket(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno("socket", errno);
  return socket;
}

Result<void> set_option(int fd, int level, int option, int value) {
  if (::setsockopt(fd, level, option, &value, sizeof value) != 0) {
    return fail_errno("setsockopt", errno);
  }
  return {};
}

Result<void> set_stream_options(int fd) {
  CANARYD_TRY(set_option(fd, IPPROTO_TCP, TCP_NODELAY));
  return set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, kUnsentMax);
}

}  // namespace canaryd::net
