// A server over loopback with a scripted backend behind it, and a client.
#pragma once

#include "canaryd/admin/server.hpp"
#include "canaryd/client/http_client.hpp"
#include "support/fake_backend.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace canaryd::admin::test {

namespace json = boost::json;
using client::Request;
using client::Response;

class ServerTest : public testing::Test {
 protected:
  Response fetch(const Request& request) {
    const client::HttpClient http(client::parse_address(admin_.address).value());
    auto response = http.fetch(request);
    EXPECT_TRUE(response) << describe(response.error());
    return response ? *response : Response{};
  }
  Response get(const std::string& target) {
    Request request;
    request.target = target;
    return fetch(request);
  }
  Response post(const std::string& target,
                const std::string& body = "",
                std::vector<client::Header> headers = {}) {
    Request request;
    request.method = "POST";
    request.target = target;
    request.headers = std::move(headers);
    if (!body.empty()) request.headers.push_back({"Content-Type", "application/json"});
    request.body = body;
    return fetch(request);
  }
  static json::value parse(const Response& response) { return json::parse(response.body); }

  canaryd::test::AdminFixture admin_;
  canaryd::test::FakeBackend& backend_ = admin_.backend;  // Only between requests.
};

inline void expect_problem(const Response& response, int status, const std::string& kind) {
  EXPECT_EQ(response.status, status) << response.body;
  EXPECT_EQ(response.header("Content-Type"), "application/problem+json");
  boost::system::error_code code;
  const json::value body = json::parse(response.body, code);
  ASSERT_FALSE(code) << response.body;
  EXPECT_EQ(body.at("type").as_string(), "urn:canaryd:problem:" + kind);
  EXPECT_EQ(body.at("status").as_int64(), status);
  EXPECT_FALSE(body.at("title").as_string().empty());
  EXPECT_FALSE(body.at("detail").as_string().empty());
}

}  // namespace canaryd::admin::test
