// The admin API over HTTP/1.1 (docs/interfaces.md section 3), on the control thread.
//
// Binds loopback or a Unix socket only: it has no authentication of its own yet. Web pages are kept
// out by checking Host (DNS rebinding) and Origin and Sec-Fetch-Site (cross-site requests), and by
// asking for a JSON content type. Everything has a limit: Limits below. Requests that exceed one
// are answered and the connection is closed.
//
// A streaming answer (/api/v1/events, /api/v1/tap) is text/event-stream in chunks, on a connection
// of its own that closes afterwards. A reader that leaves, be it half-way, is noticed at once and
// costs nothing any more. stop() ends an open stream with its last chunk, so its reader can tell an
// end from a loss.
//
// Thread rule: everything on the thread that runs the io_context. The io_context and the backend
// outlive the server. Stopping: stop() closes the listening socket and all connections; their
// coroutines end with the next turns of the io_context, and need neither server nor backend after
// stop() has returned. The destructor calls stop().
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/error.hpp"
#include "canaryd/control/backend.hpp"

#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <memory>
#include <string>

namespace canaryd::admin {

struct Limits {
  std::size_t connections = 64;  // Further ones are closed at once.
  std::size_t header_bytes = std::size_t{16} * 1024;
  std::size_t body_bytes = std::size_t{64} * 1024;
  Duration header =
      std::chrono::seconds(10);  // From the first byte to the end of the head and body.
  Duration keep_alive = std::chrono::seconds(60);  // Between two requests.
  Duration write = std::chrono::seconds(10);
  Duration backend = std::chrono::seconds(30);  // For an action to complete; then 504.
  std::size_t remembered_answers = 1024;        // Of Idempotency-Key; the oldest go first.
  // Streaming answers. They have no end by themselves; a reader must take something in `write`.
  std::size_t streams = 16;                            // Further ones are answered 503.
  std::size_t stream_bytes = std::size_t{512} * 1024;  // Queued for a reader; then events drop.
  Duration heartbeat = std::chrono::seconds(15);       // A comment, when there is nothing else.
};

struct Options {
  std::string address =
      "127.0.0.1:9901";  // "host:port" with an IP address or localhost, "[::1]:port", "unix:PATH".
  Limits limits;
};

class Server {
 public:
  Server(boost::asio::io_context& io, control::Backend& backend, Options options);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  // Binds and begins to accept; the bound address, with the real port, in the same form as
  // Options::address. kInvalidArgument: not an address; kUnsupported: not loopback; kAddressInUse,
  // kPermission: as it says.
  [[nodiscard]] Result<std::string> start();
  void stop();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace canaryd::admin
