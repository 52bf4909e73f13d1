#include "canaryd/client/async_client.hpp"
#include "client/conversation.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <optional>
#include <utility>

namespace canaryd::client {
namespace {

using BeastParser = http::response_parser<http::string_body>;

// 101 is an answer: nothing of HTTP follows it.
bool is_interim(unsigned status) noexcept {
  return status >= 100 && status < 200 && status != 101;
}

Response convert(BeastParser& parser) {
  auto message = parser.release();
  Response response = head_of(message);
  response.body = std::move(message.body());
  return response;
}

// RFC 9110 section 15.2 allows any number; a server that sends more is not answering.
constexpr int kInterimsMax = 8;

// `parser` is made anew for each response: the final one is left in it.
asio::awaitable<Code> exchange(Stream& stream,
                               const BeastRequest& request,
                               std::optional<BeastParser>& parser,
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
  for (int interims = 0; interims <= kInterimsMax; ++interims) {
    parser.emplace();
    parser->header_limit(static_cast<std::uint32_t>(limits.header_bytes));
    parser->body_limit(limits.body_bytes);
    parser->skip(limits.head_only || request.method() == http::verb::head);
    const Code line_code = co_await read_status_line(stream, buffer);
    read_code = line_code;
    if (read_code) break;
    co_await http::async_read(stream, buffer, *parser, read_token);
    if (read_code || !is_interim(parser->get().result_int())) break;
  }
  co_return read_code&& write_code ? write_code : read_code;
}

asio::awaitable<Result<Response>> converse(const Address& address,
                                           const Limits& limits,
                                           const BeastRequest& request) {
  const auto executor = co_await asio::this_coro::executor;
  Stream stream(executor);
  const bool whole = limits.total > Duration::zero();
  const Duration limit = whole ? limits.total : limits.connect;
  const Code connected = co_await connect(stream, address, limit);
  if (connected) co_return failed(connected, address, Retry::kSafe);

  std::optional<BeastParser> parser;
  const Code done = co_await exchange(stream, request, parser, limits);
  if (done) co_return failed(done, address, Retry::kNever);
  co_return convert(*parser);
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

Result<Response> HttpClient::fetch(const Request& request,
                                   const std::function<bool()>& gives_up) const {
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
    if (!run_unless(io, gives_up)) return fail(ErrorCode::kCancelled, "interrupted");
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
