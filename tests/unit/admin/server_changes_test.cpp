// Actions, votes, and what is asked of the daemon as a whole; conditions and repetition of all
// that.
#include "server_rig.hpp"

namespace canaryd::admin::test {
namespace {

using control::ActionStatus;

TEST_F(ServerTest, PassesEveryActionOn) {
  const std::vector<std::pair<std::string, std::string>> bodies{{"start", R"({"revision": "3"})"},
                                                                {"retry", ""},
                                                                {"promote", R"({"full": true})"},
                                                                {"pause", R"({"reason": "lunch"})"},
                                                                {"resume", "{}"},
                                                                {"abort", ""},
                                                                {"rollback", ""},
                                                                {"weight", R"({"weight": 12.5})"},
                                                                {"approve", R"({"gate": "g"})"}};
  for (const auto& [word, body] : bodies) {
    const Response response = post("/api/v1/rollouts/checkout/" + word, body);
    EXPECT_EQ(response.status, 200) << word << response.body;
    ASSERT_FALSE(backend_.actions.empty());
    const control::ActionRequest& action = backend_.actions.back();
    EXPECT_EQ(to_string(action.action), word);
    EXPECT_EQ(action.rollout, "checkout");
    EXPECT_EQ(action.actor, "local");
  }
  ASSERT_EQ(backend_.actions.size(), bodies.size());
  EXPECT_EQ(backend_.actions[0].revision, "3");
  EXPECT_TRUE(backend_.actions[2].full);
  EXPECT_EQ(backend_.actions[3].reason, "lunch");
  EXPECT_EQ(backend_.actions[7].weight, BasisPoints(1250));
  EXPECT_EQ(backend_.actions[8].gate, "g");
}

TEST_F(ServerTest, AnswersWithTheRolloutAfterTheAction) {
  const Response done = post("/api/v1/rollouts/checkout/abort");
  EXPECT_EQ(parse(done).at("state").as_string(), "aborted");
  EXPECT_EQ(done.header("ETag"), "\"18\"");

  backend_.status = ActionStatus::kNotDurable;
  const Response in_force = post("/api/v1/rollouts/checkout/abort");
  EXPECT_EQ(in_force.status, 202);
  EXPECT_FALSE(parse(in_force).at("durable").as_bool());

  backend_.status = ActionStatus::kRefused;
  backend_.detail = "the rollout is retired";
  const Response refused = post("/api/v1/rollouts/checkout/abort");
  expect_problem(refused, 409, "refused");
  EXPECT_EQ(parse(refused).at("detail").as_string(), "the rollout is retired");
  EXPECT_EQ(parse(refused).at("instance").as_string(), "/api/v1/rollouts/checkout/abort");
  EXPECT_EQ(parse(refused).at("rollout").at("state").as_string(), "aborted");
  expect_problem(post("/api/v1/rollouts/nobody/abort"), 404, "not-found");
}

TEST_F(ServerTest, HonoursIfMatch) {
  const std::string target = "/api/v1/rollouts/checkout/pause";
  expect_problem(post(target, "", {{"If-Match", "\"16\""}}), 412, "stale");
  EXPECT_EQ(post(target, "", {{"If-Match", "\"17\""}}).status, 200);
  EXPECT_EQ(post(target, "", {{"If-Match", "*"}}).status, 200);
  for (const char* tag : {"17", "W/\"17\"", "\"17\", \"18\"", "\"x\"", "\"\"", "\"-1\""}) {
    expect_problem(post(target, "", {{"If-Match", tag}}), 400, "bad-request");
  }
}

TEST_F(ServerTest, DoesNothingUnderAConditionThatNothingFulfils) {
  const std::map<std::string, std::string> bodies{
      {"/api/v1/rollouts/checkout/feedback", R"({"cohort": "canary", "score": 1})"},
      {"/api/v1/reload", ""},
      {"/api/v1/drain", ""},
      {"/api/v1/log-level", R"({"level": "debug"})"},
      {"/api/v1/explain", R"({"method": "GET", "url": "/x"})"}};
  for (const auto& [target, body] : bodies) {
    for (const char* tag : {"*", "\"17\""}) {
      expect_problem(post(target, body, {{"If-Match", tag}}), 412, "stale");
    }
  }
  EXPECT_TRUE(backend_.votes.empty());
  EXPECT_EQ(backend_.drains, 0);
  EXPECT_EQ(backend_.level, "info");
  EXPECT_EQ(backend_.reloads, 0);
}

TEST_F(ServerTest, DoesARepeatedRequestOnce) {
  const std::string target = "/api/v1/rollouts/checkout/promote";
  const std::vector<client::Header> key{{"Idempotency-Key", "4f0c"}};
  const Response first = post(target, R"({"reason": "go"})", key);
  const Response second = post(target, R"({"reason": "go"})", key);
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(second.body, first.body);
  EXPECT_EQ(second.header("ETag"), first.header("ETag"));
  EXPECT_EQ(backend_.actions.size(), 1U);
  expect_problem(post(target, R"({"reason": "else"})", key), 422, "key-reused");
  expect_problem(
      post(target, "", {{"Idempotency-Key", std::string(256, 'k')}}), 400, "bad-request");
  EXPECT_EQ(post(target, R"({"reason": "go"})").status, 200);
  EXPECT_EQ(backend_.actions.size(), 2U);
}

// A pipeline tries again under the same key, when the journal may be writable again.
TEST_F(ServerTest, DoesAgainWhatHasChangedNothing) {
  const std::string target = "/api/v1/rollouts/checkout/promote";
  const std::vector<client::Header> key{{"Idempotency-Key", "build-17"}};
  backend_.status = ActionStatus::kRefused;
  backend_.detail = "the weight was not raised because the journal cannot be written: no space";
  expect_problem(post(target, "", key), 409, "refused");
  expect_problem(post(target, "", key), 409, "refused");
  EXPECT_EQ(backend_.actions.size(), 2U);
  backend_.status = ActionStatus::kOk;
  const Response done = post(target, "", key);
  EXPECT_EQ(done.status, 200);
  EXPECT_EQ(backend_.actions.size(), 3U);
  EXPECT_EQ(post(target, "", key).body, done.body);
  EXPECT_EQ(backend_.actions.size(), 3U) << "and that once";

  // In force, if not yet on disk: done as well.
  backend_.status = ActionStatus::kNotDurable;
  const std::vector<client::Header> other{{"Idempotency-Key", "build-18"}};
  EXPECT_EQ(post(target, "", other).status, 202);
  EXPECT_EQ(post(target, "", other).status, 202);
  EXPECT_EQ(backend_.actions.size(), 4U);
}

TEST_F(ServerTest, ReloadsAgainWhatCouldNotBeReloaded) {
  const std::vector<client::Header> key{{"Idempotency-Key", "k"}};
  backend_.reload_result = {false, {{"", 0, 0, "error", "a reload is under way", ""}}};
  expect_problem(post("/api/v1/reload", "", key), 422, "configuration-invalid");
  backend_.reload_result = {true, {}};
  EXPECT_EQ(post("/api/v1/reload", "", key).status, 200);
  EXPECT_EQ(post("/api/v1/reload", "", key).status, 200);
  EXPECT_EQ(backend_.reloads, 2);
}

TEST_F(ServerTest, ReloadsDrainsAndSetsTheLogLevel) {
  EXPECT_EQ(post("/api/v1/reload", R"({"reason": "new freeze"})").status, 200);
  EXPECT_EQ(backend_.reloaded_by.reason, "new freeze");
  EXPECT_FALSE(backend_.reloaded_by.actor.empty());
  backend_.reload_result = {
      false,
      {{"canaryd.yaml", 42, 10, "error", "unknown key \"wieght\"", "did you mean \"weight\"?"}}};
  const Response invalid = post("/api/v1/reload");
  expect_problem(invalid, 422, "configuration-invalid");
  const json::value problem = parse(invalid).at("problems").at(0);
  EXPECT_EQ(problem.at("line").as_int64(), 42);
  EXPECT_EQ(problem.at("column").as_int64(), 10);
  EXPECT_EQ(problem.at("hint").as_string(), "did you mean \"weight\"?");

  EXPECT_EQ(post("/api/v1/drain").status, 200);
  EXPECT_EQ(backend_.drains, 1);

  EXPECT_EQ(post("/api/v1/log-level", R"({"level": "debug"})").status, 200);
  EXPECT_EQ(backend_.level, "debug");
  expect_problem(post("/api/v1/log-level", R"({"level": "loud"})"), 400, "bad-request");
  expect_problem(post("/api/v1/log-level"), 400, "bad-request");
}

TEST_F(ServerTest, TakesVotes) {
  const std::string target = "/api/v1/rollouts/checkout/feedback";
  const Response taken =
      post(target, R"({"cohort": "canary", "score": 4, "id": "u1", "comment": "fine"})");
  EXPECT_EQ(taken.status, 202);
  EXPECT_EQ(taken.body, "{\"counted\": true}\n");
  ASSERT_EQ(backend_.votes.size(), 1U);
  EXPECT_EQ(backend_.votes[0].rollout, "checkout");
  EXPECT_EQ(backend_.votes[0].score, 4U);
  EXPECT_EQ(backend_.votes[0].id, "u1");
  EXPECT_FALSE(backend_.votes[0].actor.empty());
  backend_.feedback_status = control::FeedbackStatus::kDuplicate;
  EXPECT_EQ(post(target, R"({"cohort": "stable", "score": 1})").body,
            "{\"counted\": false, \"reason\": \"duplicate\"}\n");
  backend_.feedback_status = control::FeedbackStatus::kRateLimited;
  const Response limited = post(target, R"({"cohort": "stable", "score": 1})");
  expect_problem(limited, 429, "rate-limited");
  EXPECT_EQ(limited.header("Retry-After"), "1");
  const std::string long_comment(control::kCommentBytesMax + 1, 'x');
  for (const std::string& body :
       {std::string("{}"),
        std::string(R"({"cohort": "canary"})"),
        std::string(R"({"cohort": "shadow", "score": 1})"),
        std::string(R"({"cohort": "canary", "score": 0})"),
        std::string(R"({"cohort": "canary", "score": 6})"),
        std::string(R"({"cohort": "canary", "score": 1.5})"),
        std::string(R"({"cohort": "canary", "score": "1"})"),
        std::string(R"({"cohort": "canary", "score": 1, "x": 1})"),
        R"({"cohort": "canary", "score": 1, "comment": ")" + long_comment + "\"}"}) {
    expect_problem(post(target, body), 400, "bad-request");
  }
  expect_problem(post("/api/v1/rollouts/nobody/feedback", R"({"cohort": "canary", "score": 1})"),
                 404,
                 "not-found");
  expect_problem(get(target), 405, "method-not-allowed");
}

}  // namespace
}  // namespace canaryd::admin::test
