// Every timeout of the configuration, one row each: with all others far away it ends the wait after
// its time, not before and at most a tick of the timer wheel later, with its documented outcome.
#include "component/proxy_world.hpp"

#include <cctype>
#include <ostream>

namespace canaryd::test {
namespace {

constexpr Duration kAfter = 4s;
constexpr Duration kFar = 600s;

enum class Outcome : std::uint8_t {
  kAnswer,        // The client gets `status` and `word`.
  kClientClosed,  // Its connection ends; a response that has begun is cut.
  kUpstreamClosed,
  kNextTry,  // Another connection to the upstream.
};

struct Scene {
  explicit Scene(ProxyWorld& world) : stable(world.net, kStable), client(world), net(world.net) {}

  SimPeer& serve(std::string_view text) {
    SimPeer& served = stable.accept();
    served.send(text);
    net.run_ready();
    return served;
  }

  SimServer stable;
  Client client;
  SimNetwork& net;
};

struct Row {
  const char* key;
  Outcome outcome;
  int status;
  const char* word;
  void (*configure)(ProxyWorld& world);
  void (*play)(Scene& scene);  // Up to where the wait begins.
};

std::ostream& operator<<(std::ostream& out, const Row& row) {
  return out << row.key;
}

upstream::Timeouts& of_upstream(ProxyWorld& world) {
  return world.upstreams[0].timeouts;
}
proxy::RouteTimeouts& of_route(ProxyWorld& world) {
  return world.route_timeouts.front();
}
void small_buffers(ProxyWorld& world, const net::Address& address) {
  SimProfile profile;
  profile.buffer_bytes = 1000;
  world.net.set_profile(address, profile);
}

void ask(Scene& scene) {
  scene.client.send(kGet);
  scene.net.run_ready();
}
void ask_for_half_a_response(Scene& scene) {
  ask(scene);
  scene.serve("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
}
void exchange(Scene& scene) {
  ask(scene);
  scene.serve("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(scene.client.read().status(), 200);
}
void upload_to_a_deaf_upstream(Scene& scene) {
  scene.client.send(post(pattern(100'000)));
  scene.stable.accept().stop_reading();
  scene.net.run_ready();
}

constexpr Row kRows[] = {
    {"listener.header",
     Outcome::kAnswer,
     408,
     "request_timeout",
     [](ProxyWorld& world) { world.listener.header_timeout = kAfter; },
     [](Scene& scene) { scene.client.send("GET / HT"); }},
    {"listener.header without a byte",
     Outcome::kClientClosed,
     0,
     "",
     [](ProxyWorld& world) { world.listener.header_timeout = kAfter; },
     [](Scene&) {}},
    {"listener.body_idle",
     Outcome::kAnswer,
     408,
     "request_timeout",
     [](ProxyWorld& world) { world.listener.body_idle_timeout = kAfter; },
     [](Scene& scene) {
       scene.client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n123");
       scene.net.run_ready();
     }},
    {"listener.write_stall",
     Outcome::kUpstreamClosed,
     0,
     "",
     [](ProxyWorld& world) {
       small_buffers(world, kFront);
       world.listener.write_stall_timeout = kAfter;
     },
     [](Scene& scene) {
       scene.client.peer.stop_reading();
       ask(scene);
       scene.serve(ok(pattern(1'000'000)));
     }},
    {"listener.keep_alive",
     Outcome::kClientClosed,
     0,
     "",
     [](ProxyWorld& world) { world.listener.keep_alive_timeout = kAfter; },
     exchange},
    {"upstream.connect",
     Outcome::kAnswer,
     504,
     "timeout",
     [](ProxyWorld& world) {
       SimProfile silent;
       silent.ignore = true;
       world.net.set_profile(kStable, silent);
       of_upstream(world).connect = kAfter;
       world.upstreams[0].retries.attempts = 0;
     },
     ask},
    {"upstream.first_byte",
     Outcome::kAnswer,
     504,
     "timeout",
     [](ProxyWorld& world) { of_upstream(world).first_byte = kAfter; },
     ask},
    {"upstream.body_idle of the response",
     Outcome::kClientClosed,
     0,
     "",
     [](ProxyWorld& world) { of_upstream(world).body_idle = kAfter; },
     ask_for_half_a_response},
    {"upstream.body_idle of the request",
     Outcome::kAnswer,
     504,
     "timeout",
     [](ProxyWorld& world) {
       small_buffers(world, kStable);
       of_upstream(world).body_idle = kAfter;
     },
     upload_to_a_deaf_upstream},
    {"upstream.request",
     Outcome::kAnswer,
     504,
     "timeout",
     [](ProxyWorld& world) { of_upstream(world).request = kAfter; },
     ask},
    {"upstream.request of a response",
     Outcome::kClientClosed,
     0,
     "",
     [](ProxyWorld& world) { of_upstream(world).request = kAfter; },
     ask_for_half_a_response},
    {"upstream.keep_alive",
     Outcome::kUpstreamClosed,
     0,
     "",
     [](ProxyWorld& world) { of_upstream(world).keep_alive = kAfter; },
     exchange},
    {"upstream.per_try",
     Outcome::kNextTry,
     0,
     "",
     [](ProxyWorld& world) { of_upstream(world).per_try = kAfter; },
     ask},
    {"upstream.per_try of the last try",
     Outcome::kAnswer,
     504,
     "timeout",
     [](ProxyWorld& world) {
       of_upstream(world).per_try = kAfter / 4;
       of_upstream(world).first_byte = kAfter - kAfter / 4;
     },
     ask},
    {"route.request",
     Outcome::kAnswer,
     504,
     "timeout",
     [](ProxyWorld& world) { of_route(world).request = kAfter; },
     ask},
    {"route.first_byte",
     Outcome::kAnswer,
     504,
     "timeout",
     [](ProxyWorld& world) { of_route(world).first_byte = kAfter; },
     ask},
    {"route.body_idle of the response",
     Outcome::kClientClosed,
     0,
     "",
     [](ProxyWorld& world) { of_route(world).body_idle = kAfter; },
     ask_for_half_a_response},
    {"route.body_idle of the request",
     Outcome::kAnswer,
     504,
     "timeout",
     [](ProxyWorld& world) {
       small_buffers(world, kStable);
       of_route(world).body_idle = kAfter;
     },
     upload_to_a_deaf_upstream},
    {"route.per_try",
     Outcome::kNextTry,
     0,
     "",
     [](ProxyWorld& world) { of_route(world).per_try = kAfter; },
     ask},
    {"route.request longer than the upstream's",
     Outcome::kAnswer,
     504,
     "timeout",
     [](ProxyWorld& world) {
       of_upstream(world).request = kAfter / 4;
       of_route(world).request = kAfter;
     },
     ask},
    {"route.request instead of an upstream without one",
     Outcome::kAnswer,
     504,
     "timeout",
     [](ProxyWorld& world) {
       of_upstream(world).first_byte = {};
       of_route(world).request = kAfter;
     },
     ask},
};

class TimeoutTable : public ProxyTest, public testing::WithParamInterface<Row> {
 protected:
  TimeoutTable() {
    world.listener.header_timeout = world.listener.body_idle_timeout = kFar;
    world.listener.write_stall_timeout = world.listener.keep_alive_timeout = kFar;
    upstream::Timeouts& far = of_upstream(world);
    far.connect = far.first_byte = far.body_idle = far.keep_alive = kFar;
    world.route_timeouts.resize(1);
  }

  [[nodiscard]] static bool over(Scene& scene, Outcome outcome) {
    switch (outcome) {
      case Outcome::kAnswer:
        return !scene.client.peer.received().empty();
      case Outcome::kClientClosed:
        return scene.client.peer.ended();
      case Outcome::kUpstreamClosed:
        return scene.stable.at(0).ended();
      case Outcome::kNextTry:
        return scene.stable.connections() == 2;
    }
    return false;
  }
};

TEST_P(TimeoutTable, EndsTheWaitInItsTime) {
  const Row& row = GetParam();
  row.configure(world);
  world.start();
  Scene scene(world);
  row.play(scene);
  const Monotonic begun = world.net.now();
  ASSERT_FALSE(over(scene, row.outcome));
  ASSERT_TRUE(world.net.run_until([&] { return over(scene, row.outcome); }, kFar / 2));
  EXPECT_GE(world.net.now() - begun, kAfter);
  // Two deadlines after each other may each be late by a tick.
  EXPECT_LE(world.net.now() - begun, kAfter + 2 * net::TimerWheel::kTick);
  if (row.outcome != Outcome::kAnswer) return;
  const Message reply = scene.client.read();
  EXPECT_EQ(reply.status(), row.status);
  EXPECT_EQ(reply.field("X-Canaryd-Error"), row.word);
}

INSTANTIATE_TEST_SUITE_P(All, TimeoutTable, testing::ValuesIn(kRows), [](const auto& row) {
  std::string name = row.param.key;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
});

// ---- What else per_try has to keep

class PerTryTest : public ProxyTest {
 protected:
  PerTryTest() {
    world.upstreams[0].timeouts.per_try = 1s;
    world.split(0);
  }
};

TEST_F(PerTryTest, TheNextTryAnswers) {
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send(get("/", "X-User: u\r\n"));
  SimPeer& slow = stable.accept();
  stable.accept().send(ok("second"));
  EXPECT_EQ(client.read().body, "second");
  EXPECT_TRUE(slow.ended());
  EXPECT_EQ(world.upstream("stable").retries_ok.load(), 1U);
  EXPECT_EQ(world.counters(Cohort::kStable).judged, 1U);
  EXPECT_EQ(world.counters(Cohort::kStable).bad, 0U);
}

// What the client takes is not the try's time.
TEST_F(PerTryTest, AClientMaySendItsBodyLater) {
  world.start();
  Backend stable(world, kStable);
  Client client(world);
  client.send("PUT / HTTP/1.1\r\nHost: a\r\nX-User: u\r\nContent-Length: 2\r\n\r\n");
  world.net.run_for(5s);
  client.send("hi");
  EXPECT_EQ(client.read().status(), 200);
}

// Else the same request would be done elsewhere while the first one is at it.
TEST_F(PerTryTest, ATryHasItsTimeBehindASlowBody) {
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send("PUT / HTTP/1.1\r\nHost: a\r\nX-User: u\r\nContent-Length: 4\r\n\r\nhi");
  SimPeer& served = stable.accept();
  world.net.run_for(1500ms);
  client.send("ho");
  world.net.run_for(900ms);
  EXPECT_EQ(stable.connections(), 1U);
  served.send(ok("done"));
  EXPECT_EQ(client.read().body, "done");
}

TEST_F(PerTryTest, ConnectingCounts) {
  SimProfile silent;
  silent.ignore = true;
  world.net.set_profile(kStable, silent);
  world.upstreams[0].timeouts.connect = 5s;
  world.start();
  Client client(world);
  const Monotonic begun = world.net.now();
  EXPECT_EQ(client.ask(kGet).status(), 504);
  EXPECT_GE(world.net.now() - begun, 6s);
  EXPECT_LE(world.net.now() - begun, 6s + 2 * net::TimerWheel::kTick);
}

// It may have had its effect: all the time it has is that of first_byte.
TEST_F(PerTryTest, APostThatHasLeftIsNotCutShort) {
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send(post("pay"));
  SimPeer& served = stable.accept();
  world.net.run_for(10s);
  EXPECT_EQ(stable.connections(), 1U);
  served.send(ok("paid"));
  EXPECT_EQ(client.read().body, "paid");
}

TEST_F(PerTryTest, AResponseThatHasBegunIsNotCutShort) {
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send(kGet);
  SimPeer& served = stable.accept();
  served.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
  world.net.run_for(10s);
  served.send("67890");
  EXPECT_EQ(client.read().body, "1234567890");
  EXPECT_EQ(stable.connections(), 1U);
}

TEST_F(PerTryTest, WithoutRetriesItDoesNothing) {
  world.upstreams[0].retries.attempts = 0;
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send(kGet);
  SimPeer& served = stable.accept();
  world.net.run_for(10s);
  served.send(ok("late"));
  EXPECT_EQ(client.read().body, "late");
}

TEST_F(PerTryTest, ARouteMayTakeItAway) {
  world.route_timeouts = {{{}, {}, {}, Duration::zero()}};
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send(kGet);
  SimPeer& served = stable.accept();
  world.net.run_for(10s);
  served.send(ok("late"));
  EXPECT_EQ(client.read().body, "late");
}

}  // namespace
}  // namespace canaryd::test
