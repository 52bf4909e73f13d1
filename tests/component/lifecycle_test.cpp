// How a service ends: drain, cancel, listeners that close.
#include "component/proxy_world.hpp"

#include <deque>

namespace canaryd::test {
namespace {

class LifecycleTest : public ProxyTest {
 protected:
  LifecycleTest() { world.start(); }
};

TEST_F(LifecycleTest, DrainClosesIdleConnections) {
  Backend stable(world, kStable);
  Client client(world);
  Client silent(world);
  EXPECT_EQ(client.ask(kGet).status(), 200);
  world.service->drain();
  EXPECT_TRUE(client.closes_within(1ms));
  EXPECT_TRUE(silent.closes_within(1ms));
  EXPECT_FALSE(client.peer.saw_reset());
  EXPECT_EQ(client.peer.received(), "");
  Client late(world);
  world.net.run_ready();
  EXPECT_TRUE(late.peer.refused());
}

// Who asks again and again goes away before there is nobody to ask.
TEST_F(LifecycleTest, ADrainIsAnnouncedInEachAnswer) {
  Backend stable(world, kStable);
  Client busy(world);
  Client silent(world);
  EXPECT_EQ(busy.ask(kGet).field("Connection"), "");
  world.service->announce_drain();
  world.net.run_ready();
  EXPECT_TRUE(busy.open());
  const Message last = busy.ask(kGet);
  EXPECT_EQ(last.status(), 200);
  EXPECT_EQ(last.field("Connection"), "close");
  EXPECT_TRUE(busy.closes_within(1s));
  EXPECT_TRUE(silent.open()) << "it may have sent something";
  Client late(world);
  EXPECT_EQ(late.ask(kGet).status(), 200) << "nobody is refused yet";
  world.service->drain();
  EXPECT_TRUE(silent.closes_within(1ms));
}

TEST_F(LifecycleTest, DrainLetsExchangesEnd) {
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send(kGet);
  SimPeer& served = stable.accept();
  world.net.run_ready();
  bool empty = false;
  world.service->on_empty([&] { empty = true; });
  world.service->drain();
  EXPECT_TRUE(client.open());
  EXPECT_FALSE(empty);
  served.send(ok("last"));
  const Message reply = client.read();
  EXPECT_EQ(reply.body, "last");
  EXPECT_EQ(reply.field("Connection"), "close");
  EXPECT_TRUE(client.closes_within(1s));
  EXPECT_FALSE(client.peer.saw_reset());
  world.net.run_ready();
  EXPECT_TRUE(empty);
}

// The client was told keep-alive before the drain began.
TEST_F(LifecycleTest, DrainDuringAResponseClosesBehindIt) {
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send(kGet);
  SimPeer& served = stable.accept();
  served.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
  world.net.run_ready();
  world.service->drain();
  served.send("cd");
  const Message reply = client.read();
  EXPECT_EQ(reply.body, "abcd");
  EXPECT_TRUE(client.closes_within(1ms));
}

TEST_F(LifecycleTest, DrainServesWhatHasArrived) {
  Backend stable(world, kStable);
  Client client(world);
  EXPECT_EQ(client.ask(kGet).status(), 200);
  client.send(kGet);
  // The bytes are here; nobody has looked at them yet.
  world.net.run_until([&] { return client.peer.unsent() == 0; });
  world.service->drain();
  const Message reply = client.read();
  EXPECT_TRUE(reply.status() == 200 || client.peer.ended());
}

TEST_F(LifecycleTest, CancelEndsEverythingAtOnce) {
  SimServer stable(world.net, kStable);
  Client active(world);
  active.send(kGet);
  SimPeer& served = stable.accept();
  Client idle(world);
  Client half(world);
  half.send("GET / HT");
  Client answering(world);
  answering.send(kGet);
  SimPeer& other = stable.accept();
  other.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
  world.net.run_ready();
  bool empty = false;
  world.service->on_empty([&] { empty = true; });
  world.service->cancel();
  world.net.run_ready();
  EXPECT_TRUE(empty);
  EXPECT_EQ(world.service->connections(), 0U);
  const Message told = active.read();
  EXPECT_EQ(told.status(), 503);
  EXPECT_EQ(told.field("X-Canaryd-Error"), "shutting_down");
  EXPECT_EQ(told.field("Connection"), "close");
  EXPECT_EQ(half.read().field("X-Canaryd-Error"), "shutting_down");
  EXPECT_TRUE(active.peer.ended());
  EXPECT_TRUE(idle.peer.ended());
  EXPECT_TRUE(served.ended());
  EXPECT_TRUE(other.ended());
  const auto counted = world.counters(Cohort::kNone);
  EXPECT_EQ(counted.excluded, 2U);
}

// Who has sent a part of a request waits for an answer; who has sent nothing waits for none.
TEST_F(LifecycleTest, HalfAHeadIsAnsweredWhenTheTimeIsOver) {
  Backend stable(world, kStable);
  Client first(world);
  first.send("GET / HTTP/1.1\r\nHo");
  Client second(world);
  EXPECT_EQ(second.ask(kGet).status(), 200);
  second.send("G");
  Client blank(world);
  blank.send("\r\n");
  world.net.run_ready();
  world.service->drain();
  world.net.run_ready();
  EXPECT_TRUE(first.open());
  world.service->cancel();
  for (Client* client : {&first, &second}) {
    const Message told = client->read();
    EXPECT_EQ(told.status(), 503);
    EXPECT_EQ(told.field("X-Canaryd-Error"), "shutting_down");
    EXPECT_EQ(told.field("Connection"), "close");
    EXPECT_EQ(told.field("Retry-After"), "1");
    EXPECT_TRUE(client->closes_within(1ms));
    EXPECT_FALSE(client->peer.saw_reset());
  }
  EXPECT_TRUE(blank.peer.ended());
  EXPECT_EQ(blank.peer.received(), "");
  EXPECT_EQ(world.errors(ProxyError::kShuttingDown), 2U);
}

// A worker that stops at once: the service goes with everything that is under way.
TEST_F(LifecycleTest, DestroyingTheServiceEndsEverything) {
  auto stable = std::make_unique<SimServer>(world.net, kStable);
  Client active(world);
  active.send(kGet);
  static_cast<void>(stable->accept());
  Client half(world);
  half.send("GET / HT");
  world.net.run_ready();
  world.service.reset();
  world.net.run_ready();
  EXPECT_TRUE(active.peer.ended());
  EXPECT_EQ(world.worker.buffers().small.on_loan(), 0U);
  proxy::ServiceOptions options;
  options.clock = &world.clock;
  world.service = std::make_unique<proxy::Service>(world.worker, options);
}

TEST_F(LifecycleTest, ACloseOfOneListenerLeavesTheOther) {
  Backend stable(world, kStable);
  const net::Address second_address = address("10.0.0.1:9090");
  world.listener.name = "second";
  world.listener.address = second_address;
  world.open();
  Client first(world);
  Client second(world, second_address);
  EXPECT_EQ(first.ask(kGet).status(), 200);
  EXPECT_EQ(second.ask(kGet).status(), 200);
  world.service->close("public", kFront);
  EXPECT_TRUE(first.closes_within(6s));
  EXPECT_EQ(second.ask(kGet).field("Connection"), "");
  Client late(world);
  world.net.run_ready();
  EXPECT_TRUE(late.peer.refused());
  // Its address is free again.
  world.listener.name = "public";
  world.listener.address = kFront;
  world.open();
  Client again(world);
  EXPECT_EQ(again.ask(kGet).status(), 200);
}

TEST_F(LifecycleTest, AClosedListenerLetsItsExchangesEnd) {
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send(kGet);
  SimPeer& served = stable.accept();
  world.service->close("public", kFront);
  served.send(ok("last"));
  EXPECT_EQ(client.read().field("Connection"), "close");
  EXPECT_TRUE(client.closes_within(1s));
}

// Who asks again and again is told; who does not is let go after a while.
TEST_F(LifecycleTest, AClosedListenerIsAnnouncedInEachAnswer) {
  Backend stable(world, kStable);
  Client busy(world);
  Client silent(world);
  EXPECT_EQ(busy.ask(kGet).field("Connection"), "");
  world.service->close("public", kFront);
  world.net.run_for(4s);
  EXPECT_TRUE(busy.open()) << "it may have sent something";
  const Message last = busy.ask(post("order"));
  EXPECT_EQ(last.status(), 200);
  EXPECT_EQ(last.field("Connection"), "close");
  EXPECT_TRUE(busy.closes_within(100ms));
  EXPECT_TRUE(silent.open());
  EXPECT_TRUE(silent.closes_within(2s));
  EXPECT_FALSE(silent.peer.saw_reset());
}

// It was told keep-alive before there was anything to tell.
TEST_F(LifecycleTest, AClosedListenerWaitsBehindAnAnswerThatHadBegun) {
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send(kGet);
  SimPeer& served = stable.accept();
  served.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
  world.net.run_ready();
  world.service->close("public", kFront);
  served.send("cd");
  EXPECT_EQ(client.read().body, "abcd");
  ASSERT_TRUE(client.open());
  client.send(kGet);
  world.net.run_ready();
  served.send(ok("last"));
  EXPECT_EQ(client.read().field("Connection"), "close");
  EXPECT_TRUE(client.closes_within(100ms));
}

// They believe that they are connected, and may ask a moment later.
TEST_F(LifecycleTest, AClosedListenerServesWhoWaitedToBeAccepted) {
  Backend stable(world, kStable);
  // More than are accepted in one turn.
  std::deque<Client> clients;
  while (clients.size() < 2 * net::Listener::kAcceptsPerBatch) clients.emplace_back(world);
  const auto accepted = [&] { return world.listener_gauge->accepted.load(); };
  world.net.run_until([&] { return accepted() > 0; });
  ASSERT_LT(accepted(), clients.size());
  world.service->close("public", kFront);
  EXPECT_EQ(accepted(), clients.size());
  world.net.run_for(1s);
  for (Client* const client : {&clients.front(), &clients.back()}) {
    const Message reply = client->ask(kGet);
    EXPECT_EQ(reply.status(), 200);
    EXPECT_EQ(reply.field("Connection"), "close");
  }
  EXPECT_TRUE(clients.at(1).open());
  EXPECT_TRUE(clients.at(1).closes_within(5s));
}

TEST_F(LifecycleTest, ADrainDoesNotWaitForAClosedListener) {
  Client silent(world);
  world.net.run_ready();
  world.service->close("public", kFront);
  EXPECT_TRUE(silent.open());
  world.service->drain();
  EXPECT_TRUE(silent.closes_within(1ms));
}

TEST_F(LifecycleTest, AnUpdateHoldsForOpenConnections) {
  Backend stable(world, kStable);
  Client client(world);
  EXPECT_EQ(client.ask(kGet).status(), 200);
  auto changed = std::make_shared<proxy::ListenerSpec>(world.listener);
  changed->body_bytes_max = 3;
  world.service->update(changed);
  EXPECT_EQ(client.ask(post("1234")).status(), 413);
}

TEST_F(LifecycleTest, WhoIsTrustedChangesForOpenConnectionsToo) {
  Backend stable(world, kStable);
  Client client(world);
  const std::string forged = get("/", "X-Forwarded-For: 6.6.6.6\r\n");
  const auto forwarded = [&] {
    EXPECT_EQ(client.ask(forged).status(), 200);
    return stable.requests.back().field("X-Forwarded-For");
  };
  const std::string alone = forwarded();
  EXPECT_EQ(alone.find("6.6.6.6"), std::string::npos);
  auto changed = std::make_shared<proxy::ListenerSpec>(world.listener);
  changed->trusted_proxies = {Cidr{}};
  world.service->update(changed);
  EXPECT_EQ(forwarded(), "6.6.6.6, " + alone);
  world.service->update(std::make_shared<proxy::ListenerSpec>(world.listener));
  EXPECT_EQ(forwarded(), alone);
}

TEST_F(LifecycleTest, ATakenAddressIsAnError) {
  proxy::OpenListener opening;
  opening.spec = std::make_shared<proxy::ListenerSpec>(world.listener);
  opening.counters = world.listener_counters;
  opening.gauge = world.listener_gauge;
  const auto opened = world.service->open(std::move(opening));
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::kAddressInUse);
}

}  // namespace
}  // namespace canaryd::test
