// A session with a mirror, in which the n-th operation fails, for every n: whichever connection it
// hits, the client gets right answers or an error, every copy ends and is counted once, and a copy
// that arrives is whole and right.
#include "component/every_operation.hpp"
#include "component/mirror_world.hpp"

namespace canaryd::test {
namespace {

const std::vector<std::string> kRequests = {
    get("/1", "X-User: a\r\n"),
    post("posted", "X-User: b\r\n"),
    get("/3", "X-User: c\r\nConnection: close\r\n"),
};

std::string all_requests() {
  std::string text;
  for (const std::string& request : kRequests) text += request;
  return text;
}

std::string answer_to(const Message& request) {
  return ok(request.target() + request.body);
}

void check_answers(std::string seen) {
  for (const std::string& request : kRequests) {
    const auto reply = take_message(seen, BodyRule::kResponse, true);
    if (!reply || reply->start.empty() || reply->has("X-Canaryd-Error")) return;
    std::string text = request;
    const Message asked = *take_message(text, BodyRule::kRequest);
    EXPECT_TRUE((asked.target() + asked.body).starts_with(reply->body)) << reply->body;
  }
}

void check_copies(const std::deque<Message>& copies) {
  EXPECT_LE(copies.size(), kRequests.size());
  std::size_t next = 0;
  for (const Message& copy : copies) {
    EXPECT_EQ(copy.field("X-Canaryd-Cohort"), "shadow");
    // In any order: each is one of those that were sent.
    const bool posted = copy.method() == "POST";
    EXPECT_EQ(copy.body, posted ? "posted" : "");
    next += posted ? 1 : 0;
  }
  EXPECT_LE(next, 1U);
}

void run_with_fault(std::uint64_t operation, SimFault fault, bool& reached) {
  ProxyWorld world;
  add_mirror(world);
  world.split(0);
  world.start();
  world.net.fail_operation(operation, fault);
  {
    const Backend stable(world, kStable, answer_to);
    const Backend mirror(world, kMirror, answer_to);
    Client client(world);
    client.send(all_requests());
    ASSERT_TRUE(world.net.run_until([&] { return client.peer.ended(); }));
    ASSERT_TRUE(world.net.run_until([&] { return world.counters(Cohort::kShadow).active == 0; }));
    check_answers(client.peer.received());
    check_copies(mirror.requests);
    reached = world.net.operations() >= operation;
    const auto counts = world.counters(Cohort::kShadow);
    std::uint64_t ended = 0;
    for (const std::uint64_t each : counts.mirrored) ended += each;
    EXPECT_EQ(ended, world.counters(Cohort::kStable).requests());
    EXPECT_LE(counts.requests(), ended);
  }
  world.finish();
}

class MirrorFault : public testing::TestWithParam<SimFault> {};

TEST_P(MirrorFault, AnywhereEndsWell) {
  EXPECT_GT(fail_every_operation(GetParam(), run_with_fault), 20U);
}

INSTANTIATE_TEST_SUITE_P(Faults,
                         MirrorFault,
                         testing::Values(SimFault::kReset,
                                         SimFault::kWouldBlock,
                                         SimFault::kLocal));

// Every cut of the bytes gives the same answers and the same copies.
TEST(MirrorPieces, SingleBytesGiveTheSameCopies) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}}) {
    ProxyWorld world;
    SimProfile profile;
    profile.recv_bytes_max = profile.send_bytes_max = profile.buffer_bytes = piece;
    world.net.set_default_profile(profile);
    add_mirror(world);
    world.split(0);
    world.start();
    {
      const Backend stable(world, kStable, answer_to);
      const Backend mirror(world, kMirror, answer_to);
      Client client(world);
      client.send(all_requests());
      ASSERT_TRUE(world.net.run_until([&] { return client.peer.ended(); }));
      ASSERT_TRUE(world.net.run_until([&] { return mirror.requests.size() == kRequests.size(); }));
      ASSERT_TRUE(world.net.run_until([&] { return world.counters(Cohort::kShadow).active == 0; }));
      check_copies(mirror.requests);
      EXPECT_EQ(world.counters(Cohort::kShadow).code_class[2], kRequests.size());
    }
    world.finish();
  }
}

}  // namespace
}  // namespace canaryd::test
