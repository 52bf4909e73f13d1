#include "daemon/app.hpp"

#include "canaryd/admin/server.hpp"
#include "canaryd/base/clock.hpp"
#include "canaryd/base/log.hpp"
#include "canaryd/base/units.hpp"
#include "canaryd/control/controller.hpp"
#include "canaryd/store/async_store.hpp"
#include "canaryd/store/sqlite_store.hpp"
#include "canaryd/telemetry/access_log.hpp"
#include "canaryd/telemetry/collector.hpp"
#include "daemon/admin_access.hpp"
#include "daemon/descriptors.hpp"
#include "daemon/exec_runner.hpp"
#include "daemon/health_io.hpp"
#include "daemon/http_asker.hpp"
#include "daemon/inherited.hpp"
#include "daemon/options.hpp"
#include "daemon/resolver.hpp"
#include "daemon/supervisor.hpp"
#include "daemon/version.hpp"
#include "daemon/worker_plane.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <csignal>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <utility>

namespace canaryd::daemon {
namespace {

constexpr auto kTick = std::chrono::seconds(1);
constexpr auto kLook = std::chrono::milliseconds(100);
// What the share of descriptors leaves for it (descriptors.cpp).
constexpr std::size_t kHttpQuestionsMax = 32;
constexpr auto kDrainPoll = std::chrono::milliseconds(20);

LogLevel log_level_of(config::LogLevel level) {
  return parse_log_level(config::to_string(level)).value_or(LogLevel::kInfo);
}

std::size_t worker_count(const config::Config& config) noexcept {
  if (config.workers > 0) return config.workers;
  const unsigned cores = std::thread::hardware_concurrency();
  return cores > 0 ? cores : 1;
}

// A place we may not use is told from a failure.
int exit_code_of(const Error& error) noexcept {
  switch (error.code) {
    case ErrorCode::kAddressInUse:
    case ErrorCode::kPermission:
      return kExitListen;
    default:
      return kExitFailed;
  }
}

class App {
 public:
  explicit App(AppOptions options)
      : options_(std::move(options)),
        signals_(io_),
        tick_timer_(io_),
        look_timer_(io_),
        drain_timer_(io_) {}

  int run() {
    if (!open_log() || !open_access_log() || !open_store() || !start_planes()) return exit_code_;
    watch_signals();
    controller_->start([this](const Result<void>& started) { after_start(started); });
    io_.run();
    stop();
    return exit_code_;
  }

 private:
  bool open_log() {
    LogOptions options;
    options.level = log_level_of(options_.config.log.level);
    options.format = options_.config.log.format == config::LogFormat::kText ? LogFormat::kText
                                                                            : LogFormat::kJson;
    options.file = options_.config.log.file.value_or("");
    auto log = Log::open(options, clock_);
    if (!log) {
      std::cerr << "canaryd: " << describe(log.error()) << '\n';
      exit_code_ = exit_code_of(log.error());
      return false;
    }
    log_ = std::move(*log);
    log_->info(log_event::kStarted, std::string("canaryd ") + kVersion + " starts");
    for (const config::Problem& warning : options_.warnings) {
      log_->warn(log_event::kConfigWarning,
                 warning.message,
                 {{"file", warning.file}, {"line", warning.line}});
    }
    return true;
  }

  bool open_access_log() {
    if (!options_.config.log.access) return true;
    telemetry::AccessLogOptions options;
    options.file = options_.config.log.access->file.value_or("");
    options.workers = worker_count(options_.config);
    auto access = telemetry::AccessLog::open(options, clock_, *log_);
    if (!access) return give_up(access.error());
    access_log_ = std::move(*access);
    return true;
  }

  // Each on its own: one that cannot be opened keeps its old file.
  void reopen_logs() {
    auto reopened = log_->reopen();
    if (access_log_ != nullptr) {
      auto access = access_log_->reopen();
      if (reopened) reopened = std::move(access);
    }
    if (reopened) {
      log_->info(log_event::kLogReopened, "log reopened");
    } else {
      log_->error(log_event::kLogReopened, describe(reopened.error()));
    }
  }

  // The log and standard error, because a daemon that does not start is watched by a person.
  bool give_up(const Error& error) { return give_up(error, exit_code_of(error)); }
  bool give_up(const Error& error, int exit_code) {
    log_->error(log_event::kStartFailed, describe(error));
    log_->flush();
    std::cerr << "canaryd: " << describe(error) << '\n';
    exit_code_ = exit_code;
    return false;
  }

  bool open_store() {
    store::SqliteOptions options;
    options.state_dir = options_.config.state.dir;
    auto opened = store::open_sqlite_store(options);
    if (!opened) return give_up(opened.error());
    auto recovered = control::recover(**opened);
    if (!recovered) return give_up(recovered.error());
    recovered_ = std::move(*recovered);
    store_ = std::make_unique<store::AsyncStore>(
        std::move(*opened),
        [this](std::function<void()> done) { boost::asio::post(io_, std::move(done)); });
    return true;
  }

  // How many sockets the workers may have together.
  std::size_t share_descriptors(std::size_t workers) {
    const std::size_t descriptors = raise_descriptor_limit();
    const auto& listeners = options_.config.listeners;
    const std::size_t sockets = sockets_of(descriptors, workers, listeners.size());
    const std::size_t clients = sockets / 2;  // Each may need an upstream.
    std::size_t wanted = 0;
    for (const auto& listener : listeners) wanted += listener.limits.connections;
    const std::initializer_list<LogField> fields{{"limit", descriptors}, {"clients", clients}};
    const std::string there = std::to_string(descriptors) + " descriptors, enough for " +
                              std::to_string(clients) + " clients";
    if (clients >= wanted) {
      log_->info(log_event::kDescriptors, there, fields);
    } else {
      log_->warn(log_event::kDescriptors,
                 there + "; limits.connections allows " + std::to_string(wanted) +
                     ": raise the limit (LimitNOFILE, ulimit -n) or lower that one",
                 fields);
    }
    return sockets;
  }

  bool start_planes() {
    const std::size_t workers = worker_count(options_.config);
    const std::size_t sockets = share_descriptors(workers);
    auto plane = WorkerPlane::start(io_, workers, sockets, collector_, access_log_.get(), clock_);
    if (!plane) return give_up(plane.error());
    plane_ = std::move(*plane);
    use_inherited_sockets();

    control::Parts parts;
    parts.clock = &clock_;
    parts.log = log_.get();
    parts.data_plane = plane_.get();
    parts.collector = &collector_;
    parts.store = store_.get();
    parts.access_log = access_log_.get();
    parts.load_config = options_.load_config;
    parts.health_io = &health_io_;
    parts.http_io = &http_asker_;
    parts.exec_io = &exec_runner_;
    parts.read_file = options_.read_file;
    parts.resolve = [this](const std::string& host, std::uint16_t port, Resolver::Done done) {
      resolver_.resolve(host, port, std::move(done));
    };
    parts.drain = [this] { boost::asio::post(io_, [this] { begin_drain("asked to drain"); }); };
    parts.build = {kVersion, kCommit};
    auto controller =
        control::Controller::create(parts, std::move(options_.config), std::move(recovered_));
    if (!controller) return give_up(controller.error());
    controller_ = std::move(*controller);

    const auto current = [this]() -> const config::Admin& { return controller_->config().admin; };
    admin_ = std::make_unique<admin::Server>(
        io_, *controller_, admin_options(current(), current, *log_));
    auto bound = admin_->start();
    if (!bound) return give_up(bound.error(), kExitListen);
    log_->info(log_event::kAdminListening, "admin API on " + *bound, {{"address", *bound}});
    return true;
  }

  void use_inherited_sockets() {
    for (const std::string& sentence : inherited_.refused) {
      log_->warn(log_event::kConfigWarning, sentence);
    }
    for (const InheritedSocket& socket : inherited_.sockets) {
      const auto& listeners = options_.config.listeners;
      const bool used = std::any_of(listeners.begin(), listeners.end(), [&](const auto& listener) {
        return listener.address == socket.address;
      });
      if (!used) tell_unused(socket.address);
    }
    plane_->inherit(std::move(inherited_),
                    [this](const SocketAddress& address) { tell_unused(address); });
  }

  void tell_unused(const SocketAddress& address) {
    const std::string at = to_string(address);
    log_->warn(log_event::kConfigWarning,
               "the service manager listens on " + at +
                   ", and no listener of the configuration has that address: who connects there "
                   "waits for ever",
               {{"address", at}});
  }

  void after_start(const Result<void>& started) {
    if (!started) {
      give_up(started.error(), kExitListen);  // Nothing else of it fails.
      io_.stop();
      return;
    }
    // At once, so that a rollout that starts by itself has done so when somebody asks.
    controller_->tick();
    log_->info(log_event::kReady, "ready", {{"workers", plane_->workers()}});
    supervisor_.ready("serving");
    tick();
    look();
  }

  void look() {
    look_timer_.expires_after(kLook);
    look_timer_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      controller_->look();
      look();
    });
  }

  void tick() {
    tick_timer_.expires_after(kTick);
    tick_timer_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      controller_->tick();
      supervisor_.alive();
      tick();
    });
  }

  // ---- Signals

  void watch_signals() {
    for (const int signal : {SIGHUP, SIGTERM, SIGINT, SIGUSR1, SIGUSR2}) signals_.add(signal);
    next_signal();
  }

  void next_signal() {
    signals_.async_wait([this](const boost::system::error_code& error, int signal) {
      if (error) return;
      on_signal(signal);
      next_signal();
    });
  }

  // The outcome is logged and counted by the reload itself.
  void reload() {
    if (!draining_) supervisor_.reloading(clock_.now());
    controller_->reload({"signal", "SIGHUP"}, [this](const control::ReloadResult& result) {
      if (draining_) return;  // It has been told that this ends.
      supervisor_.ready(result.ok ? "serving"
                                  : "serving; the last reload was refused, see the log");
    });
  }

  void on_signal(int signal) {
    switch (signal) {
      case SIGHUP:
        reload();
        return;
      case SIGUSR1:
        reopen_logs();
        return;
      case SIGUSR2:
        log_->warn(log_event::kSignalIgnored,
                   "SIGUSR2 does nothing: to change the program, restart it; a service manager may "
                   "keep the listening "
                   "sockets meanwhile");
        return;
      default:
        if (draining_) {
          log_->warn(log_event::kStopped, "told twice to stop: leaving at once");
          exit_code_ = kExitFailed;
          io_.stop();
          return;
        }
        begin_drain(signal == SIGTERM ? "SIGTERM" : "SIGINT");
    }
  }

  // ---- Drain: not ready, still accepting for a while, then finish what is under way

  void begin_drain(const std::string& why) {
    if (std::exchange(draining_, true)) return;
    const config::Drain& drain = controller_->config().drain;
    log_->info(log_event::kDraining,
               why + ": not ready; accepting for " + format_duration(drain.delay) +
                   ", then waiting up to " + format_duration(drain.timeout) + " for connections");
    supervisor_.stopping("draining");
    controller_->set_draining();
    plane_->announce_drain();
    drain_timer_.expires_after(drain.delay);
    drain_timer_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      plane_->drain();
      drain_until_ = clock_.now() + controller_->config().drain.timeout;
      wait_for_connections();
    });
  }

  void wait_for_connections() {
    drain_timer_.expires_after(kDrainPoll);
    drain_timer_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      const std::int64_t left = plane_->connections();
      if (left > 0 && clock_.now() < drain_until_) {
        wait_for_connections();
        return;
      }
      // Once more, so that they get the answer.
      if (controller_->answer_reloads()) return wait_for_connections();
      log_->info(log_event::kStopped,
                 left > 0 ? "drain timed out; closing " + std::to_string(left) + " connections"
                          : std::string("drained"));
      io_.stop();
    });
  }

  void stop() {
    // Where nobody was given the time for an answer the log has it at least.
    if (controller_ != nullptr) controller_->answer_reloads();
    if (admin_ != nullptr) admin_->stop();
    if (plane_ != nullptr) plane_->stop();
    if (controller_ != nullptr) controller_->save();
    if (store_ != nullptr) store_->stop();
    log_->flush();
  }

  AppOptions options_;
  Supervisor supervisor_ = Supervisor::take();
  InheritedSockets inherited_ = InheritedSockets::take();  // The plane's, once there is one.
  SystemClock clock_;
  boost::asio::io_context io_{1};
  std::unique_ptr<Log> log_;
  // Before the plane, whose workers write to it: it writes what they left when they have ended.
  std::unique_ptr<telemetry::AccessLog> access_log_;
  telemetry::Collector collector_;
  control::Recovered recovered_;
  std::unique_ptr<store::AsyncStore> store_;
  std::unique_ptr<WorkerPlane> plane_;
  HttpHealthIo health_io_{io_};
  Resolver resolver_{io_};
  HttpAsker http_asker_{io_, &resolver_, kHttpQuestionsMax};
  ExecRunner exec_runner_{io_, options_.folder};
  std::unique_ptr<control::Controller> controller_;
  std::unique_ptr<admin::Server> admin_;
  boost::asio::signal_set signals_;
  boost::asio::steady_timer tick_timer_;
  boost::asio::steady_timer look_timer_;
  boost::asio::steady_timer drain_timer_;
  Monotonic drain_until_{};
  bool draining_ = false;
  int exit_code_ = kExitDone;
};

}  // namespace

int run_app(AppOptions options) {
  // Sockets of the workers never raise it; libraries may.
  std::signal(SIGPIPE, SIG_IGN);
  // A file that may not grow is an error of the write, like a full disk; the store and the log bear
  // it.
  std::signal(SIGXFSZ, SIG_IGN);
  return App(std::move(options)).run();
}

}  // namespace canaryd::daemon
