#include "proxy/exchange.hpp"

#include "canaryd/base/hash.hpp"
#include "canaryd/http/forwarding.hpp"
#include "canaryd/routing/client_address.hpp"
#include "proxy/local_reply.hpp"
#include "proxy/record.hpp"

#include <algorithm>
#include <cstring>

namespace canaryd::proxy {
namespace {

ProxyError error_of(http::Refusal refusal) noexcept {
  switch (refusal) {
    case http::Refusal::kNone:
      return ProxyError::kNone;
    case http::Refusal::kBadRequest:
      return ProxyError::kBadRequest;
    case http::Refusal::kTargetTooLong:
      return ProxyError::kTargetTooLong;
    case http::Refusal::kHeadersTooLarge:
      return ProxyError::kHeadersTooLarge;
    case http::Refusal::kExpectationFailed:
      return ProxyError::kExpectationFailed;
    case http::Refusal::kNotImplemented:
      return ProxyError::kNotImplemented;
    case http::Refusal::kVersionNotSupported:
      return ProxyError::kVersionNotSupported;
    case http::Refusal::kUpstreamProtocol:
      return ProxyError::kUpstreamProtocol;
  }
  return ProxyError::kInternal;
}

// After these the bytes that follow cannot be told from the request, or nobody is there to take
// them: the connection ends.
bool ends_connection(ProxyError error) noexcept {
  switch (error) {
    case ProxyError::kBadRequest:
    case ProxyError::kRequestTimeout:
    case ProxyError::kBodyTooLarge:
    case ProxyError::kTargetTooLong:
    case ProxyError::kExpectationFailed:
    case ProxyError::kHeadersTooLarge:
    case ProxyError::kNotImplemented:
    case ProxyError::kVersionNotSupported:
    case ProxyError::kShuttingDown:
      return true;
    default:
      return false;
  }
}

// Where nobody is split.
routing::Pick undrawn(const routing::RouteMatch& route) noexcept {
  routing::Pick pick;
  pick.cohort = Cohort::kNone;
  pick.upstream = route.upstream;
  return pick;
}

}  // namespace

Exchange::Exchange(ServiceState& state)
    : state_(state),
      next_(state.exchanges),
      upload_(state.runtime.buffers()),
      download_(state.runtime.buffers(), false) {
  if (next_ != nullptr) next_->previous_ = this;
  state_.exchanges = this;
}

// A service that is destroyed takes its requests with it; they were begun, so they are finished.
Exchange::~Exchange() {
  if (counters_ != nullptr) record(ProxyError::kClientGone);
  // Its queue may be of a table that only later_ holds, which goes first.
  slot_.release();
  (previous_ != nullptr ? previous_->next_ : state_.exchanges) = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
}

void Exchange::begin(Connection& connection) noexcept {
  connection_ = &connection;
  request_parser_.set_limits(connection.spec().head);
  begin_ = end_ = 0;
}

// What of it is not memory that the next start() clears; and of that the lists of a head that had
// very many fields, for many exchanges are kept.
void Exchange::release() noexcept {
  constexpr std::size_t kFieldsKept = 256;
  for (http::FieldList* const list : {&request_.fields, &response_.fields}) {
    if (list->room() > kFieldsKept) list->drop();
  }
  upload_.release();
  download_.release();
  response_block_.release();
  head_block_.release();
  table_.reset();
  later_.reset();
  connection_ = nullptr;
}

void Exchange::clear_request() noexcept {
  route_ = nullptr;
  rules_ = nullptr;
  respond_ = nullptr;
  counters_ = nullptr;
  client_told_ = interim_sent_ = covered_ = set_aside_ = fell_back_ = body_waits_ = queued_ = false;
  charged_ = probe_ = slow_counted_ = overdue_ = hung_ = trace_begun_ = vote_ = parity_ = false;
  body_taken_ = 0;
  slow_after_ = Duration::zero();
  retries_made_ = 0;
  client_took_ = queue_took_ = Duration::zero();
  segments_ = {};
  later_.reset();
  clear_try();
  request_.clear();
  request_parser_.reset();
}

// ---- The request head

// True when it is decided: the head is whole, or `outcome` says what is wrong. False: the rest has
// not come yet.
bool Exchange::take_head(ProxyError& outcome) {
  outcome = ProxyError::kNone;
  for (;;) {
    if (begin_ < end_) {
      const http::ParseState state = request_parser_.parse(received(), request_);
      if (state == http::ParseState::kDone) return true;
      if (state == http::ParseState::kError) {
        outcome = error_of(request_parser_.refused().why);
        return true;
      }
    }
    outcome = make_room();
    if (outcome != ProxyError::kNone) return true;
    const net::IoResult got = client().recv(head_block_.span().subspan(end_));
    if (got.would_block()) return false;
    if (!got.ok()) {
      outcome = ProxyError::kClientGone;
      return true;
    }
    end_ += got.bytes;
  }
}

net::Task<ProxyError> Exchange::await_head() {
  const Monotonic deadline = now() + connection_->spec().header_timeout;
  ProxyError outcome = ProxyError::kNone;
  do {
    if (nothing_received()) co_return ProxyError::kNone;
    park_head();
    const net::Wake wake = co_await connection_->waiter().until(deadline, net::readable(client()));
    if (wake == net::Wake::kTimeout) co_return ProxyError::kRequestTimeout;
    if (wake == net::Wake::kCancelled) co_return ProxyError::kShuttingDown;
  } while (!take_head(outcome));
  co_return outcome;
}

// Not a byte of a request. An empty line before it is none (RFC 9112 section 2.2): what some old
// clients send behind a body.
bool Exchange::nothing_received() const noexcept {
  const std::string_view bytes = received();
  return bytes.empty() || bytes == "\r\n";
}

// A small block to begin with. A head that does not fit grows by doubling: it never takes more than
// twice what the client has sent, and this.
ProxyError Exchange::make_room() {
  if (head_block_ && end_ < head_block_.size()) return ProxyError::kNone;
  const std::size_t held = end_ - begin_;
  if (head_block_ && begin_ > 0) {
    std::memmove(head_block_.data(), head_block_.data() + begin_, held);
    head_moved(held);
    return ProxyError::kNone;
  }
  // No head is longer than a large block.
  if (held >= net::BufferPools::kLargeBytes) return ProxyError::kHeadersTooLarge;
  net::BufferPools& pools = state_.runtime.buffers();
  auto block = held < net::BufferPools::kSmallBytes
                   ? pools.small.acquire()
                   : pools.exact.acquire(std::min(2 * held, net::BufferPools::kLargeBytes));
  if (!block) return ProxyError::kOverloaded;
  take_head_block(std::move(*block));
  return ProxyError::kNone;
}

// Half a head waits in as many bytes as it has: thousands of clients that send theirs slowly must
// not hold thousands of blocks.
void Exchange::park_head() noexcept {
  const std::size_t held = end_ - begin_;
  if (head_block_.size() <= 2 * held) return;
  // None to be had: then it stays where it is.
  auto exact = state_.runtime.buffers().exact.acquire(held);
  if (exact) take_head_block(std::move(*exact));
}

void Exchange::take_head_block(net::Buffer block) noexcept {
  const std::size_t held = end_ - begin_;
  if (held > 0) std::memcpy(block.data(), head_block_.data() + begin_, held);
  head_block_ = std::move(block);
  head_moved(held);
}

// What has been parsed of it so far follows the bytes to where they are now.
void Exchange::head_moved(std::size_t held) noexcept {
  begin_ = 0;
  end_ = held;
  if (held > 0) static_cast<void>(request_parser_.parse(received(), request_));
}

// ---- The decision

// Nobody decides by what is not believed and not forwarded: it is as if it had not been sent.
void Exchange::forget_unbelieved() noexcept {
  if (!table_->snapshot.shared->table->reads_what_proxies_say()) return;
  if (connection_->peer_trusted()) return;
  request_.fields.remove_if([](const auto& field) { return routing::is_of_proxies(field.name); });
}

ProxyError Exchange::decide() {
  const auto scratch = state_.target_scratch(http::target_scratch_bytes(request_));
  const http::UriRules& rules = connection_->spec().targets;
  if (const auto refused = http::parse_target(request_, rules, scratch, target_)) {
    return error_of(refused.why);
  }
  target_good_ = true;
  if (http::goes_in_circles(request_)) [[unlikely]]
    return ProxyError::kLoopDetected;
  table_ = state_.table;
  if (!table_) return ProxyError::kNoRoute;
  forget_unbelieved();
  if (connection_->spec().feedback && is_vote()) [[unlikely]] {
    vote_ = true;
    return ProxyError::kNone;
  }
  const Snapshot& snapshot = *table_->snapshot.shared;
  route_ = snapshot.table->match(request_, target_);
  if (route_ == nullptr) {
    if (table_->snapshot.paths != nullptr) table_->snapshot.paths->count(target_.path, false);
    return ProxyError::kNoRoute;
  }

  const bool draws = route_->rollout != nullptr || route_->is_split();
  if (!draws || !snapshot.rules.empty()) [[unlikely]] {
    pick_ = undrawn(*route_);
  }
  if (!snapshot.rules.empty()) [[unlikely]] {
    if (const ProxyError error = use_rules(); error != ProxyError::kNone || respond_ != nullptr) {
      return error;
    }
  }
  if (draws) {
    const IpAddress client_ip = connection_->client_address(request_);
    const routing::PickInput input{request_.fields,
                                   target_.query,
                                   client_ip,
                                   connection_->peer_trusted(),
                                   state_.runtime.random(),
                                   target_.path,
                                   &connection_->key_memo()};
    pick_ = route_->is_split() ? routing::pick_lane(route_, input)
                               : routing::pick_cohort(*route_->rollout, input);
    const auto& exclusions = route_->rollout->exclude;
    if (!exclusions.empty() && routing::fits_any(exclusions, input.facts())) [[unlikely]] {
      routing::exclude(pick_);
    }
    if (pick_.cohort == Cohort::kCanary || pick_.may_probe) guard();
  }
  use_upstream(pick_.upstream);
  answering_ = pick_.cohort;
  cover();
  if (!snapshot.watches.empty() && route_->rollout != nullptr) [[unlikely]] {
    segments_ = segments_of(snapshot.watches[route_->rollout->id.index()], request_.fields);
  }
  counters_ = &table_->snapshot.counters->at(route_->id, pick_.cohort);
  counters_->begin();
  fresh_request_id_ = routing::make_fresh_id(state_.runtime.random());
  if (snapshot.traces) begin_trace(*snapshot.traces);
  if (!snapshot.mirrors.empty()) choose_copy();
  if (!snapshot.parities.empty()) [[unlikely]]
    choose_parity();

  const auto body_max = connection_->spec().body_bytes_max;
  if (body_max && request_.framing.kind == http::BodyKind::kLength &&
      request_.framing.length > *body_max) {
    return ProxyError::kBodyTooLarge;
  }
  return ProxyError::kNone;
}

void Exchange::begin_trace(BasisPoints sampled) noexcept {
  if (http::trace_parent(request_.fields)) return;
  Random& random = state_.runtime.random();
  const bool marked = random.below(BasisPoints::kMax) < sampled.value();
  fresh_trace_ = http::FreshTraceParent(random, marked);
  trace_begun_ = true;
}

void Exchange::use_upstream(UpstreamId id) noexcept {
  upstream_ = table_->upstreams[id.index()].get();
  balance_key_ = upstream_->needs_key() ? balance_key() : 0;
  timeouts_ = &upstream_spec().timeouts;
  const auto& of_routes = table_->snapshot.shared->route_timeouts;
  if (!of_routes.empty() && of_routes[route_->id.index()].any()) {
    route_timeouts_ = of_routes[route_->id.index()].over(*timeouts_);
    timeouts_ = &route_timeouts_;
  }
  if (probe_ && !fell_back_) hasten();
  if (!table_->snapshot.stable_uses.empty()) [[unlikely]]
    note_use(id);
}

// Requests of one user belong together, and those of one client where users are not told apart.
std::uint64_t Exchange::balance_key() const noexcept {
  if (pick_.user_hash != 0) return pick_.user_hash;
  const IpAddress ip = connection_->client_address(request_);
  std::array<char, 17> bytes{ip.is_v6() ? '6' : '4'};
  std::memcpy(bytes.data() + 1, ip.bytes().data(), ip.bytes().size());
  return siphash({}, {bytes.data(), bytes.size()});
}

// ---- The end

bool Exchange::wants_keep_alive() const noexcept {
  return request_.keep_alive && !connection_->ending() &&
         connection_->spec().keep_alive_timeout > Duration::zero();
}

// An error, or the end of an OPTIONS request: the whole answer is ours.
net::Task<Next> Exchange::answer(ProxyError error) {
  record(error);
  const bool body_unread = !request_.framing.empty() && !upload_.complete() && body_taken_ == 0;
  leave_upstream();
  if (error == ProxyError::kClientGone) co_return Next::kClose;
  const bool understood = request_.size > 0 && !ends_connection(error);
  const bool keep = understood && !body_unread && wants_keep_alive();

  http::HeadBuffer out(state_.head_scratch());
  http::SetCookie cookie;
  LocalReply reply;
  reply.error = error;
  reply.accepted = vote_ && error == ProxyError::kNone;
  reply.head_only = request_.method == http::Method::kHead;
  reply.keep_alive = keep;
  if (route_ != nullptr) reply.request_id = http::request_id(request_, fresh_request_id_.text());
  if (route_ != nullptr && route_->rollout != nullptr) tell_decision(reply, cookie);
  reply.date = state_.date();
  if (respond_ != nullptr && error == ProxyError::kNone) {
    write_own_answer(out, keep);
  } else {
    write_local_reply(out, reply);
  }
  download_.start_head(out.view());
  for (;;) {
    const FlowState sent = download_.pump(client(), client());
    if (sent == FlowState::kDone) break;
    if (sent != FlowState::kNeedWrite) co_return Next::kClose;
    const Monotonic by = now() + connection_->spec().write_stall_timeout;
    const net::Wake wake = co_await connection_->waiter().until(by, net::writable(client()));
    if (wake != net::Wake::kReady) co_return Next::kClose;
  }
  client_keep_alive_ = keep;
  if (!keep) co_return Next::kLinger;
  if (!upload_.started()) {
    begin_ += request_.size + body_taken_;
    co_return begin_ < end_ ? Next::kPipelined : Next::kIdle;
  }
  co_return after_response();
}

// As with a response: without the cookie the next try of a new user would be drawn anew, and be
// that of another client.
void Exchange::tell_decision(LocalReply& reply, http::SetCookie& cookie) const noexcept {
  if (connection_->spec().expose_cohort) reply.cohort = answering_;
  if (!pick_.issue_cookie) return;
  const routing::IssueCookie& issue = *route_->rollout->sticky.issue_cookie;
  cookie = routing::make_set_cookie(issue, pick_.fresh_id, client_is_tls());
  reply.cookie = &cookie;
}

// An upstream answered, whole or not.
Next Exchange::finish() {
  record(error_);
  const bool clean = error_ == ProxyError::kNone && response_keep_alive_ && upload_.complete() &&
                     download_.rest().empty() && !server().hangup();
  if (clean) {
    lease_.give_back();
  } else {
    lease_.close();
  }
  slot_.release();
  if (error_ != ProxyError::kNone) return until_close_ ? Next::kReset : Next::kClose;
  if (!upload_.complete()) return Next::kLinger;
  if (!client_keep_alive_) {
    // A close with bytes unread is a reset, which may take the response away from the client.
    const bool drained = upload_.rest().empty() && !client().readable_flag();
    return drained ? Next::kClose : Next::kLinger;
  }
  return after_response();
}

// What came behind the request is the next one.
Next Exchange::after_response() noexcept {
  const std::string_view rest = upload_.rest();
  if (rest.empty()) {
    begin_ = end_ = 0;
    return Next::kIdle;
  }
  if (upload_.has_read()) head_block_ = upload_.take_block();
  begin_ = static_cast<std::size_t>(rest.data() - head_block_.data());
  end_ = begin_ + rest.size();
  return Next::kPipelined;
}

void Exchange::record(ProxyError error) {
  if (error != ProxyError::kNone) connection_->listener()->counters->count(error);
  if (grpc_trailers_) [[unlikely]]
    read_grpc_trailers();
  if (state_.wants_access()) log_access(error);
  if (copy_ != nullptr) end_copy();
  if (counters_ == nullptr) return;
  if (hung_ || error == ProxyError::kClientGone) [[unlikely]]
    end_hang(error);
  if (error == ProxyError::kClientGone) [[unlikely]]
    count_abandoned();
  const ExchangeRecord made = entry(error);
  if (pick_.cohort == Cohort::kCanary) protect(made);
  write_record(made, *counters_, state_.dedupe, state_.options.failures.get());
  counters_ = nullptr;
}

std::uint16_t Exchange::told(ProxyError error) const noexcept {
  if (vote_ && error == ProxyError::kNone) return 202;
  if (respond_ != nullptr && error == ProxyError::kNone) return respond_->status;
  return client_told_ && status_ != 0 ? status_ : status_of(error);
}

ExchangeRecord Exchange::entry(ProxyError error) const noexcept {
  ExchangeRecord entry;
  entry.error = error;
  entry.status = told(error);
  entry.upstream_status = status_;
  entry.grpc_failed = grpc_failed_;
  entry.route = route_->id;
  entry.pick = &pick_;
  entry.bytes_in = upload_.data_bytes();
  entry.bytes_out = download_.data_bytes();
  entry.latency = now() - started_at_;
  entry.left = !fell_back_ && left_while_served(error);
  entry.overdue = overdue_;
  entry.ended_at = now();
  if (route_->rollout != nullptr) {
    entry.rollout = route_->rollout->id;
    entry.policy = failure_policy();
    entry.epoch = table_->snapshot.counters->epoch();
    entry.segments = segments_;
    entry.counters = table_->snapshot.counters.get();
    entry.cuts = stats::LatencyCuts(route_->rollout->gate->latency_cuts());
  }
  if (fell_back_) {
    entry.fallback = outcome_of_fallback(*entry.policy, error, status_);
    entry.error = canary_failure_.error;
    entry.upstream_status = canary_failure_.status;
    entry.grpc_failed = false;  // Of stable's answer.
  }
  return entry;
}

}  // namespace canaryd::proxy
