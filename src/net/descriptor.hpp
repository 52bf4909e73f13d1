// An owned file descriptor, and errno as an ErrorCode. Private to the room.
#pragma once

#include "canaryd/base/error.hpp"

#include <utility>

namespace canaryd::net {

class Descriptor {
 public:
  Descriptor() noexcept = default;
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      close();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Descriptor() { close(); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
  void close() noexcept;

 private:
  int fd_ = -1;
};

[[nodiscard]] ErrorCode code_of_errno(int number) noexcept;
// The call that failed and what errno says; off the hot path only.
[[nodiscard]] tl::unexpected<Error> fail_errno(const char* call, int number);

}  // namespace canaryd::net
