// Streaming answers on raw sockets: what is on the wire, and what becomes of readers that leave, do
// not read, or are too many.
#include "raw_peer.hpp"
#include "support/fake_backend.hpp"

#include <gtest/gtest.h>

namespace canaryd::admin {
namespace {

using canaryd::test::AdminFixture;
using canaryd::test::with_limits;

std::string ask(const std::string& target, const std::string& version = "1.1") {
  return "GET " + target + " HTTP/" + version + "\r\nHost: localhost\r\n\r\n";
}

// What is read on the control thread; waits for it to become so.
std::size_t open_taps(AdminFixture& admin) {
  std::size_t count = 0;
  admin.on_control([&] { count = admin.backend.taps->size(); });
  return count;
}
void wait_for_taps(AdminFixture& admin, std::size_t count) {
  while (open_taps(admin) != count) {
  }
}
void emit(AdminFixture& admin, const std::string& data) {
  admin.on_control([&] { admin.backend.emit({0, "request", data}); });
}

TEST(ServerStream, SendsEventsAsTheyCome) {
  AdminFixture admin;
  RawPeer peer(admin.address);
  peer.send(ask("/api/v1/tap"));
  const std::string head = peer.read_until("\r\n\r\n");
  EXPECT_TRUE(head.starts_with("HTTP/1.1 200 OK\r\n")) << head;
  for (const char* field : {"Content-Type: text/event-stream\r\n",
                            "Cache-Control: no-store\r\n",
                            "Transfer-Encoding: chunked\r\n",
                            "Connection: close\r\n"}) {
    EXPECT_NE(head.find(field), std::string::npos) << field << head;
  }
  EXPECT_EQ(head.find("Content-Length"), std::string::npos) << head;
  emit(admin, R"({"n":1})");
  EXPECT_EQ(peer.read_until("}\n\n\r\n"), "1e\r\nevent: request\ndata: {\"n\":1}\n\n\r\n");
  emit(admin, R"({"n":2})");
  EXPECT_EQ(peer.read_until("}\n\n\r\n"), "1e\r\nevent: request\ndata: {\"n\":2}\n\n\r\n");
}

TEST(ServerStream, PassesTheFilterOn) {
  AdminFixture admin;
  RawPeer peer(admin.address);
  peer.send(ask("/api/v1/tap?cohort=canary&route=shop&errors=1"));
  EXPECT_NE(peer.read_until("\r\n\r\n"), "");
  admin.on_control([&] {
    const telemetry::TapFilter& filter = admin.backend.taps->at(0).filter;
    EXPECT_EQ(filter.cohort, Cohort::kCanary);
    EXPECT_EQ(filter.route, "shop");
    EXPECT_TRUE(filter.errors_only);
  });
}

TEST(ServerStream, RefusesWhatItDoesNotKnow) {
  AdminFixture admin;
  for (const char* target : {"/api/v1/tap?cohort=both",
                             "/api/v1/tap?cohort=",
                             "/api/v1/tap?errors=yes",
                             "/api/v1/tap?route=nowhere",
                             "/api/v1/tap?since=1"}) {
    RawPeer peer(admin.address);
    peer.send(ask(target));
    EXPECT_TRUE(peer.read_until("}").starts_with("HTTP/1.1 400 ")) << target;
  }
  RawPeer other_site(admin.address);
  other_site.send(
      "GET /api/v1/tap HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n");
  EXPECT_TRUE(other_site.read_until("}").starts_with("HTTP/1.1 403 "));
  RawPeer rebound(admin.address);
  rebound.send("GET /api/v1/tap HTTP/1.1\r\nHost: evil.example\r\n\r\n");
  EXPECT_TRUE(rebound.read_until("}").starts_with("HTTP/1.1 421 "));
  RawPeer post(admin.address);
  post.send("POST /api/v1/tap HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
  EXPECT_TRUE(post.read_until("}").starts_with("HTTP/1.1 405 "));
  RawPeer head(admin.address);
  head.send("HEAD /api/v1/tap HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_NE(head.read_all().find("text/event-stream"), std::string::npos);
  EXPECT_EQ(admin.backend.taps_opened, 0);
}

TEST(ServerStream, SaysThatItIsStillThere) {
  Limits limits;
  limits.heartbeat = std::chrono::milliseconds(50);
  limits.keep_alive = std::chrono::milliseconds(50);
  limits.header = std::chrono::milliseconds(500);
  AdminFixture admin(with_limits(limits));
  RawPeer peer(admin.address);
  peer.send(ask("/api/v1/tap"));
  EXPECT_NE(peer.read_until("\r\n\r\n"), "");
  // Longer than the limits of a request, which do not hold for a stream.
  for (int i = 0; i < 15; ++i) {
    EXPECT_EQ(peer.read_until("\n\n\r\n"), "e\r\n: still here\n\n\r\n");
  }
}

TEST(ServerStream, AReaderThatLeavesIsGoneAtOnce) {
  AdminFixture admin;
  {
    RawPeer leaver(admin.address);
    leaver.send(ask("/api/v1/tap"));
    EXPECT_NE(leaver.read_until("\r\n\r\n"), "");
    EXPECT_EQ(open_taps(admin), 1U);
  }
  wait_for_taps(admin, 0);
  RawPeer half(admin.address);
  half.send(ask("/api/v1/tap"));
  EXPECT_NE(half.read_until("\r\n\r\n"), "");
  half.finish();
  wait_for_taps(admin, 0);
  EXPECT_EQ(half.read_all(), "0\r\n\r\n");
  EXPECT_TRUE(half.closed);
}

TEST(ServerStream, AReaderHasNothingMoreToSay) {
  AdminFixture admin;
  RawPeer peer(admin.address);
  peer.send(ask("/api/v1/tap"));
  EXPECT_NE(peer.read_until("\r\n\r\n"), "");
  peer.send(ask("/api/v1/drain"));
  emit(admin, "1");
  EXPECT_EQ(peer.read_until("1\n\n\r\n"), "18\r\nevent: request\ndata: 1\n\n\r\n");
  peer.send(std::string(std::size_t{128} * 1024, 'x'));  // More than is listened to.
  wait_for_taps(admin, 0);
}

TEST(ServerStream, BoundsReaders) {
  Limits limits;
  limits.streams = 2;
  AdminFixture admin(with_limits(limits));
  RawPeer first(admin.address);
  first.send(ask("/api/v1/tap"));
  EXPECT_NE(first.read_until("\r\n\r\n"), "");
  {
    RawPeer second(admin.address);
    second.send(ask("/api/v1/tap"));
    EXPECT_NE(second.read_until("\r\n\r\n"), "");
    RawPeer third(admin.address);
    third.send(ask("/api/v1/tap"));
    const std::string answer = third.read_until("}");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 503 ")) << answer;
    EXPECT_NE(answer.find("urn:canaryd:problem:too-many-streams"), std::string::npos) << answer;
    // Everything else is still answered, on the same connection too.
    third.send(ask("/livez"));
    EXPECT_NE(third.read_until("ok\n"), "");
  }
  wait_for_taps(admin, 1);
  RawPeer third(admin.address);
  third.send(ask("/api/v1/tap"));
  EXPECT_TRUE(third.read_until("\r\n\r\n").starts_with("HTTP/1.1 200 "));
}

TEST(ServerStream, NoStreamGivesItsPlaceToANewConnection) {
  Limits limits;
  limits.connections = 2;
  limits.streams = 1;
  AdminFixture admin(with_limits(limits));
  RawPeer reader(admin.address);
  reader.send(ask("/api/v1/tap"));
  EXPECT_NE(reader.read_until("\r\n\r\n"), "");
  for (int i = 0; i < 5; ++i) {
    RawPeer other(admin.address);
    other.send(ask("/livez"));
    EXPECT_NE(other.read_until("ok\n"), "");
    RawPeer next(admin.address);
    next.send(ask("/livez"));
    EXPECT_NE(next.read_until("ok\n"), "");
    EXPECT_EQ(other.read_all(), "");
  }
  emit(admin, "1");
  EXPECT_EQ(reader.read_until("1\n\n\r\n"), "18\r\nevent: request\ndata: 1\n\n\r\n");
}

TEST(ServerStream, ASlowReaderIsToldWhatItLost) {
  Limits limits;
  limits.stream_bytes = 20000;
  AdminFixture admin(with_limits(limits));
  RawPeer slow(admin.address, 4096);
  slow.send(ask("/api/v1/tap"));
  EXPECT_NE(slow.read_until("\r\n\r\n"), "");
  const std::string data(1000, 'x');
  constexpr int kEvents = 2000;
  for (int i = 0; i < kEvents; ++i) emit(admin, data);
  int seen = 0;
  int dropped = 0;
  while (seen + dropped < kEvents) {
    const std::string frame = slow.read_until("\n\n");
    ASSERT_NE(frame, "");
    if (frame.find("event: request\n") != std::string::npos) ++seen;
    const std::size_t gap = frame.find("event: dropped\ndata: {\"events\":");
    if (gap != std::string::npos) dropped += std::stoi(frame.substr(frame.rfind(':') + 1));
  }
  EXPECT_GT(dropped, 0);
  EXPECT_EQ(seen + dropped, kEvents);
  // It may go on.
  emit(admin, "{\"n\":1}");
  EXPECT_NE(slow.read_until("{\"n\":1}"), "");
}

TEST(ServerStream, AReaderThatDoesNotReadIsClosed) {
  Limits limits;
  limits.write = std::chrono::milliseconds(50);
  AdminFixture admin(with_limits(limits));
  RawPeer stuck(admin.address, 4096);
  stuck.send(ask("/api/v1/tap"));
  EXPECT_NE(stuck.read_until("\r\n\r\n"), "");
  const std::string data(1000, 'x');
  for (int i = 0; i < 500; ++i) emit(admin, data);
  wait_for_taps(admin, 0);
}

TEST(ServerStream, AnOldClientGetsNoChunks) {
  AdminFixture admin;
  RawPeer peer(admin.address);
  peer.send(ask("/api/v1/tap", "1.0"));
  const std::string head = peer.read_until("\r\n\r\n");
  EXPECT_EQ(head.find("Transfer-Encoding"), std::string::npos) << head;
  emit(admin, "1");
  EXPECT_EQ(peer.read_until("\n\n"), "event: request\ndata: 1\n\n");
  admin.stop();
  EXPECT_EQ(peer.read_all(), "");
  EXPECT_TRUE(peer.closed);
}

// A follower of /api/v1/events, and what it has read of the body.
struct Follower {
  Follower(const AdminFixture& admin, const std::string& fields) : peer(admin.address) {
    peer.send("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n");
    head = peer.read_until("\r\n\r\n");
  }
  // Without the size of its chunk.
  std::string frame() {
    const std::string text = peer.read_until("\n\n\r\n");
    return text.substr(text.find('\n') + 1);
  }
  RawPeer peer;
  std::string head;
};

TEST(ServerStream, TellsWhatHappensToTheRollouts) {
  AdminFixture admin;
  Follower follower(admin, "");
  EXPECT_TRUE(follower.head.starts_with("HTTP/1.1 200 ")) << follower.head;
  const auto tell = [&](std::uint64_t id, control::ControlEvent::What what) {
    admin.on_control([&] { admin.backend.follower({id, std::move(what)}); });
    return follower.frame();
  };
  EXPECT_EQ(admin.backend.followed_after, std::nullopt);
  control::TransitionView transition;
  transition.row.rollout = "checkout";
  transition.row.to = "rolled_back";
  transition.row.evidence_json = R"({"n":1})";
  transition.generation = 18;
  const std::string moved = tell(7, transition);
  EXPECT_TRUE(moved.starts_with("id: 7\nevent: transition\ndata: {")) << moved;
  for (const char* member :
       {R"("time": "1970)", R"("to": "rolled_back")", R"("generation": 18)", R"("n": 1)"}) {
    EXPECT_NE(moved.find(member), std::string::npos) << member << moved;
  }
  control::VerdictView verdict;
  verdict.rollout = "checkout";
  verdict.metric.metric = "errors";
  verdict.metric.verdict = "pass";
  const std::string judged = tell(8, verdict);
  EXPECT_TRUE(judged.starts_with("id: 8\nevent: verdict\n")) << judged;
  EXPECT_NE(judged.find(R"("rollout": "checkout")"), std::string::npos) << judged;
  const std::string sample = tell(8, canaryd::test::example_rollout());
  EXPECT_TRUE(sample.starts_with("id: 8\nevent: sample\ndata: {\"name\": \"checkout\"")) << sample;
  EXPECT_EQ(tell(9, control::ReloadView{false, "no"}),
            "id: 9\nevent: reload\ndata: {\"ok\": false, \"message\": \"no\"}\n\n\r\n");
  EXPECT_EQ(tell(0, control::EventsMissed{3}), "event: missed\ndata: {\"after\": 3}\n\n\r\n");
}

TEST(ServerStream, GoesOnAfterTheLastEvent) {
  AdminFixture admin;
  admin.backend.past = {{7, control::ReloadView{true, "a"}}, {8, control::ReloadView{true, "b"}}};
  Follower follower(admin, "Last-Event-ID: 7\r\n");
  EXPECT_TRUE(follower.frame().starts_with("id: 8\n"));
  EXPECT_EQ(admin.backend.followed_after, 7U);
  for (const char* odd : {"x", "-1", "7 ", "", "99999999999999999999"}) {
    const Follower refused(admin, std::string("Last-Event-ID: ") + odd + "\r\n");
    EXPECT_EQ(refused.head.starts_with("HTTP/1.1 400 "), std::string(odd) != "7 ") << odd;
  }
  RawPeer query(admin.address);
  query.send(ask("/api/v1/events?rollout=checkout"));
  EXPECT_TRUE(query.read_until("}").starts_with("HTTP/1.1 400 "));
}

TEST(ServerStream, EndsWithTheServer) {
  AdminFixture admin;
  RawPeer peer(admin.address);
  peer.send(ask("/api/v1/tap"));
  EXPECT_NE(peer.read_until("\r\n\r\n"), "");
  wait_for_taps(admin, 1);
  admin.stop();
  EXPECT_EQ(peer.read_all(), "0\r\n\r\n");
  EXPECT_TRUE(peer.closed);
  EXPECT_EQ(open_taps(admin), 0U);
}

}  // namespace
}  // namespace canaryd::admin
