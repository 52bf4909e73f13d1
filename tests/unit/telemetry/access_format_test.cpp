#include "telemetry/access_format.hpp"

#include "canaryd/telemetry/access_log.hpp"
#include "telemetry/line_writer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace canaryd::telemetry {
namespace {

using namespace std::chrono_literals;

using WriteLine = char* (*)(char*, const AccessRecord&, const LineTimes&) noexcept;

std::string line_of(WriteLine write, const AccessRecord& record, std::string_view started) {
  std::vector<char> room(4 * AccessLog::kLineBytesMax);
  LineTimes times;
  times.started = started;
  times.ended_at_us = 1'767'607'320'123'456;
  char* const end = write(room.data(), record, times);
  return std::string(room.data(), end);
}
std::string json(const AccessRecord& record) {
  return line_of(write_json_line, record, "2026-01-05T10:02:00.089Z");
}
std::string combined(const AccessRecord& record) {
  return line_of(write_combined_line, record, "05/Jan/2026:10:02:00 +0000");
}

AccessRecord full() {
  AccessRecord record;
  record.id = "r-1";
  record.trace_id = "0af7651916cd43dd8448eb211c80319c";
  record.client = "192.0.2.7";
  record.listener = "public";
  record.method = "POST";
  record.scheme = "http";
  record.host = "shop.example:80";
  record.path = "/basket";
  record.query = "token=secret&empty=&flag&&x=1";
  record.protocol = "HTTP/1.1";
  record.user_agent = "curl/7.88 \"x\"";
  record.referer = "http://a/b?c=d";
  record.route = "shop";
  record.rollout = "checkout";
  record.step = 2;
  record.cohort = Cohort::kCanary;
  record.rule = "force";
  record.key_source = "header";
  record.forced = true;
  record.key_hash = 0x1234;
  record.weight = BasisPoints(1250);
  record.revision = "2.4.0";
  record.upstream = "shop-v2";
  record.endpoint = "127.0.0.1:9002";
  record.status = 502;
  record.upstream_status = 200;
  record.grpc_status = 14;
  record.error = "upstream_reset";
  record.retries = 1;
  record.fallback = "failed";
  record.bytes_in = 12;
  record.bytes_out = 34567;
  record.started_at = Monotonic(10s);
  record.ended_at = Monotonic(10s + 34567us);
  record.upstream_connect = 250us;
  record.upstream_first_byte = 2s + 5us;
  return record;
}

TEST(AccessFormat, AJsonLineWithEveryField) {
  EXPECT_EQ(
      json(full()),
      R"({"ts":"2026-01-05T10:02:00.089Z","id":"r-1","trace_id":"0af7651916cd43dd8448eb211c80319c",)"
      R"("client":"192.0.2.7","listener":"public","method":"POST","scheme":"http",)"
      R"("host":"shop.example:80","path":"/basket","query_masked":"token=*&empty=*&*&&x=*",)"
      R"("protocol":"HTTP/1.1","route":"shop","rollout":"checkout","step":2,"cohort":"canary",)"
      R"("rule":"force","key_source":"header","forced":true,"upstream":"shop-v2",)"
      R"("endpoint":"127.0.0.1:9002","status":502,"upstream_status":200,"grpc_status":14,)"
      R"("error":"upstream_reset","retries":1,"fallback":"failed","bytes_in":12,"bytes_out":34567,)"
      R"("key_hash":"0000000000001234","weight":12.5,"revision":"2.4.0",)"
      R"("t_end":1767607320.123456,"t_total":0.034567,"t_upstream_connect":0.000250,)"
      R"("t_upstream_first_byte":2.000005,"user_agent":"curl/7.88 \"x\""})"
      "\n");
}

TEST(AccessFormat, LeavesOutWhatHasNoValue) {
  AccessRecord record;
  record.client = "192.0.2.7";
  record.status = 400;
  record.error = "bad_request";
  EXPECT_EQ(json(record),
            R"({"ts":"2026-01-05T10:02:00.089Z","client":"192.0.2.7","status":400,)"
            R"("error":"bad_request","bytes_in":0,"bytes_out":0,"t_end":1767607320.123456,)"
            R"("t_total":0.000000})"
            "\n");
}

TEST(AccessFormat, ACombinedLine) {
  EXPECT_EQ(
      combined(full()),
      R"(192.0.2.7 - - [05/Jan/2026:10:02:00 +0000] "POST /basket?token=*&empty=*&*&&x=* HTTP/1.1")"
      R"( 502 34567 "http://a/b" "curl/7.88 \"x\"" 34567 canary shop-v2)"
      "\n");
  EXPECT_EQ(combined({}), "- - - [05/Jan/2026:10:02:00 +0000] \"- - -\" 499 - \"-\" \"-\" 0 - -\n");
}

TEST(AccessFormat, WeightsArePercent) {
  const auto weight_of = [](unsigned basis_points) {
    AccessRecord record;
    record.rollout = "r";
    record.weight = BasisPoints(basis_points);
    const std::string line = json(record);
    const std::size_t at = line.find("\"weight\":") + 9;
    return line.substr(at, line.find(',', at) - at);
  };
  EXPECT_EQ(weight_of(0), "0");
  EXPECT_EQ(weight_of(5), "0.05");
  EXPECT_EQ(weight_of(50), "0.5");
  EXPECT_EQ(weight_of(1225), "12.25");
  EXPECT_EQ(weight_of(10000), "100");
}

TEST(AccessFormat, EscapesWhatClientsSend) {
  AccessRecord record;
  record.user_agent = "a\tb\\\"\x7f \xc3\xa9 \xff \xc2\x85 \xe2\x80\xae end of a longer text\x01";
  EXPECT_NE(json(record).find(R"("user_agent":"a\u0009b\\\"\u007f )"
                              "\xc3\xa9 \xef\xbf\xbd \xef\xbf\xbd \xef\xbf\xbd"
                              R"( end of a longer text\u0001"})"),
            std::string::npos)
      << json(record);
  // Marks of bidirectional text, and what stands beside the first of them.
  record.user_agent = "\u061c\u200e\u200f\u061b";
  EXPECT_NE(json(record).find("\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\u061b\"}"), std::string::npos)
      << json(record);
  record.user_agent = "a\"\\\n\xc3";
  EXPECT_NE(combined(record).find(R"("a\"\\\x0a\xc3")"), std::string::npos) << combined(record);
}

// Whatever bytes come, a line is one line and its strings end where we end them.
TEST(AccessFormat, NoByteForgesALineOrAField) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  for (int shift = 0; shift < 256; ++shift) {
    std::rotate(all.begin(), all.begin() + 1, all.end());
    AccessRecord record;
    record.id = record.method = record.host = record.path = record.endpoint = all;
    record.query = record.user_agent = record.referer = record.revision = all;
    const std::string line = json(record);
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
    EXPECT_TRUE(std::all_of(line.begin(), line.end() - 1, [](char c) {
      const auto byte = static_cast<unsigned char>(c);
      return byte >= 0x20 && byte != 0x7f;
    }));
    // Outside of strings there is nothing but our own.
    std::string frame;
    bool inside = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (inside && line[i] == '\\') {
        ++i;
      } else if (line[i] == '"') {
        inside = !inside;
      } else if (!inside) {
        frame += line[i];
      }
    }
    EXPECT_FALSE(inside);
    EXPECT_EQ(frame, "{:,:,:,:,:,:,:,:0,:0,:1767607320.123456,:0.000000,:}\n") << line;
    const std::string apache = combined(record);
    EXPECT_EQ(std::count(apache.begin(), apache.end(), '\n'), 1);
    std::size_t quotes = 0;
    for (std::size_t i = 0; i < apache.size(); ++i) {
      if (apache[i] == '\\')
        ++i;
      else if (apache[i] == '"')
        ++quotes;
    }
    EXPECT_EQ(quotes, 6U) << apache;
  }
}

// Everything as long as it can be, and of bytes that take the most room.
TEST(AccessFormat, NoLineIsLongerThanItsRoom) {
  for (const char c : {'a', '"', '\x01', '\xff'}) {
    const std::string text(5000, c);
    const std::string name(63, 'n');
    AccessRecord record = full();
    for (std::string_view AccessRecord::*field : {&AccessRecord::id,
                                                  &AccessRecord::method,
                                                  &AccessRecord::host,
                                                  &AccessRecord::path,
                                                  &AccessRecord::query,
                                                  &AccessRecord::user_agent,
                                                  &AccessRecord::referer,
                                                  &AccessRecord::revision,
                                                  &AccessRecord::error,
                                                  &AccessRecord::rule,
                                                  &AccessRecord::client,
                                                  &AccessRecord::endpoint,
                                                  &AccessRecord::key_source}) {
      record.*field = text;
    }
    for (std::string_view AccessRecord::*field : {&AccessRecord::listener,
                                                  &AccessRecord::route,
                                                  &AccessRecord::rollout,
                                                  &AccessRecord::upstream}) {
      record.*field = name;
    }
    record.bytes_in = record.bytes_out = UINT64_MAX;
    record.retries = record.step = UINT32_MAX;
    record.grpc_status = UINT32_MAX;
    record.started_at = Monotonic(Duration(0));
    record.ended_at = Monotonic(Duration(INT64_MAX));
    record.upstream_connect = record.upstream_first_byte = Duration(INT64_MAX);
    for (const std::string& line : {json(record), combined(record)}) {
      EXPECT_LE(line.size(), AccessLog::kLineBytesMax);
      EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
    }
  }
}

TEST(AccessFormat, CutsALongTextBetweenCharacters) {
  AccessRecord record;
  std::string agent;
  for (int i = 0; i < 400; ++i) agent += "\xc3\xa9";
  record.user_agent = agent;
  const std::string line = json(record);
  const std::size_t at = line.find("\"user_agent\":\"") + 14;
  const std::string written = line.substr(at, line.rfind('"') - at);
  EXPECT_EQ(written.size() % 2, 0U);
  EXPECT_EQ(written, agent.substr(0, written.size()));
}

}  // namespace
}  // namespace canaryd::telemetry
