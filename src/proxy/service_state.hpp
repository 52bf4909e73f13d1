// What the connections of one worker share. Private to the room.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/http/head_buffer.hpp"
#include "canaryd/net/runtime.hpp"
#include "canaryd/net/task_group.hpp"
#include "canaryd/net/timer_wheel.hpp"
#include "canaryd/proxy/service.hpp"
#include "canaryd/stats/dedupe.hpp"
#include "proxy/local_reply.hpp"
#include "proxy/mirror.hpp"
#include "proxy/vote_limiter.hpp"
#include "proxy/worker_table.hpp"

#include <boost/smart_ptr/local_shared_ptr.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace canaryd::proxy {

class Connection;
class Exchange;
class Tunnel;
struct ServiceState;

// An open listener; its connections keep it.
struct ListenerState final : private net::TimerNode {
  explicit ListenerState(ServiceState& state_in);

  // Its answers are the last ones of their connections now; who has not asked until then, is let
  // go then.
  void end_at(Monotonic then) noexcept;

  std::shared_ptr<const ListenerSpec> spec;
  std::shared_ptr<ListenerCounters> counters;
  std::shared_ptr<ListenerGauge> gauge;
  std::unique_ptr<net::Listener> socket;  // Null once it stopped accepting.
  bool ending = false;

 private:
  void expired() override;

  ServiceState& state_;
};
using ListenerPointer = boost::local_shared_ptr<ListenerState>;

struct ServiceState {
  ServiceState(net::Runtime& runtime_in, ServiceOptions options_in);
  ~ServiceState();

  // A head is written here and sent, or copied, before anybody else runs. Large enough for the
  // longest head that comes in, and what is added to it.
  [[nodiscard]] std::span<char> head_scratch() noexcept;
  // Canonical targets; as short-lived.
  [[nodiscard]] std::span<char> target_scratch(std::size_t bytes);
  // Targets that a route's rewrite made of them; as short-lived.
  [[nodiscard]] std::span<char> rewrite_scratch(std::size_t bytes);
  // The wall clock is asked once a second: the time of the batch says when the text is out of date.
  [[nodiscard]] std::string_view date() noexcept {
    if (runtime.now() >= date_until) {
      const WallTime now = options.clock->wall_now();
      date_value = date_text.at(now);
      const auto second = std::chrono::floor<std::chrono::seconds>(now) + std::chrono::seconds(1);
      date_until = runtime.now() + (second - now);
    }
    return date_value;
  }

  // With this off, an access log and taps cost these branches.
  [[nodiscard]] bool wants_access() const noexcept { return logs_access() || is_tapped(); }
  [[nodiscard]] bool wants_referer() const noexcept {
    return logs_access() && options.access->wants_referer();
  }
  void write_access(const telemetry::AccessRecord& record) noexcept {
    if (logs_access()) options.access->write(record);
    if (is_tapped()) options.tap->write(record);
  }

  net::Runtime& runtime;
  ServiceOptions options;
  TablePointer table;
  std::vector<ListenerPointer> listeners;
  PendingReads pending_reads;  // Before their copies.
  Mirrors mirrors;             // Before the exchanges, which may hold copies.
  Mirrors parity_copies;       // With bounds of their own: none of the mirrors' copies is left out.
  Exchange* exchanges = nullptr;  // All of them, the spare ones too, linked.
  std::vector<std::unique_ptr<Exchange>> spare_exchanges;
  Connection* connections = nullptr;  // All of them, linked.
  Tunnel* tunnels = nullptr;          // The same.
  stats::DedupeTable dedupe;
  VoteLimiter vote_limiter;
  DateText date_text;
  std::string_view date_value;  // Of date_text, until date_until.
  Monotonic date_until = Monotonic::min();
  int lingering = 0;      // Clients that were turned away and may not have heard it yet.
  bool ending = false;    // Each answer is the last one of its connection.
  bool draining = false;  // And nobody is let in any more.
  std::vector<char> scratch;
  std::vector<char> targets;
  std::vector<char> rewritten;
  net::TaskGroup group;  // Last: its tasks use all of the above.

 private:
  [[nodiscard]] bool logs_access() const noexcept {
    return options.access != nullptr && options.access->on();
  }
  [[nodiscard]] bool is_tapped() const noexcept {
    return options.tap != nullptr && options.tap->on();
  }
};

}  // namespace canaryd::proxy
