// Upstreams on the page of metrics: connections, endpoints, limits, discovery.
#include "telemetry/metrics_page.hpp"

#include <algorithm>
#include <string_view>

namespace canaryd::telemetry {
namespace {

void write_connections(const MetricsSnapshot& from, Families& to) {
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

}  // namespace

void write_upstreams(const MetricsSnapshot& from, Families& to) {
  write_connections(from, to);
  write_endpoints(from, to);
  write_concurrency(from, to);
  write_discovery(from, to);
}

}  // namespace canaryd::telemetry
