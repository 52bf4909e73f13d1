// Votes of users on a listener: joined with the cohort by the user's own key, bounded, and answered
// here.
#include "component/proxy_world.hpp"

namespace canaryd::test {
namespace {

constexpr std::string_view kJson = "Content-Type: application/json\r\n";

std::string vote(std::string_view body, std::string_view fields = {}) {
  std::string text = "POST /.canaryd/feedback HTTP/1.1\r\nHost: a\r\nContent-Length: " +
                     std::to_string(body.size()) + "\r\n";
  text += kJson;
  text += fields;
  text += "\r\n";
  return text += body;
}

class FeedbackTest : public ProxyTest {
 protected:
  FeedbackTest() : stable_(world, kStable, ok("stable")), canary_(world, kCanary, ok("canary")) {
    world.split(5000);
    world.listener.feedback = true;
  }

  // Of a client of its own address, so that no limit is met by accident.
  Message ask(const std::string& request) {
    Client client(world);
    return client.ask(request);
  }
  std::optional<stats::Vote> next() { return world.vote_queue->pop(); }

  Backend stable_;
  Backend canary_;
};

TEST_F(FeedbackTest, AVoteGoesToTheCohortOfItsUser) {
  world.start();
  for (int i = 0; i < 8; ++i) {
    const std::string user = "X-User: u" + std::to_string(i) + "\r\n";
    Client client(world);
    const std::string version = client.ask(get("/", user)).body;
    const Message answer =
        client.ask(vote(R"({"score": 2, "comment": "slow", "path": "/basket?x=1"})", user));
    EXPECT_EQ(answer.status(), 202);
    EXPECT_EQ(answer.body, "");
    const auto seen = next();
    ASSERT_TRUE(seen);
    EXPECT_EQ(to_string(seen->cohort), version);
    EXPECT_EQ(seen->rollout, RolloutId(0));
    EXPECT_EQ(seen->epoch, 1U);
    EXPECT_TRUE(seen->counts);
    EXPECT_NE(seen->key_hash, 0U);
    EXPECT_EQ(seen->score, 2);
    EXPECT_EQ(seen->text(), "slow");
    // The connection goes on.
    EXPECT_EQ(client.ask(get("/", user)).body, version);
  }
  EXPECT_EQ(stable_.requests.size() + canary_.requests.size(), 16U) << "no vote goes upstream";
  const auto traffic =
      world.counters(Cohort::kStable).requests() + world.counters(Cohort::kCanary).requests();
  EXPECT_EQ(traffic, 16U) << "and none is traffic";
}

TEST_F(FeedbackTest, WhereNobodyIsSplitItIsHeardOnly) {
  world.start();
  for (const std::uint32_t weight : {0U, 10000U}) {
    world.rollout().weight = BasisPoints(weight);
    world.publish();
    EXPECT_EQ(ask(vote(R"({"score": 2})", "X-User: u1\r\n")).status(), 202);
    const auto seen = next();
    ASSERT_TRUE(seen);
    EXPECT_FALSE(seen->counts) << weight;
  }
}

TEST_F(FeedbackTest, WhatFollowsInTheSamePacketIsTheNextRequest) {
  world.start();
  Client client(world);
  client.send(vote(R"({"score":5})", "X-User: u1\r\n") + get("/", "X-User: u1\r\n") +
              vote(R"({"score":4})", "X-User: u2\r\n"));
  EXPECT_EQ(client.read().status(), 202);
  EXPECT_EQ(client.read().status(), 200);
  EXPECT_EQ(client.read().status(), 202);
  EXPECT_EQ(next()->score, 5);
  EXPECT_EQ(next()->score, 4);
}

TEST_F(FeedbackTest, ComesInSingleBytesToo) {
  world.start();
  Client client(world);
  for (const char c : vote(R"({"score":1,"comment":"byte by byte"})", "X-User: u1\r\n")) {
    client.send({&c, 1});
    world.net.run_ready();
  }
  EXPECT_EQ(client.read().status(), 202);
  EXPECT_EQ(next()->text(), "byte by byte");
}

// The head alone fills the block that it came in.
TEST_F(FeedbackTest, MakesRoomBehindALongHead) {
  world.start();
  const std::string comment(stats::kCommentBytesMax, 'c');
  for (const std::size_t filler : {17800UL, 18100UL, 18300UL, 40000UL}) {
    std::string fields = "X-User: u1\r\nX-Filler: ";
    fields += std::string(filler, 'f') + "\r\n";
    const Message answer =
        ask(vote("{\"score\":3,\"comment\":\"" + comment + "\",\"path\":\"/x\"}", fields));
    EXPECT_EQ(answer.status(), 202) << filler;
    const auto seen = next();
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->text(), comment);
    EXPECT_TRUE(seen->counts);
  }
}

TEST_F(FeedbackTest, IsOrdinaryTrafficWhereItIsOff) {
  world.listener.feedback = false;
  world.start();
  EXPECT_EQ(ask(vote(R"({"score":1})", "X-User: u1\r\n")).status(), 200);
  EXPECT_EQ(stable_.requests.size() + canary_.requests.size(), 1U);
  EXPECT_FALSE(next());
}

TEST_F(FeedbackTest, OnlyAPostIsTakenAndOnlyOfThatPath) {
  world.start();
  EXPECT_EQ(ask(get("/.canaryd/feedback", "X-User: u1\r\n")).status(), 200);
  EXPECT_EQ(
      ask("POST /.canaryd/feedback/x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").status(),
      200);
  EXPECT_EQ(stable_.requests.size() + canary_.requests.size(), 2U);
  // The canonical form decides, as always.
  std::string odd = vote(R"({"score":1})", "X-User: u1\r\n");
  odd.replace(odd.find("/.canaryd"), 9, "//%2Ecanaryd");
  EXPECT_EQ(ask(odd).status(), 202);
}

TEST_F(FeedbackTest, RefusesWhatIsNoVote) {
  world.start();
  const auto expect = [&](const std::string& request, int status, std::string_view word) {
    const Message answer = ask(request);
    EXPECT_EQ(answer.status(), status) << request;
    EXPECT_EQ(answer.field("X-Canaryd-Error"), word) << request;
    EXPECT_FALSE(next());
  };
  const std::string path = "POST /.canaryd/feedback HTTP/1.1\r\nHost: a\r\n";
  expect(vote("no json"), 400, "bad_request");
  expect(vote(R"({"score":9})"), 400, "bad_request");
  expect(vote(R"({"score":1,"path":"/../.."})"), 404, "no_route");
  expect(vote(""), 400, "bad_request");
  expect(path + "Content-Length: 11\r\n\r\n{\"score\":1}", 400, "bad_request");
  expect(path + "Content-Type: text/plain\r\nContent-Length: 11\r\n\r\n{\"score\":1}",
         400,
         "bad_request");
  expect(path + std::string(kJson) +
             "Transfer-Encoding: chunked\r\n\r\nb\r\n{\"score\":1}\r\n0\r\n\r\n",
         501,
         "not_implemented");
  expect(path + std::string(kJson) + "Content-Length: 5000\r\n\r\n", 413, "body_too_large");
  expect(
      vote("{\"score\":1,\"comment\":\"" + std::string(600, 'x') + "\"}"), 413, "body_too_large");
  EXPECT_EQ(stable_.requests.size() + canary_.requests.size(), 0U);
}

TEST_F(FeedbackTest, APageWithoutARolloutHasNoVotes) {
  routing::RouteSpec plain;
  plain.name = "plain";
  plain.match.path = "/plain";
  plain.target = UpstreamId(0);
  world.table.routes.push_back(plain);
  world.table.routes.front().match.path = "/shop";
  world.start();
  EXPECT_EQ(ask(vote(R"({"score":1,"path":"/shop"})", "X-User: u1\r\n")).status(), 202);
  EXPECT_EQ(ask(vote(R"({"score":1,"path":"/plain"})")).field("X-Canaryd-Error"), "no_route");
  EXPECT_EQ(ask(vote(R"({"score":1})")).field("X-Canaryd-Error"), "no_route");
}

// Routed as the page's GET is, not as this POST.
TEST_F(FeedbackTest, TheRouteIsThatOfThePage) {
  world.table.routes.front().match.methods = {"GET"};
  world.start();
  EXPECT_EQ(ask(vote(R"({"score":1})", "X-User: u1\r\n")).status(), 202);
}

TEST_F(FeedbackTest, WhoseCohortWasNotDrawnIsHeardButNotCounted) {
  world.rollout().sticky.sources.push_back({routing::KeySource::kCookie, "id"});
  routing::IssueCookie issue;
  issue.name = "id";
  world.rollout().sticky.issue_cookie = issue;
  world.start();
  const auto counts = [&](std::string_view fields) {
    EXPECT_EQ(ask(vote(R"({"score":1})", fields)).status(), 202);
    const auto seen = next();
    return seen && seen->counts;
  };
  EXPECT_TRUE(counts("X-User: u1\r\n"));
  EXPECT_TRUE(counts("Cookie: id=00112233445566778899aabbccddeeff\r\n"));
  EXPECT_FALSE(counts("")) << "a key made for the vote";
  EXPECT_FALSE(counts("X-User: u1\r\nX-Canary: always\r\n")) << "forced";
  world.gate->lower(1, BasisPoints(0));
  EXPECT_FALSE(counts("X-User: u1\r\n")) << "everybody is on stable";
}

TEST_F(FeedbackTest, AFloodFromOneClientIsLimited) {
  world.start();
  Client client(world);
  int taken = 0;
  int limited = 0;
  for (int i = 0; i < 50; ++i) {
    const Message answer =
        client.ask(vote(R"({"score":1})", "X-User: u" + std::to_string(i) + "\r\n"));
    taken += answer.status() == 202 ? 1 : 0;
    if (answer.status() != 429) continue;
    ++limited;
    EXPECT_EQ(answer.field("X-Canaryd-Error"), "rate_limited");
    EXPECT_EQ(answer.field("Retry-After"), "10");
  }
  EXPECT_EQ(taken, 10);
  EXPECT_EQ(limited, 40);
  EXPECT_EQ(world.errors(ProxyError::kRateLimited), 40U);
  while (next()) --taken;
  EXPECT_EQ(taken, 0);
}

TEST_F(FeedbackTest, ASlowOneRunsIntoTheTimeout) {
  world.start();
  Client client(world);
  std::string text = vote(R"({"score":1})", "X-User: u1\r\n");
  text.pop_back();
  client.send(text);
  EXPECT_EQ(client.read().status(), 408);
  EXPECT_FALSE(next());
}

TEST_F(FeedbackTest, HalfAVoteIsAnsweredWhenTheProxyEnds) {
  world.start();
  Client client(world);
  std::string text = vote(R"({"score":1})", "X-User: u1\r\n");
  text.pop_back();
  client.send(text);
  world.net.run_ready();
  world.service->cancel();
  const Message told = client.read();
  EXPECT_EQ(told.status(), 503);
  EXPECT_EQ(told.field("X-Canaryd-Error"), "shutting_down");
  EXPECT_EQ(told.field("Connection"), "close");
  EXPECT_EQ(told.field("Retry-After"), "1");
  EXPECT_FALSE(next());
}

TEST_F(FeedbackTest, BeforeTheFirstTableThereIsNoRoute) {
  world.open();
  EXPECT_EQ(ask(vote(R"({"score":1})")).field("X-Canaryd-Error"), "no_route");
}

}  // namespace
}  // namespace canaryd::test
