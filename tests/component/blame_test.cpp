// Who is to blame when client and upstream both had a part in it: a client that is slow on purpose
// must not be able to make a version look bad.
#include "component/proxy_world.hpp"

namespace canaryd::test {
namespace {

class BlameTest : public ProxyTest {
 protected:
  BlameTest() {
    world.upstreams[0].timeouts.first_byte = 60s;
    world.upstreams[0].timeouts.body_idle = 60s;
    world.upstreams[0].retries.attempts = 0;
    world.listener.body_idle_timeout = 60s;
    world.listener.write_stall_timeout = 60s;
  }
  [[nodiscard]] static SimProfile tiny() {
    SimProfile profile;
    profile.buffer_bytes = 1000;
    return profile;
  }
};

// Its last byte comes just in time to leave the upstream none.
TEST_F(BlameTest, AnUploadThatUsesUpTheTimeForAllIsNotTheUpstreamsFault) {
  world.upstreams[0].timeouts.request = 10s;
  world.split(0);
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send("POST / HTTP/1.1\r\nHost: a\r\nX-User: u\r\nContent-Length: 2\r\n\r\nx");
  world.net.run_for(9s);
  client.send("x");
  EXPECT_EQ(client.read().status(), 408);
  EXPECT_EQ(world.counters(Cohort::kStable).bad, 0U);
  EXPECT_EQ(world.counters(Cohort::kStable).excluded, 1U);

  // What is left is enough if it is most of it.
  Client other(world);
  other.send("POST / HTTP/1.1\r\nHost: a\r\nX-User: u\r\nContent-Length: 2\r\n\r\nx");
  world.net.run_for(4s);
  other.send("x");
  EXPECT_EQ(other.read().status(), 504);
  EXPECT_EQ(world.counters(Cohort::kStable).bad, 1U);
}

TEST_F(BlameTest, AnUpstreamThatGivesUpASilentUploadIsNotToBlame) {
  world.split(0);
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send("POST / HTTP/1.1\r\nHost: a\r\nX-User: u\r\nContent-Length: 2\r\n\r\nx");
  SimPeer& served = stable.accept();
  world.net.run_for(2s);
  served.reset();
  EXPECT_EQ(client.read().status(), 408);
  EXPECT_EQ(world.counters(Cohort::kStable).bad, 0U);

  // One that is sending is cut by the upstream.
  Client other(world);
  other.send("POST / HTTP/1.1\r\nHost: a\r\nX-User: u\r\nContent-Length: 2\r\n\r\nx");
  stable.accept().reset();
  EXPECT_EQ(other.read().status(), 502);
  EXPECT_EQ(world.counters(Cohort::kStable).bad, 1U);
}

TEST_F(BlameTest, AnUpstreamThatGivesUpAClientThatDoesNotReadIsNotToBlame) {
  world.split(0);
  world.net.set_profile(kFront, tiny());
  world.net.set_profile(kStable, tiny());
  world.start();
  SimServer stable(world.net, kStable);
  const auto cut_after = [&](Duration silence) {
    Client client(world);
    client.peer.stop_reading();
    client.send(get("/", "X-User: u\r\n"));
    SimPeer& served = stable.accept();
    served.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + pattern(20'000));
    world.net.run_for(silence);
    served.reset();
    client.peer.resume_reading();
    EXPECT_TRUE(client.closes_within(20s));
  };
  cut_after(2s);
  EXPECT_EQ(world.counters(Cohort::kStable).bad, 0U);
  cut_after(0s);
  EXPECT_EQ(world.counters(Cohort::kStable).bad, 1U);
}

// A client that was slow once and has caught up is no excuse.
TEST_F(BlameTest, AStallThatIsOverExcusesNothing) {
  world.split(0);
  world.net.set_profile(kFront, tiny());
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.peer.stop_reading();
  client.send(get("/", "X-User: u\r\n"));
  SimPeer& served = stable.accept();
  served.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + pattern(20'000));
  world.net.run_for(2s);
  client.peer.resume_reading();
  world.net.run_for(1s);
  served.reset();
  EXPECT_TRUE(client.closes_within(20s));
  EXPECT_EQ(world.counters(Cohort::kStable).bad, 1U);
}

TEST_F(BlameTest, NorIsOneThatHasAnsweredEarly) {
  world.split(0);
  world.start();
  SimServer stable(world.net, kStable);
  Client client(world);
  client.send("POST / HTTP/1.1\r\nHost: a\r\nX-User: u\r\nContent-Length: 2\r\n\r\nx");
  SimPeer& served = stable.accept();
  served.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx");
  world.net.run_for(2s);
  served.reset();
  EXPECT_TRUE(client.closes_within(20s));
  EXPECT_EQ(world.counters(Cohort::kStable).bad, 0U);
}

}  // namespace
}  // namespace canaryd::test
