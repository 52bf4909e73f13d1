// The page of metrics: its parts in their order, and those of the daemon, its listeners and its
// traffic.
#include "canaryd/telemetry/metrics.hpp"
#include "telemetry/families.hpp"
#include "telemetry/metrics_page.hpp"

#include <prometheus/collectable.h>
#include <prometheus/text_serializer.h>

#include <sstream>
#include <utility>

namespace canaryd::telemetry {
namespace {

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
    write_rollouts(snapshot_, families);
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
