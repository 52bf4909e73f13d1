#include "canaryd/client/async_client.hpp"

#include "support/scripted_server.hpp"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <optional>

namespace canaryd::client {
namespace {

using namespace std::chrono_literals;
using test::ScriptedServer;

class AsyncClient : public ::testing::Test {
 protected:
  std::optional<Result<Response>> fetch(std::uint16_t port, Request request = {}) {
    std::optional<Result<Response>> result;
    begin(port, std::move(request), result);
    // Nothing happens before the context runs.
    EXPECT_FALSE(result.has_value());
    io_.run();
    io_.restart();
    return result;
  }
  void begin(std::uint16_t port, Request request, std::optional<Result<Response>>& result) {
    Address address;
    address.host = "127.0.0.1";
    address.port = port;
    fetch_later(io_, address, limits_, std::move(request), [&result](Result<Response> outcome) {
      EXPECT_FALSE(result.has_value());
      result = std::move(outcome);
    });
  }

  boost::asio::io_context io_;
  Limits limits_;
};

TEST_F(AsyncClient, SendsAndReceives) {
  ScriptedServer server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
  Request request;
  request.target = "/healthz?full";
  const auto response = fetch(server.port, request);
  ASSERT_TRUE(response.has_value() && response->has_value());
  EXPECT_EQ((*response)->status, 200);
  EXPECT_EQ((*response)->body, "hi");
  EXPECT_TRUE(server.request().starts_with("GET /healthz?full HTTP/1.1\r\n"));
}

TEST_F(AsyncClient, WithTheHeadAloneTheBodyMayBeAnything) {
  limits_.head_only = true;
  limits_.total = 10s;
  ScriptedServer endless("HTTP/1.1 204 OK\r\nContent-Length: 999999999\r\n\r\nx", true);
  EXPECT_EQ(fetch(endless.port)->value().status, 204);
  ScriptedServer huge("HTTP/1.1 503 Oh\r\n\r\n" + std::string(100000, 'x'));
  EXPECT_EQ(fetch(huge.port)->value().status, 503);
}

TEST_F(AsyncClient, TheTotalEndsEverything) {
  limits_.total = 50ms;
  ScriptedServer silent("", true);
  const auto late = fetch(silent.port);
  ASSERT_FALSE(late->has_value());
  EXPECT_EQ(late->error().code, ErrorCode::kTimeout);
  EXPECT_EQ(late->error().origin, Origin::kUpstream);
  ScriptedServer slow("HTTP/1.1 200 OK\r\nContent-Le", true);
  EXPECT_EQ(fetch(slow.port)->error().code, ErrorCode::kTimeout);
}

TEST_F(AsyncClient, FailuresAreAnswersToo) {
  std::uint16_t port = 0;
  { port = ScriptedServer("").port; }
  EXPECT_EQ(fetch(port)->error().code, ErrorCode::kRefused);
  ScriptedServer garbage("SSH-2.0-OpenSSH\r\n\r\n");
  EXPECT_EQ(fetch(garbage.port)->error().code, ErrorCode::kMalformed);
  Request bad;
  bad.target = "/a HTTP/1.1\r\nX: y";
  EXPECT_EQ(fetch(port, bad)->error().code, ErrorCode::kInvalidArgument);
}

TEST_F(AsyncClient, ManyAtATime) {
  ScriptedServer slow("", true);
  ScriptedServer fast("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  limits_.total = 50ms;
  std::optional<Result<Response>> first;
  std::optional<Result<Response>> second;
  begin(slow.port, {}, first);
  limits_.total = 10s;
  begin(fast.port, {}, second);
  io_.run();
  EXPECT_EQ(first->error().code, ErrorCode::kTimeout);
  EXPECT_EQ(second->value().status, 200);
}

TEST_F(AsyncClient, WhatTheContextLeavesIsForgotten) {
  ScriptedServer silent("", true);
  std::optional<Result<Response>> result;
  {
    boost::asio::io_context io;
    Address address;
    address.host = "127.0.0.1";
    address.port = silent.port;
    fetch_later(
        io, address, {}, {}, [&](Result<Response> outcome) { result = std::move(outcome); });
    io.run_for(20ms);
  }
  EXPECT_FALSE(result.has_value());
}

}  // namespace
}  // namespace canaryd::client
