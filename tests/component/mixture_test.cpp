// Everything at once, at random, over networks that fail: methods, framings, expectations, early
// answers, versions that break off, fallbacks, retries, queues, mirrors and tunnels, pipelined.
//
// The oracle needs no script: each request has a number, what it carries and what answers it follow
// from that, and so both ends can tell whether a message is whole, cut, or somebody else's.
#include "component/mirror_world.hpp"
#include "component/mixture_upstream.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

namespace canaryd::test {
namespace {

// ---- Requests

constexpr std::array kMethods{"GET", "HEAD", "POST", "PUT", "OPTIONS"};

struct Asked {
  unsigned number = 0;
  std::string method;
  std::string text;
  bool last = false;  // Of its connection.
  bool tunnel = false;
  bool malformed = false;
};

std::string framed(unsigned number, std::string_view body) {
  Draw draw(number, 2);
  if (draw.chance(0.5)) {
    return "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
  }
  std::string chunks = chunked(body, 1 + draw.below(1000));
  if (draw.chance(0.3)) chunks.insert(chunks.size() - 2, "X-Sum: 1\r\nHost: evil\r\n");
  if (draw.chance(0.3)) chunks.insert(chunks.find('\r'), ";extension=1");
  return "Transfer-Encoding: chunked\r\n\r\n" + chunks;
}

Asked draw_request(unsigned number, bool last) {
  Draw draw(number, 3);
  Asked asked;
  asked.number = number;
  asked.method = kMethods[draw.below(kMethods.size())];
  asked.last = last;
  asked.tunnel = last && draw.chance(0.2);
  if (asked.tunnel) asked.method = "GET";
  const bool old = last && !asked.tunnel && draw.chance(0.4);
  std::string fields = "Host: a\r\nX-User: u" + std::to_string(draw.below(50)) + "\r\n";
  if (last && !asked.tunnel && !old) fields += "Connection: close\r\n";
  if (asked.tunnel) fields += kHandshake;
  asked.malformed = draw.chance(0.03);
  if (asked.malformed) fields += "Bad Field: 1\r\n";
  const bool carries = !asked.tunnel && !old && draw.chance(is_idempotent(asked.method) ? 0.3 : 1);
  if (carries && draw.chance(0.2)) fields += "Expect: 100-continue\r\n";
  asked.text = draw.chance(0.1) ? "\r\n" : "";
  asked.text += asked.method + " /" + std::to_string(number) + (old ? " HTTP/1.0" : " HTTP/1.1");
  asked.text += "\r\n" + fields + (carries ? framed(number, upload_of(number)) : "\r\n");
  return asked;
}

// ---- Clients

const std::string kFrames = client_frame(2, "frame") + client_frame(2, "another");

struct Visitor {
  explicit Visitor(ProxyWorld& world) : client(world) {}

  // Right answers in the order of the requests, each to its own request, then at most a cut one or
  // an error.
  void check() const {
    std::string seen = client.peer.received();
    const bool broken = client.peer.saw_reset();
    for (const Asked& each : asked) {
      std::optional<Message> reply;
      do {
        reply = take_message(
            seen, each.method == "HEAD" ? BodyRule::kResponseToHead : BodyRule::kResponse, true);
        if (!reply || reply->start.empty()) return;
      } while (reply->status() < 200 && reply->status() != 101 && reply->whole);
      EXPECT_TRUE(!each.malformed || reply->status() >= 400) << each.text << reply->start;
      if (reply->has("X-Canaryd-Error")) {
        EXPECT_GE(reply->status(), 400);
      } else if (reply->status() == 101) {
        EXPECT_TRUE(each.tunnel);
        // The echo, and perhaps a goodbye of ours.
        const std::size_t echoed = std::min(seen.size(), kFrames.size());
        EXPECT_TRUE(kFrames.starts_with(seen.substr(0, echoed)) || seen == kGoingAway);
        return;
      } else {
        check_answer(each, *reply, broken);
      }
      if (reply->field("Connection") == "close" || !reply->whole) {
        EXPECT_EQ(seen, "") << each.text;
        return;
      }
    }
    // A client that is too many, or sends nothing more, may be told so.
    EXPECT_TRUE(seen.empty() || seen.find("X-Canaryd-Error") != std::string::npos) << seen;
  }

  static void check_answer(const Asked& request, const Message& reply, bool broken) {
    if (!reply.whole && !reply.has("X-Id")) return;
    EXPECT_EQ(reply.field("X-Id"), std::to_string(request.number)) << request.text;
    if (request.method == "HEAD" || reply.status() == 204) {
      EXPECT_EQ(reply.body, "");
      return;
    }
    const std::string right = answer_of(request.number);
    // Up to the close: only a reset says that it is not whole.
    const bool framed = reply.has("Content-Length") || reply.has("Transfer-Encoding");
    if (reply.whole && (framed || !broken)) {
      EXPECT_EQ(reply.body, right) << request.text;
    } else {
      EXPECT_TRUE(right.starts_with(reply.body)) << request.text;
    }
  }

  Client client;
  std::vector<Asked> asked;
};

// ---- The world

SimProfile draw_network(Random& random) {
  const auto draw = [&](std::initializer_list<std::size_t> sizes) {
    return *(sizes.begin() + random.below(sizes.size()));
  };
  SimProfile profile;
  profile.buffer_bytes = draw({100, 1000, 65536});
  profile.recv_bytes_max = draw({50, 4000, SIZE_MAX});
  profile.send_bytes_max = draw({50, 4000, SIZE_MAX});
  profile.delay = std::chrono::milliseconds(draw({0, 1, 20}));
  profile.jitter = std::chrono::milliseconds(draw({0, 5}));
  return profile;
}

void set_up(ProxyWorld& world, Random& random) {
  world.net.set_default_profile(draw_network(random));
  world.listener.header_timeout = 2s;
  world.listener.body_idle_timeout = 2s;
  world.listener.write_stall_timeout = 2s;
  world.listener.keep_alive_timeout = 5s;
  if (random.chance(0.3)) world.listener.body_bytes_max = 10'000;
  world.split(5000);
  for (const auto method :
       {http::Method::kGet, http::Method::kHead, http::Method::kOptions, http::Method::kPut}) {
    world.failures.fallback.add(method);
  }
  world.failures.fallback.body_bytes_max = random.chance(0.5) ? 200 : 60'000;
  world.failures.protection.circuit_failures = random.chance(0.3) ? 3 : 0;
  for (upstream::UpstreamSpec& each : world.upstreams) {
    each.timeouts.first_byte = 2s;
    each.timeouts.body_idle = 2s;
    each.timeouts.tunnel_idle = 5s;
    if (random.chance(0.3)) each.timeouts.per_try = 500ms;
    if (random.chance(0.3)) each.concurrency = upstream::Concurrency{2, 2, 1s};
  }
  if (random.chance(0.5)) add_mirror(world);
  world.start();
  if (random.chance(0.5)) {
    world.net.fail_randomly(random.chance(0.5) ? 0.001 : 0.01,
                            random.chance(0.3) ? SimFault::kWouldBlock : SimFault::kReset);
  }
}

void visit(Visitor& visitor, unsigned& number, Random& random) {
  const std::size_t requests = 1 + random.below(6);
  for (std::size_t n = 1; n <= requests; ++n) {
    visitor.asked.push_back(draw_request(++number, n == requests && random.chance(0.7)));
    visitor.client.send(visitor.asked.back().text);
    if (visitor.asked.back().tunnel) visitor.client.send(kFrames);
  }
  if (random.chance(0.1)) visitor.client.peer.shutdown_send();
  if (random.chance(0.1)) visitor.client.peer.stop_reading();
}

void run_mixture(std::uint64_t seed) {
  ProxyWorld world(seed);
  Random random(seed * 7919);
  set_up(world, random);
  {
    Arrivals arrivals;
    Arrivals copies;
    Version stable(world, kStable, arrivals, 0.05);
    Version canary(world, kCanary, arrivals, 0.4);
    Version mirror(world, kMirror, copies, 0.3);
    std::vector<std::unique_ptr<Visitor>> visitors;
    unsigned number = static_cast<unsigned>(seed % 100'000) * 1000;
    for (int i = 0; i < 10; ++i) {
      visitors.push_back(std::make_unique<Visitor>(world));
      visit(*visitors.back(), number, random);
      world.net.run_for(std::chrono::milliseconds(random.below(300)));
      if (random.chance(0.1)) visitors.back()->client.peer.reset();
      if (random.chance(0.2)) world.publish();
    }
    world.net.run_for(5s);
    for (const auto& visitor : visitors) visitor->client.peer.resume_reading();
    world.net.run_for(40s);
    for (const auto& visitor : visitors) visitor->check();
  }
  if (random.chance(0.3)) world.service->drain();
  world.finish();
}

// CANARYD_SEED=n repeats one, CANARYD_SEEDS=n runs so many.
TEST(Mixture, AnswersAreTheRightOnesOrNone) {
  const char* const only = std::getenv("CANARYD_SEED");
  const char* const many = std::getenv("CANARYD_SEEDS");
  const std::uint64_t first = only != nullptr ? std::strtoull(only, nullptr, 10) : 1;
  const std::uint64_t last = only != nullptr   ? first
                             : many != nullptr ? std::strtoull(many, nullptr, 10)
                                               : 20;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    run_mixture(seed);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace canaryd::test
