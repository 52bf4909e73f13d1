// What an exchange tells the gate of its rollout, so that a canary that fails is left alone at once
// and on every worker; and the probes of one that is. docs/design.md section 11.
#include "canaryd/http/websocket.hpp"
#include "proxy/exchange.hpp"
#include "proxy/record.hpp"

#include <algorithm>

namespace canaryd::proxy {
namespace {

// A stream that is silent for longer may have stopped.
constexpr Duration kServed = std::chrono::seconds(5);

Duration within(Duration timeout, Duration limit) noexcept {
  return timeout > Duration::zero() ? std::min(timeout, limit) : limit;
}

}  // namespace

// Before anything is sent to the canary; or one of its users, who is on stable now, may be the next
// probe.
void Exchange::guard() noexcept {
  const routing::Rollout& rollout = *route_->rollout;
  routing::CohortGate& gate = *rollout.gate;
  if (!pick_.may_probe) {
    if (failure_policy()->protection.circuit_failures > 0) slow_after_ = gate.slow_after();
    return;
  }
  // A tunnel stays where it is for hours: only where nothing else comes.
  const bool tunnel = request_.upgrade && http::offers_websocket(request_);
  const bool covered = !tunnel && is_covered(failure_policy()->fallback, request_);
  if (!gate.claim_probe(rollout.generation, now(), covered)) return;
  if (!enter_probe()) {
    gate.probed(rollout.generation, false);
    return;
  }
  probe_ = true;
  pick_.cohort = Cohort::kCanary;
  pick_.upstream = rollout.canary;
  // Its time was chosen, and nobody else's was.
  pick_.counts_for_analysis = false;
}

// A canary that has no slot left would let its probe wait, and the probe's user see that it was
// turned away. Nothing has been sent yet, so whatever the request is, stable takes it as before.
bool Exchange::enter_probe() noexcept {
  upstream::Upstream& canary = *table_->upstreams[route_->rollout->canary.index()];
  if (!canary.spec().concurrency) return true;
  slot_ = canary.concurrency()->try_enter();
  return static_cast<bool>(slot_);
}

// A probe that hangs is a bad one soon.
void Exchange::hasten() noexcept {
  upstream::Timeouts short_ones = *timeouts_;
  short_ones.connect = within(short_ones.connect, routing::CohortGate::kProbeTime);
  short_ones.first_byte = within(short_ones.first_byte, routing::CohortGate::kProbeTime);
  route_timeouts_ = short_ones;
  timeouts_ = &route_timeouts_;
}

void Exchange::charge_circuit() noexcept {
  const routing::Rollout& rollout = *route_->rollout;
  const Protection& protection = failure_policy()->protection;
  if (probe_) {
    rollout.gate->probed(rollout.generation, false);
  } else if (protection.circuit_failures > 0 && !slow_counted_) {
    rollout.gate->failed(
        rollout.generation, protection.circuit_failures, now() + protection.open_for);
  }
}

// Its client has left an answer that was coming, as whoever reads a stream does in the end. Not one
// that had stopped: that may be why. And not who is still there, and was given up by us or by the
// upstream: that the answer broke off is nothing good.
bool Exchange::left_while_served(ProxyError error) const noexcept {
  if (error != ProxyError::kClientGone || !client_told_ || status_ == 0) return false;
  const bool left = client().error() || up_ == FlowState::kSourceCut;
  // What the upstream had broken off behind what was still to be taken was not coming any more.
  const bool came = down_ != FlowState::kSourceCut && !upstream_broke_off();
  return left && came && now() - download_moved_at_ < kServed;
}

// The end of a request to the canary. What fell back was charged when it did, and no user saw it;
// if stable failed as well, it was not the canary alone. Who forced the canary wanted to see it.
void Exchange::protect(const ExchangeRecord& entry) noexcept {
  if (charged_ || fell_back_ || pick_.spares_gate()) return;
  if (is_blameless(entry.error) && !entry.left) return;
  const routing::Rollout& rollout = *route_->rollout;
  if (entry.left ||
      !is_charged(*entry.policy, entry.error, entry.upstream_status, entry.grpc_failed)) {
    if (probe_) {
      rollout.gate->probed(rollout.generation, true);
    } else if (!slow_counted_) {
      rollout.gate->succeeded(rollout.generation);
    }
    return;
  }
  charge();
}

void Exchange::charge() noexcept {
  const routing::Rollout& rollout = *route_->rollout;
  charge_circuit();
  rollout.gate->exposed(rollout.generation, failure_policy()->protection.exposure_max);
  charged_ = true;
}

// A status that is a failure goes to the client: charged before it does, because whoever reads it
// may ask again at once, and over another worker.
void Exchange::charge_status() noexcept {
  if (fell_back_ || pick_.spares_gate()) return;
  if (grpc_failed_ || failure_policy()->is_failure(status_)) charge();
}

// The canary has all of the request and says nothing for longer than nearly all answers of stable
// take: the circuit counts that without waiting for the timeout. The request goes on.
void Exchange::note_silence(FlowState up) noexcept {
  if (slow_after_ == Duration::zero() || !upstream_must_speak(up)) return;
  if (std::max(upload_moved_at_, download_moved_at_) + slow_after_ > now()) return;
  if (!pick_.spares_gate()) charge_circuit();
  slow_counted_ = true;
  slow_after_ = Duration::zero();
}

// Once a second or so: one that began before it was known what silence is too long has set no clock
// by it.
void Exchange::check_silence() noexcept {
  // Nothing is with the canary before that, nor while another try connects.
  if (counters_ == nullptr || !upload_.started() || body_waits_) return;
  if (pick_.cohort != Cohort::kCanary || probe_ || fell_back_) return;
  const bool counts = failure_policy()->protection.circuit_failures > 0;
  if (counts && !slow_counted_ && slow_after_ == Duration::zero()) {
    slow_after_ = route_->rollout->gate->slow_after();
  }
  note_silence(up_);
}

}  // namespace canaryd::proxy
