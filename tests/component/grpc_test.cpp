// A gRPC response says in grpc-status, in its head or behind its body, what the HTTP status does
// not.
#include "component/proxy_world.hpp"

#include <string>

namespace canaryd::test {
namespace {

constexpr std::string_view kType = "Content-Type: application/grpc+proto\r\n";

class GrpcTest : public ProxyTest {
 protected:
  GrpcTest()
      : stable_(world, kStable),
        canary_(world, kCanary, [this](const Message&) { return answer_; }) {
    world.split(10000);
    world.failures.grpc.set(14);
    world.failures.protection.exposure_max = 100;
    world.start();
  }

  static std::string head_only(std::string_view status, std::string_view type = kType) {
    return "HTTP/1.1 200 OK\r\n" + std::string(type) + "Grpc-Status: " + std::string(status) +
           "\r\nContent-Length: 0\r\n\r\n";
  }
  static std::string with_trailers(std::string_view status, std::string_view type = kType) {
    return "HTTP/1.1 200 OK\r\n" + std::string(type) +
           "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\ngrpc-status: " +
           std::string(status) + "\r\n\r\n";
  }
  // One user each.
  Message ask(std::string answer) {
    answer_ = std::move(answer);
    Client client(world);
    return client.ask(post("x", "X-User: u" + std::to_string(++asked_) + "\r\n"));
  }
  [[nodiscard]] std::uint64_t bad() const { return world.counters(Cohort::kCanary).bad; }
  [[nodiscard]] std::uint64_t exposed() const { return world.gate->exposure_used(1); }

  Backend stable_;
  Backend canary_;
  std::string answer_;
  int asked_ = 0;
};

TEST_F(GrpcTest, AStatusThatIsListedIsAFailure) {
  EXPECT_EQ(ask(head_only("14")).status(), 200);
  EXPECT_EQ(bad(), 1U);
  EXPECT_EQ(exposed(), 1U);
  EXPECT_EQ(ask(with_trailers("14")).body, "hello") << "it goes on as it is";
  EXPECT_EQ(bad(), 2U);
  EXPECT_EQ(exposed(), 2U);
  EXPECT_EQ(world.counters(Cohort::kCanary).code_class[2], 2U);
}

TEST_F(GrpcTest, OtherAnswersAreNot) {
  for (const char* status : {"0", "5", "2", "x"}) {
    ask(head_only(status));
    ask(with_trailers(status));
  }
  constexpr std::string_view kJson = "Content-Type: application/json\r\n";
  ask(head_only("14", kJson));
  ask(with_trailers("14", kJson));
  ask(with_trailers("14", ""));
  EXPECT_EQ(bad(), 0U);
  EXPECT_EQ(exposed(), 0U);
  EXPECT_EQ(world.counters(Cohort::kCanary).judged, 11U);
}

// A connection's next response is looked at anew.
TEST_F(GrpcTest, AFailureIsNotTheNextRequests) {
  Client client(world);
  for (const std::string& answer : {with_trailers("14"), ok("x"), with_trailers("0"), ok("x")}) {
    answer_ = answer;
    EXPECT_EQ(client.ask(post("x", "X-User: u" + std::to_string(++asked_) + "\r\n")).status(), 200);
  }
  EXPECT_EQ(bad(), 1U);
  EXPECT_EQ(world.counters(Cohort::kCanary).judged, 4U);
}

TEST_F(GrpcTest, ARouteWithoutARolloutBlamesNobody) {
  world.table.rollouts.clear();
  world.table.routes.front().target = UpstreamId(1);
  world.publish();
  EXPECT_EQ(ask(with_trailers("14")).body, "hello");
  EXPECT_EQ(ask(head_only("14")).status(), 200);
  EXPECT_EQ(world.counters(Cohort::kNone).bad, 0U);
}

}  // namespace
}  // namespace canaryd::test
