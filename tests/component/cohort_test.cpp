// Which version a request gets: cohorts, cookies, force, and what a new table changes.
#include "component/proxy_world.hpp"

#include <set>

namespace canaryd::test {
namespace {

class CohortTest : public ProxyTest {
 protected:
  CohortTest() : stable_(world, kStable, ok("stable")), canary_(world, kCanary, ok("canary")) {}

  std::string cohort_of(std::string_view user) {
    Client client(world);
    return client.ask(get("/", "X-User: " + std::string(user) + "\r\n")).body;
  }

  Backend stable_;
  Backend canary_;
};

TEST_F(CohortTest, SplitsByWeightAndTellsTheUpstream) {
  world.split(3000);
  world.start();
  int canaries = 0;
  for (int i = 0; i < 300; ++i) canaries += cohort_of("u" + std::to_string(i)) == "canary" ? 1 : 0;
  EXPECT_GT(canaries, 60);
  EXPECT_LT(canaries, 120);
  EXPECT_EQ(world.counters(Cohort::kCanary).judged, static_cast<std::uint64_t>(canaries));
  EXPECT_EQ(world.counters(Cohort::kStable).judged, static_cast<std::uint64_t>(300 - canaries));
  EXPECT_EQ(stable_.requests.at(0).field("X-Canaryd-Cohort"), "stable");
  EXPECT_EQ(stable_.requests.at(0).field("X-Canaryd-Rollout"), "web");
  EXPECT_EQ(canary_.requests.at(0).field("X-Canaryd-Cohort"), "canary");
}

TEST_F(CohortTest, AUserStaysAndNobodyGoesBackWhileTheWeightGrows) {
  world.split(0);
  world.start();
  std::set<std::string> moved;
  for (const unsigned weight : {500U, 2000U, 5000U, 10000U}) {
    world.rollout().weight = BasisPoints(weight);
    world.publish();
    for (int i = 0; i < 100; ++i) {
      const std::string user = "u" + std::to_string(i);
      const std::string first = cohort_of(user);
      EXPECT_EQ(cohort_of(user), first);
      EXPECT_TRUE(moved.count(user) == 0 || first == "canary") << user;
      if (first == "canary") moved.insert(user);
    }
  }
  EXPECT_EQ(moved.size(), 100U);
}

// RFC 9110 section 7.6.1 lets a client name fields for one hop only. What decided about its request
// is not for one hop: it decides all the same, and the version that answers sees it.
TEST_F(CohortTest, AClientCannotNameAwayWhatItIsKnownBy) {
  world.split(5000);
  world.table.routes.front().match.headers = {{"X-Tenant", std::nullopt}};
  world.start();
  int canaries = 0;
  for (int i = 0; i < 20; ++i) {
    const std::string user = "u" + std::to_string(i);
    const std::string fields = "X-User: " + user + "\r\nX-Tenant: t\r\nX-Canary: maybe\r\n";
    Client plain(world);
    const std::string expected = plain.ask(get("/", fields)).body;
    Client naming(world);
    const std::string naming_fields =
        fields + "X-Hop: 1\r\nConnection: x-user, X-Tenant, X-Canary, X-Hop\r\n";
    EXPECT_EQ(naming.ask(get("/", naming_fields)).body, expected) << user;
    const bool canary = expected == "canary";
    const Message& seen = (canary ? canary_ : stable_).requests.back();
    EXPECT_EQ(seen.field("X-User"), user);
    EXPECT_EQ(seen.field("X-Tenant"), "t");
    EXPECT_EQ(seen.field("X-Canary"), "maybe");
    EXPECT_FALSE(seen.has("X-Hop"));
    canaries += canary ? 1 : 0;
  }
  EXPECT_GT(canaries, 0);
  EXPECT_LT(canaries, 20);
}

TEST_F(CohortTest, ShowsTheCohortOnlyWhereItIsExposed) {
  world.split(10000);
  world.start();
  Client client(world);
  EXPECT_FALSE(client.ask(kGet).has("X-Canaryd-Cohort"));
  auto open_spec = std::make_shared<proxy::ListenerSpec>(world.listener);
  open_spec->expose_cohort = true;
  world.service->update(open_spec);
  EXPECT_EQ(client.ask(kGet).field("X-Canaryd-Cohort"), "canary");
}

TEST_F(CohortTest, IssuesACookieAndHonoursIt) {
  world.split(5000);
  world.rollout().sticky.sources = {{routing::KeySource::kCookie, "id"}};
  routing::IssueCookie issue;
  issue.name = "id";
  issue.max_age = 1h;
  world.rollout().sticky.issue_cookie = issue;
  world.start();
  for (int i = 0; i < 20; ++i) {
    Client client(world);
    const Message first = client.ask(kGet);
    const std::string cookie = first.field("Set-Cookie");
    ASSERT_EQ(cookie.find("id="), 0U) << cookie;
    EXPECT_NE(cookie.find("Max-Age=3600"), std::string::npos) << cookie;
    const std::string pair = cookie.substr(0, cookie.find(';'));
    for (int again = 0; again < 3; ++again) {
      const Message next = client.ask(get("/", "Cookie: a=b; " + pair + "\r\n"));
      EXPECT_EQ(next.body, first.body);
      EXPECT_FALSE(next.has("Set-Cookie"));
    }
  }
  EXPECT_GT(canary_.requests.size(), 0U);
  EXPECT_GT(stable_.requests.size(), 0U);
}

// Who ends TLS for us says whether there was any; anybody else may say so too, and does not count.
TEST_F(CohortTest, ACookieIsSecureWhereTheClientsConnectionIs) {
  world.split(5000);
  world.rollout().sticky.sources = {{routing::KeySource::kCookie, "id"}};
  routing::IssueCookie issue;
  issue.name = "id";
  world.rollout().sticky.issue_cookie = issue;
  world.start();
  const auto cookie = [this](std::string_view scheme) {
    Client client(world);
    const std::string field = "X-Forwarded-Proto: " + std::string(scheme) + "\r\n";
    return client.ask(get("/", field)).field("Set-Cookie");
  };
  EXPECT_EQ(cookie("https").find("Secure"), std::string::npos);
  auto trusting = std::make_shared<proxy::ListenerSpec>(world.listener);
  trusting->trusted_proxies = {Cidr{}};
  world.service->update(trusting);
  EXPECT_NE(cookie("https").find("Secure"), std::string::npos);
  for (const char* plain : {"http", "http, https", "httpsx"}) {
    EXPECT_EQ(cookie(plain).find("Secure"), std::string::npos) << plain;
  }
  for (const char* secure : {"HTTPS", "https, http", "https,http"}) {
    EXPECT_NE(cookie(secure).find("Secure"), std::string::npos) << secure;
  }
}

// Nor would the version that answers see them.
TEST_F(CohortTest, FieldsOfProxiesDecideNothingForOthers) {
  world.split(1);
  world.rollout().sticky.sources = {{routing::KeySource::kCookie, "id"}};
  routing::Segment early;
  early.users.header = "X-Forwarded-Groups";
  early.users.equals = {"beta"};
  world.rollout().segments = {early};
  world.start();
  Client client(world);
  const std::string request = get("/", "Cookie: id=u\r\nX-Forwarded-Groups: beta\r\n");
  EXPECT_EQ(client.ask(request).body, "stable");
  auto trusting = std::make_shared<proxy::ListenerSpec>(world.listener);
  trusting->trusted_proxies = {Cidr{}};
  world.service->update(trusting);
  Client proxy(world);
  EXPECT_EQ(proxy.ask(request).body, "canary");
}

TEST_F(CohortTest, AddsNoCookieToWhatACacheMayStore) {
  world.split(1);  // With nobody on the canary nobody gets one anyway.
  world.rollout().sticky.sources = {{routing::KeySource::kCookie, "id"}};
  routing::IssueCookie issue;
  issue.name = "id";
  world.rollout().sticky.issue_cookie = issue;
  world.upstreams[0].endpoints = {kStable2};
  world.start();
  Backend cached(world, kStable2, ok("x", "Cache-Control: public, max-age=60\r\n"));
  Client client(world);
  EXPECT_EQ(client.ask(kGet).body, "x");
  EXPECT_FALSE(client.ask(kGet).has("Set-Cookie"));
  EXPECT_EQ(world.counters(Cohort::kStable).withheld_cookies, 2U);
}

TEST_F(CohortTest, HonoursForceAndLeavesItOutOfTheEvidence) {
  world.split(100);
  world.start();
  Client client(world);
  EXPECT_EQ(client.ask(get("/", "X-User: u\r\nX-Canary: always\r\n")).body, "canary");
  EXPECT_EQ(client.ask(get("/", "X-User: u\r\nX-Canary: never\r\n")).body, "stable");
  EXPECT_EQ(world.counters(Cohort::kCanary).excluded, 1U);
  EXPECT_EQ(world.counters(Cohort::kCanary).judged, 0U);
  EXPECT_EQ(world.counters(Cohort::kStable).excluded, 1U);
}

TEST_F(CohortTest, HonoursForceFromTrustedPeersOnly) {
  world.split(100);
  world.rollout().force.trusted_only = true;
  world.start();
  Client client(world);
  const std::string forced = get("/", "X-User: u\r\nX-Canary: always\r\n");
  EXPECT_EQ(client.ask(forced).body, "stable");
}

TEST_F(CohortTest, TheGateLowersAtOnce) {
  world.split(10000);
  world.start();
  Client client(world);
  EXPECT_EQ(client.ask(get("/", "X-User: u\r\n")).body, "canary");
  world.gate->lower(1, BasisPoints(0));
  EXPECT_EQ(client.ask(get("/", "X-User: u\r\n")).body, "stable");
}

// ---- Tables

TEST_F(CohortTest, ANewTableHoldsForTheNextRequestOfAConnection) {
  world.split(0);
  world.start();
  Client client(world);
  EXPECT_EQ(client.ask(get("/", "X-User: u\r\n")).body, "stable");
  world.rollout().weight = BasisPoints(10000);
  world.publish();
  EXPECT_EQ(client.ask(get("/", "X-User: u\r\n")).body, "canary");
  // The upstream did not change, so its connection is still there.
  EXPECT_EQ(world.upstream("stable").idle.load(), 1U);
}

TEST_F(CohortTest, ARequestKeepsTheTableThatItBeganWith) {
  world.split(10000);
  world.upstreams[1].endpoints = {kStable2};
  world.start();
  SimServer slow(world.net, kStable2);
  Client client(world);
  client.send(get("/", "X-User: u\r\n"));
  SimPeer& served = slow.accept();
  world.net.run_ready();
  // The table is replaced, its upstream is gone, while the request is under way.
  world.upstreams[1].endpoints = {kCanary};
  world.publish();
  world.publish();
  Client next(world);
  EXPECT_EQ(next.ask(get("/", "X-User: u\r\n")).body, "canary");
  served.send(ok("old"));
  EXPECT_EQ(client.read().body, "old");
  EXPECT_EQ(client.ask(get("/", "X-User: u\r\n")).body, "canary");
  // Nobody can be given the old upstream's connection again.
  EXPECT_TRUE(served.ended());
}

// Of a changed upstream goes what is about the endpoint that went; the others stay warm.
TEST_F(CohortTest, AChangedUpstreamKeepsTheConnectionsOfItsEndpoints) {
  world.start();
  Client client(world);
  EXPECT_EQ(client.ask(kGet).body, "stable");
  world.publish();
  EXPECT_EQ(client.ask(kGet).body, "stable");
  world.upstreams[0].retries.attempts = 2;
  world.publish();
  EXPECT_EQ(client.ask(kGet).body, "stable");
  EXPECT_EQ(stable_.server.connections(), 1U);
  Backend other(world, kStable2, ok("other"));
  world.upstreams[0].endpoints = {kStable2};
  world.publish();
  EXPECT_EQ(client.ask(kGet).body, "other");
  EXPECT_TRUE(stable_.server.at(0).ended());
}

// Two upstreams at one address are two versions all the same.
TEST_F(CohortTest, ConnectionsAreNeverSharedAcrossUpstreams) {
  world.split(100);
  world.upstreams[1].endpoints = {kStable};
  world.start();
  Client client(world);
  EXPECT_EQ(client.ask(get("/", "X-User: u\r\nX-Canary: never\r\n")).status(), 200);
  EXPECT_EQ(client.ask(get("/", "X-User: u\r\nX-Canary: always\r\n")).status(), 200);
  EXPECT_EQ(stable_.server.connections(), 2U);
  EXPECT_EQ(world.upstream("stable").idle.load(), 1U);
  EXPECT_EQ(world.upstream("canary").idle.load(), 1U);
}

// ---- Evidence

TEST_F(CohortTest, ChargesFailuresOncePerClient) {
  world.split(10000);
  world.upstreams[1].endpoints = {kStable2};
  world.start();
  Backend broken(world, kStable2, "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
  Client client(world);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.ask(get("/", "X-User: u\r\n")).status(), 500);
  EXPECT_EQ(client.ask(get("/", "X-User: v\r\n")).status(), 500);
  const auto canary = world.counters(Cohort::kCanary);
  EXPECT_EQ(canary.bad, 2U);
  EXPECT_EQ(canary.judged, 2U);
  EXPECT_EQ(canary.deduped, 2U);
  EXPECT_EQ(canary.code_class[5], 4U);
  int queued = 0;
  while (world.failure_queue->pop()) ++queued;
  EXPECT_EQ(queued, 2);
}

}  // namespace
}  // namespace canaryd::test
