// Rollouts on the page of metrics: where they are, what they protect users from, what they have
// seen.
#include "telemetry/metrics_page.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace canaryd::telemetry {
namespace {

void write_rollout_state(const MetricsSnapshot& from, Families& to) {
  auto info = to.gauge("canaryd_rollout_info", "What is being rolled out; always 1.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    info.add({{"rollout", rollout.name},
              {"stable", rollout.stable},
              {"canary", rollout.canary},
              {"revision", rollout.revision}},
             1);
  }
  auto state = to.gauge("canaryd_rollout_state", "1 for the state the rollout is in, else 0.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    for (const std::string_view name : kRolloutStates) {
      state.add({{"rollout", rollout.name}, {"state", name}}, rollout.state == name ? 1 : 0);
    }
  }
  auto since = to.gauge("canaryd_rollout_state_since_timestamp_seconds",
                        "When the rollout entered its state.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    since.add({{"rollout", rollout.name}}, rollout.since_seconds);
  }
  auto step = to.gauge("canaryd_rollout_step", "Step that is running, from 1; 0 if none is.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    step.add({{"rollout", rollout.name}}, rollout.step);
  }
  auto steps = to.gauge("canaryd_rollout_steps", "Steps of the plan.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    steps.add({{"rollout", rollout.name}}, rollout.steps);
  }
}

void write_rollout_weights(const MetricsSnapshot& from, Families& to) {
  auto weight = to.gauge("canaryd_rollout_weight_ratio", "Share of the cohort that is in force.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    const unsigned canary = rollout.weight.value();
    weight.add({{"rollout", rollout.name}, {"cohort", "stable"}},
               BasisPoints(BasisPoints::kMax - canary).ratio());
    weight.add({{"rollout", rollout.name}, {"cohort", "canary"}}, rollout.weight.ratio());
  }
  auto observed =
      to.gauge("canaryd_rollout_observed_ratio", "Share of the requests that the cohort got.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    if (!rollout.observed_ratio) continue;
    observed.add({{"rollout", rollout.name}, {"cohort", "stable"}}, 1 - *rollout.observed_ratio);
    observed.add({{"rollout", rollout.name}, {"cohort", "canary"}}, *rollout.observed_ratio);
  }
  auto transitions = to.counter("canaryd_rollout_transitions_total", "Changes of state.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    for (const TransitionCount& transition : rollout.transitions) {
      transitions.add(
          {{"rollout", rollout.name}, {"to", transition.to}, {"reason", transition.reason}},
          transition.count);
    }
  }
  auto rollbacks = to.counter("canaryd_rollout_rollbacks_total", "Rollbacks, by reason.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    for (const auto& [reason, count] : rollout.rollbacks) {
      rollbacks.add({{"rollout", rollout.name}, {"reason", reason}}, count);
    }
  }
}

// Zeros where there was no traffic yet.
TrafficMetrics traffic_of(const MetricsSnapshot& from, const std::string& rollout, Cohort cohort) {
  for (const TrafficMetrics& traffic : from.traffic) {
    if (traffic.rollout == rollout && traffic.cohort == cohort) return traffic;
  }
  return {rollout, cohort};
}

void write_failures(const MetricsSnapshot& from, Families& to) {
  auto failures = to.counter("canaryd_rollout_user_failures_total",
                             "Failures of the version that reached a user: not the saved ones.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    for (const Cohort cohort : {Cohort::kStable, Cohort::kCanary}) {
      const TrafficMetrics traffic = traffic_of(from, rollout.name, cohort);
      failures.add(traffic_labels(traffic), traffic.user_failures);
    }
  }
  auto errors = to.counter("canaryd_rollout_upstream_errors_total",
                           "Requests that the version did not answer, or not to the end.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    for (const Cohort cohort : {Cohort::kStable, Cohort::kCanary}) {
      const TrafficMetrics traffic = traffic_of(from, rollout.name, cohort);
      for (std::size_t i = 1; i < traffic.upstream_errors.size(); ++i) {
        errors.add({{"rollout", traffic.rollout},
                    {"cohort", to_string(cohort)},
                    {"error", to_string(static_cast<stats::UpstreamError>(i))}},
                   traffic.upstream_errors[i]);
      }
    }
  }
  auto withheld =
      to.counter("canaryd_rollout_cookies_withheld_total",
                 "Cookies for new users that were not set: a shared cache may store the answer.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    withheld.add({{"rollout", rollout.name}},
                 traffic_of(from, rollout.name, Cohort::kStable).withheld_cookies +
                     traffic_of(from, rollout.name, Cohort::kCanary).withheld_cookies);
  }
  auto fallbacks = to.counter("canaryd_rollout_fallbacks_total",
                              "Failures of the canary that stable was asked to answer.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    const TrafficMetrics canary = traffic_of(from, rollout.name, Cohort::kCanary);
    fallbacks.add({{"rollout", rollout.name}, {"result", "saved"}}, canary.fallbacks_saved);
    fallbacks.add({{"rollout", rollout.name}, {"result", "failed"}}, canary.fallbacks_failed);
  }
}

void write_protection(const MetricsSnapshot& from, Families& to) {
  auto remaining =
      to.gauge("canaryd_rollout_exposure_remaining",
               "Failures of the canary that users may still see before it is rolled back.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    if (!rollout.exposure_remaining) continue;
    remaining.add({{"rollout", rollout.name}}, *rollout.exposure_remaining);
  }
  auto circuit = to.gauge("canaryd_rollout_circuit_open",
                          "1 while the canary is suspended and gets single probes only.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    circuit.add({{"rollout", rollout.name}}, rollout.circuit_open ? 1 : 0);
  }
  auto returning = to.gauge("canaryd_rollout_returning",
                            "1 while `rollback --over` brings users back to stable.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    returning.add({{"rollout", rollout.name}}, rollout.returning ? 1 : 0);
  }
  auto frozen = to.gauge("canaryd_rollout_frozen", "1 while a freeze window is open.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    if (rollout.frozen) frozen.add({{"rollout", rollout.name}}, *rollout.frozen ? 1 : 0);
  }
  auto idle = to.gauge("canaryd_retire_idle_seconds",
                       "How long stable, which is to be retired, has been without a request.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    if (!rollout.retire_idle_seconds) continue;
    idle.add({{"rollout", rollout.name}}, *rollout.retire_idle_seconds);
  }
  auto idle_for = to.gauge("canaryd_retire_idle_for_seconds",
                           "How long it has to be for that (retire.idle_for).");
  for (const RolloutMetrics& rollout : from.rollouts) {
    if (!rollout.retire_idle_for_seconds) continue;
    idle_for.add({{"rollout", rollout.name}}, *rollout.retire_idle_for_seconds);
  }
  auto hooks =
      to.counter("canaryd_hook_calls_total",
                 "Calls of hooks: failed is all but a 2xx, or of exec all but exit code 0.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    if (!rollout.hook_calls) continue;
    hooks.add({{"rollout", rollout.name}, {"result", "ok"}}, rollout.hook_calls->ok);
    hooks.add({{"rollout", rollout.name}, {"result", "failed"}}, rollout.hook_calls->failed);
  }
}

void write_parity(const MetricsSnapshot& from, Families& to) {
  auto parity =
      to.gauge("canaryd_parity_state", "1: reads agree; -1: they differ; 0: not known yet.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    if (rollout.parity) parity.add({{"rollout", rollout.name}}, rollout.parity->state);
  }
  auto agreement = to.gauge("canaryd_parity_evidence_ratio", "Towards agreement; 1: reached.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    if (rollout.parity) agreement.add({{"rollout", rollout.name}}, rollout.parity->evidence);
  }
  auto reads = to.counter("canaryd_parity_reads_total",
                          "Reads that were asked again of both versions, by what came of it.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    if (!rollout.parity) continue;
    for (const LabelledCount& each : rollout.parity->reads) {
      reads.add({{"rollout", rollout.name}, {"result", each.label}}, each.count);
    }
  }
}

// Calls visit(rollout, metric) for each metric under judgement.
template <class Visit>
void for_each_metric(const MetricsSnapshot& from, const Visit& visit) {
  for (const RolloutMetrics& rollout : from.rollouts) {
    for (const AnalysisMetrics& metric : rollout.analysis) visit(rollout, metric);
  }
}

void write_analysis(const MetricsSnapshot& from, Families& to) {
  auto verdict = to.gauge("canaryd_analysis_verdict", "-1 fail, 0 open, 1 pass.");
  for_each_metric(from, [&](const auto& rollout, const auto& metric) {
    verdict.add({{"rollout", rollout.name}, {"metric", metric.metric}}, metric.verdict);
  });
  auto evidence = to.gauge("canaryd_analysis_evidence_ratio",
                           "Share of the way to the boundary of the account; 1: reached.");
  for_each_metric(from, [&](const auto& rollout, const auto& metric) {
    const auto one = [&](std::string_view account, const std::optional<double>& value) {
      if (!value) return;
      evidence.add({{"rollout", rollout.name}, {"metric", metric.metric}, {"account", account}},
                   *value);
    };
    one("rollback", metric.rollback_evidence);
    one("accept", metric.accept_evidence);
  });
  auto observed =
      to.gauge("canaryd_analysis_observed_ratio", "Share of bad requests seen in the cohort.");
  for_each_metric(from, [&](const auto& rollout, const auto& metric) {
    const auto one = [&](std::string_view cohort, const std::optional<double>& value) {
      if (!value) return;
      observed.add({{"rollout", rollout.name}, {"metric", metric.metric}, {"cohort", cohort}},
                   *value);
    };
    one("stable", metric.stable);
    one("canary", metric.canary);
  });
  auto tolerated = to.gauge("canaryd_analysis_tolerated_ratio",
                            "Share of bad requests that the canary may have.");
  for_each_metric(from, [&](const auto& rollout, const auto& metric) {
    if (!metric.tolerated) return;
    tolerated.add({{"rollout", rollout.name}, {"metric", metric.metric}}, *metric.tolerated);
  });
  auto reading =
      to.gauge("canaryd_analysis_reading", "Last reading of a query, in the query's own unit.");
  for_each_metric(from, [&](const auto& rollout, const auto& metric) {
    if (!metric.reading) return;
    reading.add({{"rollout", rollout.name}, {"metric", metric.metric}}, *metric.reading);
  });
  auto samples =
      to.counter("canaryd_analysis_samples_total", "Requests taken as evidence, of this run.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    samples.add({{"rollout", rollout.name}, {"cohort", "stable"}}, rollout.samples_stable);
    samples.add({{"rollout", rollout.name}, {"cohort", "canary"}}, rollout.samples_canary);
  }
}

}  // namespace

void write_rollouts(const MetricsSnapshot& from, Families& to) {
  write_rollout_state(from, to);
  write_rollout_weights(from, to);
  write_failures(from, to);
  write_protection(from, to);
  write_parity(from, to);
  write_analysis(from, to);
}

}  // namespace canaryd::telemetry
