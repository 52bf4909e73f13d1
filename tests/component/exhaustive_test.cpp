// The same exchanges under every cut and every fault: byte by byte, the n-th operation failing for
// every n, and networks that fail at random from a seed.
#include "component/every_operation.hpp"
#include "component/proxy_world.hpp"

#include <cstdlib>

namespace canaryd::test {
namespace {

// What answers: by path, one of each framing, and what an upstream may do besides.
std::string answer_to(const Message& request) {
  const std::string target = request.target();
  if (target == "/chunked") {
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(pattern(180), 70);
  }
  if (target == "/interim") return "HTTP/1.1 103 Hints\r\nLink: </x>\r\n\r\n" + ok("hints");
  if (target == "/none") return "HTTP/1.1 204 No Content\r\n\r\n";
  if (target == "/close") return ok("bye", "Connection: close\r\n");
  return ok("echo:" + request.body);
}

const std::string kChunkedPost =
    "POST /echo HTTP/1.1\r\nHost: a\r\nX-User: c\r\nTransfer-Encoding: chunked\r\n\r\n" +
    chunked(pattern(140), 40);

// One connection's requests, in the order in which they are sent, all at once.
const std::vector<std::string> kRequests = {
    get("/", "X-User: a\r\n"),
    post("posted", "X-User: b\r\n"),
    kChunkedPost,
    get("/chunked", "X-User: d\r\n"),
    get("/interim", "X-User: e\r\n"),
    get("/none", "X-User: f\r\n"),
    get("/close", "X-User: g\r\n"),
    get("/a/../b", "X-User: h\r\nConnection: close\r\n"),
};

std::string all_requests() {
  std::string text;
  for (const std::string& request : kRequests) text += request;
  return text;
}

void set_up(ProxyWorld& world) {
  world.split(5000);
  world.start();
}

// Everything that the client saw.
std::string run_session(ProxyWorld& world) {
  Backend stable(world, kStable, answer_to);
  Backend canary(world, kCanary, answer_to);
  Client client(world);
  client.send(all_requests());
  world.net.run_until([&] { return client.peer.ended(); });
  EXPECT_TRUE(client.peer.ended());
  return client.peer.received();
}

std::string whole_session() {
  ProxyWorld world;
  set_up(world);
  const std::string seen = run_session(world);
  world.finish();
  return seen;
}

TEST(Exhaustive, TheWholeSessionIsAnswered) {
  std::string seen = whole_session();
  std::vector<int> statuses;
  while (auto reply = take_message(seen, BodyRule::kResponse)) {
    EXPECT_TRUE(reply->whole);
    statuses.push_back(reply->status());
  }
  EXPECT_EQ(statuses, (std::vector<int>{200, 200, 200, 200, 103, 200, 204, 200, 200}));
}

TEST(Exhaustive, SingleBytesGiveTheSameAsWholeOnes) {
  const std::string expected = whole_session();
  struct Case {
    std::size_t recv;
    std::size_t send;
    std::size_t buffer;
  };
  for (const Case& each : {Case{1, SIZE_MAX, 65536},
                           Case{SIZE_MAX, 1, 65536},
                           Case{1, 1, 65536},
                           Case{SIZE_MAX, SIZE_MAX, 1},
                           Case{7, 3, 13}}) {
    ProxyWorld world;
    SimProfile profile;
    profile.recv_bytes_max = each.recv;
    profile.send_bytes_max = each.send;
    profile.buffer_bytes = each.buffer;
    world.net.set_default_profile(profile);
    set_up(world);
    EXPECT_EQ(run_session(world), expected) << each.recv << ' ' << each.send << ' ' << each.buffer;
    world.finish();
  }
}

TEST(Exhaustive, AnySplitOfTheRequestsGivesTheSame) {
  const std::string expected = whole_session();
  const std::string text = all_requests();
  for (std::size_t at = 1; at < text.size(); at += 7) {
    ProxyWorld world;
    set_up(world);
    {
      Backend stable(world, kStable, answer_to);
      Backend canary(world, kCanary, answer_to);
      Client client(world);
      client.send(std::string_view(text).substr(0, at));
      world.net.run_for(10ms);
      client.send(std::string_view(text).substr(at));
      world.net.run_until([&] { return client.peer.ended(); });
      ASSERT_EQ(client.peer.received(), expected) << at;
    }
    world.finish();
  }
}

// What a client saw of a session with faults in it: right answers in the order of its requests,
// each to its own request, then at most a cut one or an error of ours.
void check_answers(const std::vector<std::string>& requests, std::string seen) {
  std::size_t answered = 0;
  while (auto reply = take_message(seen, BodyRule::kResponse, true)) {
    if (reply->start.empty()) return;
    if (reply->status() == 103) continue;
    if (reply->has("X-Canaryd-Error")) {
      EXPECT_GE(reply->status(), 400);
      EXPECT_TRUE(answered < requests.size() || reply->field("Connection") == "close");
      ++answered;
      continue;
    }
    ASSERT_LT(answered, requests.size());
    std::string request = requests[answered++];
    std::string expected = answer_to(*take_message(request, BodyRule::kRequest));
    auto right = take_message(expected, BodyRule::kResponse);
    if (right->status() == 103) right = take_message(expected, BodyRule::kResponse);
    if (reply->whole) {
      EXPECT_EQ(reply->start, right->start);
      EXPECT_EQ(reply->body, right->body);
    } else {
      EXPECT_TRUE(right->body.starts_with(reply->body)) << reply->body;
    }
  }
}

void run_with_fault(std::uint64_t operation, SimFault fault, bool& reached) {
  ProxyWorld world;
  set_up(world);
  world.net.fail_operation(operation, fault);
  {
    Backend stable(world, kStable, answer_to);
    Backend canary(world, kCanary, answer_to);
    Client client(world);
    client.send(all_requests());
    ASSERT_TRUE(world.net.run_until([&] { return client.peer.ended(); }));
    check_answers(kRequests, client.peer.received());
    reached = world.net.operations() >= operation;
    // The next client is served as if nothing had happened.
    Client next(world);
    EXPECT_TRUE(!reached || next.ask(get("/", "X-User: z\r\n")).body == "echo:");
  }
  world.finish();
}

class EveryOperation : public testing::TestWithParam<SimFault> {};

TEST_P(EveryOperation, MayFail) {
  EXPECT_GT(fail_every_operation(GetParam(), run_with_fault), 25U);
}

INSTANTIATE_TEST_SUITE_P(Faults,
                         EveryOperation,
                         testing::Values(SimFault::kReset,
                                         SimFault::kWouldBlock,
                                         SimFault::kLocal));

// A call that would block changes nothing that the client sees.
TEST(Exhaustive, WouldBlockAnywhereGivesTheSame) {
  const std::string expected = whole_session();
  std::uint64_t operations = 1;
  for (std::uint64_t n = 1; n <= operations; ++n) {
    ProxyWorld world;
    set_up(world);
    world.net.fail_operation(n, SimFault::kWouldBlock);
    ASSERT_EQ(run_session(world), expected) << n;
    operations = world.net.operations();
    world.finish();
  }
}

// A client that has hung up is noticed by reading, whatever blocks on the way; if not, this never
// ends.
TEST(Exhaustive, ACutUploadEndsWhereverACallBlocks) {
  std::uint64_t operations = 1;
  for (std::uint64_t n = 1; n <= operations; ++n) {
    ProxyWorld world;
    set_up(world);
    world.net.fail_operation(n, SimFault::kWouldBlock);
    {
      Backend stable(world, kStable, answer_to);
      Backend canary(world, kCanary, answer_to);
      Client client(world);
      client.send("POST / HTTP/1.1\r\nHost: a\r\nX-User: a\r\nContent-Length: 9\r\n\r\n1234");
      world.net.run_for(1ms);
      client.send("5");
      client.peer.shutdown_send();
      ASSERT_TRUE(client.closes_within(1s)) << n;
      EXPECT_EQ(world.errors(ProxyError::kClientGone), 1U) << n;
      operations = world.net.operations();
    }
    world.finish();
  }
}

// ---- Random networks

struct Plan {
  SimProfile profile;
  double fault_probability = 0;
  SimFault fault = SimFault::kReset;
};

Plan draw_plan(Random& random) {
  Plan plan;
  const auto draw = [&](std::initializer_list<std::size_t> sizes) {
    return *(sizes.begin() + random.below(sizes.size()));
  };
  plan.profile.buffer_bytes = draw({1, 10, 1000, 65536});
  plan.profile.recv_bytes_max = draw({1, 50, 4000, SIZE_MAX});
  plan.profile.send_bytes_max = draw({1, 50, 4000, SIZE_MAX});
  plan.profile.delay = std::chrono::milliseconds(draw({0, 1, 20}));
  plan.profile.jitter = std::chrono::milliseconds(draw({0, 5}));
  plan.fault_probability = random.chance(0.5) ? 0.001 : 0.01;
  plan.fault = random.chance(0.3) ? SimFault::kWouldBlock
                                  : (random.chance(0.2) ? SimFault::kLocal : SimFault::kReset);
  return plan;
}

// Clients that leave, in any way, at any time, while the network fails.
void run_seed(std::uint64_t seed) {
  ProxyWorld world(seed, {.small_blocks_max = 12, .large_blocks_max = 2});
  Random random(seed * 7919);
  const Plan plan = draw_plan(random);
  world.net.set_default_profile(plan.profile);
  world.listener.header_timeout = 2s;
  world.listener.body_idle_timeout = 2s;
  world.listener.connections_max = 6;
  set_up(world);
  world.net.fail_randomly(plan.fault_probability, plan.fault);
  {
    Backend stable(world, kStable, answer_to);
    Backend canary(world, kCanary, [&](const Message& request) {
      std::string answer = answer_to(request);
      // Now and then half of it, or nothing at all.
      if (random.chance(0.05)) answer.resize(answer.size() / 2);
      return random.chance(0.02) ? std::string() : answer;
    });
    std::vector<std::unique_ptr<Client>> clients;
    std::vector<std::vector<std::string>> sent;
    for (int i = 0; i < 8; ++i) {
      clients.push_back(std::make_unique<Client>(world));
      Client& client = *clients.back();
      sent.emplace_back();
      for (int n = 0; n < 4; ++n) {
        sent.back().push_back(kRequests[random.below(kRequests.size())]);
        client.send(sent.back().back());
      }
      if (random.chance(0.2)) client.peer.shutdown_send();
      if (random.chance(0.2)) client.peer.stop_reading();
      world.net.run_for(std::chrono::milliseconds(random.below(200)));
      if (random.chance(0.1)) client.peer.reset();
      if (random.chance(0.1)) world.publish();
    }
    world.net.run_for(20s);
    for (const auto& client : clients) client->peer.resume_reading();
    world.net.run_for(20s);
    for (std::size_t i = 0; i < clients.size(); ++i) {
      check_answers(sent[i], clients[i]->peer.received());
    }
  }
  // Nothing is left of it once they have left: a new client is served. Their ends are still under
  // way; until they have come, idle connections of theirs count towards the limit.
  world.net.fail_randomly(0, SimFault::kReset);
  EXPECT_TRUE(world.net.run_until([&] { return world.listener_gauge->active.load() == 0; }, 1s));
  {
    Backend stable(world, kStable, answer_to);
    Backend canary(world, kCanary, answer_to);
    Client client(world);
    const Message last = client.ask(get("/", "X-User: z\r\n"));
    EXPECT_EQ(last.body, "echo:") << last.start << ' ' << last.field("X-Canaryd-Error")
                                  << " refused " << world.listener_gauge->refused.load();
  }
  if (random.chance(0.3)) world.service->drain();
  world.finish();
}

// CANARYD_SEED=n repeats one.
TEST(Exhaustive, RandomNetworks) {
  const char* const only = std::getenv("CANARYD_SEED");
  const std::uint64_t first = only != nullptr ? std::strtoull(only, nullptr, 10) : 1;
  const std::uint64_t last = only != nullptr ? first : 200;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    run_seed(seed);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace canaryd::test
