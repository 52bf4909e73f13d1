// The few calls on sockets that streams and listeners share. Private to the room.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/net/address.hpp"
#include "net/descriptor.hpp"

#include <sys/socket.h>

namespace canaryd::net {

struct NativeAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  [[nodiscard]] const sockaddr* get() const noexcept;
};

[[nodiscard]] NativeAddress to_native(const Address& address) noexcept;
// Families other than IP give a default Address.
[[nodiscard]] Address from_native(const sockaddr_storage& storage) noexcept;
[[nodiscard]] Address local_address_of(int fd) noexcept;

// Non-blocking, close-on-exec, of the family of this address.
[[nodiscard]] Result<Descriptor> open_socket(const IpAddress& ip);
// A flag is set by default.
[[nodiscard]] Result<void> set_option(int fd, int level, int option, int value = 1);

// What the kernel takes from us beyond what the peer's window lets it send. Without it a peer that
// does not read holds megabytes there, and a thousand of them the memory of all sockets of the
// host: then the kernel drops what others send.
inline constexpr int kUnsentMax = 256 * 1024;
// What every stream has: small writes leave at once, and kUnsentMax. On Linux accepted sockets
// inherit both from the listening one.
[[nodiscard]] Result<void> set_stream_options(int fd);

}  // namespace canaryd::net
