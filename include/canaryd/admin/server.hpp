// The admin API over HTTP/1.1 (docs/interfaces.md section 3), on the control thread.
//
// Who may do what: tokens (token.hpp), asked for with each request, so that a new list is in force
// at once. Without tokens only loopback is bound, or a Unix socket whose mode leaves others out,
// and whoever can connect may do everything; should the tokens go while anything else is bound,
// nobody may. Web pages are kept out by checking Host (DNS rebinding) and Origin and Sec-Fetch-Site
// (cross-site requests), and by asking for a JSON content type. Everything has a limit: Limits
// below. Requests that exceed one of their size are answered and the connection is closed.
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

#include "canaryd/admin/token.hpp"
#include "canaryd/base/clock.hpp"
#include "canaryd/base/error.hpp"
#include "canaryd/control/backend.hpp"

#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace canaryd::admin {

struct Rate {
  double per_second;
  double burst;  // At once, after a pause.
};

struct Limits {
  // A further one has the place of whoever has been idle longest, else of whoever has sent a part
  // of a request, else of who is answered without a role. If there are none it is closed at once.
  std::size_t connections = 64;
  std::size_t header_bytes = std::size_t{16} * 1024;
  std::size_t body_bytes = std::size_t{64} * 1024;
  // From the first byte to the end of head and body; for the first request from the connection on.
  Duration header = std::chrono::seconds(10);
  Duration keep_alive = std::chrono::seconds(60);  // Between two requests.
  Duration write = std::chrono::seconds(10);
  Duration backend = std::chrono::seconds(30);  // For an action to complete; then 504.
  std::size_t remembered_answers = 1024;        // Of Idempotency-Key; the oldest go first.
  std::size_t remembered_bytes = std::size_t{4} * 1024 * 1024;  // Of these together.
  // Of all clients together; answered 429 beyond. Probes, abort, rollback and pause have none.
  Rate reads{500, 1000};
  Rate changes{50, 100};
  Rate refusals{10, 50};  // Answers 401 and 403, which are logged.
  // Streaming answers. They have no end by themselves; a reader must take something in `write`.
  std::size_t streams = 16;                            // Further ones are answered 503.
  std::size_t stream_bytes = std::size_t{512} * 1024;  // Queued for a reader; then events drop.
  Duration heartbeat = std::chrono::seconds(15);       // A comment, when there is nothing else.
};

// Of a Unix socket's file. Names or numbers; empty: as the process has it.
struct SocketFile {
  unsigned mode = 0660;
  std::string owner;
  std::string group;
};

// What somebody has changed, or wanted to and was not let: once for each such request.
struct Audit {
  std::string actor;  // Of the token, else the peer.
  std::string peer;   // "local", "10.0.0.7", "uid:1000".
  std::string method;
  std::string path;  // Untrusted.
  int status = 0;
  std::string reason{};  // In the caller's words, untrusted; empty for what was refused.
};

struct Options {
  std::string address =
      "127.0.0.1:9901";  // "host:port" with an IP address or localhost, "[::1]:port", "unix:PATH".
  Limits limits{};
  SocketFile socket{};
  std::function<std::vector<Token>()> tokens{};  // None: as if it gave no token.
  std::function<void(const Audit&)> audit{};     // May be called after the server has gone.
  std::function<bool()> dashboard{};             // Whether there is one; none: there is.
};

class Server {
 public:
  Server(boost::asio::io_context& io, control::Backend& backend, Options options);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  // Binds and begins to accept; the bound address, with the real port, in the same form as
  // Options::address. kInvalidArgument: not an address, no such owner or group; kUnsupported:
  // others could connect, and there are no tokens; kAddressInUse, kPermission: as it says.
  [[nodiscard]] Result<std::string> start();
  void stop();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace canaryd::admin
