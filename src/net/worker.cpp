#include "canaryd/net/worker.hpp"

#include "net/reactor.hpp"
#include "net/tcp_listener.hpp"
#include "net/tcp_stream.hpp"

#include <climits>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <pthread.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace canaryd::net {
namespace {

// Rounded up: a wait that is too short would spin until the deadline.
int timeout_until(Monotonic deadline, Monotonic now) noexcept {
  if (deadline == kNever) return -1;
  if (deadline <= now) return 0;
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(deadline - now).count();
  return static_cast<int>(std::min<std::int64_t>(wait, INT_MAX));
}

class WakeSource final : public Readiness {
 public:
  WakeSource() noexcept : Readiness(0) {}
};

}  // namespace

struct Worker::Impl {
  Impl(Reactor set, Descriptor event, const WorkerOptions& options)
      : reactor(std::move(set)),
        wake_event(std::move(event)),
        clock(options.clock != nullptr ? options.clock : &system_clock),
        index(options.index) {}

  // Takes what other threads posted; empty when nothing is there.
  void take_posted(std::vector<std::function<void()>>& into) {
    const std::lock_guard lock(mutex);
    std::swap(posted, into);
    wake_pending = false;
  }
  void wake() const noexcept {
    // Edge-triggered: each write is an edge of its own, so nobody needs to read the counter.
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_event.get(), &one, sizeof one);
  }

  Reactor reactor;
  Descriptor wake_event;
  WakeSource wake_source;
  SystemClock system_clock;
  const Clock* clock;
  std::size_t index;
  std::thread thread;
  std::atomic<std::thread::id>
      thread_id;  // Set by the thread itself, so that it is right from its first line on.

  std::mutex mutex;
  std::vector<std::function<void()>> posted;  // Below: under the mutex.
  bool wake_pending = false;
  bool stopping = false;
  bool closed = false;
};

Result<std::unique_ptr<Worker>> Worker::create(const WorkerOptions& options) {
  CANARYD_TRY_ASSIGN(Reactor reactor, Reactor::create());
  Descriptor event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return fail_errno("eventfd", errno);
  reactor.set_budget(options.sockets);
  auto impl = std::make_unique<Impl>(std::move(reactor), std::move(event), options);
  CANARYD_TRY(
      impl->reactor.add(impl->wake_event.get(), impl->wake_source, Reactor::Kind::kAcceptor));
  // The constructor is private, which std::make_unique cannot call.
  return std::unique_ptr<Worker>(new Worker(std::move(impl), options));
}

Worker::Worker(std::unique_ptr<Impl> impl, const WorkerOptions& options)
    : Runtime({.now = impl->clock->now(), .seed = options.seed, .buffers = options.buffers}),
      impl_(std::move(impl)) {}

Worker::~Worker() {
  CANARYD_ASSERT(!impl_->thread.joinable());
}

void Worker::start() {
  CANARYD_ASSERT(!impl_->thread.joinable());
  // Signals are the main thread's: the new thread inherits a full mask.
  sigset_t all{};
  sigset_t before{};
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  impl_->thread = std::thread([this] { run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  const std::string name = "worker-" + std::to_string(impl_->index);
  ::pthread_setname_np(impl_->thread.native_handle(), name.substr(0, 15).c_str());
}

void Worker::stop() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake();
}

void Worker::join() {
  if (impl_->thread.joinable()) impl_->thread.join();
}

bool Worker::on_worker_thread() const noexcept {
  return impl_->thread_id.load() == std::this_thread::get_id();
}

std::size_t Worker::index() const noexcept {
  return impl_->index;
}

Result<std::unique_ptr<Stream>> Worker::connect(const Address& peer) {
  return TcpStream::connect(impl_->reactor, peer);
}

bool Worker::short_of_sockets() const noexcept {
  const SocketBudget* const budget = impl_->reactor.budget();
  return budget != nullptr && budget->scarce();
}

Result<std::unique_ptr<Listener>> Worker::listen(const ListenOptions& options,
                                                 AcceptHandler on_accept) {
  return TcpListener::open(*this, impl_->reactor, options, std::move(on_accept));
}

void Worker::post(std::function<void()> function) {
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->closed) return;
    impl_->posted.push_back(std::move(function));
    if (std::exchange(impl_->wake_pending, true)) return;
  }
  impl_->wake();
}

void Worker::run() {
  impl_->thread_id = std::this_thread::get_id();
  std::vector<std::function<void()>> posted;
  bool more = false;
  for (bool running = true; running;) {
    const int timeout_ms = more ? 0 : timeout_until(wheel().next_expiry(), now());
    impl_->reactor.wait(timeout_ms);
    set_now(impl_->clock->now());
    if (impl_->wake_source.any(kReadable)) {
      Reactor::arm_read(impl_->wake_source);
      impl_->take_posted(posted);
      for (auto& function : posted) function();
      posted.clear();
      const std::lock_guard lock(impl_->mutex);
      running = !impl_->stopping || !impl_->posted.empty();
      impl_->closed = !running;
    }
    more = run_batch();
  }
  settle();
}

}  // namespace canaryd::net
