// Bodies that are larger than any buffer, sides that are slower than the other, answers that come
// early.
#include "component/proxy_world.hpp"

#include <algorithm>

namespace canaryd::test {
namespace {

constexpr std::size_t kLarge = 10 * 1024 * 1024;

class FlowTest : public ProxyTest {
 protected:
  FlowTest() { world.start(); }

  [[nodiscard]] std::size_t bytes_on_loan() {
    net::BufferPools& pools = world.worker.buffers();
    return pools.small.on_loan() * pools.small.block_bytes() +
           pools.medium.on_loan() * pools.medium.block_bytes() +
           pools.large.on_loan() * pools.large.block_bytes();
  }
  // Runs until the condition holds, and notes the most memory that was on loan meanwhile.
  bool run_watching(const std::function<bool()>& condition) {
    return world.net.run_until([&] {
      most_on_loan_ = std::max(most_on_loan_, bytes_on_loan());
      return condition();
    });
  }

  std::size_t most_on_loan_ = 0;
};

// One block of a head, and one large block for the body.
constexpr std::size_t kOneWay = net::BufferPools::kSmallBytes + net::BufferPools::kLargeBytes;

TEST_F(FlowTest, ALargeResponseFlowsThroughOneBlock) {
  const std::string body = pattern(kLarge);
  Backend stable(world, kStable, ok(body));
  Client client(world);
  client.send(kGet);
  ASSERT_TRUE(run_watching([&] { return client.peer.received().size() > kLarge; }));
  EXPECT_TRUE(client.read().body == body);
  EXPECT_LE(most_on_loan_, kOneWay + net::BufferPools::kSmallBytes);
  EXPECT_EQ(world.counters(Cohort::kNone).bytes_out, kLarge);
}

TEST_F(FlowTest, ALargeUploadFlowsThroughOneBlock) {
  const std::string body = pattern(kLarge);
  Backend stable(world, kStable);
  Client client(world);
  client.send(post(body));
  ASSERT_TRUE(run_watching([&] { return !stable.requests.empty(); }));
  EXPECT_TRUE(stable.requests.at(0).body == body);
  EXPECT_EQ(client.read().status(), 200);
  EXPECT_LE(most_on_loan_, kOneWay + net::BufferPools::kSmallBytes);
}

TEST_F(FlowTest, ASlowClientHoldsTheUpstreamBack) {
  const std::string body = pattern(kLarge);
  Backend stable(world, kStable, ok(body));
  Client client(world);
  client.peer.stop_reading();
  client.send(kGet);
  run_watching([&] { return false; });
  world.net.run_ready();
  // Socket buffers and one block: the rest is still with the upstream.
  EXPECT_GT(stable.server.at(0).unsent(), kLarge - 512 * 1024);
  EXPECT_LE(most_on_loan_, kOneWay + net::BufferPools::kSmallBytes);
}

TEST_F(FlowTest, ASlowUpstreamHoldsTheClientBack) {
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send(post(pattern(kLarge)));
  stable.accept().stop_reading();
  world.net.run_for(1s);
  EXPECT_GT(client.peer.unsent(), kLarge - 512 * 1024);
  EXPECT_LE(bytes_on_loan(), kOneWay + net::BufferPools::kSmallBytes);
}

TEST_F(FlowTest, BothDirectionsFlowAtOnce) {
  const std::string body = pattern(kLarge / 4);
  SimServer stable(world.net, kStable);
  // Echoes every byte as soon as it comes.
  bool begun = false;
  std::size_t skipped = std::string::npos;
  std::string text;
  stable.on_data([&](SimPeer& peer) {
    if (begun) return peer.send(peer.take());
    text += peer.take();
    skipped = text.find("\r\n\r\n");
    if (skipped == std::string::npos) return;
    begun = true;
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
              text.substr(skipped + 4));
  });
  Client client(world);
  client.send(post(body));
  EXPECT_TRUE(client.read().body == body);
  EXPECT_EQ(client.peer.unsent(), 0U);
}

TEST_F(FlowTest, AnIdleConnectionHoldsNoBuffer) {
  Backend stable(world, kStable);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<Client>(world));
    EXPECT_EQ(clients.back()->ask(kGet).status(), 200);
  }
  world.net.run_ready();
  EXPECT_EQ(world.service->connections(), 20U);
  EXPECT_EQ(bytes_on_loan(), 0U);
}

// ---- Early answers

TEST_F(FlowTest, AnAnswerMayComeBeforeTheRequestIsThrough) {
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n123");
  SimPeer& served = stable.accept();
  served.send("HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno");
  const Message reply = client.read();
  EXPECT_EQ(reply.status(), 413);
  EXPECT_EQ(reply.body, "no");
  EXPECT_FALSE(reply.has("X-Canaryd-Error"));
  EXPECT_EQ(reply.field("Connection"), "close");
  EXPECT_TRUE(client.closes_within(2s));
  EXPECT_TRUE(served.ended());
  EXPECT_EQ(world.upstream("stable").idle.load(), 0U);
}

// The client reads our answer only when it has sent everything; a reset would take it away.
TEST_F(FlowTest, AClientMaySendOnBehindAnEarlyAnswer) {
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send(post(pattern(kLarge)));
  SimPeer& served = stable.accept();
  served.stop_reading();
  served.send("HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno");
  EXPECT_EQ(client.read().status(), 413);
  world.net.run_until([&] { return client.peer.unsent() == 0; }, 500ms);
  EXPECT_EQ(client.peer.unsent(), 0U);
  EXPECT_FALSE(client.peer.saw_reset());
}

TEST_F(FlowTest, AnUpstreamMayAnswerAndClose) {
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send(post(pattern(kLarge)));
  SimPeer& served = stable.accept();
  served.stop_reading();
  served.send("HTTP/1.1 403 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno");
  served.close();
  EXPECT_EQ(client.read().status(), 403);
}

// A pipelining client that we tell to go still gets its answer.
TEST_F(FlowTest, BytesBehindTheLastRequestDoNotTakeTheAnswerAway) {
  Backend stable(world, kStable);
  const std::string closing = "Connection: close\r\n";
  // Received with the request, or, behind a body that is read no further than its end, still
  // unread.
  for (const std::string& request : {get("/", closing), post(pattern(40'000), closing)}) {
    Client client(world);
    client.send(request + get("/2") + std::string(1000, 'x'));
    EXPECT_EQ(client.read().body, "hello");
    EXPECT_TRUE(client.closes_within(2s));
    EXPECT_FALSE(client.peer.saw_reset());
  }
  EXPECT_EQ(stable.requests.size(), 2U);
}

TEST_F(FlowTest, RequestsDoNotStarveOneAnother) {
  SimProfile bytes;
  bytes.recv_bytes_max = 16;
  world.net.set_profile(kStable, bytes);
  Backend stable(world, kStable, [](const Message& m) {
    return ok(m.target() == "/large" ? pattern(200'000) : "small");
  });
  Client greedy(world);
  greedy.send(get("/large"));
  world.net.run_until([&] { return greedy.peer.received().size() > 1000; });
  Client modest(world);
  EXPECT_EQ(modest.ask(kGet).body, "small");
  EXPECT_LT(greedy.peer.received().size(), 100'000U);
  EXPECT_EQ(greedy.read().body.size(), 200'000U);
}

}  // namespace
}  // namespace canaryd::test
