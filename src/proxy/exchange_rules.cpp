// What the rules of a route make of its requests and responses (proxy/route_rules.hpp). Only called
// for a route that has some.
#include "canaryd/http/chars.hpp"
#include "proxy/exchange.hpp"
#include "proxy/local_reply.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::proxy {
namespace {

// A Location with this twice in it, and all else that an answer may say, fit into the head scratch.
constexpr std::size_t kRepeatedTargetMax = std::size_t{64} * 1024;

}  // namespace

// With the decision.
ProxyError Exchange::use_rules() {
  const proxy::WorkerSnapshot& snapshot = table_->snapshot;
  rules_ = snapshot.shared->rules[route_->id.index()].get();
  if (rules_ == nullptr) return ProxyError::kNone;
  if (rules_->watched && snapshot.paths != nullptr) snapshot.paths->count(target_.path, true);
  return rules_->respond ? begin_own_answer() : ProxyError::kNone;
}

// For the upstream that answers, or a mirror. In scratch of the worker: until the next call.
std::string_view Exchange::target_for(UpstreamId upstream, const http::Target& target) {
  const auto& rewrite = rules_->rewrite;
  if (!rewrite || !rewrite->applies_to(upstream)) return target.forwarded;
  const std::size_t bytes = rewrite->path.scratch_bytes(target);
  return rewrite->path.to_upstream(target, state_.rewrite_scratch(bytes));
}

// stable's in a fallback.
UpstreamId Exchange::answering_upstream() const noexcept {
  return fell_back_ ? route_->rollout->stable : pick_.upstream;
}

// ---- Answers of our own

ProxyError Exchange::begin_own_answer() {
  respond_ = &*rules_->respond;
  answering_ = pick_.cohort;
  counters_ = &table_->snapshot.counters->at(route_->id, pick_.cohort);
  counters_->begin();
  fresh_request_id_ = routing::make_fresh_id(state_.runtime.random());
  const bool repeats = !respond_->location.empty();
  return repeats && target_.forwarded.size() > kRepeatedTargetMax ? ProxyError::kTargetTooLong
                                                                  : ProxyError::kNone;
}

// It has not waited since its decision: the target is good.
void Exchange::write_own_answer(http::HeadBuffer& out, bool keep_alive) {
  OwnAnswer answer;
  answer.policy = respond_;
  answer.head_only = request_.method == http::Method::kHead;
  answer.keep_alive = keep_alive;
  answer.request_id = http::request_id(request_, fresh_request_id_.text());
  answer.date = state_.date();
  std::string location;
  if (!respond_->location.empty()) location = location_of(*respond_, target_);
  answer.location = location;
  proxy::write_own_answer(out, answer);
}

// ---- Responses

// A field is replaced by one that lies nowhere as a line, and written as such.
void Exchange::edit_response() {
  edited_.clear();
  const auto& rewrite = rules_->rewrite;
  const bool rewrites = rewrite && rewrite->applies_to(answering_upstream());
  if (rewrites) edit_references(*rewrite);
  for (const AddedField& field : rules_->fields) {
    const http::FieldId id = http::field_id(field.name);
    if (field.once && response_.fields.find(field.name) != nullptr) continue;
    response_.fields.add({field.name, field.value, 0, id});
  }
}

void Exchange::edit_references(const RewritePolicy& rewrite) {
  http::UpstreamPlace place;
  http::Target target;
  std::string path;
  const auto put = [this](std::size_t at, std::optional<std::string> value) {
    if (!value) return;
    edited_.push_back(std::make_unique<std::string>(std::move(*value)));
    response_.fields.set_value(at, *edited_.back());
  };
  for (std::size_t i = 0; i < response_.fields.size(); ++i) {
    const http::Field field = response_.fields[i];
    const bool cookie = field.id == http::FieldId::kSetCookie;
    if (cookie) {
      put(i,
          rewrite.path.cookie_to_client(field.value, rewrite.cookie_path, rewrite.cookie_domain));
      continue;
    }
    const bool reference = field.id == http::FieldId::kLocation ||
                           (field.id == http::FieldId::kOther &&
                            http::equals_ignore_case(field.name, "Content-Location"));
    if (!reference || !rewrite.location) continue;
    if (path.empty()) {
      // The target has been overwritten by others' since it was sent.
      const auto scratch = state_.target_scratch(http::target_scratch_bytes(request_));
      if (http::parse_target(request_, http::kTaken, scratch, target)) return;
      path = target_for(answering_upstream(), target);
      path.resize(std::min(path.find('?'), path.size()));
      place.authority = target.authority;
      place.endpoint = lease_.endpoint()->state().text();
      place.path = path;
    }
    put(i, rewrite.path.location_to_client(field.value, place));
  }
}

}  // namespace canaryd::proxy
