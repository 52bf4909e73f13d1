// The client side of the load benchmark: connections to a proxy, and requests over them.
//
//   saturate  one request in flight on each connection, the next as soon as it is answered
//   pace      open loop: requests are due at random times of a fixed mean rate whatever the answers
//             do, and their latency counts from when they were due (no coordinated omission)
//   hold      opens connections a few at a time, one request on each, and keeps them idle
//
// Thread rule: one thread. A run is over when poll() says so; then report() is its JSON.
#pragma once

#include "canaryd/base/random.hpp"
#include "links.hpp"

#include <deque>
#include <ostream>

namespace canaryd::bench {

enum class Mode : std::uint8_t { kSaturate, kPace, kHold };

struct RunOptions {
  Mode mode = Mode::kSaturate;
  const Case* what = nullptr;
  std::uint16_t port = 0;
  std::size_t connections = 0;
  double seconds = 0;              // 0: until max_requests.
  std::uint64_t max_requests = 0;  // 0: until the time is up.
  double rate = 0;                 // kPace: a second.
  std::uint64_t seed = 1;          // kPace: of the gaps.
};

class Load {
 public:
  Load(Links& links, const Clock& clock, const RunOptions& options);

  void handle(Link& link, std::uint32_t events);
  // Sends what is due. True when the run is over.
  [[nodiscard]] bool poll();
  // How long until poll() may have something to do.
  [[nodiscard]] std::int64_t idle_ns() const;
  // One line of JSON. Closes the connections, but for those that are held.
  void report(std::ostream& out);
  // Closes what a hold has kept.
  void close_all();

 private:
  Link* open();
  void lose(Link& link);
  void take(Link& link);
  void answered(Link& link);
  void send_next(Link& link);
  void start(Link& link);
  [[nodiscard]] bool may_start() const;
  void send_due(Monotonic now);

  Links& links_;
  const Clock& clock_;
  RunOptions options_;
  std::vector<Link*> open_;
  std::uint64_t started_ = 0;
  std::uint64_t requests_ = 0;
  std::uint64_t errors_ = 0;
  Monotonic begin_{};
  Monotonic end_{};
  double cpu_begin_ = 0;

  // Of kPace.
  Random random_;
  Monotonic next_due_{};
  std::deque<Monotonic> waiting_;
  std::deque<Link*> idle_;
  std::vector<double> latencies_us_;
};

}  // namespace canaryd::bench
