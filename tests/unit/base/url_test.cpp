#include "canaryd/base/url.hpp"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace canaryd {
namespace {

TEST(HttpUrl, ReadsEveryForm) {
  const HttpUrl plain = parse_http_url("http://127.0.0.1:9090").value();
  EXPECT_EQ(plain.host, "127.0.0.1");
  EXPECT_EQ(plain.port, 9090);
  EXPECT_EQ(plain.target, "/");
  EXPECT_EQ(plain.to_string(), "http://127.0.0.1:9090");
  const HttpUrl whole = parse_http_url("http://prometheus.internal/a/b?c=d:e").value();
  EXPECT_EQ(whole.port, 80);
  EXPECT_EQ(whole.target, "/a/b?c=d:e");
  EXPECT_EQ(whole.to_string(), "http://prometheus.internal:80/a/b?c=d:e");
  const HttpUrl v6 = parse_http_url("http://[::1]:80/x").value();
  EXPECT_EQ(v6.host, "::1");
  EXPECT_EQ(v6.authority(), "[::1]:80");
}

TEST(HttpUrl, RefusesEverythingElse) {
  for (const char* text : {"",
                           "http://",
                           "http://:80",
                           "http:///path",
                           "http://?query",
                           "http://host?query",
                           "http://host:",
                           "http://host:0/",
                           "http://host:65536",
                           "http://host:80x",
                           "http://user@host/",
                           "http://user:secret@host/",
                           "http://[::1",
                           "http://[]/",
                           "http://host/a b",
                           "http://host/#part",
                           "http://host/\r\nX: y",
                           "http://host/\xc3\xa4",
                           "ftp://host/",
                           "HTTP://host/",
                           "host:9090"}) {
    EXPECT_FALSE(parse_http_url(text)) << text;
  }
  EXPECT_EQ(parse_http_url("https://host").error().code, ErrorCode::kUnsupported);
  EXPECT_TRUE(parse_http_url("http://host/" + std::string(kUrlBytesMax - 12, 'x')));
  EXPECT_FALSE(parse_http_url("http://host/" + std::string(kUrlBytesMax - 11, 'x')));
}

TEST(MaskedUrl, ShowsNoUserAndNoValueOfTheQuery) {
  const std::vector<std::pair<const char*, const char*>> urls{
      {"http://host:80/a/b", "http://host:80/a/b"},
      {"http://host/hook?token=abc&x=1", "http://host/hook?token=***&x=***"},
      {"http://host/hook?abc", "http://host/hook?***"},
      {"http://host?a=b=c&&d=&e", "http://host?a=***&&d=***&***"},
      {"http://user:secret@host:80/@x", "http://***@host:80/@x"},
      {"https://user@other@host?a=@b", "https://***@host?a=***"},
      {"/healthz?key=abc", "/healthz?key=***"},
      {"/go?to=http://user@host/", "/go?to=***"},
      {"http://host/?", "http://host/?"},
      {"", ""}};
  for (const auto& [url, shown] : urls) {
    EXPECT_EQ(masked_url(url), shown);
    EXPECT_EQ(masked_url(shown), shown) << "once is enough";
  }
}

TEST(PercentEncoded, LeavesOnlyWhatMeansItself) {
  EXPECT_EQ(percent_encoded("sum(rate(a_b{c=\"d\"}[5m]))"),
            "sum%28rate%28a_b%7Bc%3D%22d%22%7D%5B5m%5D%29%29");
  EXPECT_EQ(percent_encoded("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percent_encoded("\xc3\xa4&+ "), "%C3%A4%26%2B%20");
}

}  // namespace
}  // namespace canaryd
