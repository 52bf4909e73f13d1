// A small shop service that stands for one version of an application, healthy or not.
//
// Answers every path with its version; /healthz with 200; /stats with what it has counted. It can
// be made slow, or made to fail: always (--error-rate), after some requests (--fail-after), or only
// under load (--overload-at requests a second), the kind of fault that no test finds and that shows
// itself only when a canary gets a real share of the traffic. One thread per connection; ends with
// the signal that ends it. Prints "listening PORT" when it is ready.
#include "canaryd/base/clock.hpp"
#include "canaryd/base/random.hpp"
#include "flags.hpp"
#include "socket.hpp"

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <poll.h>
#include <string>
#include <thread>
#include <vector>

namespace {

struct Behaviour {
  std::string name;
  double latency_ms = 0;
  double error_rate = 0;   // percent, always
  double fail_after = 0;   // requests; 0: never
  double fail_rate = 0;    // percent, once failing
  double overload_at = 0;  // requests a second; 0: never
};

class Service {
 public:
  explicit Service(Behaviour behaviour) : behaviour_(std::move(behaviour)) {}

  void serve(demo::Socket socket, std::uint64_t seed) {
    canaryd::Random random(seed);
    std::string buffer;
    while (const auto request = demo::read_message(socket, buffer)) {
      if (!socket.send_all(answer(request->head, random))) return;
    }
  }

 private:
  std::string answer(const std::string& head, canaryd::Random& random) {
    const bool is_head = head.starts_with("HEAD ");
    const auto path_begin = head.find(' ') + 1;
    const std::string path = head.substr(path_begin, head.find(' ', path_begin) - path_begin);
    if (path == "/healthz") return response("200 OK", "ok\n", is_head);
    if (path == "/stats") {
      return response("200 OK",
                      R"({"version": ")" + behaviour_.name + R"(", "requests": )" +
                          std::to_string(requests_.load()) + R"(, "failed": )" +
                          std::to_string(failed_.load()) + "}\n",
                      is_head);
    }
    const std::uint64_t number = ++requests_;
    work(random);
    if (random.chance(failure_percent(number) / 100)) {
      ++failed_;
      return response("500 Internal Server Error", "database pool exhausted\n", is_head);
    }
    return response("200 OK", "shop " + behaviour_.name + '\n', is_head);
  }

  // Latency with a tail, as services have it: the base time, and an exponential part of a third of
  // it.
  void work(canaryd::Random& random) const {
    if (behaviour_.latency_ms <= 0) return;
    const double tail = -std::log(1 - random.uniform()) * behaviour_.latency_ms / 3;
    ::poll(nullptr, 0, static_cast<int>(std::lround(behaviour_.latency_ms + tail)));
  }

  double failure_percent(std::uint64_t number) {
    if (behaviour_.fail_after > 0 && static_cast<double>(number) > behaviour_.fail_after) {
      return behaviour_.fail_rate;
    }
    if (behaviour_.overload_at > 0 && overloaded()) return behaviour_.fail_rate;
    return behaviour_.error_rate;
  }

  // Counts requests by the second; a second that had too many makes the next one fail too.
  bool overloaded() {
    const auto second =
        std::chrono::duration_cast<std::chrono::seconds>(clock_.now().time_since_epoch()).count();
    if (second_.exchange(second) != second) {
      last_count_ = count_.exchange(0);
    }
    const auto count = ++count_;
    return static_cast<double>(std::max<std::uint64_t>(count, last_count_)) >
           behaviour_.overload_at;
  }

  [[nodiscard]] std::string response(const char* status, const std::string& body, bool head) const {
    return "HTTP/1.1 " + std::string(status) +
           "\r\nContent-Type: text/plain\r\nX-Version: " + behaviour_.name +
           "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           (head ? std::string() : body);
  }

  Behaviour behaviour_;
  canaryd::SystemClock clock_;
  std::atomic<std::uint64_t> requests_ = 0;
  std::atomic<std::uint64_t> failed_ = 0;
  std::atomic<std::int64_t> second_ = 0;
  std::atomic<std::uint64_t> count_ = 0;
  std::atomic<std::uint64_t> last_count_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const demo::Flags flags(argc,
                          argv,
                          {{"--listen", "127.0.0.1:0"},
                           {"--name", "v1"},
                           {"--latency-ms", "0"},
                           {"--error-rate", "0"},
                           {"--fail-after", "0"},
                           {"--fail-rate", "60"},
                           {"--overload-at", "0"},
                           {"--seed", "1"}});
  const demo::Socket listener = demo::Socket::listen(flags.text("--listen"));
  if (!listener.valid()) {
    std::cerr << "cannot listen on " << flags.text("--listen") << '\n';
    return 4;
  }
  Service service({flags.text("--name"),
                   flags.number("--latency-ms"),
                   flags.number("--error-rate"),
                   flags.number("--fail-after"),
                   flags.number("--fail-rate"),
                   flags.number("--overload-at")});
  std::cout << "listening " << listener.port() << '\n' << std::flush;
  canaryd::Random seeds(static_cast<std::uint64_t>(flags.number("--seed")));
  std::vector<std::jthread> connections;
  while (true) {
    demo::Socket socket = listener.accept();
    if (!socket.valid()) continue;
    connections.emplace_back([&service, seed = seeds.next(), socket = std::move(socket)]() mutable {
      service.serve(std::move(socket), seed);
    });
  }
}
