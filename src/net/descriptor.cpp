#include "net/descriptor.hpp"

#include <cerrno>
#include <string>
#include <system_error>
#include <unistd.h>

namespace canaryd::net {

void Descriptor::close() noexcept {
  // Linux releases the number even when close reports EINTR, so it is never repeated.
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

ErrorCode code_of_errno(int number) noexcept {
  switch (number) {
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
      return ErrorCode::kRefused;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
    case ENOTCONN:
      return ErrorCode::kReset;
    case ETIMEDOUT:
      return ErrorCode::kTimeout;
    case EADDRINUSE:
      return ErrorCode::kAddressInUse;
    case EACCES:
    case EPERM:
      return ErrorCode::kPermission;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL:  // For a connect: no local port is free.
      return ErrorCode::kLimit;
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
      return ErrorCode::kUnsupported;
    default:
      return ErrorCode::kIo;
  }
}

tl::unexpected<Error> fail_errno(const char* call, int number) {
  const std::string reason = std::system_category().message(number);
  return fail(code_of_errno(number), std::string(call) + ": " + reason);
}

}  // namespace canaryd::net
