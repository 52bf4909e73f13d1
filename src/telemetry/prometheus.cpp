#include "canaryd/telemetry/metrics.hpp"
#include "telemetry/families.hpp"

#include <prometheus/collectable.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <sstream>
#include <utility>

namespace canaryd::telemetry {
namespace {

using prometheus::MetricType;

std::string code_class_name(std::size_t index) {
  return index == 0 ? "none" : std::to_string(index) + "xx";
}

void write_daemon(const MetricsSnapshot& from, Families& to) {
  to.gauge("canaryd_build_info", "Version of the daemon; always 1.")
      .add({{"version", from.version}, {"commit", from.commit}}, 1);
  to.gauge("canaryd_config_last_reload_successful",
           "1 if the last attempt to load the configuration succeeded.")
      .add({}, from.reload.last_successful ? 1 : 0);
  to.gauge("canaryd_config_last_reload_success_timestamp_seconds",
           "When the configuration in force was loaded.")
      .add({}, from.reload.last_success_seconds);
  auto reloads = to.counter("canaryd_config_reloads_total", "Attempts to load the configuration.");
  reloads.add({{"result", "success"}}, from.reload.succeeded);
  reloads.add({{"result", "failure"}}, from.reload.failed);
  to.histogram("canaryd_event_loop_lag_seconds",
               "How long a worker let what it was asked once a second wait.")
      .add(Labels(), from.loop_lag, from.latency_bounds);
  to.counter("canaryd_log_dropped_total", "Log lines dropped because their queue was full.")
      .add({}, from.log_dropped);
  to.counter("canaryd_store_failures_total", "Writes of the state that failed.")
      .add({}, from.store_failures);
  auto pruned = to.counter("canaryd_store_pruned_rows_total", "Rows that retention took out.");
  pruned.add({{"kind", "journal"}}, from.pruned_entries);
  pruned.add({{"kind", "evidence"}}, from.pruned_evidence);
}

void write_listeners(const MetricsSnapshot& from, Families& to) {
  auto active =
      to.gauge("canaryd_listener_connections_active", "Client connections open at the moment.");
  for (const ListenerMetrics& listener : from.listeners) {
    active.add({{"listener", listener.name}}, listener.connections_active);
  }
  auto total = to.counter("canaryd_listener_connections_total",
                          "Client connections, by what became of them when they arrived.");
  for (const ListenerMetrics& listener : from.listeners) {
    for (const auto& [result, count] : listener.connections) {
      total.add({{"listener", listener.name}, {"result", result}}, count);
    }
  }
  auto errors = to.counter("canaryd_proxy_errors_total",
                           "Requests that ended in an error of X-Canaryd-Error, or whose client "
                           "left; not those that fallback saved.");
  for (const ListenerMetrics& listener : from.listeners) {
    for (const auto& [error, count] : listener.errors) {
      errors.add({{"listener", listener.name}, {"error", error}}, count);
    }
  }
}

Labels traffic_labels(const TrafficMetrics& traffic) {
  return {{"rollout", traffic.rollout}, {"cohort", to_string(traffic.cohort)}};
}

void write_traffic(const MetricsSnapshot& from, Families& to) {
  auto requests = to.counter("canaryd_requests_total", "Requests finished, by class of status.");
  for (const RouteMetrics& route : from.routes) {
    for (std::size_t i = 0; i < route.code_class.size(); ++i) {
      requests.add({{"route", route.route},
                    {"rollout", route.rollout},
                    {"cohort", to_string(route.cohort)},
                    {"code_class", code_class_name(i)}},
                   route.code_class[i]);
    }
  }
  auto duration =
      to.histogram("canaryd_request_duration_seconds",
                   "Time from the first byte of a request to the last of its response.");
  for (const TrafficMetrics& traffic : from.traffic) {
    duration.add(traffic_labels(traffic), traffic.duration, from.latency_bounds);
  }
  auto active = to.gauge("canaryd_requests_active", "Requests under way at the moment.");
  for (const TrafficMetrics& traffic : from.traffic) {
    active.add(traffic_labels(traffic), traffic.active);
  }
  auto tunnels = to.gauge("canaryd_tunnels_active", "WebSocket tunnels open at the moment.");
  for (const TrafficMetrics& traffic : from.traffic) {
    tunnels.add(traffic_labels(traffic), traffic.tunnels);
  }
  auto request_bytes =
      to.counter("canaryd_request_body_bytes_total", "Bytes of request bodies, without framing.");
  for (const TrafficMetrics& traffic : from.traffic) {
    request_bytes.add(traffic_labels(traffic), traffic.request_body_bytes);
  }
  auto response_bytes =
      to.counter("canaryd_response_body_bytes_total", "Bytes of response bodies, without framing.");
  for (const TrafficMetrics& traffic : from.traffic) {
    response_bytes.add(traffic_labels(traffic), traffic.response_body_bytes);
  }
}

void write_mirrors(const MetricsSnapshot& from, Families& to) {
  auto copies = to.counter("canaryd_mirror_requests_total",
                           "Requests chosen for a copy to the mirror, by what became of it.");
  for (const RouteMetrics& route : from.routes) {
    if (route.cohort != Cohort::kShadow) continue;
    for (std::size_t i = 0; i < route.mirrored.size(); ++i) {
      const auto result = static_cast<stats::Mirrored>(i);
      copies.add({{"route", route.route}, {"result", to_string(result)}}, route.mirrored[i]);
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

void write_upstreams(const MetricsSnapshot& from, Families& to) {
  auto response =
      to.histogram("canaryd_upstream_response_seconds",
                   "Time from the beginning of a try to the first byte of the upstream's answer.");
  for (const UpstreamMetrics& upstream : from.upstreams) {
    response.add({{"upstream", upstream.name}}, upstream.first_byte, from.latency_bounds);
  }
  auto connections =
      to.gauge("canaryd_upstream_connections_active", "Connections to upstreams at the moment.");
  for (const UpstreamMetrics& upstream : from.upstreams) {
    connections.add({{"upstream", upstream.name}, {"state", "busy"}}, upstream.connections_busy);
    connections.add({{"upstream", upstream.name}, {"state", "idle"}}, upstream.connections_idle);
  }
  auto connects =
      to.counter("canaryd_upstream_connects_total", "Attempts to connect to upstreams.");
  for (const UpstreamMetrics& upstream : from.upstreams) {
    for (const auto& [result, count] : upstream.connects) {
      connects.add({{"upstream", upstream.name}, {"result", result}}, count);
    }
  }
  auto retries = to.counter("canaryd_upstream_retries_total", "Requests sent another time.");
  for (const UpstreamMetrics& upstream : from.upstreams) {
    for (const auto& [result, count] : upstream.retries) {
      retries.add({{"upstream", upstream.name}, {"result", result}}, count);
    }
  }
}

void write_endpoints(const MetricsSnapshot& from, Families& to) {
  // An upstream that has no endpoint, as of a name that leads nowhere, has none of the series
  // below.
  auto usable = to.gauge("canaryd_upstream_endpoints_usable",
                         "Endpoints of the upstream that are healthy and not ejected.");
  for (const UpstreamMetrics& upstream : from.upstreams) {
    const auto count = std::count_if(upstream.endpoints.begin(),
                                     upstream.endpoints.end(),
                                     [](const auto& endpoint) { return endpoint.usable(); });
    usable.add({{"upstream", upstream.name}}, static_cast<std::uint64_t>(count));
  }
  const auto each = [&](FamilyWriter family, const auto& value_of) {
    for (const UpstreamMetrics& upstream : from.upstreams) {
      for (const EndpointMetrics& endpoint : upstream.endpoints) {
        family.add({{"upstream", upstream.name}, {"endpoint", endpoint.address}},
                   value_of(endpoint));
      }
    }
  };
  each(to.gauge("canaryd_upstream_endpoint_healthy", "1 if active checks find nothing wrong."),
       [](const EndpointMetrics& endpoint) { return endpoint.healthy ? 1 : 0; });
  each(to.gauge("canaryd_upstream_endpoint_ejected", "1 while it is out because requests failed."),
       [](const EndpointMetrics& endpoint) { return endpoint.ejected ? 1 : 0; });
  each(to.gauge("canaryd_upstream_endpoint_requests_active", "Requests under way there."),
       [](const EndpointMetrics& endpoint) { return endpoint.requests_active; });
}

void write_concurrency(const MetricsSnapshot& from, Families& to) {
  auto limit = to.gauge("canaryd_upstream_requests_limit",
                        "Requests that the upstream may have in flight (concurrency.max).");
  auto active = to.gauge("canaryd_upstream_requests_active",
                         "Requests that hold a slot of the upstream's limit at the moment.");
  auto queued = to.gauge("canaryd_upstream_requests_queued", "Requests that wait for such a slot.");
  auto rejected = to.counter("canaryd_upstream_requests_rejected_total",
                             "Requests answered 503 because of the upstream's limit.");
  for (const UpstreamMetrics& upstream : from.upstreams) {
    if (!upstream.concurrency) continue;
    limit.add({{"upstream", upstream.name}}, upstream.concurrency->max);
    active.add({{"upstream", upstream.name}}, upstream.concurrency->active);
    queued.add({{"upstream", upstream.name}}, upstream.concurrency->queued);
    for (const auto& [reason, count] : upstream.concurrency->rejected) {
      rejected.add({{"upstream", upstream.name}, {"reason", reason}}, count);
    }
  }
}

void write_discovery(const MetricsSnapshot& from, Families& to) {
  auto found = to.counter("canaryd_upstream_discovery_total",
                          "Endpoints of a file or a name: changes taken over, and failures.");
  for (const UpstreamMetrics& upstream : from.upstreams) {
    for (const auto& [result, count] : upstream.discovery) {
      found.add({{"upstream", upstream.name}, {"result", result}}, count);
    }
  }
}

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
  auto samples = to.counter("canaryd_analysis_samples_total", "Requests taken as evidence.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    samples.add({{"rollout", rollout.name}, {"cohort", "stable"}}, rollout.samples_stable);
    samples.add({{"rollout", rollout.name}, {"cohort", "canary"}}, rollout.samples_canary);
  }
}

void write_process(const MetricsSnapshot& from, Families& to) {
  if (!from.process) return;
  const ProcessMetrics& process = *from.process;
  to.counter("process_cpu_seconds_total", "User and system processor time.")
      .add({}, process.cpu_seconds);
  to.gauge("process_resident_memory_bytes", "Resident memory.").add({}, process.resident_bytes);
  to.gauge("process_open_fds", "Open file descriptors.").add({}, process.open_fds);
  to.gauge("process_max_fds", "Limit of open file descriptors.").add({}, process.max_fds);
  to.gauge("process_start_time_seconds", "When the process started.")
      .add({}, process.start_time_seconds);
}

// One snapshot in the shape that prometheus-cpp serialises.
class SnapshotCollectable final : public prometheus::Collectable {
 public:
  explicit SnapshotCollectable(const MetricsSnapshot& snapshot) : snapshot_(snapshot) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    Families families;
    write_daemon(snapshot_, families);
    write_listeners(snapshot_, families);
    write_traffic(snapshot_, families);
    write_mirrors(snapshot_, families);
    write_upstreams(snapshot_, families);
    write_endpoints(snapshot_, families);
    write_concurrency(snapshot_, families);
    write_discovery(snapshot_, families);
    write_rollout_state(snapshot_, families);
    write_rollout_weights(snapshot_, families);
    write_failures(snapshot_, families);
    write_protection(snapshot_, families);
    write_parity(snapshot_, families);
    write_analysis(snapshot_, families);
    write_feedback(snapshot_, families);
    write_process(snapshot_, families);
    return std::move(families).take();
  }

 private:
  const MetricsSnapshot& snapshot_;
};

}  // namespace

std::string prometheus_text(const MetricsSnapshot& snapshot) {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, SnapshotCollectable(snapshot).Collect());
  return std::move(out).str();
}

}  // namespace canaryd::telemetry
