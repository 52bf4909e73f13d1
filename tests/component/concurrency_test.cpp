// An upstream that takes only so many requests at a time: who waits, who is turned away, and that a
// slot comes back however a request ends.
#include "component/concurrency_world.hpp"
#include "component/tunnel_world.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace canaryd::test {
namespace {

// The paths that have reached a server, in their order.
std::string paths(SimServer& server) {
  std::string all;
  for (std::size_t i = 0; i < server.connections(); ++i) {
    std::string text = server.at(i).received();
    while (auto request = take_message(text, BodyRule::kRequest)) all += request->target() + " ";
  }
  return all;
}

TEST_F(ConcurrencyTest, RequestsBeyondTheLimitWaitInTurn) {
  world.start();
  SimServer stable(world.net, kStable);
  for (const char* path : {"/1", "/2", "/3"}) ask(path);
  EXPECT_EQ(active(), 1U);
  EXPECT_EQ(queued(), 2U);
  SimPeer& served = stable.accept();
  std::string seen;
  for (std::size_t i = 0; i < 3; ++i) {
    seen += "/" + std::to_string(i + 1) + " ";
    world.net.run_ready();
    EXPECT_EQ(paths(stable), seen);
    served.send(ok("answer"));
    EXPECT_EQ(clients[i]->read().body, "answer");
  }
  // All over the connection that the first one left.
  EXPECT_EQ(stable.connections(), 1U);
  EXPECT_EQ(queued(), 0U);
}

// Discovery has taken the endpoint out while they waited.
TEST_F(ConcurrencyTest, WhoHasWaitedGoesToAnEndpointThatIsStillThere) {
  world.start();
  SimServer before(world.net, kStable);
  Backend after(world, kStable2, ok("after"));
  Client& first = ask("/1");
  Client& second = ask("/2");
  Client& third = ask("/3");
  world.upstreams[0].endpoints = {kStable2};
  world.publish();
  before.accept().send(ok("before"));
  EXPECT_EQ(first.read().body, "before");
  EXPECT_EQ(second.read().body, "after");
  EXPECT_EQ(third.read().body, "after");
  EXPECT_EQ(before.connections(), 1U);
  EXPECT_EQ(active(), 0U);
}

TEST_F(ConcurrencyTest, AFullQueueTurnsAway) {
  allow(1, 1);
  world.split(0);
  world.start();
  SimServer stable(world.net, kStable);
  Client& first = ask("/1", "X-User: a\r\n");
  Client& second = ask("/2", "X-User: b\r\n");
  Client& third = ask("/3", "X-User: c\r\n");
  expect_overloaded(third.read());
  EXPECT_EQ(world.upstream("stable").queue_full.load(), 1U);
  EXPECT_EQ(world.errors(ProxyError::kOverloaded), 1U);
  // Nobody's fault, and the connection is as good as before.
  EXPECT_EQ(world.counters(Cohort::kStable).excluded, 1U);
  EXPECT_EQ(world.counters(Cohort::kStable).judged, 0U);
  EXPECT_TRUE(third.open());
  SimPeer& served = stable.accept();
  served.send(ok("1"));
  EXPECT_EQ(first.read().body, "1");
  world.net.run_ready();
  served.send(ok("2"));
  EXPECT_EQ(second.read().body, "2");
  third.send(get("/4"));
  world.net.run_ready();
  served.send(ok("4"));
  EXPECT_EQ(third.read().body, "4");
}

TEST_F(ConcurrencyTest, NobodyWaitsLongerThanTheQueueTimeout) {
  world.split(0);
  world.start();
  SimServer stable(world.net, kStable);
  Client& first = ask("/1", "X-User: a\r\n");
  Client& second = ask("/2", "X-User: b\r\n");
  const Monotonic begun = world.net.now();
  expect_overloaded(second.read());
  EXPECT_GE(world.net.now() - begun, 1s);
  EXPECT_LE(world.net.now() - begun, 1100ms);
  EXPECT_EQ(world.upstream("stable").queue_timeout.load(), 1U);
  EXPECT_EQ(world.counters(Cohort::kStable).bad, 0U);
  EXPECT_EQ(world.counters(Cohort::kStable).excluded, 1U);
  EXPECT_EQ(queued(), 0U);
  stable.accept().send(ok("1"));
  EXPECT_EQ(first.read().body, "1");
}

// Nor is the version slow that has not been asked.
TEST_F(ConcurrencyTest, WhoWaitsIsNotOverdue) {
  allow(1, 10, 60s);
  world.split(0);
  world.gate->set_overdue_after(2s);
  world.start();
  SimServer stable(world.net, kStable);
  Client& first = ask("/1", "X-User: a\r\n");
  Client& second = ask("/2", "X-User: b\r\n");
  world.net.run_for(5s);
  world.service->count_overdue();
  EXPECT_EQ(world.counters(Cohort::kStable).overdue, 1U) << "the one that it has";
  SimPeer& served = stable.accept();
  served.send(ok("1"));
  EXPECT_EQ(first.read().body, "1");
  world.net.run_ready();
  served.send(ok("2"));
  EXPECT_EQ(second.read().body, "2");
}

TEST_F(ConcurrencyTest, WhoHasWaitedHangsFromItsSlotOn) {
  allow(1, 10, 60s);
  world.upstreams[0].timeouts.first_byte = 1h;
  world.split(0);
  world.start();
  SimServer stable(world.net, kStable);
  Client& first = ask("/1", "X-User: a\r\n");
  Client& second = ask("/2", "X-User: b\r\n");
  SimPeer& served = stable.accept();
  world.net.run_for(4900ms);
  served.send(ok("1"));
  EXPECT_EQ(first.read().body, "1");
  world.net.run_for(200ms);
  world.service->count_overdue();
  EXPECT_EQ(world.counters(Cohort::kStable).hung, 0U);
  world.net.run_for(5s);
  world.service->count_overdue();
  EXPECT_EQ(world.counters(Cohort::kStable).hung, 1U);
  served.send(ok("2"));
  EXPECT_EQ(second.read().body, "2");
}

// Not a 504: the upstream has never heard of the request.
TEST_F(ConcurrencyTest, TheTimeOfARequestEndsInTheQueueToo) {
  allow(1, 10, 60s);
  world.upstreams[0].timeouts.request = 2s;
  world.start();
  SimServer stable(world.net, kStable);
  Client& holder = ask("/chat", kHandshake);
  stable.accept().send(kSwitching);
  EXPECT_EQ(holder.read().status(), 101);
  Client& client = ask("/2");
  const Monotonic begun = world.net.now();
  expect_overloaded(client.read());
  EXPECT_GE(world.net.now() - begun, 2s);
  EXPECT_LE(world.net.now() - begun, 2100ms);
  EXPECT_EQ(world.upstream("stable").queue_timeout.load(), 1U);
  EXPECT_EQ(world.errors(ProxyError::kTimeout), 0U);
}

// With a quarter of its time left it was not slow: we were.
TEST_F(ConcurrencyTest, WhoHasWaitedForMostOfItsTimeBlamesNobody) {
  allow(1, 10, 60s);
  world.split(0);
  world.upstreams[0].timeouts.request = 2s;
  world.start();
  SimServer stable(world.net, kStable);
  Client& first = ask("/1", "X-User: a\r\n");
  Client& second = ask("/2", "X-User: b\r\n");
  SimPeer& served = stable.accept();
  world.net.run_for(1500ms);
  served.send(ok("1"));
  EXPECT_EQ(first.read().body, "1");
  expect_overloaded(second.read());
  EXPECT_EQ(world.errors(ProxyError::kTimeout), 0U);
  EXPECT_EQ(world.counters(Cohort::kStable).bad, 0U);
  EXPECT_EQ(world.counters(Cohort::kStable).judged, 1U);
  EXPECT_EQ(active(), 0U);
}

TEST_F(ConcurrencyTest, WhoHasWaitedForLessStillWaitsForTheVersion) {
  allow(1, 10, 60s);
  world.split(0);
  world.upstreams[0].timeouts.request = 2s;
  world.start();
  SimServer stable(world.net, kStable);
  Client& first = ask("/1", "X-User: a\r\n");
  Client& second = ask("/2", "X-User: b\r\n");
  world.net.run_for(900ms);
  stable.accept().send(ok("1"));
  EXPECT_EQ(first.read().body, "1");
  EXPECT_EQ(second.read().status(), 504);
  EXPECT_EQ(world.counters(Cohort::kStable).bad, 1U);
}

// Of client and queue the one that took more of the time is named.
TEST_F(ConcurrencyTest, AQueueIsNotNamedForASlowClient) {
  allow(1, 10, 60s);
  world.split(0);
  world.upstreams[0].timeouts.request = 10s;
  world.start();
  SimServer stable(world.net, kStable);
  Client& first = ask("/1", "X-User: a\r\n");
  Client slow(world);
  slow.send("PUT / HTTP/1.1\r\nHost: a\r\nX-User: b\r\nContent-Length: 4\r\n\r\nhi");
  world.net.run_for(1s);
  stable.accept().send(ok("1"));
  EXPECT_EQ(first.read().body, "1");
  world.net.run_for(4500ms);
  slow.send("ho");
  const Message reply = slow.read();
  EXPECT_EQ(reply.status(), 408);
  EXPECT_EQ(reply.field("X-Canaryd-Error"), "request_timeout");
  EXPECT_EQ(world.counters(Cohort::kStable).bad, 0U);
}

TEST_F(ConcurrencyTest, WhoWaitsWhenTheProxyEndsIsToldSo) {
  world.start();
  SimServer stable(world.net, kStable);
  ask("/1");
  Client& waiting = ask("/2");
  world.service->cancel();
  world.net.run_ready();
  const Message told = waiting.read();
  EXPECT_EQ(told.status(), 503);
  EXPECT_EQ(told.field("X-Canaryd-Error"), "shutting_down");
}

TEST_F(ConcurrencyTest, WhoLeavesTheQueueIsForgotten) {
  allow(1, 2);
  world.start();
  SimServer stable(world.net, kStable);
  Client& first = ask("/1");
  ask("/2");
  Client& third = ask("/3");
  clients[1]->peer.close();
  world.net.run_ready();
  EXPECT_EQ(queued(), 1U);
  Client& fourth = ask("/4");
  EXPECT_EQ(queued(), 2U);
  SimPeer& served = stable.accept();
  for (Client* client : {&first, &third, &fourth}) {
    world.net.run_ready();
    served.send(ok("answer"));
    EXPECT_EQ(client->read().body, "answer");
  }
  EXPECT_EQ(paths(stable), "/1 /3 /4 ");
}

TEST_F(ConcurrencyTest, AResetInTheQueueIsALeaveToo) {
  world.start();
  SimServer stable(world.net, kStable);
  ask("/1");
  ask("/2").peer.reset();
  world.net.run_ready();
  EXPECT_EQ(queued(), 0U);
  EXPECT_EQ(world.errors(ProxyError::kClientGone), 1U);
  clients[0]->peer.reset();
  world.net.run_ready();
  EXPECT_EQ(active(), 0U);
}

// ---- The slot comes back

TEST_F(ConcurrencyTest, EveryEndingGivesTheSlotBack) {
  world.upstreams[0].timeouts.first_byte = 100ms;
  world.upstreams[0].timeouts.body_idle = 100ms;
  world.start();
  SimServer stable(world.net, kStable);
  const std::vector<std::pair<const char*, std::function<void(Client&, SimPeer&)>>> endings{
      {"answered", [](Client&, SimPeer& peer) { peer.send(ok("x")); }},
      {"answered and closed",
       [](Client&, SimPeer& peer) {
         peer.send(ok("x", "Connection: close\r\n"));
         peer.close();
       }},
      {"reset", [](Client&, SimPeer& peer) { peer.reset(); }},
      {"closed", [](Client&, SimPeer& peer) { peer.close(); }},
      {"no HTTP", [](Client&, SimPeer& peer) { peer.send("SMTP\r\n\r\n"); }},
      {"first byte timeout", [](Client&, SimPeer&) {}},
      {"body cut",
       [](Client&, SimPeer& peer) {
         peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab");
         peer.close();
       }},
      {"body timeout",
       [](Client&, SimPeer& peer) { peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"); }},
      {"client gone", [](Client& client, SimPeer&) { client.peer.close(); }},
      {"client reset", [](Client& client, SimPeer&) { client.peer.reset(); }},
  };
  for (const auto& [name, happen] : endings) {
    Client& client = ask("/first");
    Client& next = ask("/next");
    ASSERT_EQ(queued(), 1U) << name;
    happen(client, stable.at(stable.connections() - 1));
    world.net.run_until([this] { return queued() == 0; }, 200ms);
    EXPECT_EQ(active(), 1U) << name;
    world.net.run_ready();
    stable.at(stable.connections() - 1).send(ok("next", "Connection: close\r\n"));
    EXPECT_EQ(next.read().body, "next") << name;
    stable.at(stable.connections() - 1).close();
    world.net.run_ready();
    EXPECT_EQ(active(), 0U) << name;
  }
}

TEST_F(ConcurrencyTest, AConnectThatFailsGivesTheSlotBack) {
  world.start();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask("/").read().status(), 502);
  EXPECT_EQ(active(), 0U);
}

TEST_F(ConcurrencyTest, ARetryKeepsTheSlot) {
  world.upstreams[0].retries = {2, true, true};
  world.start();
  SimServer stable(world.net, kStable);
  Client& first = ask("/1");
  Client& second = ask("/2");
  stable.accept().reset();
  SimPeer& again = stable.accept();
  world.net.run_ready();
  EXPECT_EQ(active(), 1U);
  EXPECT_EQ(queued(), 1U);
  again.send(ok("1"));
  EXPECT_EQ(first.read().body, "1");
  world.net.run_ready();
  again.send(ok("2"));
  EXPECT_EQ(second.read().body, "2");
}

TEST_F(ConcurrencyTest, ATunnelHoldsItsSlot) {
  world.start();
  SimServer stable(world.net, kStable);
  Client& client = ask("/chat", kHandshake);
  SimPeer& server = stable.accept();
  server.send(kSwitching);
  EXPECT_EQ(client.read().status(), 101);
  Client& waiting = ask("/2");
  EXPECT_EQ(active(), 1U);
  EXPECT_EQ(queued(), 1U);
  client.peer.send(client_frame(8, ""));
  client.peer.close();
  server.send(close_frame(1000));
  server.close();
  SimPeer& next = stable.accept();
  world.net.run_ready();
  next.send(ok("2"));
  EXPECT_EQ(waiting.read().body, "2");
}

// ---- Change and end

TEST_F(ConcurrencyTest, ANewTableRaisesTheLimitForThoseWhoWait) {
  world.start();
  SimServer stable(world.net, kStable);
  for (const char* path : {"/1", "/2", "/3"}) ask(path);
  world.net.run_ready();
  EXPECT_EQ(stable.connections(), 1U);
  allow(2, 10);
  world.publish();
  world.net.run_ready();
  EXPECT_EQ(stable.connections(), 2U);
  EXPECT_EQ(queued(), 1U);
  world.upstreams[0].concurrency.reset();
  auto& limit = world.limit("stable");
  world.publish();
  world.net.run_ready();
  EXPECT_EQ(stable.connections(), 3U);
  EXPECT_EQ(limit.queued(), 0U);
  for (std::size_t i = 0; i < 3; ++i) stable.at(i).send(ok("answer"));
  for (const auto& client : clients) EXPECT_EQ(client->read().body, "answer");
}

TEST_F(ConcurrencyTest, ALimitThatComesBackKnowsWhatIsInFlight) {
  world.start();
  SimServer stable(world.net, kStable);
  Client& before = ask("/1");
  world.upstreams[0].concurrency.reset();
  world.publish();
  Client& meanwhile = ask("/2");
  EXPECT_EQ(stable.connections(), 2U);
  allow(1, 10);
  world.publish();
  Client& after = ask("/3");
  EXPECT_EQ(active(), 2U);
  EXPECT_EQ(queued(), 1U);
  stable.at(0).send(ok("1"));
  EXPECT_EQ(before.read().body, "1");
  world.net.run_ready();
  EXPECT_EQ(queued(), 1U) << "there is one still, and there may be no more";
  stable.at(1).send(ok("2"));
  EXPECT_EQ(meanwhile.read().body, "2");
  world.net.run_ready();
  EXPECT_EQ(queued(), 0U);
  // Over the connection that was used last.
  stable.at(1).send(ok("3"));
  EXPECT_EQ(after.read().body, "3");
}

// Another table with the same limit: what is in flight under the old one counts.
TEST_F(ConcurrencyTest, ATableSwapKeepsWhatIsInFlight) {
  world.start();
  SimServer stable(world.net, kStable);
  Client& first = ask("/1");
  world.upstreams[0].timeouts.first_byte = 20s;
  world.publish();
  Client& second = ask("/2");
  EXPECT_EQ(queued(), 1U);
  SimPeer& served = stable.accept();
  served.send(ok("1"));
  EXPECT_EQ(first.read().body, "1");
  world.net.run_ready();
  served.send(ok("2"));
  EXPECT_EQ(second.read().body, "2");
}

TEST_F(ConcurrencyTest, ADrainServesThoseWhoWait) {
  world.start();
  SimServer stable(world.net, kStable);
  Client& first = ask("/1");
  Client& second = ask("/2");
  world.service->drain();
  SimPeer& served = stable.accept();
  served.send(ok("1"));
  EXPECT_EQ(first.read().body, "1");
  world.net.run_ready();
  served.send(ok("2"));
  const Message last = second.read();
  EXPECT_EQ(last.body, "2");
  EXPECT_EQ(last.field("Connection"), "close");
  EXPECT_TRUE(second.closes_within(1s));
}

TEST_F(ConcurrencyTest, ACancelEndsThoseWhoWait) {
  world.start();
  SimServer stable(world.net, kStable);
  ask("/1");
  ask("/2");
  world.service->cancel();
  world.net.run_ready();
  EXPECT_EQ(queued(), 0U);
  EXPECT_EQ(active(), 0U);
  EXPECT_EQ(world.service->connections(), 0U);
}

TEST_F(ConcurrencyTest, AServiceThatIsDestroyedTakesThoseWhoWaitWithIt) {
  world.start();
  SimServer stable(world.net, kStable);
  for (const char* path : {"/1", "/2", "/3"}) ask(path);
  auto& limit = world.limit("stable");
  proxy::ServiceOptions options;
  options.clock = &world.clock;
  world.service = std::make_unique<proxy::Service>(world.worker, options);
  EXPECT_EQ(limit.active(), 0U);
  EXPECT_EQ(limit.queued(), 0U);
}

}  // namespace
}  // namespace canaryd::test
