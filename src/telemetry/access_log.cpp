// The writing half of the access log: one thread for the rings of all workers.
#include "canaryd/telemetry/access_log.hpp"

#include "telemetry/access_wake.hpp"
#include "telemetry/byte_ring.hpp"
#include "telemetry/log_output.hpp"

#include <climits>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <mutex>
#include <poll.h>
#include <sys/eventfd.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace canaryd::telemetry {
namespace {

static_assert(AccessLog::kLineBytesMax <= PIPE_BUF);

// How long a line waits at most while there is little to write.
constexpr Duration kPause = std::chrono::milliseconds(100);
constexpr LogEvent kWriteFailed{"access_log", "write_failed"};
constexpr LogEvent kWriteRecovered{"access_log", "write_recovered"};

}  // namespace

// ---- Waking

Result<std::shared_ptr<AccessWake>> AccessWake::create() {
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return fail(ErrorCode::kIo, std::string("eventfd: ") + std::strerror(errno));
  return std::make_shared<AccessWake>(fd);
}

AccessWake::~AccessWake() {
  ::close(fd);
}

void AccessWake::wake() const noexcept {
  const std::uint64_t one = 1;
  // It can only fail when the counter is full: then there is nothing left to wake.
  static_cast<void>(::write(fd, &one, sizeof(one)));
}

void AccessWake::wait(Duration limit) const noexcept {
  pollfd entry{fd, POLLIN, 0};
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
  if (::poll(&entry, 1, static_cast<int>(ms)) <= 0) return;
  std::uint64_t ignored = 0;
  static_cast<void>(::read(fd, &ignored, sizeof(ignored)));
}

// ---- The writer

struct AccessLog::Impl {
  Impl(std::string file_in, int fd, std::shared_ptr<AccessWake> wake_in, Log& log_in)
      : file(std::move(file_in)),
        output(fd, kLineBytesMax),
        wake(std::move(wake_in)),
        log(log_in) {}

  void run();
  // Everything that was in the rings when it began.
  void drain();
  void write(std::string_view lines);

  const std::string file;
  LogOutput output;
  std::shared_ptr<AccessWake> wake;
  Log& log;
  std::vector<std::shared_ptr<AccessSink>> sinks;
  std::atomic<std::uint64_t> lost{0};
  std::atomic<bool> stop{false};
  bool failing = false;

  std::mutex mutex;
  std::condition_variable flushed;
  std::uint64_t ticket = 0;
  std::uint64_t flushed_ticket = 0;

  std::thread thread;
};

void AccessLog::Impl::run() {
  // Signals belong to the daemon's main thread. With SIGPIPE blocked here, a reader that has gone
  // is an error of write() and not the end of the process.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  for (;;) {
    const bool last = stop.load(std::memory_order_acquire);
    std::uint64_t reached = 0;
    {
      const std::lock_guard lock(mutex);
      reached = ticket;
    }
    drain();
    {
      const std::lock_guard lock(mutex);
      flushed_ticket = reached;
    }
    flushed.notify_all();
    if (last) return;
    wake->wait(kPause);
  }
}

void AccessLog::Impl::drain() {
  for (const auto& sink : sinks) {
    ByteRing& ring = *sink->ring_;
    // A ring at a time, and once round at most, so that a busy worker starves none.
    std::size_t left = ring.capacity();
    while (left > 0) {
      const std::string_view lines = ring.readable();
      if (lines.empty()) break;
      write(lines);
      ring.consume(lines.size());
      left -= std::min(left, lines.size());
    }
  }
}

void AccessLog::Impl::write(std::string_view lines) {
  const LogOutput::Outcome outcome = output.write(lines);
  if (outcome.lost == 0) {
    if (failing) log.info(kWriteRecovered, "the access log is written again");
    failing = false;
    return;
  }
  lost.fetch_add(outcome.lost, std::memory_order_relaxed);
  if (failing) return;
  failing = true;
  const char* const why = outcome.error == 0 ? "nobody reads it" : std::strerror(outcome.error);
  log.error(kWriteFailed,
            std::string("cannot write the access log: ") + why + "; lines are lost and counted",
            {{"file", file}});
}

// ---- AccessLog

Result<std::unique_ptr<AccessLog>> AccessLog::open(const AccessLogOptions& options,
                                                   const Clock& clock,
                                                   Log& log) {
  CANARYD_TRY_ASSIGN(auto wake, AccessWake::create());
  int fd = STDOUT_FILENO;
  if (!options.file.empty()) {
    CANARYD_TRY_ASSIGN(fd, open_log_file(options.file));
  }
  auto impl = std::make_unique<Impl>(options.file, fd, wake, log);
  for (std::size_t i = 0; i < options.workers; ++i) {
    impl->sinks.push_back(std::make_shared<AccessSink>(options.ring_bytes, clock, wake));
  }
  try {
    impl->thread = std::thread([raw = impl.get()] { raw->run(); });
  } catch (const std::system_error& error) {
    return fail(ErrorCode::kInternal, std::string("cannot start the access log: ") + error.what());
  }
  // DEVIATION: make_unique cannot reach a private constructor.
  return std::unique_ptr<AccessLog>(new AccessLog(std::move(impl)));
}

AccessLog::AccessLog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

AccessLog::~AccessLog() {
  impl_->output.hurry();
  impl_->stop.store(true, std::memory_order_release);
  impl_->wake->wake();
  impl_->thread.join();
}

std::shared_ptr<AccessSink> AccessLog::sink(std::size_t worker) const {
  return impl_->sinks.at(worker);
}

Result<void> AccessLog::reopen() {
  if (impl_->file.empty()) return {};
  CANARYD_TRY_ASSIGN(const int fd, open_log_file(impl_->file));
  impl_->output.replace(fd);
  return {};
}

bool AccessLog::flush(Duration limit) {
  std::unique_lock lock(impl_->mutex);
  const std::uint64_t ticket = ++impl_->ticket;
  impl_->wake->wake();
  return impl_->flushed.wait_for(lock, limit, [&] { return impl_->flushed_ticket >= ticket; });
}

std::uint64_t AccessLog::dropped() const noexcept {
  std::uint64_t all = impl_->lost.load(std::memory_order_relaxed);
  for (const auto& sink : impl_->sinks) all += sink->dropped();
  return all;
}

}  // namespace canaryd::telemetry
