// Load generator and upstream in one thread, for comparing proxies.
//
// A load that costs more than the proxy hides the difference between proxies, so this program does
// next to nothing (links.hpp). It listens on a free port as the upstream, says which, and takes
// commands on standard input, each answered by one line of JSON:
//
//   run PORT CONNECTIONS SECONDS MAX_REQUESTS CASE    saturated, until either bound is reached
//   pace PORT CONNECTIONS SECONDS RATE CASE SEED spin|sleep
//                                                     open loop; spinning keeps its own wake-ups
//                                                     out of the latencies
//   hold PORT CONNECTIONS CASE                        one request each, then idle
//   drop                                              closes what is held
//
// Cases are in cases.cpp. End of input ends the program. An error is a response that is not a whole
// 200 of the expected size, or a connection that breaks; a broken connection is not opened again.
#include "load.hpp"

#include <csignal>
#include <cstring>
#include <iostream>
#include <optional>
#include <sstream>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using namespace canaryd::bench;

struct Command {
  RunOptions run;
  bool spin = false;
};

std::optional<Command> parse_run(std::istream& words, const std::string& verb) {
  Command command;
  RunOptions& run = command.run;
  std::string name;
  std::string how;
  if (!(words >> run.port >> run.connections)) return std::nullopt;
  if (verb == "run") {
    words >> run.seconds >> run.max_requests >> name;
  } else if (verb == "pace") {
    run.mode = Mode::kPace;
    words >> run.seconds >> run.rate >> name >> run.seed >> how;
    if (run.rate <= 0 || run.seconds <= 0) return std::nullopt;
  } else if (verb == "hold") {
    run.mode = Mode::kHold;
    words >> name;
    run.seconds = 60;
  } else {
    return std::nullopt;
  }
  run.what = find_case(name);
  command.spin = how == "spin";
  const bool bounded = run.seconds > 0 || run.max_requests > 0;
  const bool closes = run.what != nullptr && run.what->closes;
  const bool good = words && run.what != nullptr && run.connections > 0 && bounded &&
                    (run.mode == Mode::kSaturate || !closes);
  return good ? std::optional(command) : std::nullopt;
}

class BenchPeer {
 public:
  void serve() {
    const int listener = listen_on_loopback(0);
    links_.add(Kind::kListener, listener);
    links_.add(Kind::kCommands, STDIN_FILENO);
    std::cout << "listening " << port_of(listener) << '\n' << std::flush;
    while (!done_) {
      const int count = links_.wait(timeout_ns());
      for (int i = 0; i < count; ++i) {
        const epoll_event& event = links_.event(i);
        handle(*static_cast<Link*>(event.data.ptr), event.events);
      }
      links_.sweep();
      if (running_ && load_->poll()) {
        running_ = false;
        load_->report(std::cout);
        links_.sweep();
      }
    }
  }

 private:
  [[nodiscard]] std::int64_t timeout_ns() const {
    if (!running_) return -1;
    return spin_ ? 0 : load_->idle_ns();
  }

  void handle(Link& link, std::uint32_t events) {
    if (link.fd < 0) return;
    switch (link.kind) {
      case Kind::kListener:
        return accept_all(link.fd);
      case Kind::kCommands:
        return read_commands();
      case Kind::kUpstreamSide:
        return answer(link, events);
      case Kind::kClientSide:
        // A held connection that its peer closes is noticed when it is dropped.
        if (load_) load_->handle(link, events);
        return;
    }
  }

  void accept_all(int listener) {
    for (;;) {
      const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      links_.add(Kind::kUpstreamSide, fd);
    }
  }

  void answer(Link& link, std::uint32_t events) {
    if ((events & EPOLLOUT) != 0 && !link.unsent.empty() && !links_.send_rest(link)) {
      return links_.drop(&link);
    }
    if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) == 0) return;
    const Got got = links_.receive(link);
    if (got == Got::kNothing) return;
    if (got != Got::kMessage || !links_.send(link, link.what->response)) links_.drop(&link);
  }

  void read_commands() {
    std::array<char, 4096> bytes{};
    const ssize_t got = ::read(STDIN_FILENO, bytes.data(), bytes.size());
    if (got <= 0) {
      done_ = true;
      return;
    }
    input_.append(bytes.data(), static_cast<std::size_t>(got));
    for (auto end = input_.find('\n'); end != std::string::npos; end = input_.find('\n')) {
      const std::string line = input_.substr(0, end);
      input_.erase(0, end + 1);
      obey(line);
    }
  }

  void obey(const std::string& line) {
    std::istringstream words(line);
    std::string verb;
    words >> verb;
    if (verb == "drop" && !running_) {
      if (load_) load_->close_all();
      load_.reset();
      std::cout << R"({"dropped": true})" << '\n' << std::flush;
      return;
    }
    const auto command = parse_run(words, verb);
    if (!command || running_) {
      std::cout << R"({"error": "bad command"})" << '\n' << std::flush;
      return;
    }
    if (load_) load_->close_all();
    spin_ = command->spin;
    load_.emplace(links_, clock_, command->run);
    running_ = true;
  }

  canaryd::SystemClock clock_;
  Links links_;
  std::optional<Load> load_;
  std::string input_;
  bool running_ = false;
  bool spin_ = false;
  bool done_ = false;
};

}  // namespace

int main() {
  std::signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_TIMERSLACK, 1UL);
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  BenchPeer().serve();
}
