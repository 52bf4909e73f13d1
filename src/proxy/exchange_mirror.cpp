// The copy that an exchange leaves to its route's mirror: whether there is one, what is in it, and
// when it goes.
#include "canaryd/http/forwarding.hpp"
#include "canaryd/http/websocket.hpp"
#include "proxy/exchange.hpp"

#include <utility>

namespace canaryd::proxy {

using stats::Mirrored;

// What a sample of copies without a key is drawn by. A client that could choose it would choose
// what is copied and what is compared.
std::string_view Exchange::sampled_id() const noexcept {
  const std::string_view fresh = fresh_request_id_.text();
  return connection_->peer_trusted() ? http::request_id(request_, fresh) : fresh;
}

// As a trusted peer says: anybody else would choose what is copied.
bool Exchange::is_copy() const noexcept {
  return connection_->peer_trusted() &&
         request_.fields.value(http::FieldId::kXCanarydCohort) == to_string(Cohort::kShadow);
}

// After the decision. A request that goes to the mirror's upstream anyway is not sent there twice,
// and one that is a copy itself is not copied again: two that mirror to each other would go on and
// on.
void Exchange::choose_copy() {
  const MirrorPolicy& policy = table_->snapshot.shared->mirrors[route_->id.index()];
  if (!policy.has(request_.method) || policy.to == pick_.upstream) return;
  if (request_.upgrade && http::offers_websocket(request_)) return;
  if (is_copy()) return;
  if (!policy.share.has(pick_.key_hash, sampled_id())) return;
  const bool too_large = request_.framing.kind == http::BodyKind::kLength &&
                         request_.framing.length > policy.body_bytes_max;
  if (too_large || state_.mirrors.busy()) {
    return drop_copy(too_large ? Mirrored::kTooLarge : Mirrored::kBusy);
  }
  copy_ = state_.mirrors.make_copy(policy.body_bytes_max);
}

// As what goes to the request's own upstream, but for the cohort. Before the head of that is
// written: both use the worker's scratch.
void Exchange::begin_copy(http::RequestForwarding forwarding) {
  if (!copy_->has_head() && !copy_->failed()) {
    forwarding.cohort = Cohort::kShadow;
    http::HeadBuffer out(state_.head_scratch());
    http::write_request_head(out, request_, forwarding);
    if (out.overflowed()) return drop_copy(Mirrored::kTooLarge);
    copy_->set_head(out.view());
  }
  if (const auto failed = copy_->failed()) return drop_copy(*failed);
  copy_->start();
  upload_.copy_to(copy_.get());
}

bool Exchange::mirrors_to_stable() const noexcept {
  return route_->rollout != nullptr &&
         table_->snapshot.shared->mirrors[route_->id.index()].to == route_->rollout->stable;
}

// As long as stable may have to answer the request itself.
bool Exchange::copy_waits() const noexcept {
  return covered_ && !client_told_ && mirrors_to_stable();
}

// The request has been forwarded whole.
void Exchange::send_copy() {
  upload_.copy_to(nullptr);
  if (const auto failed = copy_->failed()) return drop_copy(*failed);
  if (state_.mirrors.busy()) return drop_copy(Mirrored::kBusy);
  const MirrorPolicy& policy = table_->snapshot.shared->mirrors[route_->id.index()];
  MirrorOrder order;
  order.table = table_;
  order.to = policy.to;
  order.timeout = policy.timeout;
  order.counters = &table_->snapshot.counters->at(route_->id, Cohort::kShadow);
  order.method = request_.method;
  if (table_->upstreams[policy.to.index()]->needs_key()) order.balance_key = balance_key();
  order.copy = std::move(copy_);
  state_.mirrors.send(std::move(order));
}

// Stable answers in the canary's place. Where it is the mirror it has the request now, and what it
// does must not be done twice.
void Exchange::spare_copy() noexcept {
  if (copy_ == nullptr || !mirrors_to_stable()) return;
  upload_.copy_to(nullptr);
  copy_.reset();
}

// One that has waited goes now: the canary has failed, and nobody was asked instead.
void Exchange::end_copy() {
  if (upload_.complete()) return send_copy();
  drop_copy(copy_->failed().value_or(Mirrored::kIncomplete));
}

void Exchange::drop_copy(Mirrored why) {
  upload_.copy_to(nullptr);
  copy_.reset();
  table_->snapshot.counters->at(route_->id, Cohort::kShadow).count(why);
}

}  // namespace canaryd::proxy
