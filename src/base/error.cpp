#include "canaryd/base/error.hpp"

#include <cstdio>
#include <cstdlib>

namespace canaryd {

std::string_view to_string(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid_argument";
    case ErrorCode::kMalformed:
      return "malformed";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kRefused:
      return "refused";
    case ErrorCode::kPermission:
      return "permission";
    case ErrorCode::kAddressInUse:
      return "address_in_use";
    case ErrorCode::kTimeout:
      return "timeout";
    case ErrorCode::kClosed:
      return "closed";
    case ErrorCode::kReset:
      return "reset";
    case ErrorCode::kLimit:
      return "limit";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "internal";
}

std::string_view to_string(Origin origin) noexcept {
  switch (origin) {
    case Origin::kDownstream:
      return "downstream";
    case Origin::kUpstream:
      return "upstream";
    case Origin::kLocal:
      return "local";
  }
  return "local";
}

std::string describe(const Error& error) {
  const std::string_view code = to_string(error.code);
  if (error.context.empty()) return std::string(code);
  return error.context + " (" + std::string(code) + ")";
}

void assertion_failed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "canaryd: assertion failed: %s at %s:%d\n", expression, file, line);
  std::abort();
}

}  // namespace canaryd
