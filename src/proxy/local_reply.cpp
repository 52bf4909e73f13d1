#include "proxy/local_reply.hpp"

#include <cstdio>

namespace canaryd::proxy {
namespace {

std::string_view reason_of(std::uint16_t status) noexcept {
  switch (status) {
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 417:
      return "Expectation Failed";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Internal Server Error";
  }
}

// What a person with curl reads.
std::string_view sentence_of(ProxyError error) noexcept {
  switch (error) {
    case ProxyError::kNone:
    case ProxyError::kClientGone:
    case ProxyError::kCount:
      return "";
    case ProxyError::kBadRequest:
      return "the request is malformed or ambiguous";
    case ProxyError::kNoRoute:
      return "no route matches this request";
    case ProxyError::kRequestTimeout:
      return "the request did not arrive in time";
    case ProxyError::kBodyTooLarge:
      return "the request body is larger than this listener allows";
    case ProxyError::kTargetTooLong:
      return "the request target is longer than this listener allows";
    case ProxyError::kExpectationFailed:
      return "the only supported expectation is 100-continue";
    case ProxyError::kRateLimited:
      return "too many votes, from here or in all";
    case ProxyError::kHeadersTooLarge:
      return "the header fields are larger than this listener allows";
    case ProxyError::kInternal:
      return "internal error";
    case ProxyError::kNotImplemented:
      return "this method or transfer coding is not supported";
    case ProxyError::kVersionNotSupported:
      return "only HTTP/1.0 and HTTP/1.1 are supported";
    case ProxyError::kConnectFailed:
      return "could not connect to the upstream";
    case ProxyError::kUpstreamReset:
      return "the upstream closed the connection before it answered";
    case ProxyError::kUpstreamProtocol:
      return "the upstream's answer is not valid HTTP";
    case ProxyError::kNoHealthyEndpoint:
      return "no endpoint of the upstream is in use: all are unhealthy or ejected";
    case ProxyError::kOverloaded:
      return "no capacity left";
    case ProxyError::kTimeout:
      return "the upstream did not answer in time";
  }
  return "";
}

}  // namespace

void write_local_reply(http::HeadBuffer& out, const LocalReply& reply) noexcept {
  const std::uint16_t status = reply.accepted ? 202 : status_of(reply.error);
  const std::string_view word = to_string(reply.error);
  const std::string_view sentence = sentence_of(reply.error);
  out.append("HTTP/1.1 ");
  out.append_decimal(status);
  out.append(' ');
  out.append(reason_of(status));
  out.append("\r\n");
  out.append_field("Date", reply.date);
  if (!sentence.empty()) out.append_field("Content-Type", "text/plain; charset=utf-8");
  // "WORD: SENTENCE\n"
  const std::size_t body = sentence.empty() ? 0 : word.size() + 2 + sentence.size() + 1;
  out.append("Content-Length: ");
  out.append_decimal(body);
  out.append("\r\n");
  if (reply.error != ProxyError::kNone) out.append_field("X-Canaryd-Error", word);
  if (!reply.request_id.empty()) out.append_field("X-Request-Id", reply.request_id);
  if (status == 503) out.append_field("Retry-After", "1");
  if (status == 429) out.append_field("Retry-After", "10");
  out.append_field("Connection", reply.keep_alive ? "keep-alive" : "close");
  out.append("\r\n");
  if (body == 0 || reply.head_only) return;
  out.append(word);
  out.append(": ");
  out.append(sentence);
  out.append('\n');
}

std::string_view DateText::at(WallTime now) noexcept {
  constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths{
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  constexpr std::size_t kLength = 29;
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  if (seconds.time_since_epoch().count() == second_) return {text_.data(), kLength};
  second_ = seconds.time_since_epoch().count();
  const auto day = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(seconds - day);
  std::snprintf(text_.data(),
                text_.size(),
                "%s, %02u %s %04d %02d:%02d:%02d GMT",
                kDays[std::chrono::weekday(day).c_encoding()],
                static_cast<unsigned>(date.day()) % 100,
                kMonths[static_cast<unsigned>(date.month()) - 1],
                static_cast<int>(date.year()) % 10000,
                static_cast<int>(clock.hours().count()) % 100,
                static_cast<int>(clock.minutes().count()) % 100,
                static_cast<int>(clock.seconds().count()) % 100);
  return {text_.data(), kLength};
}

}  // namespace canaryd::proxy
