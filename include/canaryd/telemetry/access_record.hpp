// What one exchange is to the access log and to taps: a plain value, filled once, when the exchange
// has ended.
//
// The views point into the exchange and the table it used; whoever keeps a record longer copies
// them (proxy/access_entry.hpp). Texts come from clients and upstreams, unchecked: the writers
// escape and cut them. What is empty, or not set, has no value for this request and is left out of
// the line.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/strong.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace canaryd::telemetry {

struct AccessRecord {
  // The request.
  std::string_view id;        // X-Request-Id.
  std::string_view trace_id;  // Of the W3C trace context.
  std::string_view client;    // Address, trust resolved.
  std::string_view listener;
  std::string_view method;
  std::string_view scheme;
  std::string_view host;   // As received.
  std::string_view path;   // As received, without the query.
  std::string_view query;  // As received; written with its values masked.
  std::string_view protocol;
  std::string_view user_agent;
  std::string_view referer;  // Only the combined format has it.

  // The decision. Everything from step on has a value only with a rollout.
  std::string_view route;
  std::string_view rollout;
  std::uint32_t step = 0;  // From 1; 0: no step runs.
  Cohort cohort = Cohort::kNone;
  std::string_view rule;  // Why this cohort: "weight", "force".
  std::string_view key_source;
  bool forced = false;
  std::uint64_t key_hash = 0;  // 0: no key.
  BasisPoints weight;
  std::string_view revision;

  // The outcome. With a fallback upstream, endpoint, upstream_status and error are the canary's,
  // which is charged; status and the bytes are of stable's answer.
  std::string_view upstream;
  std::string_view endpoint;
  std::uint16_t status = 0;           // What the client was told; 0: nothing.
  std::uint16_t upstream_status = 0;  // 0: no response head came.
  std::optional<std::uint32_t> grpc_status;
  std::string_view error;      // The word of X-Canaryd-Error, or "client_gone".
  std::uint32_t retries = 0;   // Tries after the first.
  std::string_view fallback;   // Stable was asked for the canary: "saved", "failed", "left".
  std::uint64_t bytes_in = 0;  // Bodies, without their framing.
  std::uint64_t bytes_out = 0;
  Monotonic started_at{};  // When the head was complete.
  Monotonic ended_at{};
  std::optional<Duration> upstream_connect;     // None: the connection came from the pool.
  std::optional<Duration> upstream_first_byte;  // From the last try's start to its first byte.
};

}  // namespace canaryd::telemetry
