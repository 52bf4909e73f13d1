// The one error type. It says what happened, whose fault it was, whether it may be tried again, and
// where.
//
// Origin decides the status sent to the client, the retry, and whether a cohort is blamed: a client
// that leaves never counts against the canary. The context string is for people and is built only
// off the hot path; the data plane leaves it empty.
#pragma once

#include <tl/expected.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace canaryd {

enum class ErrorCode : std::uint8_t {
  kInvalidArgument,  // The caller's value is wrong.
  kMalformed,        // Bytes from outside do not follow their grammar.
  kNotFound,
  kRefused,     // Not allowed in this state, or the peer refused a connection.
  kPermission,  // The operating system or an access rule says no.
  kAddressInUse,
  kTimeout,
  kClosed,     // The peer ended the connection in an orderly way, but too early.
  kReset,      // The peer, or the network, broke the connection.
  kLimit,      // A configured bound was reached.
  kCancelled,  // We stopped it ourselves.
  kUnsupported,
  kIo,  // Disk, descriptor or system call failure.
  kInternal,
};

enum class Origin : std::uint8_t { kDownstream, kUpstream, kLocal };

// May the operation be tried again? kIfReused: only because the connection came from the pool and
// may have been closed before our bytes arrived.
enum class Retry : std::uint8_t { kNever, kSafe, kIfReused };

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  Origin origin = Origin::kLocal;
  Retry retry = Retry::kNever;
  std::string context;
};

// Stable lower-case name, as used in logs: "timeout", "reset".
[[nodiscard]] std::string_view to_string(ErrorCode code) noexcept;
[[nodiscard]] std::string_view to_string(Origin origin) noexcept;

// "context (code)", or the code alone when there is no context.
[[nodiscard]] std::string describe(const Error& error);

template <class T>
using Result = tl::expected<T, Error>;

// Short forms for returning an error from a function that returns Result<T>.
[[nodiscard]] inline tl::unexpected<Error> fail(ErrorCode code, std::string context = {}) {
  return tl::unexpected<Error>(Error{code, Origin::kLocal, Retry::kNever, std::move(context)});
}
[[nodiscard]] inline tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

// Ends the process with a message. A broken invariant is not survivable: the journal is what we
// restart from.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace canaryd

// Active in every build.
#define CANARYD_ASSERT(condition)                      \
  (static_cast<bool>(condition) ? static_cast<void>(0) \
                                : ::canaryd::assertion_failed(#condition, __FILE__, __LINE__))

// CANARYD_TRY(expr): return the error of a Result<void>, else go on.
#define CANARYD_TRY(expression)                                                         \
  do {                                                                                  \
    if (auto canaryd_try_result = (expression); !canaryd_try_result) {                  \
      return ::tl::unexpected<::canaryd::Error>(std::move(canaryd_try_result).error()); \
    }                                                                                   \
  } while (false)

// CANARYD_TRY_ASSIGN(auto x, expr): bind the value of a Result<T>, or return its error.
#define CANARYD_TRY_ASSIGN(declaration, expression) \
  CANARYD_TRY_ASSIGN_IMPL(CANARYD_CONCAT(canaryd_result_, __LINE__), declaration, expression)
#define CANARYD_TRY_ASSIGN_IMPL(result, declaration, expression)                     \
  auto result = (expression);                                                        \
  if (!result) return ::tl::unexpected<::canaryd::Error>(std::move(result).error()); \
  declaration = std::move(*result)
#define CANARYD_CONCAT(a, b) CANARYD_CONCAT_IMPL(a, b)
#define CANARYD_CONCAT_IMPL(a, b) a##b
