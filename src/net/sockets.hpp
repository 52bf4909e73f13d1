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
[[nodiscard]] Result<void> set_flag(int fd, int level, int option);

}  // namespace canaryd::net
