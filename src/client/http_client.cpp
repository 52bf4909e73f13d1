#include "canaryd/client/async_client.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <optional>
#include <utility>

namespace canaryd::client {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

using Code = boost::system::error_code;
using Protocol = asio::generic::stream_protocol;
using Stream = beast::basic_stream<Protocol>;
using Endpoints = std::vector<Protocol::endpoint>;
using BeastRequest = http::request<http::string_body>;
using BeastParser = http::response_parser<http::string_body>;

constexpr std::size_t kEndpointsMax = 16;

ErrorCode translate(const Code& code) {
  if (code == beast::error::timeout || code == asio::error::timed_out) return ErrorCode::kTimeout;
  if (code == asio::error::connection_refused) return ErrorCode::kRefused;
  if (code == asio::error::access_denied || code == boost::system::errc::permission_denied) {
    return ErrorCode::kPermission;
  }
  if (code == asio::error::host_not_found || code == asio::error::no_data ||
      code == boost::system::errc::no_such_file_or_directory) {
    return ErrorCode::kNotFound;
  }
  if (code == http::error::body_limit || code == http::error::header_limit ||
      code == http::error::buffer_overflow) {
    return ErrorCode::kLimit;
  }
  if (code == http::error::end_of_stream || code == http::error::partial_message ||
      code == asio::error::eof) {
    return ErrorCode::kClosed;
  }
  if (code == asio::error::connection_reset || code == asio::error::broken_pipe) {
    return ErrorCode::kReset;
  }
  if (code == http::error::bad_method ||
      code.category() == Code(http::error::bad_field).category()) {
    return ErrorCode::kMalformed;
  }
  return ErrorCode::kIo;
}

// Of our own making: the server was not asked.
bool is_ours(const Code& code) noexcept {
  return code == asio::error::no_descriptors || code == asio::error::no_memory ||
         code == asio::error::no_buffer_space ||
         code == boost::system::errc::too_many_files_open_in_system;
}

tl::unexpected<Error> failed(const Code& code, const Address& address, Retry retry) {
  const char* const verb = retry == Retry::kSafe ? "cannot connect to " : "no answer from ";
  return fail(Error{translate(code),
                    is_ours(code) ? Origin::kLocal : Origin::kUpstream,
                    retry,
                    verb + address.to_string() + ": " + code.message()});
}

// A line break in a name or value would be a second header or a second request.
bool is_one_line(std::string_view text) noexcept {
  return std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
}

Result<BeastRequest> compose(const Request& request, const Address& address) {
  const auto has_space = [](std::string_view text) {
    return text.empty() || text.find(' ') != std::string_view::npos || !is_one_line(text);
  };
  if (has_space(request.method) || has_space(request.target)) {
    return fail(ErrorCode::kInvalidArgument, "the method or the target is malformed");
  }
  BeastRequest message;
  message.version(11);
  message.method_string(request.method);
  message.target(request.target);
  message.set(http::field::host, address.is_unix() ? "localhost" : address.to_string());
  for (const Header& header : request.headers) {
    if (has_space(header.name) || !is_one_line(header.value)) {
      return fail(ErrorCode::kInvalidArgument, "a header is malformed");
    }
    message.insert(header.name, header.value);
  }
  message.keep_alive(false);
  message.body() = request.body;
  if (!request.body.empty() || request.method == "POST") message.prepare_payload();
  return message;
}

Response convert(BeastParser& parser) {
  auto message = parser.release();
  Response response;
  response.status = static_cast<int>(message.result_int());
  for (const auto& field : message) {
    response.headers.push_back({std::string(field.name_string()), std::string(field.value())});
  }
  response.body = std::move(message.body());
  return response;
}

asio::awaitable<Endpoints> resolve(const Address& address, Code& code) {
  Endpoints endpoints;
  if (address.is_unix()) {
    endpoints.emplace_back(asio::local::stream_protocol::endpoint(address.path));
    co_return endpoints;
  }
  const asio::ip::address literal = asio::ip::make_address(address.host, code);
  if (!code) {
    endpoints.emplace_back(asio::ip::tcp::endpoint(literal, address.port));
    co_return endpoints;
  }
  const auto executor = co_await asio::this_coro::executor;
  asio::ip::tcp::resolver resolver(executor);
  const std::string port = std::to_string(address.port);
  auto token = asio::redirect_error(asio::use_awaitable, code);
  const auto found = co_await resolver.async_resolve(address.host, port, token);
  for (const auto& entry : found) {
    if (endpoints.size() < kEndpointsMax) endpoints.emplace_back(entry.endpoint());
  }
  co_return endpoints;
}

// The connect limit is for all endpoints together: the stream's deadline is set once.
asio::awaitable<Code> connect(Stream& stream, const Address& address, const Limits& limits) {
  Code code;
  const Endpoints endpoints = co_await resolve(address, code);
  if (code) co_return code;
  code = asio::error::host_not_found;
  const bool whole = limits.total > Duration::zero();
  stream.expires_after(whole ? limits.total : limits.connect);
  for (const Protocol::endpoint& endpoint : endpoints) {
    code = {};
    auto token = asio::redirect_error(asio::use_awaitable, code);
    co_await stream.async_connect(endpoint, token);
    if (!code || code == beast::error::timeout) co_return code;
    Code ignored;
    stream.socket().close(ignored);
  }
  co_return code;
}

asio::awaitable<Code> exchange(Stream& stream,
                               const BeastRequest& request,
                               BeastParser& parser,
                               const Limits& limits) {
  if (limits.total == Duration::zero()) stream.expires_after(limits.exchange);
  Code write_code;
  auto write_token = asio::redirect_error(asio::use_awaitable, write_code);
  co_await http::async_write(stream, request, write_token);
  if (write_code == beast::error::timeout) co_return write_code;
  // A server may answer and close before it has read all: the answer counts more than the failed
  // write.
  beast::flat_buffer buffer(limits.header_bytes + std::size_t{64} * 1024);
  Code read_code;
  auto read_token = asio::redirect_error(asio::use_awaitable, read_code);
  co_await http::async_read(stream, buffer, parser, read_token);
  co_return read_code&& write_code ? write_code : read_code;
}

asio::awaitable<Result<Response>> converse(const Address& address,
                                           const Limits& limits,
                                           const BeastRequest& request) {
  const auto executor = co_await asio::this_coro::executor;
  Stream stream(executor);
  const Code connected = co_await connect(stream, address, limits);
  if (connected) co_return failed(connected, address, Retry::kSafe);

  BeastParser parser;
  parser.header_limit(static_cast<std::uint32_t>(limits.header_bytes));
  parser.body_limit(limits.body_bytes);
  parser.skip(limits.head_only || request.method() == http::verb::head);
  const Code done = co_await exchange(stream, request, parser, limits);
  if (done) co_return failed(done, address, Retry::kNever);
  co_return convert(parser);
}

// The whole conversation is in its frame.
asio::awaitable<Result<Response>> converse_alone(Address address,
                                                 Limits limits,
                                                 BeastRequest request) {
  auto result = co_await converse(address, limits, request);
  co_return result;
}

}  // namespace

HttpClient::HttpClient(Address address, Limits limits)
    : address_(std::move(address)), limits_(limits) {}

Result<Response> HttpClient::fetch(const Request& request) const {
  CANARYD_TRY_ASSIGN(const BeastRequest message, compose(request, address_));
  Result<Response> result = fail(ErrorCode::kInternal, "the exchange ended without a result");
  try {
    asio::io_context io(1);
    auto take = [&result](std::exception_ptr thrown, Result<Response> outcome) {
      if (thrown) std::rethrow_exception(thrown);
      result = std::move(outcome);
    };
    auto conversation = converse(address_, limits_, message);
    asio::co_spawn(io, std::move(conversation), take);
    io.run();
  } catch (const std::exception& error) {  // No descriptor, no memory, no thread for the resolver.
    return fail(ErrorCode::kIo, error.what());
  }
  return result;
}

void fetch_later(asio::io_context& io,
                 Address address,
                 Limits limits,
                 Request request,
                 std::function<void(Result<Response>)> done) {
  auto message = compose(request, address);
  if (!message) {
    asio::post(io, [done = std::move(done), error = std::move(message).error()]() mutable {
      done(fail(std::move(error)));
    });
    return;
  }
  auto take = [done = std::move(done)](std::exception_ptr thrown, Result<Response> outcome) {
    // No descriptor, no memory.
    if (thrown)
      outcome = fail(Error{ErrorCode::kIo, Origin::kLocal, Retry::kSafe, "out of resources"});
    done(std::move(outcome));
  };
  auto conversation = converse_alone(std::move(address), limits, std::move(*message));
  asio::co_spawn(io, std::move(conversation), std::move(take));
}

}  // namespace canaryd::client
