// Requests that nobody has answered for too long: slow while they are under way, and slow if their
// client gives up; and those that hang (stats/latency.hpp).
#include "canaryd/stats/latency.hpp"
#include "proxy/exchange.hpp"

namespace canaryd::proxy {

// Then nobody hangs but the client.
bool Exchange::waits_for_client() const noexcept {
  if (!upload_.started()) return false;
  const bool uploads = up_ == FlowState::kNeedRead && !upstream_must_speak(up_);
  return uploads || down_ == FlowState::kNeedWrite;
}

// What has fallen back is a failure of the canary's already; what is queued has not been near the
// version yet.
bool Exchange::waits_for_version() const noexcept {
  return !fell_back_ && !queued_ && !waits_for_client();
}

bool Exchange::is_older_than(Duration after) const noexcept {
  if (after == Duration::zero() || now() - started_at_ < after) return false;
  return !overdue_ && waits_for_version();
}

bool Exchange::is_evidence() const noexcept {
  return counters_ != nullptr && route_->rollout != nullptr && pick_.counts_for_analysis;
}

void Exchange::count_overdue() noexcept {
  if (!is_evidence() || !is_older_than(route_->rollout->gate->overdue_after())) return;
  counters_->count_overdue();
  overdue_ = true;
}

// Whoever gives up waiting blames nobody, but a version that makes them give up leaves no other
// trace.
void Exchange::count_abandoned() noexcept {
  if (status_ != 0 || !upload_.complete() || !is_evidence()) return;
  if (is_older_than(route_->rollout->gate->abandoned_after())) counters_->count_abandoned();
}

// ---- Hangs: silence that holds a step, whatever the step is judged by

bool Exchange::hangs() const noexcept {
  if (!is_evidence() || !waits_for_version()) return false;
  return is_silent_for(stats::hangs_after(route_->rollout->gate->slow_after()));
}

// Before its answer, but for what its client and our queue have taken of that time; or in the midst
// of one that is known to go on. A stream may be quiet for as long as it likes.
bool Exchange::is_silent_for(Duration limit) const noexcept {
  if (status_ == 0) return now() - started_at_ - client_took_ - queue_took_ >= limit;
  if (stage_ != ResponseStage::kBody) return false;
  return response_.framing.kind == http::BodyKind::kLength && now() - download_moved_at_ >= limit;
}

void Exchange::check_hang() noexcept {
  if (counters_ == nullptr || hung_ == hangs()) return;
  hung_ ? counters_->count_hung_settled() : counters_->count_hung();
  hung_ = !hung_;
}

// A client that leaves may have been too impatient for anybody to have seen the hang, and whoever
// has not sent all of the request need not have waited for an answer.
void Exchange::end_hang(ProxyError error) noexcept {
  const bool given_up = error == ProxyError::kClientGone && hangs();
  if (given_up && !hung_ && upload_.complete()) counters_->count_hung();
  if (!given_up && hung_) counters_->count_hung_settled();
  hung_ = false;
}

}  // namespace canaryd::proxy
