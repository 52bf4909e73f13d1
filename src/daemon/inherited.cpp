#include "daemon/inherited.hpp"

#include "canaryd/net/listener.hpp"
#include "daemon/environment.hpp"

#include <algorithm>
#include <charconv>
#include <fcntl.h>
#include <unistd.h>

namespace canaryd::daemon {
namespace {

constexpr int kFirst = 3;
constexpr int kMost = 1024;  // No unit has so many.

int count_of(const std::string& text) {
  int count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const bool good = error == std::errc() && end == text.data() + text.size();
  return good ? std::clamp(count, 0, kMost) : 0;
}

}  // namespace

InheritedSockets InheritedSockets::take() {
  const std::string pid = take_variable("LISTEN_PID");
  const int count = count_of(take_variable("LISTEN_FDS"));
  take_variable("LISTEN_FDNAMES");
  InheritedSockets taken;
  if (pid != std::to_string(::getpid())) return taken;
  for (int fd = kFirst; fd < kFirst + count; ++fd) {
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);  // Not for hooks.
    const auto address = net::address_of_listening(fd);
    if (address) {
      taken.sockets.push_back({*address, fd});
      continue;
    }
    taken.refused.push_back("descriptor " + std::to_string(fd) +
                            " of the service manager cannot be used: " + address.error().context);
    ::close(fd);
  }
  return taken;
}

std::size_t InheritedSockets::count(const net::Address& address) const {
  return static_cast<std::size_t>(std::count_if(
      sockets.begin(), sockets.end(), [&](const auto& each) { return each.address == address; }));
}

std::optional<int> InheritedSockets::find(const net::Address& address, std::size_t worker) const {
  const std::size_t all = count(address);
  if (all == 0) return std::nullopt;
  std::size_t before = worker % all;
  for (const InheritedSocket& each : sockets) {
    if (each.address == address && before-- == 0) return each.fd;
  }
  return std::nullopt;
}

}  // namespace canaryd::daemon
