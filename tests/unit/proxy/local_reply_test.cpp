#include "proxy/local_reply.hpp"

#include <gtest/gtest.h>

#include <string>

namespace canaryd::proxy {
namespace {

using namespace std::chrono_literals;

std::string write(const LocalReply& reply) {
  std::array<char, 1024> storage{};
  http::HeadBuffer out(storage);
  write_local_reply(out, reply);
  EXPECT_FALSE(out.overflowed());
  return std::string(out.view());
}

TEST(LocalReply, WritesAnError) {
  LocalReply reply;
  reply.error = ProxyError::kNoRoute;
  reply.keep_alive = true;
  reply.request_id = "abc";
  reply.date = "Mon, 05 Jan 2026 10:00:00 GMT";
  EXPECT_EQ(write(reply),
            "HTTP/1.1 404 Not Found\r\n"
            "Date: Mon, 05 Jan 2026 10:00:00 GMT\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Length: 40\r\n"
            "X-Canaryd-Error: no_route\r\n"
            "X-Request-Id: abc\r\n"
            "Connection: keep-alive\r\n"
            "\r\n"
            "no_route: no route matches this request\n");
}

TEST(LocalReply, AnswersHeadWithTheSameHead) {
  LocalReply reply;
  reply.error = ProxyError::kTimeout;
  const std::string whole = write(reply);
  reply.head_only = true;
  const std::string head = write(reply);
  EXPECT_EQ(head, whole.substr(0, whole.find("\r\n\r\n") + 4));
}

TEST(LocalReply, AnEmptyAnswerIsNoError) {
  const std::string text = write({});
  EXPECT_EQ(text.find("HTTP/1.1 200 OK\r\n"), 0U);
  EXPECT_NE(text.find("Content-Length: 0\r\n"), std::string::npos);
  EXPECT_EQ(text.find("X-Canaryd-Error"), std::string::npos);
  EXPECT_TRUE(text.ends_with("\r\n\r\n"));
}

TEST(LocalReply, SaysWhenToComeBack) {
  LocalReply reply;
  reply.error = ProxyError::kOverloaded;
  EXPECT_NE(write(reply).find("Retry-After: 1\r\n"), std::string::npos);
}

TEST(LocalReply, TellsWhatWasDecidedBeforeItFailed) {
  LocalReply reply;
  reply.error = ProxyError::kUpstreamReset;
  const std::string plain = write(reply);
  EXPECT_EQ(plain.find("X-Canaryd-Cohort"), std::string::npos);
  EXPECT_EQ(plain.find("Set-Cookie"), std::string::npos);
  http::SetCookie cookie;
  cookie.name = "id";
  cookie.value = "00112233445566778899aabbccddeeff";
  reply.cohort = Cohort::kCanary;
  reply.cookie = &cookie;
  const std::string told = write(reply);
  EXPECT_EQ(told.find("HTTP/1.1 502 Bad Gateway\r\n"), 0U);
  EXPECT_NE(told.find("\r\nX-Canaryd-Cohort: canary\r\n"
                      "Set-Cookie: id=00112233445566778899aabbccddeeff; Path=/; SameSite=Lax; "
                      "HttpOnly\r\n"),
            std::string::npos)
      << told;
  EXPECT_EQ(told.substr(told.find("\r\n\r\n")), plain.substr(plain.find("\r\n\r\n")));
}

// Content-Length is what follows, every word is there, and none is longer than it may be.
TEST(LocalReply, EachErrorIsAWholeMessage) {
  for (unsigned i = 1; i < static_cast<unsigned>(ProxyError::kClientGone); ++i) {
    LocalReply reply;
    reply.error = static_cast<ProxyError>(i);
    reply.date = "Mon, 05 Jan 2026 10:00:00 GMT";
    const std::string text = write(reply);
    EXPECT_LE(text.size(), 512U);
    const std::size_t body = text.find("\r\n\r\n") + 4;
    const std::string length = "Content-Length: " + std::to_string(text.size() - body) + "\r\n";
    EXPECT_NE(text.find(length), std::string::npos) << text;
    EXPECT_EQ(text.find(std::string(to_string(reply.error)) + ": "), body) << text;
    EXPECT_EQ(text.find("HTTP/1.1 " + std::to_string(status_of(reply.error)) + " "), 0U) << text;
    if (reply.error != ProxyError::kInternal) {
      EXPECT_EQ(text.find("Internal"), std::string::npos) << text;
    }
  }
}

TEST(DateText, IsTheFormOfTheRfc) {
  DateText date;
  // RFC 9110, section 5.6.7.
  EXPECT_EQ(date.at(WallTime(784111777s)), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(date.at(WallTime(0s)), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(date.at(WallTime(1709164799s)), "Wed, 28 Feb 2024 23:59:59 GMT");
  EXPECT_EQ(date.at(WallTime(1709164800s)), "Thu, 29 Feb 2024 00:00:00 GMT");
  EXPECT_EQ(date.at(WallTime(1735689599s)), "Tue, 31 Dec 2024 23:59:59 GMT");
}

TEST(DateText, ChangesWithTheSecondOnly) {
  DateText date;
  const auto second = WallTime(784111777s);
  EXPECT_EQ(date.at(second + 999ms), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(date.at(second + 1000ms), "Sun, 06 Nov 1994 08:49:38 GMT");
  // A clock that is set back.
  EXPECT_EQ(date.at(second), "Sun, 06 Nov 1994 08:49:37 GMT");
}

}  // namespace
}  // namespace canaryd::proxy
