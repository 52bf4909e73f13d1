// What changes in a head on its way through (RFC 9110 section 7.6), written straight into the
// output.
//
// Kept field lines are copied as they came, neighbours in one piece; hop-by-hop fields and those
// that Connection names, and may name, are left out; framing fields are always written anew from
// what was decided, never copied. Both sides get HTTP/1.1. Pure; any thread. Look at
// HeadBuffer::overflowed() once, at the end.
#pragma once

#include "canaryd/base/strong.hpp"
#include "canaryd/http/body.hpp"
#include "canaryd/http/cookie.hpp"
#include "canaryd/http/head_buffer.hpp"
#include "canaryd/http/message.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::http {

// By which name a proxy is known in Via.
inline constexpr std::string_view kViaName = "canaryd";

struct RequestForwarding {
  std::string_view target;      // Target::forwarded.
  std::string_view authority;   // Target::authority; goes out as Host, even if empty.
  std::string_view client_ip;   // Address of the peer, for X-Forwarded-For; empty: unknown.
  std::string_view request_id;  // Used if the client's is missing or odd; empty: none is added.
  std::string_view
      traceparent;  // In place of the client's, and of its tracestate; empty: they stay.
  std::string_view rollout;
  Cohort cohort = Cohort::kNone;  // kNone: not said.
  bool secure = false;            // X-Forwarded-Proto: https rather than http.
  // Names of fields that decided about this request. They go on though Connection names them: a
  // client that is counted as Tom arrives as Tom. Null: none.
  const std::vector<std::string>* read = nullptr;
  bool websocket = false;  // Asks for it: see offers_websocket().
  bool peer_trusted =
      false;  // Its X-Forwarded-* and Forwarded are believed; otherwise they are replaced.
};

// For the upstream. The body goes on in the framing it came in.
void write_request_head(HeadBuffer& out,
                        const RequestHead& head,
                        const RequestForwarding& forwarding) noexcept;

// How a request's body goes on. Connection may name trailer fields as well, and those that come
// after it has been sent cannot be taken back: then none goes on (RFC 9110 section 7.6.1).
[[nodiscard]] BodyOutput upload_output(const RequestHead& head) noexcept;

// The id under which this request is known: the client's X-Request-Id if there is one and it is
// sane (at most 128 visible characters of a harmless set), else `fresh`.
[[nodiscard]] std::string_view request_id(const RequestHead& head, std::string_view fresh) noexcept;

// RFC 9110 section 7.6.2: an OPTIONS request with Max-Forwards: 0 is answered here, not forwarded.
[[nodiscard]] bool ends_here(const RequestHead& head) noexcept;

// How a response's body reaches the client.
struct ResponsePlan {
  BodyFraming framing;                    // What the client is told.
  BodyOutput output = BodyOutput::kAsIs;  // For the BodyTracker(head.framing, output).
  bool keep_alive = false;                // The client's connection afterwards.
};
// client_keep_alive: client and proxy both want to go on. Chunked becomes data up to close for
// HTTP/1.0; until-close becomes chunked for HTTP/1.1, so that the connection can stay and a cut is
// seen.
[[nodiscard]] ResponsePlan plan_response(const ResponseHead& head,
                                         std::uint8_t client_version_minor,
                                         bool client_keep_alive) noexcept;

struct ResponseForwarding {
  ResponsePlan plan;
  Method request_method = Method::kGet;
  std::uint8_t client_version_minor = 1;
  Cohort cohort = Cohort::kNone;  // For X-Canaryd-Cohort; kNone: not exposed.
  std::string_view date;  // Added if the response has none (RFC 9110 section 6.6.1); empty: never.
  const SetCookie* cookie = nullptr;  // Written only if may_issue_cookie(head).
  bool websocket = false;             // A 101 that switches to it.
};

// How often a request has passed proxies of this name, by its Via fields (RFC 9110 section 7.6.3).
// A comma within a comment ends a member too early, which makes none that counts unless somebody
// wants it to.
[[nodiscard]] std::size_t count_passes(const RequestHead& head, std::string_view via) noexcept;

// RFC 9110 section 7.6: a message must not go round for ever. More canaryds than these stand behind
// each other nowhere. Here, because every request is asked that, and nearly none has a Via.
inline constexpr std::size_t kMostPasses = 10;
[[nodiscard]] inline bool goes_in_circles(const RequestHead& head) noexcept {
  return head.fields.has(FieldId::kVia) && count_passes(head, kViaName) > kMostPasses;
}

// For the client: a final response, or the 101 that ends HTTP on this connection.
void write_response_head(HeadBuffer& out,
                         const ResponseHead& head,
                         const ResponseForwarding& forwarding) noexcept;

// For the client: 100 to 199. Never to a client of HTTP/1.0 (RFC 9110 section 15.2): the caller
// checks.
void write_interim_head(HeadBuffer& out, const ResponseHead& head) noexcept;

}  // namespace canaryd::http
