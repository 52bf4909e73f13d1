// A listening socket of one worker. Made by Runtime::listen.
//
// Each worker binds its own socket to the address with SO_REUSEPORT, and the kernel spreads the
// connections. The first one probes: it binds without SO_REUSEPORT before it binds with it, so that
// a second daemon is refused with kAddressInUse; the others are told to share
// (ListenOptions::share). With port 0 the first one gets a free number, and the others ask for that
// number. A socket that was inherited (ListenOptions::inherited) is shared as it is.
//
// Accepted streams are non-blocking with TCP_NODELAY. One event accepts at most kAcceptsPerBatch
// connections, then the sessions get their turn. When descriptors or memory run out (EMFILE,
// ENFILE, ENOBUFS, ENOMEM), accepting stops for kBackOff; clients wait in the kernel's queue
// meanwhile.
//
// Thread rule: one worker. Destroying it closes the socket; connections in its kernel queue are
// reset, so drain by close(), which accepts what is queued first.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/error.hpp"
#include "canaryd/net/address.hpp"
#include "canaryd/net/stream.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

namespace canaryd::net {

// Called from the loop for each connection. It may pause, close or destroy the listener.
using AcceptHandler = std::function<void(std::unique_ptr<Stream>)>;

struct ListenOptions {
  Address address;
  bool share = false;  // Another worker of this process has bound the address already.
  int backlog = 4096;  // Capped by the kernel (net.core.somaxconn).
  // A listening socket that somebody else has made and keeps: a duplicate of it accepts, and
  // nothing is bound. All workers share its one queue.
  std::optional<int> inherited{};
};

// Where a descriptor that somebody else has made listens; fails for all but listening TCP sockets.
[[nodiscard]] Result<Address> address_of_listening(int fd);

struct ListenerCounters {
  std::uint64_t accepted = 0;
  std::uint64_t failed = 0;     // accept4 errors that concern one connection.
  std::uint64_t back_offs = 0;  // Times that descriptors or memory ran out.
};

class Listener {
 public:
  static constexpr std::size_t kAcceptsPerBatch = 64;
  static constexpr Duration kBackOff = std::chrono::milliseconds{100};

  Listener() = default;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  virtual ~Listener() = default;

  // With the number that port 0 became.
  [[nodiscard]] virtual const Address& address() const noexcept = 0;
  // A paused listener leaves connections in the kernel's queue.
  virtual void pause() = 0;
  virtual void resume() = 0;
  // Accepts what the kernel has queued, then closes the socket. Nothing is accepted after that.
  virtual void close() = 0;
  [[nodiscard]] virtual const ListenerCounters& counters() const noexcept = 0;
};

}  // namespace canaryd::net
