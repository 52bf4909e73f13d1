// What the proxy itself answers with and counts, beside the per-route counters of stats.
//
// Thread rule: each ListenerCounters has one writing worker; ListenerGauge is shared by all workers
// and touched once a connection, never once a request. Any thread may read both.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace canaryd::proxy {

// The errors made by canaryd (docs/interfaces.md section 3); kNone means an upstream answered.
enum class ProxyError : std::uint8_t {
  kNone,
  kBadRequest,
  kNoRoute,
  kRequestTimeout,
  kBodyTooLarge,
  kTargetTooLong,
  kExpectationFailed,
  kRateLimited,
  kHeadersTooLarge,
  kInternal,
  kNotImplemented,
  kVersionNotSupported,
  kConnectFailed,
  kUpstreamReset,
  kUpstreamProtocol,
  kNoHealthyEndpoint,
  kOverloaded,
  kTimeout,
  kLoopDetected,
  kShuttingDown,
  kClientGone,  // Not an answer: nobody was there to get one.
  kCount,
};

// The word of X-Canaryd-Error and of the metric: "no_route".
[[nodiscard]] std::string_view to_string(ProxyError error) noexcept;
[[nodiscard]] std::uint16_t status_of(ProxyError error) noexcept;

struct ListenerCounters {
  std::array<std::atomic<std::uint64_t>, static_cast<std::size_t>(ProxyError::kCount)> errors{};

  void count(ProxyError error) noexcept {
    auto& counter = errors[static_cast<std::size_t>(error)];
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
};

struct ListenerGauge {
  std::atomic<std::int64_t> active{0};
  std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> refused{0};  // Over limits.connections.
};

}  // namespace canaryd::proxy
