// The tries of an exchange: a connection to an endpoint, the relay over it, and whether another try
// may follow.
#include "canaryd/http/message.hpp"
#include "proxy/exchange.hpp"
#include "proxy/retry.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::proxy {

// Of the upstream that the decision, or a fallback, has set.
void Exchange::first_try() {
  tries_ = 0;
  stale_retried_ = false;
  tried_.clear();
  if (upstream::ConcurrencyQueue* const queue = upstream_->concurrency()) {
    // A probe has its own already.
    if (!slot_) slot_ = queue->try_enter();
    // Then connect() begins by waiting for one. A limit that has been lifted makes nobody wait.
    if (!slot_ && upstream_spec().concurrency) return;
  }
  begin_first_try();
}

void Exchange::begin_first_try() {
  upstream_->retry_budget().deposit();
  begin_try(upstream_->acquire(nullptr, false, balance_key_));
}

void Exchange::begin_try(upstream::Lease lease) noexcept {
  lease_ = std::move(lease);
  try_began_at_ = now();
  // Connecting waits, and then the worker's scratch is somebody else's.
  if (!lease_.connected()) target_good_ = false;
  const Duration per_try = timeouts_->per_try;
  try_expires_at_ = per_try > Duration::zero() ? now() + per_try : net::kNever;
}

// A try is over. Whether another one begins, elsewhere or at the stable version; then `error` is
// that of the new one.
bool Exchange::tries_again(ProxyError& error) {
  const bool retried = tries_ > 0 && error != ProxyError::kClientGone;
  if (upstream_->detects_outliers()) note_outcome(error);
  const Retry again = error == ProxyError::kNone ? Retry::kNever : may_retry(error);
  const bool another = again != Retry::kNever && next_try(again);
  // What goes out once more for free is still the same retry.
  if (retried && !(another && again == Retry::kIfReused)) [[unlikely]] {
    auto& counters = upstream_->counters();
    upstream::bump(error == ProxyError::kNone ? counters.retries_ok : counters.retries_failed);
  }
  if (!another) {
    if (!covered_ || !falls_back(error)) return false;
    fall_back(error);
  }
  error = ProxyError::kNone;
  return true;
}

// False: there is no endpoint to try it on.
bool Exchange::next_try(Retry kind) {
  // An idle connection that died says nothing against the endpoint, which may be the only one that
  // knows this user.
  const bool stays = kind == Retry::kIfReused && upstream_->needs_key();
  if (!stays) tried_.add(lease_.endpoint());
  // What the present lease is of lives until there is another one.
  TablePointer followed = later_;
  upstream::Upstream* const before = upstream_;
  follow_endpoints();
  upstream::Lease lease = upstream_->acquire(tried_, stale_retried_, balance_key_);
  if (!lease) {
    later_ = std::move(followed);
    upstream_ = before;
    return false;
  }
  ++retries_made_;
  body_waits_ = body_waits_ || upload_.has_read();
  if (body_waits_) {
    clear_response();
  } else {
    clear_try();
  }
  target_good_ = false;
  begin_try(std::move(lease));
  return true;
}

// What was decided stays. But a request that has waited, or has to be tried again, goes to none of
// the endpoints that have been taken out meanwhile. Of the later tables it holds the last one.
void Exchange::follow_endpoints() noexcept {
  if (state_.table == table_) return;
  for (const auto& each : state_.table->upstreams) {
    if (each->share().counters != upstream_->share().counters) continue;
    if (each.get() == upstream_) return;
    later_ = state_.table;
    upstream_ = each.get();
    if (upstream_->needs_key() && balance_key_ == 0) balance_key_ = balance_key();
    return;
  }
}

TryFailure Exchange::failure_of(ProxyError error) const noexcept {
  return {.error = error,
          .try_expired = try_expires_at_ <= now(),
          .reused = lease_.connected() && lease_.reused(),
          .request_sent = upload_.started() && upload_.has_sent() && !body_waits_,
          .body_lost = upload_.started() && !upload_.can_restart(),
          .response_seen = response_end_ > 0 || interims_ > 0 || client_told_,
          .idempotent = http::is_idempotent(request_.method)};
}

// What this try says about its endpoint.
void Exchange::note_outcome(ProxyError error) const noexcept {
  if (!lease_) return;
  // A pooled connection that was dead before our bytes came says nothing: retry.hpp.
  const TryFailure failure = failure_of(error);
  if (error == ProxyError::kUpstreamReset && failure.reused && !failure.response_seen) return;
  // Nor does one that was asked when others had used up the time.
  if (error == ProxyError::kTimeout && request_deadline() <= now() &&
      2 * (try_began_at_ - started_at_) > timeouts_->request) {
    return;
  }
  const bool cannot_serve = status_ >= 502 && status_ <= 504;
  if (is_version_failure(error) || cannot_serve) {
    upstream_->count_failure(*lease_.endpoint());
  } else if (status_ != 0 && down_ != FlowState::kSourceCut &&
             !(error == ProxyError::kClientGone && upstream_broke_off())) {
    upstream_->count_success(*lease_.endpoint());
  }
}

Retry Exchange::may_retry(ProxyError error) noexcept {
  if (request_deadline() <= now()) return Retry::kNever;
  const Retry kind = retry_of(failure_of(error), upstream_spec().retries);
  if (kind == Retry::kIfReused) {
    return std::exchange(stale_retried_, true) ? Retry::kNever : kind;
  }
  if (kind == Retry::kNever || tries_ >= upstream_spec().retries.attempts) return Retry::kNever;
  if (!upstream_->retry_budget().withdraw(now())) {
    upstream::bump(upstream_->counters().retries_denied);
    return Retry::kNever;
  }
  ++tries_;
  return kind;
}

net::Task<ProxyError> Exchange::connect() {
  // Not a retry: that has an endpoint, and what the upstream has become allows it.
  if (upstream_spec().concurrency && !slot_ && !lease_) {
    const ProxyError entered = co_await enter();
    if (entered != ProxyError::kNone) co_return entered;
    follow_endpoints();
    begin_first_try();
    if (lease_.connected()) co_return ProxyError::kNone;
  }
  if (!lease_) co_return ProxyError::kNoHealthyEndpoint;
  const Monotonic began_at = now();
  if (auto begun = lease_.connect(); !begun) {
    // Out of descriptors or ports: our limit, not the version's fault.
    co_return begun.error().code == ErrorCode::kLimit ? ProxyError::kOverloaded
                                                      : ProxyError::kConnectFailed;
  }
  const Monotonic last = std::min(now() + timeouts_->connect, request_deadline());
  for (;;) {
    const Monotonic by = std::min(last, try_deadline());
    const net::Wake wake =
        co_await connection_->waiter().until(by, net::writable(server()), net::hung_up(client()));
    if (wake == net::Wake::kCancelled) co_return ProxyError::kShuttingDown;
    // The try's time is over, but the budget for another one has been used up meanwhile: go on.
    if (wake == net::Wake::kReady || std::min(last, try_deadline()) <= now()) break;
  }
  if (!server().writable_flag()) {
    if (client().hangup()) co_return ProxyError::kClientGone;
    lease_.connected(false);
    co_return timed_out();
  }
  const bool ok = !server().connect_error().has_value();
  lease_.connected(ok);
  if (ok) connect_took_ = now() - began_at;
  co_return ok ? ProxyError::kNone : ProxyError::kConnectFailed;
}

// Waits for its turn. Whoever is turned away here has not been near the upstream: no version is
// charged, none is asked instead.
net::Task<ProxyError> Exchange::enter() {
  upstream::UpstreamCounters& counters = upstream_->counters();
  upstream::ConcurrencyTicket ticket;
  if (!upstream_->concurrency()->wait(ticket)) {
    upstream::bump(counters.queue_full);
    co_return ProxyError::kOverloaded;
  }
  target_good_ = false;
  const Duration longest = upstream_spec().concurrency->queue_timeout;
  const Monotonic since = now();
  const Monotonic by = std::min(since + longest, request_deadline());
  queued_ = true;
  const net::Wake wake = co_await connection_->waiter().until(
      by, net::readable(ticket.granted()), net::hung_up(client()));
  queued_ = false;
  queue_took_ += now() - since;
  slot_ = ticket.take();
  const bool stops = wake == net::Wake::kCancelled;
  const bool gone = client().hangup();
  if (slot_ && !stops && !gone && now() < request_deadline()) co_return ProxyError::kNone;
  slot_.release();
  if (gone) co_return ProxyError::kClientGone;
  if (stops) co_return ProxyError::kShuttingDown;
  upstream::bump(counters.queue_timeout);
  co_return ProxyError::kOverloaded;
}

// Its connection is free, or closed, before somebody else gets the slot.
void Exchange::leave_upstream() noexcept {
  lease_.close();
  slot_.release();
}

void Exchange::clear_try() noexcept {
  upload_.reset();
  clear_response();
}

void Exchange::clear_response() noexcept {
  download_.reset();
  response_block_.release();
  response_begin_ = response_end_ = 0;
  response_parser_.reset();
  stage_ = ResponseStage::kHead;
  status_ = 0;
  interims_ = 0;
  continued_ = false;
  connect_took_.reset();
  first_byte_at_.reset();
  grpc_status_.reset();
  grpc_failed_ = grpc_trailers_ = false;
  response_keep_alive_ = client_keep_alive_ = until_close_ = false;
}

Monotonic Exchange::request_deadline() const noexcept {
  return deadline_of(timeouts_->request);
}

Monotonic Exchange::deadline_of(Duration total) const noexcept {
  return total > Duration::zero() ? started_at_ + total : net::kNever;
}

// Only while another try could follow it: the last one has all the time that is left.
Monotonic Exchange::try_deadline() const noexcept {
  if (try_expires_at_ == net::kNever || tries_ >= upstream_spec().retries.attempts ||
      !upstream_->retry_budget().available(now())) {
    return net::kNever;
  }
  TryFailure expired = failure_of(ProxyError::kTimeout);
  expired.try_expired = true;
  return retry_of(expired, upstream_spec().retries) == Retry::kSafe ? try_expires_at_ : net::kNever;
}

}  // namespace canaryd::proxy
