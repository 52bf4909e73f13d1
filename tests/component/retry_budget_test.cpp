// Retries under full failure: the upstream is not asked much more often than its clients ask.
#include "canaryd/upstream/retry_budget.hpp"

#include "component/proxy_world.hpp"

#include <memory>
#include <vector>

namespace canaryd::test {
namespace {

constexpr std::string_view kAsk = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

class RetryBudgetTest : public ProxyTest {
 protected:
  // Evenly, over a second.
  void ask(std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) {
      Client client(world);
      client.send(kAsk);
      static_cast<void>(client.read());
      world.net.run_for(Duration(1s) / static_cast<std::int64_t>(times));
    }
  }
};

TEST_F(RetryBudgetTest, FullFailureCostsAFifthMore) {
  constexpr std::size_t kRequests = 2000;
  world.upstreams[0].retries.attempts = 3;
  world.start();
  SimServer stable(world.net, kStable);
  stable.on_data([](SimPeer& peer) { peer.reset(); });
  ask(kRequests);
  // And the reserve: three, and one a second.
  EXPECT_LE(stable.connections(), kRequests + kRequests / 5 + upstream::RetryBudget::kReserve + 1);
  EXPECT_GE(stable.connections(), kRequests + kRequests / 5);
  EXPECT_EQ(world.errors(ProxyError::kUpstreamReset), kRequests);
  EXPECT_GT(world.upstream("stable").retries_denied.load(), kRequests / 2);
}

TEST_F(RetryBudgetTest, ALoneFailureIsRetried) {
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send(kGet);
  stable.accept().reset();
  stable.accept().send(ok("second"));
  EXPECT_EQ(client.read().body, "second");
  EXPECT_EQ(world.upstream("stable").retries_denied.load(), 0U);
}

// One failure in ten is within the budget: nobody notices.
TEST_F(RetryBudgetTest, AFewFailuresAreAllRetried) {
  world.start();
  std::size_t seen = 0;
  SimServer stable(world.net, kStable);
  stable.on_data([&seen](SimPeer& peer) {
    static_cast<void>(peer.take());
    ++seen;
    if (seen % 10 == 0) {
      peer.reset();
    } else {
      peer.send(ok("good", "Connection: close\r\n"));
      peer.shutdown_send();
    }
  });
  ask(1000);
  EXPECT_EQ(world.errors(ProxyError::kUpstreamReset), 0U);
  EXPECT_EQ(world.upstream("stable").retries_denied.load(), 0U);
}

// When no other try can follow, the one that is under way has all its time.
TEST_F(RetryBudgetTest, WithoutBudgetNoTryIsCutShort) {
  world.upstreams[0].timeouts.per_try = 500ms;
  world.upstreams[0].retries.budget_percent = 0;
  world.start();
  SimServer stable(world.net, kStable);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(std::make_unique<Client>(world));
    clients.back()->send(kGet);
  }
  for (std::size_t i = 0; i < clients.size(); ++i) static_cast<void>(stable.accept());
  world.net.run_for(600ms);
  // The reserve is three.
  EXPECT_EQ(stable.connections(), 8U);
  for (std::size_t i = 0; i < stable.connections(); ++i) {
    if (!stable.at(i).ended()) stable.at(i).send(ok("late"));
  }
  for (const auto& client : clients) EXPECT_EQ(client->read().body, "late");
}

// A reload is no fresh start.
TEST_F(RetryBudgetTest, AChangedUpstreamKeepsIt) {
  world.upstreams[0].retries.budget_percent = 0;
  world.start();
  SimServer stable(world.net, kStable);
  stable.on_data([](SimPeer& peer) { peer.reset(); });
  for (int i = 0; i < 3; ++i) {
    Client client(world);
    EXPECT_EQ(client.ask(kAsk).status(), 502);
  }
  EXPECT_EQ(stable.connections(), 6U);
  world.upstreams[0].timeouts.first_byte = 20s;
  world.publish();
  Client client(world);
  EXPECT_EQ(client.ask(kAsk).status(), 502);
  EXPECT_EQ(stable.connections(), 7U);
}

}  // namespace
}  // namespace canaryd::test
