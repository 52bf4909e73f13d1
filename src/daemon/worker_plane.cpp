#include "daemon/worker_plane.hpp"

#include "canaryd/base/random.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <atomic>
#include <utility>

namespace canaryd::daemon {

Result<std::unique_ptr<WorkerPlane>> WorkerPlane::start(boost::asio::io_context& io,
                                                        std::size_t workers,
                                                        std::size_t sockets_max,
                                                        telemetry::Collector& collector,
                                                        const telemetry::AccessLog* access,
                                                        const Clock& clock) {
  auto plane = std::unique_ptr<WorkerPlane>(new WorkerPlane(io, sockets_max, clock));
  plane->workers_.resize(workers);
  for (std::size_t i = 0; i < workers; ++i) {
    net::WorkerOptions options;
    options.index = i;
    options.seed = entropy_seed();
    options.clock = &clock;
    options.sockets = &plane->sockets_;
    CANARYD_TRY_ASSIGN(plane->workers_[i].thread, net::Worker::create(options));
  }
  for (std::size_t i = 0; i < workers; ++i) {
    Worker& worker = plane->workers_[i];
    proxy::ServiceOptions options;
    if (access != nullptr) options.access = access->sink(i);
    options.clock = &clock;
    options.failures = collector.open_queue();
    options.votes = collector.open_vote_queue();
    options.tap = worker.tap = std::make_shared<telemetry::TapSink>(i, clock);
    worker.thread->start();
    worker.thread->post([slot = &worker, options] {
      slot->service = std::make_unique<proxy::Service>(*slot->thread, options);
    });
  }
  return plane;
}

WorkerPlane::~WorkerPlane() {
  stop();
}

void WorkerPlane::publish(std::vector<proxy::WorkerSnapshot> snapshots,
                          std::function<void()> done) {
  auto left = std::make_shared<std::atomic<std::size_t>>(workers_.size());
  auto finished = std::make_shared<std::function<void()>>(std::move(done));
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    Worker* const worker = &workers_[i];
    auto snapshot = std::make_shared<proxy::WorkerSnapshot>(std::move(snapshots[i]));
    worker->thread->post([this, worker, snapshot, left, finished]() mutable {
      worker->service->publish(std::move(*snapshot));
      if (left->fetch_sub(1, std::memory_order_acq_rel) != 1) return;
      boost::asio::post(io_, [finished] {
        if (*finished) (*finished)();
      });
    });
  }
}

// ---- Listeners

struct WorkerPlane::Opening {
  std::shared_ptr<const proxy::ListenerSpec> spec;
  std::function<void(Result<SocketAddress>)> done;
  Listener listener;
  std::size_t next = 0;
};

// The first worker finds out whether the address is free, and what port 0 becomes; the others share
// it.
void WorkerPlane::open(std::shared_ptr<const proxy::ListenerSpec> spec,
                       std::function<void(Result<SocketAddress>)> done) {
  auto opening = std::make_shared<Opening>();
  opening->listener.name = spec->name;
  opening->listener.configured = spec->address;
  opening->listener.bound = spec->address;
  opening->listener.connections_max = spec->connections_max;
  opening->listener.gauge = std::make_shared<proxy::ListenerGauge>();
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    opening->listener.counters.push_back(std::make_shared<proxy::ListenerCounters>());
  }
  opening->spec = std::move(spec);
  opening->done = std::move(done);
  open_next(opening);
}

void WorkerPlane::open_next(const std::shared_ptr<Opening>& opening) {
  if (opening->next == workers_.size()) {
    listeners_.push_back(opening->listener);
    size_buffers();
    opening->done(opening->listener.bound);
    return;
  }
  Worker* const worker = &workers_[opening->next];
  const auto inherited = inherited_.find(opening->spec->address, opening->next);
  worker->thread->post([this, worker, opening, inherited] {
    proxy::OpenListener listener;
    listener.spec = opening->spec;
    listener.share = opening->next > 0;
    listener.bind = opening->listener.bound;
    listener.inherited = inherited;
    listener.counters = opening->listener.counters[opening->next];
    listener.gauge = opening->listener.gauge;
    auto bound = std::make_shared<Result<net::Address>>(worker->service->open(std::move(listener)));
    boost::asio::post(io_, [this, opening, bound] {
      if (*bound) {
        opening->listener.bound = **bound;
        ++opening->next;
        open_next(opening);
        return;
      }
      for (std::size_t i = 0; i < opening->next; ++i) {
        Worker* const opened = &workers_[i];
        opened->thread->post(
            [opened, spec = opening->spec] { opened->service->close(spec->name, spec->address); });
      }
      opening->done(fail(std::move(*bound).error()));
    });
  });
}

// Each connection may hold a block of a head and one of a body each way while its peers are slow.
// The connections are bounded for all workers together; the kernel may give them all to one.
void WorkerPlane::size_buffers() {
  constexpr std::size_t kBlocksEach = 3;
  std::size_t connections = 0;
  for (const Listener& listener : listeners_) connections += listener.connections_max;
  const std::size_t blocks =
      std::max(net::BufferPools::Limits{}.small_blocks_max, kBlocksEach * connections);
  for (Worker& worker : workers_) {
    worker.thread->post(
        [slot = &worker, blocks] { slot->thread->buffers().small.set_blocks_max(blocks); });
  }
}

void WorkerPlane::update(std::shared_ptr<const proxy::ListenerSpec> spec) {
  for (Listener& listener : listeners_) {
    const bool same = listener.name == spec->name && listener.configured == spec->address;
    if (same) listener.connections_max = spec->connections_max;
  }
  size_buffers();
  for (Worker& worker : workers_) {
    worker.thread->post([slot = &worker, spec] { slot->service->update(spec); });
  }
}

void WorkerPlane::close(const std::string& name, const SocketAddress& configured) {
  for (Worker& worker : workers_) {
    worker.thread->post(
        [slot = &worker, name, configured] { slot->service->close(name, configured); });
  }
  for (Listener& listener : listeners_) {
    if (listener.name == name && listener.configured == configured) listener.closed = true;
  }
  std::erase_if(listeners_, [](const Listener& listener) {
    return listener.closed && listener.gauge->active.load(std::memory_order_relaxed) == 0;
  });
  const bool is_served = std::any_of(listeners_.begin(), listeners_.end(), [&](const auto& each) {
    return !each.closed && each.configured == configured;
  });
  if (!is_served && inherited_.count(configured) > 0) unused_(configured);
}

std::vector<control::ListenerStatus> WorkerPlane::listeners() const {
  std::vector<control::ListenerStatus> all;
  for (const Listener& listener : listeners_) {
    if (listener.closed) continue;
    control::ListenerStatus status;
    status.name = listener.name;
    status.address = listener.bound;
    status.active = listener.gauge->active.load(std::memory_order_relaxed);
    status.accepted = listener.gauge->accepted.load(std::memory_order_relaxed);
    status.refused = listener.gauge->refused.load(std::memory_order_relaxed);
    for (const auto& counters : listener.counters) {
      for (std::size_t i = 0; i < status.errors.size(); ++i) {
        status.errors[i] += counters->errors[i].load(std::memory_order_relaxed);
      }
    }
    all.push_back(std::move(status));
  }
  return all;
}

void WorkerPlane::count_overdue() {
  if (stopped_) return;
  for (Worker& worker : workers_) {
    worker.thread->post([slot = &worker] { slot->service->count_overdue(); });
  }
}

void WorkerPlane::measure_lag() {
  if (stopped_) return;
  const Monotonic asked = clock_.now();
  for (Worker& worker : workers_) {
    worker.thread->post(
        [lag = worker.lag.get(), clock = &clock_, asked] { lag->add(clock->now() - asked); });
  }
}

stats::DurationReading WorkerPlane::lag() const {
  stats::DurationReading all;
  for (const Worker& worker : workers_) all += worker.lag->read();
  return all;
}

void WorkerPlane::tap(std::shared_ptr<const telemetry::TapList> taps) {
  if (stopped_) return;
  for (Worker& worker : workers_) {
    worker.thread->post([slot = &worker, taps] { slot->tap->use(taps); });
  }
}

// ---- The end

void WorkerPlane::announce_drain() {
  for (Worker& worker : workers_) {
    worker.thread->post([slot = &worker] { slot->service->announce_drain(); });
  }
}

void WorkerPlane::drain() {
  for (Worker& worker : workers_) {
    worker.thread->post([slot = &worker] { slot->service->drain(); });
  }
}

std::int64_t WorkerPlane::connections() const noexcept {
  std::int64_t open = 0;
  for (const Listener& listener : listeners_) {
    open += listener.gauge->active.load(std::memory_order_relaxed);
  }
  return open;
}

void WorkerPlane::stop() {
  if (std::exchange(stopped_, true)) return;
  for (Worker& worker : workers_) {
    if (worker.thread == nullptr) continue;
    worker.thread->post([slot = &worker] {
      if (slot->service != nullptr) slot->service->cancel();
      // Posted from here, it runs with the next batch: sessions have had a turn to end by
      // themselves, and tunnels to say goodbye.
      slot->thread->post([slot] { slot->service.reset(); });
    });
    worker.thread->stop();
  }
  for (Worker& worker : workers_) {
    if (worker.thread != nullptr) worker.thread->join();
  }
}

}  // namespace canaryd::daemon
