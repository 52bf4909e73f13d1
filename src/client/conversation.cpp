#include "client/conversation.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <vector>

namespace canaryd::client {
namespace {

using Endpoints = std::vector<asio::generic::stream_protocol::endpoint>;

constexpr std::size_t kEndpointsMax = 16;

// Of our own making: the server was not asked.
bool is_ours(const Code& code) noexcept {
  return code == asio::error::no_descriptors || code == asio::error::no_memory ||
         code == asio::error::no_buffer_space ||
         code == boost::system::errc::too_many_files_open_in_system;
}

// A line break in a name or value would be a second header or a second request.
bool is_one_line(std::string_view text) noexcept {
  return std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
}

// Each # is a digit.
constexpr std::string_view kBareStatusLine = "HTTP/1.# ###\r\n";
constexpr std::size_t kSpaceAt = kBareStatusLine.size() - 2;

// As far as both go.
bool is_bare(std::string_view bytes) noexcept {
  const std::size_t size = std::min(bytes.size(), kBareStatusLine.size());
  return std::equal(
      bytes.begin(),
      bytes.begin() + static_cast<std::ptrdiff_t>(size),
      kBareStatusLine.begin(),
      [](char c, char form) { return form == '#' ? c >= '0' && c <= '9' : c == form; });
}

std::string_view text_of(const beast::flat_buffer& buffer) noexcept {
  return {static_cast<const char*>(buffer.cdata().data()), buffer.size()};
}

void insert_space(beast::flat_buffer& buffer) {
  const std::size_t behind = buffer.size() - kSpaceAt;
  static_cast<void>(buffer.prepare(1));
  buffer.commit(1);
  char* const at = static_cast<char*>(buffer.data().data()) + kSpaceAt;
  std::memmove(at + 1, at, behind);
  *at = ' ';
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

}  // namespace

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

tl::unexpected<Error> failed(const Code& code, const Address& address, Retry retry) {
  const char* const verb = retry == Retry::kSafe ? "cannot connect to " : "no answer from ";
  return fail(Error{translate(code),
                    is_ours(code) ? Origin::kLocal : Origin::kUpstream,
                    retry,
                    verb + address.to_string() + ": " + code.message()});
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
    if (beast::iequals(header.name, "Host")) message.erase(http::field::host);  // Not ours.
    message.insert(header.name, header.value);
  }
  message.keep_alive(false);
  message.body() = request.body;
  if (!request.body.empty() || request.method == "POST") message.prepare_payload();
  return message;
}

asio::awaitable<Code> connect(Stream& stream, const Address& address, Duration limit) {
  Code code;
  const Endpoints endpoints = co_await resolve(address, code);
  if (code) co_return code;
  code = asio::error::host_not_found;
  stream.expires_after(limit);
  for (const auto& endpoint : endpoints) {
    code = {};
    auto token = asio::redirect_error(asio::use_awaitable, code);
    co_await stream.async_connect(endpoint, token);
    if (!code || code == beast::error::timeout) co_return code;
    Code ignored;
    stream.socket().close(ignored);
  }
  co_return code;
}

asio::awaitable<Code> read_status_line(Stream& stream, beast::flat_buffer& buffer) {
  constexpr std::size_t kBlock = 4096;
  Code code;
  while (is_bare(text_of(buffer)) && buffer.size() < kBareStatusLine.size()) {
    auto token = asio::redirect_error(asio::use_awaitable, code);
    const std::size_t count = co_await stream.async_read_some(buffer.prepare(kBlock), token);
    buffer.commit(count);
    // As Beast says it. It cannot be left to Beast: who reads behind an end waits for ever.
    if (code == asio::error::eof) {
      co_return buffer.size() == 0 ? http::error::end_of_stream : http::error::partial_message;
    }
    if (code) co_return code;
  }
  if (is_bare(text_of(buffer))) insert_space(buffer);
  co_return code;
}

bool run_unless(asio::io_context& io, const std::function<bool()>& gives_up) {
  // How long a caller that gives up is kept waiting.
  constexpr Duration kBetweenLooks = std::chrono::milliseconds(100);
  if (!gives_up) io.run();
  while (!io.stopped()) {
    io.run_for(kBetweenLooks);
    if (!io.stopped() && gives_up()) return false;
  }
  return true;
}

}  // namespace canaryd::client
