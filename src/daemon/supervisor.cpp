#include "daemon/supervisor.hpp"

#include "daemon/environment.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace canaryd::daemon {
namespace {

// One line; what stands in a status is for people.
std::string line(std::string_view key, std::string_view text) {
  std::string made(key);
  made += '=';
  made += text;
  std::replace(made.begin(), made.end(), '\n', ' ');
  return made + '\n';
}

}  // namespace

Supervisor Supervisor::take() {
  std::string socket = take_variable("NOTIFY_SOCKET");
  const std::string interval = take_variable("WATCHDOG_USEC");
  const std::string pid = take_variable("WATCHDOG_PID");
  const bool is_us = pid.empty() || pid == std::to_string(::getpid());
  return Supervisor(std::move(socket), !interval.empty() && is_us);
}

Supervisor::Supervisor(std::string socket, bool watches)
    : socket_(std::move(socket)), watches_(watches) {
  if (!socket_.empty()) fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

Supervisor::~Supervisor() {
  if (fd_ >= 0) ::close(fd_);
}

void Supervisor::ready(std::string_view status) const {
  send("READY=1\n" + line("STATUS", status));
}

void Supervisor::reloading(Monotonic now) const {
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch());
  send("RELOADING=1\n" + line("MONOTONIC_USEC", std::to_string(micros.count())));
}

void Supervisor::stopping(std::string_view status) const {
  send("STOPPING=1\n" + line("STATUS", status));
}

void Supervisor::alive() const {
  if (watches_) send("WATCHDOG=1\n");
}

void Supervisor::send(const std::string& text) const {
  sockaddr_un address{};
  // The kernel takes a path without its NUL, and an abstract name must not have one.
  if (fd_ < 0 || socket_.size() >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (socket_.front() == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  static_cast<void>(::sendto(fd_,
                             text.data(),
                             text.size(),
                             MSG_NOSIGNAL,
                             reinterpret_cast<const sockaddr*>(&address),
                             size));
}

}  // namespace canaryd::daemon
