// The data plane as control sees it: it takes snapshots and listeners, and says what it has bound.
//
// The daemon implements it over its workers; the tests of this room over none. Thread rule: every
// call is made on the control thread, and every callback runs there, later or at once.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/base/ip.hpp"
#include "canaryd/proxy/snapshot.hpp"
#include "canaryd/stats/duration_counters.hpp"
#include "canaryd/telemetry/tap.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace canaryd::control {

struct ListenerStatus {
  std::string name;
  SocketAddress address;  // As bound.
  std::int64_t active = 0;
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;
  std::array<std::uint64_t, static_cast<std::size_t>(proxy::ProxyError::kCount)> errors{};
};

class DataPlane {
 public:
  DataPlane() = default;
  DataPlane(const DataPlane&) = delete;
  DataPlane& operator=(const DataPlane&) = delete;
  virtual ~DataPlane() = default;

  [[nodiscard]] virtual std::size_t workers() const = 0;
  // One snapshot for each worker. `done` once every worker uses its own for new requests.
  virtual void publish(std::vector<proxy::WorkerSnapshot> snapshots,
                       std::function<void()> done) = 0;

  // Binds on every worker, or on none. The result is the address with its real port.
  virtual void open(std::shared_ptr<const proxy::ListenerSpec> spec,
                    std::function<void(Result<SocketAddress>)> done) = 0;
  // New limits and timeouts under the same name and address.
  virtual void update(std::shared_ptr<const proxy::ListenerSpec> spec) = 0;
  // Stops accepting there; its connections end with their exchange.
  virtual void close(const std::string& name, const SocketAddress& configured) = 0;
  [[nodiscard]] virtual std::vector<ListenerStatus> listeners() const = 0;

  // Every worker counts its overdue requests (proxy/service.hpp).
  virtual void count_overdue() = 0;
  // Asks every worker for a sign of life, and how long each has let them wait, all added up: what
  // a request may wait for others before anybody looks at it.
  virtual void measure_lag() = 0;
  [[nodiscard]] virtual stats::DurationReading lag() const = 0;

  // The taps that are open from now on; each has a ring for every worker.
  virtual void tap(std::shared_ptr<const telemetry::TapList> taps) = 0;
};

}  // namespace canaryd::control
