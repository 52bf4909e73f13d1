// A client of the admin server that is a socket and no more.
#pragma once

#include "canaryd/base/ip.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <cerrno>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace canaryd::admin {

// Sends what it is told and reads until the other side closes, or ten seconds of silence.
class RawPeer {
 public:
  // receive_bytes: of the kernel's buffer; 0: as it is.
  explicit RawPeer(const std::string& address, int receive_bytes = 0)
      : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_bytes > 0) {
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
    }
    sockaddr_in remote{};
    remote.sin_family = AF_INET;
    remote.sin_port = ::htons(parse_socket_address(address).value().port);
    remote.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    const timeval patience{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    auto* const generic = static_cast<sockaddr*>(static_cast<void*>(&remote));
    EXPECT_EQ(::connect(fd_, generic, sizeof(remote)), 0);
  }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;
  ~RawPeer() { ::close(fd_); }

  void send(const std::string& bytes) { ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  void finish() { ::shutdown(fd_, SHUT_WR); }
  std::string read_until(const std::string& text) {
    std::string all;
    char byte = 0;
    while (all.find(text) == std::string::npos && ::recv(fd_, &byte, 1, 0) == 1) all += byte;
    return all;
  }
  // Everything until the end; closed says whether the end came.
  std::string read_all() {
    std::string all;
    char buffer[4096];
    while (true) {
      const ssize_t count = ::recv(fd_, buffer, sizeof(buffer), 0);
      closed = count == 0 || (count < 0 && errno == ECONNRESET);
      if (count <= 0) return all;
      all.append(buffer, static_cast<std::size_t>(count));
    }
  }
  bool closed = false;

 private:
  int fd_;
};

}  // namespace canaryd::admin
