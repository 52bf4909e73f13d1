// A session of requests that need more than one try, a place in a queue, a "100 Continue", or the
// old version of the protocol, in which the n-th operation fails, for every n: each client gets its
// answer, the beginning of it, or an error of ours; what reaches an upstream is whole and right;
// what must not be repeated is not.
#include "component/every_operation.hpp"
#include "component/proxy_world.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace canaryd::test {
namespace {

const std::string kTriedBody = pattern(90);

struct Tried {
  std::string path;
  std::string head;  // Without the empty line.
  std::string body{};
  bool waits = false;  // With its body, for "100 Continue".
};

std::string tried_line(std::string_view method, std::string_view path, int minor = 1) {
  return std::string(method) + " " + std::string(path) + " HTTP/1." + std::to_string(minor) +
         "\r\nHost: a\r\nX-User: " + std::string(path.substr(1)) + "\r\n";
}

const std::string kLength = "Content-Length: " + std::to_string(kTriedBody.size()) + "\r\n";

// Each of a client of its own, all at once.
const std::vector<Tried> kTried = {
    // The canary fails these.
    {"/failed", tried_line("GET", "/failed")},
    {"/failed-put", tried_line("PUT", "/failed-put") + kLength, kTriedBody},
    {"/failed-chunks",
     tried_line("PUT", "/failed-chunks") + "Transfer-Encoding: chunked\r\n",
     chunked(kTriedBody, 40)},
    // It hangs up on these, and is asked again.
    {"/again", tried_line("GET", "/again")},
    {"/again-put", tried_line("PUT", "/again-put") + kLength, kTriedBody},
    {"/once", tried_line("POST", "/once") + kLength, kTriedBody},
    {"/expect",
     tried_line("POST", "/expect") + "Expect: 100-continue\r\n" + kLength,
     kTriedBody,
     true},
    {"/old", tried_line("GET", "/old", 0)},
    {"/old-kept",
     tried_line("POST", "/old-kept", 0) + "Connection: keep-alive\r\n" + kLength,
     kTriedBody},
};

bool begins_with(const std::string& path, std::string_view what) {
  return path.rfind(what, 0) == 0;
}

// Tells an upstream what to do with the requests that reach it.
class TriedUpstream {
 public:
  explicit TriedUpstream(bool canary) : canary_(canary) {}

  void operator()(SimPeer& peer) {
    std::string& text = texts_[&peer];
    text += peer.take();
    for (;;) {
      // Whoever waits has sent no body yet.
      const bool waits = text.find("Expect: 100-continue") != std::string::npos;
      if (waits && told_[&peer]++ == 0) peer.send("HTTP/1.1 100 Continue\r\n\r\n");
      const auto request = take_message(text, BodyRule::kRequest);
      if (!request) return;
      told_[&peer] = 0;
      if (!answer(peer, *request)) return;
    }
  }

  [[nodiscard]] int times(const std::string& path) const {
    const auto found = seen_.find(path);
    return found == seen_.end() ? 0 : found->second;
  }

 private:
  // False: the connection is gone.
  bool answer(SimPeer& peer, const Message& request) {
    const std::string path = request.target();
    const int before = seen_[path]++;
    EXPECT_EQ(request.body, request.method() == "GET" ? "" : kTriedBody) << path;
    if (canary_ && begins_with(path, "/failed")) {
      peer.send("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
      return true;
    }
    const bool hangs_up = begins_with(path, "/again") || path == "/once";
    if (canary_ && hangs_up && before == 0) {
      peer.reset();
      return false;
    }
    peer.send(ok(path + request.body));
    return true;
  }

  bool canary_;
  std::map<SimPeer*, std::string> texts_;
  std::map<SimPeer*, int> told_;
  std::map<std::string, int> seen_;
};

class TriedSession {
 public:
  explicit TriedSession(std::uint64_t operation,
                        SimFault fault = SimFault::kReset,
                        const SimProfile& profile = {}) {
    world_.net.set_default_profile(profile);
    world_.split(10000);
    for (const auto method : {http::Method::kGet, http::Method::kPut}) {
      world_.failures.fallback.add(method);
    }
    world_.upstreams[1].retries = {1, true, true, 100};
    world_.upstreams[1].concurrency = upstream::Concurrency{2, 20, 5s};
    world_.start();
    world_.net.fail_operation(operation, fault);
    canary_.on_data([this](SimPeer& peer) { of_canary_(peer); });
    stable_.on_data([this](SimPeer& peer) { of_stable_(peer); });
  }

  void run() {
    for (const Tried& each : kTried) {
      clients_.push_back(std::make_unique<Client>(world_));
      clients_.back()->send(each.head + "\r\n" + (each.waits ? "" : each.body));
    }
    for (std::size_t i = 0; i < kTried.size(); ++i) check(kTried[i], *clients_[i]);
  }
  void check_upstreams() {
    // Nobody may say so of a POST: neither that it was repeated, nor that stable got it as well.
    for (const std::string path : {"/once", "/expect", "/old-kept"}) {
      EXPECT_LE(of_canary_.times(path) + of_stable_.times(path), 1) << path;
    }
    for (const Tried& each : kTried) {
      // Each may be tried once more.
      EXPECT_LE(of_canary_.times(each.path), 2) << each.path;
      EXPECT_LE(of_stable_.times(each.path), 2) << each.path;
    }
  }
  void serve_another() {
    Client next(world_);
    const Message reply = next.ask(tried_line("GET", "/next") + "\r\n");
    EXPECT_EQ(reply.body, "/next") << reply.start << " " << reply.field("X-Canaryd-Error");
  }
  void finish() {
    clients_.clear();
    EXPECT_EQ(world_.limit("canary").active(), 0U);
    EXPECT_EQ(world_.limit("canary").queued(), 0U);
    world_.finish();
  }
  [[nodiscard]] std::uint64_t operations() const { return world_.net.operations(); }
  // Who got the right answer, whole.
  [[nodiscard]] std::size_t answered() const { return answered_; }

 private:
  void check(const Tried& request, Client& client) {
    const auto seen = [&client] { return client.peer.received(); };
    if (request.waits) {
      const auto told = [&] {
        return client.peer.ended() || seen().find("\r\n\r\n") != std::string::npos;
      };
      ASSERT_TRUE(world_.net.run_until(told)) << request.path;
      if (begins_with(seen(), "HTTP/1.1 100 ")) {
        static_cast<void>(client.read());
        client.send(request.body);
      }
    }
    const Message reply = client.read();
    // A connection that broke.
    if (reply.start.empty()) return;
    if (reply.has("X-Canaryd-Error")) {
      EXPECT_GE(reply.status(), 400) << request.path;
      return;
    }
    // Of what cannot be repeated the canary's failure is the client's.
    EXPECT_EQ(reply.status(), 200) << request.path;
    const std::string right = request.path + (request.body.empty() ? "" : kTriedBody);
    if (!reply.whole) {
      EXPECT_EQ(right.rfind(reply.body, 0), 0U) << request.path << ": " << reply.body;
      return;
    }
    EXPECT_EQ(reply.body, right) << request.path;
    ++answered_;
  }

  ProxyWorld world_;
  TriedUpstream of_canary_{true};
  TriedUpstream of_stable_{false};
  SimServer canary_{world_.net, kCanary};
  SimServer stable_{world_.net, kStable};
  std::vector<std::unique_ptr<Client>> clients_;
  std::size_t answered_ = 0;
};

// But "/once", on which the canary hangs up.
TEST(SecondTries, TheWholeSessionIsAnswered) {
  TriedSession session(0);
  session.run();
  EXPECT_EQ(session.answered(), kTried.size() - 1);
  session.check_upstreams();
  session.serve_another();
  session.finish();
}

TEST(SecondTries, SingleBytesAreAnsweredTheSame) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}}) {
    SimProfile profile;
    profile.recv_bytes_max = profile.send_bytes_max = profile.buffer_bytes = piece;
    TriedSession session(0, SimFault::kReset, profile);
    session.run();
    EXPECT_EQ(session.answered(), kTried.size() - 1) << piece;
    session.check_upstreams();
    session.finish();
  }
}

void try_with_fault(std::uint64_t operation, SimFault fault, bool& reached) {
  TriedSession session(operation, fault);
  session.run();
  session.check_upstreams();
  reached = session.operations() >= operation;
  // One fault takes away what it hits: one request, or one try of it.
  EXPECT_GE(session.answered() + 3, kTried.size());
  if (reached) session.serve_another();
  session.finish();
}

class SecondTriesFault : public testing::TestWithParam<SimFault> {};

TEST_P(SecondTriesFault, AnywhereEndsWell) {
  EXPECT_GT(fail_every_operation(GetParam(), try_with_fault), 60U);
}

INSTANTIATE_TEST_SUITE_P(Faults,
                         SecondTriesFault,
                         testing::Values(SimFault::kReset,
                                         SimFault::kWouldBlock,
                                         SimFault::kLocal));

}  // namespace
}  // namespace canaryd::test
