#include "proxy/local_reply.hpp"

#include "canaryd/http/date.hpp"

#include <chrono>

namespace canaryd::proxy {
namespace {

std::string_view reason_of(std::uint16_t status) noexcept {
  switch (status) {
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 408:
      return "Request Timeout";
    case 410:
      return "Gone";
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
    case 500:
      return "Internal Server Error";
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
    case 508:
      return "Loop Detected";
    default:
      return "";
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
      return "the upstream's answer is not valid HTTP, or its head is too large";
    case ProxyError::kNoHealthyEndpoint:
      return "no endpoint of the upstream is in use: all are unhealthy or ejected";
    case ProxyError::kOverloaded:
      return "no capacity left";
    case ProxyError::kTimeout:
      return "the upstream did not answer in time";
    case ProxyError::kLoopDetected:
      return "the request goes round in circles: an upstream leads back to here";
    case ProxyError::kShuttingDown:
      return "this proxy ends, and has waited for the answer as long as it may";
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
  if (reply.cohort != Cohort::kNone) out.append_field("X-Canaryd-Cohort", to_string(reply.cohort));
  if (reply.cookie != nullptr) http::write_set_cookie(out, *reply.cookie);
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

void write_own_answer(http::HeadBuffer& out, const OwnAnswer& answer) noexcept {
  const RespondPolicy& policy = *answer.policy;
  out.append("HTTP/1.1 ");
  out.append_decimal(policy.status);
  out.append(' ');
  out.append(reason_of(policy.status));
  out.append("\r\n");
  out.append_field("Date", answer.date);
  if (!answer.location.empty()) out.append_field("Location", answer.location);
  out.append(policy.fields);
  if (!policy.body.empty()) out.append_field("Content-Type", policy.content_type);
  // RFC 9110 section 8.6: not in a 204; in a 304 it would be that of another response.
  if (policy.status != 204 && policy.status != 304) {
    out.append("Content-Length: ");
    out.append_decimal(policy.body.size());
    out.append("\r\n");
  }
  out.append_field("X-Request-Id", answer.request_id);
  out.append_field("Connection", answer.keep_alive ? "keep-alive" : "close");
  out.append("\r\n");
  if (!answer.head_only) out.append(policy.body);
}

std::string_view DateText::at(WallTime now) noexcept {
  const auto second = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  if (second != second_) http::write_date(now, text_);
  second_ = second;
  return {text_.data(), http::kDateBytes};
}

}  // namespace canaryd::proxy
