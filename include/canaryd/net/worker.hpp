// Worker: one thread that serves connections, with everything they need and nothing shared:
// reactor, timer wheel, buffer pools, random numbers. Other threads reach it only by post().
//
//   Worker worker{{.index = 0, .seed = 1}};
//   worker.start();
//   worker.post([&] { service = std::make_unique<Service>(worker, ...); });
//   ...
//   worker.post([&] { service.reset(); });
//   worker.stop();
//   worker.join();
//
// What lives on the worker is created and destroyed by posted functions, in that order, before
// stop(). The daemon ignores SIGPIPE for the whole process; the worker's own sends never raise it
// (MSG_NOSIGNAL), but a library's may. Signals are blocked on the worker's thread.
//
// Thread rule: start, post, stop from any thread; join from one that is not the worker; the rest on
// the worker.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/net/runtime.hpp"
#include "canaryd/net/socket_budget.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace canaryd::net {

struct WorkerOptions {
  std::size_t index = 0;   // Names the thread.
  std::uint64_t seed = 0;  // Of random().
  BufferPools::Limits buffers{};
  const Clock* clock = nullptr;     // Null: the system's.
  SocketBudget* sockets = nullptr;  // All workers'; outlives the worker. Null: none.
};

class Worker final : public Runtime {
 public:
  // Fails when the operating system refuses the descriptors a worker needs.
  [[nodiscard]] static Result<std::unique_ptr<Worker>> create(const WorkerOptions& options);
  // Stopped and joined by then, or never started.
  ~Worker() override;

  void start();
  // The loop ends after the batch that it is in and after everything posted before. Safe to call
  // twice.
  void stop();
  void join();
  [[nodiscard]] bool on_worker_thread() const noexcept;
  [[nodiscard]] std::size_t index() const noexcept;

  [[nodiscard]] Result<std::unique_ptr<Stream>> connect(const Address& peer) override;
  [[nodiscard]] bool short_of_sockets() const noexcept override;
  [[nodiscard]] Result<std::unique_ptr<Listener>> listen(const ListenOptions& options,
                                                         AcceptHandler on_accept) override;
  void post(std::function<void()> function) override;

 private:
  struct Impl;
  explicit Worker(std::unique_ptr<Impl> impl, const WorkerOptions& options);
  void run();

  std::unique_ptr<Impl> impl_;
};

}  // namespace canaryd::net
