// A vote of a user (docs/interfaces.md, "Feedback"): read, joined with the user's cohort by the
// sticky key, and sent to control. Nothing of it goes upstream, and the answer is ours.
#include "canaryd/http/chars.hpp"
#include "canaryd/stats/feedback.hpp"
#include "proxy/exchange.hpp"
#include "proxy/vote_body.hpp"

#include <cstring>
#include <utility>

namespace canaryd::proxy {
namespace {

// Another site's page can send this type only after asking (a preflight, which no listener of ours
// answers), so it cannot vote in its visitors' names.
bool is_json(std::string_view content_type) noexcept {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  return http::equals_ignore_case(http::trim(type), "application/json");
}

// The cohort is the user's own, drawn by lot for a key that was there before the vote. At weight 0
// the rule is another one.
bool counts(const routing::Pick& pick) noexcept {
  const bool all_on_canary = pick.weight == BasisPoints(BasisPoints::kMax);
  return !all_on_canary && pick.counts_for_analysis && pick.rule == routing::PickRule::kWeight &&
         !pick.issue_cookie && pick.key_source != routing::KeySource::kPerRequest;
}

}  // namespace

bool Exchange::is_vote() const noexcept {
  return request_.method == http::Method::kPost && target_.path == kFeedbackPath;
}

net::Task<ProxyError> Exchange::take_vote() {
  ProxyError error = check_vote_head();
  const auto length = static_cast<std::size_t>(request_.framing.length);
  if (error == ProxyError::kNone) error = make_room_behind_head(length);
  const Monotonic by = now() + connection_->spec().header_timeout;
  const bool whole = received().size() >= request_.size + length;
  if (error == ProxyError::kNone && request_.expect_continue && !whole) {
    const ProxyError told = co_await say_continue(by);
    error = told;
  }
  while (error == ProxyError::kNone && received().size() < request_.size + length) {
    const net::IoResult got = client().recv(head_block_.span().subspan(end_));
    if (got.ok()) {
      end_ += got.bytes;
      continue;
    }
    if (!got.would_block()) co_return ProxyError::kClientGone;
    const net::Wake wake = co_await connection_->waiter().until(by, net::readable(client()));
    if (wake == net::Wake::kTimeout) co_return ProxyError::kRequestTimeout;
    if (wake == net::Wake::kCancelled) co_return ProxyError::kShuttingDown;
  }
  if (error != ProxyError::kNone) co_return error;
  body_taken_ = length;
  error = cast_vote(received().substr(request_.size, length));
  co_return error;
}

ProxyError Exchange::check_vote_head() const noexcept {
  if (request_.framing.kind == http::BodyKind::kChunked) return ProxyError::kNotImplemented;
  if (request_.framing.empty()) return ProxyError::kBadRequest;
  if (request_.framing.length > kVoteBytesMax) return ProxyError::kBodyTooLarge;
  if (!is_json(request_.fields.value(http::FieldId::kContentType))) return ProxyError::kBadRequest;
  return ProxyError::kNone;
}

// Whoever waits for it sends the body afterwards.
net::Task<ProxyError> Exchange::say_continue(Monotonic by) {
  download_.start_head("HTTP/1.1 100 Continue\r\n\r\n");
  for (;;) {
    const FlowState sent = download_.pump(client(), client());
    if (sent == FlowState::kDone) co_return ProxyError::kNone;
    if (sent != FlowState::kNeedWrite) co_return ProxyError::kClientGone;
    const net::Wake wake = co_await connection_->waiter().until(by, net::writable(client()));
    // Half of it may be with the client: nothing can follow it.
    if (wake != net::Wake::kReady) co_return ProxyError::kClientGone;
  }
}

ProxyError Exchange::make_room_behind_head(std::size_t bytes) {
  const std::size_t needed = request_.size + bytes;
  if (head_block_.size() - begin_ >= needed) return ProxyError::kNone;
  auto block = state_.runtime.buffers().exact.acquire(needed);
  if (!block) return ProxyError::kOverloaded;
  const std::size_t held = end_ - begin_;
  std::memcpy(block->data(), head_block_.data() + begin_, held);
  request_.rebase(head_block_.data() + begin_, block->data());
  head_block_ = std::move(*block);
  begin_ = 0;
  end_ = held;
  return ProxyError::kNone;
}

ProxyError Exchange::cast_vote(std::string_view body) {
  VoteBody said;
  const VoteRead read = read_vote(body, said);
  if (read == VoteRead::kTooLong) return ProxyError::kBodyTooLarge;
  if (read == VoteRead::kMalformed) return ProxyError::kBadRequest;
  const routing::RouteMatch* route = route_of_page(said.page);
  if (route == nullptr || (route->rollout == nullptr && !route->is_split())) {
    return ProxyError::kNoRoute;
  }

  const IpAddress ip = connection_->client_address(request_);
  Random& random = state_.runtime.random();
  const routing::PickInput input{
      request_.fields, target_.query, ip, connection_->peer_trusted(), random, target_.path};
  const routing::Pick pick = route->is_split() ? routing::pick_lane(route, input)
                                               : routing::pick_cohort(*route->rollout, input);
  if (!state_.vote_limiter.admit(ip, now(), random)) return ProxyError::kRateLimited;

  stats::Vote vote;
  vote.rollout = route->rollout->id;
  vote.epoch = table_->snapshot.shared->table->epoch();
  vote.cohort = pick.cohort;
  vote.counts = counts(pick);
  vote.score = static_cast<std::uint8_t>(said.score);
  vote.key_hash = pick.key_hash;
  vote.comment_size = static_cast<std::uint16_t>(said.comment_size);
  std::memcpy(vote.comment.data(), said.comment.data(), said.comment_size);
  // A full queue is too many votes as well.
  const auto& queue = state_.options.votes;
  return queue != nullptr && queue->push(vote) ? ProxyError::kNone : ProxyError::kRateLimited;
}

// The route that a GET of this page has; target_ is the page's then.
const routing::RouteMatch* Exchange::route_of_page(std::string_view page) {
  const http::Method method = std::exchange(request_.method, http::Method::kGet);
  const std::string_view method_text = std::exchange(request_.method_text, "GET");
  const std::string_view target = std::exchange(request_.target, page);
  const auto scratch = state_.target_scratch(http::target_scratch_bytes(request_));
  const routing::RouteMatch* route = nullptr;
  if (!http::parse_target(request_, connection_->spec().targets, scratch, target_)) {
    route = table_->snapshot.shared->table->match(request_, target_);
  }
  request_.method = method;
  request_.method_text = method_text;
  request_.target = target;
  return route;
}

}  // namespace canaryd::proxy
