#include "control/reading.hpp"

#include "unit/control/http_rig.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace canaryd::control::test {
namespace {

using namespace std::chrono_literals;
using rollout::Readings;
using ::testing::HasSubstr;
using Kind = Reading::Kind;

config::Query rule_with(std::optional<double> min, std::optional<double> max) {
  config::Query rule;
  rule.name = "refunds";
  rule.prometheus = HttpUrl{};
  rule.query = "x";
  rule.min = min;
  rule.max = max;
  rule.interval = 10s;
  rule.failures = 3;
  return rule;
}

Reading read(const std::string& body, int status = 200) {
  return read_prometheus(http_answer(status, body), rule_with(std::nullopt, 0.01));
}

std::string success(const std::string& type, const std::string& result) {
  return R"({"status":"success","data":{"resultType":")" + type + R"(","result":)" + result + "}}";
}

// ---- Prometheus

TEST(Prometheus, OneSampleIsAReading) {
  const Reading good = read(success("vector", R"([{"metric":{"a":"b"},"value":[1.5,"0.01"]}])"));
  EXPECT_EQ(good.kind, Kind::kGood);
  EXPECT_EQ(good.value, 0.01);
  const Reading bad = read(success("vector", R"([{"metric":{},"value":[1,"0.011"]}])"));
  EXPECT_EQ(bad.kind, Kind::kBad);
  EXPECT_EQ(bad.value, 0.011);
  EXPECT_EQ(bad.why, "above 0.01");
}

TEST(Prometheus, AScalarIsOneToo) {
  EXPECT_EQ(read(success("scalar", R"([1700000000,"1e-05"])")).value, 1e-05);
  EXPECT_EQ(read(success("scalar", R"([1700000000,"1e+06"])")).kind, Kind::kBad);
  EXPECT_EQ(read(success("scalar", R"([1700000000,"-3"])")).kind, Kind::kGood);
}

TEST(Prometheus, BothBoundsCountAndAreGoodThemselves) {
  const auto kind = [](const char* value) {
    return read_prometheus(sample(value), rule_with(-1, 2)).kind;
  };
  EXPECT_EQ(kind("-1"), Kind::kGood);
  EXPECT_EQ(kind("2"), Kind::kGood);
  EXPECT_EQ(kind("-1.0001"), Kind::kBad);
  EXPECT_EQ(kind("2.0001"), Kind::kBad);
  EXPECT_EQ(read_prometheus(sample("0"), rule_with(1, std::nullopt)).why, "below 1");
}

TEST(Prometheus, WhatIsNoFiniteNumberIsNone) {
  for (const char* value :
       {"NaN", "+Inf", "-Inf", "Inf", "inf", "nan", "", " 1", "1 ", "0x1", "1,0", "x", "1e999"}) {
    const Reading reading = read_prometheus(sample(value), rule_with(0, 1));
    EXPECT_EQ(reading.kind, Kind::kNone) << value;
    EXPECT_FALSE(reading.value.has_value()) << value;
    EXPECT_FALSE(reading.why.empty()) << value;
  }
}

TEST(Prometheus, EveryOtherShapeIsNone) {
  for (const std::string& body :
       {success("vector", "[]"),
        success("vector", R"([{"metric":{},"value":[1,"0"]},{"metric":{},"value":[1,"0"]}])"),
        success("vector", R"([{"metric":{}}])"),
        success("vector", R"([{"metric":{},"value":[1,0]}])"),
        success("vector", R"([{"metric":{},"value":["0"]}])"),
        success("vector", R"([{"metric":{},"value":[1,"0","0"]}])"),
        success("vector", R"([{"metric":{},"histogram":[1,{"count":"1"}]}])"),
        success("vector", R"([[1,"0"]])"),
        success("vector", R"({"value":[1,"0"]})"),
        success("vector", "null"),
        success("scalar", "[]"),
        success("scalar", "0"),
        success("string", R"([1,"0"])"),
        success("matrix", R"([{"metric":{},"values":[[1,"0"]]}])"),
        success("", R"([1,"0"])"),
        std::string(R"({"status":"error","errorType":"timeout","error":"took too long"})"),
        std::string(R"({"status":"success"})"),
        std::string(R"({"status":"success","data":null})"),
        std::string(R"({"status":"success","data":[]})"),
        std::string(R"({"data":{"resultType":"scalar","result":[1,"0"]}})"),
        std::string("[]"),
        std::string("0"),
        std::string("null"),
        std::string(""),
        std::string("<html>welcome</html>"),
        std::string("\xff\xfe\0{}", 5),
        success("scalar", R"([1,"0"])") + "x",
        std::string(100, '[')}) {
    const Reading reading = read(body);
    EXPECT_EQ(reading.kind, Kind::kNone) << body;
    EXPECT_FALSE(reading.why.empty()) << body;
  }
}

TEST(Prometheus, SaysWhatIsWrongWithTheQuery) {
  const Reading reading = read(
      R"({"status":"error","errorType":"bad_data","error":"parse error: unexpected )\u001b[31m"})",
      400);
  EXPECT_EQ(reading.kind, Kind::kNone);
  EXPECT_THAT(reading.why, HasSubstr("status 400: parse error: unexpected )"));
  EXPECT_EQ(reading.why.find('\x1b'), std::string::npos);
  EXPECT_EQ(read("gateway", 502).why, "status 502");
  // Not even a good answer counts under another status.
  EXPECT_EQ(read(success("scalar", R"([1,"0"])"), 203).kind, Kind::kNone);
  EXPECT_EQ(read(success("scalar", R"([1,"0"])"), 302).kind, Kind::kNone);
}

TEST(Prometheus, AnAnswerThatDoubtsItselfIsNone) {
  const auto with_warning = [](const std::string& text) {
    return read(R"({"status":"success","warnings":[")" + text +
                R"("],"data":{"resultType":"scalar","result":[1,"0"]}})");
  };
  EXPECT_EQ(with_warning("remote read failed: partial result").kind, Kind::kNone);
  EXPECT_EQ(with_warning("PromQL info: metric might not be a counter").kind, Kind::kGood);
}

// ---- Webhooks

TEST(Webhook, TheStatusDecides) {
  for (const int status : {200, 201, 202, 204, 299}) {
    EXPECT_EQ(read_webhook(http_answer(status)).kind, Kind::kGood) << status;
  }
  for (const int status : {400, 406, 409, 412, 418, 422}) {
    EXPECT_EQ(read_webhook(http_answer(status)).kind, Kind::kBad) << status;
  }
  for (const int status :
       {100, 301, 302, 304, 401, 403, 404, 405, 407, 408, 425, 429, 500, 502, 503, 504, 600}) {
    EXPECT_EQ(read_webhook(http_answer(status)).kind, Kind::kNone) << status;
  }
  EXPECT_EQ(read_webhook(http_answer(409, "smoke test 7 failed\n")).why,
            "status 409: smoke test 7 failed");
  EXPECT_LE(read_webhook(http_answer(409, std::string(5000, 'x'))).why.size(), 250U);
}

// ---- The row

class ReadingRowTest : public ::testing::Test {
 protected:
  void answer(Kind kind) {
    Reading reading;
    reading.kind = kind;
    if (kind != Kind::kNone) reading.value = 0.5;
    reading.why = kind == Kind::kGood ? "" : "why";
    row_.take(std::move(reading), now_, rule_);
  }
  [[nodiscard]] Readings level() const { return row_.level(now_, rule_); }

  config::Query rule_ = rule_with(std::nullopt, 1);
  Monotonic now_{1h};
  ReadingRow row_{now_};
};

TEST_F(ReadingRowTest, NothingIsKnownAtFirstAndThenNoneIsSaid) {
  EXPECT_EQ(level(), Readings::kOpen);
  now_ += 30s;
  EXPECT_EQ(level(), Readings::kOpen);
  now_ += 1ns;
  EXPECT_EQ(level(), Readings::kNone);
  answer(Kind::kNone);
  EXPECT_EQ(level(), Readings::kNone);
  EXPECT_EQ(row_.failure(), "why");
  answer(Kind::kGood);
  EXPECT_EQ(level(), Readings::kGood);
}

TEST_F(ReadingRowTest, AGoodOneIsGoodWhileItIsFresh) {
  answer(Kind::kGood);
  now_ += 30s;
  EXPECT_EQ(level(), Readings::kGood);
  ASSERT_NE(row_.fresh(now_, rule_), nullptr);
  now_ += 1ns;
  EXPECT_EQ(level(), Readings::kNone);
  EXPECT_EQ(row_.fresh(now_, rule_), nullptr);
}

TEST_F(ReadingRowTest, AnAnswerThatIsNoneTakesTheGoodWordBackAtOnce) {
  answer(Kind::kGood);
  now_ += 10s;
  answer(Kind::kNone);
  EXPECT_EQ(level(), Readings::kOpen);
  now_ += 20s;
  EXPECT_EQ(level(), Readings::kOpen);
  now_ += 1ns;
  EXPECT_EQ(level(), Readings::kNone);
}

TEST_F(ReadingRowTest, OnlyBadOnesInARowCount) {
  for (const Kind kind :
       {Kind::kBad, Kind::kBad, Kind::kGood, Kind::kBad, Kind::kNone, Kind::kBad}) {
    now_ += 10s;
    answer(kind);
    EXPECT_EQ(level(), kind == Kind::kGood ? Readings::kGood : Readings::kOpen);
  }
  now_ += 10s;
  answer(Kind::kBad);
  EXPECT_EQ(level(), Readings::kBad);
  rule_.on_failure = config::Query::OnFailure::kRollback;
  EXPECT_EQ(level(), Readings::kRollback);
  now_ += 10s;
  answer(Kind::kGood);
  EXPECT_EQ(level(), Readings::kGood);
}

TEST_F(ReadingRowTest, OneMayBeEnough) {
  rule_.failures = 1;
  answer(Kind::kBad);
  EXPECT_EQ(level(), Readings::kBad);
}

TEST_F(ReadingRowTest, BadOnesThatAreTooFarApartAreNotInARow) {
  answer(Kind::kBad);
  answer(Kind::kBad);
  now_ += 31s;
  answer(Kind::kBad);
  EXPECT_EQ(row_.bad_in_a_row(), 1U);
  EXPECT_EQ(level(), Readings::kOpen);
}

TEST_F(ReadingRowTest, ABadOneThatIsOldIsNoReason) {
  rule_.failures = 1;
  rule_.on_failure = config::Query::OnFailure::kRollback;
  answer(Kind::kBad);
  now_ += 31s;
  EXPECT_EQ(level(), Readings::kNone);
}

TEST_F(ReadingRowTest, AStepNeedsAReadingOfItsOwn) {
  answer(Kind::kGood);
  now_ += 1s;
  row_.begin_step(now_);
  EXPECT_EQ(level(), Readings::kOpen);
  answer(Kind::kGood);
  EXPECT_EQ(level(), Readings::kGood);
  // What is bad stays so across steps.
  rule_.failures = 2;
  now_ += 1s;
  answer(Kind::kBad);
  row_.begin_step(now_);
  now_ += 1s;
  answer(Kind::kBad);
  EXPECT_EQ(level(), Readings::kBad);
}

}  // namespace
}  // namespace canaryd::control::test
