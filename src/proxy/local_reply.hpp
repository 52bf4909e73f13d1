// Answers that canaryd makes itself: errors, and the end of an OPTIONS request with Max-Forwards:
// 0.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/http/head_buffer.hpp"
#include "canaryd/proxy/counters.hpp"

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
};

// The whole message. At most 512 bytes and the request id.
void write_local_reply(http::HeadBuffer& out, const LocalReply& reply) noexcept;

// The Date field's value (RFC 9110 section 5.6.7), made once a second.
class DateText {
 public:
  [[nodiscard]] std::string_view at(WallTime now) noexcept;

 private:
  std::int64_t second_ = -1;
  std::array<char, 32> text_{};
};

}  // namespace canaryd::proxy
