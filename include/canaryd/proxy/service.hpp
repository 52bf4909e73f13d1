// The data plane of one worker: its listeners, its client connections, its upstreams, the table in
// force.
//
// A Service lives on its worker: it is made, used and destroyed there (net::Worker::post). It does
// not know that rollouts exist: it sees a table, picks a cohort and writes counters. A new table
// takes effect with the next request; requests under way keep the one they began with. Endpoints
// that stay keep their connections.
//
// Stopping is two words: drain() stops accepting, closes idle connections and ends the others with
// their exchange; cancel() ends all at once. The destructor does not wait.
//
// Thread rule: one worker. Limits: those of the ListenerSpecs, and the worker's buffer pools.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/error.hpp"
#include "canaryd/net/runtime.hpp"
#include "canaryd/proxy/snapshot.hpp"
#include "canaryd/stats/failure_queue.hpp"
#include "canaryd/stats/feedback.hpp"
#include "canaryd/telemetry/access_log.hpp"
#include "canaryd/telemetry/tap.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

namespace canaryd::proxy {

struct ServiceState;

struct ServiceOptions {
  const Clock* clock = nullptr;                   // For the Date field; outlives the service.
  std::shared_ptr<stats::FailureQueue> failures;  // This worker's; may be null in tests.
  std::shared_ptr<stats::VoteQueue> votes;        // The same.
  std::shared_ptr<telemetry::AccessSink> access;  // This worker's; null: no access log.
  std::shared_ptr<telemetry::TapSink> tap;        // This worker's; null: no taps.
};

struct OpenListener {
  std::shared_ptr<const ListenerSpec> spec;
  bool share = false;  // Another worker has bound the address already; see net::ListenOptions.
  std::optional<net::Address>
      bind;  // Instead of the spec's address: with the number that port 0 became.
  std::optional<int> inherited;                // Instead of binding: net::ListenOptions::inherited.
  std::shared_ptr<ListenerCounters> counters;  // This worker's.
  std::shared_ptr<ListenerGauge> gauge;        // All workers'.
};

class Service {
 public:
  Service(net::Runtime& runtime, ServiceOptions options);
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  ~Service();

  // Before the first one, requests are answered 404.
  void publish(WorkerSnapshot snapshot);

  // Binds and accepts. Returns the address with its real port.
  [[nodiscard]] Result<net::Address> open(OpenListener listener);
  // New limits and timeouts for a listener that is open; its address does not change.
  void update(std::shared_ptr<const ListenerSpec> spec);
  // Stops accepting there. Each answer on its connections, also on those that had waited to be
  // accepted, is their last one; who has not asked for one in 5 s is let go. Named by both, because
  // a listener that moves is open twice for a moment.
  void close(std::string_view name, const net::Address& address);

  // Counts the requests that have become overdue (stats/latency.hpp), of the rollouts whose gate
  // says after how long they are; those that hang, and those that do no longer; and has circuits
  // count silence that had begun before its limit was known. Looks at every request under way: once
  // a second.
  void count_overdue() noexcept;

  // Still accepts and keeps idle connections, but every answer says `Connection: close`: who is
  // busy is gone before drain(), and no request meets the end of its connection.
  void announce_drain() noexcept;
  void drain();
  void cancel();
  [[nodiscard]] std::size_t connections() const noexcept;
  // Called on this worker each time the last connection has ended.
  void on_empty(std::function<void()> callback);

 private:
  std::unique_ptr<ServiceState> state_;
};

}  // namespace canaryd::proxy
