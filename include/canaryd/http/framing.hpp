// Where a body ends (RFC 9112 section 6) and whether a connection lives on (section 9.3).
//
// One rule above all: a message that two implementations could read differently is refused, never
// repaired. So: Content-Length and Transfer-Encoding together, any coding but exactly "chunked",
// Transfer-Encoding in HTTP/1.0, a Content-Length that is listed, signed, empty, repeated or above
// 2^64-1, no Host or several in HTTP/1.1. Called by the parsers; public for other codecs and for
// the tests. Pure; any thread.
#pragma once

#include "canaryd/http/message.hpp"

#include <array>
#include <cstddef>
#include <string_view>

namespace canaryd::http {

// More options in Connection than this are refused: each costs a comparison per field.
inline constexpr unsigned kConnectionOptionsMax = 32;

// Reads method, version and fields; sets framing, host, keep_alive, expect_continue, upgrade,
// nominates.
[[nodiscard]] Refused frame_request(RequestHead& head) noexcept;

// The same for a response to a request of that method; sets framing, content_length, keep_alive,
// upgrade, nominates. A 101 that is no answer to a WebSocket handshake is refused; whether there
// was one is the caller's to know.
[[nodiscard]] Refused frame_response(ResponseHead& head, Method request_method) noexcept;

// Is this field named by Connection, and may Connection name it? Only fields we do not know may be
// removed that way: nobody strips Host, Authorization, Cookie, X-Forwarded-* or X-Canaryd-* by
// naming it. Fields that the routing reads are the caller's to know (RequestForwarding::read).
[[nodiscard]] bool is_nominated(const FieldList& fields, const Field& field) noexcept;

// The same for many fields of one list, which has been read: its names are looked for once. It is
// no use any more when the list, or its bytes, are gone.
class NominatedNames {
 public:
  explicit NominatedNames(const FieldList& fields) noexcept;
  [[nodiscard]] bool contain(const Field& field) const noexcept;

 private:
  std::array<std::string_view, kConnectionOptionsMax> names_;
  std::size_t count_ = 0;
};

}  // namespace canaryd::http
