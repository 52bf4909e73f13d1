#include "canaryd/http/cookie.hpp"

#include "unit/http/http_support.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace canaryd::http {
namespace {

TEST(CookieTest, Rfc6265Section5_4FindsAValue) {
  EXPECT_EQ(find_cookie("a=1; b=2; c=3", "b"), "2");
  EXPECT_EQ(find_cookie("a=1;b=2", "b"), "2");
  EXPECT_EQ(find_cookie("b=2;", "b"), "2");
  EXPECT_EQ(find_cookie("  b = 2 ; c", "b"), "2");
  EXPECT_EQ(find_cookie("b=x=y", "b"), "x=y");
  EXPECT_EQ(find_cookie("b=\"q\"", "b"), "\"q\"");
  EXPECT_EQ(find_cookie("b=1; b=2", "b"), "1");
  EXPECT_EQ(find_cookie("b=", "b"), "");
  EXPECT_NE(find_cookie("b=", "b").data(), nullptr);
}

TEST(CookieTest, DoesNotFindWhatIsNotThere) {
  for (const char* cookies :
       {"", "b", ";;;", "ab=1", "B=1", "a=b=1", "a=1; bb=2", "=b", "b;b", " "}) {
    EXPECT_EQ(find_cookie(cookies, "b").data(), nullptr) << cookies;
  }
}

TEST(CookieTest, LooksIntoEveryCookieField) {
  FieldList fields;
  fields.add("Cookie", "a=1");
  fields.add("X-Cookie", "b=wrong");
  fields.add("cookie", "b=2; a=3");
  EXPECT_EQ(find_cookie(fields, "b"), "2");
  EXPECT_EQ(find_cookie(fields, "a"), "1");
  EXPECT_EQ(find_cookie(fields, "c").data(), nullptr);
}

TEST(CookieTest, ValidNamesAndValues) {
  EXPECT_TRUE(is_cookie_name("canaryd_id"));
  EXPECT_FALSE(is_cookie_name(""));
  EXPECT_FALSE(is_cookie_name("a=b"));
  EXPECT_TRUE(is_cookie_value("aZ09-_=/+"));
  for (const char* wrong : {"a;b", "a b", "a,b", "a\"", "a\\b", "a\r\nSet-Cookie: x", "\xc3\xa4"}) {
    EXPECT_FALSE(is_cookie_value(wrong)) << wrong;
  }
}

std::string line(const SetCookie& cookie) {
  std::array<char, 256> storage{};
  HeadBuffer out(storage);
  write_set_cookie(out, cookie);
  EXPECT_FALSE(out.overflowed());
  return std::string(out.view());
}

TEST(CookieTest, Rfc6265Section4_1WritesALine) {
  SetCookie cookie;
  cookie.name = "id";
  cookie.value = "abc";
  EXPECT_EQ(line(cookie), "Set-Cookie: id=abc; Path=/; SameSite=Lax; HttpOnly\r\n");
  cookie.max_age = std::chrono::hours(24 * 30);
  cookie.secure = true;
  cookie.same_site = SameSite::kStrict;
  cookie.http_only = false;
  EXPECT_EQ(line(cookie),
            "Set-Cookie: id=abc; Path=/; Max-Age=2592000; SameSite=Strict; Secure\r\n");
  cookie.secure = false;
  cookie.same_site = SameSite::kNone;
  EXPECT_EQ(line(cookie), "Set-Cookie: id=abc; Path=/; Max-Age=2592000; SameSite=None; Secure\r\n");
}

TEST(CookieTest, IsNotIssuedWhereASharedCacheWouldKeepIt) {
  const auto issue = [](const std::string& status, const std::string& fields) {
    return may_issue_cookie(
        test::parse_response("HTTP/1.1 " + status + " X\r\n" + fields + "\r\n")->head);
  };
  EXPECT_TRUE(issue("200", ""));
  EXPECT_TRUE(issue("302", "Cache-Control: private, max-age=60\r\n"));
  EXPECT_TRUE(issue("200", "Cache-Control: no-store\r\nX-Public: public\r\n"));
  EXPECT_FALSE(issue("304", ""));
  EXPECT_FALSE(issue("103", ""));
  EXPECT_FALSE(issue("200", "Cache-Control: max-age=60, Public\r\n"));
  EXPECT_FALSE(issue("200", "Cache-Control: s-maxage = 60\r\n"));
  EXPECT_FALSE(issue("200", "Cache-Control: no-cache\r\nCache-Control: S-MaxAge=1\r\n"));
}

}  // namespace
}  // namespace canaryd::http
