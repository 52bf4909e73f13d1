#include "daemon/exec_runner.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace canaryd::daemon {
namespace {

namespace asio = boost::asio;

constexpr auto kLastWords = std::chrono::seconds(1);

class Descriptor {
 public:
  explicit Descriptor(int number = -1) noexcept : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  [[nodiscard]] int number() const noexcept { return number_; }
  [[nodiscard]] int release() noexcept { return std::exchange(number_, -1); }

 private:
  int number_;
};

struct Pipe {
  Descriptor read;
  Descriptor write;
};

tl::unexpected<Error> system_error(const char* what, int number) {
  return fail(ErrorCode::kIo, std::string(what) + ": " + std::strerror(number));
}

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return system_error("pipe", errno);
  return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

// All of it fits into the pipe's buffer (pipe(7): 64 KiB), so nobody waits for the program to read.
Result<Descriptor> input_of(const std::string& text) {
  if (text.size() > control::kExecBytesMax) return fail(ErrorCode::kLimit, "too long an input");
  CANARYD_TRY_ASSIGN(Pipe pipe, make_pipe());
  const auto written = ::write(pipe.write.number(), text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size())) return system_error("write", errno);
  return std::move(pipe.read);
}

// Attributes and file actions of posix_spawn, which have to be destroyed.
class SpawnPlan {
 public:
  SpawnPlan() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  void clean(const std::string& folder, int input, int output) {
    if (!folder.empty()) ::posix_spawn_file_actions_addchdir_np(&actions_, folder.c_str());
    ::posix_spawn_file_actions_adddup2(&actions_, input, STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, output, STDERR_FILENO);
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    sigset_t none{};
    sigset_t all{};
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }

  Result<pid_t> spawn(const std::vector<std::string>& command) {
    std::vector<char*> arguments;
    for (const std::string& each : command) arguments.push_back(const_cast<char*>(each.c_str()));
    arguments.push_back(nullptr);
    pid_t child = 0;
    const int failed =
        ::posix_spawnp(&child, arguments[0], &actions_, &attributes_, arguments.data(), ::environ);
    if (failed != 0) return system_error(command.front().c_str(), failed);
    return child;
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

// Asked without taking it away. An error is as good as an end: there is nothing more to wait for.
bool has_ended(pid_t child) noexcept {
  siginfo_t what{};
  const int asked = ::waitid(P_PID, static_cast<id_t>(child), &what, WEXITED | WNOHANG | WNOWAIT);
  return asked != 0 || what.si_pid != 0;
}

// The group outlives its first process as long as that is not waited for.
int kill_and_reap(pid_t child) noexcept {
  ::kill(-child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

struct ExecRunner::Running {
  explicit Running(asio::io_context& io) : end(io), output(io), timer(io) {}

  pid_t child = 0;
  asio::posix::stream_descriptor end;  // Readable when the child has ended (pidfd_open(2)).
  asio::posix::stream_descriptor output;
  asio::steady_timer timer;
  std::array<char, 4096> piece{};
  control::ExecResult result;
  bool late = false;
  bool reaped = false;
  bool closed = false;  // Nothing more of its output.
  Done done;
};

ExecRunner::~ExecRunner() {
  for (const RunningPointer& running : running_) {
    if (!running->reaped) static_cast<void>(kill_and_reap(running->child));
  }
}

void ExecRunner::run(control::ExecCall call, Done done) {
  // Not inside the call, even if it cannot be started.
  waiting_.emplace_back(std::move(call), std::move(done));
  asio::post(io_, [this] { begin_next(); });
}

void ExecRunner::begin_next() {
  if (waiting_.empty() || running_.size() >= kAtOnce) return;
  auto [call, done] = std::move(waiting_.front());
  waiting_.pop_front();
  begin(call, std::move(done));
}

void ExecRunner::begin(const control::ExecCall& call, Done done) {
  Result<RunningPointer> started = spawn(call);
  if (!started) {
    asio::post(io_, [this] { begin_next(); });
    return done(fail(std::move(started).error()));
  }
  const RunningPointer running = *started;
  running->done = std::move(done);
  running_.push_back(running);
  read_output(running);
  watch(running);
  running->timer.expires_after(call.timeout);
  running->timer.async_wait([running](const boost::system::error_code& error) {
    if (error || running->reaped) return;
    running->late = true;
    ::kill(-running->child, SIGKILL);
  });
}

Result<ExecRunner::RunningPointer> ExecRunner::spawn(const control::ExecCall& call) {
  CANARYD_TRY_ASSIGN(const Descriptor input, input_of(call.input));
  CANARYD_TRY_ASSIGN(Pipe output, make_pipe());
  SpawnPlan plan;
  plan.clean(folder_, input.number(), output.write.number());
  CANARYD_TRY_ASSIGN(const pid_t child, plan.spawn(call.command));
  // By its number: a C library before glibc 2.36 has no pidfd_open().
  const auto end = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
  if (end < 0) {
    const int number = errno;
    static_cast<void>(kill_and_reap(child));
    return system_error("pidfd_open", number);
  }
  auto running = std::make_shared<Running>(io_);
  running->child = child;
  running->end.assign(end);
  running->output.assign(output.read.release());
  return running;
}

// That it is readable may be news of another program, whose descriptor had this one's number and
// was closed a moment ago: the reactor hands on what it has fetched. So the child itself is asked.
void ExecRunner::watch(const RunningPointer& running) {
  running->end.async_wait(asio::posix::stream_descriptor::wait_read,
                          [this, running](const boost::system::error_code& error) {
                            if (error) return;
                            if (!has_ended(running->child)) return watch(running);
                            ended(running);
                          });
}

// What is too much is read too, so that the program does not wait for somebody to read it.
void ExecRunner::read_output(const RunningPointer& running) {
  running->output.async_read_some(
      asio::buffer(running->piece),
      [this, running](const boost::system::error_code& error, std::size_t count) {
        std::string& kept = running->result.output;
        kept.append(running->piece.data(),
                    std::min(control::kExecOutputBytesMax - kept.size(), count));
        if (!error) return read_output(running);
        running->closed = true;
        finish_if_over(running);
      });
}

void ExecRunner::ended(const RunningPointer& running) {
  running->result.status = kill_and_reap(running->child);
  running->reaped = true;
  // Its output ends with it, unless something that has left its group holds on to it.
  running->timer.expires_after(kLastWords);
  running->timer.async_wait([running](const boost::system::error_code& error) {
    if (!error) running->output.close();
  });
  finish_if_over(running);
}

void ExecRunner::finish_if_over(const RunningPointer& running) {
  if (!running->reaped || !running->closed) return;
  running->timer.cancel();
  std::erase(running_, running);
  asio::post(io_, [this] { begin_next(); });
  const Done done = std::move(running->done);
  if (running->late) return done(fail(ErrorCode::kTimeout, "it was killed at its time limit"));
  done(std::move(running->result));
}

}  // namespace canaryd::daemon
