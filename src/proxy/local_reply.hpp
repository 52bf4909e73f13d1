// Answers that canaryd makes itself: errors, and the end of an OPTIONS request with Max-Forwards:
// 0.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/http/cookie.hpp"
#include "canaryd/http/date.hpp"
#include "canaryd/http/head_buffer.hpp"
#include "canaryd/proxy/counters.hpp"
#include "canaryd/proxy/route_rules.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace canaryd::proxy {

struct LocalReply {
  ProxyError error = ProxyError::kNone;  // kNone: an empty 200.
  bool head_only = false;                // Answer to HEAD: no body (RFC 9110 section 9.3.2).
  bool keep_alive = false;
  std::string_view request_id;  // Empty: there was no request to have one.
  std::string_view date;
  bool accepted = false;  // An empty 202 in place of the 200.
  // What was decided before it failed, as a response would tell it.
  Cohort cohort = Cohort::kNone;            // kNone: not said.
  const http::SetCookie* cookie = nullptr;  // Null: none. Caches store no error behind a decision.
};

// The whole message. At most 512 bytes beside the request id, the cohort and the cookie.
void write_local_reply(http::HeadBuffer& out, const LocalReply& reply) noexcept;

// What a route's `respond` says.
struct OwnAnswer {
  const RespondPolicy* policy = nullptr;
  std::string_view location;  // Empty: none.
  bool head_only = false;
  bool keep_alive = false;
  std::string_view request_id;
  std::string_view date;
};

// The whole message. At most 512 bytes beside the texts that it is given.
void write_own_answer(http::HeadBuffer& out, const OwnAnswer& answer) noexcept;

// The Date field's value (RFC 9110 section 5.6.7), made once a second.
class DateText {
 public:
  [[nodiscard]] std::string_view at(WallTime now) noexcept;

 private:
  std::int64_t second_ = -1;
  std::array<char, http::kDateBytes + 1> text_{};
};

}  // namespace canaryd::proxy
