// Clients that want to hurt: slow heads, many fields, endless pipelines. Everybody else is served,
// and what an attack makes us hold is bounded by what it has sent.
#include "component/proxy_world.hpp"

#include <algorithm>

namespace canaryd::test {
namespace {

class BoundsTest : public ProxyTest {
 protected:
  explicit BoundsTest(net::BufferPools::Limits buffers = {}) : ProxyTest(buffers) {}

  [[nodiscard]] std::size_t bytes_on_loan() {
    net::BufferPools& pools = world.worker.buffers();
    return pools.small.on_loan() * pools.small.block_bytes() +
           pools.medium.on_loan() * pools.medium.block_bytes() +
           pools.large.on_loan() * pools.large.block_bytes() + pools.exact.on_loan();
  }
};

std::string fields_of(std::size_t bytes) {
  std::string fields;
  while (fields.size() < bytes) fields += "X-Fill: " + std::string(100, 'f') + "\r\n";
  return fields;
}

TEST_F(BoundsTest, HalfAHeadHoldsNoMoreThanItsBytes) {
  world.start();
  Backend stable(world, kStable);
  constexpr std::string_view kHalf = "GET /slow HTTP/1.1\r\nHost: a\r\nX-";
  std::vector<std::unique_ptr<Client>> slow;
  for (int i = 0; i < 100; ++i) {
    slow.push_back(std::make_unique<Client>(world));
    slow.back()->send(kHalf);
  }
  world.net.run_ready();
  EXPECT_EQ(world.worker.buffers().small.on_loan(), 0U);
  EXPECT_EQ(bytes_on_loan(), 100 * kHalf.size());
  for (int i = 0; i < 100; ++i) slow[static_cast<std::size_t>(i)]->send("A: b\r");
  world.net.run_ready();
  EXPECT_EQ(bytes_on_loan(), 100 * (kHalf.size() + 5));
  EXPECT_EQ(slow.front()->ask("\n\r\n").body, "hello");
  EXPECT_EQ(stable.requests.at(0).field("X-A"), "b");
}

TEST_F(BoundsTest, ALongHeadThatComesInPiecesIsReadWhole) {
  world.listener.head.field_count = 5000;
  world.start();
  Backend stable(world, kStable);
  Client client(world);
  const std::string request = get("/", fields_of(60'000) + "X-Last: end\r\n");
  constexpr std::size_t kPiece = 1234;
  for (std::size_t at = 0; at < request.size(); at += kPiece) {
    client.send(std::string_view(request).substr(at, kPiece));
    world.net.run_for(1ms);
    EXPECT_LE(bytes_on_loan(), 2 * (at + kPiece));
  }
  EXPECT_EQ(client.read().body, "hello");
  EXPECT_EQ(stable.requests.at(0).field("X-Last"), "end");
}

// Whatever the size of a request, and wherever it waits.
TEST_F(BoundsTest, ARequestHoldsLittleMoreThanItsSize) {
  world.listener.head.field_count = 5000;
  world.start();
  SimServer stable(world.net, kStable);
  for (const std::size_t size : {40U, 1000U, 10'000U, 16'000U, 17'000U, 33'000U, 62'000U}) {
    const std::string request = get("/", fields_of(size));
    Client client(world);
    client.send(std::string_view(request).substr(0, request.size() - 1));
    world.net.run_ready();
    EXPECT_LE(bytes_on_loan(), 2 * request.size()) << size;
    client.send("\n");
    static_cast<void>(stable.accept());
    world.net.run_ready();
    EXPECT_LE(bytes_on_loan(), 2 * request.size() + net::BufferPools::kSmallBytes) << size;
  }
}

TEST_F(BoundsTest, ARefusedRequestIsGoneBeforeItsClient) {
  world.start();
  Backend stable(world, kStable);
  std::string fields;
  for (int i = 0; i < 5000; ++i) fields += "a:\r\n";
  Client client(world);
  const Message reply = client.ask(get("/", fields));
  EXPECT_EQ(reply.field("X-Canaryd-Error"), "headers_too_large");
  EXPECT_EQ(bytes_on_loan(), 0U);
}

// They could be answered for as long as they come in, without ever having to wait.
TEST_F(BoundsTest, APipelineOfRefusedRequestsGivesOthersATurn) {
  world.table.routes.front().match.path = "/served";
  world.start();
  Backend stable(world, kStable);
  Client greedy(world);
  Client other(world);
  world.net.run_ready();
  constexpr int kRequests = 300;
  std::string flood;
  for (int i = 0; i < kRequests; ++i) flood += get("/nowhere");
  greedy.send(flood);
  other.send(get("/served"));
  ASSERT_TRUE(world.net.run_until([&] { return !other.peer.received().empty(); }));
  EXPECT_LT(world.errors(ProxyError::kNoRoute), kRequests / 2U);
  EXPECT_EQ(other.read().status(), 200);
  for (int i = 0; i < kRequests; ++i) ASSERT_EQ(greedy.read().status(), 404) << i;
}

TEST_F(BoundsTest, ACancelInAPipelineEndsIt) {
  world.table.routes.front().match.path = "/served";
  world.start();
  Client greedy(world);
  std::string flood;
  for (int i = 0; i < 200; ++i) flood += get("/nowhere");
  greedy.send(flood);
  ASSERT_TRUE(world.net.run_until([&] { return world.errors(ProxyError::kNoRoute) > 0; }));
  world.service->cancel();
  EXPECT_TRUE(greedy.closes_within(1s));
}

class NoRoomTest : public BoundsTest {
 protected:
  NoRoomTest()
      : BoundsTest({.small_blocks_max = 2, .large_blocks_max = 0, .exact_bytes_max = 64}) {}
};

// Nothing left to park in: the block is kept, as long as there is one.
TEST_F(NoRoomTest, WithoutRoomToParkAHeadWaitsInItsBlock) {
  world.start();
  Backend stable(world, kStable);
  const std::string half = "GET / HTTP/1.1\r\nHost: a\r\nX-Fill: " + std::string(40, 'f');
  Client client(world);
  client.send(half);
  world.net.run_ready();
  EXPECT_EQ(world.worker.buffers().exact.on_loan(), 0U);
  EXPECT_EQ(world.worker.buffers().small.on_loan(), 1U);
  EXPECT_EQ(client.ask("\r\n\r\n").body, "hello");
}

TEST_F(NoRoomTest, AHeadThatCannotGrowIsAnsweredAndCounted) {
  world.start();
  Backend stable(world, kStable);
  Client client(world);
  const Message reply = client.ask(get("/", fields_of(20'000)));
  EXPECT_EQ(reply.field("X-Canaryd-Error"), "overloaded");
  EXPECT_EQ(world.errors(ProxyError::kOverloaded), 1U);
  Client next(world);
  EXPECT_EQ(next.ask(kGet).body, "hello");
}

}  // namespace
}  // namespace canaryd::test
