// Tells a service manager how the daemon is, as systemd's sd_notify(3) describes it: datagrams to
// the Unix socket that NOTIFY_SOCKET names, and a sign of life if WATCHDOG_USEC asks for it.
// Without them every call does nothing. What cannot be sent is lost: nobody waits for a manager.
//
// Thread rule: the control thread; take() before there are others, as it clears the variables, so
// that hooks do not speak for the daemon.
#pragma once

#include "canaryd/base/clock.hpp"

#include <string>
#include <string_view>

namespace canaryd::daemon {

class Supervisor {
 public:
  // Of this process's environment.
  [[nodiscard]] static Supervisor take();
  // `socket` empty: nobody listens. '@' at its front: the abstract name space.
  explicit Supervisor(std::string socket, bool watches = false);
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;
  ~Supervisor();

  void ready(std::string_view status) const;
  // A reload begins; ready() ends it. `now` is CLOCK_MONOTONIC, as Clock::now() is.
  void reloading(Monotonic now) const;
  void stopping(std::string_view status) const;
  // Once a second: the control thread is alive. Sent only if somebody watches.
  void alive() const;

 private:
  void send(const std::string& text) const;

  std::string socket_;
  bool watches_;
  int fd_ = -1;
};

}  // namespace canaryd::daemon
