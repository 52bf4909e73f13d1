#include "proxy/record.hpp"

#include <chrono>

namespace canaryd::proxy {
namespace {

// Of the version that is charged, whatever the client was told.
std::uint16_t charged_status(const ExchangeRecord& record) noexcept {
  if (record.fallback == stats::Fallback::kNone) return record.status;
  return record.upstream_status != 0 ? record.upstream_status : status_of(record.error);
}

stats::UpstreamError upstream_error(ProxyError error) noexcept {
  switch (error) {
    case ProxyError::kConnectFailed:
      return stats::UpstreamError::kConnectFailed;
    case ProxyError::kUpstreamReset:
      return stats::UpstreamError::kReset;
    case ProxyError::kUpstreamProtocol:
      return stats::UpstreamError::kProtocol;
    case ProxyError::kNoHealthyEndpoint:
      return stats::UpstreamError::kNoHealthyEndpoint;
    case ProxyError::kTimeout:
      return stats::UpstreamError::kTimeout;
    default:
      return stats::UpstreamError::kNone;
  }
}

// It went well, as far as is known.
bool is_good(stats::Judgement judgement) noexcept {
  return judgement == stats::Judgement::kGood || judgement == stats::Judgement::kLeft;
}

void count_segments(const ExchangeRecord& record, stats::Judgement judgement) noexcept {
  const bool bad = judgement == stats::Judgement::kBad;
  if (!bad && !is_good(judgement)) return;
  if (!is_version(record.pick->cohort)) return;
  for (const std::uint8_t segment : record.segments) {
    stats::SegmentCounters* const counters = record.counters->segment(record.rollout, segment);
    if (counters != nullptr) counters->count(record.pick->cohort, bad, record.pick->key_hash);
  }
}

void count_client(stats::ClientGroupCounters& groups,
                  const ExchangeRecord& record,
                  stats::Judgement judgement,
                  stats::LatencyCuts cuts) noexcept {
  const std::uint64_t key_hash = record.pick->key_hash;
  switch (judgement) {
    case stats::Judgement::kGood:
      return groups.count_good(key_hash, record.latency, cuts);
    case stats::Judgement::kLeft:
      return groups.count_left(key_hash);
    case stats::Judgement::kBad:
      return groups.count_bad(key_hash);
    case stats::Judgement::kRepeat:
    case stats::Judgement::kDuplicate:
      return groups.count_again(key_hash);
    case stats::Judgement::kExcluded:
      return;
  }
}

// Of whom the lot was drawn for: of all routes, and of a route that has evidence of its own.
void count_client(const ExchangeRecord& record, stats::Judgement judgement) noexcept {
  if (judgement == stats::Judgement::kExcluded) return;
  const routing::Pick& pick = *record.pick;
  if (pick.key_hash == 0 || !is_version(pick.cohort) || record.counters == nullptr) return;
  stats::CounterSet& counters = *record.counters;
  if (auto* const groups = counters.client_groups(record.rollout, pick.cohort)) {
    count_client(*groups, record, judgement, record.cuts);
  }
  if (auto* const groups = counters.route_groups(record.route, pick.cohort)) [[unlikely]]
    count_client(*groups, record, judgement, groups->cuts());
}

}  // namespace

bool is_blameless(ProxyError error) noexcept {
  switch (error) {
    case ProxyError::kNone:
    case ProxyError::kTimeout:
    case ProxyError::kConnectFailed:
    case ProxyError::kUpstreamReset:
    case ProxyError::kUpstreamProtocol:
    case ProxyError::kNoHealthyEndpoint:
      return false;
    default:
      return true;
  }
}

bool is_charged(const FailurePolicy& policy,
                ProxyError error,
                std::uint16_t upstream_status,
                bool grpc_failed) noexcept {
  switch (error) {
    case ProxyError::kNone:
      return grpc_failed || policy.is_failure(upstream_status);
    case ProxyError::kTimeout:
      return policy.timeout;
    case ProxyError::kConnectFailed:
    case ProxyError::kUpstreamReset:
    case ProxyError::kUpstreamProtocol:
    case ProxyError::kNoHealthyEndpoint:
      return policy.reset;
    default:
      return false;
  }
}

stats::Judgement judge(const ExchangeRecord& record) noexcept {
  if (record.policy == nullptr || !record.pick->counts_for_analysis) {
    return stats::Judgement::kExcluded;
  }
  if (is_blameless(record.error) && !record.left) return stats::Judgement::kExcluded;
  const ProxyError error = record.left ? ProxyError::kNone : record.error;
  if (is_charged(*record.policy, error, record.upstream_status, record.grpc_failed)) {
    return stats::Judgement::kBad;
  }
  return record.left ? stats::Judgement::kLeft : stats::Judgement::kGood;
}

namespace {

stats::Judgement judgement_of(stats::Repeat repeat) noexcept {
  switch (repeat) {
    case stats::Repeat::kNone:
      break;
    case stats::Repeat::kRepeated:
      return stats::Judgement::kRepeat;
    case stats::Repeat::kBeyond:
      return stats::Judgement::kDuplicate;
  }
  return stats::Judgement::kBad;
}

}  // namespace

void write_record(const ExchangeRecord& record,
                  stats::CounterBlock& counters,
                  stats::DedupeTable& dedupe,
                  stats::FailureQueue* failures) noexcept {
  const std::int64_t second =
      std::chrono::duration_cast<std::chrono::seconds>(record.ended_at.time_since_epoch()).count();
  stats::Outcome outcome;
  const bool gone = record.error == ProxyError::kClientGone && record.upstream_status == 0;
  outcome.code_class =
      gone ? std::uint8_t{0} : static_cast<std::uint8_t>(charged_status(record) / 100);
  outcome.judgement = judge(record);
  outcome.fallback = record.fallback;
  outcome.error = upstream_error(record.error);
  outcome.overdue = record.overdue;
  outcome.latency = record.latency;
  outcome.bytes_in = record.bytes_in;
  outcome.bytes_out = record.bytes_out;
  if (outcome.judgement == stats::Judgement::kBad) [[unlikely]] {
    const stats::Repeat repeat = dedupe.note(
        record.rollout, record.pick->key_hash, second, record.policy->dedupe_window_seconds);
    outcome.judgement = judgement_of(repeat);
  }
  counters.finish(outcome);
  if (!record.segments.empty()) [[unlikely]]
    count_segments(record, outcome.judgement);
  count_client(record, outcome.judgement);
  if (outcome.judgement != stats::Judgement::kBad || failures == nullptr) return;
  stats::Failure failure;
  failure.rollout = record.rollout;
  failure.route = record.route;
  failure.cohort = record.pick->cohort;
  failure.segments = record.segments;
  failure.key_hash = record.pick->key_hash;
  failure.second = second;
  failure.epoch = record.epoch;
  static_cast<void>(failures->push(failure));
}

}  // namespace canaryd::proxy
