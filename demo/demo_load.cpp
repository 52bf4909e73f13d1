// Steady load from many users, bounded in time: what the demo's proxy is in front of.
//
// Each connection is a thread with a fixed schedule, so a slow answer delays its own connection
// only, and the rate does not follow the service down. Users are drawn at random from --users, each
// with an X-User-Id of its own; most requests are GET, --post-share percent are POST, which a proxy
// may not repeat. Prints one line of JSON a second with --progress 1, and the totals at the end;
// SIGTERM and SIGINT end it early, with the totals.
#include "canaryd/base/clock.hpp"
#include "canaryd/base/random.hpp"
#include "flags.hpp"
#include "socket.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <poll.h>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

constexpr int kTimeoutMs = 5000;
std::atomic<bool> stop = false;

struct Totals {
  std::uint64_t requests = 0;
  std::uint64_t failed = 0;  // A status of 500 and up, or no answer at all.
  std::map<std::string, std::uint64_t> by_status;
  std::map<std::string, std::uint64_t> by_version;
  std::array<std::uint64_t, 5001> by_ms{};  // Latency in whole milliseconds, the last one open.

  void add(const Totals& other) {
    requests += other.requests;
    failed += other.failed;
    for (const auto& [status, count] : other.by_status) by_status[status] += count;
    for (const auto& [version, count] : other.by_version) by_version[version] += count;
    for (std::size_t i = 0; i < by_ms.size(); ++i) by_ms[i] += other.by_ms[i];
  }

  [[nodiscard]] std::size_t quantile_ms(double q) const {
    std::uint64_t left = static_cast<std::uint64_t>(q * static_cast<double>(requests));
    for (std::size_t ms = 0; ms < by_ms.size(); ++ms) {
      if (left < by_ms[ms]) return ms;
      left -= by_ms[ms];
    }
    return by_ms.size() - 1;
  }
};

struct Plan {
  std::string target;
  canaryd::Duration interval{};  // Between two requests of one connection.
  canaryd::Monotonic end;
  std::uint64_t users = 1;
  double post_share = 0;  // 0..1
};

class Connection {
 public:
  Connection(const Plan& plan, const canaryd::Clock& clock, std::uint64_t seed)
      : plan_(plan), clock_(clock), random_(seed) {}

  void run(canaryd::Monotonic first) {
    for (auto due = first; due < plan_.end && !stop; due += plan_.interval) {
      wait_until(due);
      one_request();
    }
  }

  // Takes what was counted since the last call.
  Totals take() {
    const std::lock_guard lock(mutex_);
    Totals taken = totals_;
    totals_ = Totals();
    return taken;
  }

 private:
  void wait_until(canaryd::Monotonic due) const {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(due - clock_.now());
    if (left.count() > 0) ::poll(nullptr, 0, static_cast<int>(left.count()));
  }

  void one_request() {
    const std::string user = std::to_string(random_.below(plan_.users));
    const bool post = random_.chance(plan_.post_share);
    const std::string request = std::string(post ? "POST /basket" : "GET /item/") +
                                (post ? "" : user) +
                                " HTTP/1.1\r\nHost: shop.test\r\nX-User-Id: user-" + user + "\r\n" +
                                (post ? "Content-Length: 7\r\n\r\nitem=42" : "\r\n");
    const auto begin = clock_.now();
    const auto message = exchange(request);
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now() - begin).count();
    const std::string status = message ? message->head.substr(9, 3) : "none";
    const std::lock_guard lock(mutex_);
    ++totals_.requests;
    ++totals_.by_status[status];
    if (status >= "500") ++totals_.failed;
    ++totals_.by_ms[std::min(static_cast<std::size_t>(ms), totals_.by_ms.size() - 1)];
    if (message) {
      const auto version = demo::field(message->head, "x-version");
      if (version) ++totals_.by_version[std::string(*version)];
    }
  }

  std::optional<demo::Message> exchange(const std::string& request) {
    if (!socket_.valid()) {
      buffer_.clear();
      socket_ = demo::Socket::connect(plan_.target, kTimeoutMs);
    }
    if (!socket_.valid() || !socket_.send_all(request)) {
      socket_ = demo::Socket();
      return std::nullopt;
    }
    auto message = demo::read_message(socket_, buffer_);
    const bool close = !message || demo::field(message->head, "connection") == "close";
    if (close) socket_ = demo::Socket();
    return message;
  }

  const Plan& plan_;
  const canaryd::Clock& clock_;
  canaryd::Random random_;
  demo::Socket socket_;
  std::string buffer_;
  std::mutex mutex_;
  Totals totals_;
};

std::string counts(const std::map<std::string, std::uint64_t>& values) {
  std::string text = "{";
  for (const auto& [name, count] : values) {
    text += (text.size() > 1 ? ", \"" : "\"") + name + "\": " + std::to_string(count);
  }
  return text + "}";
}

void print(const Totals& totals, double seconds) {
  std::cout << R"({"seconds": )" << seconds << R"(, "requests": )" << totals.requests
            << R"(, "failed": )" << totals.failed << R"(, "by_status": )"
            << counts(totals.by_status) << R"(, "by_version": )" << counts(totals.by_version)
            << R"(, "p50_ms": )" << totals.quantile_ms(0.5) << R"(, "p99_ms": )"
            << totals.quantile_ms(0.99) << "}\n"
            << std::flush;
}

}  // namespace

int main(int argc, char** argv) {
  const demo::Flags flags(argc,
                          argv,
                          {{"--target", ""},
                           {"--rate", "1000"},
                           {"--users", "20000"},
                           {"--connections", "32"},
                           {"--seconds", "60"},
                           {"--post-share", "0"},
                           {"--progress", "0"},
                           {"--seed", "1"}});
  std::signal(SIGTERM, [](int) { stop = true; });
  std::signal(SIGINT, [](int) { stop = true; });
  const canaryd::SystemClock clock;
  const auto seconds = [](double value) {
    return std::chrono::duration_cast<canaryd::Duration>(std::chrono::duration<double>(value));
  };
  const double rate = std::max(1.0, flags.number("--rate"));
  const auto count = static_cast<std::size_t>(std::max(1.0, flags.number("--connections")));
  const auto begin = clock.now();
  const Plan plan{flags.text("--target"),
                  seconds(static_cast<double>(count) / rate),
                  begin + seconds(flags.number("--seconds")),
                  std::max<std::uint64_t>(1, static_cast<std::uint64_t>(flags.number("--users"))),
                  flags.number("--post-share") / 100};
  canaryd::Random seeds(static_cast<std::uint64_t>(flags.number("--seed")));
  std::vector<std::unique_ptr<Connection>> connections;
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < count; ++i) {
    connections.push_back(std::make_unique<Connection>(plan, clock, seeds.next()));
    const auto first = begin + seconds(static_cast<double>(i) / rate);
    threads.emplace_back(
        [connection = connections.back().get(), first] { connection->run(first); });
  }
  Totals totals;
  while (!stop && clock.now() < plan.end) {
    ::poll(nullptr, 0, 1000);
    Totals second;
    for (const auto& connection : connections) second.add(connection->take());
    totals.add(second);
    if (flags.number("--progress") > 0) print(second, 1);
  }
  threads.clear();  // Joins them.
  for (const auto& connection : connections) totals.add(connection->take());
  print(totals, std::chrono::duration<double>(clock.now() - begin).count());
}
