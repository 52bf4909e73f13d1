// One proxy service on the simulated network, with scripted clients and upstreams around it.
//
// ProxyTest publishes, unless told otherwise, one route "all" for everything to the upstream
// "stable"; split() makes it a rollout of "stable" and "canary". At the end of every test it checks
// what must always hold: nothing is left open, every request that was begun has ended, every gauge
// is back at 0, every buffer is back in its pool.
#pragma once

#include "canaryd/proxy/service.hpp"
#include "component/http_text.hpp"
#include "support/manual_clock.hpp"
#include "support/sim.hpp"
#include "support/upstream_share.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::test {

using namespace std::chrono_literals;
using proxy::ProxyError;

inline const net::Address kFront = address("10.0.0.1:8080");
inline const net::Address kStable = address("10.0.0.2:80");
inline const net::Address kStable2 = address("10.0.0.4:80");
inline const net::Address kCanary = address("10.0.0.3:80");
inline constexpr std::string_view kDate = "Mon, 05 Jan 2026 10:00:00 GMT";

class ProxyWorld {
 public:
  explicit ProxyWorld(std::uint64_t seed = 1,
                      net::BufferPools::Limits buffers = {},
                      std::shared_ptr<telemetry::AccessSink> access_in = nullptr);
  ~ProxyWorld();
  ProxyWorld(const ProxyWorld&) = delete;
  ProxyWorld& operator=(const ProxyWorld&) = delete;

  // Set these, then publish() and open(). The table's epoch counts up by itself.
  proxy::ListenerSpec listener;
  std::vector<upstream::UpstreamSpec> upstreams;
  routing::TableSpec table;
  proxy::FailurePolicy failures;
  std::vector<proxy::RouteTimeouts> route_timeouts;
  std::vector<proxy::MirrorPolicy> mirrors;
  std::vector<proxy::ParityPolicy> parities;
  std::shared_ptr<stats::ParityQueue> parity_queue = std::make_shared<stats::ParityQueue>();
  std::shared_ptr<stats::StableUse> stable_use;  // Null: nobody watches.
  proxy::RouteRulesList rules;
  std::vector<proxy::WatchRules> watches;
  std::vector<std::size_t> segments;  // How many each rollout watches.
  std::shared_ptr<routing::CohortGate> gate = std::make_shared<routing::CohortGate>();

  // Route "all" becomes a rollout "web" with this weight, keyed by X-User.
  void split(unsigned weight_basis_points);
  [[nodiscard]] routing::RolloutSpec& rollout() { return table.rollouts.front(); }

  void publish();
  void open();
  void start() {
    publish();
    open();
  }

  // Of all tables so far, by the number of the route.
  [[nodiscard]] stats::CounterSnapshot counters(Cohort cohort, std::uint32_t route = 0) const;
  // Of the rollout, in the table published last.
  [[nodiscard]] stats::SegmentReading segment(std::size_t segment, Cohort cohort) const;
  [[nodiscard]] std::uint64_t errors(ProxyError error) const;
  [[nodiscard]] upstream::UpstreamCounters& upstream(std::string_view name);
  [[nodiscard]] upstream::ConcurrencyLimit& limit(std::string_view name);
  // What control would write of an endpoint, by its index in the specification.
  [[nodiscard]] upstream::EndpointState& endpoint(std::string_view name, std::size_t index);
  // The test's end: lets everything run out, then checks the invariants.
  void finish();

  SimNetwork net;
  SimRuntime worker;
  ManualClock clock;
  std::shared_ptr<proxy::ListenerCounters> listener_counters;
  std::shared_ptr<proxy::ListenerGauge> listener_gauge;
  std::shared_ptr<stats::FailureQueue> failure_queue;
  std::shared_ptr<stats::VoteQueue> vote_queue;
  // Null unless given at the start; then access_policy goes out with the table.
  std::shared_ptr<telemetry::AccessSink> access;
  std::shared_ptr<const telemetry::AccessPolicy> access_policy;
  // Nobody taps unless a test says so.
  std::shared_ptr<telemetry::TapSink> tap;
  std::unique_ptr<proxy::Service> service;

 private:
  std::map<std::string, upstream::UpstreamShare, std::less<>> shares_;
  std::vector<upstream::UpstreamShare> all_shares_;  // Of all tables so far.
  std::vector<std::shared_ptr<stats::CounterSet>> counter_sets_;
};

class ProxyTest : public testing::Test {
 protected:
  explicit ProxyTest(net::BufferPools::Limits buffers = {}) : world(1, buffers) {}
  void TearDown() override { world.finish(); }

  ProxyWorld world;
};

// A client in straight-line code.
class Client {
 public:
  explicit Client(ProxyWorld& world, const net::Address& to = kFront)
      : peer(world.net.connect(to)), world_(world) {}

  void send(std::string_view text) { peer.send(text); }
  // The next response, when it is whole or the connection has ended. Nothing whole within an hour:
  // what there is.
  Message read(BodyRule rule = BodyRule::kResponse);
  Message ask(std::string_view request, BodyRule rule = BodyRule::kResponse) {
    send(request);
    return read(rule);
  }
  // Runs until the proxy has ended the connection, at most so long; whether it has.
  bool closes_within(Duration limit) {
    return world_.net.run_until([this] { return peer.ended(); }, limit);
  }
  // After everything that is due now has happened.
  bool open() {
    world_.net.run_ready();
    return !peer.ended();
  }

  SimPeer peer;

 private:
  ProxyWorld& world_;
  std::string text_;
};

// An upstream that answers by itself.
class Backend {
 public:
  using Answer = std::function<std::string(const Message&)>;
  Backend(ProxyWorld& world, const net::Address& address, Answer answer);
  Backend(ProxyWorld& world, const net::Address& address, std::string answer = ok("hello"))
      : Backend(world, address, [answer = std::move(answer)](const Message&) { return answer; }) {}

  SimServer server;
  std::deque<Message> requests;  // In the order in which they were complete; they stay put.

 private:
  std::map<SimPeer*, std::string> texts_;
};

inline constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

[[nodiscard]] std::string get(std::string_view path, std::string_view fields = {});
[[nodiscard]] std::string post(std::string_view body, std::string_view fields = {});

}  // namespace canaryd::test
