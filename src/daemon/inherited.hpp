// Listening sockets that a service manager opened before it started the daemon, as systemd's
// sd_listen_fds(3) describes it: LISTEN_FDS of them from descriptor 3 on, if LISTEN_PID is this
// process. A listener whose address is one of theirs uses it instead of binding its own; so who
// connects while the daemon is restarted waits in the kernel's queue and is not refused.
//
// Several at one address (ReusePort=yes) are dealt out to the workers. They stay open until the
// process ends, also while no listener uses them: the manager has them too.
//
// Thread rule: take() before there are other threads, as it clears the variables; then values.
#pragma once

#include "canaryd/net/address.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace canaryd::daemon {

struct InheritedSocket {
  net::Address address;
  int fd = -1;
};

struct InheritedSockets {
  std::vector<InheritedSocket> sockets;
  std::vector<std::string> refused;  // What is no listening TCP socket; a sentence each. Closed.

  // Of this process's environment.
  [[nodiscard]] static InheritedSockets take();

  // For this worker: one of those at the address, in turn. Nothing: there is none.
  [[nodiscard]] std::optional<int> find(const net::Address& address, std::size_t worker) const;
  [[nodiscard]] std::size_t count(const net::Address& address) const;
};

}  // namespace canaryd::daemon
