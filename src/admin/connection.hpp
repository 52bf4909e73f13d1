// A connection of the admin server, for those that use its socket. Private to the room.
#pragma once

#include "admin/event_stream.hpp"
#include "admin/message.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace canaryd::admin {

using Protocol = boost::asio::generic::stream_protocol;
using Stream = boost::beast::basic_stream<Protocol>;

// An answer that the backend owes; the timer ends the wait.
struct Pending {
  explicit Pending(const boost::asio::any_io_executor& executor) : timer(executor) {}
  boost::asio::steady_timer timer;
  std::optional<Response> response;
};

// An answer that goes on; the timer ends each wait of its writer.
struct Streaming {
  Streaming(const boost::asio::any_io_executor& executor,
            std::shared_ptr<EventStream> source,
            bool chunked_in)
      : timer(executor), events(std::move(source)), chunked(chunked_in) {}
  boost::asio::steady_timer timer;
  std::shared_ptr<EventStream> events;
  const bool chunked;   // Else the end of the connection is that of the answer: HTTP/1.0.
  bool writing = true;  // The head, to begin with.
  bool ended = false;
};

// What closing the connection now would take from its peer, the least first.
enum class Stage : std::uint8_t {
  kIdle,      // There is no request.
  kReading,   // It has not come whole.
  kStranger,  // It is being answered, to somebody who has no role.
  kServed,    // The same to somebody who has one; a stream.
};

struct Connection {
  Connection(Protocol::socket socket, std::size_t buffer_max)
      : stream(std::move(socket)), buffer(buffer_max) {}
  Stream stream;
  boost::beast::flat_buffer buffer;
  std::string peer = "local";
  bool is_unix = false;
  std::optional<std::uint32_t> peer_uid;
  bool is_fresh = true;  // Nothing of a request has come yet.
  Stage stage = Stage::kIdle;
  std::uint64_t since = 0;     // Orders connections by when they came to their stage.
  bool has_given_way = false;  // It was closed for the sake of another one.
  std::shared_ptr<Pending> pending;
  std::shared_ptr<Streaming> streaming;
};

}  // namespace canaryd::admin
