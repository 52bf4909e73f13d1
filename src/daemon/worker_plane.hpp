// The data plane over real workers: one thread, one Service each.
//
// Thread rule: the control thread; work is posted to the workers, and their answers come back
// through the io_context.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/control/data_plane.hpp"
#include "canaryd/net/socket_budget.hpp"
#include "canaryd/net/worker.hpp"
#include "canaryd/proxy/service.hpp"
#include "canaryd/stats/duration_counters.hpp"
#include "canaryd/telemetry/access_log.hpp"
#include "canaryd/telemetry/collector.hpp"
#include "daemon/inherited.hpp"

#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace canaryd::daemon {

class WorkerPlane final : public control::DataPlane {
 public:
  // Starts the threads, which hold at most so many sockets together. The collector gives each
  // worker its failure queue, the access log its sink; there may be none.
  [[nodiscard]] static Result<std::unique_ptr<WorkerPlane>> start(
      boost::asio::io_context& io,
      std::size_t workers,
      std::size_t sockets_max,
      telemetry::Collector& collector,
      const telemetry::AccessLog* access,
      const Clock& clock);
  ~WorkerPlane() override;

  // Listeners that open from now on at the address of one of these accept from it. `unused` is told
  // of an address where no listener accepts any more.
  void inherit(InheritedSockets sockets, std::function<void(const SocketAddress&)> unused) {
    inherited_ = std::move(sockets);
    unused_ = std::move(unused);
  }

  [[nodiscard]] std::size_t workers() const override { return workers_.size(); }
  void publish(std::vector<proxy::WorkerSnapshot> snapshots, std::function<void()> done) override;
  void open(std::shared_ptr<const proxy::ListenerSpec> spec,
            std::function<void(Result<SocketAddress>)> done) override;
  void update(std::shared_ptr<const proxy::ListenerSpec> spec) override;
  void close(const std::string& name, const SocketAddress& configured) override;
  [[nodiscard]] std::vector<control::ListenerStatus> listeners() const override;
  void count_overdue() override;
  void measure_lag() override;
  [[nodiscard]] stats::DurationReading lag() const override;
  void tap(std::shared_ptr<const telemetry::TapList> taps) override;

  // Answers say from now on that they are the last ones of their connections.
  void announce_drain();
  // Stops accepting; exchanges under way go on, with Connection: close.
  void drain();
  // Client connections that are open on all workers.
  [[nodiscard]] std::int64_t connections() const noexcept;
  // Ends what is left and joins the threads.
  void stop();

 private:
  struct Worker {
    std::unique_ptr<net::Worker> thread;
    std::unique_ptr<proxy::Service> service;  // Made, used and destroyed on the thread.
    std::shared_ptr<telemetry::TapSink> tap;  // Used there.
    std::unique_ptr<stats::DurationCounters> lag = std::make_unique<stats::DurationCounters>();
  };
  struct Listener {
    std::string name;
    SocketAddress configured;
    SocketAddress bound;
    std::uint32_t connections_max = 0;
    std::shared_ptr<proxy::ListenerGauge> gauge;
    std::vector<std::shared_ptr<proxy::ListenerCounters>> counters;  // One a worker.
    bool closed = false;
  };
  struct Opening;

  WorkerPlane(boost::asio::io_context& io, std::size_t sockets_max, const Clock& clock)
      : io_(io), clock_(clock), sockets_(sockets_max) {}
  void size_buffers();
  void open_next(const std::shared_ptr<Opening>& opening);

  boost::asio::io_context& io_;
  const Clock& clock_;
  net::SocketBudget sockets_;
  InheritedSockets inherited_;
  std::function<void(const SocketAddress&)> unused_;
  std::vector<Worker> workers_;
  std::vector<Listener> listeners_;
  bool stopped_ = false;
};

}  // namespace canaryd::daemon
