#include "socket.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace demo {
namespace {

constexpr std::size_t kHeadBytesMax = 64 * 1024;
constexpr std::size_t kBodyBytesMax = 1024 * 1024;

template <class Use>
Socket open_at(const std::string& address, Use use) {
  const auto colon = address.rfind(':');
  if (colon == std::string::npos) return {};
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  addrinfo* found = nullptr;
  const std::string host = address.substr(0, colon);
  if (getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &found) != 0) return {};
  Socket socket(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const bool usable = socket.valid() && use(socket.fd(), *found);
  freeaddrinfo(found);
  return usable ? std::move(socket) : Socket();
}

bool equal_without_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

}  // namespace

Socket::~Socket() {
  if (fd_ >= 0) ::close(fd_);
}

Socket Socket::listen(const std::string& address) {
  return open_at(address, [](int fd, const addrinfo& at) {
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return ::bind(fd, at.ai_addr, at.ai_addrlen) == 0 && ::listen(fd, 1024) == 0;
  });
}

Socket Socket::connect(const std::string& address, int timeout_ms) {
  return open_at(address, [timeout_ms](int fd, const addrinfo& at) {
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    timeval limit{};
    limit.tv_sec = timeout_ms / 1000;
    limit.tv_usec = timeout_ms % 1000 * 1000;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    return ::connect(fd, at.ai_addr, at.ai_addrlen) == 0;
  });
}

Socket Socket::accept() const {
  Socket accepted(::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC));
  const int on = 1;
  if (accepted.valid()) setsockopt(accepted.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return accepted;
}

std::uint16_t Socket::port() const {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length) != 0) return 0;
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  }
  return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

bool Socket::send_all(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool Socket::receive_some(std::string& into) const {
  std::array<char, 16384> block;
  ssize_t got = -1;
  do {
    got = ::recv(fd_, block.data(), block.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return false;
  into.append(block.data(), static_cast<std::size_t>(got));
  return true;
}

std::optional<Message> read_message(const Socket& socket, std::string& buffer) {
  std::size_t head_end = 0;
  while ((head_end = buffer.find("\r\n\r\n")) == std::string::npos) {
    if (buffer.size() > kHeadBytesMax || !socket.receive_some(buffer)) return std::nullopt;
  }
  Message message;
  message.head = buffer.substr(0, head_end + 2);
  buffer.erase(0, head_end + 4);
  std::size_t length = 0;
  if (const auto said = field(message.head, "content-length")) {
    const auto [end, error] = std::from_chars(said->data(), said->data() + said->size(), length);
    if (error != std::errc() || end != said->data() + said->size()) return std::nullopt;
  }
  if (length > kBodyBytesMax) return std::nullopt;
  while (buffer.size() < length) {
    if (!socket.receive_some(buffer)) return std::nullopt;
  }
  message.body = buffer.substr(0, length);
  buffer.erase(0, length);
  return message;
}

std::optional<std::string_view> field(std::string_view head, std::string_view name) {
  while (!head.empty()) {
    const auto line = head.substr(0, head.find("\r\n"));
    head.remove_prefix(line.size() < head.size() ? line.size() + 2 : line.size());
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || !equal_without_case(line.substr(0, colon), name)) {
      continue;
    }
    const auto begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string_view::npos ? std::string_view() : line.substr(begin);
  }
  return std::nullopt;
}

}  // namespace demo
