// Requests that nobody has answered for too long: slow while they hang, and slow if their client
// gives up (stats/latency.hpp).
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
bool Exchange::is_older_than(Duration after) const noexcept {
  if (after == Duration::zero() || now() - started_at_ < after) return false;
  return !overdue_ && !fell_back_ && !queued_ && !waits_for_client();
}

bool Exchange::is_evidence() const noexcept {
  return counters_ != nullptr && route_->rollout != nullptr && pick_.counts_for_analysis;
}

void Exchange::count_overdue() noexcept {
  if (!is_evidence()) return;
  const routing::CohortGate& gate = *route_->rollout->gate;
  if (status_ != 0 && gate.overdue_unanswered()) return;
  if (!is_older_than(gate.overdue_after())) return;
  counters_->count_overdue();
  overdue_ = true;
}

// Whoever gives up waiting blames nobody, but a version that makes them give up leaves no other
// trace.
void Exchange::count_abandoned() noexcept {
  if (status_ != 0 || !upload_.complete() || !is_evidence()) return;
  if (is_older_than(route_->rollout->gate->abandoned_after())) counters_->count_abandoned();
}

}  // namespace canaryd::proxy
