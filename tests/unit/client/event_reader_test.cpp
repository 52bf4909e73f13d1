#include "canaryd/client/event_reader.hpp"

#include "support/scripted_server.hpp"

#include <gtest/gtest.h>

namespace canaryd::client {
namespace {

using test::ScriptedServer;
using namespace std::chrono_literals;

const std::string kHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
const std::string kChunked = kHead + "Transfer-Encoding: chunked\r\n\r\n";
constexpr Duration kLong = 10s;

std::unique_ptr<EventReader> reader_of(const ScriptedServer& server, StreamLimits limits = {}) {
  Address address;
  address.host = "127.0.0.1";
  address.port = server.port;
  return std::make_unique<EventReader>(address, limits);
}

// The data of the next event; what happened instead in brackets.
std::string next(EventReader& reader, Duration limit = kLong) {
  const auto event = reader.next(limit);
  if (!event) return "[" + std::string(to_string(event.error().code)) + "]";
  return *event ? (*event)->data : "[none]";
}

TEST(EventReader, ReadsUntilTheServerEnds) {
  ScriptedServer server(kChunked +
                        "9\r\ndata: a\n\n\r\nc\r\n: hi\n\ndata: \r\n3\r\nb\n\n\r\n0\r\n\r\n");
  const auto reader = reader_of(server);
  Request request;
  request.target = "/api/v1/tap?errors=1";
  const auto response = reader->open(request);
  ASSERT_TRUE(response) << describe(response.error());
  EXPECT_TRUE(is_event_stream(*response));
  EXPECT_EQ(next(*reader), "a");
  EXPECT_EQ(next(*reader), "b");
  EXPECT_EQ(next(*reader), "[closed]");
  EXPECT_EQ(next(*reader), "[closed]");
  EXPECT_TRUE(server.request().starts_with("GET /api/v1/tap?errors=1 HTTP/1.1\r\n"));
}

TEST(EventReader, TakesAStatusLineWithoutTheSpaceBeforeAnEmptyReason) {
  ScriptedServer server("HTTP/1.1 200\r\nContent-Type: text/event-stream\r\n\r\ndata: a\n\n");
  const auto reader = reader_of(server);
  const auto response = reader->open({});
  ASSERT_TRUE(response) << describe(response.error());
  EXPECT_EQ(next(*reader), "a");
}

TEST(EventReader, ReadsUntilTheConnectionEnds) {
  ScriptedServer server(kHead + "\r\ndata: a\n\ndata: half");
  const auto reader = reader_of(server);
  ASSERT_TRUE(reader->open({}));
  EXPECT_EQ(next(*reader), "a");
  EXPECT_EQ(next(*reader), "[closed]");
}

TEST(EventReader, TellsALossFromAnEnd) {
  ScriptedServer server(kChunked + "9\r\ndata: a\n\n\r\n5\r\nda");
  const auto reader = reader_of(server);
  ASSERT_TRUE(reader->open({}));
  EXPECT_EQ(next(*reader), "a");
  EXPECT_EQ(next(*reader), "[reset]");
}

TEST(EventReader, WaitsNoLongerThanItIsTold) {
  ScriptedServer server(kChunked + "9\r\ndata: a\n\n\r\n", true);
  const auto reader = reader_of(server);
  ASSERT_TRUE(reader->open({}));
  EXPECT_EQ(next(*reader), "a");
  EXPECT_EQ(next(*reader, 10ms), "[none]");
  EXPECT_EQ(next(*reader, 0ms), "[none]");
}

TEST(EventReader, SilenceIsALoss) {
  ScriptedServer server(kChunked + "9\r\ndata: a\n\n\r\n", true);
  StreamLimits limits;
  limits.silence = 50ms;
  const auto reader = reader_of(server, limits);
  ASSERT_TRUE(reader->open({}));
  EXPECT_EQ(next(*reader), "a");
  EXPECT_EQ(next(*reader), "[timeout]");
}

TEST(EventReader, BoundsAnEvent) {
  ScriptedServer server(kHead + "\r\ndata: " + std::string(5000, 'x'), true);
  StreamLimits limits;
  limits.event_bytes = 1000;
  const auto reader = reader_of(server, limits);
  ASSERT_TRUE(reader->open({}));
  EXPECT_EQ(next(*reader), "[limit]");
}

TEST(EventReader, HandsOnAnAnswerThatIsNoStream) {
  ScriptedServer server(
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
      "Content-Length: 2\r\n\r\n{}");
  const auto response = reader_of(server)->open({});
  ASSERT_TRUE(response) << describe(response.error());
  EXPECT_EQ(response->status, 503);
  EXPECT_EQ(response->body, "{}");
  EXPECT_FALSE(is_event_stream(*response));
  ScriptedServer cut("HTTP/1.1 503 No\r\nContent-Length: 20\r\n\r\n{}");
  EXPECT_FALSE(reader_of(cut)->open({}));
  ScriptedServer endless("HTTP/1.1 200 OK\r\n\r\n" + std::string(100000, 'x'), true);
  StreamLimits limits;
  limits.body_bytes = 1000;
  const auto long_answer = reader_of(endless, limits)->open({});
  ASSERT_TRUE(long_answer) << describe(long_answer.error());
  EXPECT_LT(long_answer->body.size(), 50000U);
}

TEST(EventReader, TellsNotReachableFromNoAnswer) {
  std::uint16_t port = 0;
  { port = ScriptedServer("").port; }
  Address address;
  address.host = "127.0.0.1";
  address.port = port;
  const auto refused = EventReader(address).open({});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().retry, Retry::kSafe);
  ScriptedServer silent("", true);
  StreamLimits limits;
  limits.answer = 50ms;
  const auto none = reader_of(silent, limits)->open({});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kTimeout);
  Request odd;
  odd.target = "/a b";
  EXPECT_EQ(EventReader(address).open(odd).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace canaryd::client
