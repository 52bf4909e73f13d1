// What the clients of this room share: connecting, composing a request, and errors as ours. Private
// to the room.
#pragma once

#include "canaryd/client/http_client.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include <functional>
#include <string>

namespace canaryd::client {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

using Code = boost::system::error_code;
using Stream = beast::basic_stream<asio::generic::stream_protocol>;
using BeastRequest = http::request<http::string_body>;

[[nodiscard]] ErrorCode translate(const Code& code);
// kSafe: before the request was sent.
[[nodiscard]] tl::unexpected<Error> failed(const Code& code, const Address& address, Retry retry);

// Runs `io` until all is done; false: `gives_up` said so before, and what is under way has to end
// with `io`.
[[nodiscard]] bool run_unless(asio::io_context& io, const std::function<bool()>& gives_up);

[[nodiscard]] Result<BeastRequest> compose(const Request& request, const Address& address);

// The limit is for all endpoints together: the stream's deadline is set once, to `limit` from now.
[[nodiscard]] asio::awaitable<Code> connect(Stream& stream, const Address& address, Duration limit);

// Before Beast reads a response: what has come of its status line is in `buffer`. Beast does not
// take one that leaves away the space before an empty reason, as the data plane does; so it is put
// there.
[[nodiscard]] asio::awaitable<Code> read_status_line(Stream& stream, beast::flat_buffer& buffer);

template <class Body>
Response head_of(const http::response<Body>& message) {
  Response response;
  response.status = static_cast<int>(message.result_int());
  for (const auto& field : message) {
    response.headers.push_back({std::string(field.name_string()), std::string(field.value())});
  }
  return response;
}

}  // namespace canaryd::client
