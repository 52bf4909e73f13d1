// What the reactor costs: a keep-alive relay on one product worker (listener, task, waiter, pool,
// no HTTP), driven by a peer that is client and upstream in one thread and cheaper than the relay.
//
//   reactor_bench [rounds=7] [seconds=1] [connections=64]
//
// Prints for each round the worker thread's CPU time per request (40 B up, 250 B down), user and
// system apart, and at the end the median and the best round. Run it pinned, on a quiet machine;
// compare only interleaved runs.
#include "canaryd/net/task_group.hpp"
#include "canaryd/net/waiter.hpp"
#include "canaryd/net/worker.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <span>
#include <string_view>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace canaryd;       // NOLINT(google-build-using-namespace): a program, not a header.
using namespace canaryd::net;  // NOLINT(google-build-using-namespace)

constexpr std::size_t kRequestBytes = 40;
constexpr std::size_t kResponseBytes = 250;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

// --- The relay under test.

class Relay {
 public:
  Relay(Worker& worker, const Address& upstream)
      : worker_(worker), upstream_(upstream), tasks_(worker) {
    auto listener = worker.listen(
        {.address = loopback_v4(0)},
        [this](std::unique_ptr<Stream> client) { tasks_.spawn(serve(std::move(client))); });
    if (!listener) die(describe(listener.error()).c_str());
    listener_ = std::move(*listener);
  }

  [[nodiscard]] std::uint16_t port() const { return listener_->address().port; }

 private:
  // Moves one message; false at the end of the stream, an error or a cancellation.
  static bool pass(Stream& from, Stream& to, std::span<char> block) {
    const IoResult got = from.recv(block);
    if (got.would_block()) return true;
    if (!got.ok()) return false;
    return to.send({block.data(), got.bytes}).bytes == got.bytes;  // Small: it always fits.
  }

  Task<void> serve(std::unique_ptr<Stream> client) {
    Waiter waiter(worker_, tasks_);
    auto connecting = worker_.connect(upstream_);
    if (!connecting) co_return;
    const std::unique_ptr<Stream> server = std::move(*connecting);
    const Wake connected = co_await waiter.until(kNever, writable(*server));
    if (connected != Wake::kReady || server->connect_error()) co_return;
    for (;;) {
      const Monotonic deadline = worker_.now() + std::chrono::seconds{60};
      const Wake wake = co_await waiter.until(deadline, readable(*client), readable(*server));
      if (wake != Wake::kReady) co_return;
      auto block = worker_.buffers().small.acquire();
      if (!block) co_return;
      if (client->readable_flag() && !pass(*client, *server, block->span())) co_return;
      if (server->readable_flag() && !pass(*server, *client, block->span())) co_return;
    }
  }

  Worker& worker_;
  Address upstream_;
  TaskGroup tasks_;
  std::unique_ptr<Listener> listener_;
};

// --- The peer: blocking set-up, then one edge-free epoll loop without allocation.

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

class Peer {
 public:
  Peer() : epoll_(::epoll_create1(0)), listening_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in at = loopback(0);
    socklen_t size = sizeof at;
    auto* generic = reinterpret_cast<sockaddr*>(&at);
    if (::bind(listening_, generic, size) != 0 || ::listen(listening_, 1024) != 0) die("listen");
    ::getsockname(listening_, generic, &size);
    port_ = ntohs(at.sin_port);
  }
  ~Peer() {
    for (const int fd : open_) ::close(fd);
    ::close(listening_);
    ::close(epoll_);
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }

  void open(std::uint16_t proxy, std::size_t connections) {
    for (std::size_t i = 0; i < connections; ++i) {
      const int client = ::socket(AF_INET, SOCK_STREAM, 0);
      const sockaddr_in to = loopback(proxy);
      if (::connect(client, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) die("connect");
      const int served = ::accept(listening_, nullptr, nullptr);
      if (served < 0) die("accept");
      watch(client, true);
      watch(served, false);
      ask(client);
    }
  }

  // Requests answered until the deadline.
  std::uint64_t run(std::chrono::steady_clock::time_point until) {
    std::uint64_t answered = 0;
    std::array<epoll_event, 256> events{};
    std::array<char, 4096> block{};
    while (std::chrono::steady_clock::now() < until) {
      const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 100);
      for (int i = 0; i < count; ++i) {
        const std::uint64_t tag = events[static_cast<std::size_t>(i)].data.u64;
        const int fd = static_cast<int>(tag >> 1U);
        const bool client = (tag & 1U) != 0;
        const ssize_t got = ::recv(fd, block.data(), block.size(), MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN) continue;
        if (got != static_cast<ssize_t>(client ? kResponseBytes : kRequestBytes)) die("peer recv");
        if (client) {
          ++answered;
          ask(fd);
        } else if (::send(fd, response_.data(), response_.size(), MSG_NOSIGNAL) < 0) {
          die("peer send");
        }
      }
    }
    return answered;
  }

 private:
  void watch(int fd, bool client) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.u64 = (static_cast<std::uint64_t>(fd) << 1U) | (client ? 1U : 0U);
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
    open_.push_back(fd);
  }
  void ask(int fd) {
    if (::send(fd, request_.data(), request_.size(), MSG_NOSIGNAL) < 0) die("peer ask");
  }

  int epoll_;
  int listening_;
  std::uint16_t port_ = 0;
  std::vector<int> open_;
  std::array<char, kRequestBytes> request_{};
  std::array<char, kResponseBytes> response_{};
};

struct CpuTime {
  double user_us = 0;
  double system_us = 0;
};

CpuTime cpu_of(Worker& worker) {
  std::promise<CpuTime> result;
  worker.post([&] {
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    const auto us = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
    };
    result.set_value({us(usage.ru_utime), us(usage.ru_stime)});
  });
  return result.get_future().get();
}

std::size_t argument(int argc, char** argv, int index, std::size_t otherwise) {
  if (index >= argc) return otherwise;
  const std::string_view text = argv[index];
  std::from_chars(text.data(), text.data() + text.size(), otherwise);
  return otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t rounds = argument(argc, argv, 1, 7);
  const std::size_t seconds = argument(argc, argv, 2, 1);
  const std::size_t connections = argument(argc, argv, 3, 64);

  auto created = Worker::create({.seed = 1});
  if (!created) die(describe(created.error()).c_str());
  Worker& worker = **created;
  worker.start();

  std::vector<double> costs;
  {
    Peer peer;
    std::unique_ptr<Relay> relay;
    std::promise<std::uint16_t> port;
    worker.post([&] {
      relay = std::make_unique<Relay>(worker, loopback_v4(peer.port()));
      port.set_value(relay->port());
    });
    peer.open(port.get_future().get(), connections);
    peer.run(std::chrono::steady_clock::now() + std::chrono::milliseconds{200});
    for (std::size_t round = 0; round < rounds; ++round) {
      const CpuTime before = cpu_of(worker);
      const auto until = std::chrono::steady_clock::now() + std::chrono::seconds{seconds};
      const auto answered = static_cast<double>(peer.run(until));
      const CpuTime after = cpu_of(worker);
      const double user = (after.user_us - before.user_us) / answered;
      const double system = (after.system_us - before.system_us) / answered;
      const double busy = (user + system) * answered / (static_cast<double>(seconds) * 1e4);
      costs.push_back(user + system);
      std::printf(
          "%.2f us/request (user %.2f, system %.2f), %.0f requests/s, worker busy %.0f %%\n",
          user + system,
          user,
          system,
          answered / static_cast<double>(seconds),
          busy);
    }
    std::promise<void> gone;
    worker.post([&] {
      relay.reset();
      gone.set_value();
    });
    gone.get_future().wait();
  }
  worker.stop();
  worker.join();
  std::sort(costs.begin(), costs.end());
  std::printf("median %.2f, best %.2f us/request\n", costs[costs.size() / 2], costs.front());
  return 0;
}
