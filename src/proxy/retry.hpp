// May a failed try be made again? Pure: error, what was sent, and the method decide.
//
// A request is never sent twice when the first may have had an effect: once a byte has left, only
// an idempotent method may go again, and only while its whole body is still held. A connection from
// the pool may have been closed by its peer before our bytes arrived (RFC 9112 section 9.3.1); that
// one retry is free and goes over a fresh connection.
//
// `per_try` is itself the wish to try again, so its timeout needs no word in `retries.on`.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/proxy/counters.hpp"
#include "canaryd/upstream/spec.hpp"

namespace canaryd::proxy {

struct TryFailure {
  ProxyError error = ProxyError::kNone;
  bool try_expired = false;    // The timeout is that of the try alone (`per_try`).
  bool reused = false;         // The connection came from the pool.
  bool request_sent = false;   // At least one byte of the request has left.
  bool body_lost = false;      // Body bytes were read that are not held any more.
  bool response_seen = false;  // At least one byte of a response has come.
  bool idempotent = false;
};

// kSafe counts against retries.attempts, kIfReused does not.
[[nodiscard]] Retry retry_of(const TryFailure& failure, const upstream::Retries& retries) noexcept;

}  // namespace canaryd::proxy
