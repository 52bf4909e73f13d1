#include "canaryd/client/event_reader.hpp"

#include "client/conversation.hpp"
#include "client/event_parser.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <array>
#include <deque>
#include <exception>
#include <string_view>
#include <utility>

namespace canaryd::client {

struct EventReader::Impl {
  Impl(Address address_in, StreamLimits limits_in)
      : address(std::move(address_in)),
        limits(limits_in),
        stream(io),
        buffer(limits.header_bytes + kBlock),
        parser_of_events(limits.event_bytes) {}

  asio::awaitable<void> begin(const BeastRequest& request);
  asio::awaitable<void> follow();
  // The next bytes of the body; none when it is complete.
  asio::awaitable<std::string_view> read_body(Code& code);
  void end(const Code& code);

  static constexpr std::size_t kBlock = std::size_t{16} * 1024;
  // A server that sends nothing but comments must not keep next() busy.
  static constexpr int kTurnsMax = 64;

  const Address address;
  const StreamLimits limits;
  asio::io_context io{1};
  Stream stream;
  beast::flat_buffer buffer;
  http::response_parser<http::buffer_body> parser;
  std::array<char, kBlock> block{};
  EventParser parser_of_events;
  std::deque<Event> events;
  Result<Response> answer = fail(ErrorCode::kInternal, "there is no answer yet");
  std::optional<Error> error;
};

asio::awaitable<void> EventReader::Impl::begin(const BeastRequest& request) {
  Code code = co_await connect(stream, address, limits.connect);
  if (code) {
    answer = failed(code, address, Retry::kSafe);
    co_return;
  }
  stream.expires_after(limits.answer);
  auto write_token = asio::redirect_error(asio::use_awaitable, code);
  co_await http::async_write(stream, request, write_token);
  parser.header_limit(static_cast<std::uint32_t>(limits.header_bytes));
  parser.body_limit(boost::none);
  const Code line_code = co_await read_status_line(stream, buffer);
  Code read_code = line_code;
  if (!read_code) {
    auto read_token = asio::redirect_error(asio::use_awaitable, read_code);
    co_await http::async_read_header(stream, buffer, parser, read_token);
  }
  if (read_code) {
    answer = failed(code ? code : read_code, address, Retry::kNever);
    co_return;
  }
  Response response = head_of(parser.get());
  if (is_event_stream(response)) {
    answer = std::move(response);
    co_return;
  }
  while (!read_code && !parser.is_done() && response.body.size() < limits.body_bytes) {
    const std::string_view bytes = co_await read_body(read_code);
    response.body += bytes;
  }
  if (read_code) {
    answer = failed(read_code, address, Retry::kNever);
  } else {
    answer = std::move(response);
  }
}

asio::awaitable<std::string_view> EventReader::Impl::read_body(Code& code) {
  parser.get().body().data = block.data();
  parser.get().body().size = block.size();
  auto token = asio::redirect_error(asio::use_awaitable, code);
  co_await http::async_read_some(stream, buffer, parser, token);
  if (code == http::error::need_buffer) code = {};
  co_return std::string_view(block.data(), block.size() - parser.get().body().size);
}

asio::awaitable<void> EventReader::Impl::follow() {
  while (!error) {
    if (parser.is_done()) {
      error = Error{ErrorCode::kClosed,
                    Origin::kUpstream,
                    Retry::kNever,
                    address.to_string() + " has ended the stream"};
      co_return;
    }
    stream.expires_after(limits.silence);
    Code code;
    const std::string_view bytes = co_await read_body(code);
    const Result<void> fed = parser_of_events.feed(bytes, events);
    if (!fed) error = fed.error();
    if (code) end(code);
  }
}

void EventReader::Impl::end(const Code& code) {
  ErrorCode what = translate(code);
  // An end in the middle is no end.
  if (what == ErrorCode::kClosed) what = ErrorCode::kReset;
  error = Error{what,
                Origin::kUpstream,
                Retry::kNever,
                "lost the stream of " + address.to_string() + ": " + code.message()};
}

EventReader::EventReader(Address address, StreamLimits limits)
    : impl_(std::make_unique<Impl>(std::move(address), limits)) {}

EventReader::~EventReader() = default;

Result<Response> EventReader::open(const Request& request, const std::function<bool()>& gives_up) {
  CANARYD_TRY_ASSIGN(const BeastRequest message, compose(request, impl_->address));
  const auto rethrow = [](const std::exception_ptr& thrown) {
    if (thrown) std::rethrow_exception(thrown);
  };
  try {
    auto beginning = impl_->begin(message);
    asio::co_spawn(impl_->io, std::move(beginning), rethrow);
    if (!run_unless(impl_->io, gives_up)) return fail(ErrorCode::kCancelled, "interrupted");
    if (!impl_->answer || !is_event_stream(*impl_->answer)) return std::move(impl_->answer);
    impl_->io.restart();
    auto following = impl_->follow();
    asio::co_spawn(impl_->io, std::move(following), rethrow);
  } catch (const std::exception& error) {  // As in fetch.
    return fail(ErrorCode::kIo, error.what());
  }
  return std::move(impl_->answer);
}

Result<std::optional<Event>> EventReader::next(Duration limit) {
  Impl& impl = *impl_;
  try {
    for (int turn = 0; turn < Impl::kTurnsMax && impl.events.empty() && !impl.error; ++turn) {
      if (impl.io.run_one_for(limit) == 0) break;
    }
  } catch (const std::exception& error) {
    return fail(ErrorCode::kIo, error.what());
  }
  if (!impl.events.empty()) {
    std::optional<Event> event = std::move(impl.events.front());
    impl.events.pop_front();
    return event;
  }
  if (impl.error) return fail(*impl.error);
  return std::optional<Event>();
}

bool is_event_stream(const Response& response) noexcept {
  return response.status == 200 && response.header("Content-Type").starts_with("text/event-stream");
}

}  // namespace canaryd::client
