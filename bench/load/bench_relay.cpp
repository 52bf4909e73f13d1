// The floor of the load benchmark: a relay of bytes that knows nothing of HTTP. One upstream
// connection for each client connection; edge-triggered; one recv and one send a message. What a
// proxy costs above it is what the proxy does.
//
//   bench_relay PORT UPSTREAM_PORT
//
// Ends at SIGTERM. Its blocks are as large as a proxy's large ones.
#include "links.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using namespace canaryd::bench;

struct Side {
  int fd = -1;
  Side* other = nullptr;
  bool readable = false;
  bool writable = true;
  bool ended = false;
  std::string unsent;
};

class Relay {
 public:
  Relay(int listener, std::uint16_t upstream)
      : listener_(listener), upstream_(upstream), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    watch(listener_, nullptr, EPOLLIN);
  }

  [[noreturn]] void serve() {
    for (;;) {
      const int count = epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), -1);
      for (int i = 0; i < count; ++i) {
        const epoll_event& event = events_[static_cast<std::size_t>(i)];
        auto* side = static_cast<Side*>(event.data.ptr);
        if (side == nullptr) {
          accept_all();
        } else if (side->fd >= 0) {
          handle(*side, event.events);
        }
      }
      closed_.clear();
    }
  }

 private:
  void watch(int fd, Side* side, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = side;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
  }

  void accept_all() {
    for (;;) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      const int upstream = connect_to_loopback(upstream_);
      if (upstream < 0) {
        ::close(fd);
        continue;
      }
      auto client = std::make_unique<Side>();
      auto server = std::make_unique<Side>();
      client->fd = fd;
      server->fd = upstream;
      client->other = server.get();
      server->other = client.get();
      watch(fd, client.get(), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
      watch(upstream, server.get(), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
      sides_[fd] = std::move(client);
      sides_[upstream] = std::move(server);
    }
  }

  void handle(Side& side, std::uint32_t events) {
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) side.ended = true;
    if ((events & EPOLLIN) != 0 || side.ended) side.readable = true;
    if ((events & EPOLLOUT) != 0) side.writable = true;
    if (side.readable && !pump(side, *side.other)) return close(side);
    const bool more = !side.unsent.empty() || side.other->readable;
    if (side.writable && more && !pump(*side.other, side)) close(side);
  }

  bool flush(Side& to) {
    if (to.unsent.empty()) return true;
    return push(to, std::string(std::move(to.unsent)));
  }

  bool push(Side& to, std::string_view bytes) {
    to.unsent.clear();
    const ssize_t sent = ::send(to.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent == static_cast<ssize_t>(bytes.size())) return true;
    if (sent < 0 && errno != EAGAIN) return false;
    to.writable = false;
    to.unsent.assign(bytes.substr(sent > 0 ? static_cast<std::size_t>(sent) : 0));
    return true;
  }

  bool pump(Side& from, Side& to) {
    if (to.writable && !flush(to)) return false;
    while (from.readable && to.writable) {
      const ssize_t got = ::recv(from.fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
      if (got == 0 || (got < 0 && errno != EAGAIN)) return false;
      if (got < 0 || (got < static_cast<ssize_t>(buffer_.size()) && !from.ended)) {
        from.readable = false;
      }
      if (got > 0 && !push(to, {buffer_.data(), static_cast<std::size_t>(got)})) return false;
    }
    return true;
  }

  void close(Side& side) {
    for (Side* each : {&side, side.other}) {
      const auto found = sides_.find(each->fd);
      ::close(each->fd);
      each->fd = -1;
      closed_.push_back(std::move(found->second));
      sides_.erase(found);
    }
  }

  int listener_;
  std::uint16_t upstream_;
  int epoll_;
  std::array<epoll_event, 256> events_{};
  std::unordered_map<int, std::unique_ptr<Side>> sides_;
  std::vector<std::unique_ptr<Side>> closed_;
  std::array<char, std::size_t{256} * 1024> buffer_{};
};

}  // namespace

int main(int count, char** words) {
  if (count != 3) return 2;
  std::signal(SIGPIPE, SIG_IGN);
  const auto port = static_cast<std::uint16_t>(std::strtoul(words[1], nullptr, 10));
  const auto upstream = static_cast<std::uint16_t>(std::strtoul(words[2], nullptr, 10));
  Relay(listen_on_loopback(port), upstream).serve();
}
