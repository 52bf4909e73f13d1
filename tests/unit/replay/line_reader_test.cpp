// What a line is, and what is wrong with one that is none.
#include "canaryd/replay/line_reader.hpp"

#include "canaryd/telemetry/access_log.hpp"
// DEVIATION: the private header of another room, as its output is this one's input.
#include "telemetry/access_format.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::replay {
namespace {

using namespace std::chrono_literals;

LineReader reader() {
  LineReader made("shop", analysis::ErrorClasses{});
  made.begin_file();
  return made;
}

// The outcome of the last line.
Result<std::optional<RecordedRequest>> read(const std::vector<std::string>& lines) {
  LineReader made = reader();
  for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
    const auto before = made.read(lines[i]);
    EXPECT_TRUE(before) << lines[i] << ": " << (before ? "" : before.error().context);
  }
  return made.read(lines.back());
}

RecordedRequest request_of(const std::vector<std::string>& lines) {
  const auto found = read(lines);
  EXPECT_TRUE(found) << lines.back() << ": " << (found ? "" : found.error().context);
  EXPECT_TRUE(found && *found) << lines.back();
  return found && *found ? **found : RecordedRequest{};
}

std::string error_of(const std::vector<std::string>& lines) {
  const auto found = read(lines);
  return found ? "read without an error" : found.error().context;
}

constexpr const char* kHeader = "timestamp_ms,cohort,status,latency_ms";
constexpr const char* kWholeHeader = "timestamp_ms,cohort,status,latency_ms,client,weight";

TEST(LineReader, ReadsCsv) {
  const RecordedRequest good = request_of({kHeader, "1767607320123,stable,200,12.5"});
  EXPECT_EQ(good.ended_ms, 1767607320123);
  EXPECT_EQ(good.started_ms, 1767607320111);
  EXPECT_EQ(good.cohort, Cohort::kStable);
  EXPECT_FALSE(good.bad);
  EXPECT_EQ(good.client, 0U);
  EXPECT_FALSE(good.weight);

  const RecordedRequest bad = request_of({kWholeHeader, "5,canary,503,1,user-7,2.5"});
  EXPECT_TRUE(bad.bad);
  EXPECT_EQ(bad.cohort, Cohort::kCanary);
  EXPECT_EQ(bad.weight, BasisPoints(250));
  EXPECT_NE(bad.client, 0U);
  EXPECT_EQ(bad.client, request_of({kWholeHeader, "9,stable,200,1,user-7,5"}).client);
  EXPECT_NE(bad.client, request_of({kWholeHeader, "9,stable,200,1,user-8,5"}).client);
  EXPECT_EQ(request_of({kWholeHeader, "9,stable,200,1,,5"}).client, 0U);
}

TEST(LineReader, TellsRoutesThatAreJudgedApart) {
  const auto route_of = [](const std::string& header, const std::string& line) {
    LineReader made("shop", analysis::ErrorClasses{}, {"web", "pay"});
    made.begin_file();
    if (!header.empty()) {
      EXPECT_TRUE(made.read(header));
    }
    const auto found = made.read(line);
    EXPECT_TRUE(found && *found) << line;
    return found && *found ? **found : RecordedRequest{};
  };
  const std::string header = std::string(kHeader) + ",route";
  EXPECT_EQ(route_of(header, "1,stable,200,1,pay").route, 1U);
  EXPECT_FALSE(route_of(header, "1,stable,200,1,other").route);
  EXPECT_TRUE(route_of(header, "1,stable,200,1,other").tells_route);
  EXPECT_FALSE(route_of(kHeader, "1,stable,200,1").tells_route);
  const std::string entry =
      R"({"t_end":1.5,"route":"pay","rollout":"shop","cohort":"canary","rule":"weight","weight":5})";
  EXPECT_EQ(route_of("", entry).route, 1U);
}

TEST(LineReader, TakesColumnsInAnyOrderQuotesAndForeignLineEnds) {
  const RecordedRequest request =
      request_of({"\xEF\xBB\xBF\"weight\",status,cohort,latency_ms,timestamp_ms\r",
                  "",
                  "\"5\",200,\"canary\",3,7000\r"});
  EXPECT_EQ(request.ended_ms, 7000);
  EXPECT_EQ(request.weight, BasisPoints(500));
  EXPECT_EQ(request_of({kWholeHeader, "1,canary,200,1,\"a,\"\"b\",5"}).client,
            request_of({kWholeHeader, "1,canary,200,1,\"a,\"\"b\",5"}).client);
}

TEST(LineReader, SaysWhatIsWrongWithCsv) {
  EXPECT_NE(error_of({"1767607320123,stable,200,12.5"})
                .find("neither JSON nor Apache's combined form nor a header"),
            std::string::npos);
  EXPECT_EQ(error_of({"timestamp_ms,cohort,status"}), "column latency_ms is missing");
  EXPECT_EQ(error_of({"timestamp_ms,cohort,status,latency"}),
            "unknown column \"latency\"; there are timestamp_ms, cohort, status, latency_ms, "
            "client, weight, route");
  EXPECT_EQ(error_of({"timestamp_ms,cohort,status,latency_ms,status"}),
            "column status is there twice");
  EXPECT_EQ(error_of({kHeader, "1,stable,200"}), "3 fields where the header has 4");
  EXPECT_EQ(error_of({kHeader, "1,stable,200,1,1"}), "5 fields where the header has 4");
  for (const char* time : {"x", "", "-1", "nan", "inf", "1e300", "9214646400000", "0x10", " 1"}) {
    EXPECT_EQ(error_of({kHeader, std::string(time) + ",stable,200,1"}),
              "timestamp_ms \"" + std::string(time) + "\" is not a Unix time in milliseconds");
  }
  EXPECT_EQ(error_of({kHeader, "1,Stable,200,1"}), "cohort \"Stable\" is not stable or canary");
  for (const char* status : {"", "99", "600", "200.5", "-200", "two"}) {
    EXPECT_EQ(error_of({kHeader, "1,stable," + std::string(status) + ",1"}),
              "status \"" + std::string(status) + "\" is not a status from 100 to 599");
  }
  for (const char* latency : {"", "-1", "nan", "1e20", "1ms"}) {
    EXPECT_EQ(error_of({kHeader, "1,stable,200," + std::string(latency)}),
              "latency_ms \"" + std::string(latency) + "\" is not a number of milliseconds");
  }
  for (const char* weight : {"", "101", "-1", "5.123"}) {
    EXPECT_EQ(error_of({kWholeHeader, "1,stable,200,1,a," + std::string(weight)}),
              "weight \"" + std::string(weight) + "\" is not a percentage from 0 to 100");
  }
  EXPECT_EQ(error_of({kHeader, "\"1,stable,200,1"}), "a quote is not closed");
  EXPECT_EQ(error_of({kHeader, "\"1\"x,stable,200,1"}), "text after a closing quote");
  EXPECT_EQ(error_of({kHeader, std::string(100, ',')}), "more than 64 fields");
  EXPECT_EQ(error_of({kHeader, std::string(kLineBytesMax + 1, 'a')}),
            "the line is longer than 65536 bytes");
  // Nothing that moves a terminal's cursor, and not all of it.
  const std::string hostile = error_of({kHeader, "1,\x1b[2J" + std::string(500, 'a') + ",200,1"});
  EXPECT_EQ(hostile.find('\x1b'), std::string::npos);
  EXPECT_LT(hostile.size(), 120U);
}

// As the daemon writes it.
std::string written(decltype(telemetry::write_json_line)& write,
                    const telemetry::AccessRecord& record,
                    std::string_view started) {
  std::vector<char> room(2 * telemetry::AccessLog::kLineBytesMax);
  telemetry::LineTimes times;
  times.started = started;
  times.ended_at_us = 1'767'607'320'123'456;
  char* const end = write(room.data(), record, times);
  return std::string(room.data(), end - 1);
}

std::string access_line(const telemetry::AccessRecord& record) {
  return written(telemetry::write_json_line, record, "2026-01-05T10:02:00.089Z");
}

telemetry::AccessRecord canary_request() {
  telemetry::AccessRecord record;
  record.rollout = "shop";
  record.cohort = Cohort::kCanary;
  record.rule = "weight";
  record.key_hash = 0x1234;
  record.weight = BasisPoints(1250);
  record.revision = "2.4.0";
  record.status = record.upstream_status = 200;
  record.path = "/a \"quoted\" path";
  record.started_at = Monotonic(10s);
  record.ended_at = Monotonic(10s + 34567us);
  return record;
}

TEST(LineReader, ReadsOurAccessLog) {
  const RecordedRequest request = request_of({access_line(canary_request())});
  EXPECT_EQ(request.ended_ms, 1'767'607'320'123);
  EXPECT_EQ(request.started_ms, 1'767'607'320'123 - 34);
  EXPECT_EQ(request.cohort, Cohort::kCanary);
  EXPECT_FALSE(request.bad);
  EXPECT_EQ(request.client, 0x1234U);
  EXPECT_EQ(request.weight, BasisPoints(1250));
  EXPECT_NE(request.revision, 0U);
}

TEST(LineReader, ChargesFailuresAsTheDaemonDoes) {
  const auto outcome = [](const char* error, std::uint16_t upstream_status) {
    telemetry::AccessRecord record = canary_request();
    record.error = error;
    record.upstream_status = upstream_status;
    const auto found = read({access_line(record)});
    EXPECT_TRUE(found);
    if (!found || !*found) return 'x';
    return (*found)->bad ? 'b' : 'g';
  };
  EXPECT_EQ(outcome("", 200), 'g');
  EXPECT_EQ(outcome("", 404), 'g');
  EXPECT_EQ(outcome("", 500), 'b');
  for (const char* broken : {"timeout",
                             "connect_failed",
                             "upstream_reset",
                             "upstream_protocol",
                             "no_healthy_endpoint"}) {
    EXPECT_EQ(outcome(broken, 0), 'b') << broken;
  }
  for (const char* nobodys : {"overloaded", "shutting_down", "bad_request"}) {
    EXPECT_EQ(outcome(nobodys, 200), 'x') << nobodys;
  }
  EXPECT_EQ(outcome("client_gone", 0), 'x');
}

TEST(LineReader, WhatItsClientLeftIsJudgedByItsStatus) {
  telemetry::AccessRecord record = canary_request();
  record.error = "client_gone";
  EXPECT_TRUE(request_of({access_line(record)}).left);
  EXPECT_FALSE(request_of({access_line(record)}).bad);
  record.status = record.upstream_status = 503;
  EXPECT_TRUE(request_of({access_line(record)}).bad);
  record.status = record.upstream_status = 101;
  EXPECT_FALSE(request_of({access_line(record)}).left) << "the handshake has a time";
}

TEST(LineReader, ATunnelIsAsSlowAsItsHandshake) {
  telemetry::AccessRecord record = canary_request();
  record.status = record.upstream_status = 101;
  record.upstream_first_byte = 7ms;
  record.ended_at = record.started_at + 1h;
  EXPECT_EQ(request_of({access_line(record)}).latency, 7ms);
}

// ---- Apache's combined form

std::string combined_line(const telemetry::AccessRecord& record) {
  return written(telemetry::write_combined_line, record, "05/Jan/2026:10:02:00 +0000");
}

TEST(LineReader, ReadsOurCombinedForm) {
  telemetry::AccessRecord record = canary_request();
  record.client = "192.0.2.1";
  record.upstream = "shop-v2";
  record.user_agent = "\"quoted\" [and] all";
  const RecordedRequest request = request_of({combined_line(record)});
  EXPECT_EQ(request.started_ms, 1'767'607'320'000);
  EXPECT_EQ(request.ended_ms, 1'767'607'320'034);
  EXPECT_EQ(request.latency, 34'567us);
  EXPECT_EQ(request.cohort, Cohort::kCanary);
  EXPECT_FALSE(request.bad);
  EXPECT_EQ(request.client, 0U);
  EXPECT_FALSE(request.weight);
  EXPECT_FALSE(request.tells_route);
}

constexpr const char* kCombinedHead = "::1 - - [05/Jan/2026:11:02:00 +0100] \"GET / HTTP/1.1\" ";

std::string combined_with(const std::string& rest) {
  return kCombinedHead + rest;
}

TEST(LineReader, ReadsTheCombinedFormOfOthers) {
  const RecordedRequest request =
      request_of({combined_with("503 12 \"-\" \"a\\\"b\" 2000000 stable")});
  EXPECT_EQ(request.started_ms, 1'767'607'320'000);
  EXPECT_EQ(request.ended_ms, 1'767'607'322'000);
  EXPECT_EQ(request.cohort, Cohort::kStable);
  EXPECT_TRUE(request.bad);
  EXPECT_TRUE(request_of({combined_with("404 - \"-\" \"-\" 1 canary")}).client_error);
}

TEST(LineReader, LeavesOutOfTheCombinedFormWhatIsNoEvidence) {
  LineReader made("shop", analysis::ErrorClasses{}, {}, {"shop-v1", "shop-v2"});
  made.begin_file();
  const auto counts = [&made](const char* rest) {
    const auto found = made.read(combined_with(rest));
    EXPECT_TRUE(found) << rest;
    return found && *found;
  };
  EXPECT_TRUE(counts("200 1 \"-\" \"-\" 5 canary shop-v2"));
  EXPECT_FALSE(counts("200 1 \"-\" \"-\" 5 canary blog-v2"));
  EXPECT_FALSE(counts("200 1 \"-\" \"-\" 5 - assets"));
  EXPECT_FALSE(counts("499 - \"-\" \"-\" 5 canary shop-v2"));
  EXPECT_FALSE(counts("101 - \"-\" \"-\" 5 canary shop-v2"));
  EXPECT_FALSE(counts("200 1 \"-\" \"-\" 5 blue blog-v2"));
}

TEST(LineReader, SaysWhatIsWrongWithTheCombinedForm) {
  const std::string good = combined_with("200 1 \"-\" \"-\" 5 canary");
  const auto error_behind = [&good](const std::string& line) { return error_of({good, line}); };
  EXPECT_EQ(error_behind("nonsense"), "not a line of the combined form");
  EXPECT_EQ(error_behind(combined_with("200 1 \"-\" \"never closed 5 canary")),
            "not a line of the combined form");
  EXPECT_EQ(error_behind(combined_with("200 1 \"-\" \"-\"")),
            "behind the combined form %D and the cohort are missing: \"\"");
  EXPECT_EQ(error_behind(combined_with("99 1 \"-\" \"-\" 5 canary")),
            "the status \"99\" is not one from 100 to 599");
  EXPECT_EQ(error_behind(combined_with("200 1 \"-\" \"-\" 0.5 canary")),
            "%D \"0.5\" is not a number of microseconds");
  EXPECT_EQ(error_behind(combined_with("200 1 \"-\" \"-\" 5 blue")),
            "the cohort \"blue\" is not stable or canary");
  EXPECT_EQ(error_behind("::1 - - [31/Feb/2026:11:02:00 +0100] \"GET\" 200 1 \"-\" \"-\" 5 canary"),
            "the time \"31/Feb/2026:11:02:00 +0100\" is not one of the form "
            "05/Jan/2026:10:02:00 +0000");
  EXPECT_EQ(error_behind("::1 - - [01/Jan/1960:11:02:00 +0100] \"GET\" 200 1 \"-\" \"-\" 5 canary"),
            "the time \"01/Jan/1960:11:02:00 +0100\" is not between 1970 and 2261");
}

TEST(LineReader, AGrpcStatusIsAFailureToo) {
  telemetry::AccessRecord record = canary_request();
  record.upstream_status = 200;
  record.grpc_status = 14;
  EXPECT_TRUE(request_of({access_line(record)}).bad);
  record.grpc_status = 5;
  EXPECT_FALSE(request_of({access_line(record)}).bad);
}

TEST(LineReader, TellsClientErrorsApart) {
  telemetry::AccessRecord record = canary_request();
  record.upstream_status = 404;
  EXPECT_TRUE(request_of({access_line(record)}).client_error);
  record.upstream_status = 500;
  EXPECT_FALSE(request_of({access_line(record)}).client_error);
  EXPECT_TRUE(request_of({kHeader, "1,stable,404,1"}).client_error);
  EXPECT_FALSE(request_of({kHeader, "1,stable,503,1"}).client_error);
  EXPECT_FALSE(request_of({kHeader, "1,stable,304,1"}).client_error);
}

TEST(LineReader, LeavesOutWhatIsNoEvidence) {
  const auto is_left_out = [](auto change) {
    telemetry::AccessRecord record = canary_request();
    change(record);
    const auto found = read({access_line(record)});
    return found && !*found;
  };
  EXPECT_TRUE(is_left_out([](auto& record) { record.rollout = "other"; }));
  EXPECT_TRUE(is_left_out([](auto& record) { record.rollout = ""; }));
  for (const char* rule : {"force", "follow", "no_key", "safety", "idle"}) {
    EXPECT_TRUE(is_left_out([rule](auto& record) { record.rule = rule; })) << rule;
  }
  EXPECT_TRUE(is_left_out([](auto& record) { record.forced = true; }));
  EXPECT_FALSE(is_left_out([](auto&) {}));
}

TEST(LineReader, SaysWhatIsWrongWithAnAccessLog) {
  const std::string good = access_line(canary_request());
  EXPECT_EQ(error_of({"{"}).rfind("not JSON: ", 0), 0U);
  EXPECT_EQ(error_of({good, "[1]"}), "not a JSON object");
  EXPECT_EQ(error_of({good, good + good}).rfind("not JSON: ", 0), 0U);
  EXPECT_EQ(error_of({good, good.substr(0, 100)}).rfind("not JSON: ", 0), 0U);
  const auto ours = [](const std::string& rest) {
    return R"({"rollout":"shop","rule":"weight","cohort":"canary","t_end":1,"weight":5)" + rest +
           "}";
  };
  EXPECT_TRUE(read({ours("")}));
  EXPECT_EQ(error_of({R"({"rollout":"shop","rule":"weight","cohort":"canary","weight":5})"}),
            "t_end is missing");
  EXPECT_EQ(error_of({R"({"rollout":"shop","rule":"weight","cohort":"canary","t_end":1})"}),
            "weight is missing");
  EXPECT_EQ(error_of({R"({"rollout":"shop","rule":"weight","cohort":"both","t_end":1})"}),
            "cohort \"both\" is not stable or canary");
  EXPECT_EQ(error_of({R"({"rollout":7})"}), "rollout is not a text");
  EXPECT_EQ(error_of({ours(R"(,"t_total":-1)")}), "t_total is not a number in range");
  EXPECT_EQ(error_of({ours(R"(,"t_total":1e300)")}), "t_total is not a number in range");
  EXPECT_EQ(error_of({ours(R"(,"upstream_status":"200")")}),
            "upstream_status is not a number in range");
  EXPECT_EQ(error_of({ours(R"(,"key_hash":"xyz")")}), "key_hash \"xyz\" is not hexadecimal");
  EXPECT_FALSE(read({ours(R"(,"a":)" + std::string(5000, '['))}));
}

TEST(LineReader, EachFileTellsItsOwnFormat) {
  LineReader made = reader();
  ASSERT_TRUE(made.read(access_line(canary_request())));
  EXPECT_TRUE(made.is_access_log());
  made.begin_file();
  ASSERT_TRUE(made.read(kHeader));
  EXPECT_FALSE(made.is_access_log());
  EXPECT_TRUE(made.read("1,stable,200,1"));
}

}  // namespace
}  // namespace canaryd::replay
