#include "control/explain.hpp"

#include "canaryd/routing/cohort_pick.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace canaryd::control {
namespace {

using routing::KeySource;
using routing::Traffic;

class ExplainTest : public testing::Test {
 protected:
  ExplainTest() {
    listener_.name = "public";
    listener_.trusted_proxies = {parse_cidr("10.0.0.0/8").value()};
    rollout_.name = "checkout";
    rollout_.stable = UpstreamId(0);
    rollout_.canary = UpstreamId(1);
    rollout_.traffic = Traffic::kSplit;
    rollout_.weight = BasisPoints(500);
    rollout_.sticky.sources = {{KeySource::kHeader, "X-User"}, {KeySource::kCookie, "uid"}};
    rollout_.force.header = "X-Canary";
    rollout_.generation = 1;
    rollout_.gate = std::make_shared<routing::CohortGate>();
    rollout_.gate->begin(1, BasisPoints(BasisPoints::kMax));
  }

  Explanation ask(ExplainRequest question) {
    const auto snapshot = table();
    auto answer = explain_request(question, *snapshot, listener_);
    EXPECT_TRUE(answer.has_value());
    return answer ? *answer : Explanation{};
  }
  Explanation get(std::string url, std::vector<std::pair<std::string, std::string>> headers = {}) {
    return ask({"GET", std::move(url), std::move(headers), "", ""});
  }
  std::shared_ptr<proxy::Snapshot> table() {
    auto snapshot = std::make_shared<proxy::Snapshot>();
    routing::TableSpec spec;
    spec.upstreams = {"v1", "v2", "files"};
    spec.rollouts = {rollout_};
    routing::RouteSpec shop;
    shop.name = "shop";
    shop.target = RolloutId(0);
    if (other_) {
      spec.rollouts.push_back(*other_);
      shop.target = std::vector<routing::Lane>{{RolloutId(0), BasisPoints(2500)},
                                               {RolloutId(1), BasisPoints(7500)}};
    }
    routing::RouteSpec files;
    files.name = "files";
    files.match.host = "files.example";
    files.match.path = "/static";
    files.target = UpstreamId(2);
    spec.routes = {shop, files};
    for (const std::string& name : spec.upstreams) {
      upstream::UpstreamSpec upstream;
      upstream.name = name;
      snapshot->upstreams.push_back(std::move(upstream));
    }
    snapshot->table = routing::RoutingTable::build(std::move(spec)).value();
    return snapshot;
  }

  proxy::ListenerSpec listener_;
  routing::RolloutSpec rollout_;
  std::optional<routing::RolloutSpec> other_;  // Of a second lane.
};

TEST_F(ExplainTest, SaysWhichBucketDecided) {
  // The cohort is the data plane's for every key.
  int canaries = 0;
  for (int i = 0; i < 400; ++i) {
    const std::string user = "user-" + std::to_string(i);
    const Explanation answer = get("/a/../b?c=d", {{"X-User", user}});
    const auto key = key_from_salt("checkout");
    ASSERT_EQ(answer.bucket, routing::bucket_of(key, user));
    const bool canary = *answer.bucket < 500;
    canaries += canary ? 1 : 0;
    EXPECT_EQ(answer.cohort, canary ? "canary" : "stable");
    EXPECT_EQ(answer.upstream, canary ? "v2" : "v1");
    EXPECT_EQ(answer.why,
              "bucket " + std::to_string(*answer.bucket) + " of 10000 is " +
                  (canary ? "below" : "not below") + " the weight of 5 %");
  }
  EXPECT_GT(canaries, 0);
  const Explanation answer = get("http://Shop.Example:80/a/../b?c=d", {{"X-User", "u"}});
  EXPECT_EQ(answer.method, "GET");
  EXPECT_EQ(answer.host, "shop.example");
  EXPECT_EQ(answer.path, "/b");
  EXPECT_EQ(answer.route, "shop");
  EXPECT_EQ(answer.rollout, "checkout");
  EXPECT_EQ(answer.rule, "weight");
  EXPECT_EQ(answer.key_source, "header");
  EXPECT_EQ(answer.key_name, "X-User");
  EXPECT_EQ(answer.weight, BasisPoints(500));
  EXPECT_TRUE(answer.counts);
}

TEST_F(ExplainTest, NamesTheKeyThatWasThere) {
  EXPECT_EQ(get("/", {{"Cookie", "uid=7"}}).key_name, "uid");
  const Explanation none = get("/");
  EXPECT_EQ(none.rule, "no_key");
  EXPECT_EQ(none.key_source, "none");
  EXPECT_EQ(none.bucket, std::nullopt);
  EXPECT_FALSE(none.counts);
  rollout_.sticky.issue_cookie = routing::IssueCookie{.name = "uid"};
  const Explanation fresh = get("/");
  EXPECT_TRUE(fresh.key_is_fresh);
  EXPECT_EQ(fresh.key_name, "uid");
  EXPECT_EQ(fresh.bucket, std::nullopt);
}

// Also where its client is not given it: that bucket is nobody's.
TEST_F(ExplainTest, AKeyThatIsMadeNowHasNoBucket) {
  rollout_.sticky.issue_cookie = routing::IssueCookie{.name = "uid"};
  const std::string given(32, 'a');
  const ExplainRequest forced{"GET", "/", {{"X-Canary", "always"}}, "", "10.1.2.3"};
  for (const unsigned ceiling : {10000U, 0U}) {
    rollout_.gate->lower(1, BasisPoints(ceiling));
    for (const Explanation& fresh : {get("/"), get("/", {{"Cookie", "uid=7"}}), ask(forced)}) {
      EXPECT_EQ(fresh.key_source, "issued_cookie");
      EXPECT_TRUE(fresh.key_is_fresh) << ceiling;
      EXPECT_EQ(fresh.bucket, std::nullopt) << ceiling;
    }
    const Explanation known = get("/", {{"Cookie", "uid=" + given}});
    EXPECT_FALSE(known.key_is_fresh) << ceiling;
    EXPECT_EQ(known.bucket, routing::bucket_of(key_from_salt("checkout"), given)) << ceiling;
  }
}

TEST_F(ExplainTest, TheGateTheForceAndTheStateAreLookedAt) {
  ExplainRequest forced{"GET", "/", {{"X-User", "u"}, {"X-Canary", "always"}}, "", "10.1.2.3"};
  EXPECT_EQ(ask(forced).rule, "force");
  EXPECT_EQ(ask(forced).cohort, "canary");
  forced.client = "192.0.2.1";
  EXPECT_EQ(ask(forced).rule, "weight");
  forced.client = "10.1.2.3";
  rollout_.gate->lower(1, BasisPoints(0));
  EXPECT_EQ(ask(forced).rule, "safety");
  EXPECT_EQ(ask(forced).upstream, "v1");
  rollout_.traffic = Traffic::kForceOnly;
  EXPECT_EQ(get("/").rule, "idle");
}

TEST_F(ExplainTest, TheClientIsWhoTrustedProxiesSay) {
  ExplainRequest question{"GET", "/", {{"X-Forwarded-For", "198.51.100.9, 10.0.0.2"}}, "", ""};
  EXPECT_EQ(ask(question).client, "127.0.0.1");
  question.client = "10.0.0.1";
  EXPECT_EQ(ask(question).client, "198.51.100.9");
  EXPECT_TRUE(ask(question).peer_trusted);
}

TEST_F(ExplainTest, WhatOnlyProxiesMaySayIsTheirsToSay) {
  rollout_.sticky.sources = {{KeySource::kHeader, "X-Forwarded-User"}, {KeySource::kCookie, "uid"}};
  ExplainRequest question{"GET", "/", {{"X-Forwarded-User", "u"}, {"Cookie", "uid=c"}}, "", ""};
  EXPECT_EQ(ask(question).key_source, "cookie");
  question.client = "10.0.0.1";
  EXPECT_EQ(ask(question).key_source, "header");
}

TEST_F(ExplainTest, ARouteWithoutRolloutAndNone) {
  const Explanation files = get("http://files.example/static/a");
  EXPECT_EQ(files.route, "files");
  EXPECT_EQ(files.upstream, "files");
  EXPECT_EQ(files.rollout, "");
  EXPECT_EQ(files.cohort, "");
}

TEST_F(ExplainTest, WhatTheDataPlaneRefuses) {
  EXPECT_EQ(get("/a/../../b").refused, "bad_request");
  EXPECT_EQ(get("/a b").refused, "bad_request");
  EXPECT_EQ(get("/", {{"Content-Length", "1, 2"}}).refused, "bad_request");
  EXPECT_EQ(get("/" + std::string(20'000, 'a')).refused, "target_too_long");
  EXPECT_EQ(ask({"CONNECT", "a:443", {}, "", ""}).refused.empty(), false);
  EXPECT_EQ(get("/a/../../b").route, "");
}

// As the data plane does: before it looks at the target, at the routes.
TEST_F(ExplainTest, WhatEndsBeforeTheRoutes) {
  const ExplainRequest options{"OPTIONS", "/a/../../b", {{"Max-Forwards", "0"}}, "", ""};
  EXPECT_EQ(ask(options).refused, "");
  EXPECT_EQ(ask(options).why, "OPTIONS with Max-Forwards: 0 is answered here");
  EXPECT_EQ(ask(options).upstream, "");

  std::string via = "1.1 canaryd";
  for (int i = 1; i < 10; ++i) via += ", 1.1 canaryd";
  EXPECT_EQ(get("/", {{"Via", via}}).refused, "");
  EXPECT_EQ(get("/", {{"Via", via}}).route, "shop");
  const Explanation loop = get("/", {{"Via", via + ", 1.1 canaryd"}});
  EXPECT_EQ(loop.refused, "loop_detected");
  EXPECT_EQ(loop.why, "508 loop_detected: its Via names more than 10 canaryds");
  EXPECT_EQ(loop.upstream, "");
}

TEST_F(ExplainTest, AVoteGoesNowhere) {
  const ExplainRequest vote{"POST", "/.canaryd/feedback", {{"X-User", "u"}}, "", ""};
  EXPECT_EQ(ask(vote).route, "shop");
  listener_.feedback = true;
  EXPECT_EQ(ask(vote).route, "");
  EXPECT_EQ(ask(vote).upstream, "");
  EXPECT_EQ(ask(vote).refused, "");
  EXPECT_EQ(ask(vote).why, "a vote of a user is taken here, and goes to no upstream");
  EXPECT_EQ(get("/.canaryd/feedback", {{"X-User", "u"}}).route, "shop");
}

TEST_F(ExplainTest, AQuestionThatMakesNoRequestIsAnError) {
  const auto snapshot = table();
  EXPECT_FALSE(explain_request({"GET", "/", {{"A", "b\r\nC: d"}}, "", ""}, *snapshot, listener_));
  EXPECT_FALSE(explain_request({"GET", "/\r\nA: b", {}, "", ""}, *snapshot, listener_));
  EXPECT_FALSE(explain_request({"GET", "/", {}, "", "nobody"}, *snapshot, listener_));
}

TEST_F(ExplainTest, NamesTheSegment) {
  rollout_.segments = {
      {.users = {.header = "X-Plan", .equals = {"enterprise"}}, .cohort = Cohort::kStable},
      {.users = {.header = "X-Employee"}},
      {.users = {.header = "X-Country", .equals = {"DE", "AT"}}, .from_weight = BasisPoints(500)}};
  const Explanation employee = get("/", {{"X-User", "tom"}, {"X-Employee", "1"}});
  EXPECT_EQ(employee.rule, "segment");
  EXPECT_EQ(employee.segment, 2U);
  EXPECT_EQ(employee.segment_rule, "header X-Employee");
  EXPECT_EQ(employee.cohort, "canary");
  EXPECT_FALSE(employee.counts);
  EXPECT_EQ(employee.why, "it is in segment 2 (header X-Employee), which is on the canary");
  EXPECT_EQ(get("/", {{"X-Country", "AT"}}).why,
            "it is in segment 3 (header X-Country in DE, AT), which is on the canary from 5 % on");
  EXPECT_EQ(get("/", {{"X-Plan", "enterprise"}}).why,
            "it is in segment 1 (header X-Plan equals enterprise), which moves last, at 100 %");
  const Explanation none = get("/", {{"X-User", "tom"}});
  EXPECT_EQ(none.segment, std::nullopt);
  EXPECT_EQ(none.segment_rule, "");
}

TEST_F(ExplainTest, NamesTheLane) {
  other_ = rollout_;
  other_->name = "other";
  other_->canary = UpstreamId(2);
  other_->salt = "checkout";
  int second = 0;
  for (int i = 0; i < 100; ++i) {
    const std::string user = "user-" + std::to_string(i);
    const Explanation answer = get("/", {{"X-User", user}});
    const bool lane = routing::bucket_of(routing::lane_hash_key(), user) >= 2500;
    second += lane ? 1 : 0;
    ASSERT_EQ(answer.lane, lane ? 2U : 1U);
    EXPECT_EQ(answer.rollout, lane ? "other" : "checkout");
    EXPECT_EQ(answer.upstream, answer.cohort == "stable" ? "v1" : lane ? "files" : "v2");
    EXPECT_TRUE(answer.why.starts_with(
        lane ? "lane 2 of 2, with 75 % of the users, has rollout other; bucket "
             : "lane 1 of 2, with 25 % of the users, has rollout checkout; bucket "))
        << answer.why;
  }
  EXPECT_GT(second, 50);
  EXPECT_EQ(get("http://files.example/static/a").lane, std::nullopt);
}

// A lane that was drawn for this request alone, and may be another one with the next.
TEST_F(ExplainTest, SaysThatTheLaneWasDrawnByLot) {
  rollout_.sticky.sources = {{KeySource::kCookie, "uid"}};
  rollout_.sticky.issue_cookie = routing::IssueCookie{.name = "uid"};
  other_ = rollout_;
  other_->name = "other";
  other_->canary = UpstreamId(2);
  const ExplainRequest forced{"GET", "/", {{"X-Canary", "always"}}, "", "10.1.2.3"};
  for (const Explanation& fresh : {get("/"), ask(forced)}) {
    EXPECT_TRUE(fresh.key_is_fresh);
    EXPECT_EQ(fresh.bucket, std::nullopt);
    EXPECT_TRUE(fresh.why.starts_with("drawn by lot for this request: lane ")) << fresh.why;
  }
  const Explanation known = get("/", {{"Cookie", "uid=" + std::string(32, 'a')}});
  EXPECT_FALSE(known.key_is_fresh);
  EXPECT_TRUE(known.why.starts_with("lane ")) << known.why;
}

TEST_F(ExplainTest, SaysThatAnExclusionFits) {
  rollout_.exclude = {{.path_prefix = "/healthz"}};
  const Explanation left_out = get("/healthz", {{"X-User", "tom"}});
  EXPECT_EQ(left_out.rule, "excluded");
  EXPECT_FALSE(left_out.counts);
  EXPECT_NE(left_out.why.find("bucket"), std::string::npos) << left_out.why;
  EXPECT_NE(left_out.why.find("analysis.exclude"), std::string::npos) << left_out.why;
  EXPECT_TRUE(get("/", {{"X-User", "tom"}}).counts);
}

}  // namespace
}  // namespace canaryd::control
