#include "canaryd/stats/counter_block.hpp"

#include <algorithm>

namespace canaryd::stats {
namespace {

// Every counter but the gauges, for the operations that treat all alike.
constexpr std::array kCounters = {&CounterSnapshot::judged,
                                  &CounterSnapshot::bad,
                                  &CounterSnapshot::client_errors,
                                  &CounterSnapshot::overdue,
                                  &CounterSnapshot::overdue_ended,
                                  &CounterSnapshot::abandoned,
                                  &CounterSnapshot::hung,
                                  &CounterSnapshot::hung_settled,
                                  &CounterSnapshot::deduped,
                                  &CounterSnapshot::repeated,
                                  &CounterSnapshot::excluded,
                                  &CounterSnapshot::saved,
                                  &CounterSnapshot::fallback_failed,
                                  &CounterSnapshot::user_failures,
                                  &CounterSnapshot::withheld_cookies,
                                  &CounterSnapshot::bytes_in,
                                  &CounterSnapshot::bytes_out,
                                  &CounterSnapshot::duration_us};

std::uint64_t minus(std::uint64_t later, std::uint64_t earlier) noexcept {
  return later - std::min(later, earlier);
}

template <std::size_t N>
using Counts = std::array<std::uint64_t, N>;

template <std::size_t N>
Counts<N> minus(const Counts<N>& later, const Counts<N>& earlier) noexcept {
  Counts<N> result{};
  for (std::size_t i = 0; i < N; ++i) result[i] = minus(later[i], earlier[i]);
  return result;
}

template <std::size_t N>
void add(Counts<N>& to, const Counts<N>& counts) noexcept {
  for (std::size_t i = 0; i < N; ++i) to[i] += counts[i];
}

template <std::size_t N>
void read(const std::array<std::atomic<std::uint64_t>, N>& from, Counts<N>& to) noexcept {
  for (std::size_t i = 0; i < N; ++i) to[i] = from[i].load(std::memory_order_relaxed);
}

}  // namespace

std::string_view to_string(Mirrored result) noexcept {
  switch (result) {
    case Mirrored::kAnswered:
      return "answered";
    case Mirrored::kFailed:
      return "failed";
    case Mirrored::kTimeout:
      return "timeout";
    case Mirrored::kTooLarge:
      return "body_too_large";
    case Mirrored::kIncomplete:
      return "incomplete";
    case Mirrored::kBusy:
      return "busy";
  }
  return "busy";
}

std::string_view to_string(UpstreamError error) noexcept {
  switch (error) {
    case UpstreamError::kNone:
      break;
    case UpstreamError::kConnectFailed:
      return "connect_failed";
    case UpstreamError::kReset:
      return "upstream_reset";
    case UpstreamError::kProtocol:
      return "upstream_protocol";
    case UpstreamError::kNoHealthyEndpoint:
      return "no_healthy_endpoint";
    case UpstreamError::kTimeout:
      return "timeout";
  }
  return {};
}

std::uint64_t CounterSnapshot::requests() const noexcept {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : code_class) sum += count;
  return sum;
}

Histogram CounterSnapshot::durations() const noexcept {
  Histogram all = latency;
  all += latency_other;
  return all;
}

CounterSnapshot& CounterSnapshot::operator+=(const CounterSnapshot& other) noexcept {
  add(code_class, other.code_class);
  add(mirrored, other.mirrored);
  add(upstream_errors, other.upstream_errors);
  for (const auto counter : kCounters) this->*counter += other.*counter;
  active += other.active;
  tunnels += other.tunnels;
  latency += other.latency;
  latency_other += other.latency_other;
  return *this;
}

CounterSnapshot CounterSnapshot::since(const CounterSnapshot& earlier) const noexcept {
  CounterSnapshot result;
  result.code_class = minus(code_class, earlier.code_class);
  result.mirrored = minus(mirrored, earlier.mirrored);
  result.upstream_errors = minus(upstream_errors, earlier.upstream_errors);
  for (const auto counter : kCounters) {
    result.*counter = minus(this->*counter, earlier.*counter);
  }
  result.active = active;
  result.tunnels = tunnels;
  result.latency = latency.since(earlier.latency);
  // Failures and what is no evidence: of most there are none in most seconds.
  if (latency_other != earlier.latency_other) {
    result.latency_other = latency_other.since(earlier.latency_other);
  }
  return result;
}

CounterSnapshot CounterBlock::read() const noexcept {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  CounterSnapshot result;
  stats::read(code_class_, result.code_class);
  stats::read(mirrored_, result.mirrored);
  stats::read(upstream_errors_, result.upstream_errors);
  result.judged = judged_.load(kRelaxed);
  result.bad = bad_.load(kRelaxed);
  result.client_errors = client_errors_.load(kRelaxed);
  result.overdue = overdue_.load(kRelaxed);
  result.overdue_ended = overdue_ended_.load(kRelaxed);
  result.abandoned = abandoned_.load(kRelaxed);
  result.hung = hung_.load(kRelaxed);
  result.hung_settled = hung_settled_.load(kRelaxed);
  result.deduped = deduped_.load(kRelaxed);
  result.repeated = repeated_.load(kRelaxed);
  result.excluded = excluded_.load(kRelaxed);
  result.saved = saved_.load(kRelaxed);
  result.fallback_failed = fallback_failed_.load(kRelaxed);
  result.user_failures = user_failures_.load(kRelaxed);
  result.withheld_cookies = withheld_cookies_.load(kRelaxed);
  result.bytes_in = bytes_in_.load(kRelaxed);
  result.bytes_out = bytes_out_.load(kRelaxed);
  result.duration_us = duration_us_.load(kRelaxed);
  result.active = static_cast<std::int64_t>(active_.load(kRelaxed));
  result.tunnels = static_cast<std::int64_t>(tunnels_.load(kRelaxed));
  for (std::size_t k = 0; k < kLatencyBuckets; ++k) {
    result.latency.add_bucket(k, latency_[k].load(kRelaxed));
    result.latency_other.add_bucket(k, latency_other_[k].load(kRelaxed));
  }
  return result;
}

}  // namespace canaryd::stats
