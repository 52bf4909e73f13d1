#include "canaryd/client/http_client.hpp"

#include <gtest/gtest.h>

namespace canaryd::client {
namespace {

TEST(Address, ReadsEveryForm) {
  EXPECT_EQ(parse_address("http://127.0.0.1:9901").value().to_string(), "127.0.0.1:9901");
  EXPECT_EQ(parse_address("http://canary.internal:9901/").value().host, "canary.internal");
  EXPECT_EQ(parse_address("http://localhost").value().port, 80);
  EXPECT_EQ(parse_address("localhost:1").value().port, 1);
  EXPECT_EQ(parse_address("[::1]:9901").value().to_string(), "[::1]:9901");
  EXPECT_EQ(parse_address("http://[::1]").value().to_string(), "[::1]:80");
  EXPECT_EQ(parse_address("unix:/run/canaryd/admin.sock").value().path, "/run/canaryd/admin.sock");
}

TEST(Address, RefusesEverythingElse) {
  for (const char* text : {"",
                           ":",
                           ":9901",
                           "localhost",
                           "localhost:",
                           "localhost:0",
                           "localhost:65536",
                           "localhost:9901x",
                           "http://",
                           "http://localhost:9901/api",
                           "http://user@localhost:9901",
                           "[::1",
                           "[]:1",
                           "::1:9901",
                           "a b:1",
                           "a\r\nb:1",
                           "unix:"}) {
    EXPECT_FALSE(parse_address(text)) << text;
  }
  EXPECT_EQ(parse_address("https://localhost:9901").error().code, ErrorCode::kUnsupported);
  EXPECT_FALSE(parse_address("unix:" + std::string(108, 'x')));
}

}  // namespace
}  // namespace canaryd::client
