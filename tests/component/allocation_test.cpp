// In steady state a request allocates nothing: everything it needs is kept from the one before.
//
// The simulated network allocates for every event, so this runs on the smallest runtime there is:
// streams over fixed memory, driven by hand.
#include "canaryd/proxy/service.hpp"
#include "component/allocation_count.hpp"
#include "support/manual_clock.hpp"
#include "support/upstream_share.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

namespace canaryd::test {
namespace {

using namespace std::chrono_literals;

// What the other end of a stream has sent, and what it has got.
struct Line {
  std::string_view input;
  std::array<char, 4096> output{};
  std::size_t sent = 0;
  class FixedStream* stream = nullptr;

  void arrive(std::string_view bytes);
  [[nodiscard]] std::string_view take() { return {output.data(), std::exchange(sent, 0)}; }
};

class FixedStream final : public net::Stream {
 public:
  explicit FixedStream(Line& line) : Stream(net::kWritable), line_(line) { line_.stream = this; }
  ~FixedStream() override { line_.stream = nullptr; }

  void wake() { raise(net::kReadable); }
  net::IoResult recv(std::span<char> into) override {
    if (!readable_flag()) return {.status = net::IoStatus::kWouldBlock};
    const std::size_t bytes = std::min(into.size(), line_.input.size());
    std::memcpy(into.data(), line_.input.data(), bytes);
    line_.input.remove_prefix(bytes);
    if (bytes < into.size()) lower(net::kReadable);
    if (bytes == 0) return {.status = net::IoStatus::kWouldBlock};
    return {.bytes = bytes};
  }
  net::IoResult send(std::string_view first, std::string_view second) override {
    for (const std::string_view piece : {first, second}) {
      CANARYD_ASSERT(line_.sent + piece.size() <= line_.output.size());
      std::copy(piece.begin(), piece.end(), line_.output.data() + line_.sent);
      line_.sent += piece.size();
    }
    return {.bytes = first.size() + second.size()};
  }
  void shutdown_send() override {}
  void reset() override {}
  std::optional<ErrorCode> connect_error() override { return {}; }
  bool is_quiet() const override { return true; }
  std::optional<std::size_t> unacknowledged() const noexcept override { return std::nullopt; }
  const net::Address& peer_address() const noexcept override { return address_; }
  net::Address local_address() const override { return address_; }

 private:
  Line& line_;
  net::Address address_;
};

void Line::arrive(std::string_view bytes) {
  input = bytes;
  stream->wake();
}

class FixedListener final : public net::Listener {
 public:
  const net::Address& address() const noexcept override { return address_; }
  void pause() override {}
  void resume() override {}
  void close() override {}
  const net::ListenerCounters& counters() const noexcept override { return counters_; }

 private:
  net::Address address_;
  net::ListenerCounters counters_;
};

// One client and at most one upstream connection.
class FixedRuntime final : public net::Runtime {
 public:
  FixedRuntime() : Runtime({.now = Monotonic(1h), .seed = 1, .buffers = {}}) {}

  Result<std::unique_ptr<net::Stream>> connect(const net::Address&) override {
    ++connects;
    return std::make_unique<FixedStream>(server);
  }
  Result<std::unique_ptr<net::Listener>> listen(const net::ListenOptions&,
                                                net::AcceptHandler on_accept) override {
    on_accept_ = std::move(on_accept);
    return std::make_unique<FixedListener>();
  }
  void post(std::function<void()> function) override { defer(std::move(function)); }
  void accept() { on_accept_(std::make_unique<FixedStream>(client)); }
  void run() {
    set_now(now() + 1ms);
    while (run_batch()) {
    }
  }

  Line client;
  Line server;
  int connects = 0;

 private:
  net::AcceptHandler on_accept_;
};

class AllocationTest : public testing::Test {
 protected:
  explicit AllocationTest(std::shared_ptr<telemetry::AccessSink> access = nullptr) {
    proxy::ServiceOptions options;
    options.access = std::move(access);
    options.tap = tap_;
    options.clock = &clock_;
    options.failures = std::make_shared<stats::FailureQueue>(64);
    service_ = std::make_unique<proxy::Service>(runtime_, options);
    service_->publish(snapshot());
    proxy::OpenListener opening;
    auto spec = std::make_shared<proxy::ListenerSpec>();
    spec->name = "public";
    opening.spec = spec;
    opening.counters = std::make_shared<proxy::ListenerCounters>();
    opening.gauge = std::make_shared<proxy::ListenerGauge>();
    EXPECT_TRUE(service_->open(std::move(opening)).has_value());
    runtime_.accept();
  }

  // Two upstreams, half and half, by a cookie that we issue: the longest way a request can take.
  // With `lanes`, two rollouts of which each has half of the users, a segment, and a template.
  static proxy::WorkerSnapshot snapshot(bool lanes = false) {
    auto shared = std::make_shared<proxy::Snapshot>();
    routing::TableSpec table;
    table.epoch = 1;
    table.upstreams = {"stable", "canary"};
    routing::RolloutSpec rollout;
    rollout.name = "web";
    rollout.stable = UpstreamId(0);
    rollout.canary = UpstreamId(1);
    rollout.traffic = routing::Traffic::kSplit;
    rollout.weight = BasisPoints(1);
    rollout.sticky.sources = {{routing::KeySource::kCookie, "id"}};
    rollout.sticky.issue_cookie = routing::IssueCookie{.name = "id"};
    rollout.gate = std::make_shared<routing::CohortGate>();
    rollout.gate->begin(1, BasisPoints(BasisPoints::kMax));
    rollout.generation = 1;
    table.rollouts.push_back(rollout);
    routing::RouteSpec route;
    route.name = "all";
    route.target = RolloutId(0);
    table.routes.push_back(route);
    if (lanes) add_lane(table);
    shared->table = *routing::RoutingTable::build(std::move(table));
    proxy::WorkerSnapshot result;
    for (const char* name : {"stable", "canary"}) {
      upstream::UpstreamSpec spec;
      spec.name = name;
      spec.endpoints = {net::Address{}};
      shared->upstreams.push_back(spec);
      result.upstreams.push_back(make_share(spec));
    }
    shared->access = std::make_shared<telemetry::AccessPolicy>();
    shared->failures.resize(shared->table->rollouts().size());
    shared->failures[0].status.set(500);
    result.counters = std::make_shared<stats::CounterSet>(1, shared->table->routes().size());
    result.shared = shared;
    return result;
  }
  static void add_lane(routing::TableSpec& table) {
    routing::Segment everybody;
    everybody.users.path_prefix = "/";
    everybody.cohort = Cohort::kStable;
    table.rollouts[0].segments = {everybody};
    table.rollouts.push_back(table.rollouts[0]);
    table.rollouts[1].name = "other";
    table.routes[0].match.path_kind = routing::PathKind::kTemplate;
    table.routes[0].match.path = "/a/{b}";
    const BasisPoints half(BasisPoints::kMax / 2);
    table.routes[0].target = std::vector<routing::Lane>{{RolloutId(0), half}, {RolloutId(1), half}};
  }

  // Allocations of one exchange that the upstream answers with this.
  std::size_t exchange(std::string_view request, std::string_view response) {
    const std::size_t before = allocation_count();
    runtime_.client.arrive(request);
    runtime_.run();
    if (!response.empty()) {
      EXPECT_FALSE(runtime_.server.take().empty());
      runtime_.server.arrive(response);
      runtime_.run();
    }
    const bool answered = runtime_.client.take().substr(0, 9) == "HTTP/1.1 ";
    const std::size_t count = allocation_count() - before;
    EXPECT_TRUE(answered);
    return count;
  }
  // After a few rounds, none allocates; a second's change and the timers' wrap-around included.
  void expect_none(std::string_view request, std::string_view response) {
    EXPECT_GT(exchange(request, response), 0U);  // The first one connects: the counter counts.
    for (int i = 0; i < 10; ++i) exchange(request, response);
    std::size_t count = 0;
    for (int i = 0; i < 3000; ++i) {
      count += exchange(request, response);
      clock_.advance(1ms);
    }
    EXPECT_EQ(count, 0U);
    EXPECT_EQ(runtime_.connects, 1);
    EXPECT_EQ(runtime_.buffers().small.on_loan(), 0U);
  }

  ManualClock clock_;
  std::shared_ptr<telemetry::TapSink> tap_ = std::make_shared<telemetry::TapSink>(0, clock_);
  FixedRuntime runtime_;
  std::unique_ptr<proxy::Service> service_;
};

constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello";

TEST_F(AllocationTest, AGetOfALaneAllocatesNothing) {
  service_->publish(snapshot(true));
  expect_none("GET /a/b?c=d HTTP/1.1\r\nHost: A.example\r\nAccept: */*\r\n\r\n", kAnswer);
}

TEST_F(AllocationTest, AGetAllocatesNothing) {
  expect_none("GET /a/../b?c=d HTTP/1.1\r\nHost: A.example\r\nAccept: */*\r\n\r\n", kAnswer);
}

TEST_F(AllocationTest, ACookieAllocatesNothing) {
  expect_none("GET / HTTP/1.1\r\nHost: a\r\nCookie: id=0123456789abcdef0123456789abcdef\r\n\r\n",
              kAnswer);
}

TEST_F(AllocationTest, BodiesAllocateNothing) {
  expect_none(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "4\r\nbody\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n");
}

TEST_F(AllocationTest, AFailureAllocatesNothing) {
  expect_none("GET / HTTP/1.1\r\nHost: a\r\n\r\n",
              "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
}

// Before the service that writes to it.
struct NullLog {
  NullLog() {
    LogOptions daemon;
    daemon.file = "/dev/null";
    log = Log::open(daemon, wall).value();
    telemetry::AccessLogOptions options;
    options.file = "/dev/null";
    access = telemetry::AccessLog::open(options, wall, *log).value();
  }
  ManualClock wall;
  std::unique_ptr<Log> log;
  std::unique_ptr<telemetry::AccessLog> access;
};

class LoggedAllocationTest : protected NullLog, public AllocationTest {
 protected:
  LoggedAllocationTest() : AllocationTest(access->sink(0)) {}
};

TEST_F(LoggedAllocationTest, ALineAllocatesNothing) {
  expect_none("GET /a?b=c HTTP/1.1\r\nHost: a\r\nUser-Agent: \"x\"\r\n\r\n", kAnswer);
  EXPECT_TRUE(access->flush());
}

// Nor does one beyond the sample, or without room.
TEST_F(AllocationTest, ATappedRequestAllocatesNothing) {
  auto taps = std::make_shared<telemetry::TapList>();
  taps->push_back(std::make_shared<telemetry::Tap>(telemetry::TapFilter{}, 1));
  tap_->use(taps);
  expect_none("GET /a?b=c HTTP/1.1\r\nHost: a\r\nUser-Agent: \"x\"\r\n\r\n", kAnswer);
  std::size_t seen = 0;
  taps->front()->drain([&seen](std::string_view) { ++seen; });
  EXPECT_GT(seen, 0U);
  EXPECT_GT(taps->front()->left_out(), 0U);
}

}  // namespace
}  // namespace canaryd::test
