// Blocking sockets for the demo programs: as little code as a service in an afternoon would have.
//
// Thread rule: one thread per Socket. Limits: a head is at most 64 KiB, a body 1 MiB; beyond them
// the message counts as broken. HTTP/1.1 with Content-Length only, which is what the demo speaks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace demo {

class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket();

  [[nodiscard]] bool valid() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int fd() const noexcept { return fd_; }

  // "HOST:PORT" with a numeric host; port 0 takes a free one. Not valid() on failure.
  static Socket listen(const std::string& address);
  static Socket connect(const std::string& address, int timeout_ms);
  [[nodiscard]] Socket accept() const;
  [[nodiscard]] std::uint16_t port() const;

  [[nodiscard]] bool send_all(std::string_view bytes) const;
  // Appends what has arrived; false at the end of the stream, on an error and on a time-out.
  [[nodiscard]] bool receive_some(std::string& into) const;

 private:
  int fd_ = -1;
};

struct Message {
  std::string head;
  std::string body;
};

// The next message of the connection; what came after it stays in `buffer`. Nothing if the
// connection ended.
std::optional<Message> read_message(const Socket& socket, std::string& buffer);

// The value of a field, or nothing. Names compare without case.
std::optional<std::string_view> field(std::string_view head, std::string_view name);

}  // namespace demo
