// Segments (`analysis.watch`): what is evidence counts in those that a request is of as well.
#include "component/proxy_world.hpp"

namespace canaryd::test {
namespace {

struct Counted {
  std::uint64_t judged = 0;
  std::uint64_t bad = 0;
  friend bool operator==(const Counted&, const Counted&) = default;
};

class WatchTest : public ProxyTest {
 protected:
  WatchTest() {
    world.split(10000);
    world.watches = {
        {{"X-Tenant", {{"acme", 0}, {"globex", 1}}}, {"User-Agent", {{"*firefox*", 2}}}}};
    world.rollout().exclude = {{.path_prefix = "/healthz"}};
    world.segments = {3};
  }

  int ask(const std::string& fields, std::string_view path = "/") {
    Client client(world);
    return client.ask(get(path, "X-User: u" + std::to_string(++users_) + "\r\n" + fields)).status();
  }

  [[nodiscard]] Counted counted(std::size_t segment, Cohort cohort = Cohort::kCanary) const {
    const stats::SegmentReading now = world.segment(segment, cohort);
    return {now.judged_since({}), now.bad_since({})};
  }

  int users_ = 0;
};

TEST_F(WatchTest, EvidenceCountsInTheSegmentsOfItsRequest) {
  const Backend canary(world, kCanary, ok("canary"));
  world.start();
  EXPECT_EQ(ask("X-Tenant: acme\r\nUser-Agent: Firefox/128\r\n"), 200);
  EXPECT_EQ(ask("X-Tenant: ACME\r\n"), 200);
  EXPECT_EQ(ask("X-Tenant: initech\r\n"), 200);
  EXPECT_EQ(ask("X-Tenant: globex\r\n", "/healthz"), 200);  // No evidence.
  EXPECT_EQ(ask(""), 200);
  EXPECT_EQ(counted(0), (Counted{2, 0}));
  EXPECT_EQ(counted(1), (Counted{0, 0}));
  EXPECT_EQ(counted(2), (Counted{1, 0}));
  EXPECT_EQ(counted(0, Cohort::kStable), (Counted{0, 0}));
  EXPECT_EQ(world.counters(Cohort::kCanary).judged, 4U);
}

TEST_F(WatchTest, OfRequestsOnOneConnectionEachCountsForItself) {
  const Backend canary(world, kCanary, ok("canary"));
  world.start();
  Client client(world);
  client.ask(get("/", "X-User: u1\r\nX-Tenant: acme\r\n"));
  client.ask(get("/", "X-User: u1\r\n"));
  EXPECT_EQ(counted(0), (Counted{1, 0}));
}

TEST_F(WatchTest, AFailureIsSentOnWithItsSegments) {
  const Backend canary(world, kCanary, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
  world.start();
  EXPECT_EQ(ask("X-Tenant: globex\r\nUser-Agent: Firefox/128\r\n"), 500);
  EXPECT_EQ(counted(1), (Counted{1, 1}));
  EXPECT_EQ(counted(2), (Counted{1, 1}));
  const auto failure = world.failure_queue->pop();
  ASSERT_TRUE(failure);
  SegmentSet both;
  both.add(1);
  both.add(2);
  EXPECT_EQ(failure->segments, both);
}

TEST_F(WatchTest, ARepeatedFailureIsNoEvidenceThereEither) {
  const Backend canary(world, kCanary, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
  world.start();
  Client client(world);
  for (int i = 0; i < 3; ++i) client.ask(get("/", "X-User: u1\r\nX-Tenant: acme\r\n"));
  EXPECT_EQ(world.counters(Cohort::kCanary).deduped, 2U);
  EXPECT_EQ(counted(0), (Counted{1, 1}));
}

// The table may still name a segment that the counters do not have: then it is not counted.
TEST_F(WatchTest, ASegmentThatNobodyReadsIsNotCounted) {
  world.segments = {1};
  const Backend canary(world, kCanary, ok("canary"));
  world.start();
  EXPECT_EQ(ask("X-Tenant: globex\r\n"), 200);
  EXPECT_EQ(ask("X-Tenant: acme\r\n"), 200);
  EXPECT_EQ(counted(0), (Counted{1, 0}));
}

}  // namespace
}  // namespace canaryd::test
