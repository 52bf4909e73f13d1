// The queries of one rollout, round by round, in virtual time.
#include "control/queries.hpp"

#include "support/manual_clock.hpp"
#include "unit/control/http_rig.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>

namespace canaryd::control::test {
namespace {

using namespace std::chrono_literals;
using rollout::Phase;
using rollout::Readings;
using ::testing::HasSubstr;

class QueriesTest : public ::testing::Test {
 protected:
  QueriesTest() {
    LogOptions options;
    options.file = "/dev/null";
    log_ = std::move(*Log::open(options, clock_));
    rollout_.name = "shop";
    rollout_.plan.name = "shop";
    rollout_.plan.stable = "old";
    rollout_.plan.canary = "new";
    queries_ = std::make_unique<Queries>(
        &io_, [this](const std::string& name) { return read(name); }, log_.get());
    state_.stable = "old";
    state_.canary = "new";
    state_.phase = Phase::kProgressing;
    state_.run = 7;
    state_.step = 1;
    state_.weight = BasisPoints(550);
    state_.revision = "2.4.0";
    add("refunds");
  }

  Result<std::string> read(const std::string& name) {
    if (!files_.contains(name)) return fail(ErrorCode::kIo, "no such file");
    return files_[name];
  }
  config::Query& add(const std::string& name) {
    config::Query query;
    query.name = name;
    query.prometheus = parse_http_url("http://prometheus:9090/p/").value();
    query.query = "rate(x{version=\"{{canary}}\"}[{{interval}}])";
    query.max = 1;
    query.interval = 10s;
    query.timeout = 2s;
    return rollout_.queries.emplace_back(query);
  }
  void round() { queries_->round(rollout_, state_, standing_, now_); }
  // Everybody answers alike.
  void answer(const Result<client::Response>& response) {
    while (io_.answer(response)) {
    }
    round();
  }
  void after(Duration time) {
    now_ += time;
    round();
  }
  [[nodiscard]] const QuerySummary& summary() const { return queries_->summary(); }

  canaryd::test::ManualClock clock_;
  std::unique_ptr<Log> log_;
  FakeHttpIo io_;
  std::map<std::string, std::string> files_;
  config::Rollout rollout_;
  rollout::State state_;
  Queries::Standing standing_;
  Monotonic now_{24h};
  std::unique_ptr<Queries> queries_;
};

TEST_F(QueriesTest, WithoutAQueryAllIsGood) {
  rollout_.queries.clear();
  round();
  EXPECT_EQ(summary().readings, Readings::kGood);
  EXPECT_TRUE(summary().reports.empty());
  EXPECT_TRUE(io_.asked.empty());
}

TEST_F(QueriesTest, PrometheusIsAskedForOneValue) {
  round();
  ASSERT_EQ(io_.asked.size(), 1U);
  const HttpQuestion& question = io_.asked[0];
  EXPECT_EQ(question.method, "GET");
  EXPECT_EQ(question.url.authority(), "prometheus:9090");
  EXPECT_EQ(question.url.target,
            "/p/api/v1/query?query=rate%28x%7Bversion%3D%22new%22%7D%5B10s%5D%29&timeout=2");
  EXPECT_EQ(question.timeout, 2s);
}

TEST_F(QueriesTest, ARevisionCannotLeaveItsQuotes) {
  rollout_.queries[0].query = "x{v=\"{{ revision }}\"}";
  state_.revision = "a\"} or vector(0) or x{v=\"\\`'";
  round();
  EXPECT_THAT(
      io_.asked.at(0).url.target,
      HasSubstr(percent_encoded("x{v=\"a\\x22} or vector(0) or x{v=\\x22\\x5c\\x60\\x27\"}")));
}

TEST_F(QueriesTest, AWebhookIsToldWhatItIsAbout) {
  rollout_.queries[0].prometheus.reset();
  rollout_.queries[0].webhook = parse_http_url("http://smoke/run?x=1").value();
  rollout_.plan.steps.resize(3);
  state_.revision = "2 \"x\"";
  round();
  const HttpQuestion& question = io_.asked.at(0);
  EXPECT_EQ(question.method, "POST");
  EXPECT_EQ(question.url.target, "/run?x=1");
  EXPECT_EQ(question.body,
            R"({"query": "refunds", "rollout": "shop", "state": "progressing", "stable": "old", )"
            R"("canary": "new", "revision": "2 \"x\"", "step": 2, "steps": 3, "weight": 5.5})");
  answer(http_answer(204));
  EXPECT_EQ(summary().readings, Readings::kGood);
  EXPECT_EQ(summary().reports[0].said, "says yes");
  EXPECT_FALSE(summary().reports[0].value.has_value());
}

TEST_F(QueriesTest, GoodReadingsAreGoodAtTheirPace) {
  round();
  EXPECT_EQ(summary().readings, Readings::kOpen);
  EXPECT_EQ(summary().why, "query refunds has no reading yet");
  answer(sample("0.5"));
  EXPECT_EQ(summary().readings, Readings::kGood);
  EXPECT_TRUE(summary().why.empty());
  EXPECT_EQ(summary().reports[0].state, analysis::MetricState::kPass);
  EXPECT_EQ(summary().reports[0].value, 0.5);
  EXPECT_EQ(summary().reports[0].said, "is 0.5");
  after(9s);
  EXPECT_EQ(io_.asked.size(), 1U);
  after(1s);
  EXPECT_EQ(io_.asked.size(), 2U);
}

TEST_F(QueriesTest, TheWorstOfSeveralIsSaid) {
  add("smoke");
  add("orders");
  round();
  ASSERT_EQ(io_.asked.size(), 3U);
  io_.answer(sample("0"));
  io_.answer(http_answer(503));
  io_.answer(sample("0"));
  round();
  EXPECT_EQ(summary().readings, Readings::kOpen);
  after(31s);
  io_.answer(sample("0"));
  io_.answer(http_answer(503));
  io_.answer(sample("0"));
  round();
  EXPECT_EQ(summary().readings, Readings::kNone);
  EXPECT_THAT(summary().why, HasSubstr("query smoke has had no reading for 31s: status 503"));
  EXPECT_EQ(summary().reports[2].state, analysis::MetricState::kPass);
}

TEST_F(QueriesTest, BadReadingsInARowFail) {
  rollout_.queries[0].failures = 2;
  rollout_.queries[0].on_failure = config::Query::OnFailure::kRollback;
  round();
  answer(sample("1.5"));
  EXPECT_EQ(summary().readings, Readings::kOpen);
  after(10s);
  answer(sample("2.5"));
  EXPECT_EQ(summary().readings, Readings::kRollback);
  EXPECT_EQ(summary().reports[0].state, analysis::MetricState::kFail);
  EXPECT_EQ(summary().why, "query refunds is 2.5, above 1 (2 in a row of 2)");
}

TEST_F(QueriesTest, AProviderThatHangsIsAskedOnceAndIsNone) {
  round();
  answer(sample("0.5"));
  after(10s);
  for (int i = 0; i < 20; ++i) after(1s);
  EXPECT_EQ(io_.asked.size(), 2U);
  EXPECT_EQ(io_.unanswered(), 1U);
  EXPECT_EQ(summary().readings, Readings::kGood);
  after(1s);
  EXPECT_EQ(summary().readings, Readings::kNone);
  // Its answer counts for when it was asked.
  answer(sample("0.5"));
  EXPECT_EQ(summary().readings, Readings::kGood);
  EXPECT_EQ(io_.asked.size(), 3U);
}

TEST_F(QueriesTest, AnErrorIsNoReading) {
  round();
  answer(fail(ErrorCode::kTimeout, "no answer from prometheus:9090: time-out"));
  EXPECT_EQ(summary().readings, Readings::kOpen);
  after(31s);
  EXPECT_EQ(summary().readings, Readings::kNone);
  EXPECT_THAT(summary().why, HasSubstr("no answer from prometheus:9090: time-out"));
}

TEST_F(QueriesTest, AnotherStepAsksAtOnceAndWaitsForTheAnswer) {
  round();
  answer(sample("0.5"));
  state_.weight = BasisPoints(1000);
  after(1s);
  EXPECT_EQ(summary().readings, Readings::kOpen);
  ASSERT_EQ(io_.asked.size(), 2U);
  answer(sample("0.5"));
  EXPECT_EQ(summary().readings, Readings::kGood);
}

TEST_F(QueriesTest, WhatWasAskedBeforeAStepIsNoAnswerForIt) {
  round();
  state_.weight = BasisPoints(1000);
  after(1s);
  answer(sample("0.5"));
  EXPECT_EQ(summary().readings, Readings::kOpen);
  answer(sample("0.5"));
  EXPECT_EQ(summary().readings, Readings::kGood);
}

TEST_F(QueriesTest, AStepThatBeginsAnewAtItsWeightAsksAtOnceToo) {
  round();
  answer(sample("0.5"));
  EXPECT_EQ(summary().readings, Readings::kGood);
  ++standing_.attempt;
  after(1s);
  EXPECT_EQ(summary().readings, Readings::kOpen);
  ASSERT_EQ(io_.asked.size(), 2U);
  answer(sample("5"));
  EXPECT_NE(summary().readings, Readings::kGood);
}

TEST_F(QueriesTest, WhatIsAskedWhileStableIsInTroubleIsNotHeldAgainstTheCanary) {
  rollout_.queries[0].failures = 1;
  standing_.stable_in_trouble = true;
  round();
  answer(sample("5"));
  EXPECT_EQ(summary().readings, Readings::kOpen);
  EXPECT_THAT(summary().why, HasSubstr("stable was in trouble then: it does not count"));
  after(10s);
  ASSERT_EQ(io_.asked.size(), 2U);
  // It is over before the answer is there, and that is asked for anew at once.
  standing_.stable_in_trouble = false;
  after(1s);
  answer(sample("5"));
  EXPECT_EQ(summary().readings, Readings::kOpen);
  ASSERT_EQ(io_.asked.size(), 3U);
  answer(sample("5"));
  EXPECT_EQ(summary().readings, Readings::kBad);
}

// With everybody on the canary, stable may be gone for good, and the bake has to end.
TEST_F(QueriesTest, AGoodReadingIsOneAlsoWhileStableIsInTrouble) {
  standing_.stable_in_trouble = true;
  state_.phase = Phase::kBaking;
  round();
  answer(sample("0.5"));
  EXPECT_EQ(summary().readings, Readings::kGood);
  after(10s);
  answer(sample("0.5"));
  EXPECT_EQ(summary().readings, Readings::kGood);
  // When that is over it is asked for again.
  standing_.stable_in_trouble = false;
  after(1s);
  EXPECT_EQ(io_.asked.size(), 3U);
}

TEST_F(QueriesTest, BadReadingsOfBeforeTheTroubleAreForgotten) {
  rollout_.queries[0].failures = 2;
  round();
  answer(sample("5"));
  standing_.stable_in_trouble = true;
  after(1s);
  standing_.stable_in_trouble = false;
  after(1s);
  answer(sample("5"));
  EXPECT_EQ(summary().readings, Readings::kOpen);
  EXPECT_THAT(summary().why, HasSubstr("1 in a row of 2"));
}

TEST_F(QueriesTest, AnotherRunStartsAnew) {
  rollout_.queries[0].failures = 1;
  round();
  answer(sample("5"));
  EXPECT_EQ(summary().readings, Readings::kBad);
  after(10s);
  state_.run = 8;
  after(1s);
  EXPECT_EQ(summary().readings, Readings::kOpen);
  // The answer to the question about the run before is not listened to.
  io_.answer(sample("0.5"));
  round();
  EXPECT_EQ(summary().readings, Readings::kOpen);
  answer(sample("0.5"));
  EXPECT_EQ(summary().readings, Readings::kGood);
}

TEST_F(QueriesTest, NobodyIsAskedWhileItDoesNotMatter) {
  for (const Phase phase : rollout::kPhases) {
    const bool matters = phase == Phase::kProgressing || phase == Phase::kWaiting ||
                         phase == Phase::kPaused || phase == Phase::kHeld ||
                         phase == Phase::kBaking;
    state_.phase = phase;
    const std::size_t before = io_.asked.size();
    after(10s);
    EXPECT_EQ(io_.asked.size() > before, matters) << to_string(phase);
    answer(sample("0"));
    EXPECT_EQ(summary().readings, matters ? Readings::kGood : Readings::kOpen) << to_string(phase);
  }
}

TEST_F(QueriesTest, AChangedQueryStartsAnewAndTheOthersGoOn) {
  add("smoke");
  round();
  answer(sample("0.5"));
  rollout_.queries[0].max = 0.1;
  after(1s);
  EXPECT_EQ(summary().readings, Readings::kOpen);
  EXPECT_EQ(summary().reports[1].state, analysis::MetricState::kPass);
  EXPECT_EQ(io_.asked.size(), 3U);
  rollout_.queries.erase(rollout_.queries.begin());
  round();
  EXPECT_EQ(summary().readings, Readings::kGood);
  io_.answer(sample("0.5"));  // Of the one that is gone.
  round();
  EXPECT_EQ(summary().readings, Readings::kGood);
}

TEST_F(QueriesTest, TheSecretIsReadWithEachQuestion) {
  rollout_.queries[0].authorization_file = "token";
  files_["token"] = "Bearer one\n";
  const auto sent = [this] {
    for (const client::Header& header : io_.asked.back().headers) {
      if (header.name == "Authorization") return header.value;
    }
    return std::string("none");
  };
  round();
  EXPECT_EQ(sent(), "Bearer one");
  answer(sample("0"));
  files_["token"] = "Bearer two";
  after(10s);
  EXPECT_EQ(sent(), "Bearer two");
  answer(sample("0"));
  // Without it nobody is asked, and that is no reading.
  for (const char* text : {"", "\n", "a\nX-Evil: b", "a\rb"}) {
    files_["token"] = text;
    const std::size_t before = io_.asked.size();
    after(10s);
    EXPECT_EQ(io_.asked.size(), before) << text;
    EXPECT_EQ(summary().readings, Readings::kOpen);
    EXPECT_THAT(summary().why, HasSubstr("authorization_file is not one line"));
    files_["token"] = "Bearer two";
    after(10s);
    answer(sample("0"));
  }
  files_.clear();
  after(10s);
  EXPECT_THAT(summary().why, HasSubstr("authorization_file cannot be read: no such file"));
  EXPECT_EQ(summary().why.find("Bearer"), std::string::npos);
}

TEST_F(QueriesTest, WithoutAWayToAskNothingPasses) {
  queries_ = std::make_unique<Queries>(nullptr, nullptr, log_.get());
  round();
  EXPECT_EQ(summary().readings, Readings::kOpen);
  after(31s);
  EXPECT_EQ(summary().readings, Readings::kNone);
}

TEST_F(QueriesTest, AnAnswerMayComeAfterTheEnd) {
  round();
  queries_.reset();
  EXPECT_TRUE(io_.answer(sample("0")));
}

}  // namespace
}  // namespace canaryd::control::test
