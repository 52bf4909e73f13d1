// What an exchange says to the access log and to taps when it has ended. Only called while there
// are any.
#include "canaryd/http/forwarding.hpp"
#include "proxy/access_entry.hpp"
#include "proxy/exchange.hpp"

#include <algorithm>
#include <array>

namespace canaryd::proxy {
namespace {

using telemetry::AccessRecord;

// What a request line looks like that the parser has refused, or that never ended: enough to find
// its sender.
struct RoughLine {
  std::string_view method;
  std::string_view target;
};

RoughLine rough_line(std::string_view bytes) noexcept {
  bytes.remove_prefix(std::min(bytes.find_first_not_of("\r\n"), bytes.size()));
  bytes = bytes.substr(0, bytes.find_first_of("\r\n"));
  const std::size_t space = std::min(bytes.find(' '), bytes.size());
  RoughLine line;
  line.method = bytes.substr(0, space);
  bytes.remove_prefix(std::min(space + 1, bytes.size()));
  line.target = bytes.substr(0, bytes.find(' '));
  return line;
}

// Path and query of a target as it came: "/a?b", "http://host/a?b", "*". Of an authority nothing is
// kept: there may be a password in it.
void split_target(std::string_view target, AccessRecord& record) noexcept {
  if (!target.starts_with('/') && target != "*") {
    const std::size_t scheme = target.find("://");
    const std::size_t path =
        target.find_first_of("/?", scheme == std::string_view::npos ? 0 : scheme + 3);
    target = path == std::string_view::npos ? std::string_view() : target.substr(path);
    if (target.empty() && scheme != std::string_view::npos) target = "/";
  }
  const std::size_t mark = std::min(target.find('?'), target.size());
  record.path = target.substr(0, mark);
  record.query = target.substr(std::min(mark + 1, target.size()));
}

std::string_view word_of(stats::Fallback fallback) noexcept {
  switch (fallback) {
    case stats::Fallback::kNone:
      break;
    case stats::Fallback::kSaved:
      return "saved";
    case stats::Fallback::kFailed:
      return "failed";
    case stats::Fallback::kLeft:
      return "left";
  }
  return {};
}

}  // namespace

KeptAccessEntry::KeptAccessEntry(const AccessEntry& entry) : record_(entry.record) {
  const std::array texts{&AccessRecord::listener,
                         &AccessRecord::id,
                         &AccessRecord::trace_id,
                         &AccessRecord::client,
                         &AccessRecord::method,
                         &AccessRecord::host,
                         &AccessRecord::path,
                         &AccessRecord::query,
                         &AccessRecord::user_agent,
                         &AccessRecord::referer};
  std::size_t size = 0;
  for (const auto text : texts) size += (record_.*text).size();
  texts_.reserve(size);
  for (const auto text : texts) {
    const std::size_t at = texts_.size();
    texts_ += record_.*text;
    record_.*text = std::string_view(texts_).substr(at);
  }
}

void Exchange::log_access(ProxyError error) const noexcept {
  AccessEntry entry;
  fill(entry, error);
  state_.write_access(entry.record);
}

void Exchange::fill(AccessEntry& entry, ProxyError error) const noexcept {
  log_request(entry);
  if (route_ != nullptr) log_decision(entry.record);
  log_outcome(entry.record, error);
}

void Exchange::log_request(AccessEntry& entry) const noexcept {
  AccessRecord& record = entry.record;
  record.listener = connection_->spec().name;
  record.scheme = "http";
  record.client = connection_->peer_text();
  if (request_.size == 0) {
    const RoughLine line = rough_line(received());
    record.method = line.method;
    split_target(line.target, record);
    return;
  }
  const std::string_view fresh = route_ == nullptr ? std::string_view() : fresh_request_id_.text();
  record.id = http::request_id(request_, fresh);
  if (trace_begun_) {
    record.trace_id = fresh_trace_.trace_id();
  } else if (const auto parent = http::trace_parent(request_.fields)) {
    record.trace_id = parent->trace_id;
  }
  record.method = request_.method_text;
  record.host = request_.host;
  record.protocol = request_.version_minor == 0 ? "HTTP/1.0" : "HTTP/1.1";
  record.user_agent = request_.fields.value(http::FieldId::kUserAgent);
  if (state_.wants_referer()) {
    const http::Field* const referer = request_.fields.find("Referer");
    if (referer != nullptr) record.referer = referer->value;
  }
  split_target(request_.target, record);
  if (connection_->peer_trusted() && request_.fields.has(http::FieldId::kXForwardedFor)) {
    const IpAddress client = connection_->client_address(request_);
    record.client = {entry.client.data(), net::write_ip(client, entry.client.data())};
  }
}

void Exchange::log_decision(AccessRecord& record) const noexcept {
  const Snapshot& snapshot = *table_->snapshot.shared;
  const upstream::EndpointState* endpoint = lease_ ? &lease_.endpoint()->state() : nullptr;
  if (fell_back_) endpoint = canary_failure_.endpoint.get();
  record.route = route_->name;
  if (respond_ == nullptr) record.upstream = snapshot.upstreams[pick_.upstream.index()].name;
  if (endpoint != nullptr) record.endpoint = endpoint->text();
  if (route_->rollout == nullptr) return;
  const RolloutId rollout = route_->rollout->id;
  record.rollout = route_->rollout->name;
  record.cohort = pick_.cohort;
  record.rule = routing::to_string(pick_.rule);
  record.key_source = routing::to_string(pick_.key_source);
  record.forced = pick_.forced;
  record.key_hash = pick_.key_hash;
  record.weight = pick_.weight;
  if (rollout.index() < snapshot.tags.size()) {
    const RolloutTag& tag = snapshot.tags[rollout.index()];
    record.step = tag.step;
    record.revision = tag.revision;
  }
}

void Exchange::log_outcome(AccessRecord& record, ProxyError error) const noexcept {
  // Nobody was there to be told anything.
  const bool gone = error == ProxyError::kClientGone && !client_told_;
  record.status = gone ? std::uint16_t{0} : told(error);
  record.upstream_status = status_;
  if (fell_back_) {
    record.fallback = word_of(outcome_of_fallback(*failure_policy(), error, status_));
    record.upstream_status = canary_failure_.status;
    error = canary_failure_.error;
  }
  if (error != ProxyError::kNone) record.error = to_string(error);
  if (!fell_back_) record.grpc_status = grpc_status_;  // Else it is stable's.
  record.retries = retries_made_;
  record.bytes_in = upload_.data_bytes();
  record.bytes_out = download_.data_bytes();
  record.started_at = started_at_;
  record.ended_at = now();
  record.upstream_connect = connect_took_;
  if (first_byte_at_) record.upstream_first_byte = *first_byte_at_ - try_began_at_;
}

}  // namespace canaryd::proxy
