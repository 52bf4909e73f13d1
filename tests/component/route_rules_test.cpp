// What the rules of a route make of requests and responses, as clients and upstreams see it.
#include "component/mirror_world.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace canaryd::test {
namespace {

using Kind = http::PathMapping::Kind;

class RouteRulesTest : public ProxyTest {
 protected:
  RouteRulesTest() : stable_(world, kStable, [this](const Message&) { return answer_; }) {}

  void use(proxy::RouteRules rules) {
    world.rules = {std::make_shared<const proxy::RouteRules>(std::move(rules))};
  }
  // Route "all" is for /catalog, which is /v2 at the upstream.
  void rewrite(std::optional<UpstreamId> only = std::nullopt) {
    world.table.routes.front().match.path = "/catalog";
    proxy::RouteRules rules;
    rules.rewrite = proxy::RewritePolicy{http::PathMapping(Kind::kPrefix, "/catalog", "/v2"), only};
    use(std::move(rules));
  }
  void respond(proxy::RespondPolicy policy) {
    world.table.routes.front().target = routing::AnsweredHere{};
    proxy::RouteRules rules;
    rules.respond = std::move(policy);
    use(std::move(rules));
    world.start();
  }
  void answer(const std::string& fields) {
    answer_ = "HTTP/1.1 201 Created\r\n" + fields + "Content-Length: 2\r\n\r\nok";
  }
  Message ask(std::string_view request) {
    Client client(world);
    return client.ask(request);
  }

  std::string answer_ = ok("stable");
  Backend stable_;
};

TEST_F(RouteRulesTest, TheUpstreamGetsItsOwnPaths) {
  rewrite();
  world.start();
  EXPECT_EQ(ask(get("/catalog/x?y=/catalog")).body, "stable");
  EXPECT_EQ(ask(get("/%63atalog//./a/../b")).body, "stable");
  EXPECT_EQ(stable_.requests.at(0).start, "GET /v2/x?y=/catalog HTTP/1.1");
  EXPECT_EQ(stable_.requests.at(1).start, "GET /v2/b HTTP/1.1");
  EXPECT_EQ(ask(get("/catalogue")).status(), 404);
}

TEST_F(RouteRulesTest, TheClientNeverSeesThem) {
  rewrite();
  answer(
      "Location: /v2/7\r\nX-Kept: /v2\r\nSet-Cookie: a=1; Path=/v2\r\nSet-Cookie: b=2\r\n"
      "Content-Location: http://10.0.0.2/v2/8\r\nSet-Cookie: c=3; path=/v2/x; Secure\r\n");
  world.start();
  const Message reply = ask(get("/catalog/x"));
  EXPECT_EQ(reply.field("Location"), "/catalog/7");
  EXPECT_EQ(reply.field("Content-Location"), "/catalog/8");
  EXPECT_EQ(reply.field("X-Kept"), "/v2");
  std::vector<std::string> cookies;
  for (const auto& [name, value] : reply.fields) {
    if (name == "Set-Cookie") cookies.push_back(value);
  }
  EXPECT_EQ(
      cookies,
      (std::vector<std::string>{"a=1; Path=/catalog", "b=2", "c=3; path=/catalog/x; Secure"}));
  EXPECT_EQ(reply.body, "ok");
}

TEST_F(RouteRulesTest, RelativeToWhatTheUpstreamWasAsked) {
  rewrite();
  answer("Location: ../y?z\r\n");
  world.start();
  EXPECT_EQ(ask(get("/catalog/a/x")).field("Location"), "/catalog/y?z");
}

// The monolith keeps its paths while the new service has others, also when one stands in for the
// other.
TEST_F(RouteRulesTest, OnlyForOneOfTheVersions) {
  Backend canary(world, kCanary, "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n");
  rewrite(UpstreamId(1));
  world.failures.fallback.add(http::Method::kGet);
  world.failures.status.set(503);
  answer("Location: /v2/7\r\n");
  world.split(10000);
  world.start();
  const Message reply = ask(get("/catalog/x", "X-User: tom\r\n"));
  EXPECT_EQ(reply.status(), 201);
  EXPECT_EQ(reply.field("Location"), "/v2/7");
  ASSERT_EQ(canary.requests.size(), 1U);
  EXPECT_EQ(canary.requests.at(0).start, "GET /v2/x HTTP/1.1");
  ASSERT_EQ(stable_.requests.size(), 1U);
  EXPECT_EQ(stable_.requests.at(0).start, "GET /catalog/x HTTP/1.1");
}

TEST_F(RouteRulesTest, AMirrorIsAnUpstreamOfItsOwn) {
  Backend mirror(world, kMirror, ok("mirror"));
  add_mirror(world);
  rewrite(UpstreamId(2));
  world.start();
  EXPECT_EQ(ask(get("/catalog/x")).body, "stable");
  world.net.run_ready();
  EXPECT_EQ(stable_.requests.at(0).start, "GET /catalog/x HTTP/1.1");
  ASSERT_EQ(mirror.requests.size(), 1U);
  EXPECT_EQ(mirror.requests.at(0).start, "GET /v2/x HTTP/1.1");
}

// ---- Fields

TEST_F(RouteRulesTest, FieldsThatTheUpstreamDoesNotSayItself) {
  proxy::RouteRules rules;
  rules.fields = {{"Deprecation", "@1767225600", true},
                  {"Sunset", "Sat, 01 Aug 2026 00:00:00 GMT", true},
                  {"Link", "</v2>; rel=\"successor-version\"", false}};
  use(std::move(rules));
  answer("sunset: Fri, 01 Jan 2027 00:00:00 GMT\r\nLink: </help>; rel=\"help\"\r\n");
  world.start();
  const Message reply = ask(kGet);
  EXPECT_EQ(reply.field("Deprecation"), "@1767225600");
  EXPECT_EQ(reply.count("Sunset"), 1U);
  EXPECT_EQ(reply.field("Sunset"), "Fri, 01 Jan 2027 00:00:00 GMT");
  EXPECT_EQ(reply.count("Link"), 2U);
  EXPECT_EQ(reply.body, "ok");
}

// ---- Answers of our own

TEST_F(RouteRulesTest, ARouteThatIsAnsweredHere) {
  respond({.status = 410,
           .fields = "Sunset: Sat, 01 Aug 2026 00:00:00 GMT\r\n",
           .content_type = "text/plain",
           .body = "gone\n"});
  Client client(world);
  const Message reply = client.ask(get("/any", "X-Request-Id: id7\r\n"));
  EXPECT_EQ(reply.start, "HTTP/1.1 410 Gone");
  EXPECT_EQ(reply.field("Sunset"), "Sat, 01 Aug 2026 00:00:00 GMT");
  EXPECT_EQ(reply.field("Content-Type"), "text/plain");
  EXPECT_EQ(reply.field("X-Request-Id"), "id7");
  EXPECT_EQ(reply.field("Date"), kDate);
  EXPECT_EQ(reply.field("X-Canaryd-Error"), "");
  EXPECT_EQ(reply.body, "gone\n");
  // The connection goes on, and nothing of it is an error.
  EXPECT_EQ(client.ask(kGet).body, "gone\n");
  EXPECT_TRUE(client.open());
  EXPECT_TRUE(stable_.requests.empty());
  EXPECT_EQ(world.counters(Cohort::kNone).requests(), 2U);
}

TEST_F(RouteRulesTest, HeadGetsNoBodyAndAnUnreadBodyEndsTheConnection) {
  respond({.status = 410, .content_type = "text/plain", .body = "gone\n"});
  Client client(world);
  const Message head = client.ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", BodyRule::kResponseToHead);
  EXPECT_EQ(head.field("Content-Length"), "5");
  const Message reply = client.ask(post("body"));
  EXPECT_EQ(reply.status(), 410);
  EXPECT_EQ(reply.field("Connection"), "close");
  EXPECT_TRUE(client.closes_within(10s));
}

TEST_F(RouteRulesTest, NoContentHasNoLength) {
  respond({.status = 204});
  const Message reply = ask(kGet);
  EXPECT_EQ(reply.start, "HTTP/1.1 204 No Content");
  EXPECT_EQ(reply.field("Content-Length"), "");
}

TEST_F(RouteRulesTest, ARedirectHasTheRestOfThePath) {
  world.table.routes.front().match.path = "/old";
  respond({.status = 308, .location = "https://new.example/x{rest}{query}", .prefix_bytes = 4});
  EXPECT_EQ(ask(get("/old")).field("Location"), "https://new.example/x");
  EXPECT_EQ(ask(get("/old/a//b?c=d")).field("Location"), "https://new.example/x/a/b?c=d");
}

TEST_F(RouteRulesTest, ATargetTooLongToBeRepeated) {
  world.listener.head.target_bytes = world.listener.head.head_bytes = 200 * 1024;
  respond({.status = 308, .location = "https://new.example{path}"});
  const std::string fits(64 * 1024 - 1, 'a');
  EXPECT_EQ(ask(get("/" + fits)).field("Location"), "https://new.example/" + fits);
  EXPECT_EQ(ask(get("/a" + fits)).field("X-Canaryd-Error"), "target_too_long");
}

}  // namespace
}  // namespace canaryd::test
