#include "proxy/retry.hpp"

namespace canaryd::proxy {

Retry retry_of(const TryFailure& failure, const upstream::Retries& retries) noexcept {
  if (failure.response_seen || failure.body_lost) return Retry::kNever;
  if (failure.request_sent && !failure.idempotent) return Retry::kNever;
  switch (failure.error) {
    case ProxyError::kConnectFailed:
      return retries.on_connect_failure ? Retry::kSafe : Retry::kNever;
    case ProxyError::kTimeout:
      if (failure.try_expired) return Retry::kSafe;
      // A connect that timed out is a connect failure; a request that was sent has used up its
      // time.
      return !failure.request_sent && retries.on_connect_failure ? Retry::kSafe : Retry::kNever;
    case ProxyError::kUpstreamReset:
      if (failure.reused) return Retry::kIfReused;
      return retries.on_reset_before_headers ? Retry::kSafe : Retry::kNever;
    default:
      return Retry::kNever;
  }
}

}  // namespace canaryd::proxy
