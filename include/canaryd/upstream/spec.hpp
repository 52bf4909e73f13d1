// What one named service version is and how it is to be spoken to: an upstream of the configuration
// as the data plane sees it.
//
// Thread rule: plain values; any thread.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/net/address.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace canaryd::upstream {

enum class LoadBalancer : std::uint8_t { kRoundRobin, kLeastRequest, kConsistentHash };

// A duration of 0 means none, but for connect, which is always bounded.
struct Timeouts {
  Duration connect = std::chrono::seconds(1);
  Duration first_byte = std::chrono::seconds(15);
  Duration body_idle = std::chrono::seconds(30);
  Duration request{};
  Duration keep_alive = std::chrono::seconds(30);
  Duration per_try{};  // Of a try that may be followed by another, its connect included.
  Duration tunnel_idle = std::chrono::hours(1);  // Without a byte either way.
  friend bool operator==(const Timeouts&, const Timeouts&) = default;
};

struct Retries {
  std::uint8_t attempts = 1;  // Beyond the first try.
  bool on_connect_failure = true;
  bool on_reset_before_headers = true;
  std::uint8_t budget_percent = 20;  // Of the requests; see retry_budget.hpp.
  friend bool operator==(const Retries&, const Retries&) = default;
};

// What becomes of a canary's tunnels when nobody goes to that canary any more.
struct Tunnels {
  bool close_on_rollback = true;  // Else they are let finish.
  Duration after = std::chrono::seconds(30);
  friend bool operator==(const Tunnels&, const Tunnels&) = default;
};

// When an endpoint is taken out for a while because of what requests met there; see ejection.hpp.
struct OutlierDetection {
  std::uint32_t consecutive_failures = 5;
  Duration ejection = std::chrono::seconds(30);
  std::uint8_t max_ejected_percent = 50;  // Of the endpoints, at the same time.
  friend bool operator==(const OutlierDetection&, const OutlierDetection&) = default;
};

// See concurrency.hpp.
struct Concurrency {
  std::uint32_t max = 1024;  // Requests in flight, over all workers.
  std::uint32_t queue = 1024;
  Duration queue_timeout = std::chrono::seconds(1);
  friend bool operator==(const Concurrency&, const Concurrency&) = default;
};

struct EndpointSpec {
  EndpointSpec() = default;
  // Implicit: most endpoints are no more than their address.
  EndpointSpec(const net::Address& address_in,  // NOLINT(google-explicit-constructor)
               std::uint16_t weight_in = 1)
      : address(address_in), weight(weight_in) {}

  net::Address address;
  std::uint16_t weight = 1;  // 1 to 1000: its share beside the others'.
  friend bool operator==(const EndpointSpec&, const EndpointSpec&) = default;
};

struct UpstreamSpec {
  std::string name;
  std::vector<EndpointSpec> endpoints;  // Each address once; perhaps none is known yet.
  LoadBalancer load_balancer = LoadBalancer::kLeastRequest;
  Timeouts timeouts;
  Retries retries;
  Tunnels tunnels;
  bool health_check = false;  // Control asks the endpoints whether they are well.
  std::optional<OutlierDetection> outlier_detection;
  std::optional<Concurrency> concurrency;  // Not set: no limit.
  Duration
      slow_start{};  // How long an endpoint that is back takes to get its whole share; 0: none.

  // Whether there may be an endpoint that must not be used.
  [[nodiscard]] bool may_lose_endpoints() const noexcept {
    return health_check || outlier_detection.has_value();
  }
  friend bool operator==(const UpstreamSpec&, const UpstreamSpec&) = default;
};

}  // namespace canaryd::upstream
