// The relay of an exchange: both directions pumped in turn.
//
// Nothing waits inside a direction: each is moved as far as it goes, and then one wait
// covers both, the client's leaving, and the nearest deadline. So an upstream may answer while the
// client still sends, and neither direction can starve the other.
#include "canaryd/http/chars.hpp"
#include "canaryd/http/forwarding.hpp"
#include "canaryd/http/websocket.hpp"
#include "proxy/exchange.hpp"

#include <algorithm>
#include <cstring>

namespace canaryd::proxy {
namespace {

// RFC 9110 section 15.2 allows any number of interim responses; a peer that sends more is not
// answering.
constexpr std::uint8_t kInterimsMax = 8;
// A client that keeps an upstream waiting for so long, or takes nothing for so long, has to expect
// that it is given up.
constexpr Duration kClientStall = std::chrono::seconds(1);

Monotonic after(Monotonic from, Duration timeout) noexcept {
  return timeout > Duration::zero() ? from + timeout : net::kNever;
}

}  // namespace

ProxyError Exchange::start_relay() {
  upload_moved_at_ = download_moved_at_ = now();
  upload_progress_ = download_progress_ = 0;
  up_ = down_ = FlowState::kNeedRead;
  turned_at_ = now();
  client_stalled_ = false;
  upload_backlog_ = download_backlog_ = {};
  return start_upload() ? ProxyError::kNone : ProxyError::kHeadersTooLarge;
}

// Moves what can be moved. True when it is over, and `outcome` says how.
bool Exchange::relay(ProxyError& outcome) {
  if (up_ == FlowState::kNeedRead || down_ == FlowState::kNeedWrite) note_client();
  up_ = advance_upload();
  down_ = advance_response();
  if (copy_ != nullptr && upload_.complete() && !copy_waits()) send_copy();
  note_progress();
  // It has caught up: what comes now is the upstream's own doing.
  if (down_ == FlowState::kNeedRead) client_stalled_ = false;
  if (const auto end = settled(up_, down_)) {
    outcome = *end;
    return true;
  }
  turned_at_ = now();
  if (!yields()) return false;
  note_silence(up_);
  if (wake_at() > now()) return false;
  look();
  if (deadline(up_, down_) > now()) return false;
  outcome = expired(up_, down_);
  return true;
}

net::Waiter::Awaiter Exchange::relay_wait() noexcept {
  net::Waiter& waiter = connection_->waiter();
  if (yields()) return waiter.yield();
  net::Interest upload{};
  if (up_ == FlowState::kNeedRead) upload = net::readable(client());
  if (up_ == FlowState::kNeedWrite) upload = net::writable(server());
  const net::Interest download =
      down_ == FlowState::kNeedWrite ? net::writable(client()) : net::readable(server());
  // Before the answer has begun a FIN means that nobody waits for it; afterwards it may be half a
  // close. Whoever reads from the client sees its end by reading: the flag alone would wake us
  // again and again while there is nothing to read yet.
  net::Interest leaving{};
  if (up_ != FlowState::kNeedRead) {
    leaving = client_told_ ? net::broken(client()) : net::hung_up(client());
  }
  return waiter.until(wake_at(), upload, download, leaving);
}

// kNone: go on.
ProxyError Exchange::outcome_of(net::Wake wake) noexcept {
  if (wake == net::Wake::kCancelled) return ProxyError::kShuttingDown;
  if (wake != net::Wake::kTimeout) return ProxyError::kNone;
  note_silence(up_);
  look();
  // Not if it was the try's, and others have used up the budget for another one meanwhile.
  return deadline(up_, down_) <= now() ? expired(up_, down_) : ProxyError::kNone;
}

// The outcome, if there is one. The response decides before the upload does: an upstream may refuse
// a body it has not read, and its answer is what the client is waiting for.
std::optional<ProxyError> Exchange::settled(FlowState up, FlowState down) const noexcept {
  switch (down) {
    case FlowState::kDone:
    case FlowState::kSetAside:
      return ProxyError::kNone;
    case FlowState::kSinkFailed:
      return ProxyError::kClientGone;
    case FlowState::kMalformed:
    case FlowState::kTooLarge:
      return ProxyError::kUpstreamProtocol;
    case FlowState::kSourceCut:
      return cut(up);
    case FlowState::kNoBuffer:
      return ProxyError::kOverloaded;
    case FlowState::kNeedRead:
    case FlowState::kNeedWrite:
    case FlowState::kYield:
      break;
  }
  switch (up) {
    case FlowState::kSourceCut:
      return ProxyError::kClientGone;
    case FlowState::kMalformed:
      return ProxyError::kBadRequest;
    case FlowState::kTooLarge:
      return ProxyError::kBodyTooLarge;
    case FlowState::kNoBuffer:
      return ProxyError::kOverloaded;
    default:
      break;
  }
  if (client().error()) return ProxyError::kClientGone;
  if (!client_told_ && client().hangup() && up != FlowState::kNeedRead) {
    return ProxyError::kClientGone;
  }
  return std::nullopt;
}

// An upstream that gives up a client that does not send, or does not take what is there, has not
// failed; not behind an early answer either. The time that counts is that of the client's silence
// now: one that was slow and is done does not excuse what comes afterwards.
ProxyError Exchange::cut(FlowState up) const noexcept {
  const bool owes = up == FlowState::kNeedRead && !upstream_must_speak(up);
  if (owes && now() - upload_moved_at_ >= kClientStall) {
    return ProxyError::kRequestTimeout;
  }
  return client_stalled_ ? ProxyError::kClientGone : ProxyError::kUpstreamReset;
}

// ---- Upload

bool Exchange::start_upload() {
  if (!target_good_) {
    const auto scratch = state_.target_scratch(http::target_scratch_bytes(request_));
    if (http::parse_target(request_, http::kTaken, scratch, target_)) return false;
  }
  http::RequestForwarding forwarding;
  forwarding.target = target_.forwarded;
  forwarding.authority = target_.authority;
  forwarding.client_ip = connection_->peer_text();
  forwarding.request_id = fresh_request_id_.text();
  if (trace_begun_) forwarding.traceparent = fresh_trace_.text();
  forwarding.peer_trusted = connection_->peer_trusted();
  forwarding.read = &table_->snapshot.shared->table->fields_read();
  websocket_ = request_.upgrade && http::offers_websocket(request_);
  forwarding.websocket = websocket_;
  if (route_->rollout != nullptr) {
    forwarding.cohort = answering_;
    forwarding.rollout = route_->rollout->name;
  }
  if (parity_) [[unlikely]]
    send_parity(forwarding);
  if (rules_ != nullptr) [[unlikely]] {
    if (copy_ != nullptr) {
      const UpstreamId mirror = table_->snapshot.shared->mirrors[route_->id.index()].to;
      forwarding.target = target_for(mirror, target_);
      begin_copy(forwarding);
    }
    forwarding.target = target_for(answering_upstream(), target_);
  } else if (copy_ != nullptr) {
    begin_copy(forwarding);
  }
  http::HeadBuffer out(state_.head_scratch());
  http::write_request_head(out, request_, forwarding);
  if (out.overflowed()) return false;
  const auto body_max = connection_->spec().body_bytes_max;
  const http::BodyOutput output = http::upload_output(request_);
  if (body_waits_) {
    body_waits_ = false;
    upload_.restart(out.view(), request_.framing, output, body_max);
    return true;
  }
  std::string_view input = received();
  input.remove_prefix(request_.size);
  upload_.start(out.view(), request_.framing, output, input, body_max);
  if (covered_) upload_.hold(failure_policy()->fallback.body_bytes_max);
  return true;
}

FlowState Exchange::advance_upload() {
  if (up_ == FlowState::kDone) return up_;
  const FlowState state = upload_.pump(client(), server());
  // The upstream closed its ear; it may have answered first.
  return state == FlowState::kSinkFailed ? FlowState::kDone : state;
}

// ---- Response

FlowState Exchange::advance_response() {
  for (;;) {
    if (stage_ == ResponseStage::kHead) {
      const FlowState head = read_response_head();
      if (head != FlowState::kDone) return head;
    }
    const FlowState state = download_.pump(server(), client());
    if (stage_ == ResponseStage::kBody) {
      client_told_ = client_told_ || download_.has_sent();
      return state;
    }
    if (state != FlowState::kDone) {
      // Half an interim response is with the client: no other answer can follow it.
      client_told_ = client_told_ || download_.has_sent();
      return state;
    }
    stage_ = ResponseStage::kHead;
  }
}

// kDone: a head, interim or final, is ready to be pumped.
FlowState Exchange::read_response_head() {
  for (;;) {
    if (response_begin_ < response_end_) {
      const std::string_view input(response_block_.data() + response_begin_,
                                   response_end_ - response_begin_);
      const http::ParseState state = response_parser_.parse(input, request_.method, response_);
      if (state == http::ParseState::kError) return FlowState::kMalformed;
      if (state == http::ParseState::kDone) {
        return response_.interim() ? begin_interim() : begin_response();
      }
    }
    const FlowState received = receive_response();
    if (received != FlowState::kDone) return received;
  }
}

FlowState Exchange::receive_response() {
  if (!server().readable_flag()) return FlowState::kNeedRead;
  net::BufferPools& pools = state_.runtime.buffers();
  if (!response_block_ || response_end_ == response_block_.size()) {
    const std::size_t held = response_end_ - response_begin_;
    if (held >= net::BufferPools::kLargeBytes) return FlowState::kMalformed;
    auto block = held < net::BufferPools::kSmallBytes
                     ? pools.small.acquire()
                     : pools.exact.acquire(std::min(2 * held, net::BufferPools::kLargeBytes));
    if (!block) return FlowState::kNoBuffer;
    if (held > 0) std::memcpy(block->data(), response_block_.data() + response_begin_, held);
    response_block_ = std::move(*block);
    response_begin_ = 0;
    response_end_ = held;
  }
  const net::IoResult got = server().recv(response_block_.span().subspan(response_end_));
  if (got.would_block()) return FlowState::kNeedRead;
  if (!got.ok()) return FlowState::kSourceCut;
  if (!first_byte_at_) {
    first_byte_at_ = now();
    upstream_->counters().first_byte.add(*first_byte_at_ - try_began_at_);
  }
  response_end_ += got.bytes;
  return FlowState::kDone;
}

FlowState Exchange::begin_interim() {
  if (response_.status == 101) {
    // Only what was asked for, and not before all of the asking has gone out.
    const bool agreed =
        websocket_ && upload_.complete() && http::answers_offer(response_, request_);
    return agreed ? begin_response() : FlowState::kMalformed;
  }
  if (++interims_ > kInterimsMax) return FlowState::kMalformed;
  continued_ = continued_ || response_.status == 100;
  http::HeadBuffer out(state_.head_scratch());
  // A client of HTTP/1.0 does not know them (RFC 9110 section 15.2).
  if (request_.version_minor >= 1) {
    http::write_interim_head(out, response_);
    interim_sent_ = true;
  }
  if (out.overflowed()) return FlowState::kMalformed;
  response_begin_ += response_.size;
  response_parser_.reset();
  stage_ = ResponseStage::kInterim;
  download_.start_head(out.view());
  return FlowState::kDone;
}

// Its connection to whoever ends TLS for us, who says so.
bool Exchange::client_is_tls() const noexcept {
  if (!connection_->peer_trusted()) return false;
  // Of several proxies the first one has the client.
  std::string_view scheme = request_.fields.value(http::FieldId::kXForwardedProto);
  scheme = scheme.substr(0, scheme.find_first_of(", \t"));
  return http::equals_ignore_case(scheme, "https");
}

FlowState Exchange::begin_response() {
  if (covered_ && sets_aside(response_.status)) {
    set_aside_ = true;
    status_ = response_.status;
    return FlowState::kSetAside;
  }
  if (rules_ != nullptr) [[unlikely]]
    edit_response();
  http::ResponseForwarding forwarding;
  // While the client still sends, where its next request begins is not known.
  const bool keep = wants_keep_alive() && upload_.complete();
  forwarding.plan = http::plan_response(response_, request_.version_minor, keep);
  forwarding.request_method = request_.method;
  forwarding.client_version_minor = request_.version_minor;
  // Reading the clock is not free, and most upstreams say the date themselves.
  if (!response_.fields.has(http::FieldId::kDate)) forwarding.date = state_.date();
  if (connection_->spec().expose_cohort && route_->rollout != nullptr) {
    forwarding.cohort = answering_;
  }
  http::SetCookie cookie;
  if (pick_.issue_cookie) {
    const routing::IssueCookie& issue = *route_->rollout->sticky.issue_cookie;
    cookie = routing::make_set_cookie(issue, pick_.fresh_id, client_is_tls());
    forwarding.cookie = &cookie;
    if (!http::may_issue_cookie(response_, forwarding.date)) counters_->count_withheld_cookie();
  }
  forwarding.websocket = response_.status == 101;
  http::HeadBuffer out(state_.head_scratch());
  http::write_response_head(out, response_, forwarding);
  if (out.overflowed()) return FlowState::kMalformed;

  status_ = response_.status;
  const bool grpc = response_.fields.has(http::FieldId::kGrpcStatus) ||
                    response_.framing.kind == http::BodyKind::kChunked;
  if (grpc) [[unlikely]]
    read_grpc_head();
  if (pick_.cohort == Cohort::kCanary) charge_status();
  client_keep_alive_ = forwarding.plan.keep_alive;
  until_close_ = forwarding.plan.framing.kind == http::BodyKind::kUntilClose;
  response_keep_alive_ =
      response_.keep_alive && response_.framing.kind != http::BodyKind::kUntilClose;
  const std::string_view input(response_block_.data() + response_begin_ + response_.size,
                               response_end_ - response_begin_ - response_.size);
  stage_ = ResponseStage::kBody;
  download_.start(out.view(), response_.framing, forwarding.plan.output, input);
  download_.adopt(std::move(response_block_));
  return FlowState::kDone;
}

// ---- Deadlines

void Exchange::note_progress() noexcept {
  if (upload_.progress() != upload_progress_) {
    upload_progress_ = upload_.progress();
    upload_moved_at_ = now();
  }
  // Of a head only its first byte counts: one that drips in has to be there in time all the same.
  const bool head_begun = response_begin_ < response_end_;
  const std::uint64_t moved = download_.progress() + 2U * interims_ + (head_begun ? 1U : 0U);
  if (moved != download_progress_) {
    download_progress_ = moved;
    download_moved_at_ = now();
    if (upstream_is_there()) client_stalled_ = false;
  }
}

// One that had gone before was not driven away by its client.
bool Exchange::upstream_is_there() noexcept {
  return !server().hangup() && !server().error();
}

// Before anything is moved: of the wait that has just ended. Of its own, so that relay(), which
// seldom comes here, stays small enough to have what each request takes in it.
[[gnu::noinline]] void Exchange::note_client() noexcept {
  if (!waits_for_client()) return;
  const Duration took = now() - turned_at_;
  client_took_ += took;
  // A try is the upstream's time: else one that has just got all of a slow upload would be over,
  // and the same request done again elsewhere while it is at it.
  if (try_expires_at_ != net::kNever) try_expires_at_ += took;
}

bool Exchange::upstream_broke_off() const noexcept {
  return lease_.connected() && lease_.stream().error();
}

// Which deadlines are not up yet after all: a socket that takes no more may still be emptying.
void Exchange::look() noexcept {
  if (down_ == FlowState::kNeedWrite) {
    const bool taken = download_backlog_.look(client(), download_moved_at_, now());
    if (taken) download_moved_at_ = now();
    if (upstream_is_there()) client_stalled_ = !taken && download_backlog_.stood() >= kClientStall;
  }
  if (up_ == FlowState::kNeedWrite && stage_ != ResponseStage::kBody) {
    if (upload_backlog_.look(server(), upload_moved_at_, now())) upload_moved_at_ = now();
  }
}

// It has all of the request, or all that the client sends before it hears "100 Continue".
bool Exchange::upstream_must_speak(FlowState up) const noexcept {
  if (stage_ == ResponseStage::kBody) return false;
  if (up == FlowState::kDone) return true;
  return request_.expect_continue && !continued_ && upload_.data_bytes() == 0 &&
         up == FlowState::kNeedRead;
}

bool Exchange::client_must_send(FlowState up) const noexcept {
  return up == FlowState::kNeedRead && stage_ != ResponseStage::kBody && !upstream_must_speak(up);
}

// What runs out next, and what that means. Each direction waits for one side at a time. Behind an
// early answer the upload has no time of its own: nobody need send or take the rest of it, and the
// answer ends the exchange.
Monotonic Exchange::deadline(FlowState up, FlowState down) const noexcept {
  const ListenerSpec& listener = connection_->spec();
  const upstream::Timeouts& timeouts = *timeouts_;
  Monotonic at = request_deadline();
  // A try is the upstream's time, and what the client takes to send is not.
  if (!client_must_send(up)) at = std::min(at, try_deadline());
  if (client_must_send(up)) {
    at = std::min(at, after(upload_moved_at_, listener.body_idle_timeout));
  } else if (up == FlowState::kNeedWrite && stage_ != ResponseStage::kBody) {
    at = std::min(at, after(upload_moved_at_, timeouts.body_idle));
  }
  if (down == FlowState::kNeedWrite) {
    at = std::min(at, after(download_moved_at_, listener.write_stall_timeout));
  } else if (stage_ == ResponseStage::kBody) {
    at = std::min(at, after(download_moved_at_, timeouts.body_idle));
  } else if (upstream_must_speak(up)) {
    const Monotonic since = std::max(upload_moved_at_, download_moved_at_);
    at = std::min({at, after(since, timeouts.first_byte), after(since, slow_after_)});
  }
  return at;
}

// A deadline, or the next look at who takes nothing.
Monotonic Exchange::wake_at() const noexcept {
  Monotonic at = deadline(up_, down_);
  if (down_ == FlowState::kNeedWrite) {
    const Duration limit = connection_->spec().write_stall_timeout;
    at = std::min(at, download_backlog_.look_at(download_moved_at_, limit));
  }
  if (up_ == FlowState::kNeedWrite && stage_ != ResponseStage::kBody) {
    at = std::min(at, upload_backlog_.look_at(upload_moved_at_, timeouts_->body_idle));
  }
  return at;
}

// Whoever is waited for when a time runs out is to blame, whichever time it is. A client that owes
// the rest of its request, or does not take its answer, is no fault of the version: not behind an
// early answer either, for that may depend on what the client has not sent.
ProxyError Exchange::expired(FlowState up, FlowState down) const noexcept {
  if (down == FlowState::kNeedWrite) return ProxyError::kClientGone;
  if (up == FlowState::kNeedRead && !upstream_must_speak(up)) return ProxyError::kRequestTimeout;
  return timed_out();
}

// What client and queue have left of the time for all is no time to answer in: then whoever of them
// took more of it is named.
ProxyError Exchange::timed_out() const noexcept {
  if (request_deadline() > now() || 2 * (client_took_ + queue_took_) <= timeouts_->request) {
    return ProxyError::kTimeout;
  }
  return queue_took_ > client_took_ ? ProxyError::kOverloaded : ProxyError::kRequestTimeout;
}

}  // namespace canaryd::proxy
