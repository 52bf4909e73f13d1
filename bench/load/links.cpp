#include "links.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace canaryd::bench {
namespace {

using namespace std::string_view_literals;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

void no_delay(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

int listen_on_loopback(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  no_delay(fd);  // Accepted sockets inherit it.
  const sockaddr_in address = loopback(port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(fd, 4096) != 0) {
    die("listen");
  }
  return fd;
}

std::uint16_t port_of(int fd) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) die("getsockname");
  return ntohs(address.sin_port);
}

int connect_to_loopback(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    return -1;
  }
  no_delay(fd);
  return fd;
}

Links::Links() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) die("epoll_create1");
}

Links::~Links() {
  for (const auto& [fd, link] : links_) ::close(fd);
  ::close(epoll_);
}

Link* Links::add(Kind kind, int fd) {
  auto link = std::make_unique<Link>();
  link->kind = kind;
  link->fd = fd;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = link.get();
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
  Link* raw = link.get();
  links_[fd] = std::move(link);
  return raw;
}

void Links::drop(Link* link) {
  const auto found = links_.find(link->fd);
  ::close(link->fd);
  link->fd = -1;
  dropped_.push_back(std::move(found->second));
  links_.erase(found);
}

int Links::wait(std::int64_t timeout_ns) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const timespec timeout{.tv_sec = timeout_ns / kSecond, .tv_nsec = timeout_ns % kSecond};
  return epoll_pwait2(epoll_,
                      events_.data(),
                      static_cast<int>(events_.size()),
                      timeout_ns < 0 ? nullptr : &timeout,
                      nullptr);
}

bool Links::send(Link& link, std::string_view bytes) {
  const ssize_t sent = ::send(link.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent == static_cast<ssize_t>(bytes.size())) return true;
  if (sent < 0 && errno != EAGAIN) return false;
  if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
  link.unsent = bytes;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT;
  event.data.ptr = &link;
  return epoll_ctl(epoll_, EPOLL_CTL_MOD, link.fd, &event) == 0;
}

bool Links::send_rest(Link& link) {
  const ssize_t sent =
      ::send(link.fd, link.unsent.data(), link.unsent.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0) return errno == EAGAIN;
  link.unsent.remove_prefix(static_cast<std::size_t>(sent));
  if (!link.unsent.empty()) return true;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = &link;
  return epoll_ctl(epoll_, EPOLL_CTL_MOD, link.fd, &event) == 0;
}

Got Links::receive(Link& link) {
  const bool body = link.body_left > 0;
  // Of a large body only what comes with the head is copied.
  constexpr std::size_t kCopiedMax = 4096;
  const bool large = link.what != nullptr && link.what->response_body > kCopiedMax;
  const std::size_t wanted = body ? link.body_left : (large ? kCopiedMax : buffer_.size());
  const int flags = body ? MSG_DONTWAIT | MSG_TRUNC : MSG_DONTWAIT;
  const ssize_t count = ::recv(link.fd, body ? nullptr : buffer_.data(), wanted, flags);
  if (count == 0) return Got::kEnd;
  if (count < 0) return errno == EAGAIN ? Got::kNothing : Got::kBroken;
  const auto bytes = static_cast<std::size_t>(count);
  if (!body) return take_head(link, {buffer_.data(), bytes});
  link.body_left -= bytes;
  return link.body_left == 0 ? Got::kMessage : Got::kNothing;
}

Got Links::take_head(Link& link, std::string_view bytes) {
  if (!link.partial.empty()) {
    link.partial.append(bytes);
    whole_.swap(link.partial);
    link.partial.clear();
    bytes = whole_;
  }
  const bool request = link.kind == Kind::kUpstreamSide;
  if (request) link.what = case_of_request(bytes);
  if (link.what != nullptr) {
    const std::size_t body = request ? link.what->request_body : link.what->response_body;
    // The body is nearly always whole, and then tells where the head ends.
    std::size_t head = bytes.size() - body;
    if (bytes.size() < body + 4 || bytes.substr(head - 4, 4) != "\r\n\r\n"sv) {
      head = bytes.find("\r\n\r\n"sv);
      if (head != std::string_view::npos) head += 4;
    }
    if (head != std::string_view::npos) {
      if (!request && !bytes.starts_with("HTTP/1.1 200"sv)) return Got::kBroken;
      if (bytes.size() > head + body) return Got::kBroken;
      link.body_left = head + body - bytes.size();
      return link.body_left == 0 ? Got::kMessage : Got::kNothing;
    }
  }
  link.partial.assign(bytes);
  return link.partial.size() < buffer_.size() ? Got::kNothing : Got::kBroken;
}

}  // namespace canaryd::bench
