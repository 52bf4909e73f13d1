// A read that is asked again of both versions, so that control can compare their answers: which
// request, and what is sent (parity_read.hpp).
#include "canaryd/http/chars.hpp"
#include "canaryd/http/forwarding.hpp"
#include "canaryd/stats/path_sketch.hpp"
#include "proxy/exchange.hpp"

#include <boost/smart_ptr/make_local_shared.hpp>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace canaryd::proxy {
namespace {

// Of these the answer depends on what this client holds already.
bool is_conditional(const http::FieldList& fields) noexcept {
  return std::any_of(fields.begin(), fields.end(), [](const http::Field& field) {
    return http::equals_ignore_case(field.name, "range") ||
           (field.name.size() > 3 && http::equals_ignore_case(field.name.substr(0, 3), "if-"));
  });
}

// Bodies are read field by field, so none is to come compressed. Without the field any coding would
// do (RFC 9110 section 12.5.3).
http::RequestHead uncompressed(const http::RequestHead& request) {
  http::RequestHead plain = request;
  if (plain.fields.find("accept-encoding") == nullptr) {
    plain.fields.add("Accept-Encoding", "identity");
  }
  for (std::size_t i = 0; i < plain.fields.size(); ++i) {
    if (http::equals_ignore_case(plain.fields[i].name, "accept-encoding")) {
      plain.fields.set_value(i, "identity");
    }
  }
  return plain;
}

}  // namespace

const ParityPolicy& Exchange::parity_policy() const noexcept {
  return table_->snapshot.shared->parities[route_->rollout->id.index()];
}

// After the decision. What the canary answers itself is not compared: who it is for has seen it.
void Exchange::choose_parity() {
  if (route_->rollout == nullptr || !parity_policy().on()) return;
  const ParityPolicy& policy = parity_policy();
  if (request_.method != http::Method::kGet && request_.method != http::Method::kHead) return;
  if (pick_.upstream != route_->rollout->stable || !request_.framing.empty()) return;
  if (request_.upgrade || is_conditional(request_.fields)) return;
  if (is_copy()) return;
  if (!policy.share.has(0, sampled_id())) return;
  if (state_.pending_reads.full() || state_.parity_copies.busy()) {
    policy.counts->count_busy();
    return;
  }
  parity_ = true;
}

// Before the head of the request itself is written: both use the worker's scratch. The copies go
// once this exchange waits.
void Exchange::send_parity(http::RequestForwarding forwarding) {
  parity_ = false;
  const ParityPolicy& policy = parity_policy();
  const routing::Rollout& rollout = *route_->rollout;
  const auto read =
      boost::make_local_shared<PendingRead>(state_.pending_reads, policy, table_->snapshot.parity);
  std::array<char, stats::kShapeBytesMax> shape;
  read->read().path = stats::shape_of_path(target_.path, shape);
  struct Copy {
    UpstreamId to;
    stats::ParityAnswer* place;
    Duration delay;
  };
  const std::array<Copy, 3> copies = {{
      {rollout.stable, &read->read().stable, Duration::zero()},
      {rollout.canary, &read->read().canary, Duration::zero()},
      {rollout.stable, &read->read().again, PendingRead::kAgainAfter},
  }};
  const http::RequestHead plain = uncompressed(request_);
  forwarding.cohort = Cohort::kShadow;
  for (const Copy& each : copies) {
    forwarding.target = rules_ != nullptr ? target_for(each.to, target_) : target_.forwarded;
    http::HeadBuffer out(state_.head_scratch());
    http::write_request_head(out, plain, forwarding);
    auto copy = state_.parity_copies.make_copy(0);
    copy->set_head(out.view());
    if (out.overflowed() || copy->failed()) return read->too_busy();
    MirrorOrder order;
    order.table = table_;
    order.to = each.to;
    order.timeout = policy.timeout;
    order.delay = each.delay;
    order.method = request_.method;
    if (table_->upstreams[each.to.index()]->needs_key()) order.balance_key = balance_key();
    order.copy = std::move(copy);
    order.keeper = AnswerKeeper(read, *each.place, policy);
    state_.parity_copies.send(std::move(order));
  }
}

}  // namespace canaryd::proxy
