#include "proxy/fallback.hpp"

#include "canaryd/http/websocket.hpp"
#include "proxy/exchange.hpp"
#include "proxy/record.hpp"

namespace canaryd::proxy {

bool is_covered(const FallbackPolicy& policy, const http::RequestHead& request) noexcept {
  if (!policy.has(request.method)) return false;
  if (request.framing.empty()) return true;
  // How long a chunked body is will be seen.
  return request.framing.kind == http::BodyKind::kChunked
             ? policy.body_bytes_max > 0
             : request.framing.length <= policy.body_bytes_max;
}

bool is_version_failure(ProxyError error) noexcept {
  return error != ProxyError::kNone && !is_blameless(error);
}

stats::Fallback outcome_of_fallback(const FailurePolicy& policy,
                                    ProxyError error,
                                    std::uint16_t status) noexcept {
  if (error == ProxyError::kNone) {
    return policy.is_failure(status) ? stats::Fallback::kFailed : stats::Fallback::kSaved;
  }
  // Stable had no room for it either: the user has seen the canary's failure.
  if (error == ProxyError::kOverloaded) return stats::Fallback::kFailed;
  return is_version_failure(error) ? stats::Fallback::kFailed : stats::Fallback::kLeft;
}

// ---- In the exchange

// Who asked for the canary by force wants to see it fail. A WebSocket stays in its cohort, so its
// handshake does as well.
void Exchange::cover() noexcept {
  const routing::Rollout* const rollout = route_->rollout;
  covered_ = false;
  if (rollout == nullptr || pick_.cohort != Cohort::kCanary || pick_.forced) return;
  if (request_.upgrade && http::offers_websocket(request_)) return;
  covered_ = is_covered(failure_policy()->fallback, request_);
}

const FailurePolicy* Exchange::failure_policy() const noexcept {
  if (route_->rollout == nullptr) return nullptr;
  return &table_->snapshot.shared->failures[route_->rollout->id.index()];
}

bool Exchange::can_ask_stable() const noexcept {
  // An interim response is something that the client was sent, too.
  return covered_ && !client_told_ && !interim_sent_ && upload_.can_restart() &&
         upload_.data_bytes() <= failure_policy()->fallback.body_bytes_max && stable_has_time();
}

// Else stable would be asked and cut off at once: it may have done what it was asked for, and the
// user sees the canary's failure all the same.
bool Exchange::stable_has_time() const noexcept {
  const UpstreamId stable = route_->rollout->stable;
  Duration total = table_->upstreams[stable.index()]->spec().timeouts.request;
  const auto& of_routes = table_->snapshot.shared->route_timeouts;
  if (!of_routes.empty()) {
    if (const auto& own = of_routes[route_->id.index()].request) total = *own;
  }
  return now() < deadline_of(total);
}

// The head of a failure that stable may answer goes no further.
bool Exchange::sets_aside(std::uint16_t status) const noexcept {
  return can_ask_stable() && failure_policy()->is_failure(status);
}

bool Exchange::falls_back(ProxyError error) const noexcept {
  return set_aside_ || (is_version_failure(error) && can_ask_stable());
}

// As if the canary had never been asked, but for what it left behind.
void Exchange::fall_back(ProxyError error) {
  const routing::Rollout& rollout = *route_->rollout;
  // Not with the record: stable may take its time.
  if (!pick_.spares_gate() && is_charged(*failure_policy(), error, status_)) charge_circuit();
  spare_copy();
  canary_failure_ = {error, status_, lease_ ? lease_.endpoint()->share().state : nullptr};
  fell_back_ = true;
  slow_after_ = Duration::zero();
  covered_ = set_aside_ = false;
  leave_upstream();
  clear_response();
  body_waits_ = upload_.has_read();
  if (!body_waits_) upload_.reset();
  answering_ = Cohort::kStable;
  use_upstream(rollout.stable);
  // The canary has taken its time; what stable was when it began may be gone.
  follow_endpoints();
  target_good_ = false;
  first_try();
}

}  // namespace canaryd::proxy
