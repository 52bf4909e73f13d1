// Load generator and upstream in one thread, for comparing proxies.
//
// A load that costs more than the proxy hides the difference between proxies, so this program does
// next to nothing: one epoll set, level-triggered, one recv and one send per message, fixed bytes
// both ways, no parsing beyond the end of a head. It listens on a free port as the upstream, says
// which, and takes commands on standard input:
//
//   run PORT CONNECTIONS SECONDS MAX_REQUESTS small|real
//
// opens CONNECTIONS keep-alive connections to 127.0.0.1:PORT, keeps one request in flight on each
// until the time or the number of requests is reached (0: no such bound), and prints one line of
// JSON. End of input ends the program. An error is a response that is not a whole 200 with the
// expected body, or a connection that breaks; a broken connection is not opened again.
#include "canaryd/base/clock.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sstream>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <unordered_map>
#include <vector>

namespace {

using namespace std::string_view_literals;

constexpr std::size_t kBodyBytes = 100;
constexpr std::string_view kSmallRequest = "GET /s HTTP/1.1\r\nHost: bench.test\r\n\r\n";
constexpr std::string_view kRealRequest =
    "GET /r/catalogue/items/4711?colour=green&size=42&sort=price HTTP/1.1\r\n"
    "Host: shop.bench.test\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n"
    "Accept-Language: en-GB,en;q=0.8,de;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Referer: https://shop.bench.test/catalogue/items?page=7\r\n"
    "Cookie: session=6fd0a1c58d3b4e0f9a7722b1c0de9911; theme=dark; consent=yes-all-20250101; "
    "basket=eyJpdGVtcyI6WzEsMiwzXSwidG90YWwiOjQyfQ; canaryd_id=0f8fad5b7d9c46a9\r\n"
    "Cache-Control: no-cache\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "X-User-Id: user-20250117-000042\r\n"
    "\r\n";
constexpr std::string_view kSmallHead =
    "HTTP/1.1 200 OK\r\n"
    "Server: bench\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Cache-Control: private, max-age=0\r\n"
    "Content-Length: 100\r\n"
    "\r\n";
constexpr std::string_view kRealHead =
    "HTTP/1.1 200 OK\r\n"
    "Server: bench\r\n"
    "Date: Mon, 06 Jan 2025 10:00:00 GMT\r\n"
    "Content-Type: text/html; charset=utf-8\r\n"
    "Content-Length: 100\r\n"
    "Cache-Control: private, no-store, max-age=0\r\n"
    "ETag: \"5f0c-1a2b3c4d5e6f7081\"\r\n"
    "Vary: Accept-Encoding, Cookie\r\n"
    "Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "X-Frame-Options: SAMEORIGIN\r\n"
    "Referrer-Policy: strict-origin-when-cross-origin\r\n"
    "Content-Security-Policy: default-src 'self'; img-src 'self' data:\r\n"
    "Set-Cookie: seen=1; Path=/; HttpOnly; SameSite=Lax\r\n"
    "\r\n";

enum class Kind : std::uint8_t { kListener, kCommands, kUpstreamSide, kClientSide };

struct Peer {
  Kind kind = Kind::kClientSide;
  int fd = -1;
  std::string partial;  // Bytes of a message that came in pieces; empty nearly always.
};

struct Run {
  bool active = false;
  bool real = false;
  std::uint64_t max_requests = 0;
  std::uint64_t started = 0;
  std::uint64_t requests = 0;
  std::uint64_t errors = 0;
  std::size_t open = 0;
  canaryd::Monotonic begin;
  canaryd::Monotonic end;
  double cpu_begin = 0;
};

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

bool send_all(int fd, std::string_view bytes) {
  const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  return sent == static_cast<ssize_t>(bytes.size());
}

class BenchPeer {
 public:
  BenchPeer() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    small_response_.append(kSmallHead).append(kBodyBytes, 's');
    real_response_.append(kRealHead).append(kBodyBytes, 'r');
  }

  void serve() {
    open_listener();
    add(Kind::kCommands, STDIN_FILENO);
    std::array<epoll_event, 256> events{};
    while (!done_) {
      const int count =
          epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), run_.active ? 20 : -1);
      for (int i = 0; i < count; ++i) {
        handle(static_cast<Peer*>(events[static_cast<std::size_t>(i)].data.ptr));
      }
      closed_.clear();
      if (run_.active) finish_if_over();
    }
  }

 private:
  void open_listener() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
        listen(fd, 4096) != 0 ||
        getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
      die("listen");
    }
    add(Kind::kListener, fd);
    std::cout << "listening " << ntohs(address.sin_port) << '\n' << std::flush;
  }

  Peer* add(Kind kind, int fd) {
    auto peer = std::make_unique<Peer>();
    peer->kind = kind;
    peer->fd = fd;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = peer.get();
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
    Peer* raw = peer.get();
    peers_[fd] = std::move(peer);
    return raw;
  }

  // Kept until the end of the batch: a later event of the batch may still point at it.
  void drop(Peer* peer) {
    if (peer->kind == Kind::kClientSide) --run_.open;
    const auto found = peers_.find(peer->fd);
    ::close(peer->fd);
    peer->fd = -1;
    closed_.push_back(std::move(found->second));
    peers_.erase(found);
  }

  void handle(Peer* peer) {
    if (peer->fd < 0) return;
    switch (peer->kind) {
      case Kind::kListener:
        return accept_all(peer->fd);
      case Kind::kCommands:
        return read_command();
      case Kind::kUpstreamSide:
        return answer(peer);
      case Kind::kClientSide:
        return take_response(peer);
    }
  }

  void accept_all(int listener) {
    while (true) {
      const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      add(Kind::kUpstreamSide, fd);
    }
  }

  // The bytes of a whole message, or nothing; the view lives until the next call.
  std::string_view receive(Peer* peer, bool (*whole)(std::string_view)) {
    const ssize_t got = ::recv(peer->fd, buffer_.data(), buffer_.size(), 0);
    if (got <= 0) {
      if (got == 0 || errno != EAGAIN) {
        if (peer->kind == Kind::kClientSide && run_.active) ++run_.errors;
        drop(peer);
      }
      return {};
    }
    std::string_view bytes(buffer_.data(), static_cast<std::size_t>(got));
    if (!peer->partial.empty()) {
      peer->partial.append(bytes);
      whole_.swap(peer->partial);
      peer->partial.clear();
      bytes = whole_;
    }
    if (whole(bytes)) return bytes;
    peer->partial.assign(bytes);
    return {};
  }

  // One request at a time and no bodies: a request is whole when its bytes end in an empty line.
  void answer(Peer* peer) {
    const auto request =
        receive(peer, [](std::string_view bytes) { return bytes.ends_with("\r\n\r\n"sv); });
    if (request.empty()) return;
    const bool real = request.size() > 5 && request[5] == 'r';
    if (!send_all(peer->fd, real ? real_response_ : small_response_)) drop(peer);
  }

  void take_response(Peer* peer) {
    const auto response = receive(peer, [](std::string_view bytes) {
      const auto head_end = bytes.find("\r\n\r\n"sv);
      return head_end != std::string_view::npos && bytes.size() >= head_end + 4 + kBodyBytes;
    });
    if (response.empty()) return;
    ++run_.requests;
    const char body = run_.real ? 'r' : 's';
    const bool good = response.starts_with("HTTP/1.1 200"sv) && response.back() == body &&
                      response.size() == response.find("\r\n\r\n"sv) + 4 + kBodyBytes;
    if (!good) ++run_.errors;
    next_request(peer);
  }

  void next_request(Peer* peer) {
    if (run_.max_requests != 0 && run_.started >= run_.max_requests) return;
    ++run_.started;
    if (!send_all(peer->fd, run_.real ? kRealRequest : kSmallRequest)) {
      ++run_.errors;
      drop(peer);
    }
  }

  void read_command() {
    const ssize_t got = ::read(STDIN_FILENO, buffer_.data(), buffer_.size());
    if (got <= 0) {
      done_ = true;
      return;
    }
    std::istringstream line(std::string(buffer_.data(), static_cast<std::size_t>(got)));
    std::string verb;
    std::string variant;
    std::uint16_t port = 0;
    std::size_t connections = 0;
    double seconds = 0;
    std::uint64_t max_requests = 0;
    if (!(line >> verb >> port >> connections >> seconds >> max_requests >> variant) ||
        verb != "run" || connections == 0 || run_.active || (seconds <= 0 && max_requests == 0)) {
      std::cout << R"({"error": "bad command"})" << '\n' << std::flush;
      return;
    }
    start(port, connections, seconds, max_requests, variant == "real");
  }

  void start(std::uint16_t port,
             std::size_t connections,
             double seconds,
             std::uint64_t max_requests,
             bool real) {
    run_ = Run{};
    run_.active = true;
    run_.real = real;
    run_.max_requests = max_requests;
    std::vector<Peer*> clients;
    for (std::size_t i = 0; i < connections; ++i) {
      const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const sockaddr_in address = loopback(port);
      if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        ++run_.errors;
        ::close(fd);
        continue;
      }
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      clients.push_back(add(Kind::kClientSide, fd));
      ++run_.open;
    }
    run_.begin = clock_.now();
    const double bound = seconds > 0 ? seconds : 3600;
    run_.end = run_.begin +
               std::chrono::duration_cast<canaryd::Duration>(std::chrono::duration<double>(bound));
    run_.cpu_begin = cpu_seconds();
    for (Peer* client : clients) next_request(client);
  }

  void finish_if_over() {
    const auto now = clock_.now();
    const bool counted = run_.max_requests != 0 && run_.requests >= run_.max_requests;
    if (!counted && now < run_.end && run_.open != 0) return;
    const double cpu = cpu_seconds() - run_.cpu_begin;
    const double elapsed = std::chrono::duration<double>(now - run_.begin).count();
    run_.active = false;
    std::vector<Peer*> clients;
    for (const auto& [fd, peer] : peers_) {
      if (peer->kind == Kind::kClientSide) clients.push_back(peer.get());
    }
    for (Peer* client : clients) drop(client);
    closed_.clear();
    std::cout << R"({"requests": )" << run_.requests << R"(, "seconds": )" << elapsed
              << R"(, "errors": )" << run_.errors << R"(, "peer_cpu_seconds": )" << cpu << "}\n"
              << std::flush;
  }

  int epoll_;
  bool done_ = false;
  canaryd::SystemClock clock_;
  Run run_;
  std::unordered_map<int, std::unique_ptr<Peer>> peers_;
  std::vector<std::unique_ptr<Peer>> closed_;
  std::string small_response_;
  std::string real_response_;
  std::string whole_;
  std::array<char, 65536> buffer_{};
};

}  // namespace

int main() {
  std::signal(SIGPIPE, SIG_IGN);
  BenchPeer().serve();
}
