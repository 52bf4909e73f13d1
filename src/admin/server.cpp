#include "canaryd/admin/server.hpp"

#include "admin/api.hpp"
#include "admin/bind.hpp"
#include "admin/connection.hpp"
#include "admin/problem.hpp"
#include "admin/receive.hpp"
#include "admin/streaming.hpp"
#include "canaryd/base/ip.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <netdb.h>
#include <set>
#include <sys/socket.h>
#include <tuple>
#include <unistd.h>
#include <utility>

namespace canaryd::admin {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

using Code = boost::system::error_code;
using Message = http::response<http::string_body>;

constexpr std::size_t kLingerBytes = std::size_t{1024} * 1024;
constexpr Duration kLinger = std::chrono::seconds(1);
constexpr Duration kAcceptPause = std::chrono::milliseconds(100);

static_assert(Limits{}.streams < Limits{}.connections, "streams never give way");

Message compose_head(const Response& response, bool keep_alive) {
  Message message;
  message.result(static_cast<unsigned>(response.status));
  message.version(11);
  message.set(http::field::content_type, response.content_type);
  message.set(http::field::cache_control, "no-store");
  message.set("X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : response.headers) message.insert(name, value);
  message.keep_alive(keep_alive);
  return message;
}

Message compose(const Response& response, bool keep_alive) {
  Message message = compose_head(response, keep_alive);
  message.body() = response.body;
  message.prepare_payload();
  return message;
}

// "local", or the address of another machine.
std::string name_of_peer(int fd) {
  sockaddr_storage remote{};
  socklen_t size = sizeof(remote);
  auto* const generic = static_cast<sockaddr*>(static_cast<void*>(&remote));
  std::array<char, NI_MAXHOST> text{};
  if (::getpeername(fd, generic, &size) != 0 ||
      ::getnameinfo(generic, size, text.data(), NI_MAXHOST, nullptr, 0, NI_NUMERICHOST) != 0) {
    return "unknown";
  }
  const auto ip = parse_ip(text.data());
  return ip && ip->unmapped().is_loopback() ? "local" : text.data();
}

void identify_peer(Connection& connection) {
  const int fd = connection.stream.socket().native_handle();
  ucred peer{};
  socklen_t size = sizeof(peer);
  sockaddr_storage local{};
  socklen_t local_size = sizeof(local);
  ::getsockname(fd, static_cast<sockaddr*>(static_cast<void*>(&local)), &local_size);
  connection.is_unix = local.ss_family == AF_UNIX;
  if (!connection.is_unix) {
    connection.peer = name_of_peer(fd);
  } else if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) {
    connection.peer_uid = peer.uid;
    connection.peer = "uid:" + std::to_string(peer.uid);
  }
}

// ---- Writing
// ---------------------------------------------------------------------------------------------

asio::awaitable<Code> send(Connection& connection,
                           const Message& message,
                           bool head_only,
                           Duration limit) {
  Code code;
  connection.stream.expires_after(limit);
  auto token = asio::redirect_error(asio::use_awaitable, code);
  if (head_only) {
    http::serializer<false, http::string_body> serializer(message);
    co_await http::async_write_header(connection.stream, serializer, token);
  } else {
    co_await http::async_write(connection.stream, message, token);
  }
  co_return code;
}

// Closing with unread input makes the kernel reset the connection, and the peer may lose our
// answer: read on for a moment, bounded in bytes and time.
asio::awaitable<void> linger(Connection& connection) {
  Code code;
  connection.stream.socket().shutdown(asio::socket_base::shutdown_send, code);
  connection.stream.expires_after(kLinger);
  std::array<char, 4096> scrap;  // NOLINT(cppcoreguidelines-pro-type-member-init): never read.
  std::size_t total = 0;
  while (!code && total < kLingerBytes) {
    const auto space = asio::buffer(scrap);
    auto token = asio::redirect_error(asio::use_awaitable, code);
    const std::size_t count = co_await connection.stream.async_read_some(space, token);
    total += count;
  }
}

}  // namespace

// ---- The server
// ------------------------------------------------------------------------------------------------------

// Kept alive by its coroutines, which may outlive the Server by a few turns of the io_context.
struct Server::Impl : std::enable_shared_from_this<Server::Impl> {
  Impl(asio::io_context& context, control::Backend& backend, Options opts)
      : io(context), options(std::move(opts)), api(backend, options), acceptor(context) {}

  asio::awaitable<void> accept_loop(std::shared_ptr<Impl> self);
  asio::awaitable<void> serve(std::shared_ptr<Impl> self, std::shared_ptr<Connection> connection);
  asio::awaitable<Response> answer(Connection& connection, const Arrival& arrival);
  void admit(Protocol::socket socket);
  [[nodiscard]] bool make_room();
  void enter(Connection& connection, Stage stage);
  [[nodiscard]] bool is_over(const Connection& connection) const noexcept {
    return stopped || connection.has_given_way;
  }

  asio::io_context& io;
  const Options options;
  Api api;
  Acceptor acceptor;
  SocketFileMark mark;
  std::set<std::shared_ptr<Connection>> connections;
  std::uint64_t stages = 0;  // How many have been entered.
  bool stopped = false;
};

asio::awaitable<void> Server::Impl::accept_loop(std::shared_ptr<Impl> self) {
  while (!stopped) {
    Code code;
    Protocol::socket socket(self->io);
    auto token = asio::redirect_error(asio::use_awaitable, code);
    co_await acceptor.async_accept(socket, token);
    if (stopped) co_return;
    if (!code) {
      admit(std::move(socket));
      continue;
    }
    // Out of descriptors, most likely: the peer stays in the backlog meanwhile.
    asio::steady_timer pause(self->io, kAcceptPause);
    auto pause_token = asio::redirect_error(asio::use_awaitable, code);
    co_await pause.async_wait(pause_token);
  }
}

void Server::Impl::enter(Connection& connection, Stage stage) {
  connection.stage = stage;
  connection.since = ++stages;
}

// Whoever wants to abort finds a place, however many others only hold theirs.
bool Server::Impl::make_room() {
  if (connections.size() < options.limits.connections) return true;
  const auto first =
      std::min_element(connections.begin(), connections.end(), [](const auto& a, const auto& b) {
        return std::tie(a->stage, a->since) < std::tie(b->stage, b->since);
      });
  if (first == connections.end() || (*first)->stage == Stage::kServed) return false;
  (*first)->has_given_way = true;
  (*first)->stream.close();
  connections.erase(first);
  return true;
}

void Server::Impl::admit(Protocol::socket socket) {
  if (!make_room()) return;  // The destructor closes it.
  auto connection =
      std::make_shared<Connection>(std::move(socket), options.limits.header_bytes + kReadAhead);
  identify_peer(*connection);
  enter(*connection, Stage::kIdle);
  connections.insert(connection);
  auto self = shared_from_this();
  auto serving = serve(self, connection);
  // An exception here is out of memory: the connection ends, the server goes on.
  auto ended = [self, connection](const std::exception_ptr&) {
    self->connections.erase(connection);
  };
  asio::co_spawn(io, std::move(serving), std::move(ended));
}

asio::awaitable<void> Server::Impl::serve(std::shared_ptr<Impl> self,
                                          std::shared_ptr<Connection> connection) {
  while (!self->stopped) {
    enter(*connection, Stage::kIdle);
    const bool has_begun = co_await await_request(*connection, options.limits);
    if (!has_begun || is_over(*connection)) co_return;
    enter(*connection, Stage::kReading);
    const Arrival arrival = co_await receive(*connection, options.limits);
    if (is_over(*connection) || (!arrival.request && !arrival.problem)) co_return;
    enter(*connection, Stage::kServed);
    const Response response = co_await answer(*connection, arrival);
    if (is_over(*connection)) co_return;
    if (response.events != nullptr) {
      begin_streaming(connection, response.events, arrival.takes_chunks);
      Message head = compose_head(response, false);
      head.chunked(arrival.takes_chunks);
      const Code begun = co_await send(*connection, head, true, options.limits.write);
      if (!begun) co_await stream_events(*connection, options.limits);
      end_streaming(*connection);
      connection->stream.close();
      co_return;
    }
    const bool keep_alive = arrival.request && arrival.keep_alive;
    const bool head_only = arrival.request && arrival.request->method == "HEAD";
    const Message message = compose(response, keep_alive);
    const Code sent = co_await send(*connection, message, head_only, options.limits.write);
    if (sent) co_return;
    if (keep_alive) continue;
    enter(*connection, Stage::kIdle);
    co_await linger(*connection);
    co_return;
  }
}

asio::awaitable<Response> Server::Impl::answer(Connection& connection, const Arrival& arrival) {
  if (arrival.problem) {
    enter(connection, Stage::kStranger);
    co_return to_response(*arrival.problem, "");
  }
  const Request& request = *arrival.request;
  auto pending = std::make_shared<Pending>(connection.stream.get_executor());
  pending->timer.expires_after(options.limits.backend);
  connection.pending = pending;
  // Weak: the backend may keep the callback until after the io_context, and a timer must not live
  // that long.
  Api::Done done = [weak = std::weak_ptr<Pending>(pending)](Response response) {
    const auto waiting = weak.lock();
    if (!waiting) return;
    waiting->response = std::move(response);
    waiting->timer.cancel();
  };
  try {
    const Role role = api.handle(request, std::move(done));
    if (role == Role::kNobody) enter(connection, Stage::kStranger);
  } catch (const std::exception& error) {
    pending->response = to_response({500, "internal", error.what()}, request.path());
  }
  if (!pending->response) {
    Code ignored;
    auto token = asio::redirect_error(asio::use_awaitable, ignored);
    co_await pending->timer.async_wait(token);
  }
  connection.pending.reset();
  if (pending->response) co_return std::move(*pending->response);
  co_return to_response(
      {504, "backend-timeout", "the outcome is not known yet: ask for the rollout"},
      request.path());
}

Server::Server(asio::io_context& io, control::Backend& backend, Options options)
    : impl_(std::make_shared<Impl>(io, backend, std::move(options))) {}

Server::~Server() {
  stop();
}

Result<std::string> Server::start() {
  const Options& options = impl_->options;
  const bool has_tokens = options.tokens && !options.tokens().empty();
  CANARYD_TRY_ASSIGN(const Bound bound, listen_on(impl_->acceptor, options, has_tokens));
  impl_->mark = bound.mark;
  if (!bound.is_local) impl_->api.listen_beyond_this_machine();
  if (!bound.is_open) impl_->api.listen_to_everybody();
  auto accepting = impl_->accept_loop(impl_);
  auto ended = [impl = impl_](const std::exception_ptr&) {};
  asio::co_spawn(impl_->io, std::move(accepting), std::move(ended));
  return bound.address;
}

void Server::stop() {
  if (impl_->stopped) return;
  impl_->stopped = true;
  Code ignored;
  impl_->acceptor.close(ignored);
  remove_socket(impl_->mark);
  for (const auto& connection : impl_->connections) {
    end_streaming(*connection);
    connection->stream.close();
    if (connection->pending) connection->pending->timer.cancel();
  }
}

}  // namespace canaryd::admin
