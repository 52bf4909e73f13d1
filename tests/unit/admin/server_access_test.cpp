// Who may do what, over the socket.
#include "admin/api.hpp"
#include "canaryd/admin/server.hpp"
#include "canaryd/client/http_client.hpp"
#include "raw_peer.hpp"
#include "support/fake_backend.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace canaryd::admin {
namespace {

namespace json = boost::json;

constexpr const char* kViewer = "token-of-the-viewer";
constexpr const char* kOperator = "token-of-the-operator";
constexpr const char* kAdmin = "token-of-the-admin";

class ServerAccess : public testing::Test {
 protected:
  Options options() {
    Options all;
    all.address = "127.0.0.1:0";
    all.limits = limits_;
    all.tokens = [this] { return tokens_; };
    all.dashboard = [this] { return dashboard_; };
    all.audit = [this](const Audit& entry) { audits_.push_back(entry); };
    return all;
  }
  test::AdminFixture& admin() {
    if (!admin_) admin_.emplace(options());
    return *admin_;
  }
  client::Response ask(const std::string& method,
                       const std::string& target,
                       const std::string& token = "",
                       std::vector<client::Header> headers = {},
                       const std::string& body = "") {
    client::Request request;
    request.method = method;
    request.target = target;
    request.headers = std::move(headers);
    if (!token.empty()) request.headers.push_back({"Authorization", "Bearer " + token});
    if (!body.empty()) request.headers.push_back({"Content-Type", "application/json"});
    request.body = body;
    const client::HttpClient http(client::parse_address(admin().address).value());
    auto response = http.fetch(request);
    EXPECT_TRUE(response) << describe(response.error());
    return response ? *response : client::Response{};
  }
  int status(const std::string& method, const std::string& target, const std::string& token = "") {
    return ask(method, target, token).status;
  }

  // Of the control thread; here only between requests.
  Limits limits_;
  std::vector<Token> tokens_{{"eve", Role::kViewer, digest_of(kViewer)},
                             {"ci", Role::kOperator, digest_of(kOperator)},
                             {"anna", Role::kAdmin, digest_of(kAdmin)}};
  bool dashboard_ = true;
  std::vector<Audit> audits_;
  std::optional<test::AdminFixture> admin_;
};

constexpr const char* kPause = "/api/v1/rollouts/checkout/pause";

TEST_F(ServerAccess, AsksForAToken) {
  const client::Response nobody = ask("GET", "/api/v1/rollouts");
  EXPECT_EQ(nobody.status, 401);
  EXPECT_EQ(nobody.header("Content-Type"), "application/problem+json");
  EXPECT_EQ(nobody.header("WWW-Authenticate"), "Bearer realm=\"canaryd\"");
  const client::Response wrong = ask("GET", "/api/v1/rollouts", "token-of-somebody-else");
  EXPECT_EQ(wrong.status, 401);
  EXPECT_EQ(wrong.header("WWW-Authenticate"), R"(Bearer realm="canaryd", error="invalid_token")");
  EXPECT_EQ(wrong.body.find("somebody-else"), std::string::npos);
  // Probes have none.
  EXPECT_EQ(status("GET", "/livez"), 200);
  EXPECT_EQ(status("GET", "/readyz"), 200);
  EXPECT_EQ(status("GET", "/metrics"), 401);
}

// The page is the same for everybody; what it shows is asked for with a token.
TEST_F(ServerAccess, ServesTheDashboardToWhomeverUnlessItIsOff) {
  EXPECT_EQ(status("GET", "/"), 200);
  EXPECT_EQ(status("GET", "/dashboard/app.js"), 200);
  EXPECT_EQ(ask("GET", "/", "", {{"Sec-Fetch-Site", "cross-site"}}).status, 200);
  for (const char* path : {"/livez", "/dashboard/app.js"}) {
    EXPECT_EQ(ask("GET", path, "", {{"Sec-Fetch-Site", "cross-site"}}).status, 403) << path;
  }
  dashboard_ = false;
  const client::Response off = ask("GET", "/");
  EXPECT_EQ(off.status, 404);
  EXPECT_EQ(json::parse(off.body).at("detail").as_string(), "admin.dashboard is off");
}

TEST_F(ServerAccess, TellsACallerWhoHeIs) {
  EXPECT_EQ(status("GET", "/api/v1/whoami"), 401);
  const json::value answer = json::parse(ask("GET", "/api/v1/whoami", kOperator).body);
  EXPECT_EQ(answer.at("name").as_string(), "ci");
  EXPECT_EQ(answer.at("role").as_string(), "operator");
}

TEST_F(ServerAccess, GivesEachRoleItsOwn) {
  struct Case {
    const char* method;
    const char* target;
    int viewer;
    int with_operator;
    int admin;
  };
  for (const Case& each : {Case{"GET", "/api/v1/rollouts", 200, 200, 200},
                           Case{"GET", "/metrics", 200, 200, 200},
                           Case{"GET", "/api/v1/config", 200, 200, 200},
                           Case{"POST", kPause, 403, 200, 200},
                           Case{"POST", "/api/v1/rollouts/checkout/abort", 403, 200, 200},
                           Case{"POST", "/api/v1/reload", 403, 403, 200},
                           Case{"POST", "/api/v1/drain", 403, 403, 200}}) {
    EXPECT_EQ(status(each.method, each.target, kViewer), each.viewer) << each.target;
    EXPECT_EQ(status(each.method, each.target, kOperator), each.with_operator) << each.target;
    EXPECT_EQ(status(each.method, each.target, kAdmin), each.admin) << each.target;
  }
  const client::Response refused = ask("POST", kPause, kViewer);
  EXPECT_EQ(json::parse(refused.body).at("detail").as_string(),
            "this takes the role operator; eve is viewer");
  EXPECT_EQ(refused.header("WWW-Authenticate"),
            R"(Bearer realm="canaryd", error="insufficient_scope")");
}

TEST_F(ServerAccess, TellsWhoDidItAndNeverTheToken) {
  EXPECT_EQ(status("POST", kPause, kOperator), 200);
  EXPECT_EQ(status("POST", "/api/v1/drain", kOperator), 403);
  EXPECT_EQ(status("GET", "/api/v1/rollouts", kViewer), 200);
  EXPECT_EQ(admin().backend.actions.at(0).actor, "ci");
  ASSERT_EQ(audits_.size(), 2U);  // Reading is nobody's business.
  EXPECT_EQ(audits_[0].actor, "ci");
  EXPECT_EQ(audits_[0].peer, "local");
  EXPECT_EQ(audits_[0].path, kPause);
  EXPECT_EQ(audits_[0].status, 200);
  EXPECT_EQ(audits_[0].reason, "");
  EXPECT_EQ(audits_[1].status, 403);
  EXPECT_EQ(ask("POST", "/api/v1/drain", kAdmin, {}, R"({"reason": "new host"})").status, 200);
  EXPECT_EQ(audits_.at(2).actor, "anna");
  EXPECT_EQ(audits_.at(2).reason, "new host");
}

TEST_F(ServerAccess, UsesANewListAtOnce) {
  EXPECT_EQ(status("POST", kPause, kOperator), 200);
  tokens_.erase(tokens_.begin() + 1);
  EXPECT_EQ(status("POST", kPause, kOperator), 401);
  tokens_.clear();
  EXPECT_EQ(status("POST", kPause), 200);
}

TEST_F(ServerAccess, EndsTheStreamsOfATokenThatHasGone) {
  RawPeer peer(admin().address);
  peer.send(std::string("GET /api/v1/tap HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ") +
            kViewer + "\r\n\r\n");
  EXPECT_TRUE(peer.read_until("\r\n\r\n").starts_with("HTTP/1.1 200 "));
  admin().on_control([this] { admin().backend.emit({1, "request", "{}"}); });
  EXPECT_NE(peer.read_until("data: {}\n\n").find("data: {}"), std::string::npos);
  admin().on_control([this] {
    tokens_.clear();
    admin().backend.emit({2, "request", R"({"secret": 1})"});
  });
  const std::string rest = peer.read_all();
  EXPECT_TRUE(peer.closed);
  EXPECT_TRUE(rest.ends_with("0\r\n\r\n")) << rest;
  EXPECT_EQ(rest.find("secret"), std::string::npos) << rest;
}

TEST_F(ServerAccess, EndsStreamsWithoutATokenOnceThereAreTokens) {
  std::vector<Token> later = std::exchange(tokens_, {});
  RawPeer peer(admin().address);
  peer.send("GET /api/v1/tap HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(peer.read_until("\r\n\r\n").starts_with("HTTP/1.1 200 "));
  admin().on_control([this] { admin().backend.emit({1, "request", "{}"}); });
  EXPECT_NE(peer.read_until("data: {}\n\n").find("data: {}"), std::string::npos);
  admin().on_control([&] {
    tokens_ = std::move(later);
    admin().backend.emit({2, "request", R"({"secret": 1})"});
  });
  const std::string rest = peer.read_all();
  EXPECT_TRUE(peer.closed);
  EXPECT_TRUE(rest.ends_with("0\r\n\r\n")) << rest;
  EXPECT_EQ(rest.find("secret"), std::string::npos) << rest;
}

TEST_F(ServerAccess, LetsNobodyApproveAsSomebodyElse) {
  const auto approve = [this](const std::string& body) {
    return ask("POST", "/api/v1/rollouts/checkout/approve", kOperator, {}, body).status;
  };
  EXPECT_EQ(approve(R"({"gate": "g", "as": "anna"})"), 403);
  EXPECT_TRUE(admin().backend.actions.empty());
  EXPECT_EQ(approve(R"({"gate": "g", "as": "ci"})"), 200);
  EXPECT_EQ(approve(R"({"gate": "g"})"), 200);
}

TEST_F(ServerAccess, KeepsIdempotencyKeysApart) {
  const std::vector<client::Header> key{{"Idempotency-Key", "k"}};
  EXPECT_EQ(ask("POST", kPause, kOperator, key).status, 200);
  EXPECT_EQ(ask("POST", kPause, kOperator, key).status, 200);
  EXPECT_EQ(admin().backend.actions.size(), 1U);
  EXPECT_EQ(ask("POST", kPause, kAdmin, key).status, 200);
  EXPECT_EQ(admin().backend.actions.size(), 2U);
}

TEST_F(ServerAccess, RemembersNoAnswerThatMayBeAnotherNextTime) {
  const std::vector<client::Header> key{{"Idempotency-Key", "k"}};
  const auto vote = [&] {
    return ask("POST",
               "/api/v1/rollouts/checkout/feedback",
               kOperator,
               key,
               R"({"cohort": "canary", "score": 4})")
        .status;
  };
  admin().backend.feedback_status = control::FeedbackStatus::kRateLimited;
  EXPECT_EQ(vote(), 429);
  admin().backend.feedback_status = control::FeedbackStatus::kCounted;
  EXPECT_EQ(vote(), 202);
}

TEST_F(ServerAccess, SlowsDownWhoAsksTooOften) {
  limits_.reads = {0, 2};
  limits_.changes = {0, 1};
  limits_.refusals = {0, 1};
  for (const int expected : {200, 200, 429}) {
    EXPECT_EQ(status("GET", "/api/v1/rollouts", kViewer), expected);
  }
  EXPECT_EQ(status("POST", "/api/v1/rollouts/checkout/resume", kOperator), 200);
  const client::Response too_many = ask("POST", "/api/v1/rollouts/checkout/resume", kOperator);
  EXPECT_EQ(too_many.status, 429);
  EXPECT_EQ(too_many.header("Retry-After"), "1");
  EXPECT_EQ(status("GET", "/api/v1/rollouts"), 401);
  EXPECT_EQ(status("GET", "/api/v1/rollouts"), 429);
  // The way out, and probes.
  for (const char* word : {"abort", "rollback", "pause"}) {
    EXPECT_EQ(status("POST", "/api/v1/rollouts/checkout/" + std::string(word), kOperator), 200);
  }
  EXPECT_EQ(status("GET", "/livez"), 200);
  EXPECT_EQ(audits_.size(), 5U);  // Of the two that were refused the second is not logged.
}

TEST_F(ServerAccess, NegotiatesNothing) {
  EXPECT_EQ(ask("GET", "/api/v1/rollouts", kViewer, {{"Accept", "text/html"}}).status, 406);
  EXPECT_EQ(ask("GET", "/api/v1/events", kViewer, {{"Accept", "application/json"}}).status, 406);
  EXPECT_EQ(ask("GET", "/metrics", kViewer, {{"Accept", "application/json"}}).status, 200);
  EXPECT_EQ(ask("GET", "/livez", "", {{"Accept", "application/json"}}).status, 200);
}

TEST_F(ServerAccess, IsNoUpstreamOfACanaryd) {
  const client::Response forwarded =
      ask("POST", kPause, kAdmin, {{"Via", "1.0 fred"}, {"Via", "1.1 canaryd"}});
  EXPECT_EQ(forwarded.status, 403);
  EXPECT_TRUE(admin().backend.actions.empty());
}

TEST_F(ServerAccess, TellsOfWhatComesFromWhereItMustNot) {
  limits_.refusals = {0, 3};
  const std::vector<client::Header> other_site{{"Origin", "http://evil.example"}};
  EXPECT_EQ(ask("POST", kPause, kAdmin, other_site).status, 403);
  EXPECT_EQ(ask("GET", "/livez", "", {{"Sec-Fetch-Site", "cross-site"}}).status, 403);
  EXPECT_EQ(ask("GET", "/nowhere", kAdmin, {{"Via", "1.1 canaryd"}}).status, 403);
  ASSERT_EQ(audits_.size(), 3U);
  for (const Audit& entry : audits_) {
    EXPECT_EQ(entry.status, 403);
    EXPECT_EQ(entry.actor, "local") << "whoever has made a browser say that is not the token";
    EXPECT_EQ(entry.peer, "local");
  }
  EXPECT_EQ(audits_[0].method, "POST");
  EXPECT_EQ(audits_[0].path, kPause);
  EXPECT_EQ(audits_[2].path, "/nowhere");
  // As many as the log takes, with those of section 3.4 together.
  EXPECT_EQ(ask("POST", kPause, kAdmin, other_site).status, 429);
  EXPECT_EQ(status("GET", "/api/v1/rollouts"), 429);
  EXPECT_EQ(audits_.size(), 3U);
  EXPECT_EQ(status("POST", kPause, kOperator), 200);
}

// As many as there are places, of somebody who shows no token.
TEST_F(ServerAccess, NobodyTakesAllThePlaces) {
  for (const char* bytes :
       {"",
        "GET /livez HTTP/1.1\r\nHo",
        "POST /api/v1/drain HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Length: 100\r\n\r\n{",
        "GET /api/v1/rollouts HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"}) {
    std::vector<std::unique_ptr<RawPeer>> crowd;
    while (crowd.size() < limits_.connections) {
      crowd.push_back(std::make_unique<RawPeer>(admin().address));
      crowd.back()->send(bytes);
    }
    EXPECT_EQ(status("GET", "/livez"), 200) << bytes;
    EXPECT_EQ(status("GET", "/readyz"), 200) << bytes;
    EXPECT_EQ(status("POST", "/api/v1/rollouts/checkout/abort", kOperator), 200) << bytes;
    EXPECT_EQ(status("GET", "/api/v1/rollouts", kViewer), 200) << bytes;
  }
}

// They take nothing of what they are answered, so that it cannot be sent.
TEST_F(ServerAccess, NobodyTakesAllThePlacesByNotReading) {
  limits_.connections = 3;
  std::string often;
  for (int i = 0; i < 400; ++i) {
    often += "GET /dashboard/app.js HTTP/1.1\r\nHost: localhost\r\n\r\n";
  }
  std::vector<std::unique_ptr<RawPeer>> crowd;
  while (crowd.size() < limits_.connections) {
    crowd.push_back(std::make_unique<RawPeer>(admin().address, 4096));
    crowd.back()->send(often);
    EXPECT_NE(crowd.back()->read_until("\r\n\r\n"), "");
  }
  EXPECT_EQ(status("GET", "/livez"), 200);
  EXPECT_EQ(status("POST", "/api/v1/rollouts/checkout/abort", kOperator), 200);
}

TEST(ServerBeyondThisMachine, NeedsTokens) {
  boost::asio::io_context io;
  canaryd::test::FakeBackend backend;
  std::vector<Token> tokens;
  Options options;
  options.address = "0.0.0.0:0";
  options.tokens = [&tokens] { return tokens; };
  Server refused(io, backend, options);
  EXPECT_EQ(refused.start().error().code, ErrorCode::kUnsupported);
}

// Without a socket, which would be one that others can reach.
TEST(ServerBeyondThisMachine, IsClosedWhenTheLastTokenHasGone) {
  canaryd::test::FakeBackend backend;
  std::vector<Token> tokens{{"ci", Role::kOperator, digest_of(kOperator)}};
  Options options;
  options.tokens = [&tokens] { return tokens; };
  Api api(backend, options);
  api.listen_beyond_this_machine();
  const auto status = [&api](std::optional<std::string> authorization) {
    Request request;
    request.method = "POST";
    request.target = kPause;
    request.host = "far.example";
    request.authorization = std::move(authorization);
    int got = 0;
    api.handle(request, [&got](const Response& response) { got = response.status; });
    return got;
  };
  const std::string good = std::string("Bearer ") + kOperator;
  EXPECT_EQ(status(good), 200);
  EXPECT_EQ(status(std::nullopt), 401);
  tokens.clear();
  EXPECT_EQ(status(good), 401);
  EXPECT_EQ(status(std::nullopt), 401);
}

// Nor is a socket whose file everybody may write to, which a reload leaves as it is.
TEST(ServerForEverybody, IsClosedWhenTheLastTokenHasGone) {
  canaryd::test::FakeBackend backend;
  std::vector<Token> tokens{{"ci", Role::kOperator, digest_of(kOperator)}};
  Options options;
  options.tokens = [&tokens] { return tokens; };
  Api api(backend, options);
  api.listen_to_everybody();
  const auto status = [&api](std::uint32_t uid) {
    Request request;
    request.method = "POST";
    request.target = kPause;
    request.host = "localhost";
    request.from_unix_socket = true;
    request.peer_uid = uid;
    int got = 0;
    api.handle(request, [&got](const Response& response) { got = response.status; });
    return got;
  };
  const std::uint32_t ourselves = ::geteuid();
  EXPECT_EQ(status(ourselves + 1), 401);
  EXPECT_EQ(status(ourselves), 200);
  tokens.clear();
  EXPECT_EQ(status(ourselves + 1), 401);
  EXPECT_EQ(status(ourselves), 200);
}

}  // namespace
}  // namespace canaryd::admin
