#include "admin/streaming.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <charconv>
#include <exception>
#include <string>
#include <string_view>
#include <sys/socket.h>

namespace canaryd::admin {
namespace {

namespace asio = boost::asio;

using Code = boost::system::error_code;

constexpr std::size_t kPieceBytes = std::size_t{16} * 1024;  // To be taken in Limits::write.
constexpr std::size_t kIgnoredBytes = std::size_t{64} * 1024;
constexpr std::string_view kLastChunk = "0\r\n\r\n";

// RFC 9112, section 7.1.
std::string to_chunk(std::string_view text) {
  std::array<char, 16> size{};
  const char* const end =
      std::to_chars(size.data(), size.data() + size.size(), text.size(), 16).ptr;
  std::string chunk(size.data(), static_cast<std::size_t>(end - size.data()));
  chunk += "\r\n";
  chunk += text;
  chunk += "\r\n";
  return chunk;
}

// Until the reader leaves: it has nothing more to say. Half a close is taken for a whole one, as
// they look the same.
asio::awaitable<void> watch_reader(std::shared_ptr<Connection> connection) {
  Code code;
  std::array<char, 512> scrap;  // NOLINT(cppcoreguidelines-pro-type-member-init): never read.
  std::size_t total = 0;
  while (!code && total < kIgnoredBytes) {
    connection->stream.expires_never();  // Reading; a write that is under way keeps its limit.
    const auto space = asio::buffer(scrap);
    auto token = asio::redirect_error(asio::use_awaitable, code);
    const std::size_t count = co_await connection->stream.async_read_some(space, token);
    total += count;
  }
  end_streaming(*connection);
  connection->stream.close();
}

// What is to be sent next; empty when it was woken for nothing.
asio::awaitable<std::string> next_piece(Streaming& streaming, Duration heartbeat) {
  if (streaming.events->empty()) {
    Code code;
    streaming.timer.expires_after(heartbeat);
    auto token = asio::redirect_error(asio::use_awaitable, code);
    co_await streaming.timer.async_wait(token);
    if (streaming.ended) co_return std::string();
    if (!code && streaming.events->empty()) co_return std::string(kHeartbeatFrame);
  }
  co_return streaming.events->take(kPieceBytes);
}

asio::awaitable<Code> send_piece(Connection& connection,
                                 const Streaming& streaming,
                                 const std::string& piece,
                                 Duration limit) {
  Code code;
  const std::string bytes = streaming.chunked ? to_chunk(piece) : piece;
  const auto all = asio::buffer(bytes);
  connection.stream.expires_after(limit);
  auto token = asio::redirect_error(asio::use_awaitable, code);
  co_await asio::async_write(connection.stream, all, token);
  co_return code;
}

}  // namespace

void begin_streaming(const std::shared_ptr<Connection>& connection,
                     std::shared_ptr<EventStream> events,
                     bool chunked) {
  const auto executor = connection->stream.get_executor();
  auto streaming = std::make_shared<Streaming>(executor, std::move(events), chunked);
  streaming->events->on_ready([weak = std::weak_ptr<Streaming>(streaming)] {
    if (const auto waiting = weak.lock()) waiting->timer.cancel();
  });
  // What waits for a slow reader waits in our queue, which is bounded and tells of what it drops.
  Code ignored;
  connection->stream.socket().set_option(asio::socket_base::send_buffer_size(kPieceBytes), ignored);
  connection->streaming = streaming;
  auto watching = watch_reader(connection);
  auto ended = [](const std::exception_ptr&) {};
  asio::co_spawn(executor, std::move(watching), std::move(ended));
}

asio::awaitable<void> stream_events(Connection& connection, const Limits& limits) {
  const std::shared_ptr<Streaming> streaming = connection.streaming;
  while (!streaming->ended) {
    streaming->writing = false;
    const std::string piece = co_await next_piece(*streaming, limits.heartbeat);
    if (streaming->ended) co_return;
    if (!streaming->events->may_go_on()) {
      end_streaming(connection);
      co_return;
    }
    streaming->writing = true;
    if (piece.empty()) continue;
    const Code code = co_await send_piece(connection, *streaming, piece, limits.write);
    if (code) co_return;
  }
}

void end_streaming(Connection& connection) {
  const std::shared_ptr<Streaming> streaming = connection.streaming;
  if (streaming == nullptr || streaming->ended) return;
  streaming->ended = true;
  streaming->events->end();
  streaming->timer.cancel();
  if (!streaming->chunked || streaming->writing) return;
  // One try: a connection that is full just ends.
  const int fd = connection.stream.socket().native_handle();
  static_cast<void>(::send(fd, kLastChunk.data(), kLastChunk.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
}

}  // namespace canaryd::admin
