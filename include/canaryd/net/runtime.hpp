// Runtime: what a session may use on its worker. The worker implements it; so does the simulated
// network of the tests (tests/support/sim.hpp), on which the whole data plane runs in virtual time.
//
// Work comes in batches: events raise flags, the time is read once, due timers fire, the reactions
// run, then what was deferred to the end of the batch.
//
// Thread rule: one worker, except post().
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/error.hpp"
#include "canaryd/base/random.hpp"
#include "canaryd/net/address.hpp"
#include "canaryd/net/buffer_pool.hpp"
#include "canaryd/net/idle_sockets.hpp"
#include "canaryd/net/listener.hpp"
#include "canaryd/net/readiness.hpp"
#include "canaryd/net/stream.hpp"
#include "canaryd/net/timer_wheel.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace canaryd::net {

class Runtime {
 public:
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  virtual ~Runtime();

  // The time of this batch; a plain read.
  [[nodiscard]] Monotonic now() const noexcept { return now_; }
  [[nodiscard]] TimerWheel& wheel() noexcept { return wheel_; }
  [[nodiscard]] BufferPools& buffers() noexcept { return buffers_; }
  [[nodiscard]] Random& random() noexcept { return random_; }
  [[nodiscard]] IdleSockets& idle_sockets() noexcept { return idle_sockets_; }
  [[nodiscard]] ReadyQueue& ready() noexcept { return ready_; }
  // Sessions that have had a turn and go on moving bytes: a few of them each batch, in turn, so
  // that what others wait for does not grow with their number.
  [[nodiscard]] ReadyQueue& bulk() noexcept { return bulk_; }
  // Reactions that run at the end of the batch.
  [[nodiscard]] ReadyQueue& batch_end() noexcept { return batch_end_; }

  // Starts a connection and does not wait: the stream becomes writable, or breaks; then
  // connect_error() tells. What fails at once is an error here: kLimit when descriptors or ports
  // have run out, kRefused where there is no way to the peer.
  [[nodiscard]] virtual Result<std::unique_ptr<Stream>> connect(const Address& peer) = 0;
  // So few connections are left that who can do without one should: socket_budget.hpp.
  [[nodiscard]] virtual bool short_of_sockets() const noexcept { return false; }
  [[nodiscard]] virtual Result<std::unique_ptr<Listener>> listen(const ListenOptions& options,
                                                                 AcceptHandler on_accept) = 0;
  // Runs the function on this worker, later, in the order of the calls. Any thread. What is posted
  // to a worker that has stopped is destroyed without having run.
  virtual void post(std::function<void()> function) = 0;

  // Runs the function at the end of the batch, when no session is on the stack.
  void defer(std::function<void()> function) { deferred_.push_back(std::move(function)); }

 protected:
  struct Options {
    Monotonic now;
    std::uint64_t seed = 0;
    BufferPools::Limits buffers{};
  };
  explicit Runtime(const Options& options);

  void set_now(Monotonic now) noexcept { now_ = now; }
  // The second half of a batch: fires timers, runs reactions and what was deferred. Returns whether
  // more is queued, so that the caller must not sleep.
  bool run_batch();
  [[nodiscard]] bool pending() const noexcept {
    return !ready_.empty() || !bulk_.empty() || !batch_end_.empty() || !deferred_.empty();
  }
  // Runs what is left, without timers, until nothing is; for shutting down. False if it does not
  // come to an end.
  bool settle();

 private:
  bool run_reactions();

  Monotonic now_;
  TimerWheel wheel_;
  BufferPools buffers_;
  Random random_;
  IdleSockets idle_sockets_;
  ReadyQueue ready_;
  ReadyQueue bulk_;
  ReadyQueue batch_end_;
  std::vector<std::function<void()>> deferred_;
  std::vector<std::function<void()>> running_;
};

}  // namespace canaryd::net
