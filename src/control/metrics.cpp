// Fills the snapshot behind /metrics from what control knows.
#include "canaryd/telemetry/metrics.hpp"

#include "canaryd/upstream/concurrency.hpp"
#include "control/controller_state.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace canaryd::control {
namespace {

double unix_seconds(WallTime time) noexcept {
  return static_cast<double>(time.time_since_epoch().count()) / 1000.0;
}

std::uint64_t read(const std::atomic<std::uint64_t>& counter) noexcept {
  return counter.load(std::memory_order_relaxed);
}

telemetry::ListenerMetrics listener_metrics(const ListenerStatus& status) {
  telemetry::ListenerMetrics metrics;
  metrics.name = status.name;
  metrics.connections_active = status.active;
  metrics.connections.push_back({"accepted", status.accepted});
  metrics.connections.push_back({"refused", status.refused});
  for (std::size_t i = 1; i < status.errors.size(); ++i) {
    const auto error = static_cast<proxy::ProxyError>(i);
    metrics.errors.push_back({std::string(proxy::to_string(error)), status.errors[i]});
  }
  return metrics;
}

std::optional<telemetry::ConcurrencyMetrics> concurrency_metrics(const UpstreamEntry* entry) {
  if (entry == nullptr || entry->limit == nullptr || entry->limit->lifted()) {
    return std::nullopt;
  }
  std::uint64_t full = 0;
  std::uint64_t timed_out = 0;
  for (const auto& counters : entry->counters) {
    full += read(counters->queue_full);
    timed_out += read(counters->queue_timeout);
  }
  telemetry::ConcurrencyMetrics metrics;
  metrics.max = entry->limit->max();
  metrics.active = entry->limit->active();
  metrics.queued = entry->limit->queued();
  metrics.rejected = {{"queue_full", full}, {"queue_timeout", timed_out}};
  return metrics;
}

// Those that have not come yet are there as 0, or the first one would be no increase.
std::vector<telemetry::LabelledCount> rollbacks(
    const std::map<std::string, std::uint64_t>& counted) {
  using rollout::Cause;
  std::map<std::string, std::uint64_t> all = counted;
  for (const Cause cause : {Cause::kOperator,
                            Cause::kVerdict,
                            Cause::kInconclusive,
                            Cause::kBadReading,
                            Cause::kGroup,
                            Cause::kCircuit,
                            Cause::kUnhealthy,
                            Cause::kExposure,
                            Cause::kReturning}) {
    all.try_emplace(std::string(rollout::to_string(cause)), 0);
  }
  std::vector<telemetry::LabelledCount> counts;
  for (auto& [reason, count] : all) counts.push_back({reason, count});
  return counts;
}

telemetry::UpstreamMetrics upstream_metrics(const config::Upstream& upstream,
                                            const UpstreamEntry* entry,
                                            Monotonic now) {
  telemetry::UpstreamMetrics metrics;
  metrics.name = upstream.name;
  std::uint64_t ok = 0;
  std::uint64_t failed = 0;
  std::uint64_t retried = 0;
  std::uint64_t retry_failed = 0;
  std::uint64_t retry_denied = 0;
  stats::DurationReading first_byte;
  if (entry != nullptr) {
    for (const auto& counters : entry->counters) {
      first_byte += counters->first_byte.read();
      metrics.connections_busy += static_cast<std::int64_t>(read(counters->busy));
      metrics.connections_idle += static_cast<std::int64_t>(read(counters->idle));
      ok += read(counters->connects_ok);
      failed += read(counters->connects_failed);
      retried += read(counters->retries_ok);
      retry_failed += read(counters->retries_failed);
      retry_denied += read(counters->retries_denied);
    }
    for (const EndpointEntry& each : entry->endpoints) {
      metrics.endpoints.push_back({to_string(each.state->address()),
                                   each.state->healthy(),
                                   each.state->ejected(now),
                                   each.active_requests()});
    }
  }
  metrics.first_byte = telemetry::duration_metrics(first_byte);
  metrics.connects.push_back({"ok", ok});
  metrics.connects.push_back({"failed", failed});
  metrics.retries.push_back({"ok", retried});
  metrics.retries.push_back({"failed", retry_failed});
  metrics.retries.push_back({"budget_exhausted", retry_denied});
  metrics.concurrency = concurrency_metrics(entry);
  return metrics;
}

int verdict_number(analysis::MetricState state) noexcept {
  switch (state) {
    case analysis::MetricState::kFail:
      return -1;
    case analysis::MetricState::kOpen:
      return 0;
    case analysis::MetricState::kPass:
      return 1;
  }
  return 0;
}

std::optional<telemetry::RolloutMetrics::HookCalls> hook_calls(const Controller::State& state,
                                                               const config::Rollout& rollout) {
  const bool calls = !rollout.hooks.empty() || (rollout.retire && rollout.retire->hook);
  if (!calls) return std::nullopt;
  const auto tally = state.hook_tally.find(rollout.name);
  if (tally == state.hook_tally.end()) return telemetry::RolloutMetrics::HookCalls{};
  return telemetry::RolloutMetrics::HookCalls{tally->second.ok, tally->second.failed};
}

telemetry::RolloutMetrics rollout_metrics(const Controller::State& state, const Runner& runner) {
  const rollout::State& at = runner.state();
  const std::string& name = runner.config().name;
  telemetry::RolloutMetrics metrics;
  metrics.name = name;
  metrics.stable = runner.stable();
  metrics.canary = runner.canary();
  metrics.revision = at.revision;
  metrics.state = rollout::to_string(at.phase);
  metrics.since_seconds = unix_seconds(at.since);
  metrics.weight = rollout::served_weight(at);
  metrics.circuit_open = runner.circuit_open();
  metrics.returning = rollout::is_returning(at);
  const std::vector<rollout::FreezeWindow>& freeze = runner.config().plan.freeze;
  if (!freeze.empty()) {
    metrics.frozen = rollout::frozen_until(freeze, state.parts.clock->wall_now()).has_value();
  }
  metrics.hook_calls = hook_calls(state, runner.config());
  metrics.parity = state.parities.metrics(runner.config());
  if (runner.config().retire) {
    const StableWatch* const watch = state.watch_of(runner);
    const Duration idle = watch == nullptr ? Duration::zero() : watch->idle();
    metrics.retire_idle_seconds = std::chrono::duration<double>(idle).count();
    metrics.retire_idle_for_seconds =
        std::chrono::duration<double>(runner.config().retire->idle_for).count();
  }
  if (const auto max = runner.config().exposure.max_failed_requests) {
    metrics.exposure_remaining = *max - std::min(*max, runner.exposure_used());
  }
  metrics.steps = static_cast<std::uint32_t>(runner.config().plan.steps.size());
  if (metrics.weight > BasisPoints(0)) metrics.step = static_cast<std::uint32_t>(at.step + 1);
  if (const auto traffic = state.parts.collector->traffic(name)) {
    metrics.observed_ratio = traffic->canary_share;
  }
  for (const auto& [key, count] : runner.counts().transitions) {
    metrics.transitions.push_back({key.first, key.second, count});
  }
  metrics.rollbacks = rollbacks(runner.counts().rollbacks);
  for (const analysis::MetricReport& report : runner.evidence().verdict().metrics) {
    telemetry::AnalysisMetrics one;
    one.metric = report.name;
    one.verdict = verdict_number(report.state);
    one.rollback_evidence = analysis::shown_evidence(report.rollback_evidence);
    one.accept_evidence = analysis::shown_evidence(report.accept_evidence);
    one.stable = report.stable_rate;
    one.canary = report.canary_rate;
    one.tolerated = report.tolerated_rate;
    metrics.analysis.push_back(std::move(one));
  }
  const Feedback::Totals votes = state.feedback.totals(name);
  metrics.votes_stable = votes.stable;
  metrics.votes_canary = votes.canary;
  for (const VoteOutcome outcome :
       {VoteOutcome::kDuplicate, VoteOutcome::kNoEvidence, VoteOutcome::kRateLimited}) {
    metrics.votes_ignored.push_back(
        {std::string(to_string(outcome)), votes.outcomes[static_cast<std::size_t>(outcome)]});
  }
  for (const QueryReport& query : runner.queries().reports) {
    telemetry::AnalysisMetrics one;
    one.metric = query_metric(query);
    one.verdict = verdict_number(query.state);
    one.reading = query.value;
    metrics.analysis.push_back(std::move(one));
  }
  metrics.samples_stable = state.parts.collector->evidence_requests(name, Cohort::kStable);
  metrics.samples_canary = state.parts.collector->evidence_requests(name, Cohort::kCanary);
  return metrics;
}

}  // namespace

std::string metrics_text_of(const Controller::State& state) {
  telemetry::MetricsSnapshot snapshot;
  snapshot.version = state.parts.build.version;
  snapshot.commit = state.parts.build.commit;
  snapshot.latency_bounds = state.config.metrics.latency_buckets;
  snapshot.reload.last_successful = state.reloads.last_successful;
  snapshot.reload.last_success_seconds = unix_seconds(state.reloads.last_success);
  snapshot.reload.succeeded = state.reloads.succeeded;
  snapshot.reload.failed = state.reloads.failed;
  for (const ListenerStatus& status : state.parts.data_plane->listeners()) {
    snapshot.listeners.push_back(listener_metrics(status));
  }
  telemetry::add_traffic(*state.parts.collector, snapshot);
  for (const config::Upstream& upstream : state.config.upstreams) {
    telemetry::UpstreamMetrics metrics =
        upstream_metrics(upstream, state.upstreams.find(upstream.name), state.parts.clock->now());
    if (const Discovery::Status* const found = state.discovery.status(upstream.name)) {
      metrics.discovery = {{"changed", found->changes}, {"failed", found->failures}};
    }
    snapshot.upstreams.push_back(std::move(metrics));
  }
  for (const auto& runner : state.runners) {
    snapshot.rollouts.push_back(rollout_metrics(state, *runner));
  }
  snapshot.loop_lag = telemetry::duration_metrics(state.parts.data_plane->lag());
  snapshot.log_dropped = state.parts.log->dropped();
  if (state.parts.access_log != nullptr) {
    snapshot.log_dropped += state.parts.access_log->dropped();
  }
  snapshot.store_failures = state.parts.store->failures();
  snapshot.pruned_entries = state.retention.entries();
  snapshot.pruned_evidence = state.retention.evidence();
  snapshot.process = telemetry::read_process_metrics();
  return telemetry::prometheus_text(snapshot);
}

}  // namespace canaryd::control
