// The idle connections of one endpoint on one worker.
//
// An idle connection is watched: when the peer closes it, or sends bytes that nobody asked for, it
// leaves the pool at once. The newest is reused first, so that the surplus grows old and is reaped
// after the keep-alive time, or makes way when sockets run out.
//
// Thread rule: one worker. Limit: kIdleMax connections.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/net/runtime.hpp"
#include "canaryd/upstream/share.hpp"

#include <cstddef>
#include <memory>

namespace canaryd::upstream {

class Pool;

// One connection to an endpoint. While it is idle it reacts to its own death.
class Connection final : private net::Reaction {
 public:
  Connection(net::ReadyQueue& queue, std::unique_ptr<net::Stream> stream);

  [[nodiscard]] net::Stream& stream() noexcept { return *stream_; }

 private:
  friend class Pool;
  void react() override;

  std::unique_ptr<net::Stream> stream_;
  Monotonic idle_since_{};
  Pool* pool_ = nullptr;  // With the links of the pool: set only while idle.
  Connection* newer_ = nullptr;
  Connection* older_ = nullptr;
};

class Pool final : private net::TimerNode, private net::IdleHolder {
 public:
  static constexpr std::size_t kIdleMax = 256;

  Pool(net::Runtime& runtime, std::shared_ptr<UpstreamCounters> counters);
  ~Pool() override;

  // How long a connection may be idle; 0: none is kept. Holds for those that are here, too.
  void set_keep_alive(Duration keep_alive);
  // The newest one that is still alive, or null. One that was idle for longer than 50 ms is asked
  // whether it is, which is a system call.
  [[nodiscard]] std::unique_ptr<Connection> take();
  void keep(std::unique_ptr<Connection> connection);
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  friend class Connection;

  [[nodiscard]] bool is_alive(Connection& connection) const;

  void unlink(Connection& connection) noexcept;
  void reap();
  void expired() override;
  [[nodiscard]] Monotonic oldest_idle() const noexcept override;
  void close_oldest_idle() override;

  net::Runtime* runtime_;
  std::shared_ptr<UpstreamCounters> counters_;
  Duration keep_alive_{};
  Connection* newest_ = nullptr;
  Connection* oldest_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace canaryd::upstream
