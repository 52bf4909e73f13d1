// A byte stream that never blocks: TCP in the product, TLS over it, a virtual one in the tests.
//
// Readiness first: flags say whether a call can make progress, and the calls keep them true. A flag
// that is off will be raised by an event, so a session waits (waiter.hpp) only when the flag is
// off, and calls recv and send directly.
//   * recv with the readable flag off, and send with the writable flag off, return would_block
//   without a system call.
//   * A short read means drained and lowers the readable flag, unless the peer has hung up: then
//   the flag stays up, so
//     that the reader goes on to the end of the stream.
//   * A partial send lowers the writable flag.
// After eof, recv returns eof again; after an error, every call returns the error.
//
// Thread rule: one worker. Destroying a stream closes it, at any time.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/net/address.hpp"
#include "canaryd/net/readiness.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace canaryd::net {

enum class IoStatus : std::uint8_t { kOk, kWouldBlock, kEof, kError };

struct IoResult {
  std::size_t bytes = 0;  // Above 0 for a recv that is kOk; a send that is kOk may be partial.
  IoStatus status = IoStatus::kOk;
  ErrorCode code = ErrorCode::kInternal;  // Means something only with kError.

  [[nodiscard]] bool ok() const noexcept { return status == IoStatus::kOk; }
  [[nodiscard]] bool would_block() const noexcept { return status == IoStatus::kWouldBlock; }
  [[nodiscard]] bool eof() const noexcept { return status == IoStatus::kEof; }
  [[nodiscard]] bool failed() const noexcept { return status == IoStatus::kError; }
};

class Stream : public Readiness {
 public:
  virtual ~Stream() = default;

  // `into` is not empty.
  [[nodiscard]] virtual IoResult recv(std::span<char> into) = 0;
  // Both pieces in one system call; bytes counts through both. Empty pieces are allowed; nothing to
  // send is kOk, 0.
  [[nodiscard]] virtual IoResult send(std::string_view first, std::string_view second) = 0;
  [[nodiscard]] IoResult send(std::string_view bytes) { return send(bytes, {}); }

  [[nodiscard]] bool readable_flag() const noexcept { return any(kReadable); }
  [[nodiscard]] bool writable_flag() const noexcept { return any(kWritable); }
  // The peer has sent its FIN, or the connection is gone. Bytes may be left to read.
  [[nodiscard]] bool hangup() const noexcept { return any(kHangup); }
  [[nodiscard]] bool error() const noexcept { return any(kBroken); }

  // Sends our FIN after what was sent. Receiving goes on.
  virtual void shutdown_send() = 0;
  // Ends the connection at once and lets the peer know by a reset. Later calls return kReset.
  virtual void reset() = 0;

  // For a stream from Runtime::connect once it is writable or broken: nothing when it is connected,
  // else why not. A connect that has not finished says nothing either: wait for writable first.
  [[nodiscard]] virtual std::optional<ErrorCode> connect_error() = 0;

  // Whether it is connected and has nothing to read, not even an end. Asks the system, whatever the
  // flags say yet.
  [[nodiscard]] virtual bool is_quiet() const = 0;

  // How much of what was sent the peer's system has not acknowledged; nothing: not known. It falls
  // while a peer reads, and long before the writable flag rises: a socket says that it takes more
  // only when much of what it holds has gone. Asks the system: not for every request.
  [[nodiscard]] virtual std::optional<std::size_t> unacknowledged() const noexcept = 0;

  [[nodiscard]] virtual const Address& peer_address() const noexcept = 0;
  // May be a system call: not for every request.
  [[nodiscard]] virtual Address local_address() const = 0;

  // For a connection that lies idle in a pool: `watcher` is scheduled when the peer hangs up, the
  // connection breaks, or bytes arrive that nobody asked for; soon, if that is so already. nullptr
  // ends the watch, and must do so before anybody waits for the stream. The watcher may destroy the
  // stream.
  void set_idle_watcher(Reaction* watcher) noexcept {
    unwatch();
    if (watcher == nullptr) return;
    watch(*watcher, kReadable | kHangup | kBroken);
    if (any(kReadable | kHangup | kBroken)) watcher->schedule();
  }

 protected:
  using Readiness::Readiness;
};

}  // namespace canaryd::net
