#include "admin/receive.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace canaryd::admin {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

using Code = boost::system::error_code;
using Parser = http::request_parser<http::string_body>;

std::optional<Problem> to_problem(const Code& code) {
  if (code == http::error::header_limit || code == http::error::buffer_overflow) {
    return Problem{431, "headers-too-large", "the request's head is too large"};
  }
  if (code == http::error::body_limit)
    return Problem{413, "body-too-large", "the body is too large"};
  if (code == http::error::end_of_stream || code == http::error::partial_message)
    return std::nullopt;
  if (code == http::error::bad_transfer_encoding) {
    return Problem{
        400, "bad-request", "Transfer-Encoding can be chunked, once and without Content-Length"};
  }
  if (code.category() == Code(http::error::bad_field).category()) {
    return Problem{400, "bad-request", "this is not HTTP/1.1: " + code.message()};
  }
  return std::nullopt;
}

// False when the header is repeated: then it is not clear which one counts.
bool copy_header(const Parser& parser, std::string_view name, std::optional<std::string>& target) {
  const auto [first, last] = parser.get().equal_range(name);
  if (first == last) return true;
  target = std::string(first->value());
  return std::next(first) == last;
}

std::optional<std::string> join_headers(const Parser& parser, std::string_view name) {
  std::optional<std::string> all;
  const auto [first, last] = parser.get().equal_range(name);
  for (auto each = first; each != last; ++each) {
    all = all ? *all + ", " + std::string(each->value()) : std::string(each->value());
  }
  return all;
}

// RFC 9112, section 3.2.2: the host of such a target counts, and not that of Host. False: there is
// none, or a user as well (RFC 9110, section 4.2.4).
bool read_absolute_form(Request& request) {
  constexpr std::string_view kScheme = "http://";
  const std::string_view target = request.target;
  if (!beast::iequals(target.substr(0, kScheme.size()), kScheme)) return true;
  const std::string_view rest = target.substr(kScheme.size());
  const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  const std::string_view authority = rest.substr(0, end);
  if (authority.empty() || authority.find('@') != std::string_view::npos) return false;
  // Without Host a request stays incomplete.
  if (request.host) request.host = std::string(authority);
  std::string path(rest.substr(end));
  if (!path.starts_with('/')) path.insert(path.begin(), '/');
  request.target = std::move(path);
  return true;
}

Arrival to_arrival(Parser& parser, const Connection& connection) {
  Request request;
  request.method = parser.get().method_string();
  request.target = parser.get().target();
  request.from_unix_socket = connection.is_unix;
  request.peer = connection.peer;
  request.peer_uid = connection.peer_uid;
  const bool clear = copy_header(parser, "Host", request.host) &&
                     copy_header(parser, "Origin", request.origin) &&
                     copy_header(parser, "Sec-Fetch-Site", request.fetch_site) &&
                     copy_header(parser, "Content-Type", request.content_type) &&
                     copy_header(parser, "If-Match", request.if_match) &&
                     copy_header(parser, "Idempotency-Key", request.idempotency_key) &&
                     copy_header(parser, "Last-Event-ID", request.last_event_id) &&
                     copy_header(parser, "Authorization", request.authorization);
  request.accept = join_headers(parser, "Accept");
  request.via = join_headers(parser, "Via");
  Arrival arrival;
  if (!clear) {
    arrival.problem = Problem{400, "bad-request", "a header that may appear once is repeated"};
    return arrival;
  }
  if (!read_absolute_form(request)) {
    arrival.problem = Problem{400, "bad-request", "the target must be a path, or http://HOST/path"};
    return arrival;
  }
  arrival.keep_alive = parser.get().keep_alive();
  arrival.takes_chunks = parser.get().version() >= 11;
  request.body = std::move(parser.get().body());
  arrival.request = std::move(request);
  return arrival;
}

// RFC 9112, section 6.1. Beast takes any other coding for no body at all, and would read the body
// as the next request.
bool is_framed(const Parser& parser) {
  const auto [first, last] = parser.get().equal_range(http::field::transfer_encoding);
  if (first == last) return true;
  return std::next(first) == last && beast::iequals(first->value(), "chunked") &&
         parser.get().version() >= 11;
}

asio::awaitable<Code> read_message(Connection& connection, Parser& parser) {
  Code code;
  auto token = asio::redirect_error(asio::use_awaitable, code);
  co_await http::async_read_header(connection.stream, connection.buffer, parser, token);
  if (!code && !is_framed(parser)) code = http::error::bad_transfer_encoding;
  if (code || parser.is_done()) co_return code;
  if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    const auto line = asio::buffer(kContinue);
    auto write_token = asio::redirect_error(asio::use_awaitable, code);
    co_await asio::async_write(connection.stream, line, write_token);
    if (code) co_return code;
  }
  auto body_token = asio::redirect_error(asio::use_awaitable, code);
  co_await http::async_read(connection.stream, connection.buffer, parser, body_token);
  co_return code;
}

}  // namespace

asio::awaitable<bool> await_request(Connection& connection, const Limits& limits) {
  if (connection.buffer.size() > 0) co_return true;  // Pipelined.
  Code code;
  connection.stream.expires_after(connection.is_fresh ? limits.header : limits.keep_alive);
  auto token = asio::redirect_error(asio::use_awaitable, code);
  const auto space = connection.buffer.prepare(kReadAhead);
  const std::size_t count = co_await connection.stream.async_read_some(space, token);
  connection.buffer.commit(count);
  co_return !code;
}

asio::awaitable<Arrival> receive(Connection& connection, const Limits& limits) {
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(limits.header_bytes));
  parser.body_limit(limits.body_bytes);
  // The time for the first one began with the connection.
  if (!connection.is_fresh) connection.stream.expires_after(limits.header);
  connection.is_fresh = false;
  const Code code = co_await read_message(connection, parser);
  Arrival arrival;
  if (code) {
    arrival.problem = to_problem(code);
  } else {
    arrival = to_arrival(parser, connection);
  }
  co_return arrival;
}

}  // namespace canaryd::admin
