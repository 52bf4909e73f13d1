#include "canaryd/client/http_client.hpp"

#include "support/scripted_server.hpp"

#include <gtest/gtest.h>

namespace canaryd::client {
namespace {

using test::ScriptedServer;

Limits short_limits() {
  Limits limits;
  limits.connect = std::chrono::seconds(2);
  limits.exchange = std::chrono::milliseconds(200);
  limits.body_bytes = 1000;
  return limits;
}

HttpClient client_of(const ScriptedServer& server, Limits limits = {}) {
  Address address;
  address.host = "127.0.0.1";
  address.port = server.port;
  return HttpClient(address, limits);
}

Result<Response> get(const ScriptedServer& server, Limits limits = {}) {
  return client_of(server, limits).fetch(Request{});
}

TEST(HttpClient, SendsAndReceives) {
  ScriptedServer server("HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\nX-Thing: a\r\n\r\nhi");
  Request request;
  request.method = "POST";
  request.target = "/api/v1/reload?x=1";
  request.headers = {{"Content-Type", "application/json"}};
  request.body = "{}";
  const auto response = client_of(server).fetch(request);
  ASSERT_TRUE(response) << describe(response.error());
  EXPECT_EQ(response->status, 202);
  EXPECT_EQ(response->body, "hi");
  EXPECT_EQ(response->header("x-thing"), "a");
  EXPECT_EQ(response->header("x-other"), "");
  const std::string sent = server.request();
  EXPECT_TRUE(sent.starts_with("POST /api/v1/reload?x=1 HTTP/1.1\r\n")) << sent;
  EXPECT_NE(sent.find("Host: 127.0.0.1:" + std::to_string(server.port)), std::string::npos) << sent;
  EXPECT_NE(sent.find("Content-Length: 2"), std::string::npos) << sent;
  EXPECT_NE(sent.find("Connection: close"), std::string::npos) << sent;
}

TEST(HttpClient, ReadsChunkedAndEndOfConnection) {
  ScriptedServer chunked(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  EXPECT_EQ(get(chunked).value().body, "abcde");
  ScriptedServer until_end("HTTP/1.1 200 OK\r\n\r\nabc");
  EXPECT_EQ(get(until_end).value().body, "abc");
}

// RFC 9110 section 15.2: interim responses come before the answer, and are none.
TEST(HttpClient, PassesOverInterimResponses) {
  const std::string hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
  ScriptedServer server("HTTP/1.1 100 Continue\r\n\r\n" + hints +
                        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
  const auto response = get(server);
  ASSERT_TRUE(response) << describe(response.error());
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "hi");

  ScriptedServer nothing_else(hints);
  EXPECT_FALSE(get(nothing_else));

  std::string many;
  for (int i = 0; i < 100; ++i) many += hints;
  ScriptedServer endless(many + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(get(endless).value().status, 103);

  ScriptedServer switching("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n");
  EXPECT_EQ(get(switching).value().status, 101);
}

// As the data plane does: else a health check calls a server dead that answers its users.
TEST(HttpClient, TakesAStatusLineWithoutTheSpaceBeforeAnEmptyReason) {
  ScriptedServer server("HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi");
  const auto response = get(server);
  ASSERT_TRUE(response) << describe(response.error());
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->header("Content-Length"), "2");
  EXPECT_EQ(response->body, "hi");

  ScriptedServer old("HTTP/1.0 503\r\n\r\n" + std::string(900, 'x'));
  const auto refused = get(old, short_limits());
  ASSERT_TRUE(refused) << describe(refused.error());
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(refused->body, std::string(900, 'x'));

  ScriptedServer interim("HTTP/1.1 100\r\n\r\nHTTP/1.1 204\r\n\r\n");
  EXPECT_EQ(get(interim).value().status, 204);
}

TEST(HttpClient, GoesOnRefusingOtherStatusLines) {
  for (const char* line : {"HTTP/1.1 20\r\n",
                           "HTTP/1.1 200\n",
                           "HTTP/1.1 200\r",
                           "HTTP/1.1200\r\n",
                           "HTTP/1.1 2000\r\n",
                           "HTTP/2.0 200\r\n",
                           "HTTP/1.1\r\n"}) {
    ScriptedServer server(std::string(line) + "Content-Length: 0\r\n\r\n");
    EXPECT_FALSE(get(server)) << line;
  }
  // At once: it need not be waited for.
  ScriptedServer held("SSH-2.0-OpenSSH\r\n", true);
  EXPECT_EQ(get(held).error().code, ErrorCode::kMalformed);
  ScriptedServer cut("HTTP/1.1 200");
  EXPECT_EQ(get(cut).error().code, ErrorCode::kClosed);
  ScriptedServer silent("HTTP/1.1 200", true);
  EXPECT_EQ(get(silent, short_limits()).error().code, ErrorCode::kTimeout);
}

TEST(HttpClient, TellsNotReachableFromNoAnswer) {
  std::uint16_t port = 0;
  { port = ScriptedServer("").port; }
  Address address;
  address.host = "127.0.0.1";
  address.port = port;
  const auto refused = HttpClient(address).fetch(Request{});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kRefused);
  EXPECT_EQ(refused.error().retry, Retry::kSafe);

  Address missing;
  missing.path = "/nonexistent/admin.sock";
  const auto no_socket = HttpClient(missing).fetch(Request{});
  ASSERT_FALSE(no_socket);
  EXPECT_EQ(no_socket.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(no_socket.error().retry, Retry::kSafe);

  ScriptedServer silent("", true);
  const auto late = get(silent, short_limits());
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kTimeout);
  EXPECT_EQ(late.error().retry, Retry::kNever);

  ScriptedServer closes("");
  EXPECT_EQ(get(closes).error().code, ErrorCode::kClosed);
}

TEST(HttpClient, GivesUpWhenItsCallerDoes) {
  ScriptedServer silent("", true);
  int asked = 0;
  const auto nothing = client_of(silent).fetch(Request{}, [&] { return ++asked == 2; });
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(asked, 2);
  ScriptedServer answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
  const auto answer = client_of(answers).fetch(Request{}, [] { return false; });
  ASSERT_TRUE(answer) << describe(answer.error());
  EXPECT_EQ(answer->body, "hi");
}

TEST(HttpClient, GivesUpOnASlowBody) {
  ScriptedServer slow("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", true);
  EXPECT_EQ(get(slow, short_limits()).error().code, ErrorCode::kTimeout);
}

TEST(HttpClient, BoundsWhatItReads) {
  ScriptedServer announced("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" +
                           std::string(1001, 'x'));
  EXPECT_EQ(get(announced, short_limits()).error().code, ErrorCode::kLimit);
  ScriptedServer endless("HTTP/1.1 200 OK\r\n\r\n" + std::string(5000, 'x'));
  EXPECT_EQ(get(endless, short_limits()).error().code, ErrorCode::kLimit);
  ScriptedServer head("HTTP/1.1 200 OK\r\nX: " + std::string(100000, 'x') + "\r\n\r\n");
  EXPECT_EQ(get(head, short_limits()).error().code, ErrorCode::kLimit);
}

TEST(HttpClient, RefusesWhatIsNotAnAnswer) {
  ScriptedServer garbage("SSH-2.0-OpenSSH\r\n\r\n");
  EXPECT_EQ(get(garbage).error().code, ErrorCode::kMalformed);
  ScriptedServer cut("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(get(cut).error().code, ErrorCode::kClosed);
}

TEST(HttpClient, SendsNoLineBreaksFromItsCaller) {
  ScriptedServer server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  const HttpClient client = client_of(server);
  Request target;
  target.target = "/a HTTP/1.1\r\nX: y";
  EXPECT_EQ(client.fetch(target).error().code, ErrorCode::kInvalidArgument);
  Request header;
  header.headers = {{"X", "a\r\nY: b"}};
  EXPECT_EQ(client.fetch(header).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace canaryd::client
