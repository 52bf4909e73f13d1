// Reactor: which sockets are ready. Four calls (add, arm_read, arm_write, remove) and the wait.
//
// One epoll set; each socket is registered once, edge-triggered, for everything. An edge raises
// flags on the socket's Readiness, and the flags are lowered by whoever found the socket drained or
// full: that is what arm_read and arm_write are here. They cost no system call, which is why the
// set is edge-triggered; another implementation would put its work there
// (docs/adr/0001-reactor.md).
//
// Thread rule: one worker.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/net/readiness.hpp"
#include "canaryd/net/socket_budget.hpp"
#include "net/descriptor.hpp"

#include <array>
#include <cstddef>
#include <sys/epoll.h>

namespace canaryd::net {

class Reactor {
 public:
  static constexpr std::size_t kEventsPerBatch = 256;

  enum class Kind : std::uint8_t { kStream, kAcceptor };

  [[nodiscard]] static Result<Reactor> create();
  // Shared by the workers; outlives the streams. Null: none.
  void set_budget(SocketBudget* budget) noexcept { budget_ = budget; }
  [[nodiscard]] SocketBudget* budget() const noexcept { return budget_; }

  // The Readiness stays where it is until remove().
  [[nodiscard]] Result<void> add(int fd, Readiness& source, Kind kind);
  // The flag is off from now on; it rises with the next edge.
  static void arm_read(Readiness& source) noexcept { source.lower(kReadable); }
  static void arm_write(Readiness& source) noexcept { source.lower(kWritable); }
  void remove(int fd) noexcept;

  // Waits up to timeout_ms (-1: for ever), raises the flags of at most kEventsPerBatch sockets and
  // returns how many. No code of a session runs in here, so no event can meet a socket that was
  // removed in the same batch.
  std::size_t wait(int timeout_ms) noexcept;

 private:
  explicit Reactor(Descriptor epoll) noexcept : epoll_(std::move(epoll)) {}

  Descriptor epoll_;
  SocketBudget* budget_ = nullptr;
  std::array<epoll_event, kEventsPerBatch> events_{};
};

}  // namespace canaryd::net
